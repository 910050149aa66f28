// prove_mac.v -- within the bound, mac.v sends the exact sum of every dot product, once, in order
//
// Whatever the streams do. tuser is low.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_mac #(
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0   // what does not fit: 0 wraps, 1 saturates
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

    localparam integer GHOST_BITS = ACC_BITS + 4;

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire                       input_ready;
    wire                       weight_ready;
    wire signed [ACC_BITS-1:0] result;
    wire                       flag;
    wire                       valid;

    mac #(
        .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT), .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT), .BIPOLAR_INPUT(BIPOLAR_INPUT), .ACC_BITS(ACC_BITS),
        .OVERFLOW(OVERFLOW)
    ) u_mac (
        .clk(clk), .rst(rst), .s_axis_input_tdata(s_axis_input_tdata),
        .s_axis_input_tlast(s_axis_input_tlast), .s_axis_input_tvalid(s_axis_input_tvalid),
        .s_axis_input_tready(input_ready), .s_axis_weight_tdata(s_axis_weight_tdata),
        .s_axis_weight_tvalid(s_axis_weight_tvalid), .s_axis_weight_tready(weight_ready),
        .m_axis_output_tdata(result), .m_axis_output_tuser(flag),
        .m_axis_output_tvalid(valid), .m_axis_output_tready(m_axis_output_tready)
    );

    (* probe = "u_mac.u_pe.first_q" *)              wire                       pe_first;
    (* probe = "u_mac.u_pe.acc_q" *)                wire signed [ACC_BITS-1:0] pe_acc;
    (* probe = "u_mac.u_pe.g_observe.overflow_q" *) wire                       pe_overflow;
    (* probe = "u_mac.u_pe.u_dot.weights" *)        wire [WEIGHT_BITS-1:0]     weights;
    (* probe = "u_mac.u_pe.u_dot.inputs" *)         wire [INPUT_BITS-1:0]      inputs;
    (* probe = "u_mac.u_pe.u_dot.addend" *)         wire [ACC_BITS-1:0]        addend;
    (* probe = "u_mac.u_pe.u_dot.sum" *)            wire [ACC_BITS-1:0]        sum;
    (* probe = "u_mac.u_pe.u_dot.overflow" *)       wire                       dot_overflow;
    (* probe = "u_mac.u_skid.out_valid_q" *)        wire                       out_valid;
    (* probe = "u_mac.u_skid.skid_valid_q" *)       wire                       skid_valid;
    (* probe = "u_mac.u_skid.out_q" *)              wire [ACC_BITS:0]          out;
    (* probe = "u_mac.u_skid.skid_q" *)             wire [ACC_BITS:0]          skid;

    // A pair of operands moves when both streams move, and is what the dot is given.
    wire beat = s_axis_input_tvalid && input_ready;
    wire last = s_axis_input_tlast;

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

    wire                  pop = valid && m_axis_output_tready;
    wire [1:0]            count;
    wire [GHOST_BITS-1:0] head;
    wire [GHOST_BITS-1:0] next;

    pending #(.BITS(GHOST_BITS)) u_pending (
        .clk(clk), .rst(rst), .push(beat && last), .pushed(exact), .pop(pop),
        .count_q(count), .head_q(head), .next_q(next)
    );

    always @* if (started_q) begin
        if (valid && !rst) begin
            assert (count != 0);
            assert (result == $signed(head));
            assert (!flag);
        end
        assert (beat == (s_axis_weight_tvalid && weight_ready));
        if (beat) begin
            assert (weights == s_axis_weight_tdata);
            assert (inputs == s_axis_input_tdata);
        end
        // what the induction stands on
        assert (holds);
        assert (pe_first == first);
        if (!first) begin
            assert (pe_acc == old_exact);
            assert (!pe_overflow);
        end
        assert (out_valid || !skid_valid);
        assert (count == {1'b0, out_valid} + {1'b0, skid_valid});
        if (out_valid)
            assert (!out[ACC_BITS] && $signed(out[ACC_BITS-1:0]) == $signed(head));
        if (skid_valid)
            assert (!skid[ACC_BITS] && $signed(skid[ACC_BITS-1:0]) == $signed(next));
        cover (!rst && count == 2 && result == {1'b0, {(ACC_BITS-1){1'b1}}});
        cover (!rst && pop && beat && !first && last);
    end

endmodule

`default_nettype wire
