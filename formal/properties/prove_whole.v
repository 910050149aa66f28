// prove_whole.v -- what prove_pe.v says, in one piece: the real dot.v, with nothing cut or assumed
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_whole #(
    parameter integer SIMD           = 8,  // lanes
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0   // what does not fit: 0 wraps, 1 saturates
) (
    input wire                        clk,
    input wire                        rst,
    input wire                        beat,
    input wire                        last,
    input wire [SIMD*WEIGHT_BITS-1:0] weights,
    input wire [SIMD*INPUT_BITS-1:0]  inputs
);

    localparam integer LANE_BITS  = WEIGHT_BITS + INPUT_BITS;
    localparam integer GHOST_BITS =
        ((LANE_BITS > ACC_BITS) ? LANE_BITS : ACC_BITS) + $clog2(SIMD) + 3;

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire signed [ACC_BITS-1:0] acc;
    wire                       overflow;

    pe #(
        .SIMD(SIMD), .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT), .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT), .BIPOLAR_INPUT(BIPOLAR_INPUT), .ACC_BITS(ACC_BITS),
        .OVERFLOW(OVERFLOW)
    ) u_pe (
        .clk(clk), .rst(rst), .beat(beat), .last(last), .weights(weights), .inputs(inputs),
        .acc(acc), .overflow(overflow)
    );

    (* probe = "u_pe.first_q" *)              wire                       pe_first;
    (* probe = "u_pe.acc_q" *)                wire signed [ACC_BITS-1:0] pe_acc;
    (* probe = "u_pe.g_observe.overflow_q" *) wire                       pe_overflow;

    wire signed [GHOST_BITS-1:0] exacts [0:SIMD];
    wire signed [GHOST_BITS-1:0] ups    [0:SIMD];
    wire signed [GHOST_BITS-1:0] downs  [0:SIMD];

    assign exacts[0] = {GHOST_BITS{1'b0}};
    assign ups[0]    = {GHOST_BITS{1'b0}};
    assign downs[0]  = {GHOST_BITS{1'b0}};

    genvar gs;
    generate
        for (gs = 0; gs < SIMD; gs = gs + 1) begin : g_lane
            wire signed [GHOST_BITS-1:0] exact;
            wire        [LANE_BITS-1:0]  up;
            wire        [LANE_BITS-1:0]  down;

            product #(
                .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT),
                .INPUT_BITS(INPUT_BITS), .SIGNED_INPUT(SIGNED_INPUT),
                .BIPOLAR_INPUT(BIPOLAR_INPUT), .EXACT_BITS(GHOST_BITS)
            ) u_product (
                .weight(weights[gs*WEIGHT_BITS +: WEIGHT_BITS]),
                .x(inputs[gs*INPUT_BITS +: INPUT_BITS]), .exact(exact)
            );
            reach #(
                .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT),
                .INPUT_BITS(INPUT_BITS), .SIGNED_INPUT(SIGNED_INPUT),
                .BIPOLAR_INPUT(BIPOLAR_INPUT)
            ) u_reach (
                .weight(weights[gs*WEIGHT_BITS +: WEIGHT_BITS]), .up(up), .down(down)
            );
            assign exacts[gs+1] = exacts[gs] + exact;
            assign ups[gs+1]    = ups[gs] + $signed({1'b0, up});
            assign downs[gs+1]  = downs[gs] + $signed({1'b0, down});
        end
    endgenerate

    wire                         first;
    wire signed [GHOST_BITS-1:0] old_exact;
    wire signed [GHOST_BITS-1:0] old_up;
    wire signed [GHOST_BITS-1:0] old_down;
    wire signed [GHOST_BITS-1:0] exact;
    wire signed [GHOST_BITS-1:0] up;
    wire signed [GHOST_BITS-1:0] down;

    running #(.GHOST_BITS(GHOST_BITS)) u_running (
        .clk(clk), .rst(rst), .beat(beat), .last(last), .beat_exact(exacts[SIMD]),
        .beat_up(ups[SIMD]), .beat_down(downs[SIMD]), .first_q(first), .old_exact(old_exact),
        .old_up(old_up), .old_down(old_down), .exact(exact), .up(up), .down(down)
    );

    wire within;
    wire old_within;
    wire old_fits;
    wire fits;

    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_old (
        .exact(old_exact), .up(old_up), .down(old_down), .holds(old_within), .fits(old_fits)
    );
    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_new (
        .exact(exact), .up(up), .down(down), .holds(within), .fits(fits)
    );

    always @* assume (!beat || fits); // the bound

    always @* if (started_q) begin
        if (beat && !rst) begin
            assert (within);
            assert (acc == exact);
            assert (!overflow);
        end
        assert (old_within && old_fits);
        assert (pe_first == first);
        if (!first) begin
            assert (pe_acc == old_exact);
            assert (!pe_overflow);
        end
        cover (beat && !rst && !first && acc != 0);
    end

endmodule

`default_nettype wire
