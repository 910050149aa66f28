// find_overflow.v -- is there an input that overflows a row in pe.v? Its products are not cut
//
// The claim is that there is none. Weights are constants, a beat comes in every cycle.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module find_overflow #(
    parameter integer MW             = 64, // matrix width: inputs
    parameter integer SIMD           = 8,  // inputs at once
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0,  // what does not fit: 0 wraps, 1 saturates
    parameter [MW*WEIGHT_BITS-1:0] WEIGHTS = 0 // of the row, column 0 in the low bits
) (
    input wire                       clk,
    input wire                       rst,
    input wire [SIMD*INPUT_BITS-1:0] inputs
);

    localparam integer SF      = MW / SIMD;
    localparam integer SF_BITS = (SF > 1) ? $clog2(SF) : 1;
    localparam integer LAST_SF = SF - 1;

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    always @* assume (!started_q || !rst);

    reg [SF_BITS-1:0] sf_q;

    wire last = sf_q == LAST_SF[SF_BITS-1:0];

    always @(posedge clk)
        sf_q <= (rst || last) ? {SF_BITS{1'b0}} : sf_q + 1'b1;

    wire [SIMD*WEIGHT_BITS-1:0] weights = WEIGHTS[sf_q*SIMD*WEIGHT_BITS +: SIMD*WEIGHT_BITS];
    wire [ACC_BITS-1:0]         unused_acc;
    wire                        overflow;

    pe #(
        .SIMD(SIMD), .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT), .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT), .BIPOLAR_INPUT(BIPOLAR_INPUT), .ACC_BITS(ACC_BITS),
        .OVERFLOW(OVERFLOW)
    ) u_pe (
        .clk(clk), .rst(rst), .beat(1'b1), .last(last), .weights(weights), .inputs(inputs),
        .acc(unused_acc), .overflow(overflow)
    );

    always @* if (started_q) begin
        assert (!overflow);
        cover (last);
    end

endmodule

`default_nettype wire
