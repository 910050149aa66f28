// reach.v -- how far a weight can carry a sum: up is the most that it adds, down the most it takes
//
// Over all inputs of the format: up = max(0, w*xmin, w*xmax), down = -min(0, w*xmin, w*xmax), the
// terms of the exact range (golden/bounds.py). Without a multiplication, so that it is simple.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module reach #(
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer REACH_BITS     = WEIGHT_BITS + INPUT_BITS
) (
    input  wire [WEIGHT_BITS-1:0] weight,
    output wire [REACH_BITS-1:0]  up,
    output wire [REACH_BITS-1:0]  down
);

    wire                  negative;
    wire [REACH_BITS-1:0] magnitude;

    generate
        if (BIPOLAR_WEIGHT == 1) begin : g_bipolar
            assign negative  = ~weight[0];
            assign magnitude = {{(REACH_BITS-1){1'b0}}, 1'b1};
        end else begin : g_signed
            wire [REACH_BITS-1:0] value = {{(REACH_BITS-WEIGHT_BITS){negative}}, weight};

            assign negative  = weight[WEIGHT_BITS-1];
            assign magnitude = negative ? -value : value;
        end
    endgenerate

    // Times the largest input, and times that which is farthest below 0.
    wire [REACH_BITS-1:0] high = (BIPOLAR_INPUT == 1)
        ? magnitude : (magnitude << (INPUT_BITS - SIGNED_INPUT)) - magnitude;
    wire [REACH_BITS-1:0] low = (BIPOLAR_INPUT == 1)
        ? magnitude : (SIGNED_INPUT == 1) ? magnitude << (INPUT_BITS - 1) : {REACH_BITS{1'b0}};

    assign up   = negative ? low : high;
    assign down = negative ? high : low;

endmodule

`default_nettype wire
