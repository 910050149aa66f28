"""What was measured, and what was hoped for: a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Goal:
    """Where a figure should be; NaN is never there."""

    relation: str  # >= or <
    limit: float

    def is_met_by(self, value: float) -> bool:
        return value >= self.limit if self.relation == ">=" else value < self.limit


def at_least(limit: float) -> Goal:
    return Goal(">=", limit)


def below(limit: float) -> Goal:
    return Goal("<", limit)


@dataclass(frozen=True)
class Figure:
    """One number of the benchmark; a ratio has the unit x."""

    what: str
    value: float
    unit: str
    goal: Goal | None = None

    @property
    def is_missed(self) -> bool:
        return self.goal is not None and not self.goal.is_met_by(self.value)

    @property
    def shown(self) -> str:
        return _with_unit(self.value, self.unit)

    @property
    def shown_goal(self) -> str:
        if self.goal is None:
            return ""
        return f"{self.goal.relation} {_with_unit(self.goal.limit, self.unit)}"


@dataclass(frozen=True)
class Section:
    """The figures of one section; ``failure`` says why it came to no end, empty if it did."""

    name: str
    figures: tuple[Figure, ...]
    failure: str = ""


def print_sections(sections: Sequence[Section], console: Console) -> None:
    """Print the table, then what failed and what missed its goal."""
    table = Table(box=None, pad_edge=False)
    table.add_column()
    table.add_column()
    for name in ("measured", "goal"):
        table.add_column(name, justify="right", no_wrap=True)
    for section in sections:
        name = section.name
        for figure in section.figures:
            style = "red" if figure.is_missed else "green" if figure.goal else ""
            table.add_row(name, figure.what, Text(figure.shown, style), figure.shown_goal)
            name = ""
        if section.failure:
            table.add_row(name, "", Text("FAILED", "bold red"))
    console.print(table)
    goals = [figure for section in sections for figure in section.figures if figure.goal]
    missed = [figure for figure in goals if figure.is_missed]
    for figure in missed:
        sentence = f"goal missed: {figure.what}: {figure.shown}, the goal is {figure.shown_goal}"
        console.print(Text(sentence, "red"), soft_wrap=True)
    console.print(f"{len(goals) - len(missed)} of {len(goals)} goals met", highlight=False)
    for section in sections:
        if section.failure:
            sentence = f"FAILED {section.name}: {section.failure}"
            console.print(Text(sentence, "bold red"), soft_wrap=True)


def to_json(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Return all figures with their goals, as JSON values."""
    return [
        {
            "name": section.name,
            "failure": section.failure or None,
            "figures": [
                {**asdict(figure), "met": not figure.is_missed if figure.goal else None}
                for figure in section.figures
            ],
        }
        for section in sections
    ]


def _with_unit(value: float, unit: str) -> str:
    if unit == "s" and value < 0.1:
        return f"{value * 1000:.3g} ms"
    for size, prefix in _PREFIXES:
        if unit.endswith("/s") and abs(value) >= size:
            return f"{value / size:.3g} {prefix} {unit}"
    return f"{value:.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"
