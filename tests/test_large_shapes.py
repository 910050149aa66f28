"""Sizes and waits far beyond those of other tests, at which a word or a counter is too narrow.

Each is always played, so there are few of them, in units that are small in all other ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from every_shape import MatrixPoint, StreamPoint, matrix_points
from planted_bugs import Bug, planted
from rtl_suite import SPECS
from test_every_shape import Point, fails, play_matrix, play_streams

from golden.spec import MvauSpec
from golden.units import PARAMETERS
from sim import batch
from tb.case import UNITS, Case
from tb.stalls import STREAMS
from tb.stimulus import adverse_case

LONG = MvauSpec(mw=1100, mh=2, pe=1, simd=1, weight_bits=3, input_bits=3, acc_bits=15)
TALL = replace(LONG, mw=2, mh=300, acc_bits=6)


class Large(NamedTuple):
    point: Point
    bugs: tuple[Bug, ...]  # that its size shows


def large(unit: str, *values: int) -> StreamPoint:
    return StreamPoint(unit, dict(zip(PARAMETERS[unit], values, strict=True)), seed=1)


def blind_activation(spec: MvauSpec) -> StreamPoint:
    parameters = replace(spec, observe=False).verilog_parameters("mvau")
    return large("mvtu", *parameters.values(), 2, 0, 0)


def cut_off(file: str, right: str) -> Bug:
    """Return a bug that loses all bits of a beat above 128."""
    return Bug(file, f"{right};", f"{right} & ~({{DATA_BITS{{1'b1}}}} << 128);")


def at_most(bits: int, file: str, name: str, count: str) -> Bug:
    """Return a bug by which what counts to ``count`` has so many bits at most."""
    enough = f"({count} > 1) ? $clog2({count})"
    return Bug(file, f"{name} = {enough}", f"{name} = ({count} > {1 << bits}) ? {bits} : {enough}")


RESTARTS = Bug(
    "pe.v", "            first_q <= last;\n",
    "            first_q <= last | &beats_q;\n\n    reg [9:0] beats_q;\n\n"
    "    always @(posedge clk)\n        if (rst | (beat & last))\n            beats_q <= 10'd0;\n"
    "        else if (beat)\n            beats_q <= beats_q + 1'b1;\n",
)  # fmt: skip


def of_bits(weight: int, inputs: int) -> Large:
    """A mac one bit short, which saturates its signed inputs and wraps the others."""
    signed = inputs % 2
    spec = MvauSpec(8, 2, 1, 1, weight, inputs, weight + inputs + 2, signed, signed, observe=True)
    return Large(MatrixPoint("mac", spec, seed=1), ())


LARGE = {
    **{
        f"weights of {weight} bits, inputs of {inputs}": of_bits(weight, inputs)
        for weight, inputs in zip(range(9, 16), (15, 14, 13, 9, 10, 11, 12), strict=True)
    },
    "wide beats in many places": Large(
        large("fifo", 305, 300),
        (
            cut_off("fifo.v", "memory[write_q] <= s_axis_tdata"),
            Bug("fifo.v", "LAST_PLACE = DEPTH - 1", "LAST_PLACE = DEPTH > 256 ? 255 : DEPTH - 1"),
        ),
    ),
    "wide beats in a register": Large(
        large("skid_buffer", 305),
        (cut_off("skid_buffer.v", "out_q <= skid_valid_q ? skid_q : s_axis_tdata"),),
    ),
    "wide beats in many copies": Large(
        large("replay_buffer", 305, 3, 1100),
        (
            cut_off("replay_buffer.v", "memory[beat_q] <= s_axis_tdata"),
            at_most(10, "replay_buffer.v", "COPY_BITS", "COPIES"),
        ),
    ),
    "beats of many lanes": Large(
        large("width_converter", 3, 130, 67),
        (Bug("width_converter.v", "$clog2(ROOM + 1)", "(ROOM > 255 ? 8 : $clog2(ROOM + 1))"),),
    ),
    "many words": Large(
        large("weight_rom", 11, 1100, 1),  # Python writes no number of more than 4300 digits
        tuple(
            Bug("weight_rom.v", "<= memory[beat_q]", f"<= memory[beat_q % {words}]")
            for words in (256, 1024)
        ),
    ),
    "thresholds of many rows": Large(
        large("threshold", 300, 1, 12, 2, 0, 1),
        (Bug("threshold.v", "LAST_FOLD = NF - 1", "LAST_FOLD = NF > 256 ? 255 : NF - 1"),),
    ),
    "padding far beyond the image": Large(
        large("swu", 4, 1, 1, 1, 1, 9, 1, 8, 1, 0),
        (Bug("swu.v", "HEIGHT + 2*PADDING + ROWS + 1", "HEIGHT + ROWS"),),
    ),
    "taps further apart than rows that are kept": Large(
        large("swu", 4, 1, 1, 2, 3, 2, 1, 7, 7, 0),
        (Bug("window_cursor.v", "DILATION % ROWS * ROW_BEATS", "DILATION * ROW_BEATS"),),
    ),
    "images of many columns": Large(
        large("swu", 3, 3, 1, 2, 350, 3, 1, 1, 1, 0),
        tuple(
            Bug("swu.v", "= ROW_BEATS - 1", f"= ROW_BEATS > {most} ? {most} - 1 : ROW_BEATS - 1")
            for most in (64, 1024)
        ),
    ),
    "images of many rows": Large(
        large("swu", 3, 1, 1, 1100, 1, 3, 1, 1, 1, 0),
        (Bug("swu.v", "ROW_BITS     = 1 +", "ROW_BITS     = HEIGHT > 1024 ? 11 : 1 +"),),
    ),
    "long dot products, one lane": Large(MatrixPoint("mac", LONG, seed=1), (RESTARTS,)),
    "long dot products, replayed": Large(
        MatrixPoint("mvau", LONG, seed=1),
        (RESTARTS, Bug("replay_buffer.v", ": memory[beat_q]", ": memory[beat_q % 1024]")),
    ),
    "long dot products, depthwise": Large(
        MatrixPoint("vvau", LONG, seed=1),
        (RESTARTS, *(at_most(bits, "vvau.v", "BEAT_BITS", "SF") for bits in (6, 10))),
    ),
    "many channels": Large(
        MatrixPoint("vvau", TALL, seed=1), (at_most(8, "vvau.v", "FOLD_BITS", "NF"),)
    ),
    "long dot products that nobody watches, activated": Large(
        blind_activation(LONG), (RESTARTS, Bug("mvtu.v", ".OBSERVE(OBSERVE)", ".OBSERVE(1)"))
    ),
}


@pytest.mark.sim
@pytest.mark.parametrize("why", LARGE)
def test_results_are_those_of_golden(why: str) -> None:
    point = LARGE[why].point
    play_streams(point) if isinstance(point, StreamPoint) else play_matrix(point)


def test_every_width_is_played() -> None:
    """With those that every unit meets, and those of the named specs."""
    played = [point.spec for point in matrix_points()] + [*SPECS.values()]
    played += [each.point.spec for each in LARGE.values() if isinstance(each.point, MatrixPoint)]
    for width in ("weight_bits", "input_bits"):
        assert {getattr(spec, width) for spec in played} == set(range(1, 17))


@pytest.mark.sim
@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("why", "bug"), [(why, bug) for why in LARGE for bug in range(len(LARGE[why].bugs))]
)
def test_a_bug_of_large_sizes_is_found(why: str, bug: int, tmp_path: Path) -> None:
    point, bugs = LARGE[why]
    assert fails([point], planted(bugs[bug], tmp_path))


# Waits


def waits(unit: str, stream: str) -> Iterator[Case]:
    """Yield cases in which one stream stands still for long, from the start on and in between.

    Dot products are so short that meanwhile results take all the places that there are, while the
    engine still tries whether another ready follows that of the output.
    """
    for pattern in ("late-1100", "bursts-5-1100"):
        spec = SPECS["unsigned, saturating"]
        yield adverse_case(unit, spec, edges_only=True, stalls={stream: pattern})


@pytest.mark.sim
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("unit", UNITS)
def test_a_stream_may_stand_still_for_long(unit: str, stream: str) -> None:
    for case in waits(unit, stream):
        played = batch.play(case)
        assert played.passed, f"\n{played.report}\n  replay    {played.replay}"


def impatient(unit: str, stream: str) -> Bug:
    """Return a bug that loses a beat once a stream has stood still for 63 cycles."""
    if stream == "output":
        file, moves, what, loses = "skid_buffer.v", "m_axis_tready", "advance", "waited |"
    else:
        file, moves, what, loses = f"{unit}.v", f"s_axis_{stream}_tvalid", "beat", "~waited &"
    counter = (
        "reg [5:0] waited_q;\n    wire waited = &waited_q;\n\n    always @(posedge clk)\n"
        f"        waited_q <= {moves} ? 6'd0 : waited_q + {{5'd0, ~waited}};\n\n"
    )
    return Bug(file, f"    wire {what} =", f"    {counter}    wire {what} = {loses}")


READY_OF_A_FULL_UNIT = Bug(
    "skid_buffer.v", "s_axis_tready = ~skid", "s_axis_tready = m_axis_tready | ~skid"
)


def told(bug: Bug, unit: str, stream: str, tmp_path: Path) -> str:
    rtl = planted(bug, tmp_path)
    return "\n".join(batch.play(case, rtl).report for case in waits(unit, stream))


@pytest.mark.sim
@pytest.mark.exhaustive
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("unit", UNITS)
def test_a_bug_of_long_waits_is_found(unit: str, stream: str, tmp_path: Path) -> None:
    assert told(impatient(unit, stream), unit, stream, tmp_path).strip()


@pytest.mark.sim
@pytest.mark.exhaustive
@pytest.mark.parametrize("unit", UNITS)
def test_a_ready_that_follows_another_is_told(unit: str, tmp_path: Path) -> None:
    faults = told(READY_OF_A_FULL_UNIT, unit, "output", tmp_path)
    assert "neither tvalid of an output nor tready of an input may follow tready" in faults
