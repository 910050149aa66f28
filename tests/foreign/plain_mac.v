// plain_mac.v -- a foreign multiply-accumulate unit: it wraps, and tells of every sum that did.
// SPDX-License-Identifier: Apache-2.0

module plain_mac #(
    parameter WB = 8,
    parameter XB = 8,
    parameter SIGNED = 0,
    parameter AB = 16
) (
    input  wire          CLK,
    input  wire          RST,
    input  wire [XB-1:0] IN_DATA,
    input  wire          IN_LAST,
    input  wire          IN_VALID,
    output wire          IN_READY,
    input  wire [WB-1:0] W_DATA,
    input  wire          W_VALID,
    output wire          W_READY,
    output reg  [AB-1:0] OUT_DATA,
    output reg           OUT_OVERFLOW,
    output reg           OUT_VALID,
    input  wire          OUT_READY
);
    localparam WIDE = WB + XB > AB ? WB + XB + 2 : AB + 2;

    wire beat = IN_VALID & W_VALID & ~OUT_VALID;
    assign IN_READY = W_VALID & ~OUT_VALID;
    assign W_READY = IN_VALID & ~OUT_VALID;

    reg first, spilled;
    wire signed [WIDE-1:0] product =
        $signed(W_DATA) * $signed({SIGNED ? IN_DATA[XB-1] : 1'b0, IN_DATA});
    wire signed [AB-1:0] term = product[AB-1:0];
    wire signed [AB-1:0] start = first ? {AB{1'b0}} : OUT_DATA;
    wire signed [WIDE-1:0] sum = start + term;
    wire spills = product != term | sum != $signed(sum[AB-1:0]) | (spilled & ~first);

    always @(posedge CLK) begin
        if (beat) begin
            OUT_DATA <= sum[AB-1:0];
            spilled <= spills;
            OUT_OVERFLOW <= spills;
            first <= IN_LAST;
            OUT_VALID <= IN_LAST;
        end
        if (OUT_VALID & OUT_READY) OUT_VALID <= 1'b0;
        if (RST) begin
            first <= 1'b1;
            OUT_VALID <= 1'b0;
        end
    end
endmodule
