"""Every unit at every width, fold and room for its sums: RTL = golden, and what that covers.

``tests/every_shape.py`` chooses the points. Two of each unit are always played, all on demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from every_shape import (
    FOLDS,
    INPUTS,
    LARGEST,
    ROOMS,
    WEIGHTS,
    WIDEST,
    MatrixPoint,
    StreamPoint,
    heaviest_row,
    matrix_points,
    rooms,
    shows_overflow,
    stream_points,
    taps,
)
from planted_bugs import Bug, planted

from golden import bounds, units
from golden.integer import Overflow
from golden.spec import MvauSpec
from sim import batch
from sim.paths import RTL
from tb import stimulus
from tb.case import DEPTHWISE, UNROLLED, Case, streams_of
from tb.unit_streams import contested_case, hostile_cases

MATRIX, STREAMS = matrix_points(), stream_points()
PATTERNS = ("random-30", "every-3", "random-60", "bursts-2-3", "late-20", "cycles-0110")
ADDERS = ("mac", "mvau", "vvau", "mvtu")  # units that have dot.v inside
Point = MatrixPoint | StreamPoint


def of_unit(unit: str) -> list[Any]:
    return [point for point in (*MATRIX, *STREAMS) if point.unit == unit]


def _few(points: Sequence[Point]) -> set[str]:
    """Return two small ones of each unit, of other formats and sizes than those of other units."""
    few = set()
    units = sorted({point.unit for point in points})
    for turn, unit in enumerate(units):
        every = [point for point in points if point.unit == unit]
        for part in (2 * turn, 2 * turn + 1):
            first = part * len(every) // (2 * len(units))
            few.add(str(min(every[first : first + 12], key=_size)))
    return few


def _size(point: Point) -> int:
    """Return the lanes of a unit, which is what takes time to build."""
    if isinstance(point, MatrixPoint) or point.unit == "mvtu":
        return point.spec.pe * point.spec.simd
    return point.parameters.get("PE", 1) << point.parameters.get("OUTPUT_BITS", 0)


def each(points: Sequence[Point]) -> pytest.MarkDecorator:
    few = _few(points)
    return pytest.mark.parametrize(
        "point",
        [
            pytest.param(
                point, id=str(point), marks=[] if str(point) in few else pytest.mark.exhaustive
            )
            for point in points
        ],
    )


# Playing


def matrix_cases(point: MatrixPoint) -> list[Case]:
    """Return cases of adverse rows and the heaviest: calm, with stalls, and with a reset too."""
    unit, spec, depthwise = point.unit, point.spec, point.unit == DEPTHWISE
    rng = np.random.default_rng(point.seed)
    weights, (edges, *_, uniform) = stimulus.adverse_layer(spec, rng, depthwise)
    weights[-1] = heaviest_row(spec)
    stimuli = (edges, *stimulus.systematic(weights, spec.inputs, depthwise), uniform)
    calm = Case(
        unit, spec, "every_shape", weights, stimuli, seed=point.seed, registers=point.registers
    )
    streams = streams_of(unit)
    turned = {
        stream: PATTERNS[(point.seed + turn) % len(PATTERNS)] for turn, stream in enumerate(streams)
    }
    cycles = calm.vector_count * spec.total_fold
    return [
        calm,
        replace(calm, stalls=dict.fromkeys(streams, "random-30")),
        replace(calm, stalls=turned, reset_after=cycles * (1 + point.seed % 8) // 9),
    ]


def play_matrix(point: MatrixPoint, rtl: Path = RTL) -> None:
    """Hold every result to golden; overflow bits are seen if and only if P can be too small."""
    spec = point.spec
    for case in matrix_cases(point):
        played = batch.play(case, rtl)
        assert played.passed, f"\n{played.report}\n  replay    {played.replay}"
        assert sum(tally.results for tally in played.tallies) == case.vector_count * spec.mh > 0
        assert played.outcome is not None
        seen = bool(played.outcome.overflow.any())
        assert seen == shows_overflow(spec)


def play_streams(point: StreamPoint, rtl: Path = RTL) -> None:
    """Hold every beat to the golden twin."""
    overflows = False
    cases = hostile_cases(point.unit, point.parameters, point.seed, few=True)
    if point.unit == "threshold":
        cases.append(contested_case(point.parameters, point.seed))
    for case in cases:
        played = batch.play_streams(case, rtl)
        assert played.passed, f"\n{played.report}\n  replay    {played.replay}"
        assert played.beats >= sum(map(len, case.sinks.values())) > 0
        if point.unit == "mvtu":
            bits = case.sinks["m_axis_output"].user
            assert bits is not None
            overflows |= bool(bits.any())
    if point.unit == "mvtu":
        require_overflow_bits(point.spec, overflows)


def require_overflow_bits(spec: MvauSpec, seen: bool) -> None:
    """The sixth of the adverse rows is of lowest weights; fewer rows may miss the heaviest one."""
    assert not seen or shows_overflow(spec)
    lowest = np.full((1, spec.mw), spec.weights.minimum)
    if spec.observe and spec.mh >= 6 and spec.acc_bits < bounds.layer_bits(lowest, spec.inputs):
        assert seen


@pytest.mark.sim
@each(MATRIX)
def test_results_and_overflow_bits_are_those_of_golden(point: MatrixPoint) -> None:
    play_matrix(point)


@pytest.mark.sim
@each(STREAMS)
def test_beats_are_those_of_the_golden_twin(point: StreamPoint) -> None:
    play_streams(point)


# What the points cover


def values(unit: str, *names: str) -> set[tuple[int, ...]]:
    return {tuple(point.parameters[name] for name in names) for point in of_unit(unit)}


def one_to(largest: int) -> set[int]:
    return set(range(1, largest + 1))


def test_no_unit_is_left_out() -> None:
    counts = {unit: len(of_unit(unit)) for unit in sorted({p.unit for p in (*MATRIX, *STREAMS)})}
    matrix = dict.fromkeys(("mac", "mvau", "vvau", UNROLLED, "mvtu"), 306)
    assert set(units.UNITS) < set(counts)
    assert counts == matrix | {
        "fifo": 64, "replay_buffer": 64, "skid_buffer": 30, "swu": 280, "threshold": 288,
        "weight_rom": 128, "width_converter": 120,
    }  # fmt: skip
    points = [*MATRIX, *STREAMS]
    assert len({str(point) for point in points}) == len(points) == sum(counts.values())
    assert len(_few(points)) == 2 * len(counts)


@pytest.mark.parametrize("unit", sorted({point.unit for point in STREAMS}))
def test_parameters_make_sense(unit: str) -> None:
    for point in of_unit(unit):
        units.require(unit, point.parameters)


@pytest.mark.parametrize("unit", ["mac", "mvau", "vvau", UNROLLED, "mvtu"])
def test_every_format_meets_every_format_policy_and_room(unit: str) -> None:
    specs: list[MvauSpec] = [point.spec for point in of_unit(unit)]
    assert {(s.weights, s.inputs, s.overflow) for s in specs} == set(
        product(WEIGHTS, INPUTS, Overflow)
    )
    for of, everything in (
        (lambda s: s.weights, WEIGHTS),
        (lambda s: s.inputs, INPUTS),
        (lambda s: s.overflow, Overflow),
        (lambda s: s.observe, (False, True)),
    ):
        assert {(of(s), room) for s in specs for room in rooms(s)} == set(
            product(everything, ROOMS)
        )
    assert {2, 3} < {s.acc_bits for s in specs}
    assert {(s.overflow, s.observe) for s in specs} == set(product(Overflow, (False, True)))


@pytest.mark.parametrize("unit", ["mvau", "vvau", "mvtu"])
def test_every_fold_of_columns_and_of_rows(unit: str) -> None:
    specs: list[MvauSpec] = [point.spec for point in of_unit(unit)]
    assert {(s.mw, s.simd) for s in specs} == {(s.mh, s.pe) for s in specs} == set(FOLDS)
    assert any(s.pe == s.simd == 1 for s in specs)
    assert any(s.pe >= 8 and s.simd >= 8 for s in specs)


def test_what_every_size_and_format_does_where_sums_leave_p() -> None:
    """A size that comes once or twice does not come with an ample P alone."""
    formats = set()
    for unit in ADDERS:
        specs: list[MvauSpec] = [point.spec for point in of_unit(unit)]
        narrow = [spec for spec in specs if shows_overflow(spec)]
        for name in ("mw", "mh", "pe", "simd"):
            assert {getattr(s, name) for s in narrow} == {getattr(s, name) for s in specs}
        formats |= {(s.weights, s.inputs, s.overflow) for s in narrow}
    assert formats == set(product(WEIGHTS, INPUTS, Overflow))


@pytest.mark.parametrize("unit", ["mac", UNROLLED])
def test_every_width_and_height(unit: str) -> None:
    specs: list[MvauSpec] = [point.spec for point in of_unit(unit)]
    assert {s.mw for s in specs} == {s.mh for s in specs} == one_to(LARGEST)
    assert {n for n, _ in FOLDS} == one_to(LARGEST)
    if unit == UNROLLED:
        stages = {len(point.registers or ()) for point in of_unit(unit)}
        assert stages == set(range(8)), "from none to one after each level of 64 lanes"


def test_every_activation() -> None:
    every = set(product(one_to(WIDEST), (0, 1), (0, 1)))
    for unit in ("threshold", "mvtu"):
        assert values(unit, "OUTPUT_BITS", "SIGNED_OUTPUT", "SEARCH") == every
    assert values("threshold", "MH", "PE") == set(FOLDS)
    assert values("threshold", "ACC_BITS") == {(bits,) for bits in range(2, 64)}


def test_every_window() -> None:
    assert values("swu", "KERNEL", "DILATION", "PADDING", "DEPTHWISE") == set(taps())
    assert values("swu", "CHANNELS", "SIMD") == set(FOLDS)
    assert values("swu", "KERNEL", "STRIDE", "DEPTHWISE") == set(
        product(one_to(5), one_to(5), (0, 1))
    )
    assert values("swu", "INPUT_BITS") == {(bits,) for bits in one_to(WIDEST)}


def test_every_buffer_converter_and_rom() -> None:
    counts = {(n,) for n in one_to(LARGEST)}
    ratios = values("width_converter", "IN_LANES", "OUT_LANES")
    assert ratios > set(product(one_to(WIDEST), repeat=2))
    for side in ("IN_LANES", "OUT_LANES"):
        assert values("width_converter", side) == counts
    assert values("width_converter", "LANE_BITS") > {(bits,) for bits in one_to(WIDEST)}
    assert values("replay_buffer", "BEATS") == values("replay_buffer", "COPIES") == counts
    assert values("fifo", "DEPTH") == {(depth,) for depth in range(2, LARGEST + 2)}
    assert values("weight_rom", "BEATS", "LOOP") == set(product(one_to(LARGEST), (0, 1)))
    assert values("skid_buffer", "DATA_BITS") > {(bits,) for bits in one_to(2 * WIDEST)}
    for unit in ("replay_buffer", "fifo", "weight_rom"):
        bits = {bits for (bits,) in values(unit, "DATA_BITS")}
        assert min(bits) <= 8
        assert max(bits) > 64
        assert len(bits) >= 64


# Whether the points would notice


class Narrow(NamedTuple):
    """A bug that shows at one value alone."""

    units: tuple[str, ...]
    where: dict[str, int]
    bug: Bug


NARROW = {
    "SIMD 21": Narrow(
        ("mvau",), {"SIMD": 21},
        Bug("dot.v", "wrapped = a + b;", "wrapped = (SIMD == 21) ? a | b : a + b;"),
    ),
    "MW 63": Narrow(
        ("mvau",), {"MW": 63}, Bug("mvau.v", ".BEATS(MW/SIMD)", ".BEATS(MW == 63 ? 1 : MW/SIMD)")
    ),
    "PE 37": Narrow(
        ("mvau",), {"PE": 37},
        Bug("mvau.v", ".overflow(overflow[gp])", ".overflow(overflow[PE == 37 ? 36 - gp : gp])"),
    ),
    "PE 53, depthwise": Narrow(
        ("vvau",), {"PE": 53}, Bug("vvau.v", "(gs*PE+gp)", "(gs*PE+(PE == 53 ? 52 - gp : gp))")
    ),
    "P 2": Narrow(
        ("mac",), {"ACC_BITS": 2},
        Bug("dot.v", "(fits || OVERFLOW == 0) ?", "(fits || OVERFLOW == 0 || ACC_BITS == 2) ?"),
    ),
    "signed inputs of one bit": Narrow(
        ("mac",), {"INPUT_BITS": 1, "SIGNED_INPUT": 1},
        Bug("dot.v", "if (SIGNED_INPUT == 1)", "if (SIGNED_INPUT == 1 && INPUT_BITS > 1)"),
    ),
    "seven bits by three, saturating": Narrow(
        ADDERS, {"WEIGHT_BITS": 7, "INPUT_BITS": 3, "OVERFLOW": 1},
        Bug(
            "dot.v", "held = (fits ||",
            "held = (fits || (WEIGHT_BITS == 7 && INPUT_BITS == 3 && sign) ||",
        ),
    ),
    "44 copies": Narrow(
        ("replay_buffer",), {"COPIES": 44},
        Bug("replay_buffer.v", "LAST_COPY = COPIES - 1", "LAST_COPY = COPIES - 1 - (COPIES == 44)"),
    ),
    "51 deep": Narrow(
        ("fifo",), {"DEPTH": 51},
        Bug("fifo.v", "LAST_PLACE = DEPTH - 1", "LAST_PLACE = DEPTH - 1 - (DEPTH == 51)"),
    ),
    "59 lanes": Narrow(
        ("width_converter",), {"OUT_LANES": 59},
        Bug("width_converter.v", "= ROOM - IN;", "= ROOM - IN - (OUT_LANES == 59);"),
    ),
    "61 words": Narrow(
        ("weight_rom",), {"BEATS": 61},
        Bug("weight_rom.v", "LAST_BEAT = BEATS - 1", "LAST_BEAT = BEATS - 1 - (BEATS == 61)"),
    ),
    "127 thresholds": Narrow(
        ("threshold",), {"OUTPUT_BITS": 7},
        Bug("threshold_parallel.v", "step <= STEPS; step", "step <= STEPS - (STEPS == 127); step"),
    ),
    "padding of eleven": Narrow(
        ("swu",), {"PADDING": 11},
        Bug(
            "window_cursor.v", "y_q + DILATION[ROW_BITS-1:0]",
            "y_q + DILATION[ROW_BITS-1:0] - (PADDING == 11)",
        ),
    ),
}  # fmt: skip


def parameters_of(point: Point) -> dict[str, int]:
    if isinstance(point, StreamPoint):
        return dict(point.parameters)
    return {name.upper(): value for name, value in point.spec.to_json().items()}


def fails(points: Iterable[Point], rtl: Path) -> bool:
    for point in points:
        try:
            play_streams(point, rtl) if isinstance(point, StreamPoint) else play_matrix(point, rtl)
        except AssertionError as failure:
            return "replay    make repro" in str(failure)
    return False


@pytest.mark.sim
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NARROW)
def test_a_bug_at_one_value_is_found(name: str, tmp_path: Path) -> None:
    of_units, where, bug = NARROW[name]
    points = [point for unit in of_units for point in of_unit(unit)]
    there = [point for point in points if where.items() <= parameters_of(point).items()]
    elsewhere = next(point for point in points if point not in there)
    rtl = planted(bug, tmp_path)
    assert fails(there, rtl)
    assert not fails([elsewhere], rtl), "it shows at that value alone"
