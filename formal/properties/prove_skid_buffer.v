// prove_skid_buffer.v -- skid_buffer.v sends every beat once, unchanged, in order, and never stands
//
// Whatever the streams do. It takes a beat whenever less than two are in, and offers one a cycle
// after it came; the ready of the other side matters to neither.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_skid_buffer #(
    parameter integer DATA_BITS = 8 // width of a beat
) (
    input wire                 clk,
    input wire                 rst,
    input wire [DATA_BITS-1:0] s_axis_tdata,
    input wire                 s_axis_tvalid,
    input wire                 m_axis_tready
);

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire                 ready;
    wire [DATA_BITS-1:0] data;
    wire                 valid;

    skid_buffer #(.DATA_BITS(DATA_BITS)) u_skid (
        .clk(clk), .rst(rst), .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(ready), .m_axis_tdata(data), .m_axis_tvalid(valid),
        .m_axis_tready(m_axis_tready)
    );

    stream_rules #(.BITS(DATA_BITS)) u_rules (
        .clk(clk), .rst(rst), .started(started_q), .valid(valid), .ready(m_axis_tready), .beat(data)
    );

    (* probe = "u_skid.out_valid_q" *)  wire                 out_valid;
    (* probe = "u_skid.skid_valid_q" *) wire                 skid_valid;
    (* probe = "u_skid.out_q" *)        wire [DATA_BITS-1:0] out;
    (* probe = "u_skid.skid_q" *)       wire [DATA_BITS-1:0] skid;

    wire                 push = s_axis_tvalid && ready;
    wire                 pop  = valid && m_axis_tready;
    wire [1:0]           count;
    wire                 watching;
    wire [1:0]           ahead;
    wire [DATA_BITS-1:0] beat;

    watched #(.BITS(DATA_BITS), .ROOM(2)) u_watched (
        .clk(clk), .rst(rst), .push(push), .pushed(s_axis_tdata), .pop(pop), .count_q(count),
        .watching_q(watching), .ahead_q(ahead), .beat_q(beat)
    );

    always @* if (started_q) begin
        if (!rst) begin
            assert (ready == (count < 2));
            assert (valid == (count > 0));
            if (valid && watching && ahead == 0)
                assert (data == beat);
        end
        // what the induction stands on
        assert (out_valid || !skid_valid);
        assert (count == {1'b0, out_valid} + {1'b0, skid_valid});
        if (watching) begin
            assert (ahead < count);
            assert (((ahead == 0) ? out : skid) == beat);
        end
        cover (rst && count == 2 && s_axis_tvalid);
        cover (!rst && count == 2 && watching && ahead == 1 && s_axis_tvalid && pop);
        cover (!rst && count == 1 && watching && push && pop);
        cover (!rst && count == 0 && push && m_axis_tready && s_axis_tdata == {DATA_BITS{1'b1}});
    end

endmodule

`default_nettype wire
