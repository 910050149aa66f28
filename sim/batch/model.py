"""Model: a Verilated unit in this process, which answers whole batches of vectors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.integer import BoolArray, InputError
from golden.mvau import Outcome
from golden.spec import MvauSpec
from sim.batch.engine import TRIES, Answer, Batch, Engine, Sink, Source, engine, stalled_cycles
from sim.batch.library import library
from sim.cache import SimulationError
from sim.paths import RTL
from sim.rtl import Rtl
from sim.runtime import LEVELS
from tb.case import Case, Stimulus, require_unit
from tb.packing import lanes_of_inputs, lanes_of_weights
from tb.stalls import StallPattern

_INPUT, _WEIGHT, _OUTPUT = "s_axis_input", "s_axis_weight", "m_axis_output"


@dataclass(frozen=True, eq=False)
class Covered:
    """How often a run hit each point of its Verilog; ``sim.coverage.code`` can read the points."""

    points: tuple[str, ...]
    hits: npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Trace(Outcome):
    """What a unit answered, and when the last of it came."""

    cycles: int  # from the end of reset to the last beat
    # Beats of each stream, input first, that had moved when the reset cut in; None without one.
    at_reset: tuple[int, ...] | None = None
    covered: Covered | None = None  # if the build counts it


def load(
    spec: MvauSpec,
    unit: str = "mvau",
    rtl: Rtl | str = RTL,
    level: int = 1,
    coverage: bool = False,
) -> Model:
    """Return the unit of this spec; it is built if the same was not built before.

    ``level`` is that of g++'s optimiser; 3 takes longer to build and pays where a unit is run for
    many seconds. ``rtl`` is the folder of the Verilog files, or RTL of somebody else. With
    ``coverage`` a unit is slower, and tells on each trace what of the Verilog that run covered.

    Errors: InputError for a unit that does not take the spec; SimulationError if it does not build.
    """
    require_unit(unit, spec)
    rtl = Path(rtl) if isinstance(rtl, str) else rtl
    if type(level) is not int or level not in LEVELS:
        raise InputError(f"level must be 1 or 3, got {level!r}")
    built = library(unit, spec.verilog_parameters(unit), rtl, level, coverage)
    return Model(spec, unit, isinstance(rtl, Path), engine(built))


@dataclass(frozen=True)
class Model:
    """A unit that is ready to run; every call starts a new one, from power-on."""

    spec: MvauSpec
    unit: str
    is_ours: bool  # it keeps contracts beyond the streams: a beat a cycle, nothing follows a ready
    _engine: Engine

    def run(
        self, case: Case | npt.ArrayLike, inputs: npt.ArrayLike | None = None, **others: Any
    ) -> Trace:
        """Play a case; or weights (MH, MW) and inputs (V, MW), with stalls, seed and reset_after.

        A ``vvau`` takes inputs (V, MH*MW), row by row.

        Errors: InputError for what the unit can not play; SimulationError if the unit breaks a rule
        of its streams or comes to no end. May be called from several threads at once.
        """
        if not isinstance(case, Case):
            given: Any = (case, inputs)
            stimuli = (Stimulus("given", given[1]),)
            case = Case(self.unit, self.spec, "given", given[0], stimuli, **others)
        elif inputs is not None or others:
            raise InputError("a case must come alone, got more arguments")
        if (case.unit, case.spec) != (self.unit, self.spec):
            raise InputError(
                f"the case must be for a {self.unit} of {self.spec.id}, "
                f"got a {case.unit} of {case.spec.id}"
            )
        return _run(self._engine, case, TRIES if self.is_ours else 0)


def played_stalls(case: Case, cycles: int) -> dict[str, BoolArray]:
    """Return in which of the first cycles each stream that has a pattern stands still."""
    return {
        stream: StallPattern.parse(name).sample(cycles, case.rng(f"stall {stream}"))
        for stream, name in case.stalls.items()
        if name != "never"
    }


def _run(unit: Engine, case: Case, tries: int) -> Trace:
    spec, vectors = case.spec, case.vector_count
    stalls = played_stalls(case, stalled_cycles(case.timeout_cycles, case.stalls.values()))
    inputs = lanes_of_inputs(spec, spec.inputs.encode(case.vectors), case.depthwise)
    tiles = lanes_of_weights(spec, spec.weights.encode(case.weights))
    ends = np.arange(1, len(inputs) + 1) % spec.sf == 0
    sources = {
        _INPUT: Source(
            inputs, spec.input_bits, lasts=ends.astype(np.uint8), block=spec.sf,
            copies=case.resends, stalls=stalls.get("input"),
        ),
        _WEIGHT: Source(
            tiles, spec.weight_bits, copies=vectors, stalls=stalls.get("weight"),
        ),
    }  # fmt: skip
    sources = {stream: sources[stream] for stream in unit.sources if stream in sources}
    *_, slowest = sources  # of the weights, where they are a stream, no beat is used twice
    sink = Sink(
        vectors * spec.nf, spec.pe, spec.acc_bits, spec.pe,
        of=slowest, needs=spec.sf, stalls=stalls.get("output"),
    )  # fmt: skip
    # What is on offer while the unit is reset, one bit a stream, differs with the seed.
    offers = 3 * case.seed % 8
    batches = [Batch(sources, {_OUTPUT: sink}, case.timeout_cycles, offers, tries=tries)]
    if case.reset_after is not None:
        first = replace(
            batches[0], budget=case.reset_after, cut=True, offers=(3 * case.seed + 1) % 8
        )
        batches.insert(0, first)
    hits = np.zeros(len(unit.points), np.uint32)
    *before, whole = unit.play(batches, case.seed, hits)
    if case.unit != "mac":
        _require_lasts(case, [*before, whole])
    for start in before:
        _require_start(start, whole)
    beats = whole.beats[_OUTPUT]
    shape = (vectors, spec.mh)
    return Trace(
        beats.values.reshape(shape), beats.users.astype(bool).reshape(shape), whole.cycles,
        tuple(before[0].moved.values()) if before else None,
        Covered(unit.points, hits) if unit.points else None,
    )  # fmt: skip


def _require_lasts(case: Case, answers: list[Answer]) -> None:
    """Raise SimulationError if the end of a vector is not marked, or anything else is."""
    for answer in answers:
        lasts = answer.beats[_OUTPUT].lasts[: answer.moved[_OUTPUT]]
        due = np.arange(1, len(lasts) + 1) % case.spec.nf == 0
        for beat in np.flatnonzero(lasts != due)[:1]:
            raise SimulationError(
                f"tlast of output beat {beat} must be {int(due[beat])}, got {lasts[beat]}"
            )


def _require_start(start: Answer, whole: Answer) -> None:
    """Raise SimulationError if the results before a reset are not those after it."""
    before, after = start.beats[_OUTPUT], whole.beats[_OUTPUT]
    same = (before.values == after.values).all(axis=1) & (before.users == after.users).all(axis=1)
    for beat in np.flatnonzero(~same[: start.moved[_OUTPUT]])[:1]:
        raise SimulationError(
            f"output beat {beat} was {before.values[beat]} before the reset, "
            f"{after.values[beat]} after"
        )
