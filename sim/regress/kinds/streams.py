"""A unit that moves beats, on its own: every beat as its twin says, whatever the streams do."""

from __future__ import annotations

from pathlib import Path

from sim import batch
from sim.batch.streams import judge_streams, load_streams
from sim.coverage import Coverage, cover_streams
from sim.regress.job import Job, Result, failed, passed
from sim.run import play_streams
from sim.tools import simulator
from tb.unit_streams import hostile_cases

INSIDE = ("sim.worker", "tb.stream_tests")


def run(job: Job, rtl: Path, explain: bool) -> Result:
    engine = job.settings["simulator"]
    count = beats = 0
    covered: list[Coverage] = []
    for shape in job.settings["shapes"]:
        cases = hostile_cases(job.unit, shape, job.settings["seed"], few=engine != "batch")
        count += len(cases)
        if engine != "batch":
            _, faults = play_streams(cases, simulator(engine), rtl=rtl)
            if faults:
                of = " ".join(f"{name}={value}" for name, value in shape.items())
                return failed(job, "\n".join([*faults, f"{job.unit} with {of}"]))
            beats += sum(len(due) for case in cases for due in case.sinks.values())
            continue
        counts_code = explain and shape in job.settings["covers_code"]
        unit = load_streams(cases[0], rtl, coverage=counts_code)
        for case in cases:
            played = judge_streams(unit, case)
            beats += played.beats
            if not played.passed and explain:
                played = batch.play_streams(case, rtl)
                return failed(job, played.report, played.replay)
            if not played.passed:
                return failed(job, played.report)
            if explain:
                covered.append(cover_streams(played))
    details = {"coverage": Coverage.merged(covered).to_json()} if covered else {}
    return passed({"cases": count, "beats": beats}, details)
