// fifo.v -- a stream through a memory of DEPTH beats, first in, first out
//
// Latency one cycle, one beat a cycle, DEPTH beats of room. No combinational path from
// m_axis_tready to s_axis_tready. Beats leave in the order in which they came, each exactly once.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module fifo #(
    parameter integer DATA_BITS = 8, // width of a beat
    parameter integer DEPTH     = 16 // beats of room
) (
    input  wire                 clk,
    input  wire                 rst,
    input  wire [DATA_BITS-1:0] s_axis_tdata,
    input  wire                 s_axis_tvalid,
    output wire                 s_axis_tready,
    output wire [DATA_BITS-1:0] m_axis_tdata,
    output wire                 m_axis_tvalid,
    input  wire                 m_axis_tready
);

    localparam [0:0] DATA_BITS_MUST_BE_POSITIVE = {(DATA_BITS >= 1){1'b1}};
    localparam [0:0] DEPTH_MUST_BE_AT_LEAST_2   = {(DEPTH >= 2){1'b1}};
    wire unused_static_asserts = DATA_BITS_MUST_BE_POSITIVE & DEPTH_MUST_BE_AT_LEAST_2;

    localparam integer PLACE_BITS = $clog2(DEPTH);
    localparam integer COUNT_BITS = $clog2(DEPTH + 1);
    localparam integer LAST_PLACE = DEPTH - 1;

    reg [PLACE_BITS-1:0] write_q;
    reg [PLACE_BITS-1:0] read_q;
    reg [COUNT_BITS-1:0] count_q; // beats that are held

    wire write = s_axis_tvalid & s_axis_tready;
    wire read  = m_axis_tvalid & m_axis_tready;

    always @(posedge clk)
        if (rst) begin
            write_q <= {PLACE_BITS{1'b0}};
            read_q  <= {PLACE_BITS{1'b0}};
            count_q <= {COUNT_BITS{1'b0}};
        end else begin
            if (write)
                write_q <= (write_q == LAST_PLACE[PLACE_BITS-1:0]) ? {PLACE_BITS{1'b0}}
                                                                   : write_q + 1'b1;
            if (read)
                read_q <= (read_q == LAST_PLACE[PLACE_BITS-1:0]) ? {PLACE_BITS{1'b0}}
                                                                 : read_q + 1'b1;
            if (write & ~read)
                count_q <= count_q + 1'b1;
            else if (read & ~write)
                count_q <= count_q - 1'b1;
        end

    reg [DATA_BITS-1:0] memory [0:DEPTH-1];

    always @(posedge clk)
        if (write)
            memory[write_q] <= s_axis_tdata;

    assign s_axis_tready = count_q != DEPTH[COUNT_BITS-1:0];
    assign m_axis_tvalid = count_q != {COUNT_BITS{1'b0}};
    assign m_axis_tdata  = memory[read_q];

endmodule

`default_nettype wire
