"""The units that move beats: what leaves is what the golden twins say, whatever the streams do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from one_flop import MODULE_ENV
from planted_bugs import STREAM_BUGS, planted, unreset
from rtl_suite import simulators

from golden.integer import Format, InputError
from golden.streams import output_size
from sim import cli
from sim.batch.engine import stalled_cycles
from sim.batch.streams import judge_streams, load_streams, play_streams, run_streams
from sim.build import build
from sim.cache import SimulationError
from sim.rtl import closure
from sim.run import play_streams as play_in_simulator
from sim.run import simulate
from sim.tools import simulator
from tb import unit_shapes
from tb.packing import pack
from tb.streams import StreamCase
from tb.unit_streams import contested_case, stream_cases

pytestmark = pytest.mark.sim

Shape = tuple[str, dict[str, int]]


def _shape(unit: str, **parameters: int) -> Shape:
    return unit, {name.upper(): value for name, value in parameters.items()}


def _rom(data_bits: int, beats: int, loop: int) -> Shape:
    rng = np.random.default_rng(data_bits * beats)
    words = pack(rng.integers(0, 2, data_bits * beats), Format(1, signed=False))
    return _shape("weight_rom", data_bits=data_bits, beats=beats, loop=loop, words=words)


def _threshold(mh: int, pe: int, p: int, b: int, signed: int, search: int) -> Shape:
    return _shape(
        "threshold", mh=mh, pe=pe, acc_bits=p, output_bits=b, signed_output=signed, search=search
    )


def _swu(
    channels: int, simd: int, size: tuple[int, int], kernel: int, stride: int, padding: int,
    dilation: int = 1, depthwise: int = 0, bits: int = 4,
) -> Shape:  # fmt: skip
    return _shape(
        "swu", input_bits=bits, channels=channels, simd=simd, height=size[0], width=size[1],
        kernel=kernel, stride=stride, padding=padding, dilation=dilation, depthwise=depthwise,
    )  # fmt: skip


def _drawn_windows(count: int) -> list[Shape]:
    """Return windows that nobody would think of, as long as they are legal."""
    rng = np.random.default_rng(7)
    shapes: list[Shape] = []
    while len(shapes) < count:
        kernel, dilation = int(rng.integers(1, 5)), int(rng.integers(1, 4))
        padding = int(rng.integers(0, (kernel - 1) * dilation + 1))
        height, width = map(int, rng.integers(1, 8, 2))
        simd, fold = map(int, rng.integers(1, 4, 2))
        try:
            for size in (height, width):
                output_size(size, kernel, 1, padding, dilation)
        except InputError:
            continue
        shapes.append(
            _swu(
                simd * fold, simd, (height, width), kernel, int(rng.integers(1, 6)), padding,
                dilation, int(rng.integers(2)), int(rng.integers(1, 10)),
            )
        )  # fmt: skip
    return shapes


SHAPES: list[Shape] = [
    *(_shape("skid_buffer", data_bits=bits) for bits in (1, 40, 72)),
    *(
        _shape("replay_buffer", data_bits=bits, beats=beats, copies=copies)
        for bits, beats, copies in (
            (8, 1, 1), (9, 5, 1), (33, 1, 3), (16, 6, 5), (16, 8, 2), (1, 3, 4),
        )
    ),
    *(
        _shape("fifo", data_bits=bits, depth=depth)
        for bits, depth in ((1, 2), (8, 3), (33, 4), (65, 5), (7, 16))
    ),
    *(
        _shape("width_converter", lane_bits=bits, in_lanes=lanes_in, out_lanes=lanes_out)
        for bits, lanes_in, lanes_out in (
            (1, 1, 1), (8, 7, 7), (2, 1, 2), (3, 2, 1), (4, 1, 3), (5, 3, 1), (6, 2, 3), (7, 3, 2),
            (8, 4, 6), (9, 6, 4), (1, 5, 7), (2, 7, 5), (3, 8, 12), (33, 1, 16), (4, 16, 1),
            (64, 3, 2), (1, 24, 9),
        )
    ),
    *(
        _rom(bits, beats, loop)
        for (bits, beats), loop in product(
            ((1, 1), (1, 2), (3, 3), (8, 4), (5, 5), (40, 7), (65, 16), (200, 9)), (0, 1)
        )
    ),
    # Every fold of twelve rows, and of a few others.
    *(
        _threshold(12, pe, 9, 2, signed, search)
        for pe, (signed, search) in product((1, 2, 3, 4, 6, 12), ((0, 0), (1, 1)))
    ),
    # Every width of an output.
    *(
        _threshold(mh, pe, p, b, b % 2 ^ search, search)
        for (mh, pe, p, b), search in product(
            (
                (1, 1, 2, 1), (7, 7, 63, 1), (5, 1, 3, 2), (6, 3, 2, 3), (4, 2, 16, 3),
                (3, 3, 8, 4), (3, 1, 33, 5), (2, 1, 32, 6), (3, 1, 7, 7), (2, 1, 10, 8),
            ),
            (0, 1),
        )
    ),
    # Every way to fold six channels, both orders.
    *(
        _swu(6, simd, (5, 4), 3, 1, 1, depthwise=depthwise)
        for simd, depthwise in product((1, 2, 3, 6), (0, 1))
    ),
    _swu(1, 1, (1, 1), 1, 1, 0),
    _swu(1, 1, (8, 8), 3, 1, 1),  # the digits
    _swu(8, 4, (8, 8), 3, 2, 1, depthwise=1),
    _swu(8, 8, (4, 4), 1, 1, 0),  # pointwise
    _swu(4, 1, (6, 6), 2, 2, 0),  # pooling
    _swu(2, 1, (7, 5), 1, 2, 0),  # pixels that nobody looks at
    _swu(2, 2, (9, 8), 2, 3, 0),  # rows that nobody looks at, also at the end
    _swu(1, 1, (5, 6), 5, 1, 2),
    _swu(2, 1, (2, 3), 5, 1, 2),  # more padding than image
    _swu(1, 1, (6, 7), 3, 1, 0, dilation=2),
    _swu(2, 1, (7, 7), 3, 2, 2, dilation=2, depthwise=1),
    _swu(1, 1, (3, 3), 2, 1, 4, dilation=4),  # windows with no tap in the image
    _swu(1, 1, (1, 9), 1, 4, 0),  # images of a row
    _swu(1, 1, (9, 1), 3, 1, 1, bits=9),
    _swu(3, 1, (5, 5), 4, 3, 3, bits=1),
    *_drawn_windows(20),
    *(("mvtu", dict(parameters)) for parameters in unit_shapes.SHAPES["mvtu"]),
]  # fmt: skip


def _name(shape: Shape) -> str:
    unit, parameters = shape
    shown = (f"{name.lower()}{value}" for name, value in parameters.items() if name != "WORDS")
    return "-".join([unit, *shown])


each_shape = pytest.mark.parametrize(("unit", "parameters"), SHAPES, ids=map(_name, SHAPES))


def require_good(cases: list[StreamCase]) -> None:
    assert cases
    for case in cases:
        played = play_streams(case)
        assert not played.report, f"{case.id}:\n{played.report}\n{played.replay}"
        assert played.beats >= sum(map(len, case.sinks.values()))


def streams(case: StreamCase) -> list[str]:
    return [*case.sources, *case.sinks]


@each_shape
def test_beats_are_those_of_the_twin_in_as_many_cycles_as_they_need(
    unit: str, parameters: dict[str, int]
) -> None:
    cases = stream_cases(unit, parameters)
    assert all(case.cycles for case in cases)
    require_good(cases)


@each_shape
def test_stalls_change_no_beat(unit: str, parameters: dict[str, int]) -> None:
    names = streams(stream_cases(unit, parameters)[0])
    plans = [{name: pattern} for name in names for pattern in ("random-60", "bursts-2-5")]
    plans += [dict.fromkeys(names, "random-40"), dict.fromkeys(names, "every-2")]
    plans += [{name: f"bursts-{i + 1}-{i + 2}" for i, name in enumerate(names)}]
    for seed, stalls in enumerate(plans):
        require_good(stream_cases(unit, parameters, seed, stalls=stalls))


@each_shape
def test_a_reset_leaves_no_trace(unit: str, parameters: dict[str, int]) -> None:
    first, *_ = stream_cases(unit, parameters)
    assert first.cycles is not None
    cycles = [*range(10), *np.linspace(10, 3 * first.cycles, 16, dtype=int).tolist()]
    for seed, after in enumerate(cycles):
        stalls = {"random": dict.fromkeys(streams(first), "random-30"), "none": {}}
        for plan in stalls.values():
            require_good(stream_cases(unit, parameters, seed, stalls=plan, reset_after=after)[-1:])


THRESHOLDS = [shape for shape in SHAPES if shape[0] == "threshold"]


@pytest.mark.parametrize(("unit", "parameters"), THRESHOLDS, ids=map(_name, THRESHOLDS))
def test_new_thresholds_come_before_the_vector_that_waits_with_them(
    unit: str, parameters: dict[str, int]
) -> None:
    require_good([contested_case(parameters, seed) for seed in range(4)])


# Room


@pytest.mark.parametrize(
    ("shape", "beats"),
    [
        *((_shape("fifo", data_bits=8, depth=depth), depth) for depth in (2, 3, 5, 16)),
        (_shape("skid_buffer", data_bits=8), 2),
        (_swu(6, 2, (5, 4), 3, 1, 1), 4 * 4 * 3),  # the window's three rows and another one
        (_swu(1, 1, (8, 8), 3, 2, 1), 5 * 8),
        (_swu(2, 1, (2, 3), 5, 1, 2), 3 * 3 * 2),  # no more rows than an image has, and another
        (_swu(1, 1, (9, 8), 2, 3, 0), 5 * 8),
    ],
    ids=lambda value: _name(value) if isinstance(value, tuple) else str(value),
)  # fmt: skip
def test_as_many_beats_go_in_while_nobody_asks_as_there_is_room(shape: Shape, beats: int) -> None:
    unit, parameters = shape
    stalls = {"m_axis": "late-300"}
    (case,) = stream_cases(unit, parameters, stalls=stalls, reset_after=200)
    before_reset, _ = run_streams(load_streams(case), case)
    assert before_reset.moved == {"s_axis": beats, "m_axis": 0}


# Planted bugs

HUNTERS: list[Shape] = [
    _shape("fifo", data_bits=1, depth=2),
    _shape("fifo", data_bits=65, depth=5),
    _shape("width_converter", lane_bits=7, in_lanes=3, out_lanes=2),
    _shape("width_converter", lane_bits=6, in_lanes=2, out_lanes=3),
    _rom(3, 3, 0),
    _rom(5, 5, 1),
    _threshold(12, 4, 9, 2, 1, 0),
    _threshold(12, 4, 9, 2, 1, 1),
    _swu(6, 2, (5, 4), 3, 1, 1, depthwise=1),
    _swu(8, 4, (8, 8), 3, 2, 1, depthwise=1),
    _swu(1, 1, (6, 7), 3, 1, 0, dilation=2),
    _swu(1, 1, (9, 9), 3, 3, 0),
    *[shape for shape in SHAPES if shape[0] == "mvtu"][:2],
]


@pytest.mark.parametrize("name", STREAM_BUGS)
def test_planted_bug_is_found(name: str, tmp_path: Path) -> None:
    bug = STREAM_BUGS[name]
    rtl = planted(bug, tmp_path)
    hunters = [shape for shape in HUNTERS if rtl / bug.file in closure(shape[0], rtl)]
    assert hunters, "a bug must be in a unit that is hunted"
    for unit, parameters in hunters:
        cases = stream_cases(unit, parameters)
        names, cycles = streams(cases[-1]), cases[-1].cycles
        for seed in range(1, 10):
            after = cycles * seed**2 // 36  # from almost at once to long after the end
            for stalls in (dict.fromkeys(names, "random-40"), {names[-1]: "every-2"}):
                cases += stream_cases(unit, parameters, seed, stalls=stalls, reset_after=after)
        if unit == "threshold":
            cases.append(contested_case(parameters))
        try:
            engine = load_streams(cases[0], rtl)
        except SimulationError as error:
            pytest.fail(f"a planted bug must build: {error}")
        if any(judge_streams(engine, case).report for case in cases):
            return
    pytest.fail(f"not found: {name}")


# Inside the simulators, four-state


FEW: list[Shape] = [
    _shape("skid_buffer", data_bits=40),
    _shape("replay_buffer", data_bits=16, beats=6, copies=5),
    _shape("fifo", data_bits=8, depth=3),
    _shape("width_converter", lane_bits=7, in_lanes=3, out_lanes=2),
    _shape("width_converter", lane_bits=6, in_lanes=2, out_lanes=3),
    _rom(40, 7, 1),
    _rom(3, 3, 0),
    _threshold(12, 4, 9, 2, 0, 0),
    _threshold(4, 2, 16, 3, 1, 1),
    _swu(6, 2, (5, 4), 3, 1, 1, depthwise=1),
    _swu(2, 2, (9, 8), 2, 3, 0),
]


@pytest.mark.parametrize("sim", simulators())
@pytest.mark.parametrize(("unit", "parameters"), FEW, ids=map(_name, FEW))
def test_simulators_agree(unit: str, parameters: dict[str, int], sim: str) -> None:
    cases = stream_cases(unit, parameters)
    names = streams(cases[0])
    cases += stream_cases(unit, parameters, 2, stalls=dict.fromkeys(names, "random-40"))
    cases += stream_cases(unit, parameters, 3, stalls={names[-1]: "bursts-1-3"}, reset_after=17)
    _, faults = play_in_simulator(cases, simulator(sim))
    assert faults == []


@pytest.mark.parametrize("sim", simulators())
def test_the_last_words_of_a_rom_may_be_zero(sim: str) -> None:
    """As a number, all words together then look narrower than they are."""
    words = 15 << 60  # of 100 bits; a leading digit with its highest bit set counts as a width
    parameters = {"DATA_BITS": 20, "BEATS": 5, "LOOP": 0, "WORDS": words}
    cases = stream_cases("weight_rom", parameters)
    require_good(cases)
    _, faults = play_in_simulator(cases, simulator(sim))
    assert faults == []


def test_a_unit_without_cases_is_refused() -> None:
    with pytest.raises(InputError, match=r"^unit must be one of skid_buffer, .*, got 'mvau'$"):
        stream_cases("mvau", {})


@pytest.mark.parametrize("sim", [sim for sim in simulators() if sim == "icarus"])
def test_what_is_unknown_has_no_count_of_thresholds(sim: str, tmp_path: Path) -> None:
    parameters = {"FOLDS": 1, "FOLD_BITS": 1, "ACC_BITS": 4, "OUTPUT_BITS": 2}
    built = build("threshold_parallel", parameters, simulator(sim))
    tests = ["an_unknown_accumulator_has_no_count"]
    assert simulate(built, "unknown_tests", tests, tmp_path, MODULE_ENV, seed=1) == []


@pytest.mark.parametrize(
    ("unit", "register", "parameters", "unharmed"),
    [
        ("replay_buffer", "beat_q", {"DATA_BITS": 8, "BEATS": 5, "COPIES": 3}, {0, 5, 10}),
        (
            "fifo",
            "read_q",
            {"DATA_BITS": 8, "DEPTH": 5},
            {0, 1, 6, 11},
        ),  # a beat leaves a cycle later
        ("weight_rom", "beat_q", {"DATA_BITS": 8, "BEATS": 5, "LOOP": 1}, {0, 5, 10}),
    ],
)
def test_a_reset_cuts_in_in_the_same_cycle_everywhere(
    unit: str, register: str, parameters: dict[str, int], unharmed: set[int], tmp_path: Path
) -> None:
    rtl = unreset(f"{unit}.v", register, tmp_path)
    at_once, simulated = set(), set()
    for cycles in range(12):
        (case,) = stream_cases(unit, parameters, reset_after=cycles)
        at_once |= set() if play_streams(case, rtl).report else {cycles}
        if cycles in {0, 1, 4, 5, 6}:
            _, faults = play_in_simulator([case], simulator("verilator"), rtl=rtl)
            simulated |= set() if faults else {cycles}
    assert at_once == unharmed
    assert simulated == unharmed & {0, 1, 4, 5, 6}


def test_a_rom_that_no_case_file_holds_is_refused() -> None:
    parameters = {"DATA_BITS": 20, "BEATS": 701, "LOOP": 0, "WORDS": 1 << 14_000}
    with pytest.raises(InputError, match=r"^WORDS must have at most 14000 bits, got 14001$"):
        stream_cases("weight_rom", parameters)


def test_a_replay_of_a_stalled_stream_waits_without_its_stalls(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Else a beat that is offered late looks like one that waits to be asked for."""
    parameters = {"DATA_BITS": 8, "DEPTH": 3}
    (case,) = stream_cases("fifo", parameters, stalls={"s_axis": "late-300"})
    case.save(tmp_path / "case.json")
    assert cli.main(["repro", str(tmp_path / "case.json")]) == 0
    assert "RTL: every beat was as due, " in capfd.readouterr().out


def test_a_description_of_a_mac_is_nothing_for_a_stream(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (case,) = stream_cases("fifo", {"DATA_BITS": 8, "DEPTH": 3})
    case.save(tmp_path / "case.json")
    assert cli.main(["repro", str(tmp_path / "case.json"), "--dut", "none.toml"]) == 2
    assert "DUT must come with a case of a mac or mvau, got " in capfd.readouterr().err


def test_a_case_without_stalls_may_be_as_long_as_it_likes() -> None:
    assert stalled_cycles(1 << 40, ["never", "never"]) == 0
    with pytest.raises(InputError, match=r"^a case with stalls must end within 67108864 cycles"):
        stalled_cycles(1 << 40, ["never", "every-3"])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", -1, "seed must be 0 to 2147483647, got -1"),
        ("seed", "x", "seed must be 0 to 2147483647, got 'x'"),
        ("latency", None, "latency must be 0 to "),
        ("latency", True, "latency must be 0 to "),
        ("reset_after", "soon", "reset_after must be cycles from 0 on, or nothing, got 'soon'"),
        ("reset_after", -5, "reset_after must be cycles from 0 on, or nothing, got -5"),
        ("cycles", 1.5, "cycles must be cycles from 0 on, or nothing, got 1.5"),
        ("sources", {}, "a stream must be one of m_axis, got 's_axis'"),
        ("unit", "../../x", "unit must be the name of a module, got '../../x'"),
        ("unit", 3, "unit must be the name of a module, got 3"),
        ("unit", "a\0b", "unit must be the name of a module, got "),
        ("unit", "a" * 300, "unit must be the name of a module, got "),
        ("parameters", {"DATA_BITS": 10**30}, "DATA_BITS must have at most 31 bits, got 100"),
    ],
)
def test_a_case_file_of_another_kind_is_refused(
    field: str, value: object, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "case.json"
    (case,) = stream_cases("fifo", {"DATA_BITS": 8, "DEPTH": 3}, stalls={"s_axis": "every-3"})
    case.save(path)
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {field: value}))
    with pytest.raises(InputError, match=re.escape(message)):
        StreamCase.load(path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data", None, "a field is missing or wrong"),
        ("data", [[1.5]] * 96, "data must be rows of integers"),
        ("data", [[True]] * 96, "data must be rows of integers"),
        ("data", [[1], [1, 2]] * 48, "data must be rows of one length"),
        ("data", [1] * 96, "a field is missing or wrong"),
        ("data", [[[1]]] * 96, "data must be rows of integers"),
        ("data", [[1 << 63]] * 96, "data must be rows of one length, of integers of 64 bits"),
        ("last", [0.5] * 96, "last must be rows of integers"),
        ("bits", True, "bits of a stream must be an integer"),
        ("endless", "x", "endless true or false"),
        ("endless", None, "endless true or false"),
        ("after", [], "after must be a stream and a list of beats, got []"),
        ("after", "", "after must be a stream and a list of beats, got ''"),
    ],
)
def test_a_stream_of_another_kind_is_refused(
    field: str, value: object, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "case.json"
    (case,) = stream_cases("fifo", {"DATA_BITS": 8, "DEPTH": 3})
    case.save(path)
    data = json.loads(path.read_text())
    data["sources"]["s_axis"][field] = value
    path.write_text(json.dumps(data))
    assert cli.main(["repro", str(path)]) == 2
    said = capfd.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_stream_without_beats_is_refused() -> None:
    (case,) = stream_cases("fifo", {"DATA_BITS": 8, "DEPTH": 3})
    none = {"s_axis": case.sources["s_axis"].first(0)}
    with pytest.raises(InputError, match=r"^each stream must have a beat, but s_axis has none$"):
        replace(case, sources=none)
