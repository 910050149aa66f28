// vvau.v -- depthwise matrix-vector unit: MH channels, each a dot product of MW inputs of its own
//
// Beats hold SIMD taps of PE channels, channel fold outer, tap fold inner; nothing is replayed.
// Input (simd, pe) is at (simd*PE+pe)*INPUT_BITS, as a sliding window delivers it, weight (pe,
// simd) at (pe*SIMD+simd)*WEIGHT_BITS. One beat a cycle; PE results leave in the cycle after each
// (MW/SIMD)-th beat, m_axis_output_tlast with the last of a vector. Bit p of m_axis_output_tuser
// is set if and only if a partial sum of result p left ACC_BITS (low if OBSERVE=0). No
// combinational path from m_axis_output_tready to another ready or to valid.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module vvau #(
    parameter integer MW             = 64, // matrix width: taps of a channel
    parameter integer MH             = 10, // matrix height: channels
    parameter integer PE             = 5,  // channels at once
    parameter integer SIMD           = 8,  // taps at once
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of an accumulator, signed (P)
    parameter integer OVERFLOW       = 0,  // what does not fit: 0 wraps, 1 saturates
    parameter integer OBSERVE        = 1   // 1: watch for overflow
) (
    input  wire                           clk,
    input  wire                           rst,
    input  wire [PE*SIMD*INPUT_BITS-1:0]  s_axis_input_tdata,
    input  wire                           s_axis_input_tvalid,
    output wire                           s_axis_input_tready,
    input  wire [PE*SIMD*WEIGHT_BITS-1:0] s_axis_weight_tdata,
    input  wire                           s_axis_weight_tvalid,
    output wire                           s_axis_weight_tready,
    output wire [PE*ACC_BITS-1:0]         m_axis_output_tdata,
    output wire [PE-1:0]                  m_axis_output_tuser,
    output wire                           m_axis_output_tlast,
    output wire                           m_axis_output_tvalid,
    input  wire                           m_axis_output_tready
);

    localparam [0:0] MW_MUST_BE_1_TO_65536 = {(MW >= 1 && MW <= 65536){1'b1}};
    localparam [0:0] MH_MUST_BE_1_TO_65536 = {(MH >= 1 && MH <= 65536){1'b1}};
    localparam [0:0] PE_MUST_BE_POSITIVE   = {(PE >= 1){1'b1}};
    localparam [0:0] SIMD_MUST_DIVIDE_MW   = {((MW / SIMD) * SIMD == MW){1'b1}};
    localparam [0:0] PE_MUST_DIVIDE_MH     = {((MH / PE) * PE == MH){1'b1}};
    wire unused_static_asserts =
        MW_MUST_BE_1_TO_65536 & MH_MUST_BE_1_TO_65536 & PE_MUST_BE_POSITIVE
        & SIMD_MUST_DIVIDE_MW & PE_MUST_DIVIDE_MH;

    localparam integer SF        = MW / SIMD;
    localparam integer NF        = MH / PE;
    localparam integer BEAT_BITS = (SF > 1) ? $clog2(SF) : 1;
    localparam integer FOLD_BITS = (NF > 1) ? $clog2(NF) : 1;
    localparam integer LAST_BEAT = SF - 1;
    localparam integer LAST_FOLD = NF - 1;

    wire room;
    wire beat = s_axis_input_tvalid & s_axis_weight_tvalid & room;

    assign s_axis_input_tready  = s_axis_weight_tvalid & room;
    assign s_axis_weight_tready = s_axis_input_tvalid & room;

    reg [BEAT_BITS-1:0] beat_q;
    reg [FOLD_BITS-1:0] fold_q;

    wire last      = beat_q == LAST_BEAT[BEAT_BITS-1:0];
    wire last_fold = fold_q == LAST_FOLD[FOLD_BITS-1:0];

    always @(posedge clk)
        if (rst) begin
            beat_q <= {BEAT_BITS{1'b0}};
            fold_q <= {FOLD_BITS{1'b0}};
        end else if (beat) begin
            beat_q <= last ? {BEAT_BITS{1'b0}} : beat_q + 1'b1;
            if (last)
                fold_q <= last_fold ? {FOLD_BITS{1'b0}} : fold_q + 1'b1;
        end

    wire [PE*ACC_BITS-1:0] acc;
    wire [PE-1:0]          overflow;

    genvar gp;
    genvar gs;
    generate
        for (gp = 0; gp < PE; gp = gp + 1) begin : g_pe
            wire [SIMD*INPUT_BITS-1:0] inputs; // of this channel, from all over the beat

            for (gs = 0; gs < SIMD; gs = gs + 1) begin : g_tap
                assign inputs[gs*INPUT_BITS +: INPUT_BITS] =
                    s_axis_input_tdata[(gs*PE+gp)*INPUT_BITS +: INPUT_BITS];
            end

            pe #(
                .SIMD(SIMD),
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
                .last(last),
                .weights(s_axis_weight_tdata[gp*SIMD*WEIGHT_BITS +: SIMD*WEIGHT_BITS]),
                .inputs(inputs),
                .acc(acc[gp*ACC_BITS +: ACC_BITS]),
                .overflow(overflow[gp])
            );
        end
    endgenerate

    skid_buffer #(
        .DATA_BITS(1 + PE + PE*ACC_BITS)
    ) u_skid (
        .clk(clk),
        .rst(rst),
        .s_axis_tdata({last_fold, overflow, acc}),
        .s_axis_tvalid(beat & last),
        .s_axis_tready(room),
        .m_axis_tdata({m_axis_output_tlast, m_axis_output_tuser, m_axis_output_tdata}),
        .m_axis_tvalid(m_axis_output_tvalid),
        .m_axis_tready(m_axis_output_tready)
    );

endmodule

`default_nettype wire
