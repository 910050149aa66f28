"""Train one linear classifier by a scheme: the float layer it starts from, the loop, the export.

In float64 and, on the cpu, on one thread: the same versions of the libraries on the same kind of
processor give the same integers again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from torch import Tensor, nn

import golden
from a2q_ref.data import Dataset
from a2q_ref.export import Exported, export
from a2q_ref.layers import Quantized, penalty
from a2q_ref.scheme import Scheme
from golden.bounds import layer_bits
from golden.layer import LabelledInputs, QuantLayer

SOURCES = Path(__file__).parent


@dataclass(frozen=True)
class Recipe:
    """All that the integers depend on, but for scheme, data and the versions of the libraries."""

    epochs: int = 4000
    batch: int = 0  # images in a step; 0: all of them
    seed: int = 0
    lr: float = 0.05
    penalty_weight: float = 1e-3  # lambda of A2Q
    weight_decay: float = 1e-4
    device: str = "cpu"


MNIST_RECIPE = Recipe(epochs=20, batch=500, lr=0.005)


class Images:
    """A dataset, and its pixels as floats from 0 to 1 for the training."""

    def __init__(self, dataset: Dataset, device: str = "cpu") -> None:
        self.dataset, self.input_scale = dataset, 1 / dataset.test.inputs.maximum
        self.pixels, self.test_pixels = (
            torch.tensor(part.values * self.input_scale, device=device)
            for part in (dataset.train, dataset.test)
        )
        self.labels = torch.tensor(dataset.train.labels, device=device)


def accuracy(layer: QuantLayer, images: LabelledInputs) -> float:
    """Return the accuracy that exact integers reach: no width, so no overflow."""
    return images.accuracy(layer.scores(layer.accumulate(images.values)))


def train_float(recipe: Recipe, images: Images) -> nn.Linear:
    """Return the float layer that the quantized layers of every scheme start from."""
    with deterministic(recipe.seed):
        start = nn.Linear(images.pixels.shape[1], Dataset.classes, dtype=torch.float64)
        start = start.to(recipe.device)
        _fit(start, lambda: dict(start.named_parameters()), recipe, images, lambda: None)
    return start


def train_layer(
    recipe: Recipe,
    scheme: Scheme,
    images: Images,
    start: nn.Linear,
    tick: Callable[[], object] = lambda: None,
) -> Exported:
    """Train one layer and export it; ``tick`` is called after each epoch.

    The layer's origin has all that it depends on and how the training went.
    """
    with deterministic(recipe.seed):
        linear = nn.Linear(*start.weight.T.shape, dtype=torch.float64, device=recipe.device)
        linear.load_state_dict(start.state_dict())
        model = Quantized(linear, scheme, images.input_scale)
        losses = _fit(model, model.quantized, recipe, images, tick)
        with torch.no_grad():
            float_scores = model(images.test_pixels).cpu().numpy()
            over = model.weights.overreach() > 0
    last_tenth = losses[-max(1, recipe.epochs // 10) :]

    exported = export(model)
    test = images.dataset.test
    origin = {
        **_question(recipe, scheme, images.dataset),
        "float_test_accuracy": test.accuracy(float_scores),
        "integer_test_accuracy": accuracy(exported.layer, test),
        "sparsity": float(np.mean(exported.layer.weights == 0)),
        "fixed_rows": [asdict(fix) for fix in exported.fixes],
        "rows_asking_too_much": int(over.sum()),  # t > T, which only the clamp holds
        "final_loss": losses[-1],
        "loss_spread": max(last_tenth) - min(last_tenth),
    }
    return replace(exported, layer=replace(exported.layer, origin=origin))


def _question(recipe: Recipe, scheme: Scheme, dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "method": scheme.method.value,
        "rounding": scheme.rounding.value,
        "bias": scheme.bias.value,
        "acc_bits": scheme.acc_bits,
        **asdict(recipe),
        **versions(),
    }


def answers(layer: QuantLayer, recipe: Recipe, scheme: Scheme, dataset: Dataset) -> bool:
    """Return whether this is a whole layer of all of these, by what it says and holds."""
    p = scheme.acc_bits
    return (
        _question(recipe, scheme, dataset).items() <= layer.origin.items()
        and layer.mw == dataset.train.values.shape[1]
        and "loss_spread" in layer.origin  # the last that is written there
        and (layer.weight_bits, layer.inputs) == (scheme.weight_bits, scheme.inputs)
        and (p is None or layer_bits(layer.weights, layer.inputs, start=layer.acc_bias) <= p)
    )


def _fit(
    model: nn.Linear | Quantized,
    parameters: Callable[[], dict[str, Tensor]],
    recipe: Recipe,
    images: Images,
    tick: Callable[[], object],
) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    linear = model.layer if isinstance(model, Quantized) else model
    count = len(images.labels)
    losses = []
    for _ in range(recipe.epochs):
        order = torch.randperm(count) if recipe.batch else torch.arange(count)
        total = 0.0
        for part in order.split(recipe.batch or count):
            chosen = part if recipe.batch else slice(None)  # a slice copies nothing
            optimizer.zero_grad()
            # Quantized once, for the scores and for the weight decay; pixels are integers already.
            quantized = dict(linear.named_parameters()) | parameters()
            scores = nn.functional.linear(images.pixels[chosen], **quantized)
            entropy = nn.functional.cross_entropy(scores, images.labels[chosen])
            loss = entropy + recipe.weight_decay * quantized["weight"].square().sum()
            if isinstance(model, Quantized):
                loss = loss + recipe.penalty_weight * penalty(model)
            loss.backward()
            optimizer.step()
            total += entropy.item() * len(part)
        schedule.step()
        losses.append(total / count)
        tick()
    return losses


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Fix every choice that torch leaves to chance or to the machine; put back what was there."""
    # cuBLAS adds in a fixed order only in a workspace of a fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    strict, threads = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)


def versions() -> dict[str, str]:
    """Return the versions of the libraries that the integers depend on."""
    return {
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }


def fingerprint(*what: object) -> str:
    """Return a hash over ``what`` (JSON values), the code that makes layers, and the versions.

    The code is part of it because a layer that other code trained is not finished work.
    """
    digest = hashlib.sha256(json.dumps([what, versions()], sort_keys=True).encode())
    for source in sorted([*SOURCES.glob("*.py"), *Path(golden.__file__).parent.glob("*.py")]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
