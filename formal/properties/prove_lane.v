// prove_lane.v -- a lane keeps lane_promise: -down <= weight * input <= up, for every pair
//
// The one proof that multiplies; all others have the product cut, and what is proved here instead.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_lane #(
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0   // what does not fit: 0 wraps, 1 saturates
) (
    input wire [WEIGHT_BITS-1:0] weight,
    input wire [INPUT_BITS-1:0]  x
);

    localparam integer PRODUCT_BITS = WEIGHT_BITS + INPUT_BITS;
    localparam integer EXACT_BITS   = (PRODUCT_BITS > ACC_BITS) ? PRODUCT_BITS : ACC_BITS;
    localparam integer GHOST_BITS   = EXACT_BITS + 3;

    wire signed [EXACT_BITS-1:0]   exact;
    wire        [PRODUCT_BITS-1:0] up;
    wire        [PRODUCT_BITS-1:0] down;
    wire        [ACC_BITS-1:0]     value;
    wire                           fits;
    wire                           holds;

    product #(
        .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT), .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT), .BIPOLAR_INPUT(BIPOLAR_INPUT),
        .EXACT_BITS(EXACT_BITS)
    ) u_product (
        .weight(weight), .x(x), .exact(exact)
    );
    held #(.EXACT_BITS(EXACT_BITS), .ACC_BITS(ACC_BITS), .OVERFLOW(OVERFLOW)) u_held (
        .exact(exact), .value(value), .fits(fits)
    );
    reach #(
        .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT), .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT), .BIPOLAR_INPUT(BIPOLAR_INPUT)
    ) u_reach (
        .weight(weight), .up(up), .down(down)
    );
    lane_promise #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_promise (
        .exact({{(GHOST_BITS-EXACT_BITS){exact[EXACT_BITS-1]}}, exact}),
        .up({{(GHOST_BITS-PRODUCT_BITS){1'b0}}, up}),
        .down({{(GHOST_BITS-PRODUCT_BITS){1'b0}}, down}),
        .value(value), .fits(fits), .holds(holds)
    );

    // Weights of -1 and 0, and inputs of -1 and 0.
    localparam [0:0] NEVER_NEGATIVE = WEIGHT_BITS == 1 && BIPOLAR_WEIGHT == 0 && INPUT_BITS == 1
        && SIGNED_INPUT == 1 && BIPOLAR_INPUT == 0;

    always @* begin
        assert (holds);
        cover (exact == up);
        cover ((exact < 0 || NEVER_NEGATIVE) && -exact == down);
    end

endmodule

`default_nettype wire
