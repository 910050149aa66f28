// stage_promise.v -- what a threshold_stage promises: it knows what came, and asks the middle
//
// An advance takes fold, acc and found in; behind it they are there until the next one, found with
// one bit more: whether the row's threshold in the middle of those that are left is <= acc, as it
// was at the advance. Of a threshold that was never written, or of a row that is none: anything.
// Before the first reset a unit may write anywhere, as long as nothing is known.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module stage_promise #(
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
    input  wire [FOLD_BITS-1:0]   next_fold,
    input  wire [ACC_BITS-1:0]    next_acc,
    input  wire [OUTPUT_BITS-1:0] next_found,
    output wire                   premise, // what is written has a row and a position
    output wire                   holds
);

    localparam integer STEPS     = (1 << OUTPUT_BITS) - 1;
    localparam integer WORD_BITS = ACC_BITS + 1;
    localparam integer HALF      = 1 << (OUTPUT_BITS - 1 - STAGE);

    // All thresholds, row by row.
    reg [FOLDS*STEPS-1:0]           known_q; // it was written
    reg [FOLDS*STEPS*WORD_BITS-1:0] words_q;

    wire        place   = write_fold < FOLDS && write_position != 0;
    wire        row     = fold < FOLDS;
    wire [31:0] written = write_fold*STEPS + write_position - 1;
    wire [31:0] middle  = fold*STEPS + ((found & ~(2*HALF - 1)) | HALF) - 1;

    // What was taken in.
    reg                        begun_q; // there was an advance
    reg                        sure_q;  // its threshold is known
    reg signed [WORD_BITS-1:0] middle_q;
    reg        [FOLD_BITS-1:0] fold_q;
    reg signed [ACC_BITS-1:0]  acc_q;
    reg [OUTPUT_BITS-1:0]      found_q;

    initial begin
        known_q = {FOLDS*STEPS{1'b0}};
        begun_q = 1'b0;
    end

    always @(posedge clk) begin
        if (write && place) begin
            known_q[written]                        <= 1'b1;
            words_q[written*WORD_BITS +: WORD_BITS] <= write_threshold;
        end
        if (advance) begin
            begun_q  <= 1'b1;
            sure_q   <= row && known_q[row ? middle : 0];
            middle_q <= words_q[(row ? middle : 0)*WORD_BITS +: WORD_BITS];
            fold_q   <= fold;
            acc_q    <= acc;
            found_q  <= found;
        end
    end

    wire [OUTPUT_BITS-1:0] due =
        (middle_q <= acc_q) ? found_q | HALF[OUTPUT_BITS-1:0] : found_q;

    assign premise = !write || place || known_q == 0;
    assign holds   = !begun_q
        || (next_fold == fold_q && next_acc == acc_q && (!sure_q || next_found == due));

endmodule

`default_nettype wire
