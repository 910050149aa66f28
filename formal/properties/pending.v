// pending.v -- what went into a skid buffer and has not come out: at most two beats, the older first
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module pending #(
    parameter integer BITS = 8
) (
    input  wire            clk,
    input  wire            rst,
    input  wire            push,
    input  wire [BITS-1:0] pushed,
    input  wire            pop,
    output reg  [1:0]      count_q,
    output reg  [BITS-1:0] head_q,
    output reg  [BITS-1:0] next_q
);

    always @(posedge clk) begin
        if (rst)
            count_q <= 2'd0;
        else
            count_q <= count_q + {1'b0, push} - {1'b0, pop};
        if (pop)
            head_q <= (count_q == 2'd2) ? next_q : pushed;
        else if (count_q == 2'd0)
            head_q <= pushed;
        if (push)
            next_q <= pushed;
    end

endmodule

`default_nettype wire
