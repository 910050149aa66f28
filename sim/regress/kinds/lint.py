"""Both lint gates over a unit, at every named spec or at shapes of its own."""

from __future__ import annotations

from pathlib import Path

from sim import lint
from sim.regress.job import Job, Result, failed, passed


def run(job: Job, rtl: Path, explain: bool) -> Result:
    shapes = job.settings["shapes"]
    findings = lint.lint_unit(job.unit, job.settings["simulator"], shapes, rtl)
    if findings:
        return failed(job, "\n".join(findings))
    return passed({"shapes": len(shapes)})
