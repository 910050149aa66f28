"""The experiments measure what they say, train each layer once, and end well however they end."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from rich.console import Console

from a2q_ref import data, jobs, training
from a2q_ref.experiments import main, plots, studies, tables
from a2q_ref.pool import Tick
from a2q_ref.scheme import Bias, Method, Rounding, Scheme
from a2q_ref.training import MNIST_RECIPE, Recipe
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

    def test_every_order_of_every_seed_is_another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        layer = QuantLayer(
            np.arange(64)[None], 8, Format(8, signed=False), trained_acc_bits=16,
            multiplier=np.array([1]), bias=np.array([0]),
        )  # fmt: skip
        seen: dict[tuple[int, ...], None] = {}
        run = studies.run

        def note(spec: Any, weights: Any, values: Any) -> Any:
            seen[tuple(weights[0].tolist())] = None
            return run(spec, weights, values)

        monkeypatch.setattr(studies, "run", note)
        monkeypatch.setattr(studies, "AT_ONCE", 1 << 20)
        in_order = tuple(range(64))
        for series, orders in (("saturate", 1), ("saturate, random orders", 2 * 2)):
            seen.clear()
            for seed in (0, 1, 0):
                job = jobs.Job(None, Recipe(seed=seed), Scheme(Method.BASELINE))
                studies.played(studies.Point(series, 20, job.scheme), job, layer)
            assert len(seen) == orders
            assert all(tuple(sorted(order)) == in_order for order in seen)
            assert (in_order in seen) == (orders == 1)

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


OTHER_RECIPES = [
    replace(Recipe(), **{name: value})
    for name, value in {
        "epochs": 7, "batch": 7, "seed": 7, "lr": 0.7, "penalty_weight": 0.7, "weight_decay": 0.7,
        "device": "cuda",
    }.items()
]  # fmt: skip
OTHER_SCHEMES = [
    Scheme(Method.A2Q_PLUS, acc_bits=16, rounding=Rounding.TOWARD_ZERO),
    Scheme(acc_bits=16, weight_bits=7),
    Scheme(acc_bits=16, inputs=Format(7, signed=False)),
    Scheme(acc_bits=16, inputs=Format(8, signed=True)),
    Scheme(acc_bits=16, inputs=Format(8, signed=True), weight_bits=7),
    Scheme(acc_bits=17),
    Scheme(acc_bits=16, rounding=Rounding.HALF_WAY),
    Scheme(acc_bits=16, bias=Bias.INSIDE),
]
JOB = jobs.Job(None, Recipe(), Scheme(acc_bits=16))
FINISHED = QuantLayer(
    np.array([[127, -128, *[0] * 62]]), 8, Format(8, signed=False), 16, acc_bias=np.array([0]),
    origin={**training._question(JOB.recipe, JOB.scheme, data.load()), "loss_spread": 0.1},
)  # fmt: skip


class TestJobs:
    def test_a_name_has_all_that_a_layer_depends_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def dataset(folder: Path | None, bits: int) -> SimpleNamespace:
            train, test = str(folder).split("-")
            parts = {"train": train, "test": test}
            return SimpleNamespace(
                **{part: SimpleNamespace(origin={"of": name}) for part, name in parts.items()}
            )

        monkeypatch.setattr(jobs, "dataset", dataset)
        mine, *others = (replace(JOB, data=Path(name)) for name in ("my-own", "my-x", "x-own"))
        found = [mine, *others]
        found += [replace(mine, recipe=recipe) for recipe in OTHER_RECIPES]
        found += [replace(mine, scheme=scheme) for scheme in OTHER_SCHEMES]
        keys = {job.path().stem.rpartition("-")[2] for job in found}
        assert len(keys) == len(found) == 3 + len(fields(Recipe)) + len(fields(Scheme)) + 2

    def test_a_float_start_depends_on_all_but_penalty_and_scheme(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        starts: list[Any] = []
        layers: list[Any] = []
        made = SimpleNamespace(layer=SimpleNamespace(save=lambda path: None))
        monkeypatch.setattr(jobs, "_images", lambda *what: what)
        monkeypatch.setattr(jobs, "train_float", lambda *what: starts.append(what) or len(starts))
        monkeypatch.setattr(jobs, "train_layer", lambda *what: layers.append(what) or made)
        own, penalty = replace(JOB, data=tmp_path), replace(Recipe(), penalty_weight=0.7)
        shared = replace(own, recipe=penalty, scheme=OTHER_SCHEMES[0])
        alone = [own, *(replace(own, recipe=recipe) for recipe in OTHER_RECIPES)]
        alone = [job for job in alone if job.recipe != penalty]
        alone.append(replace(own, scheme=Scheme(acc_bits=16, inputs=Format(7, signed=False))))
        for job in [shared, *alone]:
            jobs.train(jobs._Task(job, tmp_path), print)
        images = [(tmp_path, job.scheme.inputs.bits, job.recipe.device) for job in alone]
        assert starts == [
            (replace(job.recipe, penalty_weight=0), of)
            for job, of in zip(alone, images, strict=True)
        ]
        assert layers == [
            (job.recipe, job.scheme, of, number, print)
            for job, of, number in zip(
                [shared, *alone], images[:1] + images, [1, *range(1, len(alone) + 1)], strict=True
            )
        ]

    @pytest.mark.usefixtures("desk")
    def test_jobs_of_the_same_images_and_start_come_together(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def keep(tasks: Sequence[jobs._Task], workers: int, console: Console) -> None:
            for task in tasks:
                order.append((task.job.scheme.inputs.bits, task.job.recipe.seed))
                FINISHED.save(task.path)

        order: list[tuple[int, int]] = []
        monkeypatch.setattr(jobs, "_train_all", keep)
        asked = [
            jobs.Job(None, Recipe(seed=seed), Scheme(acc_bits=acc_bits, inputs=Format(bits, False)))
            for acc_bits in (14, 15)
            for seed in (1, 0)
            for bits in (3, 8, 4)
        ]
        assert list(jobs.run(asked * 2, 1, Console(), fresh=False)) == asked
        assert order == [(bits, seed) for bits in (8, 4, 3) for seed in (0, 0, 1, 1)]

    @pytest.mark.usefixtures("desk")
    def test_a_kept_layer_is_believed_by_what_it_says_and_holds(self) -> None:
        paths = {JOB: JOB.path()}
        FINISHED.save(paths[JOB])
        assert list(jobs._finished(paths)) == [JOB]
        wrong: list[dict[str, Any]] = [
            {"weights": np.array([[127, -128]])},
            {"weights": np.array([[127, 2, *[0] * 62]])},  # 129 * 255 > 2^15 - 1
            {"acc_bias": np.array([383])},  # 127 * 255 + 383 = 2^15
            {"weight_bits": 9},
            {"inputs": Format(7, signed=False)},
        ]
        for name in FINISHED.origin:
            wrong.append({"origin": {k: v for k, v in FINISHED.origin.items() if k != name}})
        for changes in wrong:
            replace(FINISHED, **changes).save(paths[JOB])
            assert jobs._finished(paths) == {}


Values = Mapping[str, Sequence[float]]


def rows(names: str, points: Mapping[float, Sequence[Sequence[float]]]) -> dict[float, Values]:
    """Name what was measured at each place."""
    return {x: dict(zip(names.split(), row, strict=True)) for x, row in points.items()}


def results(
    series: Mapping[str, Mapping[float, Values]], *refused: tuple[str, float]
) -> studies.Results:
    made = (studies.Row(name, x, row) for name, line in series.items() for x, row in line.items())
    return studies.Results(
        tuple(made), tuple(studies.Point(name, x, None, "why") for name, x in refused)
    )


MEASURES = "accuracy sparsity l1_norm l1_bound"
TWO_METHODS = results(
    {
        "A2Q": rows(
            MEASURES,
            {
                16: ([0.9], [0.125], [126], [127]), 14: ([0.85], [0.2], [30], [32]),
                12: ([0.8], [0.3], [7], [8]), 10: ([0.4, 0.6], [0.7], [4, 5], [5]),
            },
        ),
        "A2Q+": rows(
            MEASURES,
            {
                10: ([0.7], [0.6], [7], [8]), 12: ([0.85], [0.4], [14], [16]),
                14: ([0.85], [0.25], [62], [64]), 16: ([0.86, 0.9], [0.1], [1234.5], [2e3]),
                9: ([0.5], [0.9], [3], [4]),
            },
        ),
    },
    ("A2Q", 9), ("A2Q", 8), ("A2Q+", 8), ("another", 3),
)  # fmt: skip


class TestFindings:
    def finding(self, name: str, names: str, series: Mapping[str, Any]) -> str:
        named = {which: rows(names, points) for which, points in series.items()}
        return studies.STUDIES[name].finding(results(named))

    def test_narrowest_is_down_to_the_first_that_falls_by_more_than_a_point(self) -> None:
        points = {14: [[0.4, 0.6]], 13: [[0.38, 0.6]], 20: [[0.9]], 12: [[0.9]], 16: [[0.51]]}
        found = results({"series": rows("accuracy", points)})
        assert 0.51 - studies.ONE_POINT == 0.5
        assert found.narrowest("series", 0.51) == 14
        assert found.narrowest("series", 0.92) is None
        assert found.narrowest("another", 0.51) is None

    def test_of_overflow(self) -> None:
        names = "accuracy overflow_rate exact_accuracy"
        found = {
            "wrap": {
                20: ([0.94, 0.96], [0], [0.94, 0.96]), 16: ([0.945], [0.3], [0.95]),
                12: ([0.1], [0.5], [0.95]),
            },
            "saturate": {
                20: ([0.95], [0], [0]), 16: ([0.93], [0.2], [0]), 12: ([0.2], [0.4], [0]),
            },
            "saturate, random orders": {20: ([0.9], [0.1], [0])},
            "A2Q": {20: ([0.95], [0], [0]), 12: ([0.92, 0.96], [0], [0])},
        }  # fmt: skip
        assert self.finding("overflow", names, found) == (
            "With unlimited accumulators the baseline reaches 95.0%; within one point of that stay "
            "wrap down to P=16, saturate down to P=20, saturate, random orders nowhere, A2Q down "
            "to P=12. At P=12 50.0% of the baseline's results overflow, and its accuracy is 10.0% "
            "if they wrap, 20.0% if they saturate; A2Q has 94.0%, and none of its results overflow "
            "at any P."
        )
        found["A2Q"] = {20: ([0.7], [0], [0]), 16: ([0.6], [0.1, 0.25], [0])}
        assert self.finding("overflow", names, found).endswith(
            "A2Q nowhere. At P=16 30.0% of the baseline's results overflow, and its accuracy is "
            "94.5% if they wrap, 93.0% if they saturate; A2Q has 60.0%, and up to 25.0% of its "
            "results overflow at any P."
        )

    def test_of_rounding(self) -> None:
        found = {
            "to zero": {12: ([0.8], [0.02], [0]), 16: ([0.9], [0], [0])},
            "half-way": {
                12: ([0.7, 0.8], [0.5, 0.7], [0.2, 0.2]), 16: ([0.93], [0.3], [0.05]),
            },
        }  # fmt: skip
        assert self.finding("rounding", "accuracy rows_over_bound rows_over_range", found) == (
            "As trained, half-way rounding leaves 50.0% of all rows over A2Q's bound and 15.0% out "
            "of P bits by exact range, toward zero 1.0% and 0.0%; rows out of P bits are brought "
            "back, and then half-way is -5.0 (P=12) to +3.0 points (P=16) in accuracy beside "
            "toward zero."
        )

    def test_of_penalty(self) -> None:
        found = {
            "P=12": {0.0: ([0.25], [0.9]), 0.1: ([0], [0.8])},
            "P=16": {0.0: ([0.4, 0.6], [0.7]), 0.1: ([0.1], [0.7, 0.8])},
        }
        assert self.finding("penalty", "rows_asking_too_much accuracy", found) == (
            "P=12: 25% of the rows end with t above T at lambda 0, 0% at 0.1; accuracy from 80.0% "
            "(lambda 0.1) to 90.0% (0). "
            "P=16: 50% of the rows end with t above T at lambda 0, 10% at 0.1; accuracy from 70.0% "
            "(lambda 0) to 75.0% (0.1)."
        )

    def test_of_few_bits(self) -> None:
        found = {
            "baseline, 3 bits": {13: [[0.88, 0.92]]},
            "baseline, 4 bits": {15: [[0.95]]},
            "A2Q, 3 bits": {8: [[0.895]], 9: [[0.91]]},
            "A2Q+, 3 bits": {9: [[0.88]]},
            "A2Q, 4 bits": {9: [[0.96]], 10: [[0.93]]},
            "A2Q+, 4 bits": {10: [[0.96]], 9: [[0.945]]},
        }
        assert self.finding("few-bits", "accuracy", found) == (
            "With M=N=3 the baseline reaches 90.0%, and its data types need P=13; within one point "
            "of that stay A2Q down to P=8, A2Q+ nowhere. "
            "With M=N=4 the baseline reaches 95.0%, and its data types need P=15; within one point "
            "of that stay A2Q nowhere, A2Q+ down to P=9."
        )

    def test_of_a2q_plus(self) -> None:
        assert studies.STUDIES["a2q-plus"].finding(TWO_METHODS) == (
            "A2Q+ is more accurate than A2Q at 2 of 4 widths, most at P=10 (+20.0 points, 50.0% to "
            "70.0%), where its longest row has an L1 norm of 7.0 in place of 4.5; least at P=16 "
            "(-2.0 points)."
        )


TWO_SEEDS = studies.Question(None, Recipe(), 2)


class TestTables:
    def test_a_table_line_by_line(self) -> None:
        out = StringIO()
        study = studies.STUDIES["a2q-plus"]
        Console(file=out, width=80).print(tables.table(study, TWO_SEEDS, TWO_METHODS))
        assert [line.rstrip() for line in out.getvalue().splitlines()] == [
            "A2Q and A2Q+: means over 2 seeds",
            "",
            "    accuracy accuracy sparsity sparsity",
            "         A2Q     A2Q+      A2Q     A2Q+ L1 norm  L1 norm",
            "  P        %        %        %        %     A2Q     A2Q+",
            " ───────────────────────────────────────────────────────",
            " 16     90.0     88.0     12.5     10.0     126 1.23e+03",
            " 14     85.0     85.0     20.0     25.0      30       62",
            " 12     80.0     85.0     30.0     40.0       7       14",
            " 10     50.0     70.0     70.0     60.0     4.5        7",
            "  9        -     50.0        -     90.0       -        3",
            "",
        ]

    def test_columns_are_what_their_headings_say(self) -> None:
        measures = {
            "overflow": "overflow_rate", "error": "error", "accuracy": "accuracy",
            "over bound": "rows_over_bound", "over range": "rows_over_range",
            "sparsity": "sparsity", "t > T": "rows_asking_too_much", "loss": "final_loss",
            "L1 norm": "l1_norm",
        }  # fmt: skip
        series = {"baseline": "saturate", "saturate shuffled": "saturate, random orders"}
        series |= {
            f"{b} bits {name}": f"{name}, {b} bits" for b in "34" for name in ("A2Q", "A2Q+")
        }
        for study in studies.STUDIES.values():
            headings = [heading.replace("\n", " ") for heading, _, _ in study.columns]
            assert len(set(headings)) == len(headings) >= 6
            for heading, (_, which, measure) in zip(headings, study.columns, strict=True):
                what = next(words for words in measures if heading.startswith(f"{words} "))
                whose = heading.removeprefix(f"{what} ")
                assert (which, measure) == (series.get(whose, whose), measures[what])

    def test_csv_has_mean_and_ends_of_every_measure(self, tmp_path: Path) -> None:
        tables.write(studies.STUDIES["a2q-plus"], TWO_SEEDS, TWO_METHODS, tmp_path)
        lines = (tmp_path / "a2q-plus.csv").read_text(encoding="utf-8").splitlines()
        assert lines[0].split(",") == ["series", "P"] + [
            f"{measure}_{which}" for measure in MEASURES.split() for which in ("mean", "min", "max")
        ]
        assert lines[4] == "A2Q,10,0.5,0.4,0.6,0.7,0.7,0.7,4.5,4,5,5.0,5,5"

    def test_captions(self) -> None:
        a2q_plus, few_bits = studies.STUDIES["a2q-plus"], studies.STUDIES["few-bits"]
        assert tables.caption(a2q_plus, TWO_SEEDS) == (
            "digits, 64 inputs, 10 classes; M = N = 8, unsigned inputs; "
            "lines: mean, bands: min to max over 2 seeds"
        )
        assert tables.caption(few_bits, replace(TWO_SEEDS, seeds=1)) == (
            "digits, 64 inputs, 10 classes; lines: mean, bands: min to max over 1 seed"
        )


def drawn(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    """Return x and y of the lines that have a name."""
    return {
        line.get_label(): (list(line.get_xdata()), pytest.approx(list(line.get_ydata())))
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


class TestPlots:
    def test_lines_are_means_and_bands_their_ends(self) -> None:
        figure = plots._figure(studies.STUDIES["a2q-plus"], TWO_METHODS, "a caption")
        accuracy, sparsity, norm = figure.axes
        p, plus_p = [10, 12, 14, 16], [9, 10, 12, 14, 16]
        assert drawn(accuracy) == {
            "A2Q+": (plus_p, [50, 70, 85, 85, 88]), "A2Q": (p, [50, 80, 85, 90]),
        }  # fmt: skip
        assert drawn(sparsity)["A2Q"] == (p, [70, 30, 20, 12.5])
        assert drawn(norm) == {
            "A2Q+": (plus_p, [3, 7, 14, 62, 1234.5]), "A2Q": (p, [4.5, 7, 30, 126]),
        }  # fmt: skip
        thin = [list(line.get_ydata()) for line in norm.lines if line.get_linewidth() < 1]
        assert thin == [[4, 8, 16, 64, 2e3], [5, 8, 32, 127]]
        _, band = accuracy.collections
        corners = band.get_paths()[0].vertices.round(9).tolist()
        ends = [sorted({y for x, y in corners if x == place}) for place in p]
        assert ends == [[40, 60], [80], [85], [90]]
        assert [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes] == [
            "Accuracy", "Weights that are zero", "L1 norm, longest row"
        ]  # fmt: skip
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["A2Q", "A2Q+"]
        assert {axes.get_xlabel() for axes in figure.axes} == {"accumulator width P (bits)"}
        assert [text.get_text() for text in figure.texts] == ["A2Q and A2Q+", "a caption"]
        for axes in figure.axes:
            (shade,) = axes.patches
            assert (shade.get_x(), shade.get_width()) == (7.5, 2)

    def test_the_bound_of_the_data_types_is_marked(self) -> None:
        row = {"accuracy": [0.5], "sparsity": [0.25]}
        found = {f"{name}, {b} bits": {b + 5: row} for name in ("A2Q", "A2Q+") for b in (3, 4)}
        found |= {f"baseline, {b} bits": {2 * b + 7: row} for b in (3, 4)}
        figure = plots._figure(studies.STUDIES["few-bits"], results(found), "")
        for axes, bound in zip(figure.axes, (13, 13, 15, 15), strict=True):
            (mark,) = (line for line in axes.lines if line.get_label().startswith("_"))
            assert list(mark.get_xdata()) == [bound, bound]
            assert drawn(axes)["baseline at its data type bound"][0] == [bound]
            assert not axes.patches

    def test_lambdas_stand_side_by_side(self) -> None:
        names = "rows_asking_too_much accuracy final_loss loss_spread"
        line = rows(names, {x: ([0.5], [0.25], [2], [1]) for x in (0.1, 0.0, 1e-5)})
        found = results({f"P={acc_bits}": line for acc_bits in (12, 14, 16)})
        for axes in plots._figure(studies.STUDIES["penalty"], found, "").axes:
            assert drawn(axes)["P = 14"][0] == [0, 1, 2]
            assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1e-05", "0.1"]


@pytest.mark.parametrize(
    ("arguments", "question", "names", "rest"),
    [
        ("", (None, Recipe(epochs=1200), 3), NAMES, (jobs.default_workers(), False)),
        (
            "rounding penalty --seeds 2 --epochs 7 --workers 5 --fresh",
            (None, Recipe(epochs=7), 2), ["rounding", "penalty"], (5, True),
        ),
        ("few-bits --data x --workers 1", (Path("x"), MNIST_RECIPE, 3), ["few-bits"], (1, False)),
    ],
)  # fmt: skip
def test_arguments_reach_the_jobs(
    arguments: str, question: tuple[Any, ...], names: Sequence[str], rest: tuple[int, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def stop(wanted: list[jobs.Job], workers: int, console: Console, *, fresh: bool) -> None:
        asked.extend([set(wanted), (workers, fresh)])
        raise KeyboardInterrupt

    asked: list[Any] = []
    monkeypatch.setattr(jobs, "run", stop)
    monkeypatch.setattr(studies, "inputs_of", lambda question: 64)
    assert main.main(arguments.split()) == 130
    every = [studies.STUDIES[name].jobs(studies.Question(*question)) for name in names]
    assert asked == [set().union(*every), rest]
    assert {(job.data, job.recipe.seed) for job in asked[0]} == {
        (question[0], seed) for seed in range(question[2])
    }


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
            "a2q experiments: stopped; what is finished is kept in build/train, "
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
