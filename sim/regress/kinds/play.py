"""A unit plays the cases that are hard on its spec, however its streams behave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from golden.spec import MvauSpec
from sim import batch
from sim.coverage import Coverage, cover
from sim.regress.job import Job, Result, failed, passed
from sim.run import Played, keep, play_all
from sim.tools import simulator
from tb.case import Case
from tb.stimulus import adverse_case

INSIDE = ("sim.worker", "tb.mvau_tests")


def run(job: Job, rtl: Path, explain: bool) -> Result:
    coverage = explain and job.settings["covers_code"]
    played = play(cases(job), job.settings["simulator"], rtl, coverage)
    result = judged(job, played, rtl, explain)
    covered = [
        cover(each.case, each.outcome) for each in played if isinstance(each.outcome, batch.Trace)
    ]
    if result.report or not covered:
        return result
    return replace(result, details={"coverage": Coverage.merged(covered).to_json()})


def cases(job: Job) -> list[Case]:
    """Return the cases of a job, the same ones every time."""
    settings = job.settings
    spec = MvauSpec.from_json(settings["spec"])
    return [
        adverse_case(job.unit, spec, settings["seed"], settings["edges_only"], **behaviour)
        for behaviour in settings["plays"]
    ]


def play(cases: Sequence[Case], engine: str, rtl: Path, coverage: bool = False) -> list[Played]:
    """Play cases of one unit and spec; only the batch engine counts what they cover."""
    if engine != "batch":
        return play_all(cases, simulator(engine), rtl=rtl)
    model = batch.load(cases[0].spec, cases[0].unit, rtl, coverage=coverage)
    return [batch.judge(model, case) for case in cases]


def judged(job: Job, played: Sequence[Played], rtl: Path, explain: bool) -> Result:
    """Return what cases came to; the first that failed is what is reported."""
    for each in played:
        if not each.passed:
            engine = job.settings["simulator"]
            if not explain:
                return failed(job, each.report)
            kept = _kept(each, engine, rtl)
            on = " SIM=icarus" if engine == "icarus" else ""
            return failed(job, kept.report or each.report, kept.replay + on)
    tallies = [tally for each in played for tally in each.tallies]
    counts = {
        "cases": len(played),
        "results": sum(tally.results for tally in tallies),
        "partial_sums": sum(tally.partial_sums for tally in tallies),
        "overflows": sum(tally.overflows_seen for tally in tallies),
        "cycles": sum(each.cycles for each in played),
    }
    return passed(counts) if counts["results"] else failed(job, "nothing was compared")


def _kept(failure: Played, engine: str, rtl: Path) -> Played:
    if engine != "batch":
        return keep(failure, simulator(engine), rtl)
    return batch.play(batch.smallest(failure.case, rtl), rtl)
