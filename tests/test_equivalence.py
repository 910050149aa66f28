"""Proofs that an edited module is the same: none for what differs, and one for what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from rtl_suite import simulators

from sim.mutants import equivalence
from sim.mutants.equivalence import SHAPES, Fate, Proof, prove
from sim.paths import RTL

pytestmark = [
    pytest.mark.sim,
    pytest.mark.skipif("icarus" not in simulators(), reason="Icarus is not installed"),
]

COUNTER = """
module counter #(parameter integer LAST = 2, parameter integer OTHER = 0) (
    input  wire       clk,
    input  wire       rst,
    input  wire       go,
    input  wire [1:0] data,
    output wire       m_axis_tvalid,
    output wire [1:0] m_axis_tdata,
    output wire       done
);
    localparam [0:0] LAST_MUST_BE_1_TO_6 = {(LAST >= 1 && LAST <= 6){1'b1}};
    wire unused_static_asserts = LAST_MUST_BE_1_TO_6;

    reg [2:0] count_q;
    reg [1:0] data_q;
    reg       ever_q;

    always @(posedge clk)
        if (rst)
            count_q <= 3'd0;
        else if (go)
            count_q <= (count_q < LAST) ? count_q + 3'd1 : 3'd0;

    always @(posedge clk)
        if (go)
            data_q <= data;

    always @(posedge clk)
        if (rst)
            ever_q <= 1'b0;
        else
            ever_q <= ever_q | go;

    assign done = count_q == LAST;
    assign m_axis_tvalid = ever_q;
    assign m_axis_tdata = data_q;
endmodule
"""
LOGIC = """
module logic_unit #(parameter integer BITS = 2) (
    input  wire [BITS-1:0] a,
    input  wire [BITS-1:0] b,
    output wire [BITS-1:0] y,
    output wire            z
);
    wire [7:0] wide = {{(8-BITS){1'b0}}, a};
    assign y = a + b;
    assign z = wide[0] & b[0];
endmodule
"""


def edited(source: str, old: str, new: str) -> str:
    assert source.count(old) == 1, f"{source.count(old)} times {old!r}"
    return source.replace(old, new)


def proof(folder: Path, source: str, old: str, new: str, **shape: int) -> Proof:
    """Compare a source with an edit of it."""
    name = "counter" if source == COUNTER else "logic_unit"
    (folder / f"{name}.v").write_text(source, encoding="utf-8")
    return prove(name, edited(source, old, new), folder, [shape] if shape else [{}])


def of_unit(unit: str, old: str, new: str) -> Proof:
    return prove(unit, edited((RTL / f"{unit}.v").read_text(encoding="utf-8"), old, new))


# ---- what is the same ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (LOGIC, "a + b", "b + a"),
        (LOGIC, "a + b", "(a ^ b) + ((a & b) << 1)"),
        (COUNTER, "reg [2:0] count_q", "reg [4:0] count_q"),
        (COUNTER, "count_q < LAST", "count_q != LAST"),  # beyond LAST it never is
        (COUNTER, "(count_q < LAST)", "(~done)"),
        # before any reset, and data while valid is low: nobody may look
        (COUNTER, "reg [2:0] count_q;", "reg [2:0] count_q = 3'd5;"),
        (COUNTER, "m_axis_tdata = data_q", "m_axis_tdata = ever_q ? data_q : ~data_q"),
    ],
)
def test_what_is_the_same_is_proved(tmp_path: Path, source: str, old: str, new: str) -> None:
    found = proof(tmp_path, source, old, new)
    assert found.fate is Fate.EQUIVALENT, found
    assert "at each of 1 shapes and no others" in found.sentence
    assert found.example == ()


def test_a_wider_counter_of_a_unit_is_proved() -> None:
    assert of_unit("replay_buffer", "? $clog2(BEATS) :", "? $clog2(BEATS)+1 :").fate is (
        Fate.EQUIVALENT
    )


@pytest.mark.parametrize(
    ("unit", "old", "new"),
    [
        ("fifo", "COUNT_BITS = $clog2(DEPTH + 1)", "COUNT_BITS = $clog2(DEPTH + 1)+1"),
        ("weight_rom", "last && LOOP == 0", "LOOP == 0 && last"),
        # A part inside of its unit, which writes a threshold before it compares with it.
        ("threshold_parallel", "threshold <= acc_ext", "!(acc_ext < threshold)"),
    ],
)
def test_a_harmless_edit_of_what_has_a_memory_is_proved(unit: str, old: str, new: str) -> None:
    found = of_unit(unit, old, new)
    assert found.fate is Fate.EQUIVALENT, found


@pytest.mark.parametrize("unit", ["pe", "dot"])
def test_a_unit_is_the_same_as_itself(unit: str) -> None:
    found = prove(unit, (RTL / f"{unit}.v").read_text(encoding="utf-8"))
    assert found.fate is Fate.EQUIVALENT, found
    assert found.sentence.count("SIMD=") == len(SHAPES[unit])


def test_every_unit_has_shapes() -> None:
    assert SHAPES.keys() >= {path.stem for path in RTL.glob("*.v")}


# ---- what is not ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "old", "new", "says"),
    [
        (LOGIC, "a + b", "a | b", "y is "),
        (LOGIC, "a + b", "a - b", "y is "),
        (COUNTER, "count_q <= 3'd0;", "begin end", "done is "),  # the reset
        (COUNTER, "ever_q <= 1'b0;", "begin end", "m_axis_tvalid is "),
        # 7 is only met at power-on.
        (COUNTER, "count_q <= 3'd0;", "count_q <= (count_q == 3'd7) ? LAST : 3'd0;", "done is "),
        (COUNTER, "count_q < LAST", "count_q <= LAST", "done is "),
        (COUNTER, "data_q <= data", "data_q <= ~data", "m_axis_tdata is "),
        (COUNTER, "if (go)\n            data_q", "if (go & done)\n            data_q", "m_axis_t"),
        (COUNTER, "reg [2:0] count_q", "reg [1:0] count_q", "done is "),
        (COUNTER, "output wire       done", "output wire [1:0] done", "port done is output 2"),
        (COUNTER, "assign done = count_q == LAST;", "", "done is "),
        (COUNTER, "count_q == LAST", "count_q == LOST", "it does not elaborate"),
        # What is undefined is not taken as it suits.
        (LOGIC, "wide[0] & b[0]", "wide[8] & b[0]", "z is "),
        (LOGIC, "assign z = wide[0] & b[0];", "", "z is "),
        (LOGIC, "wide[0] & b[0]", "a[1] ? wide[{a, b}] : wide[0] & b[0]", "z is "),
        (LOGIC, "wide[0] & b[0]", "(a == b) ? wide[8] : wide[0] & b[0]", "z is "),
    ],
)
def test_what_differs_is_shown(tmp_path: Path, source: str, old: str, new: str, says: str) -> None:
    shape = {"LAST": 4} if source == COUNTER else {"BITS": 2}
    found = proof(tmp_path, source, old, new, **shape)
    assert found.fate is Fate.DIFFERENT, found
    assert found.sentence.startswith(says)
    assert found.sentence.endswith(", at " + " ".join(f"{k}={v}" for k, v in shape.items()))
    if "port" not in says and "elaborate" not in says:
        assert found.example


def test_the_example_is_the_shortest_way(tmp_path: Path) -> None:
    """LAST comes after 3 steps from reset, 4 comes then, and LAST again, one step late, after 4."""
    found = proof(tmp_path, COUNTER, "count_q < LAST", "count_q <= LAST", LAST=3)
    assert len(found.example) == 9
    assert found.example[0].startswith("cycle 0: rst=1")
    assert sum("go=1" in line for line in found.example[1:-1]) == 7


def test_a_difference_far_from_reset_is_found(tmp_path: Path) -> None:
    """Twelve steps are more than the first search looks at."""
    source = COUNTER.replace("[2:0] count_q", "[3:0] count_q").replace("LAST <= 6", "LAST <= 14")
    (tmp_path / "counter.v").write_text(source, encoding="utf-8")
    late = edited(source, "count_q == LAST", "(count_q == LAST) & (count_q != 12)")
    found = prove("counter", late, tmp_path, [{"LAST": 12}])
    assert found.fate is Fate.DIFFERENT
    assert len(found.example) == 14


@pytest.mark.parametrize(
    ("unit", "old", "new", "at"),
    [
        # Only where a vector is sent once does nothing hold it back.
        ("replay_buffer", "assign m_axis_tvalid = s_axis_tvalid", "assign m_axis_tvalid = 1'b1",
         "COPIES=1"),
        ("replay_buffer", "(BEATS > 1) ? $clog2(BEATS) : 1", "(BEATS > 4) ? $clog2(BEATS) : 1",
         "BEATS=3"),
        ("skid_buffer", "assign s_axis_tready = ~skid_valid_q",
         "assign s_axis_tready = m_axis_tready | ~out_valid_q", "DATA_BITS=1"),
        ("skid_buffer", "            skid_valid_q <= 1'b0;\n", "", "DATA_BITS=1"),
        ("dot", "OVERFLOW == 0) ?", "OVERFLOW == 1) ?", "OVERFLOW="),
        ("pe", "overflow = 1'b0", "overflow = 1'b1", "OBSERVE=0"),
        ("fifo", "(write_q == LAST_PLACE[PLACE_BITS-1:0])", "(&write_q)", "DEPTH=3"),
        ("width_converter", "groups_q >> (OUT*GROUP_BITS)", "groups_q >> (OUT*LANE_BITS)",
         "IN_LANES=2 OUT_LANES=4"),
        # A word without a value is nothing that may be believed.
        ("weight_rom", "i < BEATS;", "i < BEATS - 1;", "BEATS=1"),
        pytest.param(
            "threshold_stage", "memory[write_address] <=", "memory[read_address] <=", "SEARCH=1",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            "window_cursor", "NEXT_TAP      = DILATION %", "NEXT_TAP      = STRIDE %", "DILATION=2",
            marks=pytest.mark.exhaustive,
        ),
    ],
)  # fmt: skip
def test_units_differ_at_the_shape_that_shows_it(unit: str, old: str, new: str, at: str) -> None:
    found = of_unit(unit, old, new)
    assert found.fate is Fate.DIFFERENT, found
    assert at in found.sentence


# ---- what is not known ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "old", "new", "says"),
    [
        (COUNTER, "LAST <= 6", "LAST <= 7", "a static assert is edited"),
        (COUNTER, "count_q == LAST", "count_q ==", "must be readable by pyverilog"),
        (COUNTER, "@(posedge clk)\n        if (go)", "@*\n        if (go)", "LATCH"),
        (COUNTER, "@(posedge clk)\n        if (go)", "@(posedge go)\n        if (rst)", "DFF"),
        (COUNTER, "@(posedge clk)\n        if (go)", "@(negedge clk)\n        if (go)", "DFF"),
        (LOGIC, "a + b", "(b == 0) ? ~b : a / b", "divides"),
        (LOGIC, "wire [7:0] wide =", "wire [7:0] wide = wide &", "loop"),
    ],
)  # fmt: skip
def test_what_no_gate_can_show_is_not_proved(
    tmp_path: Path, source: str, old: str, new: str, says: str
) -> None:
    found = proof(tmp_path, source, old, new)
    assert found.fate is Fate.NOT_PROVED, found
    assert says in found.sentence


def test_a_port_that_is_given_too_few_bits_is_not_proved() -> None:
    found = of_unit("pe", ".SIMD(SIMD),", ".SIMD(SIMD+1),")
    assert found.fate is Fate.NOT_PROVED
    assert "simulators pad differently" in found.sentence


def test_broken_static_asserts_of_what_is_inside_count() -> None:
    """Yosys has nothing against them; what does not elaborate is not the same."""
    found = of_unit("mac", ".OVERFLOW(OVERFLOW),", ".OVERFLOW(OVERFLOW+1),")
    assert found.fate is Fate.DIFFERENT
    assert found.sentence.startswith("it does not elaborate")


def test_no_time_is_not_proved(tmp_path: Path) -> None:
    found = prove("pe", (RTL / "pe.v").read_text(encoding="utf-8"), limit_s=0.05)
    assert found.fate is Fate.NOT_PROVED
    assert "took more than 0.05 s" in found.sentence


def test_a_missing_tool_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equivalence, "missing_tools", lambda: ("z3",))
    found = prove("pe", (RTL / "pe.v").read_text(encoding="utf-8"))
    assert (found.fate, found.sentence) == (Fate.NOT_PROVED, "missing: z3")


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    equivalence.missing_tools.cache_clear()
    assert "iverilog" in equivalence.missing_tools()
    equivalence.missing_tools.cache_clear()


def test_a_unit_without_shapes_is_not_proved() -> None:
    found = prove("pe", "", shapes=[])
    assert found.fate is Fate.NOT_PROVED
