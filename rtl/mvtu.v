// mvtu.v -- matrix-vector-threshold unit: an mvau with the activation behind it
//
// Inputs and weights as in mvau, thresholds as in threshold, which see accumulators and nothing
// else. Bit p of m_axis_output_tuser is set if and only if a partial sum behind output p left
// ACC_BITS; m_axis_output_tlast comes with the last of a vector. One beat a cycle once a set of
// thresholds is in; a new one may come at any time and counts from a vector on. No combinational
// path from m_axis_output_tready to another ready or to valid.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module mvtu #(
    parameter integer MW             = 64, // matrix width: inputs
    parameter integer MH             = 10, // matrix height: outputs
    parameter integer PE             = 5,  // outputs at once
    parameter integer SIMD           = 8,  // inputs at once
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of an accumulator, signed (P)
    parameter integer OVERFLOW       = 0,  // what does not fit: 0 wraps, 1 saturates
    parameter integer OBSERVE        = 1,  // 1: watch for overflow
    parameter integer OUTPUT_BITS    = 4,  // width of an output (B)
    parameter integer SIGNED_OUTPUT  = 0,  // 1: outputs are two's complement
    parameter integer SEARCH         = 0   // 0: a comparator for each threshold; 1: B stages of one
) (
    input  wire                           clk,
    input  wire                           rst,
    input  wire [SIMD*INPUT_BITS-1:0]     s_axis_input_tdata,
    input  wire                           s_axis_input_tvalid,
    output wire                           s_axis_input_tready,
    input  wire [PE*SIMD*WEIGHT_BITS-1:0] s_axis_weight_tdata,
    input  wire                           s_axis_weight_tvalid,
    output wire                           s_axis_weight_tready,
    input  wire [ACC_BITS:0]              s_axis_threshold_tdata,
    input  wire                           s_axis_threshold_tvalid,
    output wire                           s_axis_threshold_tready,
    output wire [PE*OUTPUT_BITS-1:0]      m_axis_output_tdata,
    output wire [PE-1:0]                  m_axis_output_tuser,
    output wire                           m_axis_output_tlast,
    output wire                           m_axis_output_tvalid,
    input  wire                           m_axis_output_tready
);

    wire [PE*ACC_BITS-1:0] acc_data;
    wire [PE-1:0]          acc_user;
    wire                   acc_last;
    wire                   acc_valid;
    wire                   acc_ready;

    mvau #(
        .MW(MW),
        .MH(MH),
        .PE(PE),
        .SIMD(SIMD),
        .WEIGHT_BITS(WEIGHT_BITS),
        .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT),
        .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT),
        .BIPOLAR_INPUT(BIPOLAR_INPUT),
        .ACC_BITS(ACC_BITS),
        .OVERFLOW(OVERFLOW),
        .OBSERVE(OBSERVE)
    ) u_mvau (
        .clk(clk),
        .rst(rst),
        .s_axis_input_tdata(s_axis_input_tdata),
        .s_axis_input_tvalid(s_axis_input_tvalid),
        .s_axis_input_tready(s_axis_input_tready),
        .s_axis_weight_tdata(s_axis_weight_tdata),
        .s_axis_weight_tvalid(s_axis_weight_tvalid),
        .s_axis_weight_tready(s_axis_weight_tready),
        .m_axis_output_tdata(acc_data),
        .m_axis_output_tuser(acc_user),
        .m_axis_output_tlast(acc_last),
        .m_axis_output_tvalid(acc_valid),
        .m_axis_output_tready(acc_ready)
    );

    threshold #(
        .MH(MH),
        .PE(PE),
        .ACC_BITS(ACC_BITS),
        .OUTPUT_BITS(OUTPUT_BITS),
        .SIGNED_OUTPUT(SIGNED_OUTPUT),
        .SEARCH(SEARCH)
    ) u_threshold (
        .clk(clk),
        .rst(rst),
        .s_axis_input_tdata(acc_data),
        .s_axis_input_tuser(acc_user),
        .s_axis_input_tlast(acc_last),
        .s_axis_input_tvalid(acc_valid),
        .s_axis_input_tready(acc_ready),
        .s_axis_threshold_tdata(s_axis_threshold_tdata),
        .s_axis_threshold_tvalid(s_axis_threshold_tvalid),
        .s_axis_threshold_tready(s_axis_threshold_tready),
        .m_axis_output_tdata(m_axis_output_tdata),
        .m_axis_output_tuser(m_axis_output_tuser),
        .m_axis_output_tlast(m_axis_output_tlast),
        .m_axis_output_tvalid(m_axis_output_tvalid),
        .m_axis_output_tready(m_axis_output_tready)
    );

endmodule

`default_nettype wire
