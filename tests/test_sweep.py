"""A sweep says where overflow starts, as exact arithmetic does, and passes only what it played."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perfect import perfect
from rich.console import Console
from test_interrupt import processes_that_name

from golden import bounds, mvau
from golden.integer import Format, InputError
from golden.layer import LabelledInputs, QuantLayer
from sim import cli, plan
from sim.arguments import bar
from sim.paths import ROOT, RTL
from sim.run import Played
from sim.sweep import command, report
from sim.sweep import grid as sweep
from tb import stimulus
from tb.case import Case
from tb.scoreboard import Tally

Capture = pytest.CaptureFixture[str]
SMALL = {"mw": (6,), "mh": (4,), "weight_bits": (4,), "input_bits": (4,)}
WIDTHS = tuple(range(4, 13))
LAYER = QuantLayer(np.array([[1, -2, 3, 4], [5, 6, 7, -8]]), 4, Format(4, signed=False))


def small(widths: tuple[int, ...] = WIDTHS, **axes: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {"acc_bits": widths, "overflow": (0,), **axes}


def shown(swept: sweep.Swept) -> str:
    console = Console(file=StringIO(), width=80)
    report.print_swept(swept, console)
    return console.file.getvalue()


@pytest.fixture
def golden(monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """Let the golden model stand in for the RTL; return the cases that it is asked to play."""
    cases: list[Case] = []

    def play(case: Case, rtl: Path) -> Played:
        cases.append(case)
        return perfect(case)

    monkeypatch.setattr(sweep.batch, "play", play)
    return cases


# What may be asked


@given(st.sets(st.integers(2, 64), min_size=1))
def test_numbers_are_read_as_they_are_spelled(values: set[int]) -> None:
    text = sweep.spelled(sorted(values))
    assert sweep.numbers("ACC", text, 2, 64) == tuple(sorted(values))
    assert ".." not in text or len(values) > 2


@given(st.lists(st.tuples(st.integers(2, 64), st.integers(0, 9)), min_size=1, max_size=5))
def test_lists_of_ranges_are_the_union(ranges: list[tuple[int, int]]) -> None:
    ends = [(low, min(low + more, 64)) for low, more in ranges]
    text = ",".join(f"{a}..{b}" for a, b in ends)
    union = sorted({value for a, b in ends for value in range(a, b + 1)})
    assert sweep.numbers("ACC", text, 2, 64) == tuple(union)


@given(st.text("0123456789.,- x\n", max_size=8))
def test_other_texts_are_refused_in_one_sentence(text: str) -> None:
    parts = [re.fullmatch(r"([0-9]+)(\.\.([0-9]+))?", part) for part in text.split(",")]
    ends = [(int(match[1]), int(match[3] or match[1])) for match in parts if match]
    if len(ends) == len(parts) and all(2 <= low <= high <= 64 for low, high in ends):
        assert sweep.numbers("ACC", text, 2, 64)
        return
    with pytest.raises(InputError, match=r"^ACC must .*$") as caught:
        sweep.numbers("ACC", text, 2, 64)
    assert "\n" not in str(caught.value)


REFUSED = {
    "empty": (["--acc", ""], "ACC must be integers from 2 to 64, one, a list (A,B) or a range"),
    "backwards": (["--acc", "12..8"], "ACC must have ranges that ascend, got '12..8'"),
    "open": (["--acc", "8.."], "ACC must be integers from 2 to 64"),
    "three dots": (["--acc", "8...12"], "ACC must be integers from 2 to 64"),
    "too low": (["--acc", "1..8"], "ACC must be integers from 2 to 64"),
    "too high": (["--acc", "8..65"], "ACC must be integers from 2 to 64"),
    "a hole": (["--acc", "8,,9"], "ACC must be integers from 2 to 64"),
    "5000 digits": (["--acc", "9" * 5000], "ACC must be integers from 2 to 64"),
    "PE of 0": (["--pe", "0,1"], "PE must be integers from 1 to 65536"),
    "no sign": (["--signed-input", "0..2"], "SIGNED_INPUT must be integers from 0 to 1"),
    "policy": (["--overflow", "wrap,clip"], "OVERFLOW must be wrap or saturate, got 'clip'"),
    "no policy": (["--overflow", ""], "OVERFLOW must be wrap or saturate, got ''"),
    "too many": (
        ["--acc", "2..64", "--mw", "1..66"],
        "a sweep must have at most 4096 points, got 4158",
    ),
    "far too many": (["--pe", "1..65536"], "a sweep must have at most 4096 points, got 1638400"),
    "none legal": (
        ["--simd", "7,9"],
        "a sweep must have a point for which a unit can be made: SIMD must divide MW, got SIMD=9",
    ),
    "too large": (["--mw", "1024", "--mh", "512"], "MW*MH must be at most 262144 in a sweep"),
    "no such layer": (["--layer", "none.npz"], "none.npz must be an a2q-layer file"),
    "inputs alone": (["--inputs", "x.npz"], "INPUTS must come with a LAYER"),
    "inputs for generated": (["--inputs", "x.npz", "--mw", "4"], "INPUTS must come with a LAYER"),
    "layer and shape": (["--layer", "x.npz", "--mw", "4"], "LAYER must come without MW"),
    "trained and shape": (["--trained", "16", "--mh", "4"], "TRAINED must come without MH"),
    "layer and trained": (["--layer", "x", "--trained", "9"], "LAYER must come without TRAINED"),
    "not trained": (["--trained", "30"], "TRAINED must be a width that a layer was trained for"),
    "trained in words": (["--trained", ""], "TRAINED must be an integer from 2 to 64, got ''"),
    "seed": (["--seed", "x"], "SEED must be an integer from 0"),
    "json": (["--json", "."], "JSON must be a regular file that can be written"),
    "into": (["--into", "a-file/x"], "INTO must be a folder that can be written"),
    "unknown": (["--stall", "x"], "unrecognized arguments: --stall x"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_in_one_sentence_before_anything_is_built(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch, capfd: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep.batch, "play", lambda *_: pytest.fail("a unit was played"))
    Path("a-file").touch()
    assert cli.main(["sweep", "--into", "here", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"a2q: {message}"), err
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == [Path("a-file")]


def test_what_a_layer_can_not_be_asked_is_refused_before_anything_is_built(golden) -> None:
    data = LabelledInputs(np.ones((1, 5), int), np.array([0]), LAYER.inputs)
    weights = sweep.given(plan.NamedLayer("mine", "mine", LAYER), data, 1)
    with pytest.raises(InputError, match=r"^inputs for mine must be 4 .*, got 5"):
        sweep.sweep(small(), weights)
    assert golden == []


def test_points_that_no_unit_can_be_made_for_are_left_out_and_counted(golden) -> None:
    axes = small((6, 7), pe=(1, 2, 3, 4), simd=(1, 2, 4, 6))
    swept = sweep.sweep(axes, sweep.generated(SMALL, 1))
    legal = [(pe, simd) for pe in (1, 2, 4) for simd in (1, 2, 6)]
    units = dict.fromkeys((series.unit.pe, series.unit.simd) for series in swept.series)
    assert list(units) == legal
    assert (swept.points, swept.left_out) == (2 * 9, 2 * (16 - 9))
    assert "Left out: 14 points whose PE does not divide MH, or SIMD not MW." in shown(swept)
    everything = sweep.sweep(small((6,)), sweep.generated(SMALL, 1))
    assert everything.left_out == 0
    assert "Left out" not in shown(everything)


# What is played


def test_shipped_layers_at_every_width(golden: list[Case]) -> None:
    swept = sweep.sweep(small((8, 10, 15, 16, 17, 30)), sweep.shipped(1))
    assert swept.passed
    layers = {(row.weights, row.spec.acc_bits): row.layer for row in swept.rows}
    assert {p: name for (which, p), name in layers.items() if which == "A2Q for each P"} == {
        p: f"A2Q, P={min(p, 24)}" for p in (10, 15, 16, 17, 30)
    }
    for name in ("A2Q, P=16", "unconstrained"):
        assert {p: layers[name, p] for p in (8, 30)} == {8: name, 30: name}
    families = {stimulus.REAL, stimulus.WORST, stimulus.MIXED}
    assert {series.family for series in swept.series} == families
    assert len(swept.series) == 3 * len(families)
    # A2Q's layer for P=16 stands under two names there, and is played once.
    assert len(golden) == len({case.id for case in golden}) == 2 * 6 + 5 - 1
    table = shown(swept)
    assert "A2Q for each P worst case      none  every -....." in table


def test_the_layer_beside_those_for_each_width_can_be_named(golden: list[Case]) -> None:
    swept = sweep.sweep(small((12,)), sweep.shipped(1, trained=14))
    assert list(dict.fromkeys(row.weights for row in swept.rows)) == [
        "A2Q for each P",
        "A2Q, P=14",
        "unconstrained",
    ]
    assert [row.needed_bits for row in swept.rows if row.weights == "A2Q, P=14"] == [13] * 3


def test_generated_weights_come_from_the_seed_and_fit_where_they_say(golden: list[Case]) -> None:
    def weights(seed: int) -> dict[tuple[int, str], list[list[int]]]:
        golden.clear()
        sweep.sweep(small(), sweep.generated(SMALL, seed))
        return {(case.spec.acc_bits, case.layer): case.weights.tolist() for case in golden}

    first, again, other = map(weights, (1, 1, 2))
    assert first == again
    assert first != other
    any_weights = {str(rows) for (_, layer), rows in first.items() if layer == "uniform"}
    assert len(any_weights) == 1
    for (p, layer), rows in first.items():
        if layer == "inside":
            assert bounds.layer_bits(np.array(rows), Format(4, signed=False)) <= p
    assert {layer for _, layer in first} == {"inside", "edges", "uniform"}


def test_of_a_large_layer_a_part_is_played() -> None:
    weights = sweep.generated({"mw": (2,), "mh": (3000,)}, 1)
    (point,), _ = sweep.grid({**weights.shape, **small((12,))})
    trials = weights.trials(point)
    assert len(trials) == 3
    for trial in trials:
        assert trial.case.spec.total_fold == 600
        assert 1 <= len(trial.case.vectors) * 600 <= plan.MVAU_BEATS


def test_an_own_layer_is_played_with_its_data(golden: list[Case]) -> None:
    data = LabelledInputs(np.array([[1, 2, 3, 4]]), np.array([0]), LAYER.inputs)
    named = plan.NamedLayer("mine", "mine", LAYER)
    swept = sweep.sweep(small((6, 12), overflow=(0, 1)), sweep.given(named, data, 1))
    assert {series.family for series in swept.series} == {
        stimulus.REAL, stimulus.WORST, stimulus.MIXED,
    }  # fmt: skip
    assert {series.needed_bits for series in swept.series} == {
        bounds.layer_bits(LAYER.weights, LAYER.inputs)
    }
    assert [series.unit.overflow.word for series in swept.series] == ["wrap"] * 3 + ["saturate"] * 3
    assert swept.varying == ["overflow"]


def test_results_come_in_the_order_of_the_grid_whoever_is_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = threading.Event()

    def play(case: Case, rtl: Path) -> Played:
        if case.spec.acc_bits == 6:
            assert last.wait(60)
        if case.spec.acc_bits == 8 and case.layer == "uniform":
            last.set()
        return perfect(case)

    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(sweep.batch, "play", play)
    told: list[tuple[int, int]] = []
    weights = sweep.generated(SMALL, 1)
    swept = sweep.sweep(small((6, 7, 8)), weights, lambda *progress: told.append(progress))
    assert [row.spec.acc_bits for row in swept.rows] == [6] * 7 + [7] * 7 + [8] * 7
    assert told == [(1, 3), (2, 3), (3, 3)]


# When it may say passed


@pytest.mark.parametrize(
    ("layer", "family", "change", "says"),
    [
        ("inside", stimulus.UNIFORM, {"overflows_seen": 1}, "1 overflows were seen, 0 predicted"),
        (
            "inside",
            stimulus.MIXED,
            {"overflows_seen": 1, "overflows_predicted": 1},
            "1 overflows in a safe layer",
        ),
        (
            "uniform",
            stimulus.WORST,
            {"overflows_seen": 0, "overflows_predicted": 0},
            "no overflow, although the layer is not safe",
        ),
        ("edges", stimulus.EDGES, {"results": 0}, "nothing was compared"),
        ("uniform", stimulus.WORST, {"family": "another"}, "not all of its stimuli were compared"),
    ],
)
def test_one_wrong_figure_fails_the_sweep_and_names_the_case(
    layer: str, family: str, change: dict, says: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def play(case: Case, rtl: Path) -> Played:
        played = replace(perfect(case), folder=tmp_path / case.id)
        if (case.layer, case.spec.acc_bits) != (layer, 7):
            return played
        return replace(
            played,
            tallies=tuple(
                replace(t, **change) if t.family == family else t for t in played.tallies
            ),
        )

    monkeypatch.setattr(sweep.batch, "play", play)
    swept = sweep.sweep(small((6, 7, 12)), sweep.generated(SMALL, 1))
    assert not swept.passed
    (failure,) = swept.failures
    assert failure.startswith("P=7: mvau, ")
    assert says in failure
    (name,) = (path.name for path in tmp_path.iterdir())
    replay = f"make -C {ROOT} repro CASE={tmp_path / name}/case.json WAVES=1"
    assert failure.endswith(f"\n  replay    {replay}")
    assert Case.load(tmp_path / name / "case.json").spec.acc_bits == 7
    assert "FAILED" in shown(swept)
    assert "RTL = golden model" not in shown(swept)


def test_a_unit_that_gave_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every case only the report is there: the unit came to no end."""
    monkeypatch.setattr(
        sweep.batch,
        "play",
        lambda case, rtl: Played(case, Path("build/failures/x"), "mvau: no end", ()),
    )
    swept = sweep.sweep(small((6, 7)), sweep.generated(SMALL, 1))
    assert not swept.passed
    assert len(swept.failures) == 2 * 3
    assert all("no end\n  replay    make repro CASE=" in failure for failure in swept.failures)
    text = shown(swept)
    assert text.count("no end") == report.MOST_FAILURES
    assert "... and 3 more failures" in text
    assert report.to_json(swept)["failures"] == list(swept.failures)


def test_a_point_that_played_nothing_fails(golden: list[Case]) -> None:
    weights = sweep.generated(SMALL, 1)
    some = replace(
        weights, trials=lambda point: weights.trials(point) if point["acc_bits"] != 7 else []
    )
    swept = sweep.sweep(small((6, 7)), some)
    assert swept.failures == ("P=7: nothing was played",)
    nothing = sweep.sweep(small((6,)), replace(weights, trials=lambda point: []))
    assert not nothing.passed
    assert "FAILED" in shown(nothing)
    assert not replace(nothing, failures=()).passed


# What is printed, written and drawn


def test_table_has_a_digit_for_each_width(golden: list[Case]) -> None:
    swept = sweep.sweep(small((4, 8, 9, 10, 12)), sweep.generated(SMALL, 1))
    (series,) = (
        s for s in swept.series if (s.weights, s.family) == ("unconstrained", stimulus.WORST)
    )
    needed = series.needed_bits
    assert needed in (9, 10, 11)
    assert series.widest_overflow == max(p for p in (4, 8, 9, 10, 12) if p < needed)
    digits = report._shares(series, [3, 4, 8, 9, 10, 12])
    assert digits[0] == "-"
    for sign, row in zip(digits[1:], series.rows, strict=True):
        seen, of = row.tally.overflows_seen, row.tally.results
        assert sign == {0: ".", of: "#"}.get(seen, str(int(10 * seen / of)))
    (line,) = (
        line for line in shown(swept).splitlines() if line.startswith("unconstrained    worst")
    )
    assert line.split()[3:] == [str(series.widest_overflow), str(needed), digits[1:]]
    edges = next(s for s in swept.series if s.family == stimulus.EDGES)
    assert edges.needed_bits is None  # another layer at every P


@pytest.mark.parametrize(
    ("seen", "sign"), [(0, "."), (1, "0"), (29, "0"), (30, "1"), (150, "5"), (299, "9"), (300, "#")]
)
def test_none_and_all_are_told_from_nearly_none_and_nearly_all(seen: int, sign: str) -> None:
    tally = Tally("uniform", results=300, overflows_seen=seen)
    row = sweep.Row(LAYER.spec(8), "mine", "mine", 9, tally)
    assert report._digit(row) == sign


def test_no_column_is_cut_and_wide_sweeps_are_thinned(golden: list[Case]) -> None:
    axes = small(tuple(range(2, 65)), overflow=(0, 1), pe=(1, 2), simd=(2, 6))
    swept = sweep.sweep(axes, sweep.generated(SMALL, 1))
    text = shown(swept)
    assert "\u2026" not in text
    assert text.count("at the edge of P edges") == 8
    for line in text.splitlines():
        if "inside P bits" in line:
            assert line.split()[-1] == "." * 21


def flat(swept: sweep.Swept) -> list[dict[str, object]]:
    """Return what the files must say, from the golden model alone."""
    weights = sweep.generated(SMALL, swept.seed)
    rows = []
    for point in sweep.grid({**weights.shape, **small()})[0]:
        for trial in weights.trials(point):
            spec, case = trial.case.spec, trial.case
            needed = bounds.layer_bits(case.weights, spec.inputs)
            for given_ in case.stimuli:
                trace = mvau.run(spec, case.weights, given_.vectors)
                rows.append(
                    {
                        "acc_bits": spec.acc_bits, "mw": 6, "mh": 4, "pe": 4, "simd": 6,
                        "weight_bits": 4, "input_bits": 4, "signed_input": 0, "overflow": "wrap",
                        "bipolar_weight": 0, "bipolar_input": 0,
                        "weights": trial.weights, "layer": trial.named.name, "needed_bits": needed,
                        "safe": int(needed <= spec.acc_bits), "stimulus": given_.family,
                        "vectors": len(given_.vectors), "results": trace.out.size,
                        "overflowing": int(trace.overflow.sum()),
                        "share": trace.overflow.mean(), "predicted": int(trace.overflow.sum()),
                        "transient": int(trace.transient.sum()), "mismatches": 0,
                    }
                )  # fmt: skip
    return rows


GENERATED = ["sweep", "--mw", "6", "--mh", "4", "--weight-bits", "4", "--input-bits", "4"]
POINTS = 25  # P=8..32, where nothing else is asked for


@pytest.mark.sim
def test_the_rtl_says_what_golden_says_in_all_files(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [*GENERATED, "--acc", "4..12", "--json", "own.json"]
    for folder in ("one", "two"):
        assert cli.main([*arguments, "--into", folder]) == 0
    swept = sweep.sweep(small(), sweep.generated(SMALL, 1))
    due = flat(swept)
    assert len(due) == 9 * 7
    with Path("one/sweep.csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [{k: str(v) for k, v in row.items()} for row in due] == lines
    told = json.loads(Path("one/sweep.json").read_text(encoding="utf-8"))
    assert told["rows"] == due
    assert told == json.loads(Path("own.json").read_text(encoding="utf-8"))
    assert (told["passed"], told["points"], told["failures"]) == (True, 9, [])
    for series in told["series"]:
        mine = [
            row
            for row in due
            if (row["weights"], row["stimulus"]) == (series["weights"], series["stimulus"])
        ]
        seen = [row["acc_bits"] for row in mine if row["overflowing"]]
        assert series["widest_overflow"] == max(seen, default=None)
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "plot: two/sweep.png, .svg"
    assert "all points: two/sweep.csv, .json" in out
    assert "PASSED" in out
    assert err.splitlines()[-1].endswith("9 of 9 points")
    names = {f"sweep.{kind}" for kind in ("csv", "json", "png", "svg")}
    assert {path.name for path in Path("one").iterdir()} == names
    for name in names:
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    png = Path("one/sweep.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert b"Software" not in png  # neither versions nor times
    svg = Path("one/sweep.svg").read_text(encoding="utf-8")
    assert "<svg" in svg
    assert "<dc:date>" not in svg


@pytest.mark.sim
def test_a_bug_planted_in_the_rtl_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rtl = tmp_path / "rtl"
    shutil.copytree(RTL, rtl)
    source = (rtl / "pe.v").read_text()
    right = "beat_overflow | (overflow_q & ~first_q)"
    assert source.count(right) == 1
    (rtl / "pe.v").write_text(source.replace(right, "beat_overflow"))
    axes = small((7, 12), simd=(2,))
    swept = sweep.sweep(axes, sweep.generated(SMALL, 1), rtl=rtl)
    assert not swept.passed
    assert swept.rtl_hash != sweep.sweep(small((12,)), sweep.generated(SMALL, 1)).rtl_hash
    assert swept.failures[0].startswith("P=7: MISMATCH  overflow bit of output row ")
    command = swept.failures[0].rpartition(" repro CASE=")[2]
    case = Case.load(Path(command.removesuffix(f" RTL={rtl} WAVES=1")))
    assert case.spec.acc_bits == 7
    text = shown(swept)
    assert "FAILED  cases: " in text
    assert f"make -C {ROOT} repro CASE={command}" in text


def test_plots_have_a_panel_for_each_unit_up_to_a_limit(
    golden: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.sweep import plot as sweep_plot

    monkeypatch.setattr(sweep_plot, "DPI", 20)
    monkeypatch.setattr(sweep_plot, "MOST_PANELS", 3)
    for pe, left_out in (((1,), 0), ((1, 2, 4), 0)):
        swept = sweep.sweep(small((6, 9), pe=pe, overflow=(0,)), sweep.generated(SMALL, 1))
        assert sweep_plot.plot(swept, tmp_path) == left_out
        svg = (tmp_path / "sweep.svg").read_text(encoding="utf-8")
        assert [f"<!-- PE={value} -->" in svg for value in (1, 2, 4)] == [len(pe) == 3] * 3
    axes = small((6, 9), pe=(1, 2, 4), overflow=(0, 1))
    swept = sweep.sweep(axes, sweep.generated(SMALL, 1))
    monkeypatch.chdir(tmp_path)
    assert command._plot(swept, Path()) == "plot: sweep.png, .svg (3 units do not fit in it)"


def test_without_matplotlib_all_but_the_plot_is_there(
    golden: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "sim.sweep.plot", raising=False)
    Path("sweep.png").touch()  # of an earlier sweep
    assert cli.main([*GENERATED, "--acc", "6", "--into", "."]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "no plot: matplotlib is missing, make sweep installs it"
    assert "unconstrained" in out
    assert {path.name for path in Path().iterdir()} == {"sweep.csv", "sweep.json"}


@pytest.mark.parametrize(("change", "status"), [({}, 0), ({"report": "MISMATCH"}, 1)])
def test_exit_status(change: dict, status: int, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep.batch, "play", lambda case, rtl: replace(perfect(case), **change))
    LAYER.save(Path("mine.npz"))
    arguments = ["--acc", "6,12", "--layer", "mine.npz", "--overflow", "saturate,wrap"]
    assert cli.main(["sweep", *arguments, "--into", "out"]) == status
    assert ("PASSED", "FAILED")[status] in capsys.readouterr().out
    rows = json.loads(Path("out/sweep.json").read_text(encoding="utf-8"))["rows"]
    assert {row["overflow"] for row in rows} == {"wrap", "saturate"}


def test_progress_is_told_on_all_tenths(capsys: Capture) -> None:
    with bar("points") as progress:
        for done in range(1, 101):
            progress(done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        f"{10 * tenth} of 100 points" for tenth in range(1, 11)
    ]


@pytest.mark.sim
def test_an_interrupted_sweep_ends_its_children(tmp_path: Path) -> None:
    env = {**os.environ, "A2Q_BUILD": str(tmp_path), "A2Q_CACHE": str(tmp_path / "sim")}
    command = [sys.executable, "-m", "sim.cli", *GENERATED]
    running = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not processes_that_name(tmp_path):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "a2q: interrupted; what is finished stays in build/"
    assert processes_that_name(tmp_path) == []
    assert not (tmp_path / "sweep").exists()
    finished = list(tmp_path.glob("sim/batch-*/complete"))
    assert len(finished) < POINTS  # nobody waited for all builds to come to their end


def test_make_hands_every_variable_on() -> None:
    values = {
        "ACC": "8..9", "PE": "1,2", "SIMD": "4", "OVERFLOW": "saturate", "SEED": "7", "MW": "8",
        "MH": "4", "WEIGHT_BITS": "3", "INPUT_BITS": "5", "SIGNED_INPUT": "0,1", "LAYER": "l.npz",
        "INPUTS": "i.npz", "JSON": "j.json", "ARGS": "--trained 12",
    }  # fmt: skip

    def command(*variables: str) -> str:
        ran = subprocess.run(
            [
                "make", "-n", "--no-print-directory", "-o", ".venv/light",
                "-o", ".venv/experiments", "sweep", *variables,
            ],
            capture_output=True, text=True, check=True, cwd=RTL.parent,
            # Not what the tests themselves were called with.
            env={k: v for k, v in os.environ.items() if k not in {*values, "MAKEFLAGS"}},
        )  # fmt: skip
        return " ".join(ran.stdout.replace("\\\n", " ").replace("'", "").split())

    handed = command(*(f"{name}={value}" for name, value in values.items()))
    for name, value in values.items():
        option = value if name == "ARGS" else f"--{name.lower().replace('_', '-')}[ =]{value}"
        assert re.search(option, handed), option
    assert command().endswith("a2q sweep --seed 1 --overflow wrap")  # and its own ACC, 8..32
