// prove_dot.v -- dot.v is a tree: every place holds what its two children, or its operands, say
//
// The places (nodes in dot.v) are cut: the unit reads what nodes_cut says, which is anything, and
// nodes is what it makes of that. So each place is looked at alone, and together they are all of it.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_dot #(
    parameter integer SIMD           = 8,  // lanes
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0   // what does not fit: 0 wraps, 1 saturates
) (
    input wire [SIMD*WEIGHT_BITS-1:0]             weights,
    input wire [SIMD*INPUT_BITS-1:0]              inputs,
    input wire [ACC_BITS-1:0]                     addend,
    input wire [4*(1<<$clog2(SIMD))*ACC_BITS-1:0] nodes_cut
);

    localparam integer LEAVES       = 1 << $clog2(SIMD);
    localparam integer PRODUCT_BITS = WEIGHT_BITS + INPUT_BITS;
    localparam integer EXACT_BITS   = (PRODUCT_BITS > ACC_BITS) ? PRODUCT_BITS : ACC_BITS;

    wire [ACC_BITS-1:0]          sum;
    wire                         overflow;
    wire [4*LEAVES*ACC_BITS-1:0] nodes;

    dot u_dot (
        .weights(weights), .inputs(inputs), .addend(addend), .sum(sum), .overflow(overflow),
        .nodes(nodes), .nodes_cut(nodes_cut)
    );

    wire signed [ACC_BITS-1:0] cut  [1:4*LEAVES-1];
    wire        [4*LEAVES-1:1] fits;

    genvar gi;
    generate
        for (gi = 1; gi < 4*LEAVES; gi = gi + 1) begin : g_place
            localparam integer LANES = (4*LEAVES) >> $clog2(gi + 1); // below this place
            localparam integer FIRST = gi*LANES - 2*LEAVES;          // of them

            wire [ACC_BITS-1:0] is = nodes[gi*ACC_BITS +: ACC_BITS];
            wire [ACC_BITS-1:0] due;

            if (gi == 3) begin : g_addend
                assign due      = addend;
                assign cut[gi]  = nodes_cut[gi*ACC_BITS +: ACC_BITS];
                assign fits[gi] = 1'b1;
            end else if (gi > 1 && FIRST >= SIMD) begin : g_nothing
                assign due      = {ACC_BITS{1'b0}};
                assign cut[gi]  = {ACC_BITS{1'b0}};
                assign fits[gi] = 1'b1;
            end else if (gi >= 2*LEAVES) begin : g_lane
                wire signed [EXACT_BITS-1:0] exact;

                product #(
                    .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT),
                    .INPUT_BITS(INPUT_BITS), .SIGNED_INPUT(SIGNED_INPUT),
                    .BIPOLAR_INPUT(BIPOLAR_INPUT), .EXACT_BITS(EXACT_BITS)
                ) u_product (
                    .weight(weights[FIRST*WEIGHT_BITS +: WEIGHT_BITS]),
                    .x(inputs[FIRST*INPUT_BITS +: INPUT_BITS]), .exact(exact)
                );
                held #(
                    .EXACT_BITS(EXACT_BITS), .ACC_BITS(ACC_BITS), .OVERFLOW(OVERFLOW)
                ) u_held (
                    .exact(exact), .value(due), .fits(fits[gi])
                );
                assign cut[gi] = nodes_cut[gi*ACC_BITS +: ACC_BITS];
            end else begin : g_node
                wire signed [ACC_BITS:0] exact = cut[2*gi] + cut[2*gi+1];

                held #(
                    .EXACT_BITS(ACC_BITS+1), .ACC_BITS(ACC_BITS), .OVERFLOW(OVERFLOW)
                ) u_held (
                    .exact(exact), .value(due), .fits(fits[gi])
                );
                assign cut[gi] = nodes_cut[gi*ACC_BITS +: ACC_BITS];
            end

            always @* assert (is == due);
        end
    endgenerate

    always @* begin
        assert (sum == cut[1]);
        // Where a value wraps, the unit sees from the place itself that it did.
        assert (nodes != nodes_cut || overflow == ~&fits);
        cover (nodes == nodes_cut && overflow);
        cover (nodes == nodes_cut && !overflow && sum != 0);
    end

endmodule

`default_nettype wire
