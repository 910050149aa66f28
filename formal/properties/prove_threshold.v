// prove_threshold.v -- threshold.v sends, once and in order, how many thresholds each row reaches
//
// Of the set that is whole and the last before the vector; whatever the streams do. Ghosts: the set
// as it came, one threshold after the other, and any one beat with what is due for it. Where
// SEARCH=1 the stages are anything that keeps its promise, and the thresholds of a row ascend.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_threshold #(
    parameter integer MH            = 4,  // rows
    parameter integer PE            = 2,  // rows at once
    parameter integer ACC_BITS      = 16, // width of an accumulator, signed (P)
    parameter integer OUTPUT_BITS   = 2,  // width of an output (B)
    parameter integer SIGNED_OUTPUT = 0,  // 1: outputs are two's complement
    parameter integer SEARCH        = 0   // 0: a comparator for each threshold; 1: B stages of one
) (
    input wire                   clk,
    input wire                   rst,
    input wire [PE*ACC_BITS-1:0] s_axis_input_tdata,
    input wire [PE-1:0]          s_axis_input_tuser,
    input wire                   s_axis_input_tlast,
    input wire                   s_axis_input_tvalid,
    input wire [ACC_BITS:0]      s_axis_threshold_tdata,
    input wire                   s_axis_threshold_tvalid,
    input wire                   m_axis_output_tready
);

    localparam integer NF         = MH / PE;
    localparam integer FOLD_BITS  = (NF > 1) ? $clog2(NF) : 1;
    localparam integer PE_BITS    = (PE > 1) ? $clog2(PE) : 1;
    localparam integer STEPS      = (1 << OUTPUT_BITS) - 1;
    localparam integer WORDS      = MH * STEPS;
    localparam integer WORD_BITS  = ACC_BITS + 1;
    localparam integer INDEX_BITS = $clog2(WORDS + 1);
    localparam integer STAGES     = (SEARCH == 1) ? OUTPUT_BITS : 0;
    localparam integer ROOM       = STAGES + 2;
    localparam integer COUNT_BITS = $clog2(ROOM + 2);
    localparam integer DATA_BITS  = PE * OUTPUT_BITS;
    localparam integer MARK_BITS  = PE + 1;
    localparam integer OUT_BITS   = MARK_BITS + DATA_BITS;
    localparam integer BEAT_BITS  = FOLD_BITS + PE*ACC_BITS + OUT_BITS;
    localparam integer LOWEST     = (SIGNED_OUTPUT == 1) ? 1 << (OUTPUT_BITS - 1) : 0;

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire                 input_ready;
    wire                 threshold_ready;
    wire [DATA_BITS-1:0] data;
    wire [PE-1:0]        user;
    wire                 last;
    wire                 valid;

    threshold #(
        .MH(MH), .PE(PE), .ACC_BITS(ACC_BITS), .OUTPUT_BITS(OUTPUT_BITS),
        .SIGNED_OUTPUT(SIGNED_OUTPUT), .SEARCH(SEARCH)
    ) u_unit (
        .clk(clk), .rst(rst), .s_axis_input_tdata(s_axis_input_tdata),
        .s_axis_input_tuser(s_axis_input_tuser), .s_axis_input_tlast(s_axis_input_tlast),
        .s_axis_input_tvalid(s_axis_input_tvalid), .s_axis_input_tready(input_ready),
        .s_axis_threshold_tdata(s_axis_threshold_tdata),
        .s_axis_threshold_tvalid(s_axis_threshold_tvalid),
        .s_axis_threshold_tready(threshold_ready), .m_axis_output_tdata(data),
        .m_axis_output_tuser(user), .m_axis_output_tlast(last), .m_axis_output_tvalid(valid),
        .m_axis_output_tready(m_axis_output_tready)
    );

    stream_rules #(.BITS(OUT_BITS)) u_rules (
        .clk(clk), .rst(rst), .started(started_q), .valid(valid), .ready(m_axis_output_tready),
        .beat({last, user, data})
    );

    wire load = s_axis_threshold_tvalid && threshold_ready;
    wire beat = s_axis_input_tvalid && input_ready;
    wire pop  = valid && m_axis_output_tready;

    // The thresholds in the order of their coming: row after row, from position 1 on.

    reg [WORDS*WORD_BITS-1:0] set_q;
    reg [INDEX_BITS-1:0]      index_q; // of the next one
    reg                       full_q;  // a whole set came since the reset
    reg                       again_q; // and another one
    reg [FOLD_BITS-1:0]       fold_q;  // of the next input beat

    wire set_ends = index_q == WORDS - 1;

    always @(posedge clk)
        if (rst) begin
            index_q <= {INDEX_BITS{1'b0}};
            full_q  <= 1'b0;
            again_q <= 1'b0;
            fold_q  <= {FOLD_BITS{1'b0}};
        end else begin
            if (load) begin
                index_q <= set_ends ? {INDEX_BITS{1'b0}} : index_q + 1'b1;
                full_q  <= full_q || set_ends;
                again_q <= again_q || (full_q && set_ends);
                set_q[index_q*WORD_BITS +: WORD_BITS] <= s_axis_threshold_tdata;
            end
            if (beat)
                fold_q <= (fold_q == NF - 1) ? {FOLD_BITS{1'b0}} : fold_q + 1'b1;
        end

    wire between = fold_q == 0; // two vectors
    wire whole   = full_q && index_q == 0;

    // What is due for a beat, with the thresholds of now.

    wire [DATA_BITS-1:0]   new_outputs;
    wire [OUT_BITS-1:0]    new_out = {s_axis_input_tlast, s_axis_input_tuser, new_outputs};
    wire [COUNT_BITS-1:0]  count;
    wire                   watching;
    wire [COUNT_BITS-1:0]  ahead;
    wire [FOLD_BITS-1:0]   beat_fold;
    wire [PE*ACC_BITS-1:0] beat_accs;
    wire [OUT_BITS-1:0]    due;

    watched #(.BITS(BEAT_BITS), .ROOM(ROOM)) u_watched (
        .clk(clk), .rst(rst), .push(beat), .pushed({fold_q, s_axis_input_tdata, new_out}),
        .pop(pop), .count_q(count), .watching_q(watching), .ahead_q(ahead),
        .beat_q({beat_fold, beat_accs, due})
    );

    genvar gp, gs, gw;
    generate
        for (gp = 0; gp < PE; gp = gp + 1) begin : g_due
            wire [OUTPUT_BITS-1:0] count_now;

            reached #(.STEPS(STEPS), .ACC_BITS(ACC_BITS), .OUTPUT_BITS(OUTPUT_BITS)) u_reached (
                .thresholds(set_q[(fold_q*PE + gp)*STEPS*WORD_BITS +: STEPS*WORD_BITS]),
                .acc(s_axis_input_tdata[gp*ACC_BITS +: ACC_BITS]), .count(count_now)
            );
            assign new_outputs[gp*OUTPUT_BITS +: OUTPUT_BITS] =
                count_now - LOWEST[OUTPUT_BITS-1:0];
        end
    endgenerate

    // The places of beats, the oldest first: output, skid, and the stages from the last one on.

    (* probe = "u_unit.u_skid.out_valid_q" *)  wire                out_valid;
    (* probe = "u_unit.u_skid.skid_valid_q" *) wire                skid_valid;
    (* probe = "u_unit.u_skid.out_q" *)        wire [OUT_BITS-1:0] out;
    (* probe = "u_unit.u_skid.skid_q" *)       wire [OUT_BITS-1:0] skid;

    wire [ROOM-1:0]                taken;   // a beat is there
    wire [(ROOM+1)*COUNT_BITS-1:0] befores; // beats that are before a place
    wire [ROOM-1:0]                here;    // the watched beat is there

    assign taken[1:0]               = {skid_valid, out_valid};
    assign befores[0 +: COUNT_BITS] = {COUNT_BITS{1'b0}};

    generate
        for (gs = 0; gs < ROOM; gs = gs + 1) begin : g_place
            wire [COUNT_BITS-1:0] before = befores[gs*COUNT_BITS +: COUNT_BITS];

            assign befores[(gs+1)*COUNT_BITS +: COUNT_BITS] =
                before + {{(COUNT_BITS-1){1'b0}}, taken[gs]};
            assign here[gs] = watching && taken[gs] && before == ahead;
        end
    endgenerate

    wire busy; // a beat is in the stages

    // How long something waits: for an output while beats are in, whatever its ready is; and new
    // thresholds between two vectors, while the output is taken.

    reg [3:0] no_output_q;
    reg [3:0] no_load_q;
    reg       asked_q; // the output was ready, or there was a reset

    wire waits = s_axis_threshold_tvalid && between && !threshold_ready && m_axis_output_tready;

    always @(posedge clk) begin
        asked_q     <= rst || m_axis_output_tready;
        no_output_q <= (rst || valid || count == 0) ? 4'd0 : no_output_q + 4'd1;
        no_load_q   <= (rst || !waits) ? 4'd0 : no_load_q + 4'd1;
    end

    always @* if (started_q) begin
        if (!rst) begin
            if (valid)
                assert (count != 0);
            if (valid && watching && ahead == 0)
                assert ({last, user, data} == due);
            if (beat)
                assert (whole && !(between && s_axis_threshold_tvalid));
            if (load)
                assert (between);
            // Nothing stands for ever, and a beat can go in every cycle.
            assert (no_output_q <= STAGES);
            assert (no_load_q <= STAGES + SEARCH);
            if (asked_q && whole && !(between && s_axis_threshold_tvalid))
                assert (input_ready);
            // Neither hangs on the output's ready, but on registers alone.
            assert (input_ready
                == (!skid_valid && whole && !(between && s_axis_threshold_tvalid)));
            assert (threshold_ready == (between && !busy));
        end
        // what the induction stands on
        assert (index_q < WORDS);
        assert (fold_q < NF);
        assert (between || whole);
        assert (!(skid_valid && asked_q));
        assert (asked_q || no_load_q == 0);
        assert (out_valid || !skid_valid);
        assert (count == befores[ROOM*COUNT_BITS +: COUNT_BITS]);
        if (watching)
            assert (ahead < count);
        if (here[0])
            assert (out == due);
        if (here[1])
            assert (skid == due);
        cover (rst && count == ROOM && index_q == 0);
        cover (!rst && count == ROOM && watching && ahead == ROOM - 1 && between);
        cover (!rst && pop && beat && watching && ahead == 0 && &{last, user});
        cover (!rst && pop && data == {PE{LOWEST[OUTPUT_BITS-1:0]}});
        cover (!rst && pop && data == ~{PE{LOWEST[OUTPUT_BITS-1:0]}});
        cover (!rst && beat && again_q && fold_q == NF - 1);
        cover (!rst && load && full_q && count == 2);
        cover (!rst && no_load_q == STAGES + SEARCH && no_output_q == 0);
        cover (!rst && no_output_q == STAGES && valid);
        cover (rst && full_q && index_q == WORDS - 1);
    end

    // The unit counts and keeps what the ghosts do.

    (* probe = "u_unit.fold_q" *)          wire [FOLD_BITS-1:0]   unit_fold;
    (* probe = "u_unit.loaded_q" *)        wire                   loaded;
    (* probe = "u_unit.load_position_q" *) wire [OUTPUT_BITS-1:0] load_position;
    (* probe = "u_unit.load_pe_q" *)       wire [PE_BITS-1:0]     load_pe;
    (* probe = "u_unit.load_fold_q" *)     wire [FOLD_BITS-1:0]   load_fold;

    wire [31:0] load_row = load_fold*PE + load_pe;

    always @* if (started_q) begin
        assert (unit_fold == fold_q);
        assert (loaded == whole);
        assert (load_position != 0);
        assert (load_pe < PE);
        assert (load_row*STEPS + load_position - 1 == index_q);
    end

    generate
        for (gw = 1; gw < WORDS; gw = gw + 1) begin : g_ascending
            if (SEARCH == 1 && gw % STEPS != 0) begin : g_in_row
                wire signed [WORD_BITS-1:0] former = set_q[(gw-1)*WORD_BITS +: WORD_BITS];
                wire signed [WORD_BITS-1:0] latter = set_q[gw*WORD_BITS +: WORD_BITS];

                always @* assume (!(load && !rst && index_q == gw)
                    || former <= $signed(s_axis_threshold_tdata));

                always @* if (started_q && (index_q > gw || (full_q && index_q != gw)))
                    assert (former <= latter);
            end
        end

        if (SEARCH == 0) begin : g_parallel
            assign busy = 1'b0;

            for (gp = 0; gp < PE; gp = gp + 1) begin : g_pe
                for (gs = 1; gs <= STEPS; gs = gs + 1) begin : g_step
                    for (gw = 0; gw < NF; gw = gw + 1) begin : g_word
                        localparam integer PLACE = (gw*PE + gp)*STEPS + gs - 1;

                        (* probe = "u_unit.g_pe[].g_parallel.u_parallel.g_step[].memory[]" *)
                        wire [WORD_BITS-1:0] word;

                        always @* if (started_q && (full_q || index_q > PLACE))
                            assert (word == set_q[PLACE*WORD_BITS +: WORD_BITS]);
                    end
                end
            end
        end else begin : g_search
            (* probe = "u_unit.g_in_stages.valid_q" *)
            wire [OUTPUT_BITS-1:0]           valids;
            (* probe = "u_unit.g_in_stages.marks_q" *)
            wire [OUTPUT_BITS*MARK_BITS-1:0] marks;

            assign busy = |valids;

            always @* if (started_q && busy)
                assert (whole);

            for (gs = 0; gs < OUTPUT_BITS; gs = gs + 1) begin : g_mark
                wire is_here = here[ROOM-1-gs];

                assign taken[ROOM-1-gs] = valids[gs];

                always @* if (started_q) begin
                    if (is_here)
                        assert (marks[gs*MARK_BITS +: MARK_BITS] == due[DATA_BITS +: MARK_BITS]);
                    // In each cycle without an output all move on; in each after the first one in
                    // which thresholds wait, too, and none comes behind.
                    if (valids[gs] && befores[(ROOM-1-gs)*COUNT_BITS +: COUNT_BITS] == 0)
                        assert (no_output_q <= gs);
                    if (valids[gs])
                        assert (no_load_q <= gs + 1);
                end
            end
        end

        for (gp = 0; gp < PE; gp = gp + 1) begin : g_pe
            wire [STEPS*WORD_BITS-1:0] row =
                set_q[(beat_fold*PE + gp)*STEPS*WORD_BITS +: STEPS*WORD_BITS];
            wire [ACC_BITS-1:0]        beat_acc = beat_accs[gp*ACC_BITS +: ACC_BITS];
            wire [OUTPUT_BITS-1:0]     beat_count;

            reached #(.STEPS(STEPS), .ACC_BITS(ACC_BITS), .OUTPUT_BITS(OUTPUT_BITS)) u_reached (
                .thresholds(row), .acc(beat_acc), .count(beat_count)
            );

            for (gs = 0; gs < STAGES; gs = gs + 1) begin : g_stage
                localparam integer HALF = 1 << (OUTPUT_BITS - 1 - gs);

                (* probe = "u_unit.g_pe[].g_search.u_search.g_stage[].u_stage.u_promise.known_q" *)
                wire [NF*STEPS-1:0]                known;
                (* probe = "u_unit.g_pe[].g_search.u_search.g_stage[].u_stage.u_promise.words_q" *)
                wire [NF*STEPS*WORD_BITS-1:0]      words;
                (* probe = "u_unit.g_pe[].g_search.u_search.g_stage[].u_stage.u_promise.begun_q" *)
                wire                               begun;
                (* probe = "u_unit.g_pe[].g_search.u_search.g_stage[].u_stage.u_promise.sure_q" *)
                wire                               sure;
                (* probe = "u_unit.g_pe[].g_search.u_search.g_stage[].u_stage.u_promise.middle_q" *)
                wire [WORD_BITS-1:0]               threshold;
                (* probe = "u_unit.g_pe[].g_search.u_search.g_stage[].u_stage.u_promise.fold_q" *)
                wire [FOLD_BITS-1:0]               fold;
                (* probe = "u_unit.g_pe[].g_search.u_search.g_stage[].u_stage.u_promise.acc_q" *)
                wire [ACC_BITS-1:0]                acc;
                (* probe = "u_unit.g_pe[].g_search.u_search.g_stage[].u_stage.u_promise.found_q" *)
                wire [OUTPUT_BITS-1:0]             found;
                (* probe = "u_unit.g_pe[].g_search.u_search.g_stage[].u_stage.u_promise.premise" *)
                wire                               premise;

                // What is found before this stage, and where it then looks.
                wire [OUTPUT_BITS-1:0] found_due = beat_count & ~(2*HALF - 1);
                wire [31:0]            middle    = (found_due | HALF) - 1;

                always @* begin
                    assert (premise); // before the reset, too
                    if (started_q && here[ROOM-1-gs]) begin
                        assert (beat_fold < NF);
                        assert (due[gp*OUTPUT_BITS +: OUTPUT_BITS]
                            == beat_count - LOWEST[OUTPUT_BITS-1:0]);
                        assert (begun && sure);
                        assert (fold == beat_fold);
                        assert (acc == beat_acc);
                        assert (found == found_due);
                        assert (threshold == row[middle*WORD_BITS +: WORD_BITS]);
                    end
                end

                for (gw = 0; gw < NF*STEPS; gw = gw + 1) begin : g_word
                    localparam integer PLACE = (gw / STEPS)*PE*STEPS + gp*STEPS + gw % STEPS;

                    always @* if (started_q && (full_q || index_q > PLACE))
                        assert (known[gw] && words[gw*WORD_BITS +: WORD_BITS]
                            == set_q[PLACE*WORD_BITS +: WORD_BITS]);
                end
            end
        end
    endgenerate

endmodule

`default_nettype wire
