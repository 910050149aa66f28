"""Jobs: layers to train for the experiments, each once, whoever asks for it, on all cores.

A finished layer is kept at once, under a name made from all that it depends on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from a2q_ref import data
from a2q_ref.experiments import pool
from a2q_ref.scheme import Scheme
from a2q_ref.train import file_name
from a2q_ref.training import CACHE, Images, Recipe, fingerprint, train_float, train_layer
from golden.integer import InputError
from golden.layer import QuantLayer

FOLDER = CACHE / "experiments"


@dataclass(frozen=True)
class Job:
    """One layer to train."""

    data: Path | None  # MNIST's folder; None: the digits
    recipe: Recipe
    scheme: Scheme

    def __str__(self) -> str:
        return f"training {Path(file_name(self.scheme)).stem}, seed {self.recipe.seed},"

    def path(self) -> Path:
        """Return where the finished layer is kept."""
        source = Path(__file__).read_text(encoding="utf-8")
        origin = _origin(self.data, self.scheme.inputs.bits)
        key = fingerprint(asdict(self.recipe), str(self.scheme), origin, source)
        return FOLDER / f"{key}.npz"


@dataclass(frozen=True)
class Task:
    """A job, and where its layer will be kept."""

    job: Job
    path: Path

    def __str__(self) -> str:
        return str(self.job)


@lru_cache(maxsize=1)
def dataset(folder: Path | None, bits: int) -> data.Dataset:
    return data.load(folder, bits)


@cache
def _origin(folder: Path | None, bits: int) -> dict[str, Any]:
    return dataset(folder, bits).train.origin


@lru_cache(maxsize=1)  # jobs come sorted
def _images(folder: Path | None, bits: int, device: str) -> Images:
    return Images(dataset(folder, bits), device)


@lru_cache(maxsize=1)
def _start(folder: Path | None, bits: int, recipe: Recipe) -> nn.Linear:
    return train_float(recipe, _images(folder, bits, recipe.device))


def train(task: Task) -> None:
    """Train one layer and keep it; its origin also says how training went."""
    job, path = task.job, task.path
    bits, recipe = job.scheme.inputs.bits, job.recipe
    start = _start(job.data, bits, replace(recipe, penalty_weight=0))  # floats know no penalty
    trained = train_layer(recipe, job.scheme, _images(job.data, bits, recipe.device), start)
    last_tenth = trained.losses[-max(1, recipe.epochs // 10) :]
    course = {
        "rows_asking_too_much": trained.asks_too_much,
        "final_loss": last_tenth[-1],
        "loss_spread": max(last_tenth) - min(last_tenth),
    }
    replace(trained.layer, origin=trained.layer.origin | course).save(path)


def run(
    jobs: Sequence[Job], workers: int, console: Console, *, fresh: bool
) -> dict[Job, QuantLayer]:
    """Return the layer of every job; those that an earlier run finished are not trained again.

    Errors: WorkerError if a job or its process fails.
    """
    paths = {job: job.path() for job in jobs}
    layers = {} if fresh else _finished(paths)
    if layers:
        console.print(
            f"{len(layers)} of {len(paths)} layers were finished earlier and are taken from "
            f"{FOLDER} (--fresh trains them again)",
            soft_wrap=True,
            highlight=False,
        )
    missing = sorted(
        (job for job in paths if job not in layers),
        key=lambda job: (-job.scheme.inputs.bits, job.recipe.seed),
    )
    begun, reported = time.monotonic(), 0
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("training", total=len(missing), visible=bool(missing))

        def done(task: Task) -> None:
            nonlocal reported
            layers[task.job] = QuantLayer.load(task.path)
            progress.advance(bar)
            count = sum(job in layers for job in missing)
            if not console.is_terminal and (20 * count // len(missing) > reported):
                reported = 20 * count // len(missing)  # where no bar moves: a line every 5 %
                console.print(
                    f"[{time.monotonic() - begun:5.0f} s] trained {count} of {len(missing)} layers",
                    highlight=False,
                    markup=False,
                )

        pool.run(train, [Task(job, paths[job]) for job in missing], workers, done)
    return {job: layers[job] for job in paths}


def _finished(paths: Mapping[Job, Path]) -> dict[Job, QuantLayer]:
    layers = {}
    for job, path in paths.items():
        try:
            layers[job] = QuantLayer.load(path)
        except InputError:
            continue  # missing or damaged: it will be trained
    return layers
