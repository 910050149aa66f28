// threshold.v -- turns accumulators into activations: how many thresholds of their row they reach
//
// MH accumulators come in MH/PE beats, row = fold*PE + pe; output = (thresholds of the row <= acc),
// less 2^(B-1) if SIGNED_OUTPUT; tuser and tlast go along. A set is 2^B - 1 ascending thresholds of
// ACC_BITS+1 bits for each row, one a beat, row after row. No input is taken before the first set,
// nor while a new one waits between two vectors: it counts from the next vector on. One beat a
// cycle; latency one cycle, B more if SEARCH. No path from m_axis_output_tready to another stream.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module threshold #(
    parameter integer MH            = 4,  // rows
    parameter integer PE            = 2,  // rows at once
    parameter integer ACC_BITS      = 16, // width of an accumulator, signed (P)
    parameter integer OUTPUT_BITS   = 2,  // width of an output (B)
    parameter integer SIGNED_OUTPUT = 0,  // 1: outputs are two's complement
    parameter integer SEARCH        = 0   // 0: a comparator for each threshold; 1: B stages of one
) (
    input  wire                      clk,
    input  wire                      rst,
    input  wire [PE*ACC_BITS-1:0]    s_axis_input_tdata,
    input  wire [PE-1:0]             s_axis_input_tuser,
    input  wire                      s_axis_input_tlast,
    input  wire                      s_axis_input_tvalid,
    output wire                      s_axis_input_tready,
    input  wire [ACC_BITS:0]         s_axis_threshold_tdata,
    input  wire                      s_axis_threshold_tvalid,
    output wire                      s_axis_threshold_tready,
    output wire [PE*OUTPUT_BITS-1:0] m_axis_output_tdata,
    output wire [PE-1:0]             m_axis_output_tuser,
    output wire                      m_axis_output_tlast,
    output wire                      m_axis_output_tvalid,
    input  wire                      m_axis_output_tready
);

    localparam [0:0] MH_MUST_BE_1_TO_65536        = {(MH >= 1 && MH <= 65536){1'b1}};
    localparam [0:0] PE_MUST_BE_POSITIVE          = {(PE >= 1){1'b1}};
    localparam [0:0] PE_MUST_DIVIDE_MH            = {((MH / PE) * PE == MH){1'b1}};
    localparam [0:0] ACC_BITS_MUST_BE_2_TO_63     = {(ACC_BITS >= 2 && ACC_BITS <= 63){1'b1}};
    localparam [0:0] OUTPUT_BITS_MUST_BE_1_TO_8   = {(OUTPUT_BITS >= 1 && OUTPUT_BITS <= 8){1'b1}};
    localparam [0:0] SIGNED_OUTPUT_MUST_BE_0_OR_1 = {(SIGNED_OUTPUT==0 || SIGNED_OUTPUT==1){1'b1}};
    localparam [0:0] SEARCH_MUST_BE_0_OR_1        = {(SEARCH == 0 || SEARCH == 1){1'b1}};
    wire unused_static_asserts =
        MH_MUST_BE_1_TO_65536 & PE_MUST_BE_POSITIVE & PE_MUST_DIVIDE_MH & ACC_BITS_MUST_BE_2_TO_63
        & OUTPUT_BITS_MUST_BE_1_TO_8 & SIGNED_OUTPUT_MUST_BE_0_OR_1 & SEARCH_MUST_BE_0_OR_1;

    localparam integer NF        = MH / PE;
    localparam integer FOLD_BITS = (NF > 1) ? $clog2(NF) : 1;
    localparam integer PE_BITS   = (PE > 1) ? $clog2(PE) : 1;
    localparam integer LAST_FOLD = NF - 1;
    localparam integer LAST_PE   = PE - 1;
    localparam integer FIRST     = 1;
    localparam integer TOP       = 1 << (OUTPUT_BITS - 1);

    // Sets of thresholds and vectors take turns.

    reg [FOLD_BITS-1:0] fold_q;   // of the next input beat
    reg                 loaded_q; // a whole set is in
    wire                room;     // the output takes a beat, and all stages move on
    wire                busy;     // a beat is still on its way through the stages

    wire between = fold_q == {FOLD_BITS{1'b0}};

    assign s_axis_threshold_tready = between & ~busy;
    assign s_axis_input_tready     = room & loaded_q & ~(between & s_axis_threshold_tvalid);

    wire beat = s_axis_input_tvalid & s_axis_input_tready;
    wire load = s_axis_threshold_tvalid & s_axis_threshold_tready;

    always @(posedge clk)
        if (rst)
            fold_q <= {FOLD_BITS{1'b0}};
        else if (beat)
            fold_q <= (fold_q == LAST_FOLD[FOLD_BITS-1:0]) ? {FOLD_BITS{1'b0}} : fold_q + 1'b1;

    // Where the next threshold belongs.

    reg [OUTPUT_BITS-1:0] load_position_q; // in its row, from 1
    reg [PE_BITS-1:0]     load_pe_q;
    reg [FOLD_BITS-1:0]   load_fold_q;

    wire last_position = load_position_q == {OUTPUT_BITS{1'b1}};
    wire last_pe       = load_pe_q == LAST_PE[PE_BITS-1:0];
    wire last_fold     = load_fold_q == LAST_FOLD[FOLD_BITS-1:0];

    always @(posedge clk)
        if (rst) begin
            load_position_q <= FIRST[OUTPUT_BITS-1:0];
            load_pe_q       <= {PE_BITS{1'b0}};
            load_fold_q     <= {FOLD_BITS{1'b0}};
            loaded_q        <= 1'b0;
        end else if (load) begin
            load_position_q <= last_position ? FIRST[OUTPUT_BITS-1:0] : load_position_q + 1'b1;
            if (last_position)
                load_pe_q <= last_pe ? {PE_BITS{1'b0}} : load_pe_q + 1'b1;
            if (last_position & last_pe)
                load_fold_q <= last_fold ? {FOLD_BITS{1'b0}} : load_fold_q + 1'b1;
            loaded_q <= last_position & last_pe & last_fold;
        end

    wire [PE*OUTPUT_BITS-1:0] outputs;

    genvar gp;
    generate
        for (gp = 0; gp < PE; gp = gp + 1) begin : g_pe
            wire                   load_here = load && load_pe_q == gp[PE_BITS-1:0];
            wire [OUTPUT_BITS-1:0] count;

            if (SEARCH == 0) begin : g_parallel
                threshold_parallel #(
                    .FOLDS(NF),
                    .FOLD_BITS(FOLD_BITS),
                    .ACC_BITS(ACC_BITS),
                    .OUTPUT_BITS(OUTPUT_BITS)
                ) u_parallel (
                    .clk(clk),
                    .write(load_here),
                    .write_fold(load_fold_q),
                    .write_position(load_position_q),
                    .write_threshold(s_axis_threshold_tdata),
                    .fold(fold_q),
                    .acc(s_axis_input_tdata[gp*ACC_BITS +: ACC_BITS]),
                    .count(count)
                );
            end else begin : g_search
                threshold_search #(
                    .FOLDS(NF),
                    .FOLD_BITS(FOLD_BITS),
                    .ACC_BITS(ACC_BITS),
                    .OUTPUT_BITS(OUTPUT_BITS)
                ) u_search (
                    .clk(clk),
                    .write(load_here),
                    .write_fold(load_fold_q),
                    .write_position(load_position_q),
                    .write_threshold(s_axis_threshold_tdata),
                    .advance(room),
                    .fold(fold_q),
                    .acc(s_axis_input_tdata[gp*ACC_BITS +: ACC_BITS]),
                    .count(count)
                );
            end

            // Less 2^(B-1) is the most significant bit turned around.
            assign outputs[gp*OUTPUT_BITS +: OUTPUT_BITS] =
                (SIGNED_OUTPUT == 1) ? count ^ TOP[OUTPUT_BITS-1:0] : count;
        end
    endgenerate

    // What goes along with a beat: last, and the user bits.
    wire [PE:0] marks;
    wire        done; // outputs and marks are those of a beat

    generate
        if (SEARCH == 0) begin : g_at_once
            assign marks = {s_axis_input_tlast, s_axis_input_tuser};
            assign done  = beat;
            assign busy  = 1'b0;
        end else begin : g_in_stages
            localparam integer MARKS_BITS = OUTPUT_BITS * (PE + 1);

            reg  [OUTPUT_BITS-1:0]   valid_q;
            reg  [MARKS_BITS-1:0]    marks_q;
            wire [OUTPUT_BITS:0]     valids   = {valid_q, beat};
            wire [MARKS_BITS+PE:0]   all_marks = {marks_q, s_axis_input_tlast, s_axis_input_tuser};

            always @(posedge clk)
                if (rst)
                    valid_q <= {OUTPUT_BITS{1'b0}};
                else if (room)
                    valid_q <= valids[OUTPUT_BITS-1:0];

            always @(posedge clk)
                if (room)
                    marks_q <= all_marks[MARKS_BITS-1:0];

            assign marks = all_marks[MARKS_BITS +: PE+1];
            assign done  = valids[OUTPUT_BITS];
            assign busy  = |valid_q;
        end
    endgenerate

    skid_buffer #(
        .DATA_BITS(PE + 1 + PE*OUTPUT_BITS)
    ) u_skid (
        .clk(clk),
        .rst(rst),
        .s_axis_tdata({marks, outputs}),
        .s_axis_tvalid(done),
        .s_axis_tready(room),
        .m_axis_tdata({m_axis_output_tlast, m_axis_output_tuser, m_axis_output_tdata}),
        .m_axis_tvalid(m_axis_output_tvalid),
        .m_axis_tready(m_axis_output_tready)
    );

endmodule

`default_nettype wire
