// prove_pe_control.v -- pe.v starts each dot product from 0, adds to it beat by beat, and flags it
//
// Whatever its dot says: nothing is assumed of it.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_pe_control #(
    parameter integer SIMD           = 8,  // lanes
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0,  // what does not fit: 0 wraps, 1 saturates
    parameter integer OBSERVE        = 1   // 1: watch for overflow
) (
    input wire                        clk,
    input wire                        rst,
    input wire                        beat,
    input wire                        last,
    input wire [SIMD*WEIGHT_BITS-1:0] weights,
    input wire [SIMD*INPUT_BITS-1:0]  inputs
);

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire [ACC_BITS-1:0] acc;
    wire                overflow;

    pe #(
        .SIMD(SIMD), .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT),
        .INPUT_BITS(INPUT_BITS), .SIGNED_INPUT(SIGNED_INPUT), .BIPOLAR_INPUT(BIPOLAR_INPUT),
        .ACC_BITS(ACC_BITS), .OVERFLOW(OVERFLOW), .OBSERVE(OBSERVE)
    ) u_pe (
        .clk(clk), .rst(rst), .beat(beat), .last(last), .weights(weights), .inputs(inputs),
        .acc(acc), .overflow(overflow)
    );

    (* probe = "u_pe.first_q" *)          wire                        pe_first;
    (* probe = "u_pe.acc_q" *)            wire [ACC_BITS-1:0]         pe_acc;
    (* probe = "u_pe.u_dot.weights" *)    wire [SIMD*WEIGHT_BITS-1:0] dot_weights;
    (* probe = "u_pe.u_dot.inputs" *)     wire [SIMD*INPUT_BITS-1:0]  dot_inputs;
    (* probe = "u_pe.u_dot.addend" *)     wire [ACC_BITS-1:0]         addend;
    (* probe = "u_pe.u_dot.sum" *)        wire [ACC_BITS-1:0]         sum;
    (* probe = "u_pe.u_dot.overflow" *)   wire                        dot_overflow;
    (* probe = "u_pe.u_dot.parameters" *) wire [8*32-1:0]             parameters;

    wire pe_overflow;

    generate
        if (OBSERVE == 1) begin : g_observe
            (* probe = "u_pe.g_observe.overflow_q" *) wire overflow_q;

            assign pe_overflow = overflow_q;
        end else begin : g_blind
            assign pe_overflow = 1'b0;
        end
    endgenerate

    wire first;
    wire spilled;
    wire unused_flag;

    pe_rules #(.ACC_BITS(ACC_BITS), .OBSERVE(OBSERVE)) u_rules (
        .clk(clk), .rst(rst), .started(started_q), .beat(beat), .last(last), .addend(addend),
        .sum(sum), .dot_overflow(dot_overflow), .acc(acc), .overflow(overflow),
        .pe_first(pe_first), .pe_acc(pe_acc), .pe_overflow(pe_overflow), .first_q(first),
        .spilled_q(spilled), .flag(unused_flag)
    );

    always @* if (started_q) begin
        assert (dot_weights == weights);
        assert (dot_inputs == inputs);
        assert (parameters == {
            SIMD[31:0], WEIGHT_BITS[31:0], BIPOLAR_WEIGHT[31:0], INPUT_BITS[31:0],
            SIGNED_INPUT[31:0], BIPOLAR_INPUT[31:0], ACC_BITS[31:0], OVERFLOW[31:0]
        });
        cover (!rst && !beat && !first && addend != {ACC_BITS{1'b0}});
        cover (!rst && beat && last && spilled && !dot_overflow);
        cover (!rst && beat && !last && first && overflow == (OBSERVE == 1));
        cover (rst && spilled);
    end

endmodule

`default_nettype wire
