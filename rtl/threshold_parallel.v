// threshold_parallel.v -- counts how many thresholds of a row are <= acc, all compared at once
//
// One set of 2^OUTPUT_BITS - 1 thresholds for each of FOLDS rows; threshold i of a row, counted
// from 1, is written at position i. count follows fold and acc in the same cycle.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module threshold_parallel #(
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
    input  wire [FOLD_BITS-1:0]   fold,
    input  wire [ACC_BITS-1:0]    acc,
    output reg  [OUTPUT_BITS-1:0] count
);

    localparam integer STEPS = (1 << OUTPUT_BITS) - 1;

    wire signed [ACC_BITS:0] acc_ext = {acc[ACC_BITS-1], acc};
    wire [STEPS:1]           reached;

    genvar gs;
    generate
        for (gs = 1; gs <= STEPS; gs = gs + 1) begin : g_step
            reg [ACC_BITS:0] memory [0:FOLDS-1];

            wire signed [ACC_BITS:0] threshold = memory[fold];

            assign reached[gs] = threshold <= acc_ext;

            always @(posedge clk)
                if (write && write_position == gs[OUTPUT_BITS-1:0])
                    memory[write_fold] <= write_threshold;
        end
    endgenerate

    integer step;
    always @* begin
        count = {OUTPUT_BITS{1'b0}};
        for (step = 1; step <= STEPS; step = step + 1)
            count = reached[step] ? count + 1'b1 : count; // unknown, if that is
    end

endmodule

`default_nettype wire
