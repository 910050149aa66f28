// free_dot.v -- stands in for dot.v where a proof needs no more of it than its promise
//
// Its outputs are anything; a proof that uses it assumes dot_promise of them, or nothing.
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

endmodule

`default_nettype wire
