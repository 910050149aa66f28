// product.v -- what a product is: weight * input, as a signed number
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module product #(
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer EXACT_BITS     = 16  // width of the product; WEIGHT_BITS + INPUT_BITS hold any
) (
    input  wire        [WEIGHT_BITS-1:0] weight,
    input  wire        [INPUT_BITS-1:0]  x,
    output wire signed [EXACT_BITS-1:0]  exact
);

    wire signed [1:0]            weight_sign = weight[0] ? 2'sd1 : -2'sd1;
    wire signed [1:0]            x_sign      = x[0] ? 2'sd1 : -2'sd1;
    wire signed [EXACT_BITS-1:0] w_ext;
    wire signed [EXACT_BITS-1:0] x_ext;

    generate
        if (BIPOLAR_WEIGHT == 1) begin : g_bipolar_weight
            assign w_ext = weight_sign;
        end else begin : g_weight
            assign w_ext = $signed(weight);
        end
        if (BIPOLAR_INPUT == 1) begin : g_bipolar_input
            assign x_ext = x_sign;
        end else if (SIGNED_INPUT == 1) begin : g_signed_input
            assign x_ext = $signed(x);
        end else begin : g_unsigned_input
            assign x_ext = $signed({1'b0, x});
        end
    endgenerate

    assign exact = w_ext * x_ext;

endmodule

`default_nettype wire
