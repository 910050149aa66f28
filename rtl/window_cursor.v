// window_cursor.v -- walks over the taps of all windows of an image, beat by beat, over and over
//
// row and column say where the current beat is, outside of the image where it is padded; columns
// count beats, FOLD to a pixel. row_address is where that row starts in a ring of ROWS rows, which
// holds all rows of all images in turn, from 0 on. top is the first row of the current window; done
// says that the step is the last one of an image. SPDX-License-Identifier: Apache-2.0

`default_nettype none

module window_cursor #(
    parameter integer FOLD         = 2,  // beats of a pixel
    parameter integer HEIGHT       = 8,  // of the image
    parameter integer WIDTH        = 8,  // of the image
    parameter integer KERNEL       = 3,  // taps of the window, in each direction
    parameter integer STRIDE       = 1,  // from one window to the next
    parameter integer PADDING      = 1,  // zeros at each edge of the image
    parameter integer DILATION     = 1,  // from one tap to the next
    parameter integer DEPTHWISE    = 0,  // 1: channels outside of the taps
    parameter integer ROWS         = 4,  // of the ring
    parameter integer ROW_BITS     = 6,  // width of a row
    parameter integer COLUMN_BITS  = 8,  // width of a column
    parameter integer ADDRESS_BITS = 6   // width of an address in the ring
) (
    input  wire                       clk,
    input  wire                       rst,
    input  wire                       step,
    output wire signed [ROW_BITS-1:0] top,
    output wire signed [ROW_BITS-1:0] row,
    output wire [COLUMN_BITS-1:0]     column,
    output wire [ADDRESS_BITS-1:0]    row_address,
    output wire                       done
);

    localparam integer ROW_BEATS  = WIDTH * FOLD;
    localparam integer RING       = ROWS * ROW_BEATS;
    localparam integer SPAN       = (KERNEL - 1) * DILATION; // from the first tap to the last
    localparam integer DOWN       = (HEIGHT + 2*PADDING - SPAN - 1) / STRIDE * STRIDE;
    localparam integer ACROSS     = (WIDTH + 2*PADDING - SPAN - 1) / STRIDE * STRIDE;

    // Where windows and taps begin and end, and how far it is from one to the next.
    localparam integer FIRST_TOP  = -PADDING;
    localparam integer LAST_TOP   = DOWN - PADDING;
    localparam integer FIRST_LEFT = -PADDING * FOLD;
    localparam integer LAST_LEFT  = (ACROSS - PADDING) * FOLD;
    localparam integer NEXT_LEFT  = STRIDE * FOLD;
    localparam integer LAST_X     = SPAN * FOLD;
    localparam integer NEXT_X     = DILATION * FOLD;
    localparam integer LAST_BEAT  = FOLD - 1;

    // The same in the ring, where only remainders count.
    localparam integer FIRST_ADDRESS = (ROWS - PADDING % ROWS) % ROWS * ROW_BEATS;
    localparam integer NEXT_TAP      = DILATION % ROWS * ROW_BEATS;
    localparam integer NEXT_WINDOW   = STRIDE % ROWS * ROW_BEATS;
    localparam integer NEXT_IMAGE    = ((HEIGHT - DOWN) % ROWS + ROWS) % ROWS * ROW_BEATS;

    reg [ROW_BITS-1:0]     top_q;  // of the window
    reg [COLUMN_BITS-1:0]  left_q;
    reg [ROW_BITS-1:0]     y_q;    // of the tap, from the window's corner
    reg [COLUMN_BITS-1:0]  x_q;
    reg [COLUMN_BITS-1:0]  beat_q; // of the pixel
    reg [ADDRESS_BITS-1:0] top_address_q;
    reg [ADDRESS_BITS-1:0] row_address_q;

    wire last_top  = top_q == LAST_TOP[ROW_BITS-1:0];
    wire last_left = left_q == LAST_LEFT[COLUMN_BITS-1:0];
    wire last_y    = y_q == SPAN[ROW_BITS-1:0];
    wire last_x    = x_q == LAST_X[COLUMN_BITS-1:0];
    wire last_beat = beat_q == LAST_BEAT[COLUMN_BITS-1:0];

    // What is at its end takes the next one a step further.
    wire move_beat = (DEPTHWISE == 1) ? step & last_x & last_y : step;
    wire move_x    = (DEPTHWISE == 1) ? step : step & last_beat;
    wire move_y    = move_x & last_x;
    wire move_left = step & last_beat & last_x & last_y;
    wire move_top  = move_left & last_left;

    wire [ADDRESS_BITS-1:0] next_top_address =
        around(top_address_q, last_top ? NEXT_IMAGE[ADDRESS_BITS-1:0]
                                       : NEXT_WINDOW[ADDRESS_BITS-1:0]);

    always @(posedge clk)
        if (rst) begin
            top_q         <= FIRST_TOP[ROW_BITS-1:0];
            left_q        <= FIRST_LEFT[COLUMN_BITS-1:0];
            y_q           <= {ROW_BITS{1'b0}};
            x_q           <= {COLUMN_BITS{1'b0}};
            beat_q        <= {COLUMN_BITS{1'b0}};
            top_address_q <= FIRST_ADDRESS[ADDRESS_BITS-1:0];
            row_address_q <= FIRST_ADDRESS[ADDRESS_BITS-1:0];
        end else begin
            if (move_beat)
                beat_q <= last_beat ? {COLUMN_BITS{1'b0}} : beat_q + 1'b1;
            if (move_x)
                x_q <= last_x ? {COLUMN_BITS{1'b0}} : x_q + NEXT_X[COLUMN_BITS-1:0];
            if (move_y) begin
                y_q           <= last_y ? {ROW_BITS{1'b0}} : y_q + DILATION[ROW_BITS-1:0];
                row_address_q <= last_y ? top_address_q
                                        : around(row_address_q, NEXT_TAP[ADDRESS_BITS-1:0]);
            end
            if (move_left)
                left_q <= last_left ? FIRST_LEFT[COLUMN_BITS-1:0]
                                    : left_q + NEXT_LEFT[COLUMN_BITS-1:0];
            if (move_top) begin
                top_q         <= last_top ? FIRST_TOP[ROW_BITS-1:0]
                                          : top_q + STRIDE[ROW_BITS-1:0];
                top_address_q <= next_top_address;
                row_address_q <= next_top_address;
            end
        end

    // A step in the ring.
    function [ADDRESS_BITS-1:0] around;
        input [ADDRESS_BITS-1:0] address;
        input [ADDRESS_BITS-1:0] ahead;
        reg   [ADDRESS_BITS:0]   sum;
        begin
            sum = {1'b0, address} + {1'b0, ahead};
            if (sum >= RING[ADDRESS_BITS:0])
                sum = sum - RING[ADDRESS_BITS:0];
            around = sum[ADDRESS_BITS-1:0]; // less than RING now
        end
    endfunction

    assign top         = top_q;
    assign row         = top_q + y_q;
    assign column      = left_q + x_q + beat_q;
    assign row_address = row_address_q;
    assign done        = move_top & last_top;

endmodule

`default_nettype wire
