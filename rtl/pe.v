// pe.v -- processing element: accumulates one output channel, SIMD lanes a beat
//
// acc and overflow already include the operands that are at the inputs, in the same cycle; beat
// takes them into the register at the clock edge. The beat after a last one, or after reset, starts
// a new dot product. overflow is sticky: some partial sum of this very dot product left ACC_BITS.
// OBSERVE=0 leaves the observer out and holds overflow low. SPDX-License-Identifier: Apache-2.0

`default_nettype none

module pe #(
    parameter integer SIMD           = 8,  // lanes
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0,  // what does not fit: 0 wraps, 1 saturates
    parameter integer OBSERVE        = 1   // 1: watch for overflow
) (
    input  wire                        clk,
    input  wire                        rst,
    input  wire                        beat,
    input  wire                        last,
    input  wire [SIMD*WEIGHT_BITS-1:0] weights,
    input  wire [SIMD*INPUT_BITS-1:0]  inputs,
    output wire [ACC_BITS-1:0]         acc,
    output wire                        overflow
);

    localparam [0:0] OBSERVE_MUST_BE_0_OR_1 = {(OBSERVE == 0 || OBSERVE == 1){1'b1}};
    wire unused_static_asserts = OBSERVE_MUST_BE_0_OR_1;

    reg first_q; // the next beat starts a dot product

    always @(posedge clk)
        if (rst)
            first_q <= 1'b1;
        else if (beat)
            first_q <= last;

    reg  [ACC_BITS-1:0] acc_q;
    wire                beat_overflow;

    dot #(
        .SIMD(SIMD),
        .WEIGHT_BITS(WEIGHT_BITS),
        .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT),
        .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT),
        .BIPOLAR_INPUT(BIPOLAR_INPUT),
        .ACC_BITS(ACC_BITS),
        .OVERFLOW(OVERFLOW)
    ) u_dot (
        .weights(weights),
        .inputs(inputs),
        .addend(first_q ? {ACC_BITS{1'b0}} : acc_q),
        .sum(acc),
        .overflow(beat_overflow)
    );

    always @(posedge clk)
        if (beat)
            acc_q <= acc;

    generate
        if (OBSERVE == 1) begin : g_observe
            reg overflow_q;

            assign overflow = beat_overflow | (overflow_q & ~first_q);

            always @(posedge clk)
                if (beat)
                    overflow_q <= overflow;
        end else begin : g_blind
            wire unused_beat_overflow = beat_overflow;

            assign overflow = 1'b0;
        end
    endgenerate

endmodule

`default_nettype wire
