// free_stage.v -- stands in for threshold_stage.v: anything that keeps its promise
// SPDX-License-Identifier: Apache-2.0

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

    (* anyseq *) wire [FOLD_BITS-1:0]   any_fold;
    (* anyseq *) wire [ACC_BITS-1:0]    any_acc;
    (* anyseq *) wire [OUTPUT_BITS-1:0] any_found;

    assign next_fold  = any_fold;
    assign next_acc   = any_acc;
    assign next_found = any_found;

    wire premise;
    wire holds;

    stage_promise #(
        .STAGE(STAGE), .FOLDS(FOLDS), .FOLD_BITS(FOLD_BITS), .ACC_BITS(ACC_BITS),
        .OUTPUT_BITS(OUTPUT_BITS)
    ) u_promise (
        .clk(clk), .write(write), .write_fold(write_fold), .write_position(write_position),
        .write_threshold(write_threshold), .advance(advance), .fold(fold), .acc(acc),
        .found(found), .next_fold(next_fold), .next_acc(next_acc), .next_found(next_found),
        .premise(premise), .holds(holds)
    );

    always @* assume (holds);

endmodule

`default_nettype wire
