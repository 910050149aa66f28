"""Trained networks are exact as integers, and those that are shipped are what they say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from a2q_ref import data, jobs, train, train_networks
from a2q_ref.networks import PLANS, Classifier, accuracy, train_float, train_network
from a2q_ref.scheme import Scheme
from a2q_ref.train_networks import INPUTS, RECIPE, SCHEMES, SHIPPED, TEST_IMAGES
from a2q_ref.training import Images, Recipe
from golden.bounds import exact_range, l1_norm
from golden.integer import IntArray, Overflow
from golden.layer import LabelledInputs
from golden.network import Network, NetworkTrace, Shape, run
from sim import cli
from sim.paths import LAYERS, NETWORKS

pytestmark = pytest.mark.torch

NAMES = [f"{name}-{trained_for}" for name in PLANS for trained_for in SCHEMES]


@pytest.fixture(scope="module")
def images() -> Images:
    return Images(data.load(bits=INPUTS.bits))


# Export


class Exported(NamedTuple):
    """A trained network in floats, and in integers what it does with the test images."""

    model: Classifier
    network: Network
    trace: NetworkTrace
    given: list[Tensor]  # the integers that each layer of the model is given, as torch has them


def quick(name: str, trained_for: str, images: Images) -> tuple[Classifier, Network]:
    """Train a little; return the model too, one channel of each stage turned around."""
    models: list[Classifier] = []
    recipe, export = replace(RECIPE, epochs=3), Classifier.export

    def turned(model: Classifier) -> object:
        with torch.no_grad():
            for norm in model.norms:
                norm.weight[1] *= -1
        models.append(model)
        return export(model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classifier, "export", turned)
        start = train_float(name, recipe, images)
        network = train_network(name, recipe, SCHEMES[trained_for], images, start)
    return models[0], network


@pytest.fixture(
    scope="module",
    params=[(name, scheme) for name in PLANS for scheme in ("a2q-p10", "unconstrained")],
    ids="-".join,
)
def exported(request: pytest.FixtureRequest, images: Images) -> Exported:
    model, network = quick(*request.param, images)
    given: list[Tensor] = []
    for layer in model.layers:
        layer.register_forward_pre_hook(
            lambda layer, inputs: given.append(layer.inputs.integers(inputs[0]))
        )
    with torch.no_grad():
        model(images.test_pixels)
    trace = run(network, network.images(images.dataset.test.values))
    return Exported(model, network, trace, given)


def by_position(values: Tensor, shape: Shape) -> IntArray:
    """Return what torch has as (V, C, H, W), or flat in that order, as (V*positions, C)."""
    height, width, channels = shape
    places = values.reshape(-1, channels, height, width).movedim(1, -1)
    return places.reshape(-1, channels).long().numpy()


def test_each_stage_is_given_what_the_floats_are(exported: Exported, images: Images) -> None:
    """All activations of all test images, step for step; a pixel's worth is given, not learned."""
    assert exported.model.layers[0].inputs.given == 1 / 15
    network, stages = exported.network, exported.trace.stages
    before = [(network.height, network.width, network.channels), *network.shapes[:-1]]
    pixels = images.dataset.test.values.reshape(-1, network.channels)
    outputs = [pixels, *(stage.outputs for stage in stages[:-1])]
    for integers, shape, given in zip(exported.given, before, outputs, strict=True):
        assert np.array_equal(by_position(integers, shape), given)
        assert len(np.unique(given)) == 16


def test_accumulators_are_those_of_torch_in_exact_integers(exported: Exported) -> None:
    """Its own products on its own integers: whole numbers far below 2^53, in float64."""
    norms = [*exported.model.norms, None]
    shapes, stages = exported.network.shapes, exported.trace.stages
    assert len(stages) == len(PLANS[exported.network.name])
    for layer, norm, inputs, shape, told in zip(
        exported.model.layers, norms, exported.given, shapes, stages, strict=True
    ):
        weight = layer.integers().view_as(layer.layer.weight).double()
        own = {"weight": weight}
        if layer.layer.bias is not None:
            own["bias"] = torch.zeros_like(layer.layer.bias)
        exact = torch.func.functional_call(layer.layer, own, (inputs.double(),))
        turned = np.ones(shape[2], int) if norm is None else norm.weight.sign().long().numpy()
        assert norm is None or turned.sum() == shape[2] - 2
        assert np.array_equal(told.acc, turned * by_position(exact, shape))


def test_classes_are_those_of_the_floats(exported: Exported, images: Images) -> None:
    """Of every image: 16-bit multipliers of scores lose nothing that shows."""
    with torch.no_grad():
        scores = exported.model(images.test_pixels)
    assert np.array_equal(scores.argmax(dim=1).numpy(), exported.trace.scores.argmax(axis=1))


def test_same_recipe_gives_the_same_integers(images: Images, tmp_path: Path) -> None:
    for seed, name in ((7, "first"), (8, "second")):
        torch.manual_seed(seed)  # whatever state the process is in
        quick("digits-cnn", "a2q-p12", images)[1].save(tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_training_counts_its_epochs_and_gets_better(images: Images) -> None:
    ticks: list[None] = []
    losses = []
    start = train_float("digits-mlp", replace(RECIPE, epochs=1), images)
    before = start.state_dict()["layers.0.weight"].clone()
    for epochs in (1, 20):
        recipe = replace(RECIPE, epochs=epochs)
        made = train_network(
            "digits-mlp", recipe, SCHEMES["a2q-p16"], images, start, lambda: ticks.append(None)
        )
        losses.append(made.origin["final_loss"])
        assert made.origin["integer_test_accuracy"] == accuracy(made, images.dataset.test) < 1
        assert made.origin["float_test_accuracy"] == made.origin["integer_test_accuracy"]
    assert len(ticks) == 21
    assert losses[0] > 2 * losses[1] > 0
    assert torch.equal(start.state_dict()["layers.0.weight"], before)  # others start there too


# The command


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and three networks to train."""
    monkeypatch.chdir(tmp_path)
    few = {name: SCHEMES[name] for name in ("a2q-p10", "a2q-p12", "unconstrained")}
    monkeypatch.setattr(train_networks, "SCHEMES", few)
    monkeypatch.setattr(train_networks, "PLANS", {"digits-mlp": PLANS["digits-mlp"]})
    return tmp_path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The widths that were really trained, in order; the first at 12 bits is interrupted."""
    widths: list[int | None] = []

    def record(name: str, recipe: Recipe, scheme: Scheme, *rest: object) -> Network:
        widths.append(scheme.acc_bits)
        if scheme.acc_bits == 12 and widths.count(12) == 1:
            raise KeyboardInterrupt
        return train_network(name, recipe, scheme, *rest)

    monkeypatch.setattr(train_networks, "train_network", record)
    return widths


QUICK = ["train-networks", "--epochs", "1", "--workers", "1", "--output", "out"]


def test_goes_on_where_it_was_stopped(
    desk: Path, trained: list[int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(QUICK) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert not (desk / "out").exists()

    assert cli.main(QUICK) == 0
    assert trained == [10, 12, 12, None]
    told = capsys.readouterr()
    assert "1 of 3 networks were finished earlier" in told.err
    assert "digits-mlp-unconstrained" in told.out
    assert "the networks and the test images are in out" in told.out
    names = {path.name for path in (desk / "out").iterdir()}
    assert names == {
        "digits-mlp-a2q-p10.npz", "digits-mlp-a2q-p12.npz", "digits-mlp-unconstrained.npz",
        TEST_IMAGES,
    }  # fmt: skip
    kept = {path.name: path.read_bytes() for path in (desk / "out").iterdir()}

    assert cli.main(QUICK) == 0
    assert trained == [10, 12, 12, None]
    assert cli.main([*QUICK, "--fresh"]) == 0
    assert trained == [10, 12, 12, None, 10, 12, None]
    assert {path.name: path.read_bytes() for path in (desk / "out").iterdir()} == kept


def test_believes_only_the_network_that_was_asked_for(
    desk: Path, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, scheme, recipe = "digits-mlp", SCHEMES["a2q-p10"], replace(RECIPE, epochs=1)
    job = train_networks.Job(name, recipe, scheme)
    made = job.train(lambda: None)
    assert job.is_done_by(made)
    wide = train_networks.Job(name, recipe, SCHEMES["unconstrained"]).train(lambda: None)
    others = [
        replace(job, name="digits-cnn"),
        replace(job, recipe=replace(recipe, seed=1)),
        replace(job, scheme=SCHEMES["a2q-p12"]),
    ]
    assert not any(other.is_done_by(made) for other in others)
    assert len({other.path() for other in [job, *others]}) == 4
    assert not job.is_done_by(replace(made, stages=wide.stages))  # does not fit 10 bits
    unfinished = {field: told for field, told in made.origin.items() if field != "final_loss"}
    assert not job.is_done_by(replace(made, origin=unfinished))


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        ([], "shipped"),
        (["--seed", "1"], "build/networks"),
        (["--epochs", "3"], "build/networks"),
        (["--output", "elsewhere"], "elsewhere"),
    ],
    ids=str,
)
def test_only_what_is_as_shipped_replaces_the_shipped(
    arguments: list[str], folder: str, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Network.load(SHIPPED / "digits-mlp-a2q-p10.npz")

    def finish(wanted: Iterable[object], *_: object, **__: object) -> dict[object, Network]:
        return dict.fromkeys(wanted, made)

    monkeypatch.setattr(jobs, "run", finish)
    monkeypatch.setattr(train_networks, "SHIPPED", desk / "shipped")
    assert train_networks.main(arguments) == 0
    assert {path.name for path in desk.iterdir()} == {folder.split("/")[0]}
    assert len(list((desk / folder).iterdir())) == 4


# What is shipped


@pytest.fixture(scope="module")
def held_out() -> LabelledInputs:
    return LabelledInputs.load(NETWORKS / TEST_IMAGES)


class TestShipped:
    @pytest.fixture(params=NAMES)
    def name(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture
    def network(self, name: str) -> Network:
        return Network.load(NETWORKS / f"{name}.npz")

    def test_nothing_else_is_shipped(self) -> None:
        assert SHIPPED == NETWORKS
        found = {path.name for path in NETWORKS.iterdir()}
        assert found == {f"{name}.npz" for name in NAMES} | {TEST_IMAGES}

    def test_images_are_those_held_out_with_4_bits(
        self, held_out: LabelledInputs, images: Images
    ) -> None:
        test = images.dataset.test
        assert (held_out.values == test.values).all()
        assert (held_out.labels == test.labels).all()
        assert held_out.origin == test.origin
        with_8_bits = LabelledInputs.load(LAYERS / train.TEST_IMAGES)
        ink = (with_8_bits.values + 8) // 16  # 0 to 16, as in the source
        assert ink.max() == 16
        assert (held_out.values == (ink * 15 + 8) // 16).all()
        assert (held_out.labels == with_8_bits.labels).all()

    def test_header_says_what_the_integers_do(
        self, name: str, network: Network, held_out: LabelledInputs
    ) -> None:
        weights = np.concatenate([stage.layer.weights.ravel() for stage in network.stages])
        scheme = SCHEMES[name.removeprefix(f"{network.name}-")]
        told = network.origin
        assert told["integer_test_accuracy"] == accuracy(network, held_out)
        assert told["float_test_accuracy"] == told["integer_test_accuracy"]
        assert told["sparsity"] == np.mean(weights == 0)
        assert told["fixed_rows"] == [[] for _ in network.stages]
        assert told["acc_bits"] == scheme.acc_bits
        assert {stage.layer.trained_acc_bits for stage in network.stages} == {scheme.acc_bits}
        assert network.inputs == INPUTS

    def test_no_stage_leaves_the_width_it_was_trained_for(
        self, name: str, network: Network, held_out: LabelledInputs
    ) -> None:
        p = network.origin["acc_bits"]
        if p is None:
            assert min(network.needed_bits) > 12
            return
        for stage in network.stages:
            lo, hi = exact_range(stage.layer.weights, INPUTS)
            assert lo.min() >= -(2 ** (p - 1))
            assert hi.max() < 2 ** (p - 1)
            assert max(l1_norm(stage.layer.weights).tolist()) <= SCHEMES[f"a2q-p{p}"].budget
        images = network.images(held_out.values)
        free = run(network, images)
        for overflow in Overflow:
            trace = run(network, images, p, overflow)
            assert not any(stage.overflow.any() for stage in trace.stages)
            assert np.array_equal(trace.scores, free.scores)

    def test_is_worth_shipping(self, network: Network) -> None:
        assert network.origin["integer_test_accuracy"] >= 0.97

    @pytest.mark.parametrize("name", [name for name in NAMES if "unconstrained" in name])
    def test_without_a_bound_12_bits_wrap_and_lose(
        self, network: Network, held_out: LabelledInputs
    ) -> None:
        trace = run(network, network.images(held_out.values), 12)
        assert all(stage.overflow.any() for stage in trace.stages)
        assert held_out.accuracy(trace.scores) < 0.2
