// stream_rules.v -- what a unit owes to whoever takes its beats: a beat on offer stays until taken
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module stream_rules #(
    parameter integer BITS = 8 // width of all that belongs to a beat
) (
    input wire            clk,
    input wire            rst,
    input wire            started, // there was a reset
    input wire            valid,
    input wire            ready,
    input wire [BITS-1:0] beat
);

    reg            waiting_q; // a beat was on offer, and nobody took it
    reg [BITS-1:0] beat_q;

    initial waiting_q = 1'b0;

    always @(posedge clk) begin
        waiting_q <= started && !rst && valid && !ready;
        beat_q    <= beat;
    end

    always @* if (waiting_q && !rst) begin
        assert (valid);
        assert (beat == beat_q);
    end

endmodule

`default_nettype wire
