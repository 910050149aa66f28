// interval.v -- an exact value lies between -down and up, and both ends lie within ACC_BITS
//
// The ends count from 0. GHOST_BITS must hold them and the value with two bits to spare.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module interval #(
    parameter integer GHOST_BITS = 19, // width of the ghosts, signed
    parameter integer ACC_BITS   = 16  // width of the accumulator, signed (P)
) (
    input  wire signed [GHOST_BITS-1:0] exact,
    input  wire signed [GHOST_BITS-1:0] up,
    input  wire signed [GHOST_BITS-1:0] down,
    output wire                         holds, // -down <= exact <= up
    output wire                         fits   // up <= 2^(P-1) - 1 and down <= 2^(P-1)
);

    wire signed [GHOST_BITS-1:0] top = {{(GHOST_BITS-ACC_BITS){1'b0}}, 1'b1, {(ACC_BITS-1){1'b0}}};

    assign holds = up >= 0 && down >= 0 && -down <= exact && exact <= up;
    assign fits  = up < top && down <= top;

endmodule

`default_nettype wire
