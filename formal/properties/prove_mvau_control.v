// prove_mvau_control.v -- mvau.v hands each pe the operands that are due, and sends what they say
//
// A vector is taken once and used NF times. Any one beat of it is watched. Nothing is assumed of
// what the dots say.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_mvau_control #(
    parameter integer MW             = 64, // matrix width: inputs
    parameter integer MH             = 10, // matrix height: outputs
    parameter integer PE             = 5,  // outputs at once
    parameter integer SIMD           = 8,  // inputs at once
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of an accumulator, signed (P)
    parameter integer OVERFLOW       = 0,  // what does not fit: 0 wraps, 1 saturates
    parameter integer OBSERVE        = 1,  // 1: watch for overflow
    parameter integer LONG           = 1   // 1: covers what takes all beats of a vector, too
) (
    input wire                           clk,
    input wire                           rst,
    input wire [SIMD*INPUT_BITS-1:0]     s_axis_input_tdata,
    input wire                           s_axis_input_tvalid,
    input wire [PE*SIMD*WEIGHT_BITS-1:0] s_axis_weight_tdata,
    input wire                           s_axis_weight_tvalid,
    input wire                           m_axis_output_tready
);

    localparam integer SF        = MW/SIMD;
    localparam integer NF        = MH/PE;
    localparam integer LAST_SF   = SF - 1;
    localparam integer LAST_NF   = NF - 1;
    localparam integer SF_BITS   = (SF > 1) ? $clog2(SF) : 1;
    localparam integer NF_BITS   = (NF > 1) ? $clog2(NF) : 1;
    localparam integer SENT_BITS = 1 + PE + PE*ACC_BITS;

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire                   input_ready;
    wire                   weight_ready;
    wire [PE*ACC_BITS-1:0] results;
    wire [PE-1:0]          result_flags;
    wire                   result_last;
    wire                   valid;

    mvau #(
        .MW(MW), .MH(MH), .PE(PE), .SIMD(SIMD), .WEIGHT_BITS(WEIGHT_BITS),
        .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT), .INPUT_BITS(INPUT_BITS), .SIGNED_INPUT(SIGNED_INPUT),
        .BIPOLAR_INPUT(BIPOLAR_INPUT), .ACC_BITS(ACC_BITS), .OVERFLOW(OVERFLOW), .OBSERVE(OBSERVE)
    ) u_mvau (
        .clk(clk), .rst(rst), .s_axis_input_tdata(s_axis_input_tdata),
        .s_axis_input_tvalid(s_axis_input_tvalid), .s_axis_input_tready(input_ready),
        .s_axis_weight_tdata(s_axis_weight_tdata), .s_axis_weight_tvalid(s_axis_weight_tvalid),
        .s_axis_weight_tready(weight_ready), .m_axis_output_tdata(results),
        .m_axis_output_tuser(result_flags), .m_axis_output_tlast(result_last),
        .m_axis_output_tvalid(valid), .m_axis_output_tready(m_axis_output_tready)
    );

    (* probe = "u_mvau.u_replay.beat_q" *)     wire [SF_BITS-1:0]   replay_beat;
    (* probe = "u_mvau.u_replay.copy_q" *)     wire [NF_BITS-1:0]   replay_copy;
    (* probe = "u_mvau.u_skid.out_valid_q" *)  wire                 out_valid;
    (* probe = "u_mvau.u_skid.skid_valid_q" *) wire                 skid_valid;
    (* probe = "u_mvau.u_skid.out_q" *)        wire [SENT_BITS-1:0] out;
    (* probe = "u_mvau.u_skid.skid_q" *)       wire [SENT_BITS-1:0] skid;

    // Where in the matrix the next tile of weights is: a beat is a tile.
    reg [SF_BITS-1:0] sf_q;
    reg [NF_BITS-1:0] nf_q;

    wire beat      = s_axis_weight_tvalid && weight_ready;
    wire take      = s_axis_input_tvalid && input_ready;
    wire last      = sf_q == LAST_SF[SF_BITS-1:0];
    wire last_fold = nf_q == LAST_NF[NF_BITS-1:0];
    wire fresh     = nf_q == {NF_BITS{1'b0}}; // the vector comes in

    always @(posedge clk)
        if (rst) begin
            sf_q <= {SF_BITS{1'b0}};
            nf_q <= {NF_BITS{1'b0}};
        end else if (beat) begin
            sf_q <= last ? {SF_BITS{1'b0}} : sf_q + 1'b1;
            if (last)
                nf_q <= last_fold ? {NF_BITS{1'b0}} : nf_q + 1'b1;
        end

    // All that this beat of the matrix needs is on offer.
    wire offered = s_axis_weight_tvalid && (!fresh || s_axis_input_tvalid);

    // Any one beat of the vector.
    (* anyconst *) wire [SF_BITS-1:0] spot;
    reg [SIMD*INPUT_BITS-1:0] watched_q;

    wire                       there = sf_q == spot;
    wire                       kept  = !fresh || sf_q > spot;
    wire [SIMD*INPUT_BITS-1:0] due   = fresh ? s_axis_input_tdata : watched_q;

    always @(posedge clk)
        if (take && there)
            watched_q <= s_axis_input_tdata;

    wire [PE*ACC_BITS-1:0] sums;
    wire [PE-1:0]          flags;

    genvar gp;
    genvar gb;
    generate
        for (gp = 0; gp < PE; gp = gp + 1) begin : g_row
            (* probe = "u_mvau.g_pe[].u_pe.acc" *)              wire [ACC_BITS-1:0] acc;
            (* probe = "u_mvau.g_pe[].u_pe.overflow" *)         wire                overflow;
            (* probe = "u_mvau.g_pe[].u_pe.first_q" *)          wire                pe_first;
            (* probe = "u_mvau.g_pe[].u_pe.acc_q" *)            wire [ACC_BITS-1:0] pe_acc;
            (* probe = "u_mvau.g_pe[].u_pe.u_dot.addend" *)     wire [ACC_BITS-1:0] addend;
            (* probe = "u_mvau.g_pe[].u_pe.u_dot.sum" *)        wire [ACC_BITS-1:0] sum;
            (* probe = "u_mvau.g_pe[].u_pe.u_dot.overflow" *)   wire                dot_overflow;
            (* probe = "u_mvau.g_pe[].u_pe.u_dot.parameters" *) wire [8*32-1:0]     parameters;
            (* probe = "u_mvau.g_pe[].u_pe.u_dot.weights" *)
            wire [SIMD*WEIGHT_BITS-1:0] weights;
            (* probe = "u_mvau.g_pe[].u_pe.u_dot.inputs" *)
            wire [SIMD*INPUT_BITS-1:0] inputs;

            wire pe_overflow;
            wire first;
            wire spilled;

            if (OBSERVE == 1) begin : g_observe
                (* probe = "u_mvau.g_pe[].u_pe.g_observe.overflow_q" *) wire overflow_q;

                assign pe_overflow = overflow_q;
            end else begin : g_blind
                assign pe_overflow = 1'b0;
            end

            pe_rules #(.ACC_BITS(ACC_BITS), .OBSERVE(OBSERVE)) u_rules (
                .clk(clk), .rst(rst), .started(started_q), .beat(beat), .last(last),
                .addend(addend), .sum(sum), .dot_overflow(dot_overflow), .acc(acc),
                .overflow(overflow), .pe_first(pe_first), .pe_acc(pe_acc),
                .pe_overflow(pe_overflow), .first_q(first), .spilled_q(spilled), .flag(flags[gp])
            );

            assign sums[gp*ACC_BITS +: ACC_BITS] = sum;

            always @* if (started_q) begin
                if (beat)
                    assert (weights
                        == s_axis_weight_tdata[gp*SIMD*WEIGHT_BITS +: SIMD*WEIGHT_BITS]);
                if (beat && there)
                    assert (inputs == due);
                assert (first == (sf_q == {SF_BITS{1'b0}}));
                assert (parameters == {
                    SIMD[31:0], WEIGHT_BITS[31:0], BIPOLAR_WEIGHT[31:0], INPUT_BITS[31:0],
                    SIGNED_INPUT[31:0], BIPOLAR_INPUT[31:0], ACC_BITS[31:0], OVERFLOW[31:0]
                });
            end
            if (LONG == 1 && SF > 1) begin : g_steps
                always @* if (started_q) begin
                    cover (!rst && beat && last && spilled && !dot_overflow);
                    cover (rst && spilled);
                end
            end
        end
        if (NF > 1) begin : g_store
            for (gb = 0; gb < SF; gb = gb + 1) begin : g_place
                (* probe = "u_mvau.u_replay.g_store.memory[]" *)
                wire [SIMD*INPUT_BITS-1:0] word;

                always @* if (started_q && spot == gb && kept)
                    assert (word == watched_q);
            end
        end
        if (LONG == 1 && NF > 1) begin : g_replay
            always @* if (started_q) begin
                cover (!rst && beat && there && last && last_fold && s_axis_input_tdata != due);
                cover (!rst && beat && !s_axis_input_tvalid);
                cover (rst && beat && !fresh);
            end
        end
        if (LONG == 1) begin : g_vector
            always @* if (started_q) begin
                cover (!rst && offered && !beat);
                cover (!rst && take && valid && result_last);
                cover (!rst && valid && result_last && result_flags == {PE{OBSERVE == 1}});
                cover (rst && valid && beat && take);
            end
        end
    endgenerate

    wire [1:0] count;
    wire       eased;

    sent_once #(.BITS(SENT_BITS), .LONG(LONG)) u_sent (
        .clk(clk), .rst(rst), .started(started_q), .push(beat && last),
        .pushed({last_fold, flags, sums}), .valid(valid), .ready(m_axis_output_tready),
        .beat({result_last, result_flags, results}), .out_valid(out_valid),
        .skid_valid(skid_valid), .out(out), .skid(skid), .count(count), .eased_q(eased)
    );

    always @* if (started_q) begin
        // No stream moves alone, none waits without need, and none looks at the output's ready.
        if (!rst) begin
            assert (beat == (offered && count != 2'd2));
            assert (take == (beat && fresh));
            if (eased && offered)
                assert (beat);
        end
        // what the induction stands on
        assert (sf_q <= LAST_SF[SF_BITS-1:0]);
        assert (nf_q <= LAST_NF[NF_BITS-1:0]);
        assert (replay_beat == sf_q);
        assert (replay_copy == nf_q);
        cover (rst && beat && take);
        cover (!rst && beat && there);
    end

endmodule

`default_nettype wire
