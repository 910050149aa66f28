// prove_mac_control.v -- mac.v sends one result for each dot product: what its pe says at the end
//
// Both streams move together, and what moves is what the dot is given, of which nothing is assumed.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_mac_control #(
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0,  // what does not fit: 0 wraps, 1 saturates
    parameter integer OBSERVE        = 1   // 1: watch for overflow
) (
    input wire                   clk,
    input wire                   rst,
    input wire [INPUT_BITS-1:0]  s_axis_input_tdata,
    input wire                   s_axis_input_tlast,
    input wire                   s_axis_input_tvalid,
    input wire [WEIGHT_BITS-1:0] s_axis_weight_tdata,
    input wire                   s_axis_weight_tvalid,
    input wire                   m_axis_output_tready
);

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire                input_ready;
    wire                weight_ready;
    wire [ACC_BITS-1:0] result;
    wire                result_flag;
    wire                valid;

    mac #(
        .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT), .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT), .BIPOLAR_INPUT(BIPOLAR_INPUT), .ACC_BITS(ACC_BITS),
        .OVERFLOW(OVERFLOW), .OBSERVE(OBSERVE)
    ) u_mac (
        .clk(clk), .rst(rst), .s_axis_input_tdata(s_axis_input_tdata),
        .s_axis_input_tlast(s_axis_input_tlast), .s_axis_input_tvalid(s_axis_input_tvalid),
        .s_axis_input_tready(input_ready), .s_axis_weight_tdata(s_axis_weight_tdata),
        .s_axis_weight_tvalid(s_axis_weight_tvalid), .s_axis_weight_tready(weight_ready),
        .m_axis_output_tdata(result), .m_axis_output_tuser(result_flag),
        .m_axis_output_tvalid(valid), .m_axis_output_tready(m_axis_output_tready)
    );

    (* probe = "u_mac.u_pe.acc" *)              wire [ACC_BITS-1:0]    acc;
    (* probe = "u_mac.u_pe.overflow" *)         wire                   overflow;
    (* probe = "u_mac.u_pe.first_q" *)          wire                   pe_first;
    (* probe = "u_mac.u_pe.acc_q" *)            wire [ACC_BITS-1:0]    pe_acc;
    (* probe = "u_mac.u_pe.u_dot.weights" *)    wire [WEIGHT_BITS-1:0] dot_weights;
    (* probe = "u_mac.u_pe.u_dot.inputs" *)     wire [INPUT_BITS-1:0]  dot_inputs;
    (* probe = "u_mac.u_pe.u_dot.addend" *)     wire [ACC_BITS-1:0]    addend;
    (* probe = "u_mac.u_pe.u_dot.sum" *)        wire [ACC_BITS-1:0]    sum;
    (* probe = "u_mac.u_pe.u_dot.overflow" *)   wire                   dot_overflow;
    (* probe = "u_mac.u_pe.u_dot.parameters" *) wire [8*32-1:0]        parameters;
    (* probe = "u_mac.u_skid.out_valid_q" *)    wire                   out_valid;
    (* probe = "u_mac.u_skid.skid_valid_q" *)   wire                   skid_valid;
    (* probe = "u_mac.u_skid.out_q" *)          wire [ACC_BITS:0]      out;
    (* probe = "u_mac.u_skid.skid_q" *)         wire [ACC_BITS:0]      skid;

    wire pe_overflow;

    generate
        if (OBSERVE == 1) begin : g_observe
            (* probe = "u_mac.u_pe.g_observe.overflow_q" *) wire overflow_q;

            assign pe_overflow = overflow_q;
        end else begin : g_blind
            assign pe_overflow = 1'b0;
        end
    endgenerate

    wire offered = s_axis_input_tvalid && s_axis_weight_tvalid;
    wire beat    = s_axis_input_tvalid && input_ready;
    wire last    = s_axis_input_tlast;
    wire first;
    wire spilled;
    wire flag;

    pe_rules #(.ACC_BITS(ACC_BITS), .OBSERVE(OBSERVE)) u_rules (
        .clk(clk), .rst(rst), .started(started_q), .beat(beat), .last(last), .addend(addend),
        .sum(sum), .dot_overflow(dot_overflow), .acc(acc), .overflow(overflow),
        .pe_first(pe_first), .pe_acc(pe_acc), .pe_overflow(pe_overflow), .first_q(first),
        .spilled_q(spilled), .flag(flag)
    );

    wire [1:0] count;
    wire       eased;

    sent_once #(.BITS(1 + ACC_BITS)) u_sent (
        .clk(clk), .rst(rst), .started(started_q), .push(beat && last), .pushed({flag, sum}),
        .valid(valid), .ready(m_axis_output_tready), .beat({result_flag, result}),
        .out_valid(out_valid), .skid_valid(skid_valid), .out(out), .skid(skid), .count(count),
        .eased_q(eased)
    );

    always @* if (started_q) begin
        // No stream moves alone, none waits without need, and none looks at the output's ready.
        if (!rst) begin
            assert (beat == (s_axis_weight_tvalid && weight_ready));
            assert (beat == (offered && count != 2'd2));
            if (eased && offered)
                assert (beat);
        end
        if (beat) begin
            assert (dot_weights == s_axis_weight_tdata);
            assert (dot_inputs == s_axis_input_tdata);
        end
        assert (parameters == {
            32'd1, WEIGHT_BITS[31:0], BIPOLAR_WEIGHT[31:0], INPUT_BITS[31:0],
            SIGNED_INPUT[31:0], BIPOLAR_INPUT[31:0], ACC_BITS[31:0], OVERFLOW[31:0]
        });
        cover (!rst && offered && !beat);
        cover (!rst && beat && last && spilled && !dot_overflow && flag == (OBSERVE == 1));
        cover (rst && beat && spilled);
    end

endmodule

`default_nettype wire
