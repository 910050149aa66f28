"""Coverage of beats: bins that are known by hand are hit, others are not; what is lost is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from regress_suite import asked, here, result

from golden.units import PARAMETERS
from sim import batch
from sim.batch.streams import judge_streams, load_streams
from sim.coverage import Coverage, code, cover_streams
from sim.coverage.functional import OF_STREAMS, hits_of_streams
from sim.coverage.movers import filled
from sim.coverage.stream_cases import Seen
from sim.paths import RTL
from sim.regress import cluster, kinds
from sim.regress.suites import suite
from tb.streams import Beats, StreamCase
from tb.unit_shapes import COVERS_CODE, SHAPES
from tb.unit_streams import contested_case, hostile_cases, stream_cases

CALM = "beats at full speed"
Moved = tuple[int, ...]  # beats of each stream


def parameters(unit: str, *values: int) -> dict[str, int]:
    return dict(zip(PARAMETERS[unit], values, strict=True))


def beats(*values: int, bits: int = 8, **others: Any) -> Beats:
    return Beats(np.array(values)[:, None], bits, **others)


def moved(case: StreamCase, *counts: int) -> Mapping[str, int]:
    return dict(zip((*case.sources, *case.sinks), counts, strict=True))


def told(case: StreamCase, cycles: int, at_reset: Moved | None = None) -> set[str]:
    """Return the bins of a case that a unit answered as it should."""
    found = hits_of_streams(case, cycles, None if at_reset is None else moved(case, *at_reset))
    assert found.keys() <= {case.unit}
    return set(found.get(case.unit, {}))


def of_a_shape(unit: str, *values: int) -> set[str]:
    """Return what its parameters alone tell of a unit that nothing ever stopped."""
    case, *_ = stream_cases(unit, parameters(unit, *values))
    return told(case, case.cycles + 1)


# By hand


def passing(unit: str, stalls: dict[str, str], *values: int) -> StreamCase:
    sent = beats(1, 2, 3, 4, 5)
    return StreamCase(
        unit, parameters(unit, *values), {"s_axis": sent}, {"m_axis": sent}, stalls=stalls, cycles=6
    )


def test_a_fifo_by_hand() -> None:
    """Three beats of room; nobody asks for five cycles, then the last two come through."""
    late = passing("fifo", {"m_axis": "late-5"}, 8, 3)
    state = filled(Seen(late, 10), room=3)
    assert state.held.tolist() == [0, 1, 2, 3, 3, 3, 2, 2, 2, 1]
    assert np.flatnonzero(state.takes).tolist() == [0, 1, 2, 6, 7]
    assert np.flatnonzero(state.gives).tolist() == [5, 6, 7, 8, 9]
    assert told(late, 10) == {
        "output stream stalls, and no other", "full", "a beat comes while one leaves",
        "a beat offered while it is full", "pointers wrap, DEPTH no power of two",
    }  # fmt: skip
    slow = passing("fifo", {"s_axis": "every-2"}, 8, 4)
    assert told(slow, 11) == {
        "input stream stalls, and no other", "empty again", "pointers wrap, DEPTH a power of two",
    }  # fmt: skip
    assert told(passing("fifo", {}, 8, 8), 6) == {CALM, "a beat comes while one leaves"}
    assert CALM not in told(passing("fifo", {}, 8, 8), 7)


def test_a_skid_buffer_by_hand() -> None:
    late = passing("skid_buffer", {"m_axis": "late-4"}, 8)
    assert told(late, 9) == {
        "output stream stalls, and no other", "full", "a beat comes while one leaves",
        "a beat offered while it is full",
    }  # fmt: skip


def test_streams_that_stall_together_by_hand() -> None:
    both = passing("replay_buffer", {"s_axis": "cycles-01", "m_axis": "late-2"}, 8, 5, 1)
    assert told(both, 12) == {"all streams stall"}
    nothing = passing("replay_buffer", {"s_axis": "late-0", "m_axis": "bursts-99-9"}, 8, 5, 1)
    assert told(nothing, 5) == set()


@pytest.mark.parametrize(
    ("at_reset", "due"),
    [
        ((0, 0), {"before the first beat of all"}),
        ((2, 2), {"in the middle of all beats", "with no beat in it"}),
        ((3, 1), {"in the middle of all beats", "with beats in it"}),
        ((4, 1), {"in the middle of all beats", "while it is full"}),
        ((5, 5), {"after the last beat of all", "with no beat in it"}),
    ],
)
def test_resets_of_a_fifo_by_hand(at_reset: Moved, due: set[str]) -> None:
    found = told(passing("fifo", {}, 8, 3), 6, at_reset)
    assert {name for name in found if name.startswith("reset")} == {f"reset {n}" for n in due}


@pytest.mark.parametrize(
    ("lanes", "due"),
    [
        ((2, 2), "as many lanes"), ((1, 3), "a multiple of the lanes"),
        ((6, 1), "a part of the lanes"), ((2, 5), "more lanes, no common divisor"),
        ((5, 2), "fewer lanes, no common divisor"), ((4, 6), "a common divisor, and no multiple"),
    ],
)  # fmt: skip
def test_lanes_by_hand(lanes: tuple[int, int], due: str) -> None:
    left = {"lanes that fill no beat are left"} if 192 * lanes[0] % lanes[1] else set()
    assert of_a_shape("width_converter", 8, *lanes) == {due} | left


def test_resets_of_a_converter_by_hand() -> None:
    name = "reset with lanes in it that fill no beat"
    case, *_ = stream_cases("width_converter", parameters("width_converter", 8, 2, 3))
    hit = [at for at in ((1, 0), (2, 0), (2, 1), (3, 2)) if name in told(case, 9, at)]
    assert hit == [(1, 0), (2, 1)]  # four lanes fill a beat, six are two


@pytest.mark.parametrize(
    ("beats_and_loop", "at_reset", "due"),
    [
        ((1, 1), (2,), {"one word, over and over"}),
        ((3, 1), (3,), {"starts over"}),
        ((3, 1), (4,), {"starts over", "reset inside a set of words"}),
        ((3, 0), (2,), {"all words once, then silence", "reset inside a set of words"}),
        ((3, 0), (3,), {"all words once, then silence", "reset in silence"}),
    ],
)
def test_a_rom_by_hand(beats_and_loop: tuple[int, int], at_reset: Moved, due: set[str]) -> None:
    case, *_ = stream_cases("weight_rom", parameters("weight_rom", 8, *beats_and_loop))
    assert {
        n for n in told(case, 99, at_reset) if " all beats" not in n and " of all" not in n
    } == due


EDGES = {f"padding at the {edge}" for edge in ("top", "bottom", "left", "right")}


@pytest.mark.parametrize(
    ("shape", "due"),
    [
        ((1, 1, 1, 4, 4, 1, 1, 0, 1, 0),
         {"no padding", "a window of one pixel", "one beat a pixel"}),
        ((1, 2, 1, 4, 4, 3, 1, 1, 1, 0),
         {*EDGES, "windows overlap", "channels inside of taps, several beats a pixel"}),
        # The last window ends at the last pixel of four, not in the padding.
        ((1, 2, 1, 4, 4, 3, 2, 1, 1, 1),
         {"padding at the top", "padding at the left", "windows overlap", "stride over 1",
          "depthwise, several beats a pixel"}),
        ((1, 1, 1, 5, 4, 2, 2, 0, 1, 0),
         {"no padding", "stride over 1", "rows that no window looks at", "one beat a pixel"}),
        ((1, 1, 1, 5, 4, 2, 3, 0, 3, 0),
         {"no padding", "windows overlap", "stride over 1", "dilation over 1",
          "rows that no window looks at", "one beat a pixel"}),
    ],
)  # fmt: skip
def test_windows_by_hand(shape: tuple[int, ...], due: set[str]) -> None:
    assert of_a_shape("swu", *shape) == due


def test_images_by_hand() -> None:
    """Three images of four pixels, a window each."""
    shape = parameters("swu", 8, 1, 1, 2, 2, 2, 1, 0, 1, 0)
    (calm,) = stream_cases("swu", shape)
    assert "an image right after another" in told(calm, calm.cycles)
    assert "an image right after another" not in told(calm, calm.cycles + 1)
    (late,) = stream_cases("swu", shape, stalls={"m_axis": "late-7"})
    name = "no room for another row"
    assert hits_of_streams(late, 20)["swu"][name] == 1  # three rows of two beats are room
    (late,) = stream_cases("swu", shape, stalls={"m_axis": "late-6"})
    assert name not in told(late, 20)
    (late,) = stream_cases("swu", shape, stalls={"m_axis": "late-9", "s_axis": "late-1"})
    assert name not in told(late, 20)
    at = ((0, 0), (3, 0), (4, 2), (5, 2), (5, 4), (8, 4), (9, 4))
    for name, hit in (
        ("inside of an image", [(3, 0), (5, 2), (5, 4), (9, 4)]),
        ("while the next image comes", [(5, 2), (9, 4)]),
    ):
        assert [m for m in at if f"reset {name}" in told(calm, 99, m)] == hit


# Activations


def thresholds(search: int, **others: Any) -> StreamCase:
    """Two rows of three thresholds, one at a time: 1 2 3 and 5 5 8; two vectors, then new ones."""
    first, second = (1, 2, 3, 5, 5, 8), (0, 1, 1, -8, 0, 7)
    return StreamCase(
        "threshold", parameters("threshold", 2, 1, 4, 2, 0, search),
        {
            "s_axis_input": beats(0, 5, 7, 7, 1, 0, bits=4, after=others.pop("after", None)),
            "s_axis_threshold": beats(
                *first, *second, bits=5, after=("s_axis_input", np.repeat([0, 3], 6))
            ),
        },
        {"m_axis_output": beats(0, 2, 3, 2, 3, 2, bits=2)}, **others,
    )  # fmt: skip


@pytest.mark.parametrize(("search", "way"), [(0, "at once"), (1, "in stages")])
def test_thresholds_by_hand(search: int, way: str) -> None:
    given = ("s_axis_threshold", np.array([0, 0, 0, 0, 7, 7]))
    case = thresholds(search, after=given)
    found = hits_of_streams(case, 30)["threshold"]
    assert found == {
        f"{name}, {way}": count
        for name, count in {
            "no threshold reached": 1,  # 0 of 1 2 3
            "all thresholds reached": 2,  # 7 of 1 2 3, 1 of 0 1 1
            "some thresholds reached": 3,
            "a threshold reached exactly": 3,  # 5 of 5 5 8, 1 of 0 1 1, 0 of -8 0 7
            "a threshold missed by one": 2,  # 0 of 1 2 3, 7 of 5 5 8
            "several equal thresholds reached": 2,
            "a threshold over the highest accumulator": 2,  # 8 where 7 is the highest
            "new thresholds between two vectors": 1, "unsigned outputs": 1, "several folds": 1,
        }.items()
    }  # fmt: skip
    waits = f"new thresholds while a vector waits, {way}"
    assert waits in told(thresholds(search), 30)
    assert waits not in told(thresholds(search, stalls={"s_axis_input": "late-9"}), 30)
    at = ((0, 0, 0), (0, 5, 0), (0, 6, 0), (1, 6, 1), (2, 6, 1), (2, 6, 2), (4, 9, 4))
    for name, hit in (
        ("inside a set of thresholds", [(0, 5, 0), (4, 9, 4)]),
        ("between two beats of a vector", [(1, 6, 1)]),
        ("with results on their way", [(2, 6, 1)]),
    ):
        assert [m for m in at if f"reset {name}, {way}" in told(case, 30, m)] == hit


def test_sets_of_thresholds_by_hand() -> None:
    """One row of one threshold, which is replaced before a vector has met it."""
    shape = parameters("threshold", 1, 1, 2, 1, 1, 0)
    one, several = stream_cases("threshold", shape)
    name = "new thresholds right after others, at once"
    assert name in told(several, 999)
    assert {"new thresholds between two vectors, at once", name}.isdisjoint(told(one, 999))
    assert {"signed outputs, at once", "outputs of one bit, at once", "one fold, at once"} <= told(
        one, 999
    )
    assert "new thresholds while a vector waits, at once" in told(contested_case(shape), 999)


def mvtu(threshold: int, overflow: int, inputs: tuple[int, ...], **others: Any) -> StreamCase:
    """One weight of 7 and inputs of four bits, where 31 or 15 is the highest accumulator."""
    shape = parameters("mvtu", 1, 1, 1, 1, 4, 0, 4, 0, 0, 5, overflow, 1, 1, 0, 0)
    count = len(inputs)
    return StreamCase(
        "mvtu", shape,
        {
            "s_axis_input": beats(*inputs, bits=4), "s_axis_weight": beats(*[7] * count, bits=4),
            "s_axis_threshold": beats(threshold, bits=6),
        },
        {"m_axis_output": beats(*[0] * count, bits=1)}, **others,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("threshold", "overflow", "value", "due"),
    [
        (1, 0, 2, {"no overflow"}),  # 14
        (9, 1, 3, {"overflow that the activation hides, saturate"}),  # 21 becomes 15
        (16, 1, 3, {"overflow that changes the activation, saturate"}),
        (9, 0, 3, {"overflow that changes the activation, wrap"}),  # 21 becomes -11
        (-11, 0, 3, {"overflow that the activation hides, wrap"}),
    ],
)
def test_an_activation_by_hand(threshold: int, overflow: int, value: int, due: set[str]) -> None:
    shape = {"thresholds met at once", "one neuron fold"}
    assert told(mvtu(threshold, overflow, (value,)), 5) == due | shape


def test_resets_of_an_mvtu_by_hand() -> None:
    case, sets = stream_cases("mvtu", SHAPES["mvtu"][0])  # SF=2, six thresholds times two rows
    at = ((0, 0, 0, 0), (1, 1, 0, 0), (2, 2, 3, 0), (2, 3, 12, 0), (2, 4, 12, 1))
    for name, hit in (
        ("inside a dot product", [(1, 1, 0, 0), (2, 3, 12, 0)]),
        ("before all thresholds are in", [(0, 0, 0, 0), (1, 1, 0, 0), (2, 2, 3, 0)]),
        ("while sums wait for their thresholds", [(2, 2, 3, 0)]),
    ):
        assert [m for m in at if f"reset {name}" in told(case, 999, m)] == hit
    name = "new thresholds between two vectors"
    assert (name in told(sets, 999), name in told(case, 999)) == (True, False)


# Played on the RTL


@cache
def played(unit: str) -> list[batch.streams.PlayedStreams]:
    found = []
    for shape in SHAPES[unit]:
        cases = hostile_cases(unit, shape)
        engine = load_streams(cases[0])
        found += [judge_streams(engine, case) for case in cases]
    assert all(each.passed for each in found)
    return found


def missed(unit: str, keep: Callable[[StreamCase], bool] = lambda case: True) -> set[str]:
    kept = [cover_streams(each) for each in played(unit) if keep(each.case)]
    hit = Coverage.merged(kept).bins.get(unit, {})
    return named(unit, "") - hit.keys()


def named(unit: str, *words: str) -> set[str]:
    return {
        one.name for one in OF_STREAMS
        if one.unit == unit and not one.reason and any(word in one.name for word in words)
    }  # fmt: skip


@pytest.mark.sim
@pytest.mark.parametrize("unit", SHAPES)
def test_hostile_cases_hit_every_bin_and_lose_what_is_taken_away(unit: str) -> None:
    assert missed(unit) == set()
    assert missed(unit, lambda case: case.reset_after is None) == named(unit, "reset ")
    without = {
        name for name in missed(unit, lambda c: not c.stalls) if not name.startswith("reset")
    }
    assert without == named(unit, " stall", "empty again", "no room") | (
        named(unit, "full") - named(unit, "reset", "full speed")
    )
    assert missed(unit, lambda case: bool(case.stalls) or case.reset_after is not None) >= {CALM}


@pytest.mark.sim
@pytest.mark.parametrize(
    ("unit", "keep", "lost"),
    [
        ("fifo", lambda c: c.parameters["DEPTH"] != 5, {"pointers wrap, DEPTH no power of two"}),
        ("width_converter", lambda c: c.parameters["OUT_LANES"] != 6,
         {"a common divisor, and no multiple"}),
        ("weight_rom", lambda c: c.parameters["LOOP"] == 1,
         {"all words once, then silence", "reset in silence"}),
        ("swu", lambda c: c.parameters["PADDING"] == 0, EDGES | {"dilation over 1"}),
        ("threshold", lambda c: c.name != "contested",
         named("threshold", "while a vector waits")),
        ("threshold", lambda c: c.parameters["SEARCH"] == 0, named("threshold", "in stages")),
        ("mvtu", lambda c: c.name == "one_set", {"new thresholds between two vectors"}),
        ("mvtu", lambda c: c.parameters["OVERFLOW"] == 0, named("mvtu", "saturate")),
    ],
)  # fmt: skip
def test_a_stimulus_that_is_taken_away_is_missed(
    unit: str, keep: Callable[[StreamCase], bool], lost: set[str]
) -> None:
    assert lost
    assert lost <= missed(unit, keep)


@pytest.mark.sim
@pytest.mark.parametrize(("unit", "room"), [("skid_buffer", 2), ("fifo", 5)])
def test_a_buffer_is_as_full_as_is_told(unit: str, room: int) -> None:
    """All its beats have left in the last cycle, and so many had come when a reset cut in."""
    resets = 0
    for each in played(unit):
        if each.case.parameters.get("DEPTH", 2) != room:
            continue
        state = filled(Seen(each.case, each.cycles), room)
        assert state.gives[-1]
        assert state.gives.sum() == state.takes.sum() == len(each.case.sinks["m_axis"])
        if each.at_reset is not None:
            held = each.at_reset["s_axis"] - each.at_reset["m_axis"]
            assert [*state.held, 0][min(each.case.reset_after, each.cycles)] == held
            resets += 1
    assert resets > 5


# Code


def test_what_is_out_of_reach_is_there() -> None:
    for file, names in code.OUT_OF_REACH.items():
        text = (RTL / file).read_text(encoding="utf-8")
        assert all(name.partition("[")[0] in text for name in names)


def test_code_out_of_reach_by_hand() -> None:
    source = ["module m;", "function [3:0] f;", "  begin", "endfunction", "endmodule"]
    file = code.File(
        {code.Block(line, 1, "block"): 0 for line in (1, 2, 4, 5)},
        {
            code.Signal(1, "x"): code.Bits(0b1111, 0b1000, 0b1001),
            code.Signal(1, "m[3]"): code.Bits(1, 0, 0), code.Signal(1, "mm"): code.Bits(1, 0, 0),
        },
    )  # fmt: skip
    left = file.within_reach(["f", "x[2:1]", "m"], source)
    assert [block.line for block in left.blocks] == [1, 5]
    assert left.signals == {
        code.Signal(1, "x"): code.Bits(0b1001, 0b1000, 0b1001),
        code.Signal(1, "mm"): code.Bits(1, 0, 0),
    }  # fmt: skip
    assert file.within_reach([], source) == file


def test_shapes_that_count_are_among_those_that_play() -> None:
    assert COVERS_CODE.keys() == SHAPES.keys()
    for unit, shapes in COVERS_CODE.items():
        assert all(shape in SHAPES[unit] for shape in shapes)


# In a regression


JOB = next(job for job in suite("quick").jobs if (job.kind, job.unit) == ("streams", "weight_rom"))


@pytest.mark.sim
def test_a_job_tells_what_it_covered_and_a_hunt_does_not_look() -> None:
    coverage = Coverage.from_json(kinds.run(JOB).details["coverage"])
    rom = next(each for each in coverage.per_unit() if each.unit == "weight_rom")
    assert (rom.missed_bins, rom.code_holes) == ((), ())
    assert rom.blocks is not None
    assert rom.unreachable == {"weight_rom.v memory": "its words are constants"}
    assert not kinds.run(JOB, explain=False).details


@pytest.mark.sim
def test_a_regression_asks_for_the_bins_of_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "outcomes", here)
    told = asked(tmp_path, [JOB], covers=True)
    assert not told.failures
    assert not told.passed
    assert "fifo: full" in told.uncovered
    assert not any(name.startswith("weight_rom: ") for name in told.uncovered)
    broken = replace(told.outcomes[0], result=result("failed", signature="lost", report="lost"))
    unknown = replace(told, outcomes=(broken,))
    assert (unknown.unseen, unknown.uncovered) == ([broken], [])
