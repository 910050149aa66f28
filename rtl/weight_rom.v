// weight_rom.v -- a stream of BEATS constant words, in order, once or again and again
//
// Word i is WORDS[i*DATA_BITS +: DATA_BITS]; m_axis_tlast marks the last one. LOOP=1 starts over
// after it, LOOP=0 falls silent until the next reset. First beat in the second cycle after reset,
// then one a cycle. The memory is read with the clock, so that it may be a block RAM.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module weight_rom #(
    parameter integer DATA_BITS = 8, // width of a word
    parameter integer BEATS     = 4, // words
    parameter integer LOOP      = 1, // 0: all words once; 1: over and over
    parameter [BEATS*DATA_BITS-1:0] WORDS = 0 // all of them, the first in the low bits
) (
    input  wire                 clk,
    input  wire                 rst,
    output wire [DATA_BITS-1:0] m_axis_tdata,
    output wire                 m_axis_tlast,
    output wire                 m_axis_tvalid,
    input  wire                 m_axis_tready
);

    localparam [0:0] DATA_BITS_MUST_BE_POSITIVE = {(DATA_BITS >= 1){1'b1}};
    localparam [0:0] BEATS_MUST_BE_POSITIVE     = {(BEATS >= 1){1'b1}};
    localparam [0:0] LOOP_MUST_BE_0_OR_1        = {(LOOP == 0 || LOOP == 1){1'b1}};
    wire unused_static_asserts =
        DATA_BITS_MUST_BE_POSITIVE & BEATS_MUST_BE_POSITIVE & LOOP_MUST_BE_0_OR_1;

    localparam integer BEAT_BITS = (BEATS > 1) ? $clog2(BEATS) : 1;
    localparam integer LAST_BEAT = BEATS - 1;

    reg [DATA_BITS-1:0] memory [0:BEATS-1];

    integer i;
    initial
        for (i = 0; i < BEATS; i = i + 1)
            memory[i] = WORDS[i*DATA_BITS +: DATA_BITS];

    reg [BEAT_BITS-1:0] beat_q;  // the word to be read next
    reg                 spent_q; // all words were read, and once is enough
    reg                 valid_q;

    wire read = ~spent_q & (m_axis_tready | ~valid_q);
    wire last = beat_q == LAST_BEAT[BEAT_BITS-1:0];

    always @(posedge clk)
        if (rst) begin
            beat_q  <= {BEAT_BITS{1'b0}};
            spent_q <= 1'b0;
            valid_q <= 1'b0;
        end else begin
            if (read) begin
                beat_q  <= last ? {BEAT_BITS{1'b0}} : beat_q + 1'b1;
                spent_q <= last && LOOP == 0;
            end
            valid_q <= read | (valid_q & ~m_axis_tready);
        end

    reg [DATA_BITS-1:0] word_q;
    reg                 last_q;

    always @(posedge clk)
        if (read) begin
            word_q <= memory[beat_q];
            last_q <= last;
        end

    assign m_axis_tdata  = word_q;
    assign m_axis_tlast  = last_q;
    assign m_axis_tvalid = valid_q;

endmodule

`default_nettype wire
