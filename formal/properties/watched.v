// watched.v -- any one of the beats that went in and come out in the same order: where it is by now
//
// Ghosts. Which beat is watched is left free, so what holds for it holds for each.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module watched #(
    parameter integer BITS = 8, // width of all that belongs to a beat
    parameter integer ROOM = 2  // beats; of one more the count is still right
) (
    input  wire                      clk,
    input  wire                      rst,
    input  wire                      push,
    input  wire [BITS-1:0]           pushed,
    input  wire                      pop,
    output reg  [$clog2(ROOM+2)-1:0] count_q,    // beats that are in
    output reg                       watching_q, // the watched one is among them
    output reg  [$clog2(ROOM+2)-1:0] ahead_q,    // that leave before it
    output reg  [BITS-1:0]           beat_q      // what it was when it went in
);

    localparam integer COUNT_BITS = $clog2(ROOM + 2);

    (* anyseq *) wire mark;

    wire [COUNT_BITS-1:0] stay  = count_q - {{(COUNT_BITS-1){1'b0}}, pop};
    wire                  enter = push && mark && !watching_q;

    always @(posedge clk) begin
        if (rst) begin
            count_q    <= {COUNT_BITS{1'b0}};
            watching_q <= 1'b0;
        end else begin
            count_q <= stay + {{(COUNT_BITS-1){1'b0}}, push};
            if (enter)
                watching_q <= 1'b1;
            else if (pop && ahead_q == {COUNT_BITS{1'b0}})
                watching_q <= 1'b0;
        end
        if (enter) begin
            ahead_q <= stay;
            beat_q  <= pushed;
        end else if (pop)
            ahead_q <= ahead_q - 1'b1;
    end

endmodule

`default_nettype wire
