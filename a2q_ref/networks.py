"""Networks of several stages: their plans, their training in floats, their export as integers.

The ReLU of a stage becomes part of the quantizer of the next one's unsigned inputs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from a2q_ref.data import Dataset
from a2q_ref.export import Exported, Norm, export
from a2q_ref.layers import Quantized, penalty
from a2q_ref.scheme import Scheme
from a2q_ref.training import Images, Recipe, deterministic, versions
from golden import network as golden_network
from golden.integer import IntArray
from golden.layer import LabelledInputs
from golden.network import Network, Stage, Window

SIDE, CHANNELS = 8, 1  # of an image of the digits


@dataclass(frozen=True)
class Plan:
    """A stage before it has weights; golden.network.Stage says what the fields mean."""

    name: str
    channels: int  # out
    window: Window | None = None
    depthwise: bool = False


PLANS = {
    "digits-mlp": (Plan("hidden", 32), Plan("scores", Dataset.classes)),
    "digits-cnn": (
        Plan("conv", 8, Window(3, padding=1)),
        Plan("depthwise", 8, Window(3, stride=2, padding=1), depthwise=True),
        Plan("pool", 16, Window(2, stride=2)),
        Plan("scores", Dataset.classes),
    ),
}


class Classifier(nn.Module):
    """The stages of a plan in float64, with a batch norm and a ReLU after all but the last.

    Images are (V, H*W) as in a dataset of one channel.
    """

    def __init__(self, plans: Sequence[Plan]) -> None:
        super().__init__()
        self.plans, self.channels = plans, []  # what goes into each row of weights
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        side, channels = SIDE, CHANNELS
        for plan in plans:
            is_last, window = plan is plans[-1], plan.window
            options: dict[str, Any] = {"bias": is_last, "dtype": torch.float64}
            self.channels.append(1 if plan.depthwise else channels)
            if window is None:
                layer = nn.Linear(side * side * channels, plan.channels, **options)
                norm, side = nn.BatchNorm1d, 1
            else:
                groups = channels if plan.depthwise else 1
                geometry = asdict(window)
                kernel = geometry.pop("kernel")
                layer = nn.Conv2d(
                    channels, plan.channels, kernel, **geometry, groups=groups, **options
                )
                norm, side = nn.BatchNorm2d, window.output_size(side)
            channels = plan.channels
            self.layers.append(layer)
            if not is_last:
                self.norms.append(norm(channels, dtype=torch.float64))

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels.view(-1, CHANNELS, SIDE, SIDE)
        for plan, layer, norm in zip(self.plans, self.layers, self._norms(), strict=True):
            x = layer(x.flatten(1) if plan.window is None else x)
            x = x if norm is None else norm(x).relu()
        return x

    def quantize(self, scheme: Scheme, input_scale: float) -> None:
        """Put a Quantized in the place of every layer."""
        for at, layer in enumerate(self.layers):
            self.layers[at] = Quantized(layer, scheme, None if at else input_scale)

    def export(self) -> list[Exported]:
        """Return the quantized layers as integers, columns in the order of golden.network.Stage."""
        activations = [*(layer.inputs for layer in self.layers[1:]), None]
        exported = []
        for layer, norm, activation, channels in zip(
            self.layers, self._norms(), activations, self.channels, strict=True
        ):
            made = export(layer, norm=norm, activation=activation)
            weights = channels_last(made.layer.weights, channels)
            exported.append(replace(made, layer=replace(made.layer, weights=weights)))
        return exported

    def _norms(self) -> list[Norm | None]:
        return [*self.norms, None]


def channels_last(weights: IntArray, channels: int) -> IntArray:
    """Return weights (MH, MW), whose columns are (c, y, x) as torch has them, by (y, x, c)."""
    return weights.reshape(len(weights), channels, -1).swapaxes(1, 2).reshape(weights.shape)


def train_float(name: str, recipe: Recipe, images: Images) -> Classifier:
    """Return the network in floats that those of every scheme start from."""
    with deterministic(recipe.seed):
        model = Classifier(PLANS[name])
        _fit(model, recipe, images, lambda: None)
    return model


def train_network(
    name: str,
    recipe: Recipe,
    scheme: Scheme,
    images: Images,
    start: Classifier,
    tick: Callable[[], object] = lambda: None,
) -> Network:
    """Train one network and export it; ``tick`` is called after each epoch.

    Its origin has all that it depends on and how the training went.
    """
    with deterministic(recipe.seed):
        model = copy.deepcopy(start)
        model.quantize(scheme, images.input_scale)
        loss = _fit(model, recipe, images, tick)
        with torch.no_grad():
            float_scores = model(images.test_pixels).numpy()
        exported = model.export()
    stages = tuple(
        Stage(plan.name, made.layer, plan.window, plan.depthwise)
        for plan, made in zip(PLANS[name], exported, strict=True)
    )
    network, test = Network(name, SIDE, SIDE, CHANNELS, stages), images.dataset.test
    weights = np.concatenate([stage.layer.weights.ravel() for stage in stages])
    origin = {
        **_question(recipe, scheme, images.dataset),
        "float_test_accuracy": test.accuracy(float_scores),
        "integer_test_accuracy": accuracy(network, test),
        "sparsity": float(np.mean(weights == 0)),
        "fixed_rows": [[asdict(fix) for fix in made.fixes] for made in exported],
        "final_loss": loss,
    }
    return replace(network, origin=origin)


def accuracy(network: Network, images: LabelledInputs, acc_bits: int | None = None) -> float:
    """Return the accuracy with accumulators that wrap at P bits; None: without a width."""
    trace = golden_network.run(network, network.images(images.values), acc_bits)
    return images.accuracy(trace.scores)


def _fit(model: Classifier, recipe: Recipe, images: Images, tick: Callable[[], object]) -> float:
    """Train; return the mean cross entropy of the last epoch. Leaves the batch norms as learned."""
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    is_quantized = isinstance(model.layers[0], Quantized)
    count = len(images.labels)
    model.train()
    for _ in range(recipe.epochs):
        total = 0.0
        for part in torch.randperm(count).split(recipe.batch):
            optimizer.zero_grad()
            scores = model(images.pixels[part])
            loss = entropy = nn.functional.cross_entropy(scores, images.labels[part])
            if is_quantized:
                loss = entropy + recipe.penalty_weight * penalty(model)
            loss.backward()
            optimizer.step()
            total += entropy.item() * len(part)
        schedule.step()
        tick()
    model.eval()
    return total / count


def answers(network: Network, name: str, recipe: Recipe, scheme: Scheme, dataset: Dataset) -> bool:
    """Return whether this is a whole network of all of these, by what it says and holds."""
    p = scheme.acc_bits
    return (
        _question(recipe, scheme, dataset).items() <= network.origin.items()
        and network.name == name
        and "final_loss" in network.origin  # the last that is written there
        and (p is None or max(network.needed_bits) <= p)
    )


def _question(recipe: Recipe, scheme: Scheme, dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "method": scheme.method.value,
        "acc_bits": scheme.acc_bits,
        **asdict(recipe),
        **versions(),
    }
