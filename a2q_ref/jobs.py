"""Jobs: layers and networks to train, each once, whoever asks for it, on all cores.

What is finished is kept at once, under a name made from all that it depends on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from a2q_ref import data, pool
from a2q_ref.scheme import Scheme
from a2q_ref.training import Images, Recipe, answers, fingerprint, train_float, train_layer
from golden.integer import InputError
from golden.layer import QuantLayer

CACHE = Path("build") / "train"
KEPT = f"what is finished is kept in {CACHE}, and the same command goes on from there"


class Trained(Protocol):
    """What comes out of a job: it can be kept in a file."""

    def save(self, path: Path) -> None: ...


T = TypeVar("T", bound=Trained)


class Work(Protocol[T]):
    """Something to train, hashable; its name begins a sentence."""

    recipe: Recipe
    scheme: Scheme
    kind: str  # what such jobs make, in the plural

    def path(self) -> Path:
        """Return where it is kept when it is finished."""

    def train(self, tick: pool.Tick) -> T:
        """Train it; ``tick`` is called after each of the recipe's epochs."""

    def load(self, path: Path) -> T:
        """Read what was kept; InputError if it is missing or damaged."""

    def is_done_by(self, made: T) -> bool:
        """Return whether it is whole and of this job, by what it says and holds."""


@dataclass(frozen=True)
class Job:
    """One layer to train."""

    kind = "layers"

    data: Path | None  # MNIST's folder; None: the digits
    recipe: Recipe
    scheme: Scheme

    def __str__(self) -> str:
        return f"training {self.scheme.name}, seed {self.recipe.seed},"

    def path(self) -> Path:
        origins = _origins(self.data, self.scheme.inputs.bits)
        key = fingerprint(asdict(self.recipe), str(self.scheme), origins)
        return CACHE / f"{self.scheme.name}-{key}.npz"

    def train(self, tick: pool.Tick) -> QuantLayer:
        bits, recipe = self.scheme.inputs.bits, self.recipe
        start = _start(self.data, bits, replace(recipe, penalty_weight=0))  # floats know no penalty
        images = _images(self.data, bits, recipe.device)
        return train_layer(recipe, self.scheme, images, start, tick).layer

    def load(self, path: Path) -> QuantLayer:
        return QuantLayer.load(path)

    def is_done_by(self, made: QuantLayer) -> bool:
        images = dataset(self.data, self.scheme.inputs.bits)
        return answers(made, self.recipe, self.scheme, images)


@dataclass(frozen=True)
class _Task:
    """A job, and where what it makes will be kept."""

    job: Work[Any]
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
    """Do one job and keep what it made."""
    task.job.train(tick).save(task.path)


def default_workers(device: str = "cpu") -> int:
    """Return how many processes train at once: one for each core, or one for a GPU."""
    return len(os.sched_getaffinity(0)) if device == "cpu" else 1


def run(
    jobs: Iterable[Work[T]], workers: int, console: Console, *, fresh: bool
) -> dict[Work[T], T]:
    """Return what every job makes; those that an earlier run finished are not done again.

    Errors: WorkerError if a job or its process fails.
    """
    paths = {job: job.path() for job in jobs}
    made = {} if fresh else _finished(paths)
    if made:
        console.print(
            f"{len(made)} of {len(paths)} {_kind(paths)} were finished earlier and are taken from "
            f"{CACHE} (--fresh trains them again)",
            soft_wrap=True,
            highlight=False,
        )
    missing = sorted(
        (job for job in paths if job not in made),
        key=lambda job: (-job.scheme.inputs.bits, job.recipe.seed),
    )
    if missing:
        tasks = [_Task(job, paths[job]) for job in missing]
        _train_all(tasks, workers, console)
        made |= {job: job.load(paths[job]) for job in missing}
    return {job: made[job] for job in paths}


def _train_all(tasks: Sequence[_Task], workers: int, console: Console) -> None:
    begun, finished, told = time.monotonic(), 0, 0
    kind = _kind(task.job for task in tasks)
    columns = (
        TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.fields[finished]} of " + f"{len(tasks)} {kind}"), TimeRemainingColumn(),
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
                    f"[{seconds:5.0f} s] trained {finished} of {len(tasks)} {kind}",
                    highlight=False,
                    markup=False,
                )

        pool.run(train, tasks, workers, done, lambda ticks: progress.update(bar, completed=ticks))


def _finished(paths: Mapping[Work[T], Path]) -> dict[Work[T], T]:
    finished = {}
    for job, path in paths.items():
        try:
            made = job.load(path)
        except InputError:
            continue  # missing or damaged: it will be trained
        if job.is_done_by(made):
            finished[job] = made
    return finished


def _kind(jobs: Iterable[Work[Any]]) -> str:
    return next(iter(jobs)).kind
