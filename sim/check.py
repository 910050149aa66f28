"""The main job: does the RTL keep to the golden model, and the accumulators to their P bits?

What ``sim.plan`` says is played; the verdict holds what was seen against what exact arithmetic
predicts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

import numpy as np

from golden import bounds
from golden.integer import IntArray, bits_for
from golden.layer import LabelledInputs, QuantLayer
from golden.mvau import matvec
from sim.dut.hostile import Hostile
from sim.paths import RTL, shown
from sim.plan import NamedLayer, Question, cases
from sim.process import ending_children
from sim.rtl import Rtl, rtl_hash
from sim.run import Played, keep, play
from sim.tools import Simulator
from tb import stimulus
from tb.case import Case

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Witness:
    """An input that overflows a row, and what the RTL's register held after it."""

    row: int
    inputs: IntArray  # (MW,)
    exact: int
    bits: int  # that the exact sum needs
    held: int


@dataclass(frozen=True, eq=False)
class LayerVerdict:
    """What the simulations of one layer say, beside what exact arithmetic says."""

    named: NamedLayer
    acc_bits: int
    played: tuple[Played, ...]
    witness: Witness | None  # None if the layer is safe
    accuracy: float | None  # computed from the RTL's outputs; None without labelled data
    exact_accuracy: float | None

    @property
    def needed_bits(self) -> int:
        return bounds.layer_bits(self.named.layer.weights, self.named.layer.inputs)

    @property
    def is_safe(self) -> bool:
        """Whether exact arithmetic proves that no input can overflow this layer."""
        return self.needed_bits <= self.acc_bits

    @property
    def overflows_seen(self) -> int:
        return sum(tally.overflows_seen for played in self.played for tally in played.tallies)

    @property
    def failures(self) -> list[str]:
        """Every way in which what was seen is not what must be; empty if the check passed."""
        failures = []
        for played in self.played:
            if played.report:
                failures.append(_told(played))
                continue
            for tally in played.tallies:
                what = f"{played.case.unit}, {self.named.name}, {tally.family}"
                if tally.results == 0:
                    failures.append(f"{what}: nothing was compared")
                if tally.overflows_seen != tally.overflows_predicted:
                    failures.append(
                        f"{what}: {tally.overflows_seen} overflows were seen, "
                        f"{tally.overflows_predicted} predicted"
                    )
                if self.is_safe and tally.overflows_seen:
                    failures.append(f"{what}: {tally.overflows_seen} overflows in a safe layer")
                if not self.is_safe and tally.family == stimulus.WORST and not tally.overflows_seen:
                    failures.append(f"{what}: no overflow, although the layer is not safe")
        return failures


def _told(failed: Played) -> str:
    first, *more = failed.report.split("\n\n")
    hint = f"\n  more      {len(more)} in {shown(failed.folder)}" if more else ""
    case = failed.case
    how = [f"{stream} {pattern}" for stream, pattern in case.stalls.items() if pattern != "never"]
    how += [] if case.reset_after is None else [f"a reset in cycle {case.reset_after}"]
    played = f"\n  played    with {', '.join(how)}" if how else ""
    return f"{first}{hint}{played}\n  replay    {failed.replay}"


@dataclass(frozen=True, eq=False)
class Verdict:
    """The answer to a question about some layers."""

    question: Question
    simulator: Simulator
    layers: tuple[LayerVerdict, ...]
    rtl_hash: str
    hostile: Hostile | None = None  # of foreign RTL

    @property
    def failures(self) -> list[str]:
        hostile = [] if self.hostile is None else [_told(each) for each in self.hostile.failed]
        if self.hostile is not None and self.hostile.results == 0:
            hostile.append("hostile cases: nothing was compared")
        return [*hostile, *(failure for layer in self.layers for failure in layer.failures)]

    @property
    def passed(self) -> bool:
        return bool(self.layers) and not self.failures


def check(
    question: Question,
    layers: Sequence[NamedLayer],
    data: LabelledInputs | None,
    simulator: Simulator,
    progress: Progress = lambda line: None,
    rtl: Rtl = RTL,
) -> Verdict:
    """Play every layer through every unit and return the verdict.

    Errors: InputError for what can not be asked, before anything is built; SimulationError if the
    RTL does not build.
    """
    planned = [case for named in layers for case in cases(question, named, data)]
    played: dict[str, Played] = {}
    progress(f"building what is new, then playing {len(planned)} cases")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {pool.submit(_play, case, simulator, question.waves, rtl): case for case in planned}
        try:
            for run in as_completed(runs):
                played[runs[run].id] = run.result()
                word = "played" if run.result().passed else "FAILED"
                progress(f"{word} {runs[run].id}")
        except BaseException:
            with ending_children():
                pool.shutdown(cancel_futures=True)
            raise
    verdicts = []
    for named in layers:
        mine = tuple(played[case.id] for case in planned if case.layer == named.slug)
        verdicts.append(_layer_verdict(named, question.acc_bits, mine, data))
    return Verdict(question, simulator, tuple(verdicts), rtl_hash(rtl))


def _play(case: Case, simulator: Simulator, waves: bool, rtl: Rtl) -> Played:
    played = play(case, simulator, waves=waves, rtl=rtl)
    return played if played.passed else keep(played, simulator, rtl)


def _layer_verdict(
    named: NamedLayer, acc_bits: int, played: tuple[Played, ...], data: LabelledInputs | None
) -> LayerVerdict:
    layer = named.layer
    *_, widest = played  # of all rows, if any is
    accuracy = exact_accuracy = None
    if data is not None and widest.case.unit != "mac":
        data = data.first(widest.case.families.count(stimulus.REAL))
        exact_accuracy = data.accuracy(layer.scores(layer.accumulate(data.values)))
        if widest.passed and widest.outcome is not None:
            accuracy = data.accuracy(layer.scores(widest.outcome.out[: len(data.values)]))
    verdict = LayerVerdict(named, acc_bits, played, None, accuracy, exact_accuracy)
    if verdict.is_safe or widest.outcome is None:
        return verdict
    return replace(verdict, witness=_witness(widest, layer))


def _witness(played: Played, layer: QuantLayer) -> Witness | None:
    """Return the worst case that goes farthest out of range, as the RTL answered it."""
    assert played.outcome is not None
    case, outcome = played.case, played.outcome
    worst = np.flatnonzero([family == stimulus.WORST for family in case.families])
    vectors = case.vectors[worst]
    exact = matvec(case.weights, vectors)
    # A unit without overflow bits shows by its results alone which of them overflowed.
    overflowed = outcome.overflow[worst] | (outcome.out[worst] != exact)
    if not overflowed.any():
        return None
    vector, row = np.unravel_index(np.where(overflowed, np.abs(exact), -1).argmax(), exact.shape)
    total = int(exact[vector, row])
    held = int(outcome.out[worst[vector], row])
    bits = bits_for(min(total, 0), max(total, 0))
    of_layer = np.flatnonzero((layer.weights == case.weights[row]).all(axis=1))[0]
    return Witness(int(of_layer), vectors[vector], total, bits, held)
