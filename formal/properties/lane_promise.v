// lane_promise.v -- what a lane of dot.v promises: its product stays within the weight's reach
//
// And where that reach fits ACC_BITS the lane holds the exact product and does not overflow.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module lane_promise #(
    parameter integer GHOST_BITS = 19, // width of the ghosts, signed
    parameter integer ACC_BITS   = 16  // width of the accumulator, signed (P)
) (
    input  wire signed [GHOST_BITS-1:0] exact,
    input  wire signed [GHOST_BITS-1:0] up,
    input  wire signed [GHOST_BITS-1:0] down,
    input  wire signed [ACC_BITS-1:0]   value, // that the lane holds
    input  wire                         fits,  // no overflow
    output wire                         holds
);

    wire within;
    wire narrow;

    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_interval (
        .exact(exact), .up(up), .down(down), .holds(within), .fits(narrow)
    );

    assign holds = within && (!narrow || (fits && value == exact));

endmodule

`default_nettype wire
