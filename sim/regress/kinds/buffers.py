"""A stream unit on its own: nothing lost, nothing twice, nothing out of order, nobody waits."""

from __future__ import annotations

from pathlib import Path

from golden.spec import MvauSpec
from sim.lint import unit_parameters
from sim.regress.job import Job, Result, failed, passed
from sim.run import buffer_tests, play_buffer
from sim.tools import simulator

INSIDE = ("sim.worker", "tb.buffer_tests")


def run(job: Job, rtl: Path, explain: bool) -> Result:
    spec, seed = MvauSpec.from_json(job.settings["spec"]), job.settings["seed"]
    parameters = unit_parameters(job.unit, spec)
    faults = play_buffer(job.unit, parameters, simulator(job.settings["simulator"]), seed, rtl)
    return failed(job, "\n".join(faults)) if faults else passed({"tests": len(buffer_tests())})
