// finn_mvu.sv -- a matrix-vector unit as another project would write it: SystemVerilog, byte-aligned
// streams, three pipeline stages, pairs of rows that share one packed adder. Its results come
// late, and its readys follow that of the output. BUG plants a fault.
// SPDX-License-Identifier: Apache-2.0

module finn_mvu #(
    int unsigned MW,
    int unsigned MH,
    int unsigned PE,
    int unsigned SIMD,
    int unsigned ACTIVATION_WIDTH,
    int unsigned WEIGHT_WIDTH,
    int unsigned ACCU_WIDTH,
    bit SIGNED_ACTIVATIONS = 0,
    int unsigned BUG = 0,

    localparam int unsigned WEIGHT_STREAM_WIDTH_BA = (PE*SIMD*WEIGHT_WIDTH + 7)/8 * 8,
    localparam int unsigned INPUT_STREAM_WIDTH_BA = (SIMD*ACTIVATION_WIDTH + 7)/8 * 8,
    localparam int unsigned OUTPUT_STREAM_WIDTH_BA = (PE*ACCU_WIDTH + 7)/8 * 8
) (
    input  logic ap_clk,
    input  logic ap_clk2x,
    input  logic ap_rst_n,

    input  logic [WEIGHT_STREAM_WIDTH_BA-1:0] s_axis_weights_tdata,
    input  logic                              s_axis_weights_tvalid,
    output logic                              s_axis_weights_tready,

    input  logic [INPUT_STREAM_WIDTH_BA-1:0] s_axis_input_tdata,
    input  logic                             s_axis_input_tvalid,
    output logic                             s_axis_input_tready,

    output logic [OUTPUT_STREAM_WIDTH_BA-1:0] m_axis_output_tdata,
    output logic                              m_axis_output_tvalid,
    input  logic                              m_axis_output_tready
);

    typedef enum int unsigned {NONE, NARROW_CARRY, NO_SIGN, DIRTY_START, STALL} bug_e;

    localparam int unsigned SF = MW/SIMD;
    localparam int unsigned NF = MH/PE;
    localparam int unsigned PRODUCT = ACTIVATION_WIDTH + WEIGHT_WIDTH + 1;
    localparam int unsigned SUM = PRODUCT + $clog2(SIMD);
    // The sums that are really reached need one bit less, for inputs without a sign.
    localparam int unsigned LANE = SUM - (BUG == NARROW_CARRY ? 2 : 0);
    localparam int unsigned PAIRS = (PE + 1)/2;

    wire en = !m_axis_output_tvalid || m_axis_output_tready;

    // The vector is kept, and played again for every fold of rows but the first.
    logic [INPUT_STREAM_WIDTH_BA-1:0] kept[SF];
    logic [31:0] sf, nf;
    wire first_pass = nf == 0;
    wire beat = en && s_axis_weights_tvalid && (s_axis_input_tvalid || !first_pass);
    assign s_axis_weights_tready = en && (s_axis_input_tvalid || !first_pass);
    assign s_axis_input_tready = en && s_axis_weights_tvalid && first_pass;
    wire [INPUT_STREAM_WIDTH_BA-1:0] activations = first_pass ? s_axis_input_tdata : kept[sf];

    always_ff @(posedge ap_clk) begin
        if (beat && first_pass) kept[sf] <= s_axis_input_tdata;
        if (!ap_rst_n) begin
            sf <= 0;
            nf <= 0;
        end else if (beat) begin
            sf <= sf == SF - 1 ? 0 : sf + 1;
            if (sf == SF - 1) nf <= nf == NF - 1 ? 0 : nf + 1;
        end
    end

    logic [WEIGHT_STREAM_WIDTH_BA-1:0] weights_q;
    logic starved_q;
    always_ff @(posedge ap_clk) begin
        starved_q <= !s_axis_weights_tvalid;
        if (beat) weights_q <= s_axis_weights_tdata;
    end
    wire [WEIGHT_STREAM_WIDTH_BA-1:0] weights =
        BUG == STALL && starved_q ? weights_q : s_axis_weights_tdata;

    // Stage 1: products. Stage 2: sums over SIMD, two rows in one word. Stage 3: accumulators.
    logic signed [PRODUCT-1:0] products[PE][SIMD];
    logic signed [2*SUM-1:0] packed_sums[PAIRS];
    logic valid_1, valid_2, last_1, last_2, clear;

    for (genvar pe = 0; pe < PE; pe++) begin : g_row
        for (genvar simd = 0; simd < SIMD; simd++) begin : g_lane
            wire [WEIGHT_WIDTH-1:0] w = weights[(pe*SIMD + simd)*WEIGHT_WIDTH +: WEIGHT_WIDTH];
            wire [ACTIVATION_WIDTH-1:0] a = activations[simd*ACTIVATION_WIDTH +: ACTIVATION_WIDTH];
            wire w_sign = w[WEIGHT_WIDTH-1] && !(BUG == NO_SIGN && WEIGHT_WIDTH < 4);
            wire a_sign = a[ACTIVATION_WIDTH-1] && SIGNED_ACTIVATIONS;
            always_ff @(posedge ap_clk)
                if (en) products[pe][simd] <= $signed({w_sign, w}) * $signed({a_sign, a});
        end
    end

    for (genvar pair = 0; pair < PAIRS; pair++) begin : g_pair
        always_ff @(posedge ap_clk)
            if (en) begin
                automatic logic signed [2*SUM-1:0] sum = 0;
                for (int simd = 0; simd < SIMD; simd++) begin
                    sum += (2*SUM)'(products[2*pair][simd]);
                    if (2*pair + 1 < PE) sum += (2*SUM)'(products[2*pair + 1][simd]) <<< LANE;
                end
                packed_sums[pair] <= sum;
            end
    end

    for (genvar pe = 0; pe < PE; pe++) begin : g_acc
        wire signed [2*SUM-1:0] both = packed_sums[pe/2];
        wire signed [LANE-1:0] low = both[LANE-1:0];
        wire signed [2*SUM-1:0] high = (both - (2*SUM)'(low)) >>> LANE;
        wire signed [ACCU_WIDTH-1:0] partial = pe % 2 ? ACCU_WIDTH'(high) : ACCU_WIDTH'(low);
        wire [ACCU_WIDTH-1:0] acc = m_axis_output_tdata[pe*ACCU_WIDTH +: ACCU_WIDTH];
        always_ff @(posedge ap_clk)
            if (en && valid_2)
                m_axis_output_tdata[pe*ACCU_WIDTH +: ACCU_WIDTH] <= partial + (clear ? '0 : acc);
    end
    if (OUTPUT_STREAM_WIDTH_BA > PE*ACCU_WIDTH) begin : g_pad
        always_ff @(posedge ap_clk) m_axis_output_tdata[OUTPUT_STREAM_WIDTH_BA-1:PE*ACCU_WIDTH] <= '0;
    end

    always_ff @(posedge ap_clk)
        if (!ap_rst_n) begin
            {valid_1, valid_2, m_axis_output_tvalid} <= '0;
            clear <= BUG != DIRTY_START;
        end else if (en) begin
            valid_1 <= beat;
            last_1 <= sf == SF - 1;
            valid_2 <= valid_1;
            last_2 <= last_1;
            m_axis_output_tvalid <= valid_2 && last_2;
            if (valid_2) clear <= last_2;
        end

endmodule
