// threshold_stage.v -- one stage of a binary search for how many thresholds of a row are <= acc
//
// found has STAGE bits of the count, from the most significant one; next_found one more, and all
// of next_* belong to one advance before. A threshold's position is its number in the row, from 1;
// the stage keeps those whose position has its lowest 1 at bit OUTPUT_BITS-1-STAGE. The memory is
// read with the clock, so that it may be a block RAM. SPDX-License-Identifier: Apache-2.0

`default_nettype none

module threshold_stage #(
    parameter integer STAGE       = 0,  // bits of the count that are found before
    parameter integer FOLDS       = 2,  // rows (of one processing element)
    parameter integer FOLD_BITS   = 1,  // width of a row's number
    parameter integer ACC_BITS    = 16, // width of an accumulator, signed (P)
    parameter integer OUTPUT_BITS = 2   // width of a count (B)
) (
    input  wire                   clk,
    input  wire                   write,
    input  wire [FOLD_BITS-1:0]   write_fold,
    input  wire [OUTPUT_BITS-1:0] write_position,
    input  wire [ACC_BITS:0]      write_threshold,
    input  wire                   advance,
    input  wire [FOLD_BITS-1:0]   fold,
    input  wire [ACC_BITS-1:0]    acc,
    input  wire [OUTPUT_BITS-1:0] found,
    output wire [FOLD_BITS-1:0]   next_fold,
    output wire [ACC_BITS-1:0]    next_acc,
    output wire [OUTPUT_BITS-1:0] next_found
);

    localparam integer OPEN         = OUTPUT_BITS - STAGE; // bits of the count still to be found
    localparam integer ADDRESS_BITS = (FOLDS > 1 || STAGE == 0) ? FOLD_BITS + STAGE : STAGE;
    localparam integer HALF         = 1 << (OPEN - 1);

    // The row, and what is found of the count: of the thresholds that are left, the middle one.
    wire [ADDRESS_BITS-1:0] write_address;
    wire [ADDRESS_BITS-1:0] read_address;

    generate
        if (STAGE == 0) begin : g_first
            assign write_address = write_fold;
            assign read_address  = fold;
        end else if (FOLDS == 1) begin : g_one_row
            wire unused_write_fold = &write_fold;

            assign write_address = write_position[OUTPUT_BITS-1:OPEN];
            assign read_address  = found[OUTPUT_BITS-1:OPEN];
        end else begin : g_rows
            assign write_address = {write_fold, write_position[OUTPUT_BITS-1:OPEN]};
            assign read_address  = {fold, found[OUTPUT_BITS-1:OPEN]};
        end
    endgenerate

    reg [ACC_BITS:0] memory [0:(FOLDS<<STAGE)-1];
    reg [ACC_BITS:0] threshold_q;

    always @(posedge clk) begin
        if (write && write_position[OPEN-1:0] == HALF[OPEN-1:0])
            memory[write_address] <= write_threshold;
        if (advance)
            threshold_q <= memory[read_address];
    end

    reg [FOLD_BITS-1:0]   fold_q;
    reg [ACC_BITS-1:0]    acc_q;
    reg [OUTPUT_BITS-1:0] found_q;

    always @(posedge clk)
        if (advance) begin
            fold_q  <= fold;
            acc_q   <= acc;
            found_q <= found;
        end

    wire signed [ACC_BITS:0] threshold = threshold_q;
    wire signed [ACC_BITS:0] acc_ext   = {acc_q[ACC_BITS-1], acc_q};

    assign next_fold  = fold_q;
    assign next_acc   = acc_q;
    assign next_found = (threshold <= acc_ext) ? found_q | HALF[OUTPUT_BITS-1:0] : found_q;

endmodule

`default_nettype wire
