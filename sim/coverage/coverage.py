"""Coverage: what one case, or many of them together, exercised in each unit, and what they did not.

``cover`` and ``cover_streams`` tell it of a case that was played; ``Coverage.merged`` adds up;
``per_unit`` judges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from golden.integer import InputError
from sim.batch.model import Trace
from sim.batch.streams import PlayedStreams
from sim.coverage import code, functional
from sim.coverage.code import File
from sim.paths import RTL
from tb.case import Case


def cover(case: Case, trace: Trace) -> Coverage:
    """Return what a case covered that was played with this trace; code only if the unit counted."""
    return Coverage(functional.hits(case, trace), code.read(trace.covered) if trace.covered else {})


def cover_streams(played: PlayedStreams) -> Coverage:
    """Return what a case of beats covered; code only if the unit counted."""
    return Coverage(
        functional.hits_of_streams(played.case, played.cycles, played.at_reset),
        code.read(played.covered) if played.covered else {},
    )


@dataclass(frozen=True)
class Coverage:
    """How often each functional bin was hit, by unit and name; what of each file was covered.

    Bins that were not hit, and files that no counting build had, are missing. What is merged must
    come from the same Verilog: points are told apart by their lines.
    """

    bins: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)

    @classmethod
    def merged(cls, coverages: Iterable[Coverage]) -> Coverage:
        bins: dict[str, dict[str, int]] = {}
        files: dict[str, File] = {}
        for coverage in coverages:
            for unit, hits in coverage.bins.items():
                total = bins.setdefault(unit, {})
                for name, count in hits.items():
                    total[name] = total.get(name, 0) + count
            for name, file in coverage.files.items():
                files[name] = files.get(name, File()).merged(file)
        return cls(bins, files)

    def per_unit(self, rtl: Path = RTL) -> list[UnitCoverage]:
        """Return what is covered of every unit that has bins, and of every file.

        Errors: InputError if nothing was covered at all: then there is nothing to judge.
        """
        if not self.bins and not self.files:
            raise InputError("coverage must be of at least one case that was played, got none")
        with_bins = dict.fromkeys(one.unit for one in functional.BINS)
        units = dict.fromkeys([*with_bins, *(Path(name).stem for name in sorted(self.files))])
        return [self._of(unit, rtl) for unit in units]

    def _of(self, unit: str, rtl: Path) -> UnitCoverage:
        hits = self.bins.get(unit, {})
        mine = [one for one in functional.BINS if one.unit == unit]
        possible = [one.name for one in mine if not one.reason]
        path = rtl / f"{unit}.v"
        file = self.files.get(path.name)
        source = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        beyond = code.OUT_OF_REACH.get(path.name, {}) if file else {}
        file = file and file.within_reach(beyond, source)
        return UnitCoverage(
            unit,
            Share(sum(1 for name in possible if hits.get(name)), len(possible)),
            Share(*file.runs) if file else None,
            Share(*file.toggles) if file else None,
            tuple(name for name in possible if not hits.get(name)),
            tuple(file.holes(path.name, source)) if file else (),
            {one.name: one.reason for one in mine if one.reason}
            | {f"{path.name} {name}": reason for name, reason in beyond.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, small: it is kept for each of many cases."""
        return {
            "bins": {unit: dict(hits) for unit, hits in self.bins.items()},
            "files": {name: file.to_json() for name, file in self.files.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Coverage:
        files = {name: File.from_json(file) for name, file in data["files"].items()}
        return cls({unit: dict(hits) for unit, hits in data["bins"].items()}, files)


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    hit: int
    all: int

    @property
    def percent(self) -> float | None:
        """None of nothing; 100 only if none is missing."""
        return 100 * self.hit / self.all if self.all else None

    def __str__(self) -> str:
        """Return it for people; what is rounded is rounded down.

        >>> f"{Share(1999, 2000)}, {Share(3, 3)}, {Share(0, 0)}"
        '1,999/2,000 99.9%, 3/3 100%, -'
        """
        if not self.all:
            return "-"
        tenths = 1000 * self.hit // self.all
        return f"{self.hit:,}/{self.all:,} {tenths / 10:.4g}%"


@dataclass(frozen=True)
class UnitCoverage:
    """What of one unit was covered, and the names of what was not."""

    unit: str
    bins: Share
    blocks: Share | None  # of code; None if no build counted
    toggles: Share | None
    missed_bins: tuple[str, ...]
    code_holes: tuple[str, ...]
    unreachable: Mapping[str, str]  # bins and code that are out of reach, and why
