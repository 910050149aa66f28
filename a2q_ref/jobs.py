"""Jobs: layers to train, each once, whoever asks for it, on all cores.

A finished layer is kept at once, under a name made from all that it depends on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from a2q_ref import data, pool
from a2q_ref.scheme import Scheme
from a2q_ref.training import Images, Recipe, answers, fingerprint, train_float, train_layer
from golden.integer import InputError
from golden.layer import QuantLayer

CACHE = Path("build") / "train"
KEPT = f"finished layers are kept in {CACHE}, and the same command goes on from there"


@dataclass(frozen=True)
class Job:
    """One layer to train."""

    data: Path | None  # MNIST's folder; None: the digits
    recipe: Recipe
    scheme: Scheme

    def __str__(self) -> str:
        return f"training {self.scheme.name}, seed {self.recipe.seed},"

    def path(self) -> Path:
        """Return where the finished layer is kept."""
        origins = _origins(self.data, self.scheme.inputs.bits)
        key = fingerprint(asdict(self.recipe), str(self.scheme), origins)
        return CACHE / f"{self.scheme.name}-{key}.npz"


@dataclass(frozen=True)
class _Task:
    """A job, and where its layer will be kept."""

    job: Job
    path: Path

    def __str__(self) -> str:
        return str(self.job)


@lru_cache(maxsize=1)
def dataset(folder: Path | None, bits: int) -> data.Dataset:
    return data.load(folder, bits)


@cache
def _origins(folder: Path | None, bits: int) -> list[dict[str, Any]]:
    images = dataset(folder, bits)
    return [images.train.origin, images.test.origin]


@lru_cache(maxsize=1)  # jobs come sorted
def _images(folder: Path | None, bits: int, device: str) -> Images:
    return Images(dataset(folder, bits), device)


@lru_cache(maxsize=1)
def _start(folder: Path | None, bits: int, recipe: Recipe) -> nn.Linear:
    return train_float(recipe, _images(folder, bits, recipe.device))


def train(task: _Task, tick: pool.Tick) -> None:
    """Train one layer and keep it."""
    job = task.job
    bits, recipe = job.scheme.inputs.bits, job.recipe
    start = _start(job.data, bits, replace(recipe, penalty_weight=0))  # floats know no penalty
    images = _images(job.data, bits, recipe.device)
    train_layer(recipe, job.scheme, images, start, tick).layer.save(task.path)


def default_workers(device: str = "cpu") -> int:
    """Return how many processes train at once: one for each core, or one for a GPU."""
    return len(os.sched_getaffinity(0)) if device == "cpu" else 1


def run(
    jobs: Iterable[Job], workers: int, console: Console, *, fresh: bool
) -> dict[Job, QuantLayer]:
    """Return the layer of every job; those that an earlier run finished are not trained again.

    Errors: WorkerError if a job or its process fails.
    """
    paths = {job: job.path() for job in jobs}
    layers = {} if fresh else _finished(paths)
    if layers:
        console.print(
            f"{len(layers)} of {len(paths)} layers were finished earlier and are taken from "
            f"{CACHE} (--fresh trains them again)",
            soft_wrap=True,
            highlight=False,
        )
    missing = sorted(
        (job for job in paths if job not in layers),
        key=lambda job: (-job.scheme.inputs.bits, job.recipe.seed),
    )
    if missing:
        tasks = [_Task(job, paths[job]) for job in missing]
        _train_all(tasks, workers, console)
        layers |= {job: QuantLayer.load(paths[job]) for job in missing}
    return {job: layers[job] for job in paths}


def _train_all(tasks: Sequence[_Task], workers: int, console: Console) -> None:
    begun, finished, told = time.monotonic(), 0, 0
    columns = (
        TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.fields[finished]} of " + f"{len(tasks)} layers"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        epochs = sum(task.job.recipe.epochs for task in tasks)
        bar = progress.add_task("training", total=epochs, finished=0)

        def done(task: _Task) -> None:
            nonlocal finished, told
            finished += 1
            progress.update(bar, finished=finished)
            twentieths = 20 * finished // len(tasks)
            if not console.is_terminal and twentieths > told:  # where no bar moves
                told = twentieths
                seconds = time.monotonic() - begun
                console.print(
                    f"[{seconds:5.0f} s] trained {finished} of {len(tasks)} layers",
                    highlight=False,
                    markup=False,
                )

        pool.run(train, tasks, workers, done, lambda ticks: progress.update(bar, completed=ticks))


def _finished(paths: Mapping[Job, Path]) -> dict[Job, QuantLayer]:
    layers = {}
    for job, path in paths.items():
        try:
            layer = QuantLayer.load(path)
        except InputError:
            continue  # missing or damaged: it will be trained
        if answers(layer, job.recipe, job.scheme, dataset(job.data, job.scheme.inputs.bits)):
            layers[job] = layer
    return layers
