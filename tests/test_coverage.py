"""Coverage: bins that are known by hand are hit, others are not; what is missed is named."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rtl_suite import SPECS

from golden import mvau
from golden.integer import Format, InputError, Overflow, narrow
from golden.spec import MvauSpec
from sim import batch
from sim.batch.model import Covered
from sim.cache import SimulationError
from sim.coverage import Coverage, Share, UnitCoverage, code, cover, functional, print_coverage
from sim.coverage.functional import BANDS, BINS, OF_CASES, Seen, bands
from sim.paths import RTL
from tb.case import UNITS, Case, Stimulus
from tb.stimulus import adverse_case
from tb.unit_shapes import PARTS

FOLDS = SPECS["signed, saturating, odd tree"]  # SF=4, NF=3
WIDTH_4 = {
    "wrapping": MvauSpec(12, 9, 3, 3, 4, 4, 4),
    "saturating": MvauSpec(12, 9, 3, 3, 4, 4, 4, True, Overflow.SATURATE),
}
STALLED: list[dict[str, str]] = [
    {"input": "random-50", "weight": "bursts-3-5", "output": "random-70"},
    {"input": "every-3", "weight": "random-30", "output": "bursts-1-4"},
    {"input": "late-20", "weight": "late-9", "output": "late-60"},
    {"input": "bursts-2-3", "weight": "every-2", "output": "cycles-0110"},
    {"input": "cycles-001", "weight": "cycles-01", "output": "every-3"},
]
RESETS = (0, 1, 3, 4, 5, 7, 8, 9, 11)  # before each kind of beat in each kind of copy


def case_of(spec: MvauSpec, weights: Any, inputs: Any, unit: str = "mvau", **others: Any) -> Case:
    return Case(
        unit, spec, "hand", np.array(weights), (Stimulus("hand", np.array(inputs)),), **others
    )


def told(
    case: Case, cycles: int = 0, at_reset: tuple[int, int, int] | None = None
) -> Mapping[str, Mapping[str, int]]:
    """Return the bins of a case that a unit answered as the golden model does."""
    outcome = mvau.outcome(case.spec, case.weights, case.vectors, case.depthwise)
    return functional.hits(case, batch.Trace(outcome.out, outcome.overflow, cycles, at_reset))


def of(coverage: Coverage, unit: str) -> UnitCoverage:
    return next(each for each in coverage.per_unit() if each.unit == unit)


# The table


def test_bins_are_named_once_and_belong_to_units() -> None:
    names = [(one.unit, one.name) for one in BINS]
    assert len(set(names)) == len(names) > 100
    with_streams = {p.stem for p in RTL.glob("*.v") if "axis_" in p.read_text(encoding="utf-8")}
    assert {unit for unit, _ in names} == with_streams | {"dot", "pe"}
    assert {path.stem for path in RTL.glob("*.v")} - with_streams - {"dot", "pe"} == set(PARTS)
    for one in BINS:
        assert (one.happens is None) == bool(one.reason), one.name


@pytest.mark.parametrize(
    ("bits", "values"),
    [
        (4, [-10, -9, -8, -5, -3, -2, 0, 1, 3, 6, 7, 8, 9]),
        (8, [-999, -129, -128, -127, -64, -32, 0, 31, 63, 64, 127, 128, 129]),
        (4, [-99, -9, -8, -7, -4, -1, 0, 1, 2, 4, 7, 8, 99]),
    ],
)
def test_one_value_in_each_band(bits: int, values: list[int]) -> None:
    assert bands(np.array(values), Format(bits, True)).tolist() == [1] * len(BANDS)
    for place, value in enumerate(values):
        assert bands(np.array([value]), Format(bits, True)).argmax() == place


def test_bands_of_the_narrowest_and_the_widest() -> None:
    narrowest = bands(np.array([-4, -3, -2, -1, 0, 1, 2, 3]), Format(2, True))
    named = dict(zip(BANDS, narrowest.tolist(), strict=True))
    assert named == dict.fromkeys(BANDS, 0) | {
        "far below the lower end": 1, "one below the lower end": 1, "the lower end": 1,
        "between 1/4 and 1/2 of the lower end": 1, "zero": 1, "the upper end": 1,
        "one above the upper end": 1, "far above the upper end": 1,
    }  # fmt: skip
    ends = np.array([-(2**63), -(2**63) + 1, 2**63 - 2, 2**63 - 1])
    widest = dict(zip(BANDS, bands(ends, Format(64, True)).tolist(), strict=True))
    assert {name: count for name, count in widest.items() if count} == {
        "the lower end": 1, "between 1/2 and the lower end": 1,
        "between 1/2 and the upper end": 1, "the upper end": 1,
    }  # fmt: skip


# Bins of cases that are known by hand


def test_a_case_by_hand() -> None:
    """15, then 15 + 1 where 15 is the end; one lane, one row, two beats."""
    case = case_of(MvauSpec(2, 1, 1, 1, 4, 4, 5), [[1, 1]], [[15, 1]])
    assert told(case, cycles=3) == {
        "dot": {
            "product: the upper end": 1,
            "product: up to 1/4 of the upper end": 1,
            "accumulated sum: the upper end": 1,
            "accumulated sum: one above the upper end, wrap": 1,
            "accumulated sum: overflows, and no other in that beat": 1,
            "unsigned input: highest": 1,
            "tree: one lane": 1,
        },
        "pe": {
            "persistent overflow upward, wrap": 1,
            "first overflow in the last beat of several": 1,
        },
        "replay_buffer": {"COPIES=1": 1},
        "mvau": {
            "input stream stalls: never": 3,
            "weight stream stalls: never": 3,
            "output stream stalls: never": 3,
            "a beat in every cycle": 3,
        },
    }


def test_a_tree_by_hand() -> None:
    """Lanes 7*1, 7*1, -8*1 at P=4: the first node, 14, saturates to 7, and 7 - 8 is -1."""
    spec = MvauSpec(3, 1, 1, 3, 4, 4, 4, True, Overflow.SATURATE)
    found = told(case_of(spec, [[7, 7, -8]], [[1, 1, 1]]))
    assert found["dot"] == {
        "product: the upper end": 2,
        "product: the lower end": 1,
        "tree node: far above the upper end, saturate": 1,
        "tree node: up to 1/4 of the lower end": 1,
        "tree node: overflows, and no other in that beat": 1,
        "accumulated sum: up to 1/4 of the lower end": 1,
        "weight: highest": 2,
        "weight: lowest": 1,
        "tree: an odd one out": 1,
    }
    assert found["pe"] == {"transient overflow upward, saturate": 1, "overflow in the only beat": 1}


def test_flags_by_hand() -> None:
    """One PE, two rows of three beats: 20 and home, then nothing, where 15 is the end.

    20 wraps to -12, so that the way home overflows as well.
    """
    spec = MvauSpec(3, 2, 1, 1, 4, 4, 5)
    found = told(case_of(spec, [[2, -1, 0], [0, 0, 1]], [[10, 10, 1], [0, 1, 2]]))
    assert found["pe"] == {
        "no overflow": 3,
        "transient overflow upward, wrap": 1,
        "transient overflow downward, wrap": 1,
        "overflow both ways in one result, wrap": 1,
        "first overflow in the first beat of several": 1,
        "flag kept from an earlier beat": 1,
        "flag cleared by the next result": 1,
    }
    assert found["mvau"]["overflow in the first neuron fold of several"] == 1
    assert "overflow in the last neuron fold of several" not in found["mvau"]
    blind = replace(spec, observe=False)
    found = told(case_of(blind, [[2, -1, 0], [0, 0, 1]], [[10, 10, 1], [0, 1, 2]]))
    assert found["pe"]["overflow that OBSERVE=0 does not report"] == 1
    assert "flag kept from an earlier beat" not in found["pe"]


def test_lanes_by_hand() -> None:
    """Of two PEs only the last one overflows, and downward."""
    spec = MvauSpec(1, 2, 2, 1, 4, 4, 5)
    found = told(case_of(spec, [[0], [-8]], [[15]]))
    assert found["mvau"] == {
        "overflow in the last PE of several": 1,
        "overflow in one PE and not in its neighbour": 1,
    }
    assert found["pe"]["persistent overflow downward, wrap"] == 1
    assert found["replay_buffer"] == {"COPIES=1 BEATS=1": 1}


def test_a_mac_hits_no_bins_of_what_it_has_not() -> None:
    spec = MvauSpec(2, 1, 1, 1, 4, 4, 5)
    found = told(case_of(spec, [[1, 1]], [[15, 1]], unit="mac"), cycles=3, at_reset=(1, 1, 0))
    assert found.keys() == {"dot", "pe", "skid_buffer", "mac"}


def test_depthwise_by_hand() -> None:
    """Of two rows with inputs of their own only the second overflows; bipolar products are four."""
    spec = MvauSpec(1, 2, 1, 1, 4, 4, 5)
    found = told(case_of(spec, [[1], [-8]], [[15, 15]], unit="vvau"), cycles=3, at_reset=(1, 1, 0))
    assert found.keys() == {"dot", "pe", "skid_buffer", "vvau"}
    assert found["vvau"]["overflow in the last neuron fold of several"] == 1
    assert "overflow in the first neuron fold of several" not in found["vvau"]
    bipolar = MvauSpec(2, 2, 1, 1, 1, 1, 4, True, bipolar_weight=True, bipolar_input=True)
    found = told(case_of(bipolar, [[-1, 1], [1, 1]], [[-1, -1, 1, 1]], unit="vvau"))
    assert {name: count for name, count in found["dot"].items() if "bipolar" in name} == {
        "bipolar input: lowest": 2, "bipolar input: highest": 2,
        "bipolar product: -1 times -1": 1, "bipolar product: +1 times -1": 1,
        "bipolar product: +1 times +1": 2,
    }  # fmt: skip
    assert "lowest weight times lowest signed input" not in found["dot"]


@pytest.mark.parametrize(
    ("at_reset", "hit"),
    [
        ((0, 0, 0), {
            "replay_buffer": "reset before the first beat of the first copy",
            "skid_buffer": "reset with no beat in it", "mvau": "reset before the first beat",
        }),
        ((2, 2, 0), {
            "pe": "reset inside a dot product",
            "replay_buffer": "reset before the middle beat of the first copy",
            "skid_buffer": "reset with no beat in it",
        }),
        ((4, 7, 0), {
            "pe": "reset inside a dot product",
            "replay_buffer": "reset before the last beat of the middle copy",
            "skid_buffer": "reset with 1 beat in it",
        }),
        ((4, 8, 0), {
            "pe": "reset between two dot products",
            "replay_buffer": "reset before the first beat of the last copy",
            "skid_buffer": "reset with 2 beats in it",
        }),
        ((8, 20, 4), {
            "pe": "reset between two dot products",
            "replay_buffer": "reset before the first beat of the last copy",
            "skid_buffer": "reset with 1 beat in it",
            "mvau": "reset after the first result was taken",
        }),
    ],
)  # fmt: skip
def test_resets_by_hand(at_reset: tuple[int, int, int], hit: dict[str, str]) -> None:
    case = case_of(FOLDS, np.ones((9, 20), int), np.ones((2, 20), int))
    found = {
        unit: [name for name in bins if name.startswith("reset")]
        for unit, bins in told(case, at_reset=at_reset).items()
    }
    assert {unit: names for unit, names in found.items() if names} == {
        unit: [name] for unit, name in hit.items()
    }


def test_a_reset_meets_an_overflow_only_in_its_own_dot_product() -> None:
    """Row 1 overflows in its second beat of three; row 0 never."""
    case = case_of(MvauSpec(3, 2, 1, 1, 4, 4, 5), [[0, 0, 0], [1, 1, 1]], [[15, 1, 0]])
    name = "reset inside a dot product that had overflowed"
    hit = [n for n in range(7) if name in told(case, at_reset=(min(n, 3), n, 0)).get("pe", {})]
    assert hit == [5]


def test_a_pattern_that_stopped_nothing_is_no_stall() -> None:
    spec = MvauSpec(2, 1, 1, 1, 4, 4, 5)
    stalls = {"input": "late-0", "weight": "bursts-9-9", "output": "cycles-01"}
    found = told(case_of(spec, [[1, 1]], [[1, 1]], stalls=stalls), cycles=5)["mvau"]
    assert {name: count for name, count in found.items() if "stall" in name} == {
        "output stream stalls: cycles": 2
    }


@pytest.mark.parametrize("unit", ["mvau", "vvau"])
@pytest.mark.parametrize("name", SPECS)
def test_exact_sums_are_those_that_the_golden_model_holds(unit: str, name: str) -> None:
    """Brought to P bits, they are its partial sums, every one."""
    case = adverse_case(unit, SPECS[name])
    spec = case.spec
    whole = mvau.outcome(spec, case.weights, case.vectors, case.depthwise)
    seen = Seen(case, batch.Trace(whole.out, whole.overflow, 1))
    trace = mvau.run(spec, case.weights, seen.vectors, case.depthwise)  # of long cases a part
    exact = np.concatenate(list(seen.sums.values()), axis=-1)
    np.testing.assert_array_equal(narrow(exact, spec.acc_bits, spec.overflow), trace.partials)
    overflow = narrow(exact, spec.acc_bits, spec.overflow) != exact
    np.testing.assert_array_equal(seen.beats, overflow.any(axis=-1))
    np.testing.assert_array_equal(seen.upward | seen.downward, trace.overflow)


def test_of_a_large_case_the_first_vectors_are_looked_at() -> None:
    spec = MvauSpec(2, 1, 1, 1, 4, 4, 5)
    most = functional.MOST_PARTIALS // 4
    inputs = np.zeros((most + 1, 2), int)
    inputs[-1] = 15
    assert "unsigned input: highest" not in told(case_of(spec, [[1, 1]], inputs))["dot"]
    assert "unsigned input: highest" in told(case_of(spec, [[1, 1]], inputs[1:]))["dot"]


# Played on the RTL


def played(case: Case, coverage: bool = False) -> Coverage:
    return cover(case, batch.load(case.spec, case.unit, coverage=coverage).run(case))


@pytest.mark.sim
def test_what_had_moved_at_a_reset() -> None:
    """Without stalls a beat moves in every cycle; a result leaves in the cycle after its last."""
    model = batch.load(FOLDS)
    assert model.run(adverse_case("mvau", FOLDS)).at_reset is None
    for cycles in range(30):
        moved = model.run(adverse_case("mvau", FOLDS, reset_after=cycles)).at_reset
        vector, beat = divmod(cycles, FOLDS.total_fold)
        inputs = vector * FOLDS.sf + min(beat, FOLDS.sf)
        assert moved == (inputs, cycles, max(cycles - 1, 0) // FOLDS.sf)
    # Nobody takes a result: two wait, then all stands still.
    late = adverse_case("mvau", FOLDS, stalls={"output": "late-60"}, reset_after=30)
    assert model.run(late).at_reset == (4, 8, 0)


def closing(unit: str) -> list[Case]:
    """Return cases that hit every bin together, with those of the other units."""
    cases = [adverse_case(unit, FOLDS, stalls=stalls) for stalls in STALLED]
    cases += [adverse_case(unit, FOLDS, reset_after=cycles) for cycles in RESETS]
    cases += [adverse_case(unit, FOLDS, reset_after=30)]
    cases += [adverse_case(unit, FOLDS, stalls={"output": "late-60"}, reset_after=12)]
    cases += [adverse_case(unit, SPECS["P far under a signed product"], reset_after=7)]
    cases += [adverse_case(unit, spec) for spec in (*SPECS.values(), *WIDTH_4.values())]
    return cases


@pytest.mark.sim
def test_every_bin_can_be_hit() -> None:
    cases = [case for unit in UNITS for case in closing(unit)]
    found = Coverage.merged(map(played, cases)).bins
    for one in OF_CASES:
        assert one.reason or found[one.unit][one.name], f"{one.unit}: {one.name}"


@pytest.mark.sim
def test_what_a_suite_leaves_out_is_named() -> None:
    cases = [case for unit in UNITS for case in closing(unit)]
    coverages = list(map(played, cases))

    def missed(keep: Any) -> set[str]:
        kept = [one for case, one in zip(cases, coverages, strict=True) if keep(case)]
        return {
            f"{unit.unit}: {name}"
            for unit in Coverage.merged(kept).per_unit()
            for name in unit.missed_bins
            if (unit.unit, name) in of_cases
        }

    of_cases = {(one.unit, one.name) for one in OF_CASES}
    of_resets = {f"{unit}: {name}" for unit, name in of_cases if name.startswith("reset")}
    assert missed(lambda case: case.reset_after is None) == of_resets
    saturating = {f"{unit}: {name}" for unit, name in of_cases if name.endswith(", saturate")}
    without = missed(lambda case: case.spec.overflow is Overflow.WRAP)
    assert saturating <= without
    assert "dot: product: one below the lower end, wrap" not in without
    of_mvau = {f"{one.unit}: {one.name}" for one in BINS if one.unit == "mvau"}
    assert of_mvau <= missed(lambda case: case.unit == "mac")
    assert missed(lambda case: case.spec.observe) == {"pe: overflow that OBSERVE=0 does not report"}
    assert missed(lambda case: case.stalls["weight"] != "late-9") >= {
        "mac: weight stream stalls: late", "mvau: weight stream stalls: late"
    }  # fmt: skip


@pytest.mark.sim
@pytest.mark.parametrize("unit", UNITS)
def test_a_build_that_counts_plays_the_same(unit: str) -> None:
    for case in (
        adverse_case(unit, FOLDS),
        adverse_case(unit, FOLDS, 2, stalls=STALLED[1], reset_after=9),
        adverse_case(unit, SPECS["no folds"], 3, stalls=STALLED[0]),
    ):
        plain = batch.load(case.spec, unit).run(case)
        counting = batch.load(case.spec, unit, coverage=True).run(case)
        np.testing.assert_array_equal(counting.out, plain.out)
        np.testing.assert_array_equal(counting.overflow, plain.overflow)
        assert (counting.cycles, counting.at_reset) == (plain.cycles, plain.at_reset)
        assert plain.covered is None
        assert counting.covered is not None


@pytest.mark.sim
def test_each_call_counts_its_own() -> None:
    model = batch.load(FOLDS, coverage=True)
    case = adverse_case("mvau", FOLDS, 2, reset_after=9)
    first, _, again = model.run(case), model.run(adverse_case("mvau", FOLDS)), model.run(case)
    assert first.covered is not None
    assert again.covered is not None
    np.testing.assert_array_equal(first.covered.hits, again.covered.hits)
    assert first.covered.hits.any()


@pytest.mark.sim
def test_code_that_was_not_covered_is_named() -> None:
    """Zero weights, no stalls and no second reset: no overflow, no full buffer, no way back."""
    lame = case_of(FOLDS, np.zeros((9, 20), int), np.ones((2, 20), int), seed=0)
    coverage = played(lame, coverage=True)
    pe, skid, dot = (of(coverage, unit) for unit in ("pe", "skid_buffer", "dot"))
    assert {
        "pe.v:28 overflow never rose", "pe.v:28 overflow never fell",
        "pe.v:42 acc_q[9:0] never rose",
    } <= set(pe.code_holes)  # fmt: skip
    assert not any("first_q" in hole or " beat never" in hole for hole in pe.code_holes)
    line = next(
        number
        for number, text in enumerate((RTL / "skid_buffer.v").read_text().splitlines(), start=1)
        if "skid_valid_q ?" in text
    )
    assert (
        f"skid_buffer.v:{line} the value before the colon never run: "
        "out_q <= skid_valid_q ? skid_q : s_axis_tdata;"
    ) in skid.code_holes
    assert any("skid_valid_q never rose" in hole for hole in skid.code_holes)
    assert any("the value after the colon never run" in hole for hole in dot.code_holes)
    assert not any("unused_" in hole for hole in (*pe.code_holes, *skid.code_holes))

    hard = Coverage.merged(
        [coverage, *(played(case, coverage=True) for case in closing("mvau")[:9])]
    )
    pe, skid, dot = (of(hard, unit) for unit in ("pe", "skid_buffer", "dot"))
    for unit in (pe, skid):
        assert unit.code_holes == ()
        assert unit.blocks is not None
        assert unit.blocks.percent == 100
    # Constant conditions of this spec: its inputs are signed, and nothing is bipolar.
    assert [hole for hole in dot.code_holes if "never run" in hole] == [
        "dot.v:83 if never run: if (BIPOLAR_WEIGHT == 1)",
        "dot.v:86 else never run: if (SIGNED_INPUT == 1)",
        "dot.v:90 if never run: if (BIPOLAR_INPUT == 1)",
    ]


# Code, by hand


def point(page: str, comment: str, line: int = 3, file: str = "/a/pe.v", **others: Any) -> str:
    pairs = {"filename": file, "lineno": line, "column": 7, "page": page, "comment": comment}
    return "".join(f"{key}\2{value}\1" for key, value in (pairs | others).items())


def read(*counted: tuple[str, int]) -> Mapping[str, code.File]:
    points, hits = zip(*counted, strict=True) if counted else ((), ())
    return code.read(Covered(tuple(points), np.array(hits, np.uint32)))


def test_points_by_hand() -> None:
    """Instances count as one, constants for lint not at all; files go by their names."""
    files = read(
        (point("v_line/pe", "block", hier="a"), 2),
        (point("v_line/pe", "block", hier="b"), 3),
        (point("v_branch/pe", "else", line=4, linescov="4-5"), 0),
        (point("v_toggle/pe", "x[0]:0->1"), 1),
        (point("v_toggle/pe__P1", "x[0]:0->1"), 0),
        (point("v_toggle/pe", "x[0]:1->0"), 0),
        (point("v_toggle/pe", "x[3]:1->0"), 9),
        (point("v_toggle/pe", "g_a.y:0->1", line=5), 0),
        (point("v_toggle/pe", "g_a.unused_y:0->1", line=6), 7),
        (point("v_line/dot", "block", file="b/dot.v"), 1),
    )
    assert files == {
        "dot.v": code.File({code.Block(3, 7, "block"): 1}, {}),
        "pe.v": code.File(
            {code.Block(3, 7, "block"): 5, code.Block(4, 7, "else"): 0},
            {
                code.Signal(3, "x"): code.Bits(0b1001, 1, 0b1000),
                code.Signal(5, "g_a.y"): code.Bits(1, 0, 0),
            },
        ),
    }
    assert files["pe.v"].runs == (1, 2)
    assert files["pe.v"].toggles == (2, 6)
    assert list(files["pe.v"].holes("pe.v", ["", "", "", "  if (a)  "])) == [
        "pe.v:4 else never run: if (a)",
        "pe.v:3 x[3] never rose",
        "pe.v:3 x[0] never fell",
        "pe.v:5 g_a.y never rose",
        "pe.v:5 g_a.y never fell",
    ]  # fmt: skip


def test_bits_that_only_a_wide_build_has_are_of_the_union() -> None:
    def toggles(bits: int, hits: int) -> Coverage:
        edges = [(point("v_toggle/pe", f"x[{bit}]:0->1"), hits) for bit in range(bits)]
        return Coverage({}, dict(read(*edges)))

    merged = Coverage.merged([toggles(2, 1), toggles(4, 0)])
    assert of(merged, "pe").code_holes[0] == "pe.v:3 x[3:2] never rose"
    assert of(merged, "pe").toggles == Share(2, 8)
    assert Coverage.merged([toggles(4, 0), toggles(2, 1)]) == merged


@pytest.mark.parametrize(
    "damaged",
    [
        "", "garbage", point("v_toggle/pe", "x[0]"), point("v_toggle/pe", "x[0]:1->1"),
        point("v_line/pe", "block", line="three"), point("v_line/pe", "block").replace("page", "p"),
    ],
)  # fmt: skip
def test_points_that_are_not_as_verilator_tells_them(damaged: str) -> None:
    with pytest.raises(
        SimulationError, match=r"^a point of code must be as Verilator tells it, got"
    ):
        read((point("v_line/pe", "block"), 1), (damaged, 1))


def test_a_build_without_points() -> None:
    with pytest.raises(SimulationError, match=r"^a build that counts must have points of code"):
        read()
    with pytest.raises(SimulationError, match=r"^a build that counts must have points of code"):
        read((point("v_toggle/pe", "unused_x:0->1"), 1))


# Many together


def test_nothing_covered_is_no_coverage() -> None:
    for empty in (Coverage(), Coverage.merged([]), Coverage.merged([Coverage(), Coverage()])):
        with pytest.raises(
            InputError, match=r"^coverage must be of at least one case that was played"
        ):
            empty.per_unit()


def test_merging_adds_up() -> None:
    one = Coverage({"pe": {"no overflow": 2}}, dict(read((point("v_line/pe", "block"), 1))))
    other = Coverage({"pe": {"no overflow": 3}, "dot": {"weight: lowest": 1}}, one.files)
    merged = Coverage.merged([one, other])
    assert merged.bins == {"pe": {"no overflow": 5}, "dot": {"weight: lowest": 1}}
    assert merged.files["pe.v"].blocks == {code.Block(3, 7, "block"): 2}
    assert merged == Coverage.merged([other, one])
    assert one.bins == {"pe": {"no overflow": 2}}  # as it was
    assert Coverage.merged([one]) == one


def test_units_of_which_nothing_was_covered_are_shown_so() -> None:
    units = Coverage({"pe": {"no overflow": 1}}).per_unit()
    assert [unit.unit for unit in units] == [
        "dot", "pe", "replay_buffer", "skid_buffer", "mac", "mvau", "vvau", "fifo",
        "width_converter", "weight_rom", "swu", "threshold", "mvtu",
    ]  # fmt: skip
    assert all(unit.bins.hit == (unit.unit == "pe") for unit in units)
    assert all(unit.bins.all > 0 and unit.blocks is None for unit in units)


def test_a_name_that_is_no_bin_counts_for_nothing() -> None:
    assert of(Coverage({"pe": {"no such bin": 7}}), "pe").bins.hit == 0


@pytest.mark.sim
def test_json_and_back() -> None:
    coverage = played(adverse_case("mvau", SPECS["shipped"]), coverage=True)
    text = json.dumps(coverage.to_json())
    assert Coverage.from_json(json.loads(text)) == coverage
    assert len(text) < 10_000  # hundreds of them are kept


@pytest.mark.sim
def test_the_report_names_what_was_missed() -> None:
    coverage = played(adverse_case("mvau", FOLDS), coverage=True)
    stream = io.StringIO()
    print_coverage(coverage.per_unit(), Console(file=stream, width=80), most_holes=3)
    text = stream.getvalue()
    for part in (
        "unit            functional bins", "pe: not hit\n", "... and ",
        "mac: not hit\n  input stream stalls: never\n",
    ):  # fmt: skip
        assert part in text
    assert "can not be hit" not in text  # it is no hole: the page has it
