"""Hunts one mutant, in a process of its own: an edit can make a unit crash, or never end.

Run by ``sim.regress.kinds.mutant`` as a program. Each hunter's name goes into the log before it
runs, so that whoever waits can tell which of them the process died of.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from sim.regress import kinds, suites
from sim.regress.job import Job, Verdict
from sim.rtl import closure

LOG = "log.jsonl"
MOST_CPU_S = 10  # of one hunter in this process; simulations end by their own limits


def hunters(mutated: str, suite: suites.Suite, is_rule: bool = False) -> list[Job]:
    """Return the jobs that are about units which the mutated module is part of.

    Where a rule of legality is edited (``is_rule``), what asks that module for it comes first; else
    it comes last, for it seldom notices.
    """
    concerned = [
        job
        for job in suite.jobs
        if any(mutated in (path.stem for path in closure(module)) for module in kinds.modules(job))
    ]

    def turn(job: Job) -> int:
        if job.kind != "legality":
            return 1
        return 0 if is_rule and job.unit == mutated else 2

    return sorted(concerned, key=turn)


def main() -> None:
    """Let hunters run until one of them fails."""
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    jobs = {
        job.name: job
        for job in suites.suite(asked["hunters"], Path(asked["file"]), asked["seed"]).jobs
    }
    with (folder / LOG).open("a", encoding="utf-8") as log:

        def tell(**what: str) -> None:
            log.write(json.dumps(what) + "\n")
            log.flush()

        for name in asked["names"]:
            tell(begins=name)
            # Of processor time, which a busy machine does not use up; the signal ends the process.
            signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)
            result = kinds.run(jobs[name], folder / "rtl", explain=False)
            signal.setitimer(signal.ITIMER_PROF, 0)
            if result.verdict is not Verdict.PASSED:
                tell(by=name, found=result.signature)
                return
        tell(found="")


if __name__ == "__main__":
    main()
