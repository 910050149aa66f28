// prove_mvau_row.v -- a row of a given layer never overflows in mvau.v, and its results are exact
//
// For any inputs, any weights in the other rows, any stalls. Nothing is assumed of a bound: the
// weights are constants, and their reach is summed up here, beat by beat.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_mvau_row #(
    parameter integer MW             = 64, // matrix width: inputs
    parameter integer MH             = 10, // matrix height: outputs
    parameter integer PE             = 5,  // outputs at once
    parameter integer SIMD           = 8,  // inputs at once
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0,  // what does not fit: 0 wraps, 1 saturates
    parameter integer ROW            = 0,  // of the layer
    parameter [MW*WEIGHT_BITS-1:0] WEIGHTS = 0, // of the row, column 0 in the low bits
    parameter integer REACH_BITS     = 32  // holds the reach of the whole row, and ACC_BITS
) (
    input wire                           clk,
    input wire                           rst,
    input wire [SIMD*INPUT_BITS-1:0]     s_axis_input_tdata,
    input wire                           s_axis_input_tvalid,
    input wire [PE*SIMD*WEIGHT_BITS-1:0] s_axis_weight_tdata,
    input wire                           s_axis_weight_tvalid,
    input wire                           m_axis_output_tready
);

    localparam integer SF         = MW / SIMD;
    localparam integer NF         = MH / PE;
    localparam integer FOLD       = ROW / PE;
    localparam integer PLACE      = ROW % PE;
    localparam integer GHOST_BITS = REACH_BITS + 4;
    localparam integer SF_BITS    = (SF > 1) ? $clog2(SF) : 1;
    localparam integer NF_BITS    = (NF > 1) ? $clog2(NF) : 1;
    localparam integer LAST_SF    = SF - 1;
    localparam integer LAST_NF    = NF - 1;
    localparam integer FAR        = (SF > 8) ? 7 : SF - 1; // a beat that covers wait for

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire                   input_ready;
    wire                   weight_ready;
    wire [PE*ACC_BITS-1:0] results;
    wire [PE-1:0]          flags;
    wire                   output_last;
    wire                   valid;

    mvau #(
        .MW(MW), .MH(MH), .PE(PE), .SIMD(SIMD), .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT), .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT), .BIPOLAR_INPUT(BIPOLAR_INPUT), .ACC_BITS(ACC_BITS),
        .OVERFLOW(OVERFLOW)
    ) u_mvau (
        .clk(clk), .rst(rst), .s_axis_input_tdata(s_axis_input_tdata),
        .s_axis_input_tvalid(s_axis_input_tvalid), .s_axis_input_tready(input_ready),
        .s_axis_weight_tdata(s_axis_weight_tdata), .s_axis_weight_tvalid(s_axis_weight_tvalid),
        .s_axis_weight_tready(weight_ready), .m_axis_output_tdata(results),
        .m_axis_output_tuser(flags), .m_axis_output_tlast(output_last),
        .m_axis_output_tvalid(valid), .m_axis_output_tready(m_axis_output_tready)
    );

    // Which tile of weights comes next, and which rows leave next.

    reg [SF_BITS-1:0] sf_q;
    reg [NF_BITS-1:0] nf_q;
    reg [NF_BITS-1:0] leaving_q;

    wire beat = s_axis_weight_tvalid && weight_ready;
    wire last = sf_q == LAST_SF[SF_BITS-1:0];
    wire pop  = valid && m_axis_output_tready;

    function [NF_BITS-1:0] after;
        input [NF_BITS-1:0] nf;
        after = (nf == LAST_NF[NF_BITS-1:0]) ? {NF_BITS{1'b0}} : nf + 1'b1;
    endfunction

    always @(posedge clk)
        if (rst) begin
            sf_q      <= {SF_BITS{1'b0}};
            nf_q      <= {NF_BITS{1'b0}};
            leaving_q <= {NF_BITS{1'b0}};
        end else begin
            if (beat)
                sf_q <= last ? {SF_BITS{1'b0}} : sf_q + 1'b1;
            if (beat && last)
                nf_q <= after(nf_q);
            if (pop)
                leaving_q <= after(leaving_q);
        end

    wire here = nf_q == FOLD[NF_BITS-1:0];

    // The weights of the row, where they come in its tiles.

    wire [SIMD*WEIGHT_BITS-1:0] weights =
        s_axis_weight_tdata[PLACE*SIMD*WEIGHT_BITS +: SIMD*WEIGHT_BITS];
    wire [SIMD*WEIGHT_BITS-1:0] due     = WEIGHTS[sf_q*SIMD*WEIGHT_BITS +: SIMD*WEIGHT_BITS];

    always @* assume (!(here && s_axis_weight_tvalid) || weights == due); // the layer

    // How far those of all columns before each reach: constants.

    wire [(MW+1)*GHOST_BITS-1:0] ups;
    wire [(MW+1)*GHOST_BITS-1:0] downs;

    assign ups[0 +: GHOST_BITS]   = {GHOST_BITS{1'b0}};
    assign downs[0 +: GHOST_BITS] = {GHOST_BITS{1'b0}};

    genvar gw;
    generate
        for (gw = 0; gw < MW; gw = gw + 1) begin : g_column
            wire [WEIGHT_BITS+INPUT_BITS-1:0] up;
            wire [WEIGHT_BITS+INPUT_BITS-1:0] down;

            reach #(
                .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT),
                .INPUT_BITS(INPUT_BITS), .SIGNED_INPUT(SIGNED_INPUT),
                .BIPOLAR_INPUT(BIPOLAR_INPUT)
            ) u_reach (
                .weight(WEIGHTS[gw*WEIGHT_BITS +: WEIGHT_BITS]), .up(up), .down(down)
            );
            assign ups[(gw+1)*GHOST_BITS +: GHOST_BITS]   = ups[gw*GHOST_BITS +: GHOST_BITS] + up;
            assign downs[(gw+1)*GHOST_BITS +: GHOST_BITS] =
                downs[gw*GHOST_BITS +: GHOST_BITS] + down;
        end
    endgenerate

    wire [SF*GHOST_BITS-1:0] beat_ups;
    wire [SF*GHOST_BITS-1:0] beat_downs;
    wire [SF*GHOST_BITS-1:0] old_ups;
    wire [SF*GHOST_BITS-1:0] old_downs;

    genvar gb;
    generate
        for (gb = 0; gb < SF; gb = gb + 1) begin : g_beat
            assign old_ups[gb*GHOST_BITS +: GHOST_BITS]   = ups[gb*SIMD*GHOST_BITS +: GHOST_BITS];
            assign old_downs[gb*GHOST_BITS +: GHOST_BITS] =
                downs[gb*SIMD*GHOST_BITS +: GHOST_BITS];
            assign beat_ups[gb*GHOST_BITS +: GHOST_BITS] =
                ups[(gb+1)*SIMD*GHOST_BITS +: GHOST_BITS] - ups[gb*SIMD*GHOST_BITS +: GHOST_BITS];
            assign beat_downs[gb*GHOST_BITS +: GHOST_BITS] =
                downs[(gb+1)*SIMD*GHOST_BITS +: GHOST_BITS]
                - downs[gb*SIMD*GHOST_BITS +: GHOST_BITS];
        end
    endgenerate

    wire signed [GHOST_BITS-1:0] beat_up   = beat_ups[sf_q*GHOST_BITS +: GHOST_BITS];
    wire signed [GHOST_BITS-1:0] beat_down = beat_downs[sf_q*GHOST_BITS +: GHOST_BITS];
    wire signed [GHOST_BITS-1:0] up_due    = old_ups[sf_q*GHOST_BITS +: GHOST_BITS];
    wire signed [GHOST_BITS-1:0] down_due  = old_downs[sf_q*GHOST_BITS +: GHOST_BITS];

    // The row's processing element.

    genvar gp;
    generate
        for (gp = 0; gp < PE; gp = gp + 1) begin : g_pe
            if (gp == PLACE) begin : g_row
                (* probe = "u_mvau.g_pe[].u_pe.first_q" *)        wire pe_first;
                (* probe = "u_mvau.g_pe[].u_pe.acc_q" *)          wire [ACC_BITS-1:0] pe_acc;
                (* probe = "u_mvau.g_pe[].u_pe.g_observe.overflow_q" *) wire pe_overflow;
                (* probe = "u_mvau.g_pe[].u_pe.u_dot.weights" *)
                wire [SIMD*WEIGHT_BITS-1:0] dot_weights;
                (* probe = "u_mvau.g_pe[].u_pe.u_dot.addend" *)   wire [ACC_BITS-1:0] addend;
                (* probe = "u_mvau.g_pe[].u_pe.u_dot.sum" *)      wire [ACC_BITS-1:0] sum;
                (* probe = "u_mvau.g_pe[].u_pe.u_dot.overflow" *) wire dot_overflow;
            end
        end
    endgenerate

    wire                       pe_first     = g_pe[PLACE].g_row.pe_first;
    wire signed [ACC_BITS-1:0] pe_acc       = g_pe[PLACE].g_row.pe_acc;
    wire                       pe_overflow  = g_pe[PLACE].g_row.pe_overflow;
    wire [ACC_BITS-1:0]        addend       = g_pe[PLACE].g_row.addend;
    wire [ACC_BITS-1:0]        sum          = g_pe[PLACE].g_row.sum;
    wire                       dot_overflow = g_pe[PLACE].g_row.dot_overflow;
    wire [SIMD*WEIGHT_BITS-1:0] dot_weights = g_pe[PLACE].g_row.dot_weights;

    (* anyseq *) wire signed [GHOST_BITS-1:0] beat_exact; // of any inputs

    wire                         first;
    wire signed [GHOST_BITS-1:0] old_exact;
    wire signed [GHOST_BITS-1:0] exact;
    wire                         fits;
    wire                         holds;

    wire known = beat && here;

    bounded #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_bounded (
        .clk(clk), .rst(rst), .beat(beat), .last(last), .known(known), .beat_exact(beat_exact),
        .beat_up(beat_up), .beat_down(beat_down), .addend(addend), .sum(sum),
        .overflow(dot_overflow), .first_q(first), .old_exact(old_exact), .exact(exact),
        .fits(fits), .holds(holds)
    );

    (* probe = "u_bounded.u_running.up_q" *)   wire signed [GHOST_BITS-1:0] up_q;
    (* probe = "u_bounded.u_running.down_q" *) wire signed [GHOST_BITS-1:0] down_q;


    // What leaves: for the rows of each fold, in order.

    localparam integer PENDING_BITS = NF_BITS + GHOST_BITS;

    wire [1:0]              count;
    wire [PENDING_BITS-1:0] head;
    wire [PENDING_BITS-1:0] next;
    wire [PENDING_BITS-1:0] pushed = {nf_q, exact};

    pending #(.BITS(PENDING_BITS)) u_pending (
        .clk(clk), .rst(rst), .push(beat && last), .pushed(pushed), .pop(pop),
        .count_q(count), .head_q(head), .next_q(next)
    );

    wire [NF_BITS-1:0]           head_nf    = head[GHOST_BITS +: NF_BITS];
    wire [NF_BITS-1:0]           next_nf    = next[GHOST_BITS +: NF_BITS];
    wire signed [GHOST_BITS-1:0] head_exact = head[GHOST_BITS-1:0];
    wire signed [GHOST_BITS-1:0] next_exact = next[GHOST_BITS-1:0];

    (* probe = "u_mvau.u_replay.beat_q" *)      wire [SF_BITS-1:0] replay_beat;
    (* probe = "u_mvau.u_replay.copy_q" *)      wire [NF_BITS-1:0] replay_copy;
    (* probe = "u_mvau.u_skid.out_valid_q" *)   wire out_valid;
    (* probe = "u_mvau.u_skid.skid_valid_q" *)  wire skid_valid;
    (* probe = "u_mvau.u_skid.out_q" *)         wire [PE+PE*ACC_BITS:0] out;
    (* probe = "u_mvau.u_skid.skid_q" *)        wire [PE+PE*ACC_BITS:0] skid;

    wire signed [ACC_BITS-1:0] result   = results[PLACE*ACC_BITS +: ACC_BITS];
    wire signed [ACC_BITS-1:0] out_acc  = out[PLACE*ACC_BITS +: ACC_BITS];
    wire signed [ACC_BITS-1:0] skid_acc = skid[PLACE*ACC_BITS +: ACC_BITS];

    always @* if (started_q) begin
        if (valid && !rst) begin
            assert (count != 2'd0 && head_nf == leaving_q);
            if (leaving_q == FOLD[NF_BITS-1:0]) begin
                assert (!flags[PLACE]);
                assert (result == head_exact);
            end
        end
        if (beat && here) begin
            assert (dot_weights == due);
            assert (fits);
        end
        // what the induction stands on
        assert (sf_q <= LAST_SF[SF_BITS-1:0] && nf_q <= LAST_NF[NF_BITS-1:0]);
        assert (replay_beat == sf_q && replay_copy == nf_q);
        assert (first == (sf_q == {SF_BITS{1'b0}}) && pe_first == first);
        if (here) begin
            assert (holds);
            if (!first) begin
                assert (pe_acc == old_exact && !pe_overflow);
                assert (up_q == up_due && down_q == down_due);
            end
        end
        assert (out_valid || !skid_valid);
        assert (count == {1'b0, out_valid} + {1'b0, skid_valid});
        if (!out_valid)
            assert (leaving_q == nf_q);
        if (out_valid) begin
            assert (head_nf == leaving_q);
            assert (skid_valid || after(head_nf) == nf_q);
            if (head_nf == FOLD[NF_BITS-1:0])
                assert (!out[PE*ACC_BITS+PLACE] && out_acc == head_exact);
        end
        if (skid_valid) begin
            assert (next_nf == after(head_nf) && after(next_nf) == nf_q);
            if (next_nf == FOLD[NF_BITS-1:0])
                assert (!skid[PE*ACC_BITS+PLACE] && skid_acc == next_exact);
        end
        cover (beat && first && beat_exact == beat_up);
        cover (beat && sf_q == FAR[SF_BITS-1:0]);
    end

    localparam [0:0] NONE = BIPOLAR_WEIGHT == 0 && WEIGHTS == {(MW*WEIGHT_BITS){1'b0}};

    // The row itself, where it comes soon enough to be waited for.
    generate
        if ((FOLD + 1) * SF <= 16) begin : g_soon
            always @* if (started_q)
                cover (valid && leaving_q == FOLD[NF_BITS-1:0] && (result != 0 || NONE));
        end
    endgenerate

endmodule

`default_nettype wire
