// rows.vh -- what sat_rows.v takes from a header: widths and the clamp.
// SPDX-License-Identifier: Apache-2.0
`define LANE(bits) (((bits) + 7)/8*8)
`define CLAMPED(exact, wide, bits) \
    (exact[(wide)-1:(bits)-1] == {((wide)-(bits)+1){exact[(wide)-1]}} \
        ? exact[(bits)-1:0] : {exact[(wide)-1], {((bits)-1){~exact[(wide)-1]}}})
`define SPILLS(exact, wide, bits) \
    (exact[(wide)-1:(bits)-1] != {((wide)-(bits)+1){exact[(wide)-1]}})
