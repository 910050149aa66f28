"""Job: one thing to check, with all that decides what it does; Result: what came of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

LONGEST = 1 << 16  # characters of a report that are kept
_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A Verilog file and what is wrong with it, as Verilator and as Icarus say it.
_VALUES = (
    (r"\b[01xXzZ]*[xXzZ][01xXzZ]*\b", "x"),  # unknown ones of any width
    (r"-?[0-9]+", "#"),
    (r"\[[#, ]+\]", "[#]"),
)
_OF_A_TOOL = re.compile(r"\b(\w+\.v):\d+(?::\d+)?: (.+)")

Json = Any  # what json.dumps takes


class Verdict(StrEnum):
    """What came of a job."""

    PASSED = "passed"
    FAILED = "failed"  # the check did not hold
    DIED = "died"  # every worker that took it died


@dataclass(frozen=True)
class Job:
    """One check of a suite."""

    name: str  # unique in its suite; what reports call it
    kind: str  # which function runs it: a name in sim.regress.kinds.KINDS
    unit: str  # the Verilog module that it is about
    settings: Mapping[str, Json]  # all else that decides what it does: spec, seed, simulator, ...
    why: str = ""  # the reason of the config that it comes from

    @property
    def seed(self) -> int:
        """Of everything random."""
        return int(self.settings.get("seed", 0))

    def key(self, content: Json) -> str:
        """Return what names its result: the job and all that it depends on, but not its name."""
        parts = [self.kind, self.unit, dict(self.settings), content]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Result:
    """What came of a job; of what passed, signature, report and replay are empty."""

    verdict: Verdict
    seconds: float
    signature: str = ""  # failures of one cause have the same
    report: str = ""  # what is wrong, for people
    replay: str = ""  # the command that shows it again
    counts: Mapping[str, int] = field(default_factory=dict)  # results, partial_sums, cycles, ...
    details: Mapping[str, Json] = field(default_factory=dict)  # coverage, the fate of a mutant, ...


def passed(counts: Mapping[str, int], details: Mapping[str, Json] | None = None) -> Result:
    """Return the result of a check that held; what it counted must not be nothing."""
    if not any(counts.values()):
        raise ValueError("a check that counted nothing has not passed")
    return Result(Verdict.PASSED, 0, counts=counts, details=details or {})


def failed(job: Job, report: str, replay: str = "") -> Result:
    """Return the result of a check that did not hold."""
    report = _UNPRINTABLE.sub("?", report)
    if len(report) > LONGEST:
        report = f"{report[:LONGEST]}\n... cut: {len(report):,} characters in all"
    return Result(
        Verdict.FAILED, 0, _signature(job, report), report or "it failed without a word", replay
    )


def _signature(job: Job, report: str) -> str:
    """Return what failures of one cause have in common: not seeds, cycles or values.

    Of what a tool says of a Verilog file that is this alone, whatever unit it is a part of.
    """
    if said := _OF_A_TOOL.search(report):
        cause = f"{said[1]}: {said[2]}"
    else:
        first = next((line.strip() for line in report.splitlines() if line.strip()), "")
        cause = f"{job.unit}: {first}"
    cause = cause.partition("; the log is ")[0]
    for values, one in _VALUES:
        cause = re.sub(values, one, cause)
    return cause
