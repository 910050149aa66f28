// prove_replay_buffer.v -- replay_buffer.v sends each vector COPIES times, with the right marks
//
// Whatever the streams do: of the BEATS*COPIES beats that belong to a vector, number n is beat
// n % BEATS of it. The first copy moves when both sides are ready, the others when they are asked
// for. The output keeps the rules of streams as long as the input does, whose beats pass through.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_replay_buffer #(
    parameter integer DATA_BITS = 64, // width of a beat
    parameter integer BEATS     = 8,  // beats per vector
    parameter integer COPIES    = 2   // times that a vector is sent
) (
    input wire                 clk,
    input wire                 rst,
    input wire [DATA_BITS-1:0] s_axis_tdata,
    input wire                 s_axis_tvalid,
    input wire                 m_axis_tready
);

    localparam integer BEAT_BITS = (BEATS > 1) ? $clog2(BEATS) : 1;
    localparam integer COPY_BITS = (COPIES > 1) ? $clog2(COPIES) : 1;
    localparam integer ALL       = BEATS * COPIES;
    localparam integer ALL_BITS  = $clog2(ALL + 1);

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire                 ready;
    wire [DATA_BITS-1:0] data;
    wire                 user;
    wire                 last;
    wire                 valid;

    replay_buffer #(.DATA_BITS(DATA_BITS), .BEATS(BEATS), .COPIES(COPIES)) u_replay (
        .clk(clk), .rst(rst), .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(ready), .m_axis_tdata(data), .m_axis_tuser(user), .m_axis_tlast(last),
        .m_axis_tvalid(valid), .m_axis_tready(m_axis_tready)
    );

    wire input_kept;
    wire unruled = rst || !input_kept;

    source_rules #(.BITS(DATA_BITS)) u_source (
        .clk(clk), .rst(rst), .valid(s_axis_tvalid), .ready(ready), .beat(s_axis_tdata),
        .kept(input_kept)
    );
    stream_rules #(.BITS(DATA_BITS+2)) u_rules (
        .clk(clk), .rst(unruled), .started(started_q), .valid(valid), .ready(m_axis_tready),
        .beat({user, last, data})
    );

    (* probe = "u_replay.beat_q" *) wire [BEAT_BITS-1:0] beat_index;
    (* probe = "u_replay.copy_q" *) wire [COPY_BITS-1:0] copy_index;

    // Ghosts: how much of a vector was sent, and any one of its beats.
    (* anyseq *) wire mark;

    wire                 push = s_axis_tvalid && ready;
    wire                 pop  = valid && m_axis_tready;
    reg  [ALL_BITS-1:0]  sent_q;     // beats of the vector, over all copies
    reg                  watching_q; // a beat of the vector is watched
    reg  [ALL_BITS-1:0]  place_q;    // its place in the vector
    reg  [DATA_BITS-1:0] beat_q;     // what it was when it went in

    wire                first = sent_q < BEATS;
    wire                done  = pop && sent_q == ALL - 1;
    wire [ALL_BITS-1:0] place = sent_q % BEATS[ALL_BITS-1:0];
    wire [ALL_BITS-1:0] copy  = sent_q / BEATS[ALL_BITS-1:0];
    wire                seen  = watching_q && place == place_q;

    always @(posedge clk) begin
        if (rst) begin
            sent_q     <= {ALL_BITS{1'b0}};
            watching_q <= 1'b0;
        end else begin
            if (pop)
                sent_q <= done ? {ALL_BITS{1'b0}} : sent_q + 1'b1;
            watching_q <= !done && (watching_q || (push && mark));
        end
        if (push && mark && !watching_q) begin
            place_q <= place;
            beat_q  <= s_axis_tdata;
        end
    end

    always @* if (started_q) begin
        if (!rst) begin
            assert (ready == (first && m_axis_tready));
            assert (valid == (!first || s_axis_tvalid));
            if (valid) begin
                assert (last == (place == BEATS - 1));
                assert (user == (copy == COPIES - 1));
                if (first)
                    assert (data == s_axis_tdata);
            end
        end
        // what the induction stands on
        assert (sent_q < ALL);
        assert (beat_index == place);
        assert (copy_index == copy);
        cover (rst && sent_q == ALL - 1 && s_axis_tvalid);
        cover (!rst && pop && first && last && s_axis_tdata == {DATA_BITS{1'b1}});
        cover (!rst && done && input_kept && user && last);
        cover (!rst && first && valid && !m_axis_tready && input_kept);
    end

    genvar gi;
    generate
        if (COPIES > 1) begin : g_store
            always @* if (started_q) begin
                if (!rst && !first && seen)
                    assert (data == beat_q);
                if (watching_q)
                    assert (place_q < BEATS && place_q < sent_q);
                cover (!rst && done && seen && data == {DATA_BITS{1'b1}});
                cover (!rst && !first && last && seen && !m_axis_tready && s_axis_tvalid
                    && input_kept);
            end
            for (gi = 0; gi < BEATS; gi = gi + 1) begin : g_word
                (* probe = "u_replay.g_store.memory[]" *) wire [DATA_BITS-1:0] word;

                always @* if (started_q && watching_q && place_q == gi)
                    assert (word == beat_q);
            end
        end
    endgenerate

endmodule

`default_nettype wire
