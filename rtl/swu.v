// swu.v -- sliding window: an image comes pixel by pixel, the window of each output position leaves
//
// A pixel is CHANNELS/SIMD beats, row by row; windows leave row by row too, each in the order
// (ky, kx, channel beat), or (channel beat, ky, kx) if DEPTHWISE; lanes outside of the image are
// zero; m_axis_tlast ends an image. One beat a cycle once what it shows has come; the window's rows
// are kept and STRIDE more, for which an image without padding may wait. No combinational path
// from m_axis_tready to s_axis_tready. SPDX-License-Identifier: Apache-2.0

`default_nettype none

module swu #(
    parameter integer INPUT_BITS = 4, // width of an input
    parameter integer CHANNELS   = 4, // of a pixel
    parameter integer SIMD       = 2, // channels at once
    parameter integer HEIGHT     = 8, // of the image
    parameter integer WIDTH      = 8, // of the image
    parameter integer KERNEL     = 3, // taps of the window, in each direction
    parameter integer STRIDE     = 1, // from one window to the next
    parameter integer PADDING    = 1, // zeros at each edge of the image
    parameter integer DILATION   = 1, // from one tap to the next
    parameter integer DEPTHWISE  = 0  // 1: channels outside of the taps
) (
    input  wire                       clk,
    input  wire                       rst,
    input  wire [SIMD*INPUT_BITS-1:0] s_axis_tdata,
    input  wire                       s_axis_tvalid,
    output wire                       s_axis_tready,
    output wire [SIMD*INPUT_BITS-1:0] m_axis_tdata,
    output wire                       m_axis_tlast,
    output wire                       m_axis_tvalid,
    input  wire                       m_axis_tready
);

    localparam integer SPAN   = (KERNEL - 1) * DILATION; // from the first tap to the last
    localparam integer WINDOW = SPAN + 1;

    localparam [0:0] INPUT_BITS_MUST_BE_POSITIVE    = {(INPUT_BITS >= 1){1'b1}};
    localparam [0:0] CHANNELS_MUST_BE_POSITIVE      = {(CHANNELS >= 1){1'b1}};
    localparam [0:0] SIMD_MUST_BE_POSITIVE          = {(SIMD >= 1){1'b1}};
    localparam [0:0] SIMD_MUST_DIVIDE_CHANNELS      = {((CHANNELS/SIMD)*SIMD == CHANNELS){1'b1}};
    localparam [0:0] HEIGHT_MUST_BE_POSITIVE        = {(HEIGHT >= 1){1'b1}};
    localparam [0:0] WIDTH_MUST_BE_POSITIVE         = {(WIDTH >= 1){1'b1}};
    localparam [0:0] KERNEL_MUST_BE_POSITIVE        = {(KERNEL >= 1){1'b1}};
    localparam [0:0] STRIDE_MUST_BE_POSITIVE        = {(STRIDE >= 1){1'b1}};
    localparam [0:0] DILATION_MUST_BE_POSITIVE      = {(DILATION >= 1){1'b1}};
    localparam [0:0] PADDING_MUST_NOT_BE_NEGATIVE   = {(PADDING >= 0){1'b1}};
    localparam [0:0] EACH_WINDOW_MUST_MEET_THE_IMAGE = {(PADDING < WINDOW){1'b1}};
    localparam [0:0] WINDOW_MUST_FIT_THE_HEIGHT     = {(WINDOW <= HEIGHT + 2*PADDING){1'b1}};
    localparam [0:0] WINDOW_MUST_FIT_THE_WIDTH      = {(WINDOW <= WIDTH + 2*PADDING){1'b1}};
    localparam [0:0] DEPTHWISE_MUST_BE_0_OR_1       = {(DEPTHWISE == 0 || DEPTHWISE == 1){1'b1}};
    wire unused_static_asserts =
        INPUT_BITS_MUST_BE_POSITIVE & CHANNELS_MUST_BE_POSITIVE & SIMD_MUST_BE_POSITIVE
        & SIMD_MUST_DIVIDE_CHANNELS & HEIGHT_MUST_BE_POSITIVE & WIDTH_MUST_BE_POSITIVE
        & KERNEL_MUST_BE_POSITIVE & STRIDE_MUST_BE_POSITIVE & DILATION_MUST_BE_POSITIVE
        & PADDING_MUST_NOT_BE_NEGATIVE & EACH_WINDOW_MUST_MEET_THE_IMAGE
        & WINDOW_MUST_FIT_THE_HEIGHT & WINDOW_MUST_FIT_THE_WIDTH & DEPTHWISE_MUST_BE_0_OR_1;

    localparam integer FOLD      = CHANNELS / SIMD; // beats of a pixel
    localparam integer ROW_BEATS = WIDTH * FOLD;
    localparam integer ROWS      = ((WINDOW < HEIGHT) ? WINDOW : HEIGHT) + STRIDE;
    localparam integer RING      = ROWS * ROW_BEATS; // rows of all images, one after the other

    localparam integer ADDRESS_BITS = $clog2(RING);
    localparam integer COLUMN_BITS  = 1 + $clog2(RING + 2*PADDING*FOLD);
    localparam integer ROW_BITS     = 1 + $clog2(HEIGHT + 2*PADDING + ROWS + 1);
    localparam integer LAST_ADDRESS = RING - 1;
    localparam integer LAST_COLUMN  = ROW_BEATS - 1;

    // The beat that is read next.
    wire signed [ROW_BITS-1:0] top;
    wire signed [ROW_BITS-1:0] row;
    wire [COLUMN_BITS-1:0]     column;
    wire [ADDRESS_BITS-1:0]    row_address;
    wire                       image_read;
    wire                       read;

    window_cursor #(
        .FOLD(FOLD),
        .HEIGHT(HEIGHT),
        .WIDTH(WIDTH),
        .KERNEL(KERNEL),
        .STRIDE(STRIDE),
        .PADDING(PADDING),
        .DILATION(DILATION),
        .DEPTHWISE(DEPTHWISE),
        .ROWS(ROWS),
        .ROW_BITS(ROW_BITS),
        .COLUMN_BITS(COLUMN_BITS),
        .ADDRESS_BITS(ADDRESS_BITS)
    ) u_cursor (
        .clk(clk),
        .rst(rst),
        .step(read),
        .top(top),
        .row(row),
        .column(column),
        .row_address(row_address),
        .done(image_read)
    );

    // The beat that is written next. Its row is told as the reader counts, from row 0 of the image
    // that is read: below 0 if that is still to come, HEIGHT or more in images after it.
    reg signed [ROW_BITS-1:0] write_row_q;
    reg [COLUMN_BITS-1:0]     write_column_q;
    reg [ADDRESS_BITS-1:0]    write_address_q;

    // A row may be written where the window, less its padding, has left one free.
    wire signed [ROW_BITS-1:0] rows = ROWS[ROW_BITS-1:0];
    assign s_axis_tready = write_row_q < rows || write_row_q < top + rows;

    wire write       = s_axis_tvalid & s_axis_tready;
    wire row_written = write && write_column_q == LAST_COLUMN[COLUMN_BITS-1:0];

    always @(posedge clk)
        if (rst) begin
            write_row_q     <= {ROW_BITS{1'b0}};
            write_column_q  <= {COLUMN_BITS{1'b0}};
            write_address_q <= {ADDRESS_BITS{1'b0}};
        end else begin
            write_row_q <= write_row_q + {{(ROW_BITS-1){1'b0}}, row_written}
                         - (image_read ? HEIGHT[ROW_BITS-1:0] : {ROW_BITS{1'b0}});
            if (write) begin
                write_column_q  <= row_written ? {COLUMN_BITS{1'b0}} : write_column_q + 1'b1;
                write_address_q <= (write_address_q == LAST_ADDRESS[ADDRESS_BITS-1:0])
                                 ? {ADDRESS_BITS{1'b0}} : write_address_q + 1'b1;
            end
        end

    // Padding waits for the image too, so that nothing is sent of an image that never comes. What
    // is negative is too large as an unsigned number.
    wire begun   = write_row_q > 0 || (write_row_q == 0 && write_column_q > 0);
    wire written = row < write_row_q || (row == write_row_q && column < write_column_q);
    wire outside = $unsigned(row) >= HEIGHT[ROW_BITS-1:0] || column >= ROW_BEATS[COLUMN_BITS-1:0];

    reg                       valid_q;
    reg                       last_q;
    reg                       outside_q;
    reg [SIMD*INPUT_BITS-1:0] word_q;
    reg [SIMD*INPUT_BITS-1:0] memory [0:RING-1];

    assign read = (outside ? begun : written) & (m_axis_tready | ~valid_q);

    always @(posedge clk)
        if (rst)
            valid_q <= 1'b0;
        else
            valid_q <= read | (valid_q & ~m_axis_tready);

    always @(posedge clk) begin
        if (write)
            memory[write_address_q] <= s_axis_tdata;
        if (read) begin
            word_q    <= memory[row_address + column[ADDRESS_BITS-1:0]];
            outside_q <= outside;
            last_q    <= image_read;
        end
    end

    assign m_axis_tdata  = outside_q ? {SIMD*INPUT_BITS{1'b0}} : word_q;
    assign m_axis_tlast  = last_q;
    assign m_axis_tvalid = valid_q;

endmodule

`default_nettype wire
