// held.v -- what a register of ACC_BITS makes of an exact value, which may not fit
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module held #(
    parameter integer EXACT_BITS = 17, // width of the exact value, at least ACC_BITS
    parameter integer ACC_BITS   = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW   = 0   // what does not fit: 0 wraps, 1 saturates
) (
    input  wire signed [EXACT_BITS-1:0] exact,
    output wire        [ACC_BITS-1:0]   value,
    output wire                         fits
);

    wire sign = exact[EXACT_BITS-1];

    assign fits  = exact[EXACT_BITS-1:ACC_BITS-1] == {(EXACT_BITS-ACC_BITS+1){sign}};
    assign value = (fits || OVERFLOW == 0) ? exact[ACC_BITS-1:0] : {sign, {(ACC_BITS-1){~sign}}};

endmodule

`default_nettype wire
