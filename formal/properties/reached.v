// reached.v -- how many of some thresholds are <= acc
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module reached #(
    parameter integer STEPS       = 3,  // thresholds
    parameter integer ACC_BITS    = 16, // width of an accumulator, signed (P)
    parameter integer OUTPUT_BITS = 2   // width of a count (B)
) (
    input  wire        [STEPS*(ACC_BITS+1)-1:0] thresholds,
    input  wire signed [ACC_BITS-1:0]           acc,
    output reg         [OUTPUT_BITS-1:0]        count
);

    integer step;
    always @* begin
        count = {OUTPUT_BITS{1'b0}};
        for (step = 0; step < STEPS; step = step + 1)
            if ($signed(thresholds[step*(ACC_BITS+1) +: ACC_BITS+1]) <= acc)
                count = count + 1'b1;
    end

endmodule

`default_nettype wire
