"""Plays a case on the batch engine and judges it, as ``sim.run.play`` does on a simulator."""

from __future__ import annotations

from pathlib import Path

from golden.mvau import Outcome
from sim.batch.model import load
from sim.cache import SimulationError
from sim.paths import BUILD, RTL
from sim.run import Played
from tb.case import Case
from tb.scoreboard import Scoreboard


def play(case: Case, rtl: Path = RTL) -> Played:
    """Play one case; a failure leaves its case file in build/failures, to be played again.

    Errors: SimulationError if the unit does not build.
    """
    model = load(case.spec, case.unit, rtl)
    scoreboard = Scoreboard(case)
    outcome: Outcome | None = None
    cycles = 0
    try:
        trace = model.run(case)
        outcome, cycles = Outcome(trace.out, trace.overflow), trace.cycles
        scoreboard.compare_all(trace)
    except SimulationError as fault:
        scoreboard.faults.append(str(fault))
    folder = BUILD / "failures" / f"{case.id}-batch"
    if scoreboard.report:
        folder.mkdir(parents=True, exist_ok=True)
        case.save(folder / "case.json")
    tallies = tuple(scoreboard.tallies.values())
    return Played(case, folder, scoreboard.report, tallies, outcome, cycles)
