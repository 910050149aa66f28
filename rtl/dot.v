// dot.v -- one beat of a dot product: sum = addend + sum over the lanes of weight * input
//
// Combinational. A balanced tree, level by level from lane 0 (an odd one out waits for the next
// level); the addend joins last. Every product, node and the sum are brought to ACC_BITS where they
// arise; overflow tells that one of them did not fit. Lane i of a bus sits at [i*BITS +: BITS].
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module dot #(
    parameter integer SIMD           = 8,  // lanes
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of every partial sum, signed (P)
    parameter integer OVERFLOW       = 0   // what does not fit: 0 wraps, 1 saturates
) (
    input  wire [SIMD*WEIGHT_BITS-1:0] weights,
    input  wire [SIMD*INPUT_BITS-1:0]  inputs,
    input  wire [ACC_BITS-1:0]         addend,
    output reg  [ACC_BITS-1:0]         sum,
    output reg                         overflow
);

    // A product is formed at its own width, or at the accumulator's where that is wider.
    localparam integer PRODUCT_BITS = WEIGHT_BITS + INPUT_BITS;
    localparam integer EXACT_BITS   = (PRODUCT_BITS > ACC_BITS) ? PRODUCT_BITS : ACC_BITS;

    // Static asserts: a false condition is a replication count of zero, which is illegal.
    localparam [0:0] SIMD_MUST_BE_POSITIVE = {(SIMD >= 1){1'b1}};
    localparam [0:0] WEIGHT_BITS_MUST_BE_1_TO_16 = {(WEIGHT_BITS >= 1 && WEIGHT_BITS <= 16){1'b1}};
    localparam [0:0] INPUT_BITS_MUST_BE_1_TO_16 = {(INPUT_BITS >= 1 && INPUT_BITS <= 16){1'b1}};
    localparam [0:0] ACC_BITS_MUST_BE_2_TO_64 = {(ACC_BITS >= 2 && ACC_BITS <= 64){1'b1}};
    localparam [0:0] SIGNED_INPUT_MUST_BE_0_OR_1 = {(SIGNED_INPUT == 0 || SIGNED_INPUT == 1){1'b1}};
    localparam [0:0] OVERFLOW_MUST_BE_0_OR_1 = {(OVERFLOW == 0 || OVERFLOW == 1){1'b1}};
    localparam [0:0]
        BIPOLAR_WEIGHT_MUST_BE_0_OR_1 = {(BIPOLAR_WEIGHT == 0 || BIPOLAR_WEIGHT == 1){1'b1}},
        BIPOLAR_INPUT_MUST_BE_0_OR_1 = {(BIPOLAR_INPUT == 0 || BIPOLAR_INPUT == 1){1'b1}},
        BIPOLAR_WEIGHT_MUST_HAVE_WEIGHT_BITS_1 = {(BIPOLAR_WEIGHT == 0 || WEIGHT_BITS == 1){1'b1}},
        BIPOLAR_INPUT_MUST_HAVE_INPUT_BITS_1 = {(BIPOLAR_INPUT == 0 || INPUT_BITS == 1){1'b1}},
        BIPOLAR_INPUT_MUST_HAVE_SIGNED_INPUT_1 = {(BIPOLAR_INPUT == 0 || SIGNED_INPUT == 1){1'b1}};
    wire unused_static_asserts =
        SIMD_MUST_BE_POSITIVE & WEIGHT_BITS_MUST_BE_1_TO_16 & INPUT_BITS_MUST_BE_1_TO_16
        & ACC_BITS_MUST_BE_2_TO_64 & SIGNED_INPUT_MUST_BE_0_OR_1 & OVERFLOW_MUST_BE_0_OR_1
        & BIPOLAR_WEIGHT_MUST_BE_0_OR_1 & BIPOLAR_INPUT_MUST_BE_0_OR_1
        & BIPOLAR_WEIGHT_MUST_HAVE_WEIGHT_BITS_1 & BIPOLAR_INPUT_MUST_HAVE_INPUT_BITS_1
        & BIPOLAR_INPUT_MUST_HAVE_SIGNED_INPUT_1;

    // The one place that decides what becomes of a value that does not fit.
    function [ACC_BITS-1:0] held;
        input [ACC_BITS-1:0] wrapped;
        input                fits;
        input                sign; // of the exact value
        held = (fits || OVERFLOW == 0) ? wrapped : {sign, {(ACC_BITS-1){~sign}}};
    endfunction

    // Every partial sum has a place of its own: the tree is a heap in which node i is the sum of
    // 2i and 2i+1. Node 1 is the result, 2 the sum over the lanes, 3 the addend; the products start
    // at 2*LEAVES, and what is beyond them is 0.
    localparam integer LEAVES = 1 << $clog2(SIMD);

    integer lane;
    integer stride;
    integer left;
    reg [4*LEAVES*ACC_BITS-1:0] nodes;
    reg signed [EXACT_BITS-1:0] w; // at the top of a word, then shifted down: >>> extends the sign
    reg signed [EXACT_BITS-1:0] x;
    reg [EXACT_BITS-1:0]        product;
    reg [ACC_BITS-1:0]          a;
    reg [ACC_BITS-1:0]          b;
    reg [ACC_BITS-1:0]          wrapped;
    reg [ACC_BITS-1:0]          spill;  // negative: the exact value does not fit
    reg [ACC_BITS-1:0]          spills; // negative: one of them did not

    always @* begin
        nodes = {4*LEAVES*ACC_BITS{1'b0}};
        spills = {ACC_BITS{1'b0}};
        for (lane = 0; lane < SIMD; lane = lane + 1) begin
            w = {weights[lane*WEIGHT_BITS +: WEIGHT_BITS], {(EXACT_BITS-WEIGHT_BITS){1'b0}}};
            w = w >>> (EXACT_BITS-WEIGHT_BITS);
            if (BIPOLAR_WEIGHT == 1)
                w = ~(w << 1); // of 0 and -1, which the bit says so far: -1 and +1
            x = {inputs[lane*INPUT_BITS +: INPUT_BITS], {(EXACT_BITS-INPUT_BITS){1'b0}}};
            if (SIGNED_INPUT == 1)
                x = x >>> (EXACT_BITS-INPUT_BITS);
            else
                x = x >> (EXACT_BITS-INPUT_BITS);
            if (BIPOLAR_INPUT == 1)
                x = ~(x << 1);
            product = $unsigned(w) * $unsigned(x); // modulo 2^EXACT_BITS signs make no difference
            spill = {ACC_BITS{product[EXACT_BITS-1:ACC_BITS-1]
                              != {(EXACT_BITS-ACC_BITS+1){product[EXACT_BITS-1]}}}};
            nodes[(2*LEAVES+lane)*ACC_BITS +: ACC_BITS] =
                held(product[ACC_BITS-1:0], $signed(spill) >= 0, product[EXACT_BITS-1]);
            spills = spills | spill;
        end
        nodes[3*ACC_BITS +: ACC_BITS] = addend;
        for (stride = 1; stride < 2*SIMD; stride = 2*stride)
            for (lane = 0; lane < SIMD; lane = lane + 2*stride) begin
                left = (2*LEAVES + lane) / stride;
                a = nodes[left*ACC_BITS +: ACC_BITS];
                b = nodes[(left+1)*ACC_BITS +: ACC_BITS];
                wrapped = a + b;
                spill = (a ^ wrapped) & (b ^ wrapped); // the sign that neither a nor b has
                nodes[(2*LEAVES+lane)/(2*stride)*ACC_BITS +: ACC_BITS] =
                    held(wrapped, $signed(spill) >= 0, a[ACC_BITS-1]);
                spills = spills | spill;
            end
        sum = nodes[ACC_BITS +: ACC_BITS];
        overflow = $signed(spills) < 0;
    end

endmodule

`default_nettype wire
