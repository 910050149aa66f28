"""Cases: whole round trips, names that tell them apart, and one sentence for what is no case."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import json_values, problems

from golden.integer import InputError, Overflow
from golden.spec import MvauSpec
from tb.case import UNITS, Case, Stimulus
from tb.stalls import STREAMS

PATTERNS = ("never", "every-3", "bursts-4-7", "random-30", "late-25")
CASE = Case(
    unit="mvau",
    spec=MvauSpec(mw=4, mh=2, pe=1, simd=2, weight_bits=4, input_bits=3, acc_bits=9),
    layer="tiny",
    weights=np.array([[1, -8, 7, 0], [2, 3, -4, 5]]),
    stimuli=(
        Stimulus("uniform", np.array([[0, 1, 2, 3], [7, 0, 7, 0]])),
        Stimulus("worst case", np.array([[7, 7, 7, 7]])),
    ),
    stalls={"weight": "random-30"},
    seed=5,
    reset_after=3,
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    unit = draw(st.sampled_from(UNITS))
    spec, weights, vectors = draw(problems())
    if unit == "mac":
        spec = replace(spec, pe=1, simd=1)
    if unit == "vvau":
        vectors = np.tile(vectors, spec.mh)
    beats = len(vectors) * spec.total_fold
    return Case(
        unit, spec, draw(st.from_regex(r"[A-Za-z0-9_]{1,64}", fullmatch=True)), weights,
        (Stimulus(draw(st.from_regex(r"[a-z ]{1,8}", fullmatch=True)), vectors[:1]),
         Stimulus("all", vectors)),
        stalls=draw(st.dictionaries(st.sampled_from(STREAMS), st.sampled_from(PATTERNS))),
        seed=draw(st.integers(0, 2**31 - 1)),
        reset_after=draw(st.none() | st.integers(0, beats)),
    )  # fmt: skip


def content(case: Case) -> dict[str, Any]:
    """Return all fields, comparable."""
    arrays = {
        "weights": case.weights.tolist(),
        "stimuli": [(stimulus.family, stimulus.vectors.tolist()) for stimulus in case.stimuli],
    }
    return vars(case) | arrays


def saved(case: Case, folder: Path) -> dict[str, Any]:
    """Return the JSON that ``save`` writes."""
    case.save(folder / "case.json")
    data: dict[str, Any] = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    return data


def refused(path: Path, message: str | None) -> None:
    """Loading ends in one sentence that names the file."""
    with pytest.raises(InputError, match=message) as caught:
        Case.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@given(cases())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    path = tmp_path_factory.mktemp("round") / "deep" / "case.json"
    case.save(path)
    assert content(Case.load(path)) == content(case)
    assert list(path.parent.iterdir()) == [path]


def test_what_is_played_and_from_which_family() -> None:
    assert CASE.vectors.tolist() == [[0, 1, 2, 3], [7, 0, 7, 0], [7, 7, 7, 7]]
    assert CASE.families == ["uniform", "uniform", "worst case"]


def test_streams_without_a_pattern_never_stall() -> None:
    assert CASE.stalls == {"input": "never", "weight": "random-30", "output": "never"}


# Ids


def test_id() -> None:
    assert CASE.id == "mvau-mw4-mh2-pe1-simd2-m4-n3u-p9-wrap-tiny-w.random-30-reset3.s5"
    calm = replace(CASE, stalls={}, reset_after=None)
    assert calm.id == "mvau-mw4-mh2-pe1-simd2-m4-n3u-p9-wrap-tiny.s5"


def variants() -> Iterator[Case]:
    """Return cases that differ in one thing each."""
    spec = CASE.spec
    yield CASE
    yield replace(CASE, unit="mac", spec=replace(spec, simd=1))
    twice = tuple(Stimulus(s.family, np.tile(s.vectors, 2)) for s in CASE.stimuli)
    yield replace(CASE, unit="vvau", stimuli=twice)
    yield replace(CASE, spec=replace(spec, simd=1))
    yield replace(CASE, spec=replace(spec, acc_bits=10))
    yield replace(CASE, spec=replace(spec, overflow=Overflow.SATURATE))
    yield replace(CASE, spec=replace(spec, observe=False))
    for layer in ("other", "tiny_reset3", "tiny_s5"):
        yield replace(CASE, layer=layer)
    for stream in STREAMS:
        for pattern in ("every-3", "every-4", "late-3"):
            yield replace(CASE, stalls={stream: pattern})
    yield replace(CASE, stalls={"input": "every-3", "output": "every-3"})
    for reset_after in (None, 0, 4):
        yield replace(CASE, reset_after=reset_after)
    yield replace(CASE, seed=6)


def test_ids_tell_cases_apart() -> None:
    ids = [case.id for case in variants()]
    assert len(set(ids)) == len(ids) > 15


@given(cases())
def test_ids_are_names_of_files(case: Case) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,240}", case.id)


# Randomness and time


def drawn(case: Case, purpose: str) -> list[int]:
    return case.rng(purpose).integers(0, 2**60, 4).tolist()


def test_randomness_depends_on_seed_and_purpose_alone() -> None:
    first = drawn(CASE, "stall input")
    assert all(drawn(case, "stall input") == first for case in variants() if case.seed == CASE.seed)
    assert drawn(replace(CASE, seed=6), "stall input") != first
    assert drawn(CASE, "stall weight") != first


def test_an_old_case_plays_the_same_again() -> None:
    """A failure is kept as its case alone, so what its seed stands for must never change."""
    assert drawn(CASE, "stall input")[:2] == [996424119513775861, 1039470738436961578]


def test_time_limits_grow_with_stalls() -> None:
    slower_and_slower: list[dict[str, str]] = [
        {},
        {"input": "every-3"},
        {"input": "random-60"},
        {"input": "random-60", "output": "every-2"},
        {"input": "random-60", "output": "every-2", "weight": "bursts-1-9"},
    ]
    limits = [replace(CASE, stalls=stalls).timeout_cycles for stalls in slower_and_slower]
    assert limits == sorted(set(limits))


def test_time_limits_grow_with_delays_and_vectors() -> None:
    limit = CASE.timeout_cycles
    assert replace(CASE, stalls={**CASE.stalls, "output": "late-500"}).timeout_cycles >= limit + 500
    beats_more = len(CASE.vectors) * CASE.spec.total_fold
    assert replace(CASE, stimuli=CASE.stimuli * 2).timeout_cycles >= limit + 2 * beats_more


@given(cases())
def test_time_limits_leave_room(case: Case) -> None:
    """Every beat in turn, at the pace of the slowest stream, fits at least twice."""
    beats = len(case.vectors) * case.spec.total_fold
    assert case.timeout_cycles > 2 * beats
    if "random-30" in case.stalls.values():
        assert case.timeout_cycles > 2 * beats / 0.7


def test_a_case_of_before_there_were_bipolar_operands(tmp_path: Path) -> None:
    data = saved(CASE, tmp_path)
    del data["spec"]["bipolar_weight"], data["spec"]["bipolar_input"]
    (tmp_path / "case.json").write_text(json.dumps(data), encoding="utf-8")
    assert content(Case.load(tmp_path / "case.json")) == content(CASE)


# What is no case

Change = Callable[[dict[str, Any]], object]


def put(*place: Any) -> Change:
    """Return a change that puts the last value at the place that the others name."""
    *path, last, value = place

    def change(data: dict[str, Any]) -> None:
        inner: Any = data
        for key in path:
            inner = inner[key]
        inner[last] = value

    return change


HOSTILE: dict[str, tuple[Change, str]] = {
    "another format": (put("format", "a2q-layer"), "its format is not a2q-case"),
    "no format": (lambda data: data.pop("format"), "its format is not a2q-case"),
    "version 1": (put("version", 1), "must be version 2 of a2q-case, got 1"),
    "version true": (put("version", True), "must be version 2 of a2q-case, got True"),
    "version 2.0": (put("version", 2.0), "must be version 2 of a2q-case, got 2.0"),
    "no version": (lambda data: data.pop("version"), "must be version 2 of a2q-case, got None"),
    "unknown unit": (put("unit", "dot"), "unit must be mac, mvau, vvau or unrolled, got 'dot'"),
    "unit null": (put("unit", None), "unit must be mac, mvau, vvau or unrolled, got None"),
    "vectors of one row": (put("unit", "vvau"), r"inputs must have MH\*MW=8 columns, got 4"),
    "folded mac": (put("unit", "mac"), "a mac must have PE=1 SIMD=1, got PE=1 SIMD=2"),
    "layer null": (put("layer", None), "a field is missing or wrong"),
    "no layer name": (put("layer", ""), "layer must be 1 to 64 letters"),
    "layer out of the folder": (put("layer", "/../../x"), "layer must be .*, got '/../../x'"),
    "layer of two lines": (put("layer", "a\nb"), "layer must be 1 to 64 letters"),
    "layer in another script": (put("layer", "\u00e9"), "layer must be 1 to 64 letters"),
    "layer too long": (put("layer", "x" * 65), "layer must be 1 to 64 letters"),
    "spec null": (put("spec", None), "a spec must have exactly the fields"),
    "spec lacks a field": (lambda data: data["spec"].pop("mw"), "a spec must have exactly"),
    "spec with one field more": (put("spec", "depth", 1), "a spec must have exactly"),
    "fractional width": (put("spec", "acc_bits", 9.5), "ACC_BITS must be an integer, got 9.5"),
    "width in words": (put("spec", "acc_bits", "9"), "ACC_BITS must be an integer, got '9'"),
    "width true": (put("spec", "acc_bits", True), "ACC_BITS must be an integer, got True"),
    "huge width": (put("spec", "acc_bits", 10**400), "ACC_BITS must be 2 to 64, got"),
    "folding that does not divide": (put("spec", "simd", 3), "SIMD must divide MW, got SIMD=3"),
    "weights null": (put("weights", None), "a field is missing or wrong"),
    "no weights": (put("weights", []), "weights must be"),
    "weights of another shape": (put("weights", [[1, 2, 3, 4]]), r"must have shape \(2, 4\)"),
    "weights of three dimensions": (put("weights", [[[1]]]), "weights must be rows of integers"),
    "ragged weights": (put("weights", 0, [1]), "weights must be rows of one length"),
    "weights out of range": (put("weights", 0, 0, 8), "weights must fit signed 4-bit integers"),
    "huge weight": (
        put("weights", 0, 0, 10**400),
        "weights must be rows of one length, of integers of 64 bits",
    ),
    "weight of 64 bits": (put("weights", 0, 0, 2**63), "weights must"),
    "fractional weight": (put("weights", 0, 0, 1.0), "weights must be rows of integers"),
    "weight in words": (put("weights", 0, 0, "1"), "weights must be rows of integers"),
    "weight null": (put("weights", 0, 0, None), "weights must be rows of integers"),
    "weight true": (put("weights", 0, 0, True), "weights must be rows of integers"),
    "weights NaN": (put("weights", 0, 0, float("nan")), "weights must be rows of integers"),
    "no stimuli": (put("stimuli", []), "a case must have at least one stimulus"),
    "stimuli null": (put("stimuli", None), "a field is missing or wrong"),
    "stimulus without vectors": (
        lambda data: data["stimuli"][0].pop("vectors"),
        "a field is missing or wrong: 'vectors'",
    ),
    "no vectors": (put("stimuli", 0, "vectors", []), "inputs must be"),
    "short vectors": (put("stimuli", 0, "vectors", [[1]]), "inputs must have MW=4 columns, got 1"),
    "vector out of range": (
        put("stimuli", 1, "vectors", 0, 3, -1),
        "inputs must fit unsigned 3-bit integers",
    ),
    "vector true": (put("stimuli", 1, "vectors", 0, 3, True), "vectors must be rows of integers"),
    "family null": (
        put("stimuli", 0, "family", None),
        "family must be 1 to 64 letters, digits or spaces, got None",
    ),
    "family unprintable": (put("stimuli", 0, "family", "\ud800"), "family must be 1 to 64 letters"),
    "family list": (put("stimuli", 0, "family", [[]]), "family must be 1 to 64 letters"),
    "stall pattern unknown": (put("stalls", "input", "often"), "a stall pattern must be never"),
    "stall pattern null": (put("stalls", "input", None), "a stall pattern must be never"),
    "stalls on another stream": (put("stalls", "clk", "never"), "stalls must be on input, weight"),
    "stalls as pairs": (put("stalls", [["input", "never"]]), "stalls must be on input, weight"),
    "stalls null": (put("stalls", None), "stalls must be on input, weight"),
    "seed too low": (put("seed", -1), "seed must be 0 to 2147483647, got -1"),
    "seed too high": (put("seed", 2**31), "seed must be 0 to 2147483647, got 2147483648"),
    "seed fractional": (put("seed", 1.5), "seed must be 0 to 2147483647, got 1.5"),
    "seed infinite": (put("seed", float("inf")), "seed must be 0 to 2147483647, got inf"),
    "seed in words": (put("seed", "1"), "seed must be 0 to 2147483647, got '1'"),
    "seed true": (put("seed", True), "seed must be 0 to 2147483647, got True"),
    "seed null": (put("seed", None), "seed must be 0 to 2147483647, got None"),
    "reset after the end": (
        put("reset_after", 104),
        "reset_after must be 0 to 103 cycles, got 104",
    ),
    "reset before the start": (
        put("reset_after", -1),
        "reset_after must be 0 to 103 cycles, got -1",
    ),
    "reset true": (put("reset_after", True), "reset_after must be 0 to 103 cycles, got True"),
    "reset fractional": (put("reset_after", 1.0), "reset_after must be 0 to 103 cycles, got 1.0"),
    "reset in words": (put("reset_after", "1"), "reset_after must be 0 to 103 cycles, got '1'"),
    "no reset": (lambda data: data.pop("reset_after"), "field is missing or wrong: 'reset_after'"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_refuses(tmp_path: Path, change: Change, message: str) -> None:
    data = saved(CASE, tmp_path)
    change(data)
    (tmp_path / "case.json").write_text(json.dumps(data), encoding="utf-8")
    refused(tmp_path / "case.json", message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"\xff\xfe{}", "it is not JSON"),
        (b"\x00" * 64, "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"9" * 10_000, "it is not JSON"),
        (b"null", "its format is not a2q-case"),
        (b"[]", "its format is not a2q-case"),
        (b'"a2q-case"', "its format is not a2q-case"),
        (b'{"format": "a2q-case"}', "must be version 2"),
        (b'{"format": "a2q-case", "version": 2}', "a field is missing or wrong: 'unit'"),
    ],
    ids=["empty", "cut off", "UTF-16", "zeros", "deep", "a huge number", "null", "list", "text",
         "no version", "no fields"],
)  # fmt: skip
def test_refuses_a_file_that_holds(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "case.json"
    path.write_bytes(content)
    refused(path, message)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_refuses_a_truncated_file(tmp_path: Path, share: float) -> None:
    saved(CASE, tmp_path)
    path = tmp_path / "case.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path, "it is not JSON")


def test_refuses_what_is_no_regular_file() -> None:
    refused(Path("/dev/zero"), "its format is not a2q-case")
    refused(Path("/"), "its format is not a2q-case")


@pytest.mark.parametrize("name", ["none.json", "none/case.json", "x" * 300])
def test_refuses_what_can_not_be_read(tmp_path: Path, name: str) -> None:
    refused(tmp_path / name, "must be a case file, but it can not be read")


PLACES = [
    (), ("unit",), ("layer",), ("spec",), ("spec", "mw"), ("spec", "pe"), ("spec", "observe"),
    ("weights",), ("weights", 0), ("weights", 0, 0), ("stimuli",), ("stimuli", 0),
    ("stimuli", 0, "family"), ("stimuli", 0, "vectors"), ("stimuli", 0, "vectors", 0),
    ("stimuli", 0, "vectors", 0, 0), ("stalls",), ("stalls", "input"), ("seed",), ("reset_after",),
]  # fmt: skip
JUNK = json_values | st.floats() | st.sampled_from([10**30, -(2**64), 2**63, [[1]], [[True]], "1"])


@given(st.sampled_from(PLACES), JUNK)
@example((), {})
@example(("stalls",), [])
@example(("weights",), {})
@example(("stimuli",), {"family": 1})
def test_anything_anywhere_is_refused_or_is_a_case(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], junk: Any
) -> None:
    folder = tmp_path_factory.mktemp("junk")
    whole = {"case": saved(CASE, folder)}
    put("case", *place, junk)(whole)
    path = folder / "case.json"
    path.write_text(json.dumps(whole["case"]), encoding="utf-8")
    try:
        case = Case.load(path)
    except InputError:
        refused(path, None)
    else:
        assert saved(case, folder) == whole["case"] | {"stalls": case.stalls}
