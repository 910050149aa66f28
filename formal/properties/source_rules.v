// source_rules.v -- whether whoever gives beats to a unit kept the rules of streams since the reset
//
// The other side of stream_rules, of which nothing is asserted: a premise, or what is assumed.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module source_rules #(
    parameter integer BITS = 8 // width of all that belongs to a beat
) (
    input  wire            clk,
    input  wire            rst,
    input  wire            valid,
    input  wire            ready,
    input  wire [BITS-1:0] beat,
    output wire            kept // up to this cycle
);

    reg            kept_q;
    reg            waiting_q; // a beat was on offer, and was not taken
    reg [BITS-1:0] beat_q;

    assign kept = kept_q && (!waiting_q || (valid && beat == beat_q));

    always @(posedge clk) begin
        kept_q    <= rst || kept;
        waiting_q <= !rst && valid && !ready;
        beat_q    <= beat;
    end

endmodule

`default_nettype wire
