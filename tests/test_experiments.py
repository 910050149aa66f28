"""The experiments measure what they say, train each layer once, and end well however they end."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a2q_ref import data, jobs
from a2q_ref.experiments import main, plots, studies
from a2q_ref.pool import Tick
from a2q_ref.scheme import Method, Rounding, Scheme
from a2q_ref.training import Recipe
from golden.integer import Format
from golden.layer import QuantLayer
from sim import cli

pytestmark = pytest.mark.torch

Capture = pytest.CaptureFixture[str]
TINY = ["--epochs", "3", "--seeds", "2", "--workers", "1"]
TRAINED = 2 * (1 + 4 + 2 + 2 + 6 + 6)  # baseline, A2Q, half-way, A2Q+, lambdas, few bits
NAMES = ("overflow", "rounding", "penalty", "few-bits", "a2q-plus")


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Few widths, few images, small plots."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "WIDTHS": (12, 16),
            "OVERFLOW_WIDTHS": (9, 12, 16, 17, 24),
            "LAMBDAS": (0.0, 1e-1),
            "FEW_BITS": {3: (8,), 4: (10,)},
            "ORDERS": 2,
            "MOST_IMAGES": 120,
            "AT_ONCE": 50 * 640,
        }.items():
            patch.setattr(studies, name, value)
        patch.setattr(plots, "DPI", 20)
        yield


@contextmanager
def noted() -> Iterator[list[jobs.Job]]:
    """Note the jobs that are trained in this process."""
    seen: list[jobs.Job] = []
    train = jobs.train

    def note(task: jobs._Task, tick: Tick) -> None:
        train(task, tick)
        seen.append(task.job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "train", note)
        yield seen


@pytest.fixture
def trained() -> Iterator[list[jobs.Job]]:
    with noted() as seen:
        yield seen


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without plots."""
    monkeypatch.setattr(plots, "plot", lambda *arguments: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass(frozen=True)
class Whole:
    """A run of all experiments."""

    folder: Path
    trained: list[jobs.Job]
    out: list[str]

    def document(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def point(self, name: str, series: str, x: float) -> dict[str, Any]:
        points = self.document(name)["points"]
        (found,) = (p for p in points if (p["series"], p["P"]) == (series, x))
        return found


@pytest.fixture(scope="module")
def whole(small: None, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    place, out = tmp_path_factory.mktemp("whole"), StringIO()
    with contextlib.chdir(place), contextlib.redirect_stdout(out), noted() as trained:
        assert main.main(TINY) == 0
    return Whole(place / "build" / "experiments", trained, out.getvalue().splitlines())


def held(products: list[int], acc_bits: int, policy: str) -> tuple[int, bool]:
    """Add in plain integers; return the accumulator, and whether it ever overflowed."""
    top, acc, overflowed = 1 << (acc_bits - 1), 0, False

    def hold(exact: int) -> int:
        nonlocal overflowed
        if -top <= exact < top:
            return exact
        overflowed = True
        return (
            (exact + top) % (2 * top) - top if policy == "wrap" else min(max(exact, -top), top - 1)
        )

    for product in products:
        acc = hold(acc + hold(product))
    return acc, overflowed


class TestWhole:
    def test_every_experiment_writes_its_files(self, whole: Whole) -> None:
        assert {path.name for path in whole.folder.iterdir()} == {
            f"{name}.{kind}" for name in NAMES for kind in ("csv", "json", "png", "svg")
        }
        assert whole.out[-1] == (
            "tables (.csv, .json) and plots (.png, .svg) are in build/experiments"
        )
        for name in NAMES:
            told = whole.document(name)
            assert told["finding"] in " ".join(line.strip() for line in whole.out)
            assert (told["seeds"], told["recipe"]["epochs"]) == ([0, 1], 3)
            assert {"torch", "matplotlib"} < set(told["versions"])

    @pytest.mark.parametrize("name", NAMES)
    def test_csv_and_json_agree(self, whole: Whole, name: str) -> None:
        told = whole.document(name)
        with (whole.folder / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            lines = list(csv.DictReader(stream))
        assert len(lines) == len(told["points"]) > 1
        for line, given in zip(lines, told["points"], strict=True):
            for measure in told["measures"]:
                values = given[measure]["values"]
                assert float(line[f"{measure}_mean"]) == pytest.approx(np.mean(values))
                assert float(line[f"{measure}_min"]) == min(values)
                assert float(line[f"{measure}_max"]) == max(values)

    def test_a_layer_is_trained_once_and_the_files_are_the_same_again(
        self, whole: Whole, trained: list[jobs.Job], capsys: Capture
    ) -> None:
        assert len(whole.trained) == len(set(whole.trained)) == TRAINED
        with contextlib.chdir(whole.folder.parents[1]):
            assert main.main(["rounding", *TINY, "--output", "again"]) == 0
            assert trained == []
            for path in Path("again").iterdir():
                assert path.read_bytes() == (whole.folder / path.name).read_bytes()
            assert len(list(Path("again").iterdir())) == 4
        assert "8 of 8 layers were finished earlier" in capsys.readouterr().err


class TestOverflow:
    @pytest.mark.parametrize(
        ("acc_bits", "policy"), [(16, "wrap"), (16, "saturate"), (17, "saturate")]
    )
    def test_numbers_are_those_of_plain_integers(
        self, whole: Whole, acc_bits: int, policy: str
    ) -> None:
        (job,) = (
            job
            for job in whole.trained
            if job.recipe.seed == 1 and job.scheme == Scheme(Method.BASELINE)
        )
        with contextlib.chdir(whole.folder.parents[1]):
            layer = QuantLayer.load(job.path())
        images = data.load().test
        vectors, labels = images.values[::3], images.labels[::3]  # 360 images, at most 120
        scores, overflows = [], 0
        for vector in vectors.tolist():
            for row, weights in enumerate(layer.weights.tolist()):
                products = [w * x for w, x in zip(weights, vector, strict=True)]
                acc, overflowed = held(products, acc_bits, policy)
                scores.append(acc * int(layer.multiplier[row]) + int(layer.bias[row]))
                overflows += overflowed
        by_image = np.array(scores).reshape(len(vectors), -1)
        exact = layer.scores(vectors @ layer.weights.T)
        found = {
            name: whole.point("overflow", policy, acc_bits)[name]["values"][1]
            for name in ("overflow_rate", "accuracy", "error")
        }
        assert 0 < overflows < len(scores)
        assert found["overflow_rate"] == overflows / len(scores)
        assert found["accuracy"] == np.mean(by_image.argmax(axis=1) == labels)
        assert found["error"] == pytest.approx(np.abs(by_image - exact).mean() / exact.std())

    def test_orders_matter_on_the_way_only(self, whole: Whole) -> None:
        shuffled = whole.point("overflow", "saturate, random orders", 16)
        assert len(shuffled["accuracy"]["values"]) == 2 * 2
        assert len(set(shuffled["overflow_rate"]["values"])) > 2
        for series in ("wrap", "saturate", "saturate, random orders"):
            wide = whole.point("overflow", series, 24)
            assert wide["overflow_rate"]["max"] == wide["error"]["max"] == 0

    def test_a2q_never_overflows_and_says_where_it_ends(self, whole: Whole) -> None:
        for acc_bits in (12, 16, 17, 24):
            found = whole.point("overflow", "A2Q", acc_bits)
            assert found["overflow_rate"]["max"] == found["error"]["max"] == 0
        (refused,) = whole.document("overflow")["refused"]
        assert (refused["series"], refused["P"]) == ("A2Q", 9)
        assert refused["why"].startswith("acc_bits must be at least 10 for a2q and unsigned 8-bit")


def test_few_bits_go_to_their_data_type_bound(whole: Whole) -> None:
    points = whole.document("few-bits")["points"]
    assert [p["P"] for p in points if "baseline" in p["series"]] == [13, 15]


def test_rows_over_the_bound_are_counted_as_they_were_trained() -> None:
    scheme = Scheme(acc_bits=12, rounding=Rounding.HALF_WAY)  # bound: 7.996
    fixed = {"row": 0, "needed_bits": 13, "change": 3}
    made = QuantLayer(
        np.array([[5, 0], [4, -3], [-4, 4]]), 8, Format(8, signed=False), trained_acc_bits=12,
        origin={
            "fixed_rows": [fixed], "rows_asking_too_much": 2, "final_loss": 0.5,
            "loss_spread": 0.1, "integer_test_accuracy": 0.9, "sparsity": 1 / 6,
        },
    )  # fmt: skip
    job = jobs.Job(None, Recipe(), scheme)
    (found,) = studies.summary(studies.Point("half-way", 12, scheme), job, made)
    assert found["rows_over_bound"] == 2 / 3  # 5 + 3 and 4 + 4, of at most 7
    assert found["rows_over_range"] == 1 / 3
    assert found["rows_asking_too_much"] == 2 / 3
    assert found["l1_norm"] == 8
    assert found["safe_bits"] == 12


@pytest.mark.usefixtures("desk")
class TestRecipes:
    def test_schemes_are_those_asked_for(self, trained: list[jobs.Job]) -> None:
        assert main.main(["penalty", "few-bits", *TINY]) == 0
        penalties = {(job.recipe.penalty_weight, job.scheme.acc_bits) for job in trained[:12]}
        assert penalties == {(x, acc_bits) for x in (0.0, 0.1) for acc_bits in (12, 14, 16)}
        assert {
            (job.scheme.method, job.scheme.weight_bits, job.scheme.inputs.bits)
            for job in trained[12:]
        } == {(method, bits, bits) for method in Method for bits in (3, 4)}
        assert {job.recipe.seed for job in trained} == {0, 1}

    def test_fresh_trains_again(self, trained: list[jobs.Job]) -> None:
        for arguments in ([], ["--fresh"]):
            assert main.main(["a2q-plus", *TINY, *arguments]) == 0
            assert len(trained) == 2 * 2 * 2
            trained.clear()

    def test_another_recipe_is_other_work(self, trained: list[jobs.Job]) -> None:
        for epochs in ("3", "4"):
            assert main.main(["a2q-plus", *TINY, "--epochs", epochs]) == 0
        assert len(trained) == 2 * 2 * 2 * 2


@pytest.mark.usefixtures("desk")
class TestEnds:
    def test_an_interrupted_run_goes_on(
        self, monkeypatch: pytest.MonkeyPatch, trained: list[jobs.Job], capsys: Capture
    ) -> None:
        train = jobs.train

        def tires(task: jobs._Task, tick: Tick) -> None:
            if len(trained) == 3:
                raise KeyboardInterrupt
            train(task, tick)

        with monkeypatch.context() as patch:
            patch.setattr(jobs, "train", tires)
            assert main.main(["a2q-plus", *TINY]) == 130
        err = capsys.readouterr().err
        assert err.splitlines()[-1] == (
            "a2q experiments: stopped; finished layers are kept in build/train, "
            "and the same command goes on from there"
        )
        assert not Path("build/experiments").exists()
        assert main.main(["a2q-plus", *TINY]) == 0
        assert len(trained) == len(set(trained)) == 2 * 2 * 2

    def test_a_damaged_layer_is_trained_again(self, trained: list[jobs.Job]) -> None:
        assert main.main(["a2q-plus", *TINY]) == 0
        trained[0].path().write_bytes(b"nothing")
        again = trained.pop(0)
        trained.clear()
        assert main.main(["a2q-plus", *TINY]) == 0
        assert trained == [again]

    def test_a_failing_job_is_named(self, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        def fails(task: jobs._Task, tick: Tick) -> None:
            raise MemoryError("no room")

        monkeypatch.setattr(jobs, "train", fails)
        assert main.main(["a2q-plus", *TINY]) == 1
        assert capsys.readouterr().err.splitlines()[-1] == (
            "a2q experiments: training a2q-p12, seed 0, failed: no room"
        )
        assert not Path("build/experiments").exists()


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["speed"],
            "argument NAME: must be one of overflow, rounding, penalty, few-bits, a2q-plus",
        ),
        (["--seeds", "0"], "argument --seeds: must be 1 to 100, got '0'"),
        (["--epochs", "x"], "argument --epochs: must be 1 to 1000000, got 'x'"),
        (["--workers", "0"], "argument --workers: must be 1 to 1024, got '0'"),
        (["--output", "a-file"], "argument --output: must be a folder that can be written, got"),
        (["--speed"], "unrecognized arguments: --speed"),
        (["--data", "nowhere"], "nowhere must be a folder that holds MNIST"),
    ],
)
def test_refuses_in_one_sentence(arguments: list[str], sentence: str, capsys: Capture) -> None:
    Path("a-file").touch()
    try:
        status = cli.main(["experiments", *arguments])
    except SystemExit as error:
        status = error.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert err.startswith(f"a2q experiments: {sentence}")
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == [Path("a-file")]


def test_help(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["experiments", "--help"])
    assert capsys.readouterr().out.startswith("usage: a2q experiments")
