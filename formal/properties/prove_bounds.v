// prove_bounds.v -- a row within a closed form of the papers is within its exact range, any length
//
// A2Q (Colbert et al., ICCV 2023): ||w||_1 * 2^(N - signed) <= 2^(P-1) - 1. A2Q+ (ICML 2024), rows
// that sum to zero: ||w||_1 * (xmax - xmin) <= 2^P - 2. A row comes weight by weight; it may end
// after any of them, and what it reached before is no more than what it reaches then.
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_bounds #(
    parameter integer WEIGHT_BITS    = 8,  // width of a weight, signed (M)
    parameter integer BIPOLAR_WEIGHT = 0,  // 1: weights are -1 (low) or +1 (high)
    parameter integer INPUT_BITS     = 8,  // width of an input (N)
    parameter integer SIGNED_INPUT   = 0,  // 1: inputs are two's complement
    parameter integer BIPOLAR_INPUT  = 0,  // 1: inputs are -1 (low) or +1 (high)
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer A2Q_SLACK      = 0,  // by how much each bound is loosened, to see it fail
    parameter integer A2Q_PLUS_SLACK = 0,
    parameter integer RANGE_SLACK    = 0
) (
    input wire                   clk,
    input wire                   rst,
    input wire                   beat,
    input wire [WEIGHT_BITS-1:0] weight
);

    localparam integer REACH_BITS = WEIGHT_BITS + INPUT_BITS;
    localparam integer WIDER      = (REACH_BITS > ACC_BITS) ? REACH_BITS : ACC_BITS;
    localparam integer GHOST_BITS = WIDER + INPUT_BITS + 4;

    wire started_q;

    after_reset u_reset (.clk(clk), .rst(rst), .started_q(started_q));

    wire [REACH_BITS-1:0] beat_up;
    wire [REACH_BITS-1:0] beat_down;

    reach #(
        .WEIGHT_BITS(WEIGHT_BITS), .BIPOLAR_WEIGHT(BIPOLAR_WEIGHT), .INPUT_BITS(INPUT_BITS),
        .SIGNED_INPUT(SIGNED_INPUT), .BIPOLAR_INPUT(BIPOLAR_INPUT)
    ) u_reach (
        .weight(weight), .up(beat_up), .down(beat_down)
    );

    // The L1 norm of the row so far, of its positive and of its negative weights; and its reach.
    wire                         negative = (BIPOLAR_WEIGHT == 1) ? ~weight[0] : weight[WEIGHT_BITS-1];
    wire signed [GHOST_BITS-1:0] signed_weight = $signed(weight);
    wire signed [GHOST_BITS-1:0] one = {{(GHOST_BITS-1){1'b0}}, 1'b1};
    wire signed [GHOST_BITS-1:0] magnitude =
        (BIPOLAR_WEIGHT == 1) ? one : negative ? -signed_weight : signed_weight;

    reg signed [GHOST_BITS-1:0] positives_q;
    reg signed [GHOST_BITS-1:0] negatives_q;
    reg signed [GHOST_BITS-1:0] up_q;
    reg signed [GHOST_BITS-1:0] down_q;

    wire signed [GHOST_BITS-1:0] up   = up_q + $signed({1'b0, beat_up});
    wire signed [GHOST_BITS-1:0] down = down_q + $signed({1'b0, beat_down});

    always @(posedge clk)
        if (rst) begin
            positives_q <= {GHOST_BITS{1'b0}};
            negatives_q <= {GHOST_BITS{1'b0}};
            up_q        <= {GHOST_BITS{1'b0}};
            down_q      <= {GHOST_BITS{1'b0}};
        end else if (beat) begin
            positives_q <= negative ? positives_q : positives_q + magnitude;
            negatives_q <= negative ? negatives_q + magnitude : negatives_q;
            up_q        <= up;
            down_q      <= down;
        end

    // What the inputs multiply a norm by: the largest, and that which is farthest below zero.
    function signed [GHOST_BITS-1:0] times_high;
        input signed [GHOST_BITS-1:0] norm;
        times_high = (BIPOLAR_INPUT == 1) ? norm : (norm <<< (INPUT_BITS - SIGNED_INPUT)) - norm;
    endfunction
    function signed [GHOST_BITS-1:0] times_low;
        input signed [GHOST_BITS-1:0] norm;
        times_low = (BIPOLAR_INPUT == 1) ? norm
            : (SIGNED_INPUT == 1) ? norm <<< (INPUT_BITS - 1) : {GHOST_BITS{1'b0}};
    endfunction

    wire signed [GHOST_BITS-1:0] norm = positives_q + negatives_q;
    wire signed [GHOST_BITS-1:0] top  = one <<< (ACC_BITS - 1);

    wire a2q      = (norm <<< (INPUT_BITS - SIGNED_INPUT)) <= top - one + A2Q_SLACK;
    wire a2q_plus = positives_q == negatives_q
        && times_high(norm) + times_low(norm) <= (top <<< 1) - (one <<< 1) + A2Q_PLUS_SLACK;
    wire range    = up_q < top + RANGE_SLACK && down_q <= top + RANGE_SLACK;

    wire within;
    wire fits;

    interval #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_interval (
        .exact({GHOST_BITS{1'b0}}), .up(up_q), .down(down_q), .holds(within), .fits(fits)
    );

    // A row that goes on beyond this is within neither bound any more.
    always @* assume (positives_q <= (top <<< 1) && negatives_q <= (top <<< 1));

    always @* if (started_q) begin
        assert (!a2q || fits);
        assert (!a2q_plus || fits);
        assert (!range || fits);
        // what a row reaches only grows
        assert (within && up >= up_q && down >= down_q);
        // what the induction stands on
        assert (positives_q >= 0 && negatives_q >= 0);
        assert (up_q == times_high(positives_q) + times_low(negatives_q));
        assert (down_q == times_high(negatives_q) + times_low(positives_q));
        cover (a2q && beat);
        cover (a2q_plus && beat);
    end

endmodule

`default_nettype wire
