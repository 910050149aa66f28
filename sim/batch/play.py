"""Cases on the batch engine: judged as ``sim.run.play`` judges a simulation, and made small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.integer import InputError
from golden.mvau import Outcome
from sim.batch.model import Model, load
from sim.cache import SimulationError
from sim.generate.sources import verilog_of
from sim.paths import BUILD, RTL
from sim.rtl import Rtl, mark
from sim.run import Played
from tb.case import Case, Stimulus
from tb.scoreboard import Scoreboard

_Array = npt.NDArray[Any]
_OTHERS = (0, 101, 102)  # seeds; of 0 registers start from zero, reset is calm


def play(case: Case, rtl: Rtl = RTL) -> Played:
    """Play one case; a failure leaves its case file in build/failures, to be played again.

    Errors: SimulationError if the unit does not build.
    """
    played = judge(load(case.spec, case.unit, verilog_of(case, rtl)), case)
    played = replace(played, folder=_folder(case, rtl), rtl=rtl)
    return played if played.passed else kept(played)


def kept(failed: Played) -> Played:
    """Leave the case file of a failure in build/failures."""
    folder = _folder(failed.case, failed.rtl)
    folder.mkdir(parents=True, exist_ok=True)
    failed.case.save(folder / "case.json")
    return replace(failed, folder=folder)


def _folder(case: Case, rtl: Rtl) -> Path:
    return BUILD / "failures" / f"{case.id}-batch{mark(rtl)}"


def judge(model: Model, case: Case) -> Played:
    """Run a case and hold what came out against the golden model; nothing is written."""
    scoreboard = Scoreboard(case)
    outcome: Outcome | None = None
    cycles = 0
    try:
        trace = model.run(case)
        outcome, cycles = trace, trace.cycles
        scoreboard.compare_all(trace)
        due = case.vector_count * case.spec.total_fold + case.latency  # a beat a cycle
        if model.is_ours and _is_calm(case) and cycles != due:
            scoreboard.faults.append(f"at one beat a cycle it takes {due} cycles, got {cycles}")
    except SimulationError as fault:
        scoreboard.faults.append(str(fault))
    folder = _folder(case, RTL)
    tallies = tuple(scoreboard.tallies.values())
    return Played(case, folder, scoreboard.report, tallies, outcome, cycles)


def _is_calm(case: Case) -> bool:
    return case.reset_after is None and set(case.stalls.values()) == {"never"}


def smallest(case: Case, rtl: Rtl = RTL) -> Case:
    """Return what is left of a failing case when all is taken away that it fails without.

    In turn: stalls, the reset, vectors, rows of weights, columns of weights and inputs.
    """
    model = load(case.spec, case.unit, verilog_of(case, rtl))

    def fails_from(seed: int, **changes: Any) -> bool:
        try:
            return not judge(model, replace(case, seed=seed, **changes)).passed
        except InputError:  # no vectors, or a reset after the end of what is left
            return False

    # A failure that does not depend on what registers start from must not come to depend on it: an
    # engine that draws them otherwise would not see it. The seed is not among what is taken away.
    seeds = [case.seed, *(seed for seed in _OTHERS if seed != case.seed)]
    seeds = [seed for seed in seeds if fails_from(seed)]

    def fails(**changes: Any) -> bool:
        return bool(seeds) and all(fails_from(seed, **changes) for seed in seeds)

    def simpler(**changes: Any) -> Case:
        return replace(case, **changes) if fails(**changes) else case

    for stream in case.stalls:
        case = simpler(stalls={**case.stalls, stream: "never"})
    case = simpler(reset_after=None)
    families, vectors = case.families, case.vectors

    def of(places: _Array, values: _Array) -> tuple[Stimulus, ...]:
        return tuple(Stimulus(families[i], values[i : i + 1]) for i in np.flatnonzero(places))

    left = _cleared(np.ones(len(vectors)), lambda rest: fails(stimuli=of(rest, vectors)))
    case = replace(case, stimuli=of(left, vectors))
    if "weight" in case.stalls:  # else the unit has them wired in
        blank = case.spec.weights.nearest(0)
        weights = _cleared(case.weights, lambda rest: fails(weights=rest), blank)
        weights = _cleared(weights.T, lambda rest: fails(weights=rest.T), blank).T
        case = replace(case, weights=weights)
    blank = case.spec.inputs.nearest(0)
    lanes = _cleared(vectors.T, lambda rest: fails(stimuli=of(left, rest.T)), blank)
    return replace(case, stimuli=of(left, lanes.T))


def _cleared(
    array: _Array, still_fails: Callable[[_Array], bool], blank: npt.ArrayLike = 0
) -> _Array:
    """Return the array with all blank that can be: all of it, its halves, its quarters, ..."""
    size = len(array)
    while size:
        for start in range(0, len(array), size):
            trial = array.copy()
            trial[start : start + size] = blank
            if (trial != array).any() and still_fails(trial):
                array = trial
        size //= 2
    return array
