// prove_fifo.v -- fifo.v sends every beat once, unchanged, in the order of coming, and never stands
//
// Whatever the streams do. It takes a beat whenever less than DEPTH are in, and offers one a cycle
// after it came; the ready of the other side matters to neither.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_fifo #(
    parameter integer DATA_BITS = 8, // width of a beat
    parameter integer DEPTH     = 16 // beats of room
) (
    input wire                 clk,
    input wire                 rst,
    input wire [DATA_BITS-1:0] s_axis_tdata,
    input wire                 s_axis_tvalid,
    input wire                 m_axis_tready
);

    localparam integer PLACE_BITS = $clog2(DEPTH);
    localparam integer GHOST_BITS = $clog2(DEPTH + 2);

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire                 ready;
    wire [DATA_BITS-1:0] data;
    wire                 valid;

    fifo #(.DATA_BITS(DATA_BITS), .DEPTH(DEPTH)) u_fifo (
        .clk(clk), .rst(rst), .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(ready), .m_axis_tdata(data), .m_axis_tvalid(valid),
        .m_axis_tready(m_axis_tready)
    );

    stream_rules #(.BITS(DATA_BITS)) u_rules (
        .clk(clk), .rst(rst), .started(started_q), .valid(valid), .ready(m_axis_tready), .beat(data)
    );

    (* probe = "u_fifo.write_q" *) wire [PLACE_BITS-1:0]      write;
    (* probe = "u_fifo.read_q" *)  wire [PLACE_BITS-1:0]      read;
    (* probe = "u_fifo.count_q" *) wire [$clog2(DEPTH+1)-1:0] held;

    wire                  push = s_axis_tvalid && ready;
    wire                  pop  = valid && m_axis_tready;
    wire [GHOST_BITS-1:0] count;
    wire                  watching;
    wire [GHOST_BITS-1:0] ahead;
    wire [DATA_BITS-1:0]  beat;

    watched #(.BITS(DATA_BITS), .ROOM(DEPTH)) u_watched (
        .clk(clk), .rst(rst), .push(push), .pushed(s_axis_tdata), .pop(pop), .count_q(count),
        .watching_q(watching), .ahead_q(ahead), .beat_q(beat)
    );

    // Places in the memory, of the next beat and of the one that is watched.
    wire [GHOST_BITS:0] behind        = read + count;
    wire [GHOST_BITS:0] write_place   = (behind < DEPTH) ? behind : behind - DEPTH;
    wire [GHOST_BITS:0] before        = read + ahead;
    wire [GHOST_BITS:0] watched_place = (before < DEPTH) ? before : before - DEPTH;

    always @* if (started_q) begin
        if (!rst) begin
            assert (ready == (count < DEPTH));
            assert (valid == (count > 0));
            if (valid && watching && ahead == 0)
                assert (data == beat);
        end
        // what the induction stands on
        assert (count <= DEPTH);
        assert (count == held);
        assert (read < DEPTH);
        assert (write == write_place);
        if (watching)
            assert (ahead < count);
        cover (rst && count == DEPTH && s_axis_tvalid);
        cover (!rst && count == DEPTH && watching && ahead == DEPTH - 1 && s_axis_tvalid && pop);
        cover (!rst && count == 1 && watching && read == DEPTH - 1 && push && pop);
        cover (!rst && count == DEPTH - 1 && watching && ahead == 0 && push && pop && write < read);
        cover (!rst && count == 0 && push && m_axis_tready && s_axis_tdata == {DATA_BITS{1'b1}});
    end

    genvar gi;
    generate
        for (gi = 0; gi < DEPTH; gi = gi + 1) begin : g_word
            (* probe = "u_fifo.memory[]" *) wire [DATA_BITS-1:0] word;

            always @* if (started_q && watching && watched_place == gi)
                assert (word == beat);
        end
    endgenerate

endmodule

`default_nettype wire
