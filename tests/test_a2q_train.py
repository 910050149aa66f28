"""Training is repeatable, goes on where it stopped, and ships layers that are what they say."""

from __future__ import annotations

import copy
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_a2q_data import TRAIN_IMAGES as MNIST_IMAGES
from test_a2q_data import VALID as MNIST
from torch import nn

import golden
from a2q_ref import data, jobs, train, training
from a2q_ref.export import Exported, export
from a2q_ref.layers import Quantized, penalty
from a2q_ref.scheme import Bias, Method, Rounding, Scheme
from a2q_ref.training import Images, Recipe, train_float, train_layer
from golden.bounds import l1_norm, layer_bits
from golden.integer import Format
from golden.layer import LabelledInputs, QuantLayer
from golden.mvau import matvec, run

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def images() -> Images:
    return Images(data.load())


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, so that no cache of another run is near."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scheme_of(acc_bits: int | None) -> Scheme:
    return Scheme(Method.BASELINE if acc_bits is None else Method.A2Q, acc_bits=acc_bits)


def mnist_folder(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def trained(recipe: Recipe, acc_bits: int | None, images: Images) -> Exported:
    start = train_float(recipe, images)
    return train_layer(recipe, scheme_of(acc_bits), images, start)


def fresh_start(images: Images, seed: int) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(images.pixels.shape[1], 10, dtype=torch.float64)


def by_hand(
    model: nn.Module, weight: Callable[[], torch.Tensor], recipe: Recipe, images: Images
) -> list[float]:
    """Train in torch's plain words; return the mean cross entropy of each epoch."""
    optimizer, count = torch.optim.Adam(model.parameters()), len(images.labels)
    losses = []
    for epoch in range(recipe.epochs):
        optimizer.param_groups[0]["lr"] = (
            recipe.lr * (1 + math.cos(math.pi * epoch / recipe.epochs)) / 2
        )
        total = 0.0
        for part in torch.arange(count).split(recipe.batch or count):
            optimizer.zero_grad()
            scores, labels = model(images.pixels[part]), images.labels[part]
            loss = nn.functional.cross_entropy(scores, labels)
            total += loss.item() * len(part)
            loss = loss + recipe.weight_decay * weight().square().sum()
            if isinstance(model, Quantized):
                loss = loss + recipe.penalty_weight * penalty(model)
            loss.backward()
            optimizer.step()
        losses.append(total / count)
    return losses


QUICK = ["--epochs", "3", "--workers", "1", "--output", "out"]


class TestTraining:
    @pytest.mark.parametrize("acc_bits", [12, 16, None])
    def test_same_recipe_gives_the_same_integers(
        self, acc_bits: int | None, images: Images
    ) -> None:
        torch.manual_seed(7)  # whatever state the process is in
        first = trained(Recipe(epochs=20), acc_bits, images).layer
        torch.manual_seed(8)
        second = trained(Recipe(epochs=20), acc_bits, images).layer
        for name in ("weights", "multiplier", "bias"):
            assert (getattr(first, name) == getattr(second, name)).all()
        assert first.origin == second.origin

    @pytest.mark.parametrize(
        "change",
        [
            {"epochs": 21},
            {"batch": 100},
            {"seed": 1},
            {"lr": 0.1},
            {"penalty_weight": 1.0},
            {"weight_decay": 0.1},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_all_of_the_recipe_matters(self, change: dict[str, float], images: Images) -> None:
        recipe = Recipe(epochs=20)
        plain, changed = (
            trained(either, 14, images).layer for either in (recipe, replace(recipe, **change))
        )
        assert (plain.weights != changed.weights).any()

    def test_reports_how_it_went(self, images: Images) -> None:
        told = {
            acc_bits: trained(Recipe(epochs=30), acc_bits, images).layer.origin
            for acc_bits in (14, 30)
        }
        assert told[14]["rows_asking_too_much"] > 0  # at 14 bits rows want more
        assert told[30]["rows_asking_too_much"] == 0
        assert told[14]["final_loss"] > told[30]["final_loss"] > 0
        one = trained(Recipe(epochs=1), 14, images).layer.origin
        assert one["final_loss"] > told[14]["final_loss"]
        assert one["loss_spread"] == 0 < told[14]["loss_spread"]

    @pytest.mark.parametrize("batch", [0, 500])
    def test_is_the_loop_that_the_recipe_says(
        self, batch: int, images: Images, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch, "randperm", torch.arange)
        recipe = Recipe(epochs=20, batch=batch, weight_decay=0.01, penalty_weight=0.01)
        start = train_float(replace(recipe, epochs=2), images)
        expected = fresh_start(images, recipe.seed)
        by_hand(expected, lambda: expected.weight, replace(recipe, epochs=2), images)
        torch.testing.assert_close(start.weight, expected.weight)

        scheme = Scheme(Method.A2Q_PLUS, acc_bits=12, rounding=Rounding.HALF_WAY)
        model = Quantized(copy.deepcopy(start), scheme, images.input_scale)
        losses = by_hand(model, lambda: model.quantized()["weight"], recipe, images)
        with torch.no_grad():
            scores = model(images.test_pixels).numpy()
        fixes, test = export(model).fixes, images.dataset.test
        assert fixes

        exported = train_layer(recipe, scheme, images, start)
        layer, origin = exported.layer, exported.layer.origin
        integer_scores = layer.scores(matvec(layer.weights, test.values))
        assert (layer.weights == export(model).layer.weights).all()
        assert origin == {
            "dataset": "digits",
            "method": "a2q+",
            "rounding": "half-way",
            "bias": "outside",
            "acc_bits": 12,
            **asdict(recipe),
            **training.versions(),
            "float_test_accuracy": test.accuracy(scores),
            "integer_test_accuracy": test.accuracy(integer_scores),
            "sparsity": np.mean(layer.weights == 0),
            "fixed_rows": [asdict(fix) for fix in fixes],
            "rows_asking_too_much": int((model.weights.overreach() > 0).sum()),
            "final_loss": pytest.approx(losses[-1], rel=1e-9),
            "loss_spread": pytest.approx(abs(losses[-1] - losses[-2]), rel=1e-6),
        }
        assert origin["rows_asking_too_much"] > 0

    @pytest.mark.parametrize("batch", [0, 500])
    def test_the_loss_is_the_mean_over_all_images(self, batch: int, images: Images) -> None:
        recipe = Recipe(epochs=1, batch=batch, lr=0.0, weight_decay=1.0, penalty_weight=1.0)
        start = train_float(Recipe(epochs=20), images)
        model = Quantized(copy.deepcopy(start), scheme_of(12), images.input_scale)
        expected = nn.functional.cross_entropy(model(images.pixels), images.labels).item()
        origin = train_layer(recipe, scheme_of(12), images, start).layer.origin
        assert origin["final_loss"] == pytest.approx(expected, rel=1e-12)

    def test_the_seed_shuffles_the_batches(self, images: Images) -> None:
        start = fresh_start(images, 0)
        zero, one, again = (
            train_layer(Recipe(epochs=1, batch=100, seed=seed), scheme_of(16), images, start).layer
            for seed in (0, 1, 0)
        )
        assert (zero.weights != one.weights).any()
        assert (zero.weights == again.weights).all()

    def test_goes_one_fixed_way(self, images: Images) -> None:
        def tell() -> None:
            told.append((torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()))

        told, start, threads = [], fresh_start(images, 0), torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            train_layer(Recipe(epochs=1), scheme_of(16), images, start, tell)
        finally:
            torch.set_num_threads(threads)
        assert told == [(True, 1)]
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in (":4096:8", ":16:8")

    def test_ticks_after_each_epoch(self, images: Images) -> None:
        recipe, ticks = Recipe(epochs=7), []
        start = train_float(recipe, images)
        train_layer(recipe, scheme_of(16), images, start, lambda: ticks.append(1))
        assert len(ticks) == 7

    def test_bias_inside_is_trained_and_exported(self, images: Images) -> None:
        recipe = Recipe(epochs=300)
        scheme = Scheme(acc_bits=16, bias=Bias.INSIDE)
        layer = train_layer(recipe, scheme, images, train_float(recipe, images)).layer
        assert layer.acc_bias.any()
        assert layer_bits(layer.weights, layer.inputs, start=layer.acc_bias) <= 16
        assert layer.origin["integer_test_accuracy"] > 0.9
        difference = layer.origin["integer_test_accuracy"] - layer.origin["float_test_accuracy"]
        assert abs(difference) < 0.01

    def test_leaves_torch_as_it_was(self, images: Images) -> None:
        def state() -> tuple[object, ...]:
            strict = torch.are_deterministic_algorithms_enabled()
            return strict, torch.get_num_threads(), torch.get_rng_state().tolist()

        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            before = state()
            trained(Recipe(epochs=1), 16, images)
            assert state() == before
        finally:
            torch.set_num_threads(threads)

    def test_writes_the_same_bytes_again(self, desk: Path) -> None:
        command = ["--acc-bits", "16,unconstrained", *QUICK]
        contents = []
        for _ in range(2):
            assert train.main([*command, "--fresh"]) == 0
            contents.append({path.name: path.read_bytes() for path in (desk / "out").iterdir()})
        assert contents[0] == contents[1]
        assert set(contents[0]) == {"a2q-p16.npz", "unconstrained.npz", "test-images.npz"}

    def test_prints_a_table_and_where_the_files_are(
        self, desk: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert train.main(["--acc-bits", "10-12", *QUICK]) == 0
        out = capsys.readouterr().out
        assert "digits, 64 inputs to 10 classes, M=8, unsigned 8-bit inputs" in out
        assert "7.996" in out
        assert "the layers and the test images are in out" in out

    def test_on_several_cores_it_writes_the_same_bytes(self, desk: Path) -> None:
        """And says so as it goes on."""
        for workers in ("1", "2"):
            command = ["--acc-bits", "14,16", "--epochs", "2", "--workers", workers, "--fresh"]
            assert train.main([*command, "--output", workers]) == 0
        for path in (desk / "1").iterdir():
            assert path.read_bytes() == (desk / "2" / path.name).read_bytes()

    def test_another_recipe_does_not_replace_the_shipped_layers(self, desk: Path) -> None:
        assert train.main(["--acc-bits", "16", "--epochs", "3"]) == 0
        names = {path.name for path in (desk / train.OTHER_LAYERS).iterdir()}
        assert names == {"a2q-p16.npz", train.TEST_IMAGES}


class TestResume:
    @pytest.fixture
    def trained(self, monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
        """The widths that were really trained, in order."""
        widths: list[int | None] = []
        genuine = jobs.train_layer

        def record(recipe: Recipe, scheme: Scheme, *rest: object) -> Exported:
            widths.append(scheme.acc_bits)
            if scheme.acc_bits == 13 and widths.count(13) == 1:
                raise KeyboardInterrupt
            return genuine(recipe, scheme, *rest)

        monkeypatch.setattr(jobs, "train_layer", record)
        return widths

    def test_goes_on_where_it_was_stopped(
        self, desk: Path, trained: list[int | None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ["--acc-bits", "11-14", *QUICK]
        assert train.main(command) == 130
        assert "the same command goes on from there" in capsys.readouterr().err
        assert not (desk / "out").exists()

        assert train.main(command) == 0
        assert trained == [11, 12, 13, 13, 14]
        assert "2 of 4 layers were finished earlier" in capsys.readouterr().err
        assert len(list((desk / "out").iterdir())) == 5

        assert train.main(command) == 0
        assert trained == [11, 12, 13, 13, 14]

    def test_fresh_trains_again(self, desk: Path, trained: list[int | None]) -> None:
        command = ["--acc-bits", "16", *QUICK]
        assert train.main(command) == train.main([*command, "--fresh"]) == 0
        assert trained == [16, 16]

    def test_another_recipe_is_other_work(self, desk: Path, trained: list[int | None]) -> None:
        for seed in ("0", "1"):
            assert train.main(["--acc-bits", "16", "--seed", seed, *QUICK]) == 0
        assert trained == [16, 16]

    def test_a_damaged_layer_is_trained_again(self, desk: Path, trained: list[int | None]) -> None:
        command = ["--acc-bits", "16", *QUICK]
        assert train.main(command) == 0
        (kept,) = (desk / "build" / "train").glob("a2q-p16-*.npz")
        kept.write_bytes(kept.read_bytes()[:100])
        assert train.main(command) == 0
        assert trained == [16, 16]
        assert QuantLayer.load(kept).trained_acc_bits == 16

    def test_a_layer_in_the_place_of_another_is_not_believed(
        self, desk: Path, trained: list[int | None]
    ) -> None:
        command = ["--acc-bits", "12,20", *QUICK]
        assert train.main(command) == 0
        narrow, wide = (
            next((desk / "build" / "train").glob(f"a2q-p{acc_bits}-*.npz")) for acc_bits in (12, 20)
        )
        contents = narrow.read_bytes(), wide.read_bytes()
        wide.write_bytes(contents[0]), narrow.write_bytes(contents[1])
        assert train.main(command) == 0
        assert trained == [12, 20] * 2
        assert (narrow.read_bytes(), wide.read_bytes()) == contents
        layer = QuantLayer.load(wide)
        unfinished = {name: told for name, told in layer.origin.items() if name != "loss_spread"}
        for origin in ({}, unfinished):
            replace(layer, origin=origin).save(wide)
            assert train.main(command) == 0
        assert trained == [12, 20] * 2 + [20] * 2

    def test_other_images_are_other_work(self, desk: Path, trained: list[int | None]) -> None:
        turned = {**MNIST, MNIST_IMAGES: MNIST[MNIST_IMAGES][:16] + MNIST[MNIST_IMAGES][:15:-1]}
        command = ["--acc-bits", "16", "--batch", "0", "--lr", "0.05", *QUICK]
        assert train.main(command) == 0
        for name, files in (("first", MNIST), ("second", turned), ("first", MNIST)):
            folder = mnist_folder(desk / name, files)
            assert train.main([*command, "--data", str(folder)]) == 0
        assert trained == [16, 16, 16]


class TestWhereLayersGo:
    @pytest.fixture
    def asked(self, desk: Path, monkeypatch: pytest.MonkeyPatch) -> list[jobs.Job]:
        """The jobs, each of them finished at once, and the place of the shipped layers moved."""
        asked: list[jobs.Job] = []
        layer = QuantLayer.load(train.SHIPPED / "a2q-p16.npz")

        def finish(wanted: Iterable[jobs.Job], *_: object, **__: object) -> dict:
            asked.extend(wanted)
            return dict.fromkeys(wanted, layer)

        monkeypatch.setattr(jobs, "run", finish)
        monkeypatch.setattr(train, "SHIPPED", desk / "shipped")
        return asked

    @pytest.mark.parametrize("arguments", [[], ["--workers", "3"], ["--method", "a2q"]], ids=str)
    def test_over_the_shipped_ones_if_all_is_as_shipped(
        self, arguments: list[str], desk: Path, asked: list[jobs.Job]
    ) -> None:
        assert train.main(arguments) == 0
        assert [job.scheme.acc_bits for job in asked] == SHIPPED_WIDTHS
        names = {path.name for path in (desk / "shipped").iterdir()}
        assert names == {train.file_name(job.scheme) for job in asked} | {train.TEST_IMAGES}
        assert not (desk / train.OTHER_LAYERS).exists()

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--acc-bits", "10-23,unconstrained"], ["--acc-bits", "10-24"], ["--method", "a2q+"],
            ["--weight-bits", "7"], ["--input-bits", "7"], ["--rounding", "half-way"],
            ["--bias", "inside"], ["--epochs", "3999"], ["--seed", "1"],
            ["--data", "mnist", "--epochs", "4000", "--batch", "0", "--lr", "0.05"],
        ],
        ids=lambda arguments: arguments[0],
    )  # fmt: skip
    def test_elsewhere_if_anything_is_not(
        self, arguments: list[str], desk: Path, asked: list[jobs.Job]
    ) -> None:
        folder = mnist_folder(desk / "mnist", MNIST)
        arguments = [str(folder) if word == "mnist" else word for word in arguments]
        assert train.main(arguments) == 0
        assert not (desk / "shipped").exists()
        assert len(list((desk / train.OTHER_LAYERS).iterdir())) == len(asked) + 1

    def test_mnist_has_a_recipe_of_its_own(self, desk: Path, asked: list[jobs.Job]) -> None:
        folder = str(mnist_folder(desk / "mnist", MNIST))
        assert train.main(["--data", folder, "--acc-bits", "16"]) == 0
        assert train.main(["--data", folder, "--acc-bits", "16", "--lr", "0.1"]) == 0
        assert [job.recipe for job in asked] == [
            training.MNIST_RECIPE, replace(training.MNIST_RECIPE, lr=0.1),
        ]  # fmt: skip


class TestFingerprint:
    def test_is_over_all_that_makes_a_layer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("a2q_ref", "golden"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "code.py").write_text("one")
        monkeypatch.setattr(training, "SOURCES", tmp_path / "a2q_ref")
        monkeypatch.setattr(golden, "__file__", str(tmp_path / "golden" / "__init__.py"))
        seen = [training.fingerprint("a", 1)]
        assert training.fingerprint("a", 1) == seen[0]
        seen += [training.fingerprint("b", 1), training.fingerprint("a", 2)]
        for name in ("a2q_ref", "golden"):
            (tmp_path / name / "code.py").write_text("another")
            seen.append(training.fingerprint("a", 1))
        genuine = training.versions()
        for name in genuine:
            monkeypatch.setattr(training, "versions", lambda name=name: {**genuine, name: "0"})
            seen.append(training.fingerprint("a", 1))
        assert len(set(seen)) == len(seen) == 8


class TestCommandLine:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--epochs", "0"], "argument --epochs: must be 1 to 1000000, got '0'"),
            (["--epochs", "many"], "argument --epochs: must be 1 to 1000000, got 'many'"),
            (["--seed", "-1"], "argument --seed: must be 0 to 4294967295, got '-1'"),
            (["--acc-bits", "1"], "argument --acc-bits: must be 2 to 64, got '1'"),
            (["--acc-bits", "12,"], "argument --acc-bits: must be 2 to 64, got ''"),
            (["--acc-bits", "12-"], "argument --acc-bits: must be 2 to 64, got ''"),
            (["--acc-bits", "12-10"], "argument --acc-bits: a range must not fall, got '12-10'"),
            (["--device", "tpu"], "argument --device: must be cpu, cuda or auto, got 'tpu'"),
            (["--output", "file/out"], "argument --output: must be a folder that can be written"),
            (["--epoch", "3"], "unrecognized arguments: --epoch 3"),
            (["--weight-bits", "1"], "argument --weight-bits: must be 2 to 16, got '1'"),
            (["--input-bits", "17"], "argument --input-bits: must be 1 to 16, got '17'"),
            (["--lambda", "nan"], "argument --lambda: must be a number from 0 to 1000000, got"),
            (["--lr", "-1"], "argument --lr: must be a number from 0 to 1000000, got '-1'"),
            (["--method", "a3q"], "argument --method: invalid choice: 'a3q'"),
            (["--rounding", "up"], "argument --rounding: invalid choice: 'up'"),
        ],
    )
    def test_refuses_in_one_sentence(
        self,
        arguments: list[str],
        sentence: str,
        desk: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        (desk / "file").touch()
        with pytest.raises(SystemExit) as exit_:
            train.main(arguments)
        captured = capsys.readouterr()
        assert exit_.value.code == 2
        assert captured.err.startswith(f"a2q train: {sentence}")
        assert captured.err.count("\n") == 1
        assert captured.out == ""
        assert [path.name for path in desk.iterdir()] == ["file"]

    @pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
    def test_refuses_a_gpu_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            train.main(["--device", "cuda"])
        assert "must not be cuda where torch finds no GPU" in capsys.readouterr().err

    def test_refuses_a_width_without_room(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert train.main(["--acc-bits", "9"]) == 2
        assert "a2q train: acc_bits must be at least 10 for a2q" in capsys.readouterr().err

    def test_refuses_what_training_can_not_survive(
        self, desk: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert train.main(["--acc-bits", "unconstrained", "--lr", "1e6", *QUICK]) == 2
        error = capsys.readouterr().err
        assert error.strip().startswith("a2q train: training baseline, seed 0, failed: ")
        assert "must be finite numbers, got" in error
        assert not (desk / "out").exists()

    def test_refuses_data_that_is_not_there(
        self, desk: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert train.main(["--data", "nowhere", *QUICK]) == 2
        error = capsys.readouterr().err
        assert error.startswith("a2q train: nowhere")
        assert error.count("\n") == 1
        assert not list(desk.iterdir())

    def test_every_option_reaches_the_layer(self, desk: Path) -> None:
        command = [
            "--method", "a2q+", "--weight-bits", "4", "--input-bits", "5", "--rounding", "half-way",
            "--bias", "inside", "--acc-bits", "13", "--lambda", "0.5", "--lr", "0.1",
            "--batch", "99", "--weight-decay", "0.25", "--seed", "3", *QUICK,
        ]  # fmt: skip
        assert train.main(command) == 0
        layer = QuantLayer.load(desk / "out" / "a2q-plus-p13-m4-n5-half-way-bias-inside.npz")
        assert (layer.weight_bits, layer.inputs) == (4, Format(5, signed=False))
        told = {
            "dataset": "digits", "method": "a2q+", "rounding": "half-way", "bias": "inside",
            "acc_bits": 13, "penalty_weight": 0.5, "lr": 0.1, "batch": 99, "weight_decay": 0.25,
            "seed": 3, "epochs": 3,
        }  # fmt: skip
        assert told.items() <= layer.origin.items()

    def test_help_explains_every_word(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            train.main(["--help"])
        text = capsys.readouterr().out
        for word in ("accumulator", "L1 norm", "baseline", "a2q+", "half-way", "MNIST", "examples"):
            assert word in text

    def test_widths_are_listed_once_and_in_order(self) -> None:
        assert train._widths("16,unconstrained,14-17") == [16, None, 14, 15, 17]


def test_package_needs_no_torch() -> None:
    check = "import sys, a2q_ref; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


SHIPPED_WIDTHS = [*range(10, 25), None]


@pytest.fixture(scope="module")
def shipped() -> LabelledInputs:
    return LabelledInputs.load(train.SHIPPED / train.TEST_IMAGES)


class TestShipped:
    @pytest.fixture(
        params=SHIPPED_WIDTHS, ids=[train.file_name(scheme_of(p)) for p in SHIPPED_WIDTHS]
    )
    def layer(self, request: pytest.FixtureRequest) -> QuantLayer:
        layer = QuantLayer.load(train.SHIPPED / train.file_name(scheme_of(request.param)))
        assert layer.trained_acc_bits == request.param
        return layer

    def test_nothing_else_is_shipped(self) -> None:
        expected = {train.file_name(scheme_of(acc_bits)) for acc_bits in SHIPPED_WIDTHS} | {
            train.TEST_IMAGES
        }
        assert {path.name for path in train.SHIPPED.iterdir()} == expected

    def test_images_are_the_test_images(self, shipped: LabelledInputs) -> None:
        test = data.load().test
        assert (shipped.values == test.values).all()
        assert (shipped.labels == test.labels).all()
        assert shipped.origin == test.origin

    def test_header_says_what_the_integers_do(
        self, layer: QuantLayer, shipped: LabelledInputs
    ) -> None:
        scores = layer.scores(matvec(layer.weights, shipped.values))
        assert layer.origin["integer_test_accuracy"] == shipped.accuracy(scores)
        assert layer.origin["fixed_rows"] == []
        assert layer.origin["sparsity"] == np.mean(layer.weights == 0)
        assert layer.origin["acc_bits"] == layer.trained_acc_bits
        assert (layer.mh, layer.mw, layer.weight_bits) == (10, 64, 8)

    def test_fits_the_width_it_was_trained_for(
        self, layer: QuantLayer, shipped: LabelledInputs
    ) -> None:
        if layer.trained_acc_bits is None:
            assert layer_bits(layer.weights, layer.inputs) > 16
            assert np.abs(layer.weights).max(axis=1).min() >= 100
            assert run(layer.spec(acc_bits=16), layer.weights, shipped.values).overflow.any()
        else:
            budget = scheme_of(layer.trained_acc_bits).budget
            assert max(l1_norm(layer.weights).tolist()) <= budget
            assert layer_bits(layer.weights, layer.inputs) <= layer.trained_acc_bits

    def test_accuracy_is_worth_shipping(self) -> None:
        accuracy = {}
        for acc_bits in SHIPPED_WIDTHS:
            layer = QuantLayer.load(train.SHIPPED / train.file_name(scheme_of(acc_bits)))
            accuracy[acc_bits] = layer.origin["integer_test_accuracy"]
        assert accuracy[None] >= 0.95
        assert min(accuracy[acc_bits] for acc_bits in range(16, 25)) >= 0.95
        assert accuracy[10] < accuracy[11] < accuracy[12] < accuracy[13] < accuracy[14]
