// prove_tree.v -- lanes and nodes that keep their promises make a dot that keeps its own
//
// Every place of the heap in dot.v holds anything that lane_promise and node_promise allow.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_tree #(
    parameter integer SIMD           = 8,  // lanes
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer ACC_BITS       = 16  // width of the accumulator, signed (P)
) (
    input wire [SIMD*(WEIGHT_BITS+INPUT_BITS)-1:0]     lane_ups,
    input wire [SIMD*(WEIGHT_BITS+INPUT_BITS)-1:0]     lane_downs,
    input wire [SIMD*(WEIGHT_BITS+INPUT_BITS)-1:0]     lane_exacts, // signed
    input wire [4*(1<<$clog2(SIMD))*ACC_BITS-1:0]      held_values,
    input wire [4*(1<<$clog2(SIMD))-1:0]               held_fits,
    input wire signed [ACC_BITS-1:0]                   addend,
    input wire [ACC_BITS-1:0]                          addend_up,
    input wire [ACC_BITS-1:0]                          addend_down
);

    localparam integer LEAVES     = 1 << $clog2(SIMD);
    localparam integer LANE_BITS  = WEIGHT_BITS + INPUT_BITS;
    localparam integer GHOST_BITS =
        ((LANE_BITS > ACC_BITS) ? LANE_BITS : ACC_BITS) + $clog2(SIMD) + 3;

    wire signed [GHOST_BITS-1:0] exact [1:4*LEAVES-1];
    wire signed [GHOST_BITS-1:0] up    [1:4*LEAVES-1];
    wire signed [GHOST_BITS-1:0] down  [1:4*LEAVES-1];
    wire signed [ACC_BITS-1:0]   value [1:4*LEAVES-1];
    wire        [4*LEAVES-1:1]   fits;

    genvar gi;
    generate
        for (gi = 1; gi < 4*LEAVES; gi = gi + 1) begin : g_place
            localparam integer LANES = (4*LEAVES) >> $clog2(gi + 1); // below this place
            localparam integer FIRST = gi*LANES - 2*LEAVES;          // of them

            if (gi == 3) begin : g_addend
                assign exact[gi] = addend;
                assign up[gi]    = addend_up;
                assign down[gi]  = addend_down;
                assign value[gi] = addend;
                assign fits[gi]  = 1'b1;
            end else if (gi > 1 && FIRST >= SIMD) begin : g_nothing
                assign exact[gi] = {GHOST_BITS{1'b0}};
                assign up[gi]    = {GHOST_BITS{1'b0}};
                assign down[gi]  = {GHOST_BITS{1'b0}};
                assign value[gi] = {ACC_BITS{1'b0}};
                assign fits[gi]  = 1'b1;
            end else if (gi >= 2*LEAVES) begin : g_lane
                wire holds;

                assign exact[gi] = $signed(lane_exacts[FIRST*LANE_BITS +: LANE_BITS]);
                assign up[gi]    = lane_ups[FIRST*LANE_BITS +: LANE_BITS];
                assign down[gi]  = lane_downs[FIRST*LANE_BITS +: LANE_BITS];
                assign value[gi] = held_values[gi*ACC_BITS +: ACC_BITS];
                assign fits[gi]  = held_fits[gi];

                lane_promise #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_promise (
                    .exact(exact[gi]), .up(up[gi]), .down(down[gi]), .value(value[gi]),
                    .fits(fits[gi]), .holds(holds)
                );
                always @* assume (holds);
            end else begin : g_node
                wire holds;
                wire unused_premise;

                assign exact[gi] = exact[2*gi] + exact[2*gi+1];
                assign up[gi]    = up[2*gi] + up[2*gi+1];
                assign down[gi]  = down[2*gi] + down[2*gi+1];
                assign value[gi] = held_values[gi*ACC_BITS +: ACC_BITS];
                assign fits[gi]  = held_fits[gi];

                node_promise #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_promise (
                    .left_exact(exact[2*gi]), .left_up(up[2*gi]), .left_down(down[2*gi]),
                    .left_value(value[2*gi]), .right_exact(exact[2*gi+1]), .right_up(up[2*gi+1]),
                    .right_down(down[2*gi+1]), .right_value(value[2*gi+1]), .value(value[gi]),
                    .fits(fits[gi]), .premise(unused_premise), .holds(holds)
                );
                always @* assume (holds);
            end
        end
    endgenerate

    wire overflow = ~&fits;
    wire premise;
    wire holds;

    dot_promise #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_promise (
        .addend(addend), .addend_up(up[3]), .addend_down(down[3]), .exact(exact[2]), .up(up[2]),
        .down(down[2]), .sum(value[1]), .overflow(overflow), .premise(premise), .holds(holds)
    );

    wire within;
    wire unused_fits;

    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_interval (
        .exact(exact[2]), .up(up[2]), .down(down[2]), .holds(within), .fits(unused_fits)
    );

    always @* begin
        assert (holds);
        assert (within);
        cover (premise && value[1] > 0);
        cover (premise && value[1] < 0);
    end

    generate
        if (SIMD <= 8) begin : g_ends // of many lanes it takes a solver long to find them
            always @* begin
                cover (premise && value[1] == {1'b0, {(ACC_BITS-1){1'b1}}});
                cover (premise && value[1] == {1'b1, {(ACC_BITS-1){1'b0}}});
            end
        end
    endgenerate

endmodule

`default_nettype wire
