// pe_rules.v -- what a pe makes of what its dot says, beat by beat, whatever that is
//
// The first beat of a dot product starts from 0, each other one from the sum of the beat before.
// The flag of a result is set if a beat of this very dot product overflowed. Ghosts of both; and
// the registers of the pe, which an induction stands on.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module pe_rules #(
    parameter integer ACC_BITS = 16, // width of the accumulator, signed (P)
    parameter integer OBSERVE  = 1   // 1: watch for overflow
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                started,      // there was a reset
    input  wire                beat,         // that the pe should have been given
    input  wire                last,
    input  wire [ACC_BITS-1:0] addend,       // of the dot
    input  wire [ACC_BITS-1:0] sum,
    input  wire                dot_overflow,
    input  wire [ACC_BITS-1:0] acc,          // of the pe
    input  wire                overflow,
    input  wire                pe_first,     // its registers
    input  wire [ACC_BITS-1:0] pe_acc,
    input  wire                pe_overflow,
    output reg                 first_q,      // the next beat starts a dot product
    output reg                 spilled_q,    // a beat of this dot product overflowed
    output wire                flag          // what overflow must be
);

    reg [ACC_BITS-1:0] sum_q; // of the last beat

    assign flag = OBSERVE == 1 && (dot_overflow || spilled_q);

    always @(posedge clk) begin
        if (rst || (beat && last)) begin
            first_q   <= 1'b1;
            spilled_q <= 1'b0;
        end else if (beat) begin
            first_q <= 1'b0;
            if (dot_overflow)
                spilled_q <= 1'b1;
        end
        if (beat)
            sum_q <= sum;
    end

    always @* if (started) begin
        if (!rst) begin
            assert (addend == (first_q ? {ACC_BITS{1'b0}} : sum_q));
            assert (acc == sum);
            assert (overflow == flag);
        end
        // what the induction stands on
        assert (pe_first == first_q);
        if (first_q)
            assert (!spilled_q);
        else begin
            assert (pe_acc == sum_q);
            assert (OBSERVE == 0 || pe_overflow == spilled_q);
        end
    end

endmodule

`default_nettype wire
