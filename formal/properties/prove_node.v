// prove_node.v -- a node keeps node_promise, whatever its children hold
// SPDX-License-Identifier: Apache-2.0

`default_nettype none

module prove_node #(
    parameter integer ACC_BITS       = 16, // width of the accumulator, signed (P)
    parameter integer OVERFLOW       = 0,  // what does not fit: 0 wraps, 1 saturates
    parameter integer GHOST_BITS     = ACC_BITS + 3
) (
    input wire signed [GHOST_BITS-1:0] left_exact,
    input wire signed [GHOST_BITS-1:0] left_up,
    input wire signed [GHOST_BITS-1:0] left_down,
    input wire signed [ACC_BITS-1:0]   left_value,
    input wire signed [GHOST_BITS-1:0] right_exact,
    input wire signed [GHOST_BITS-1:0] right_up,
    input wire signed [GHOST_BITS-1:0] right_down,
    input wire signed [ACC_BITS-1:0]   right_value
);

    wire signed [ACC_BITS:0]   sum = left_value + right_value;
    wire        [ACC_BITS-1:0] value;
    wire                       fits;
    wire                       premise;
    wire                       holds;

    held #(.EXACT_BITS(ACC_BITS+1), .ACC_BITS(ACC_BITS), .OVERFLOW(OVERFLOW)) u_held (
        .exact(sum), .value(value), .fits(fits)
    );
    node_promise #(.GHOST_BITS(GHOST_BITS), .ACC_BITS(ACC_BITS)) u_promise (
        .left_exact(left_exact), .left_up(left_up), .left_down(left_down),
        .left_value(left_value), .right_exact(right_exact), .right_up(right_up),
        .right_down(right_down), .right_value(right_value), .value(value), .fits(fits),
        .premise(premise), .holds(holds)
    );

    // Reaches are sums of reaches of lanes, which nothing here can carry out of GHOST_BITS.
    wire small = &{
        left_up[GHOST_BITS-1:GHOST_BITS-2] == 2'b00, left_down[GHOST_BITS-1:GHOST_BITS-2] == 2'b00,
        right_up[GHOST_BITS-1:GHOST_BITS-2] == 2'b00, right_down[GHOST_BITS-1:GHOST_BITS-2] == 2'b00
    };

    always @* begin
        assume (small);
        assert (holds);
        cover (premise && left_value == {1'b0, {(ACC_BITS-1){1'b1}}});
        cover (premise && left_value == {1'b1, {(ACC_BITS-1){1'b0}}});
    end

endmodule

`default_nettype wire
