"""Both lint gates over a unit, at every named spec."""

from __future__ import annotations

from pathlib import Path

from golden.spec import MvauSpec
from sim import lint
from sim.regress.job import Job, Result, failed, passed

INSIDE: tuple[str, ...] = ()


def modules(job: Job) -> list[str]:
    return [job.unit]


def data(job: Job) -> list[Path]:
    return []


def run(job: Job, rtl: Path, explain: bool) -> Result:
    shapes = {name: MvauSpec.from_json(spec) for name, spec in job.settings["specs"].items()}
    findings = lint.lint_unit(job.unit, job.settings["simulator"], shapes, rtl)
    if findings:
        return failed(job, "\n".join(findings))
    return passed({"shapes": len(shapes)})
