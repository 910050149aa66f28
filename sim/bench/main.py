"""The whole benchmark: section by section, in one run, on whatever machine this is."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from golden.archive import whole_file
from golden.integer import InputError
from sim.bench.builds import builds
from sim.bench.engines import engines, two_at_once
from sim.bench.figures import Figure, Section, to_json
from sim.bench.golden_model import golden_model
from sim.bench.hunt import hunt
from sim.bench.measure import Progress
from sim.bench.memory import memory
from sim.cache import SimulationError
from sim.tools import simulator


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 15  # measurements of each, of which the median is taken
    batches: int = 1_000_000


SECTIONS: dict[str, Callable[[Plan, Progress], Iterator[Figure]]] = {
    "engines": lambda plan, progress: engines(plan.rounds, progress),
    "two-at-once": lambda plan, progress: two_at_once(plan.rounds, progress),
    "builds": lambda plan, progress: builds(plan.rounds, progress),
    "golden": lambda plan, progress: golden_model(plan.rounds, progress),
    "hypothesis": lambda plan, progress: hunt(plan.rounds, progress),
    "memory": lambda plan, progress: memory(plan.batches, progress),
}


def measure(plan: Plan, names: Collection[str], progress: Progress) -> list[Section]:
    """Return the sections of these names; one that comes to no end says why."""
    return [_section(name, plan, progress) for name in SECTIONS if name in names]


def _section(name: str, plan: Plan, progress: Progress) -> Section:
    figures: list[Figure] = []
    try:
        for figure in SECTIONS[name](plan, progress):
            figures.append(figure)
    except (SimulationError, InputError, OSError) as error:
        return Section(name, tuple(figures), str(error))
    return Section(name, tuple(figures), "" if figures else "nothing was measured")


@dataclass(frozen=True)
class Machine:
    """What the figures depend on, and how busy it was with other things before."""

    cpu: str
    cores: int | None
    load: float  # runnable processes, over the last minute
    simulator: str

    @classmethod
    def now(cls) -> Machine:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        models = [line.partition(": ")[2] for line in cpuinfo if line.startswith("model name")]
        model = models[0] if models else "unknown processor"
        return cls(model, os.cpu_count(), os.getloadavg()[0], simulator("verilator").version)

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} cores, load {self.load:.1f} before; {self.simulator}"


def write(path: Path, plan: Plan, before: Machine, sections: list[Section]) -> None:
    """Write everything there is to know, whole or not at all."""
    told = {"machine": asdict(before), "rounds": plan.rounds, "sections": to_json(sections)}
    with whole_file(path) as partial:
        partial.write_text(f"{json.dumps(told, indent=2)}\n", encoding="utf-8")


@contextlib.contextmanager
def moving_line() -> Iterator[Progress]:
    """Show what goes on: a moving line on a terminal, plain lines elsewhere."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task, shown = bar.add_task("", total=None), ""

        def step(what: str, done: int, total: int) -> None:
            nonlocal shown
            if what != shown:
                shown = what
                bar.reset(task, description=what)
                if not console.is_terminal:
                    console.print(what, highlight=False, markup=False)
            bar.update(task, completed=done, total=total)

        yield step
