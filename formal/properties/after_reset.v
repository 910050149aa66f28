// after_reset.v -- the first cycle is a reset, from any power-on state; what is proved holds from then
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module after_reset (
    input  wire clk,
    input  wire rst,
    output reg  started_q // there was a reset
);

    initial started_q = 1'b0;

    always @(posedge clk)
        started_q <= 1'b1;

    always @* assume (started_q || rst);

endmodule

`default_nettype wire
