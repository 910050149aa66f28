// prove_stage.v -- threshold_stage.v keeps its promise, whatever is written and read, at all times
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_stage #(
    parameter integer STAGE       = 0,  // bits of the count that are found before
    parameter integer FOLDS       = 2,  // rows (of one processing element)
    parameter integer ACC_BITS    = 16, // width of an accumulator, signed (P)
    parameter integer OUTPUT_BITS = 2,  // width of a count (B)
    parameter integer FOLD_BITS   = (FOLDS > 1) ? $clog2(FOLDS) : 1
) (
    input wire                   clk,
    input wire                   write,
    input wire [FOLD_BITS-1:0]   write_fold,
    input wire [OUTPUT_BITS-1:0] write_position,
    input wire [ACC_BITS:0]      write_threshold,
    input wire                   advance,
    input wire [FOLD_BITS-1:0]   fold,
    input wire [ACC_BITS-1:0]    acc,
    input wire [OUTPUT_BITS-1:0] found
);

    localparam integer STEPS     = (1 << OUTPUT_BITS) - 1;
    localparam integer WORD_BITS = ACC_BITS + 1;
    localparam integer HALF      = 1 << (OUTPUT_BITS - 1 - STAGE);

    wire [FOLD_BITS-1:0]   next_fold;
    wire [ACC_BITS-1:0]    next_acc;
    wire [OUTPUT_BITS-1:0] next_found;

    threshold_stage #(
        .STAGE(STAGE), .FOLDS(FOLDS), .FOLD_BITS(FOLD_BITS), .ACC_BITS(ACC_BITS),
        .OUTPUT_BITS(OUTPUT_BITS)
    ) u_stage (
        .clk(clk), .write(write), .write_fold(write_fold), .write_position(write_position),
        .write_threshold(write_threshold), .advance(advance), .fold(fold), .acc(acc),
        .found(found), .next_fold(next_fold), .next_acc(next_acc), .next_found(next_found)
    );

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

    (* probe = "u_promise.known_q" *)     wire [FOLDS*STEPS-1:0]           known;
    (* probe = "u_promise.words_q" *)     wire [FOLDS*STEPS*WORD_BITS-1:0] words;
    (* probe = "u_promise.begun_q" *)     wire                             begun;
    (* probe = "u_promise.sure_q" *)      wire                             sure;
    (* probe = "u_promise.middle_q" *)    wire [WORD_BITS-1:0]             threshold;
    (* probe = "u_promise.found_q" *)     wire [OUTPUT_BITS-1:0]           old_found;
    (* probe = "u_stage.threshold_q" *)   wire [WORD_BITS-1:0]             stage_threshold;
    (* probe = "u_stage.found_q" *)       wire [OUTPUT_BITS-1:0]           stage_found;

    always @* assume (premise);

    // what the induction stands on
    genvar gw;
    generate
        for (gw = 0; gw < (FOLDS << STAGE); gw = gw + 1) begin : g_word
            localparam integer POSITION = (2*(gw % (1 << STAGE)) + 1) * HALF;
            localparam integer PLACE    = (gw >> STAGE)*STEPS + POSITION - 1;

            (* probe = "u_stage.memory[]" *) wire [WORD_BITS-1:0] word;

            always @* if (known[PLACE])
                assert (word == words[PLACE*WORD_BITS +: WORD_BITS]);
        end
    endgenerate

    always @* begin
        assert (holds);
        // what the induction stands on
        if (begun)
            assert (stage_found == old_found);
        if (begun && sure)
            assert (stage_threshold == threshold);
        cover (begun && sure && &known && next_found == old_found);
        cover (begun && sure && &known && next_found != old_found && next_acc[ACC_BITS-1]);
    end

endmodule

`default_nettype wire
