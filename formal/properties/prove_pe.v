// prove_pe.v -- within the bound, pe.v holds the exact sum of any dot product, and overflow is low
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_pe #(
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

    localparam integer GHOST_BITS = ACC_BITS + 4;

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
    (* probe = "u_pe.u_dot.addend" *)         wire [ACC_BITS-1:0]        addend;
    (* probe = "u_pe.u_dot.sum" *)            wire [ACC_BITS-1:0]        sum;
    (* probe = "u_pe.u_dot.overflow" *)       wire                       dot_overflow;

    (* anyseq *) wire signed [GHOST_BITS-1:0] beat_exact;
    (* anyseq *) wire signed [GHOST_BITS-1:0] beat_up;
    (* anyseq *) wire signed [GHOST_BITS-1:0] beat_down;

    wire                         first;
    wire signed [GHOST_BITS-1:0] old_exact;
    wire signed [GHOST_BITS-1:0] exact;
    wire                         fits;
    wire                         holds;

    bounded #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_bounded (
        .clk(clk), .rst(rst), .beat(beat), .last(last), .known(1'b1), .beat_exact(beat_exact),
        .beat_up(beat_up), .beat_down(beat_down), .addend(addend), .sum(sum),
        .overflow(dot_overflow), .first_q(first), .old_exact(old_exact), .exact(exact),
        .fits(fits), .holds(holds)
    );

    always @* assume (!beat || fits); // the bound

    always @* if (started_q) begin
        if (beat && !rst) begin
            assert (acc == exact);
            assert (!overflow);
        end
        // what the induction stands on
        assert (holds);
        assert (pe_first == first);
        if (!first) begin
            assert (pe_acc == old_exact);
            assert (!pe_overflow);
        end
        cover (beat && !rst && !first && acc == {1'b0, {(ACC_BITS-1){1'b1}}});
        cover (beat && !rst && !first && last && acc == {1'b1, {(ACC_BITS-1){1'b0}}});
    end

endmodule

`default_nettype wire
