// sat_rows.v -- a foreign matrix-vector unit: one column at a time, saturating, all lanes in bytes,
// row 0 in the most significant ones. Its reset passes through two flip-flops. One active-low bit
// for each result says that it clamped.
// SPDX-License-Identifier: Apache-2.0
`include "rows.vh"

module sat_rows #(
    parameter COLUMNS = 4,
    parameter ROWS = 4,
    parameter AT_ONCE = 2,
    parameter W = 4,
    parameter X = 4,
    parameter SIGNED_X = 0,
    parameter ACC = 8
) (
    input  wire                          clock,
    input  wire                          srst,
    input  wire [`LANE(X)-1:0]           x,
    input  wire                          x_valid,
    output wire                          x_ready,
    input  wire [AT_ONCE*`LANE(W)-1:0]   w,
    input  wire                          w_valid,
    output wire                          w_ready,
    output reg  [AT_ONCE*`LANE(ACC)-1:0] y,
    output reg  [AT_ONCE-1:0]            exact_y,
    output reg                           y_valid,
    input  wire                          y_ready
);
    localparam WIDE = W + `LANE(X) > ACC ? W + `LANE(X) + 2 : ACC + 2;

    reg [1:0] in_reset;
    always @(posedge clock) in_reset <= {in_reset[0], srst};
    wire reset = in_reset[1];

    reg [`LANE(X)-1:0] kept [0:COLUMNS-1]; // whole lanes count: they must be filled right
    reg [31:0] column, fold;
    wire from_outside = fold == 0;
    wire free = ~reset & (~y_valid | y_ready);
    wire beat = w_valid & (x_valid | ~from_outside) & free;
    assign x_ready = w_valid & from_outside & free;
    assign w_ready = (x_valid | ~from_outside) & free;
    wire [`LANE(X)-1:0] value = from_outside ? x : kept[column];
    wire is_last = column == COLUMNS - 1;

    always @(posedge clock) begin
        if (beat & from_outside) kept[column] <= value;
        if (reset) begin
            column <= 0;
            fold <= 0;
            y_valid <= 0;
        end else begin
            if (beat) column <= is_last ? 0 : column + 1;
            if (beat & is_last) fold <= fold == ROWS/AT_ONCE - 1 ? 0 : fold + 1;
            if (free) y_valid <= beat & is_last;
        end
    end

    genvar row;
    generate
        for (row = 0; row < AT_ONCE; row = row + 1) begin : rows
            reg [ACC-1:0] acc;
            reg clamped;
            wire [W-1:0] weight = w[(AT_ONCE-1-row)*`LANE(W) +: W];
            wire signed [WIDE-1:0] product =
                $signed(weight) * $signed({SIGNED_X ? value[`LANE(X)-1] : 1'b0, value});
            wire signed [ACC-1:0] term = `CLAMPED(product, WIDE, ACC);
            wire signed [ACC-1:0] start = column == 0 ? {ACC{1'b0}} : acc;
            wire signed [WIDE-1:0] sum = start + term;
            wire [ACC-1:0] next = `CLAMPED(sum, WIDE, ACC);
            wire spilled = `SPILLS(product, WIDE, ACC) | `SPILLS(sum, WIDE, ACC)
                | (column != 0 & clamped);
            always @(posedge clock)
                if (beat) begin
                    acc <= next;
                    clamped <= spilled;
                    if (is_last) begin
                        y[(AT_ONCE-1-row)*`LANE(ACC) +: `LANE(ACC)] <= next;
                        exact_y[AT_ONCE-1-row] <= ~spilled;
                    end
                end
        end
    endgenerate
endmodule
