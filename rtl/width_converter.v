// width_converter.v -- the same stream of lanes, cut into beats of another width
//
// Lane 0 of the first beat comes first; lane i of a beat sits at [i*LANE_BITS +: LANE_BITS]. Any
// IN_LANES go to any OUT_LANES; lanes that do not fill a beat wait for the next ones. The side with
// the narrower beats moves one a cycle; latency one cycle. No combinational path from m_axis_tready
// to s_axis_tready. SPDX-License-Identifier: Apache-2.0

`default_nettype none

module width_converter #(
    parameter integer LANE_BITS = 8, // width of a lane
    parameter integer IN_LANES  = 3, // lanes of a beat that comes
    parameter integer OUT_LANES = 2  // lanes of a beat that leaves
) (
    input  wire                           clk,
    input  wire                           rst,
    input  wire [IN_LANES*LANE_BITS-1:0]  s_axis_tdata,
    input  wire                           s_axis_tvalid,
    output wire                           s_axis_tready,
    output wire [OUT_LANES*LANE_BITS-1:0] m_axis_tdata,
    output wire                           m_axis_tvalid,
    input  wire                           m_axis_tready
);

    localparam [0:0] LANE_BITS_MUST_BE_POSITIVE = {(LANE_BITS >= 1){1'b1}};
    localparam [0:0] IN_LANES_MUST_BE_POSITIVE  = {(IN_LANES >= 1){1'b1}};
    localparam [0:0] OUT_LANES_MUST_BE_POSITIVE = {(OUT_LANES >= 1){1'b1}};
    wire unused_static_asserts =
        LANE_BITS_MUST_BE_POSITIVE & IN_LANES_MUST_BE_POSITIVE & OUT_LANES_MUST_BE_POSITIVE;

    // Greatest common divisor; it ends for whatever it is given.
    function [31:0] gcd;
        input [31:0] one;
        input [31:0] other;
        reg   [31:0] rest;
        begin
            gcd = one;
            while (other != 0) begin
                rest = gcd % other;
                gcd = other;
                other = rest;
            end
        end
    endfunction

    // Lanes come and go in whole groups, so a group is what is counted and moved.
    localparam integer LANES_PER_GROUP = gcd(IN_LANES, OUT_LANES);
    localparam integer GROUP_BITS      = LANES_PER_GROUP * LANE_BITS;
    localparam integer IN              = IN_LANES / LANES_PER_GROUP;
    localparam integer OUT             = OUT_LANES / LANES_PER_GROUP;

    // The least room in which the narrower side never waits for the wider one.
    localparam integer ROOM       = (IN > OUT) ? IN + 2*OUT - 1 : OUT + 2*IN - 1;
    localparam integer COUNT_BITS = $clog2(ROOM + 1);
    localparam integer MOST_HELD  = ROOM - IN; // with which one more beat fits

    reg [ROOM*GROUP_BITS-1:0] groups_q; // the oldest in the least significant bits
    reg [ROOM*GROUP_BITS-1:0] groups_d;
    reg [COUNT_BITS-1:0]      count_q;  // groups that are held

    wire accept = s_axis_tvalid & s_axis_tready;
    wire send   = m_axis_tvalid & m_axis_tready;

    wire [COUNT_BITS-1:0] kept = send ? count_q - OUT[COUNT_BITS-1:0] : count_q;

    always @* begin
        groups_d = send ? groups_q >> (OUT*GROUP_BITS) : groups_q;
        if (accept)
            groups_d[kept*GROUP_BITS +: IN*GROUP_BITS] = s_axis_tdata;
    end

    always @(posedge clk)
        if (rst)
            count_q <= {COUNT_BITS{1'b0}};
        else
            count_q <= accept ? kept + IN[COUNT_BITS-1:0] : kept;

    always @(posedge clk)
        groups_q <= groups_d;

    assign s_axis_tready = count_q <= MOST_HELD[COUNT_BITS-1:0];
    assign m_axis_tvalid = count_q >= OUT[COUNT_BITS-1:0];
    assign m_axis_tdata  = groups_q[0 +: OUT*GROUP_BITS];

endmodule

`default_nettype wire
