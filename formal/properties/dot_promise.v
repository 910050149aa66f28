// dot_promise.v -- what dot.v promises: within ACC_BITS its sum is exact, and it does not overflow
//
// That is: where the addend and the exact sum of the products lie within their reach, and both
// reaches together fit ACC_BITS.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module dot_promise #(
    parameter integer GHOST_BITS = 19, // width of the ghosts, signed
    parameter integer ACC_BITS   = 16  // width of the accumulator, signed (P)
) (
    input  wire signed [ACC_BITS-1:0]   addend,
    input  wire signed [GHOST_BITS-1:0] addend_up,
    input  wire signed [GHOST_BITS-1:0] addend_down,
    input  wire signed [GHOST_BITS-1:0] exact, // of the products
    input  wire signed [GHOST_BITS-1:0] up,
    input  wire signed [GHOST_BITS-1:0] down,
    input  wire signed [ACC_BITS-1:0]   sum,
    input  wire                         overflow,
    output wire                         premise,
    output wire                         holds
);

    node_promise #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_last_node (
        .left_exact(exact), .left_up(up), .left_down(down), .left_value(exact[ACC_BITS-1:0]),
        .right_exact({{(GHOST_BITS-ACC_BITS){addend[ACC_BITS-1]}}, addend}),
        .right_up(addend_up), .right_down(addend_down), .right_value(addend),
        .value(sum), .fits(~overflow), .premise(premise), .holds(holds)
    );

endmodule

`default_nettype wire
