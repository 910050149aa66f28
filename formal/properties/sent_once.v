// sent_once.v -- what goes into the skid buffer of an output leaves it once, in order, unchanged
//
// It is on offer as long as there is any, and stays until it is taken. With the registers of the
// skid buffer, which an induction stands on.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module sent_once #(
    parameter integer BITS = 8, // width of all that belongs to a beat
    parameter integer LONG = 1  // 1: covers what takes more than one beat
) (
    input  wire            clk,
    input  wire            rst,
    input  wire            started,    // there was a reset
    input  wire            push,       // what should go in
    input  wire [BITS-1:0] pushed,
    input  wire            valid,      // of the output
    input  wire            ready,
    input  wire [BITS-1:0] beat,
    input  wire            out_valid,  // the registers
    input  wire            skid_valid,
    input  wire [BITS-1:0] out,
    input  wire [BITS-1:0] skid,
    output wire [1:0]      count,      // of what waits
    output reg             eased_q     // the output was ready, so there is room by now
);

    initial eased_q = 1'b0;

    always @(posedge clk)
        eased_q <= started && !rst && ready;

    wire            pop = valid && ready;
    wire [BITS-1:0] head;
    wire [BITS-1:0] next;

    pending #(.BITS(BITS)) u_pending (
        .clk(clk), .rst(rst), .push(push), .pushed(pushed), .pop(pop),
        .count_q(count), .head_q(head), .next_q(next)
    );
    stream_rules #(.BITS(BITS)) u_rules (
        .clk(clk), .rst(rst), .started(started), .valid(valid), .ready(ready), .beat(beat)
    );

    always @* if (started) begin
        if (!rst) begin
            assert (valid == (count != 2'd0));
            if (valid)
                assert (beat == head);
            if (eased_q)
                assert (count != 2'd2);
        end
        // what the induction stands on
        assert (out_valid || !skid_valid);
        assert (count == {1'b0, out_valid} + {1'b0, skid_valid});
        if (out_valid)
            assert (out == head);
        if (skid_valid)
            assert (skid == next);
    end

    generate
        if (LONG == 1) begin : g_long
            always @* if (started) begin
                cover (!rst && count == 2'd2 && !ready && head != next);
                cover (!rst && pop && push && head != pushed);
                cover (rst && count == 2'd2);
            end
        end
    endgenerate

endmodule

`default_nettype wire
