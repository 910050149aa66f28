// bounded.v -- a dot product whose weights stay within the bound, and a dot that keeps its promise
//
// What a pe is given, beat by beat, whoever gives it: the products of a beat lie within the reach of
// its weights (lane_promise), and all weights of a dot product so far reach no farther than ACC_BITS
// (the bound). Ghosts; with them goes what dot_promise says of the beat's sum.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module bounded #(
    parameter integer GHOST_BITS = 20,
    parameter integer ACC_BITS   = 16  // width of the accumulator, signed (P)
) (
    input  wire                         clk,
    input  wire                         rst,
    input  wire                         beat,
    input  wire                         last,
    input  wire                         known,      // the ghosts are those of what the dot is given
    input  wire signed [GHOST_BITS-1:0] beat_exact,
    input  wire signed [GHOST_BITS-1:0] beat_up,
    input  wire signed [GHOST_BITS-1:0] beat_down,
    input  wire signed [ACC_BITS-1:0]   addend,   // of the dot
    input  wire signed [ACC_BITS-1:0]   sum,
    input  wire                         overflow,
    output wire                         first_q,
    output wire signed [GHOST_BITS-1:0] old_exact,
    output wire signed [GHOST_BITS-1:0] exact,
    output wire                         fits,     // the bound: assume it, or prove it
    output wire                         holds     // of what a proof by induction needs
);

    wire signed [GHOST_BITS-1:0] old_up;
    wire signed [GHOST_BITS-1:0] old_down;
    wire signed [GHOST_BITS-1:0] up;
    wire signed [GHOST_BITS-1:0] down;

    running #(.GHOST_BITS(GHOST_BITS)) u_running (
        .clk(clk), .rst(rst), .beat(beat), .last(last), .beat_exact(beat_exact),
        .beat_up(beat_up), .beat_down(beat_down), .first_q(first_q), .old_exact(old_exact),
        .old_up(old_up), .old_down(old_down), .exact(exact), .up(up), .down(down)
    );

    wire beat_within;
    wire unused_beat_fits;
    wire old_within;
    wire old_fits;
    wire unused_within;

    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_beat (
        .exact(beat_exact), .up(beat_up), .down(beat_down),
        .holds(beat_within), .fits(unused_beat_fits)
    );
    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_old (
        .exact(old_exact), .up(old_up), .down(old_down), .holds(old_within), .fits(old_fits)
    );
    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_new (
        .exact(exact), .up(up), .down(down), .holds(unused_within), .fits(fits)
    );

    // A beat alone reaches no farther than GHOST_BITS can add.
    wire small = beat_up[GHOST_BITS-1:GHOST_BITS-2] == 2'b00
        && beat_down[GHOST_BITS-1:GHOST_BITS-2] == 2'b00;

    wire promise;
    wire unused_premise;

    dot_promise #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_promise (
        .addend(addend), .addend_up(old_up), .addend_down(old_down), .exact(beat_exact),
        .up(beat_up), .down(beat_down), .sum(sum), .overflow(overflow),
        .premise(unused_premise), .holds(promise)
    );

    always @* if (known) begin
        assume (small);
        assume (beat_within);
        assume (promise);
    end

    assign holds = old_within && old_fits;

endmodule

`default_nettype wire
