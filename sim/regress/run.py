"""Runs a suite: what has changed, on all workers, each result kept as it comes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from golden.integer import InputError
from sim.paths import RTL
from sim.regress import cluster
from sim.regress.content import Content, ContentError, changed, content, execute
from sim.regress.job import Job, Result, Verdict, failed
from sim.regress.outcome import Outcome, Regression
from sim.regress.store import Store, Stored
from sim.rtl import rtl_hash


@dataclass(frozen=True)
class Planned:
    """A job with all that it depends on; ``known`` is a result that is believed again."""

    job: Job
    key: str
    content: Content
    reason: str  # why it must run, or need not
    known: Stored | None
    failed_before: bool
    expected_s: float  # as long as it took last


class Watch(cluster.Watch[Planned]):
    """Is told what goes on in a run; this one does nothing about it."""

    def came(self, outcome: Outcome) -> None:
        """A job that had to run has come to this, and that is kept."""


@dataclass(frozen=True)
class Question:
    """What to run, and how."""

    suite: str  # its name in the history, where runs of one name are compared
    seed: int
    jobs: Sequence[Job]
    again: str  # the command that asks the same
    everything: bool = False  # also what nothing has changed of
    scheduler: str | None = None  # address of Dask's; None for a cluster of this process's own
    workers: int | None = None  # of that own cluster; None for one a core
    covers: bool = False  # every functional bin must be hit


def plan(question: Question, store: Store) -> list[Planned]:
    """Look what must run: first what failed before, or is about a file that was edited itself.

    Then what took longest.
    """
    earlier = store.newest_of(question.suite)
    contents = {job.name: content(job) for job in question.jobs}
    keys = {job.name: job.key(contents[job.name]) for job in question.jobs}
    known = store.newest(keys.values())
    planned = []
    for job in question.jobs:
        before, same = earlier.get(job.name), known.get(keys[job.name])
        passed = same is not None and same.result.verdict is Verdict.PASSED
        believed = passed and not question.everything
        planned.append(
            Planned(
                job=job,
                key=keys[job.name],
                content=contents[job.name],
                reason=_reason(question, same, before, contents[job.name]),
                known=same if believed else None,
                failed_before=before is not None and before.result.verdict is not Verdict.PASSED,
                expected_s=before.result.seconds if before else 0,
            )
        )

    def turn(each: Planned) -> tuple[bool, float]:
        soon = each.failed_before or f"rtl/{each.job.unit}.v" in each.reason
        return (not soon, -each.expected_s)

    return sorted(planned, key=turn)


def _reason(question: Question, same: Stored | None, before: Stored | None, now: Content) -> str:
    """Say why a job must run, or why it need not."""
    if same is not None:
        if same.result.verdict is not Verdict.PASSED:
            return f"{same.result.verdict} before"
        return "asked for" if question.everything else "nothing that it is made of has changed"
    if before is None:
        return "never run"
    if before.result.verdict is not Verdict.PASSED:
        return f"{before.result.verdict} before"
    return ", ".join(changed(before.content, now)) or "its settings have changed"


def regress(
    question: Question, planned: Sequence[Planned], store: Store, watch: Watch
) -> Regression:
    """Run what must run, keep every result as it comes, and return what all of it came to.

    Errors: InputError if a file changes meanwhile or a worker sees others, if the scheduler can
    not be reached or is lost, or if results can not be kept; what came until then is kept.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    hashed = rtl_hash(RTL)
    run = store.begin(question.suite, hashed)
    believed = {each.job.name: each.known for each in planned if each.known}
    store.take(run, {name: stored.id for name, stored in believed.items()})
    outcomes = {
        each.job.name: Outcome(each.job, each.known.result, True, each.reason)
        for each in planned
        if each.known
    }
    pending = [each for each in planned if not each.known]
    unasked: list[str] = []  # what could not be asked of a job
    arriving = cluster.outcomes(_execute, pending, question.scheduler, question.workers, watch)
    with contextlib.closing(arriving):  # workers end as soon as this is left
        for came in arriving:
            each = came.item
            if isinstance(came.value, ContentError | cluster.WorkerError):
                unasked.append(str(came.value))
                continue
            result = _result(question, each.job, came.value)
            store.add(run, each.job, each.key, result, hashed, each.content, came.host)
            outcomes[each.job.name] = Outcome(each.job, result, False, each.reason)
            watch.came(outcomes[each.job.name])
    if unasked:
        raise InputError(unasked[0])
    regression = Regression(
        suite=question.suite,
        seed=question.seed,
        tools=tools(planned),
        rtl_hash=hashed,
        started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - clock,
        outcomes=tuple(outcomes[job.name] for job in question.jobs),
        before=store.last_good(question.suite, run),
        covers=question.covers,
    )
    store.end(run, regression.passed, {"seconds": regression.seconds, "seed": regression.seed})
    return regression


def _execute(planned: Planned) -> Result:
    return execute(planned.job, planned.key)


def _result(question: Question, job: Job, came: object) -> Result:
    """Return what came of a job as a result: a value, an error, or the end of all its workers."""
    match came:
        case Result():
            result = came
        case cluster.Died():
            text = f"{came.deaths} workers died while they ran it, the last of them {came.worker}"
            result = replace(failed(job, text), verdict=Verdict.DIED)
        case _:
            result = failed(job, f"{type(came).__name__}: {came}")
    if result.verdict is Verdict.PASSED or result.replay:
        return result
    return replace(result, replay=f"{question.again} ONLY='{job.name}'")


def tools(planned: Sequence[Planned]) -> dict[str, str]:
    """Return the versions of all tools that jobs run on, each with its name."""
    found: dict[str, str] = {}
    for each in planned:
        found |= each.content["tools"]
    return found
