// mac.v -- multiply-accumulate, one lane: the sum of weight * input up to s_axis_input_tlast
//
// Takes one beat of both input streams at a time, one pair a cycle; a result leaves in the cycle
// after its last pair. m_axis_output_tuser is set if and only if a partial sum of that result left
// ACC_BITS (always low if OBSERVE=0). No combinational path from m_axis_output_tready to another
// ready or to valid. SPDX-License-Identifier: Apache-2.0

`default_nettype none

module mac #(
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0,  // what does not fit: 0 wraps, 1 saturates
    parameter integer OBSERVE        = 1   // 1: watch for overflow
) (
    input  wire                   clk,
    input  wire                   rst,
    input  wire [INPUT_BITS-1:0]  s_axis_input_tdata,
    input  wire                   s_axis_input_tlast,
    input  wire                   s_axis_input_tvalid,
    output wire                   s_axis_input_tready,
    input  wire [WEIGHT_BITS-1:0] s_axis_weight_tdata,
    input  wire                   s_axis_weight_tvalid,
    output wire                   s_axis_weight_tready,
    output wire [ACC_BITS-1:0]    m_axis_output_tdata,
    output wire                   m_axis_output_tuser,
    output wire                   m_axis_output_tvalid,
    input  wire                   m_axis_output_tready
);

    wire room;
    wire beat = s_axis_input_tvalid & s_axis_weight_tvalid & room;

    assign s_axis_input_tready  = s_axis_weight_tvalid & room;
    assign s_axis_weight_tready = s_axis_input_tvalid & room;

    wire [ACC_BITS-1:0] acc;
    wire                overflow;

    pe #(
        .SIMD(1),
        .WEIGHT_BITS(WEIGHT_BITS),
        .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT),
        .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT),
        .BIPOLAR_INPUT(BIPOLAR_INPUT),
        .ACC_BITS(ACC_BITS),
        .OVERFLOW(OVERFLOW),
        .OBSERVE(OBSERVE)
    ) u_pe (
        .clk(clk),
        .rst(rst),
        .beat(beat),
        .last(s_axis_input_tlast),
        .weights(s_axis_weight_tdata),
        .inputs(s_axis_input_tdata),
        .acc(acc),
        .overflow(overflow)
    );

    skid_buffer #(
        .DATA_BITS(1 + ACC_BITS)
    ) u_skid (
        .clk(clk),
        .rst(rst),
        .s_axis_tdata({overflow, acc}),
        .s_axis_tvalid(beat & s_axis_input_tlast),
        .s_axis_tready(room),
        .m_axis_tdata({m_axis_output_tuser, m_axis_output_tdata}),
        .m_axis_tvalid(m_axis_output_tvalid),
        .m_axis_tready(m_axis_output_tready)
    );

endmodule

`default_nettype wire
