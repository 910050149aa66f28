// running.v -- the unbounded twin of an accumulator: its exact sum, and how far the weights reach
//
// Ghosts, wide enough that nothing is lost: what a dot product has come to with this beat, and
// before it. The reach of the beats so far is what a bound is about, whatever the inputs are.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module running #(
    parameter integer GHOST_BITS = 20
) (
    input  wire                         clk,
    input  wire                         rst,
    input  wire                         beat,
    input  wire                         last,
    input  wire signed [GHOST_BITS-1:0] beat_exact, // of this beat's products
    input  wire signed [GHOST_BITS-1:0] beat_up,
    input  wire signed [GHOST_BITS-1:0] beat_down,
    output reg                          first_q,    // the next beat starts a dot product
    output wire signed [GHOST_BITS-1:0] old_exact,  // before this beat
    output wire signed [GHOST_BITS-1:0] old_up,
    output wire signed [GHOST_BITS-1:0] old_down,
    output wire signed [GHOST_BITS-1:0] exact,      // with this beat
    output wire signed [GHOST_BITS-1:0] up,
    output wire signed [GHOST_BITS-1:0] down
);

    reg signed [GHOST_BITS-1:0] exact_q;
    reg signed [GHOST_BITS-1:0] up_q;
    reg signed [GHOST_BITS-1:0] down_q;

    assign old_exact = first_q ? {GHOST_BITS{1'b0}} : exact_q;
    assign old_up    = first_q ? {GHOST_BITS{1'b0}} : up_q;
    assign old_down  = first_q ? {GHOST_BITS{1'b0}} : down_q;
    assign exact     = old_exact + beat_exact;
    assign up        = old_up + beat_up;
    assign down      = old_down + beat_down;

    always @(posedge clk) begin
        if (rst)
            first_q <= 1'b1;
        else if (beat)
            first_q <= last;
        if (beat) begin
            exact_q <= exact;
            up_q    <= up;
            down_q  <= down;
        end
    end

endmodule

`default_nettype wire
