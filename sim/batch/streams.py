"""Stream cases on the batch engine: units and pipelines that only move beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.batch.engine import TRIES, Answer, Batch, Engine, Sink, Source, engine, stalled_cycles
from sim.batch.library import library
from sim.batch.model import Covered
from sim.cache import SimulationError
from sim.paths import BUILD, RTL
from sim.rtl import repro
from tb.streams import PASS_READY, Beats, StreamCase, differences


@dataclass(frozen=True, eq=False)
class PlayedStreams:
    """What came of a case; ``report`` is empty if and only if every beat was as due."""

    case: StreamCase
    report: str
    beats: int = 0  # that were compared
    cycles: int = 0
    rtl: Path = RTL
    # Beats of each stream that had moved when the reset cut in; None without one.
    at_reset: Mapping[str, int] | None = None
    covered: Covered | None = None  # if the build counts it

    @property
    def passed(self) -> bool:
        return not self.report

    @property
    def folder(self) -> Path:
        return BUILD / "failures" / f"{self.case.id}-batch"

    @property
    def replay(self) -> str:
        return repro(self.folder / "case.json", self.rtl)


def load_streams(
    case: StreamCase, rtl: Path = RTL, level: int = 1, coverage: bool = False
) -> Engine:
    """Return the unit of a case; it is built if the same was not built before.

    With ``coverage`` what is judged tells what of the Verilog that run covered.

    Errors: SimulationError if it does not build.
    """
    return engine(library(case.unit, case.parameters, rtl, level, coverage))


def play_streams(case: StreamCase, rtl: Path = RTL) -> PlayedStreams:
    """Play one case; a failure leaves its case file in build/failures, to be played again.

    Errors: SimulationError if the unit does not build.
    """
    played = replace(judge_streams(load_streams(case, rtl), case), rtl=rtl)
    if not played.passed:
        played.folder.mkdir(parents=True, exist_ok=True)
        case.save(played.folder / "case.json")
    return played


def judge_streams(unit: Engine, case: StreamCase) -> PlayedStreams:
    """Run a case and hold what came out against what is due; nothing is written."""
    faults: list[str] = []
    compared = cycles = 0
    at_reset: Mapping[str, int] | None = None
    hits = np.zeros(len(unit.points), np.uint32)
    try:
        answers = run_streams(unit, case, hits)
        cycles = answers[-1].cycles
        at_reset = None if case.reset_after is None else answers[0].moved
        for answer in answers:
            for stream, due in case.sinks.items():
                came = came_beats(answer, stream, due)
                faults += differences(stream, due.first(len(came)), came)
                compared += len(came)
        if case.is_calm and case.cycles is not None and cycles != case.cycles:
            faults.append(f"without stalls it takes {case.cycles} cycles, got {cycles}")
        if not compared:
            faults.append("nothing was compared")
    except SimulationError as fault:
        faults.append(str(fault))
    return PlayedStreams(
        case, "\n\n".join(faults), compared, cycles, at_reset=at_reset,
        covered=Covered(unit.points, hits) if unit.points else None,
    )  # fmt: skip


def run_streams(
    unit: Engine, case: StreamCase, hits: npt.NDArray[np.uint32] | None = None
) -> list[Answer]:
    """Play a case: its start up to the reset, if one cuts in, and all of it.

    A unit that counts puts how often it hit each of its points into ``hits``.

    Errors: SimulationError if the unit breaks a rule of its streams or comes to no end.
    """
    stalls = case.played_stalls(stalled_cycles(case.timeout_cycles, case.stalls.values()))
    sources = {
        name: Source(
            beats.data, beats.bits,
            users=None if beats.user is None else beats.user.astype(np.uint8),
            lasts=None if beats.last is None else beats.last.astype(np.uint8),
            after=beats.after, stalls=stalls.get(name),
        )
        for name, beats in case.sources.items()
    }  # fmt: skip
    sinks = {
        name: Sink(
            len(beats), beats.data.shape[1], beats.bits, beats.user_bits,
            endless=beats.endless, stalls=stalls.get(name),
        )
        for name, beats in case.sinks.items()
    }  # fmt: skip
    streams = 1 << (len(sources) + len(sinks))
    tries = 0 if case.unit in PASS_READY else TRIES
    # What is on offer while the unit is reset, one bit a stream, differs with the seed.
    whole = Batch(sources, sinks, case.timeout_cycles, 3 * case.seed % streams, tries=tries)
    if case.reset_after is None:
        return unit.play([whole], case.seed, hits)
    offers = (3 * case.seed + 1) % streams
    start = replace(whole, budget=case.reset_after, offers=offers, cut=True)
    return unit.play([start, whole], case.seed, hits)


def came_beats(answer: Answer, stream: str, due: Beats) -> Beats:
    """Return the beats that a stream carried, with the marks that are due on it."""
    moved, beats = answer.moved[stream], answer.beats[stream]
    return Beats(
        beats.values[:moved], due.bits,
        None if due.user is None else beats.users[:moved].astype(np.int64),
        None if due.last is None else beats.lasts[:moved].astype(np.int64),
    )  # fmt: skip
