// free_dot.v -- stands in for dot.v where a proof needs no more of it than its promise
//
// Its outputs are anything; a proof that uses it assumes dot_promise of them, or nothing. Whether
// the dot has the parameters that it should have, a proof sees by the wire of that name.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module dot #(
    parameter integer SIMD           = 8,  // lanes
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0   // what does not fit: 0 wraps, 1 saturates
) (
    input  wire [SIMD*WEIGHT_BITS-1:0] weights,
    input  wire [SIMD*INPUT_BITS-1:0]  inputs,
    input  wire [ACC_BITS-1:0]         addend,
    output wire [ACC_BITS-1:0]         sum,
    output wire                        overflow
);

    (* anyseq *) wire [ACC_BITS-1:0] any_sum;
    (* anyseq *) wire                any_overflow;

    assign sum      = any_sum;
    assign overflow = any_overflow;

    wire [8*32-1:0] parameters = {
        SIMD[31:0], WEIGHT_BITS[31:0], BIPOLAR_WEIGHT[31:0], INPUT_BITS[31:0],
        SIGNED_INPUT[31:0], BIPOLAR_INPUT[31:0], ACC_BITS[31:0], OVERFLOW[31:0]
    };

endmodule

`default_nettype wire
