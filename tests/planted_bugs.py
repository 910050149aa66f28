"""Bugs to plant in the RTL, one line each: what every search of this project must find."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

from sim.paths import RTL


class Bug(NamedTuple):
    file: str
    right: str
    wrong: str
    says: str = ""  # what the report must contain


BUGS = {
    "tree node one bit too narrow": Bug(
        "dot.v",
        "wrapped = a + b;",
        "wrapped = a + b; wrapped[ACC_BITS-1] = wrapped[ACC_BITS-2];",
        "MISMATCH  result",
    ),
    "unsigned input sign-extended": Bug(
        "dot.v",
        "if (SIGNED_INPUT == 1)",
        "if (SIGNED_INPUT < 2)",
    ),
    "signed input zero-extended": Bug(
        "dot.v",
        "if (SIGNED_INPUT == 1)",
        "if (SIGNED_INPUT > 1)",
    ),
    "odd lane left out of the tree": Bug(
        "dot.v",
        "lane < SIMD; lane = lane + 2*stride",
        "lane == 0 || lane + stride < SIMD; lane = lane + 2*stride",
    ),
    "odd pair left out of the tree": Bug(
        "dot.v",
        "lane < SIMD; lane = lane + 2*stride",
        "lane == 0 || lane + 2*stride <= SIMD; lane = lane + 2*stride",
    ),
    "carry lost between the halves of a sum": Bug(
        "dot.v",
        "wrapped = a + b;",
        "wrapped = {a[ACC_BITS-1:ACC_BITS/2] + b[ACC_BITS-1:ACC_BITS/2],"
        " a[ACC_BITS/2-1:0] + b[ACC_BITS/2-1:0]};",
    ),
    "overflow of products not watched": Bug(
        "dot.v",
        "spills = spills | spill;\n        end\n        nodes",
        "end\n        nodes",
    ),
    "negative overflow missed": Bug(
        "dot.v",
        "& (b ^ wrapped);",
        "& (b ^ wrapped) & ~a;",
    ),
    "saturation at the wrong end": Bug(
        "dot.v",
        "{sign, {(ACC_BITS-1){~sign}}}",
        "{~sign, {(ACC_BITS-1){sign}}}",
    ),
    "saturation one short of the end": Bug(
        "dot.v",
        "{(ACC_BITS-1){~sign}}}",
        "{(ACC_BITS-2){~sign}}, sign}",
    ),
    "accumulator not cleared at the first beat": Bug(
        "pe.v",
        "first_q ? {ACC_BITS{1'b0}} : acc_q",
        "acc_q",
    ),
    "first beat forgotten by reset": Bug(
        "pe.v",
        "if (rst)\n",
        "if (rst & ~beat & first_q)\n",
    ),
    "overflow bit not sticky": Bug(
        "pe.v",
        "beat_overflow | (overflow_q & ~first_q)",
        "beat_overflow",
    ),
    "overflow bit never cleared": Bug(
        "pe.v",
        "(overflow_q & ~first_q)",
        "overflow_q",
    ),
    "overflow bit of the neighbour": Bug(
        "mvau.v",
        ".overflow(overflow[gp])",
        ".overflow(overflow[(gp + 1) % PE])",
        "MISMATCH  overflow bit",
    ),
    "weights of the neighbour": Bug(
        "mvau.v",
        "s_axis_weight_tdata[gp*SIMD",
        "s_axis_weight_tdata[((gp + 1) % PE)*SIMD",
    ),
    "neuron and synapse folds swapped": Bug(
        "mvau.v",
        ".BEATS(MW/SIMD),\n        .COPIES(MH/PE)",
        ".BEATS(MH/PE),\n        .COPIES(MW/SIMD)",
    ),
    "stalled weights eat a beat": Bug(
        "mvau.v",
        "input_ready          = s_axis_weight_tvalid & room",
        "input_ready          = room",
    ),
    "weights taken before the inputs": Bug(
        "mvau.v",
        "s_axis_weight_tready = input_valid & room",
        "s_axis_weight_tready = room",
    ),
    "result pushed without room": Bug(
        "mvau.v",
        "beat = input_valid & s_axis_weight_tvalid & room",
        "beat = input_valid & s_axis_weight_tvalid",
    ),
    "tlast with the first fold": Bug(
        "mvau.v",
        "{last_copy, overflow, acc}",
        "{~last_copy, overflow, acc}",
        "tlast of output beat 0 must be 0, got 1",
    ),
    "valid dropped under backpressure": Bug(
        "skid_buffer.v",
        "m_axis_tvalid = out_valid_q;",
        "m_axis_tvalid = out_valid_q & ~skid_valid_q;",
        "tvalid must hold until the beat is taken",
    ),
    "skid beat lost": Bug(
        "skid_buffer.v",
        "skid_valid_q ? skid_q : s_axis_tdata",
        "s_axis_tdata",
    ),
    "data not held under backpressure": Bug(
        "skid_buffer.v",
        "if (advance)\n            out_q",
        "if (1'b1)\n            out_q",
        "a beat must hold until it is taken",
    ),
    "output survives a reset": Bug(
        "skid_buffer.v",
        "out_valid_q  <= 1'b0;",
        "",
    ),
    "replay starts one beat late": Bug(
        "replay_buffer.v",
        ": memory[beat_q];",
        ": memory[beat_q + 1'b1];",
    ),
    "replay position survives a reset": Bug(
        "replay_buffer.v",
        "            copy_q <= {COPY_BITS{1'b0}};\n        end else",
        "        end else",
    ),
    "inputs taken without weights": Bug(
        "mac.v",
        "s_axis_input_tready  = s_axis_weight_tvalid & room",
        "s_axis_input_tready  = room",
    ),
    "reset ignored by a moving beat": Bug(
        "pe.v",
        "if (rst)\n            first_q",
        "if (rst & ~beat)\n            first_q",
    ),
    "reset ignored by a replay": Bug(
        "replay_buffer.v",
        "if (rst) begin",
        "if (rst & ~move) begin",
    ),
    "reset ignored by a beat that comes in": Bug(
        "skid_buffer.v",
        "if (rst) begin",
        "if (rst & ~accept) begin",
    ),
    "overflow seen one bit above the end only": Bug(
        "dot.v",
        "product[EXACT_BITS-1:ACC_BITS-1]\n"
        "                              != {(EXACT_BITS-ACC_BITS+1){product[EXACT_BITS-1]}}",
        "product[ACC_BITS:ACC_BITS-1] != {2{product[EXACT_BITS-1]}}",
    ),
    "signed products one bit too narrow": Bug(
        "dot.v",
        "PRODUCT_BITS = WEIGHT_BITS + INPUT_BITS;",
        "PRODUCT_BITS = WEIGHT_BITS + INPUT_BITS - SIGNED_INPUT;",
    ),
    "signed inputs of one bit taken for unsigned": Bug(
        "dot.v",
        "if (SIGNED_INPUT == 1)",
        "if (SIGNED_INPUT == 1 && INPUT_BITS > 1)",
    ),
    "bipolar weight taken for two's complement": Bug(
        "dot.v",
        "if (BIPOLAR_WEIGHT == 1)",
        "if (BIPOLAR_WEIGHT > 1)",
    ),
    "bipolar input taken for two's complement": Bug(
        "dot.v",
        "if (BIPOLAR_INPUT == 1)",
        "if (BIPOLAR_INPUT > 1)",
    ),
    "bipolar weight upside down": Bug(
        "dot.v",
        "w = ~(w << 1);",
        "w = (w << 1) + 1'b1;",
        "MISMATCH  result",
    ),
    "bipolar input one too low": Bug(
        "dot.v",
        "x = ~(x << 1);",
        "x = ~x << 1;",
    ),
    "taps and channels swapped in a beat": Bug(
        "vvau.v",
        "(gs*PE+gp)*INPUT_BITS",
        "(gp*SIMD+gs)*INPUT_BITS",
        "MISMATCH  result",
    ),
    "weights of the neighbouring channel": Bug(
        "vvau.v",
        "s_axis_weight_tdata[gp*SIMD",
        "s_axis_weight_tdata[((gp + 1) % PE)*SIMD",
    ),
    "overflow bit of the neighbouring channel": Bug(
        "vvau.v",
        ".overflow(overflow[gp])",
        ".overflow(overflow[(gp + 1) % PE])",
        "MISMATCH  overflow bit",
    ),
    "dot products of a channel one beat short": Bug(
        "vvau.v",
        "LAST_BEAT = SF - 1;",
        "LAST_BEAT = (SF > 1) ? SF - 2 : 0;",
    ),
    "tlast with every channel fold": Bug(
        "vvau.v",
        "{last_fold, overflow, acc}",
        "{1'b1, overflow, acc}",
        "tlast of output beat 0 must be 0, got 1",
    ),
    "channel fold survives a reset": Bug(
        "vvau.v",
        "            fold_q <= {FOLD_BITS{1'b0}};\n        end else",
        "        end else",
    ),
    "tap fold survives a reset": Bug(
        "vvau.v",
        "            beat_q <= {BEAT_BITS{1'b0}};\n            fold_q",
        "            fold_q",
    ),
    "channels taken without weights": Bug(
        "vvau.v",
        "s_axis_input_tready  = s_axis_weight_tvalid & room",
        "s_axis_input_tready  = room",
    ),
    "channels pushed without room": Bug(
        "vvau.v",
        "beat = s_axis_input_tvalid & s_axis_weight_tvalid & room",
        "beat = s_axis_input_tvalid & s_axis_weight_tvalid",
    ),
    "overflow bit cut off": Bug(
        "mac.v",
        ".s_axis_tdata({overflow, acc})",
        ".s_axis_tdata({1'b0, acc})",
    ),
}

# What only a reset shows that comes while a stream is idle, or ready, or offers nothing.
RESET_BUGS = {
    "output survives a reset while it is ready": Bug(
        "mvau.v", ") u_skid (\n        .clk(clk),\n        .rst(rst),",
        ") u_skid (\n        .clk(clk),\n        .rst(rst & ~m_axis_output_tready),",
    ),
    "replay survives a reset without weights": Bug(
        "mvau.v", ") u_replay (\n        .clk(clk),\n        .rst(rst),",
        ") u_replay (\n        .clk(clk),\n        .rst(rst & s_axis_weight_tvalid),",
    ),
    "replay survives a reset without inputs": Bug(
        "replay_buffer.v", "if (rst) begin", "if (rst & s_axis_tvalid) begin"
    ),
    "output survives a reset while it is not asked for": Bug(
        "skid_buffer.v", "if (rst) begin", "if (rst & m_axis_tready) begin"
    ),
}  # fmt: skip

# In the units that move beats; a case of the unit, or of the one that it is a part of, finds each.
STREAM_BUGS = {
    "fifo holds a beat less": Bug(
        "fifo.v", "count_q != DEPTH[COUNT_BITS-1:0]", "count_q < LAST_PLACE[COUNT_BITS-1:0]"
    ),
    "fifo forgets that a beat left": Bug("fifo.v", "if (write & ~read)", "if (write)"),
    "fifo writes beyond its end": Bug(
        "fifo.v", "(write_q == LAST_PLACE[PLACE_BITS-1:0]) ?", "&write_q ?"
    ),
    "fifo's ready follows ready": Bug(
        "fifo.v", "s_axis_tready = count_q !=", "s_axis_tready = m_axis_tready | count_q !="
    ),
    "fifo's read pointer survives a reset": Bug(
        "fifo.v", "read_q  <= {PLACE_BITS{1'b0}};", "read_q  <= read_q;"
    ),
    "converter has too little room to keep up": Bug(
        "width_converter.v", "IN + 2*OUT - 1 : OUT + 2*IN - 1", "IN + OUT - 1 : OUT + IN - 1"
    ),
    "converter keeps lanes that left": Bug(
        "width_converter.v", "groups_q >> (OUT*GROUP_BITS)", "groups_q >> GROUP_BITS"
    ),
    "converter adds behind a gap": Bug(
        "width_converter.v", "groups_d[kept*GROUP_BITS", "groups_d[count_q*GROUP_BITS"
    ),
    "converter waits for a lane too many": Bug(
        "width_converter.v", "count_q >= OUT[", "count_q > OUT["
    ),
    "converter survives a reset while a beat is on offer": Bug(
        "width_converter.v", "if (rst)", "if (rst & ~s_axis_tvalid)"
    ),
    "rom starts over though once is enough": Bug("weight_rom.v", "LOOP == 0;", "LOOP == 2;"),
    "rom reads beyond its end": Bug("weight_rom.v", "last ? {BEAT_BITS{1'b0}} :", "&beat_q ? 0 :"),
    "rom backwards": Bug("weight_rom.v", "= WORDS[i*DATA_BITS", "= WORDS[(BEATS-1-i)*DATA_BITS"),
    "rom drops a beat that waits": Bug(
        "weight_rom.v", "read | (valid_q & ~m_axis_tready)", "read"
    ),
    "rom stays spent after a reset": Bug(
        "weight_rom.v", "spent_q <= 1'b0;", "spent_q <= spent_q;"
    ),
    "new thresholds for beats on their way": Bug("threshold.v", "between & ~busy;", "between;"),
    "new thresholds in the middle of a vector": Bug("threshold.v", "between & ~busy;", "~busy;"),
    "inputs overtake thresholds that wait": Bug(
        "threshold.v", "loaded_q & ~(between & s_axis_threshold_tvalid)", "loaded_q"
    ),
    "inputs before a whole set came": Bug(
        "threshold.v", "room & loaded_q & ~", "room & ~"
    ),
    "old thresholds survive a reset": Bug("threshold.v", "1'b0;\n        end else if (load)",
        "loaded_q;\n        end else if (load)"),
    "a set ends with its first fold": Bug(
        "threshold.v", "last_position & last_pe & last_fold;", "last_position & last_pe;"
    ),
    "unsigned outputs where they are signed": Bug("threshold.v", "count ^ TOP[", "count | TOP["),
    "tlast and tuser of the beat before": Bug(
        "threshold.v", "marks = all_marks[MARKS_BITS +: PE+1];", "marks = marks_q[PE:0];"
    ),
    "threshold reached one too late": Bug(
        "threshold_parallel.v", "threshold <= acc_ext", "threshold < acc_ext"
    ),
    "negative accumulators taken for large ones": Bug(
        "threshold_parallel.v", "{acc[ACC_BITS-1], acc}", "{1'b0, acc}"
    ),
    "negative thresholds taken for large ones": Bug(
        "threshold_parallel.v", "wire signed [ACC_BITS:0] threshold", "wire [ACC_BITS:0] threshold"
    ),
    "last threshold not counted": Bug(
        "threshold_parallel.v", "step <= STEPS; step", "step < STEPS; step"
    ),
    "thresholds of another row": Bug("threshold_parallel.v", "memory[fold]", "memory[0]"),
    "search reaches a threshold one too late": Bug(
        "threshold_stage.v", "threshold <= acc_ext", "threshold < acc_ext"
    ),
    "search takes negative accumulators for large ones": Bug(
        "threshold_stage.v", "{acc_q[ACC_BITS-1], acc_q}", "{1'b0, acc_q}"
    ),
    "search reads on while it stands": Bug(
        "threshold_stage.v", "if (advance)\n            threshold_q", "threshold_q"
    ),
    "search keeps thresholds of other stages": Bug(
        "threshold_stage.v", "write_position[OPEN-1:0] == HALF[OPEN-1:0]", "write_position[OPEN-1]"
    ),
    "stage sees the row of a later beat": Bug(
        "threshold_search.v", ".fold(folds[gs*FOLD_BITS +: FOLD_BITS])", ".fold(fold)"
    ),
    "stage sees a later accumulator": Bug(
        "threshold_search.v", ".acc(accs[gs*ACC_BITS +: ACC_BITS])", ".acc(acc)"
    ),
    "stages move on while the output stands": Bug(
        "threshold_search.v", ".advance(advance)", ".advance(1'b1)"
    ),
    "stages look for the same bit": Bug("threshold_search.v", ".STAGE(gs)", ".STAGE(0)"),
    "a row is written over too early": Bug(
        "swu.v", "write_row_q < top + rows", "write_row_q <= top + rows"
    ),
    "a beat is read before it is written": Bug(
        "swu.v", "column < write_column_q", "column <= write_column_q"
    ),
    "padding of an image that never comes": Bug("swu.v", "outside ? begun :", "outside ? 1'b1 :"),
    "rows that wait for the window to be done": Bug("swu.v", ": HEIGHT) + STRIDE", ": HEIGHT) + 1"),
    "left and right edges without padding": Bug(
        "swu.v", " || column >= ROW_BEATS[COLUMN_BITS-1:0]", ""
    ),
    "writing goes on where it was before a reset": Bug(
        "swu.v", "write_address_q <= {ADDRESS_BITS{1'b0}};\n        end else begin",
        "write_address_q <= write_address_q;\n        end else begin",
    ),
    "next image where the last one ended": Bug(
        "window_cursor.v", "((HEIGHT - DOWN) %", "((STRIDE) %"
    ),
    "padding shifts the rows": Bug(
        "window_cursor.v", "(ROWS - PADDING % ROWS) % ROWS * ROW_BEATS", "0"
    ),
    "ring goes round a step too late": Bug(
        "window_cursor.v", "(sum >= RING[", "(sum > RING["
    ),
    "depthwise as if it were dense": Bug(
        "window_cursor.v", "(DEPTHWISE == 1) ? step : step & last_beat", "step & last_beat"
    ),
    "taps go on where they were before a reset": Bug(
        "window_cursor.v", "x_q           <= {COLUMN_BITS{1'b0}};", "x_q           <= x_q;"
    ),
    "dilation in one direction only": Bug(
        "window_cursor.v", "y_q + DILATION[ROW_BITS-1:0]", "y_q + {{(ROW_BITS-1){1'b0}}, 1'b1}"
    ),
    "flags of the accumulators not passed on": Bug(
        "mvtu.v", ".s_axis_input_tuser(acc_user)", ".s_axis_input_tuser({PE{1'b0}} & acc_user)"
    ),
    "activation of the last vector's end": Bug(
        "mvtu.v", ".s_axis_input_tlast(acc_last)", ".s_axis_input_tlast(~acc_last)"
    ),
    "saturates under an activation": Bug("mvtu.v", ".OVERFLOW(OVERFLOW)", ".OVERFLOW(1)"),
}  # fmt: skip


def unreset(file: str, register: str, folder: Path) -> Path:
    """Return a copy of the RTL in which a register is 0 at first, and keeps its value over resets.

    What was before a reset then shows behind it, unless as many beats moved as bring it back to 0.
    """
    rtl = Path(shutil.copytree(RTL, folder / "rtl"))
    text = (rtl / file).read_text(encoding="utf-8")
    for right, wrong in (
        (rf"^( *reg [^;\n]*\b{register});", r"\1 = 0;"),
        (rf"^( *){register} *<= \{{\w+\{{1'b0\}}\}};", rf"\1{register} <= {register};"),
    ):
        text, places = re.subn(right, wrong, text, count=1, flags=re.MULTILINE)
        assert places == 1, f"{register} must be a register of {file} that is reset"
    (rtl / file).write_text(text, encoding="utf-8")
    return rtl


def planted(bug: Bug, folder: Path) -> Path:
    """Return a copy of the RTL, below ``folder``, that has the bug."""
    rtl = Path(shutil.copytree(RTL, folder / "rtl"))
    text = (rtl / bug.file).read_text(encoding="utf-8")
    assert text.count(bug.right) == 1, "a bug is planted in exactly one place"
    (rtl / bug.file).write_text(text.replace(bug.right, bug.wrong), encoding="utf-8")
    return rtl
