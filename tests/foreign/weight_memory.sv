// weight_memory.sv -- a foreign matrix-vector unit that is no pipeline: it reads a vector, then
// computes a tile every other cycle with weights that were written before. In a tile the row counts
// fastest, and the last weight is in the least significant bits. Streams are packed arrays.
// SPDX-License-Identifier: Apache-2.0

module weight_memory #(
    parameter int K = 8, R = 4, PE = 2, SIMD = 4, WB = 4, XB = 4, AB = 12,
    parameter bit SX = 0
) (
    input  logic clk, en, rst_n,
    input  logic [$clog2(K/SIMD * (R/PE) + 1)-1:0] wr_addr,
    input  logic [0:SIMD-1][0:PE-1][WB-1:0] wr_data,
    input  logic wr_en_n,
    input  logic [SIMD-1:0][XB-1:0] in_tdata,
    input  logic in_tvalid, in_tlast,
    output logic in_tready,
    output logic [PE-1:0][AB-1:0] out_tdata,
    output logic out_tvalid, out_tlast,
    input  logic out_tready
);
    localparam int SF = K/SIMD, NF = R/PE;
    typedef enum logic [1:0] {READ, FETCH, ADD, SEND} state_e;

    state_e state;
    logic [0:SIMD-1][0:PE-1][WB-1:0] memory[SF*NF], tile;
    logic [SIMD-1:0][XB-1:0] vector[SF], x;
    int sf, nf;

    assign in_tready = state == READ;
    assign out_tvalid = state == SEND;
    assign out_tlast = nf == NF - 1;

    always_ff @(posedge clk)
        if (!wr_en_n) memory[wr_addr] <= wr_data;

    for (genvar pe = 0; pe < PE; pe++) begin : g_row
        logic signed [AB-1:0] sum;
        always_comb begin
            sum = sf == 0 ? '0 : out_tdata[pe];
            for (int s = 0; s < SIMD; s++)
                sum += AB'($signed(tile[s][pe]) * $signed({SX & x[s][XB-1], x[s]}));
        end
        always_ff @(posedge clk) if (en && state == ADD) out_tdata[pe] <= sum;
    end

    always_ff @(posedge clk)
        if (!rst_n) begin
            state <= READ;
            {sf, nf} <= '0;
        end else if (en)
            unique case (state)
                READ: if (in_tvalid) begin
                    vector[sf] <= in_tdata;
                    sf <= in_tlast ? 0 : sf + 1;
                    if (in_tlast) state <= FETCH;
                end
                FETCH: begin
                    tile <= memory[nf*SF + sf];
                    x <= vector[sf];
                    state <= ADD;
                end
                ADD: begin
                    sf <= sf == SF - 1 ? 0 : sf + 1;
                    state <= sf == SF - 1 ? SEND : FETCH;
                end
                SEND: if (out_tready) begin
                    nf <= out_tlast ? 0 : nf + 1;
                    state <= out_tlast ? READ : FETCH;
                end
            endcase
endmodule
