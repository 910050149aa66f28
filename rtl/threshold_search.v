// threshold_search.v -- finds how many thresholds of a row are <= acc, by binary search
//
// One set of 2^OUTPUT_BITS - 1 ascending thresholds for each of FOLDS rows; threshold i of a row,
// counted from 1, is written at position i. count belongs to the fold and acc of OUTPUT_BITS
// advances before. SPDX-License-Identifier: Apache-2.0

`default_nettype none

module threshold_search #(
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
    output wire [OUTPUT_BITS-1:0] count
);

    // What goes into each stage, and at the end what comes out of the last one.
    wire [(OUTPUT_BITS+1)*FOLD_BITS-1:0]   folds;
    wire [(OUTPUT_BITS+1)*ACC_BITS-1:0]    accs;
    wire [(OUTPUT_BITS+1)*OUTPUT_BITS-1:0] founds;

    assign folds[0 +: FOLD_BITS]    = fold;
    assign accs[0 +: ACC_BITS]      = acc;
    assign founds[0 +: OUTPUT_BITS] = {OUTPUT_BITS{1'b0}};
    assign count                    = founds[OUTPUT_BITS*OUTPUT_BITS +: OUTPUT_BITS];

    wire unused_after_last_stage =
        &{folds[OUTPUT_BITS*FOLD_BITS +: FOLD_BITS], accs[OUTPUT_BITS*ACC_BITS +: ACC_BITS]};

    genvar gs;
    generate
        for (gs = 0; gs < OUTPUT_BITS; gs = gs + 1) begin : g_stage
            threshold_stage #(
                .STAGE(gs),
                .FOLDS(FOLDS),
                .FOLD_BITS(FOLD_BITS),
                .ACC_BITS(ACC_BITS),
                .OUTPUT_BITS(OUTPUT_BITS)
            ) u_stage (
                .clk(clk),
                .write(write),
                .write_fold(write_fold),
                .write_position(write_position),
                .write_threshold(write_threshold),
                .advance(advance),
                .fold(folds[gs*FOLD_BITS +: FOLD_BITS]),
                .acc(accs[gs*ACC_BITS +: ACC_BITS]),
                .found(founds[gs*OUTPUT_BITS +: OUTPUT_BITS]),
                .next_fold(folds[(gs+1)*FOLD_BITS +: FOLD_BITS]),
                .next_acc(accs[(gs+1)*ACC_BITS +: ACC_BITS]),
                .next_found(founds[(gs+1)*OUTPUT_BITS +: OUTPUT_BITS])
            );
        end
    endgenerate

endmodule

`default_nettype wire
