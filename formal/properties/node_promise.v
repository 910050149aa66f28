// node_promise.v -- what a node of the tree in dot.v promises, of its two children alone
//
// Where both exact values lie within their reach, their sum lies within the sum of both; where that
// fits ACC_BITS and the children hold their exact values, so does the node, and does not overflow.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module node_promise #(
    parameter integer GHOST_BITS = 19, // width of the ghosts, signed
    parameter integer ACC_BITS   = 16  // width of the accumulator, signed (P)
) (
    input  wire signed [GHOST_BITS-1:0] left_exact,
    input  wire signed [GHOST_BITS-1:0] left_up,
    input  wire signed [GHOST_BITS-1:0] left_down,
    input  wire signed [ACC_BITS-1:0]   left_value,
    input  wire signed [GHOST_BITS-1:0] right_exact,
    input  wire signed [GHOST_BITS-1:0] right_up,
    input  wire signed [GHOST_BITS-1:0] right_down,
    input  wire signed [ACC_BITS-1:0]   right_value,
    input  wire signed [ACC_BITS-1:0]   value,
    input  wire                         fits,
    output wire                         premise,
    output wire                         holds
);

    wire signed [GHOST_BITS-1:0] exact = left_exact + right_exact;
    wire signed [GHOST_BITS-1:0] up    = left_up + right_up;
    wire signed [GHOST_BITS-1:0] down  = left_down + right_down;

    wire left_within;
    wire right_within;
    wire within;
    wire narrow;
    wire unused_left_fits;
    wire unused_right_fits;

    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_left (
        .exact(left_exact), .up(left_up), .down(left_down),
        .holds(left_within), .fits(unused_left_fits)
    );
    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_right (
        .exact(right_exact), .up(right_up), .down(right_down),
        .holds(right_within), .fits(unused_right_fits)
    );
    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_sum (
        .exact(exact), .up(up), .down(down), .holds(within), .fits(narrow)
    );

    assign premise = left_value == left_exact && right_value == right_exact
        && left_within && right_within && narrow;
    assign holds   = (!(left_within && right_within) || within)
        && (!premise || (fits && value == exact));

endmodule

`default_nettype wire
