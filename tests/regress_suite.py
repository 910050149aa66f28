"""What the tests of regressions share: small suites, and a cluster that is this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from sim.regress import cluster, suites
from sim.regress.job import Job, Result, Verdict
from sim.regress.outcome import Outcome
from sim.regress.run import Question, Watch, plan, regress
from sim.regress.store import Store

SPEC = """
[specs.small]
why = "small"
mw = 4
mh = 2
pe = 1
simd = 2
weight_bits = 3
input_bits = 3
acc_bits = 6
signed_input = 1

[streams]
calm = [{}]
reset = [{ reset = 3 }]
"""


def text(name: str, simulators: Sequence[str], seeds: Sequence[int]) -> str:
    """Return a suites file with one suite: rules of three units, and plays of all that play."""
    return f"""{SPEC}
[suites.{name}]
why = "small"

[[suites.{name}.jobs]]
kind = "legality"
why = "fast"
simulators = {json.dumps(simulators)}
units = ["skid_buffer", "replay_buffer", "dot"]

[[suites.{name}.jobs]]
kind = "play"
why = "compares results"
simulators = ["batch"]
streams = ["calm", "reset"]
seeds = {json.dumps(seeds)}
"""


TINY = text("tiny", ["verilator"], [1, 2])
# Twenty jobs of half a second each: long enough to be killed in the middle.
MANY = text("many", ["icarus", "verilator"], [1, 2, 3, 4, 5, 6, 7])


def written(folder: Path, text: str = TINY) -> Path:
    path = folder / "suites.toml"
    path.write_text(text, encoding="utf-8")
    return path


def here(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    scheduler: str | None = None,
    workers: int | None = None,
    watch: cluster.Watch[Any] | None = None,
) -> Generator[Any, None, None]:
    """Stand in for ``cluster.outcomes``: one after the other, in this process."""
    for item in items:
        if watch:
            watch.at_work([item])
        try:
            value = function(item)
        except Exception as error:  # noqa: BLE001 - it is the outcome
            value = error
        yield cluster.Outcome(item, value, "here")


def question(jobs: Sequence[Job], **others: Any) -> Question:
    return Question("tiny", 0, jobs, "make regress SUITE=tiny", **others)


def asked(folder: Path, jobs: Sequence[Job], **others: Any) -> Any:
    """Run jobs with their results in ``folder``."""
    with Store.open(folder) as store:
        question_ = question(jobs, **others)
        return regress(question_, plan(question_, store), store, Watch())


def tiny(folder: Path) -> list[Job]:
    return list(suites.suite("tiny", written(folder)).jobs)


def result(verdict: str = "passed", **others: Any) -> Result:
    return Result(Verdict(verdict), **{"seconds": 1.0, **others})


def outcome(name: str = "a job", believed: bool = False, **others: Any) -> Outcome:
    job = Job(name, "play", "mvau", {"seed": 1}, "a reason")
    return Outcome(job, result(**others), believed, "never run")
