"""Model: a Verilated unit in this process, which answers whole batches of vectors."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.integer import BoolArray, InputError, IntArray
from golden.mvau import Outcome
from golden.spec import MvauSpec
from sim.batch.library import library
from sim.cache import SimulationError
from sim.paths import RTL
from sim.runtime import LEVELS
from tb.case import Case, Stimulus, require_unit
from tb.packing import lanes_of_inputs
from tb.stalls import StallPattern

_INPUT, _WEIGHT = range(2)  # the sources
MOST_CYCLES = 1 << 26  # of which each has a place in the stalls
_Play = Callable[[Any, int, int, int], None]
LINGER = 16  # cycles in which a beat too many would still show
TRIES = 64  # cycles of a waiting output in which it is tried what follows its ready


@dataclass(frozen=True, eq=False)
class Covered:
    """How often a run hit each point of its Verilog; ``sim.coverage.code`` can read the points."""

    points: tuple[str, ...]
    hits: npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Trace(Outcome):
    """What a unit answered, and when the last of it came."""

    cycles: int  # from the end of reset to the last beat
    # Beats of input, weights and output that had moved when the reset cut in; None without one.
    at_reset: tuple[int, int, int] | None = None
    covered: Covered | None = None  # if the build counts it


def load(
    spec: MvauSpec,
    unit: str = "mvau",
    rtl: Path = RTL,
    level: int = 1,
    coverage: bool = False,
) -> Model:
    """Return the unit of this spec; it is built if the same was not built before.

    ``level`` is that of g++'s optimiser; 3 takes longer to build and pays where a unit is run for
    many seconds. ``rtl`` is the folder of the Verilog files. With ``coverage`` a
    unit is slower, and tells on each trace what of the Verilog that run covered.

    Errors: InputError for a unit that does not take the spec; SimulationError if it does not build.
    """
    require_unit(unit, spec)
    rtl = Path(rtl)
    if type(level) is not int or level not in LEVELS:
        raise InputError(f"level must be 1 or 3, got {level!r}")
    built = library(unit, spec.verilog_parameters(unit), rtl, level, coverage)
    return Model(spec, unit, _function(built), _points(built) if coverage else ())


@dataclass(frozen=True)
class Model:
    """A unit that is ready to run; every call starts a new one, from power-on."""

    spec: MvauSpec
    unit: str
    _play: _Play
    # Of its Verilog, if it counts how often it hits them.
    _points: tuple[str, ...] = field(repr=False)

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
        return _run(self._play, case, self._points)


# The C interface, as shim.h has it.


class _Source(ctypes.Structure):
    _fields_ = [
        ("values", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("beats", "lanes", "bits", "block", "copies")),
        ("last_every", ctypes.c_int64),
        ("stalls", ctypes.c_void_p),
        ("moved", ctypes.c_int64),
    ]


class _Sink(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("values", "users", "lasts")),
        *((name, ctypes.c_int64) for name in ("beats", "lanes", "bits", "of", "needs")),
        ("stalls", ctypes.c_void_p),
        ("moved", ctypes.c_int64),
    ]


class _Batch(ctypes.Structure):
    _fields_ = [
        ("sources", ctypes.POINTER(_Source)),
        ("sinks", ctypes.POINTER(_Sink)),
        *((name, ctypes.c_int64) for name in ("offers", "budget", "linger", "cut", "tries")),
        *((name, ctypes.c_int64) for name in ("cycles", "fault")),
        ("message", ctypes.c_char * 256),
    ]


_FAULTS = (
    "",
    "no end within {budget} cycles",
    "m_axis_output: tvalid must hold until the beat is taken, but it fell",
    "m_axis_output: a beat must hold until it is taken, but it changed",
    "m_axis_output: a beat came after the last one that is due",
    "m_axis_output: a beat came before the operands that it is made of",
    "m_axis_output: neither its tvalid nor tready of an input may follow its tready",
    "the unit called $finish",
    "{message}",
)


@cache
def _function(path: Path) -> Any:
    play = ctypes.CDLL(str(path)).a2q_play
    play.argtypes = (ctypes.POINTER(_Batch), ctypes.c_int64, ctypes.c_int, ctypes.c_void_p)
    play.restype = None
    return play


@cache
def _points(path: Path) -> tuple[str, ...]:
    tell = ctypes.CDLL(str(path)).a2q_points
    tell.restype = ctypes.c_char_p
    return tuple(tell().decode().splitlines())


class _Part:
    """One batch of a case: all of it, or its start, which a reset cuts off after some cycles."""

    def __init__(
        self, case: Case, sources: ctypes.Array[_Source], stalls: int | None, cut: int | None
    ) -> None:
        spec, beats = case.spec, case.vector_count * case.spec.nf
        self.case, self.sources = case, (_Source * len(sources))(*sources)  # each counts its own
        self.out: IntArray = np.zeros((beats, spec.pe), np.int64)
        self.overflow: BoolArray = np.zeros((beats, spec.pe), bool)
        self.last: BoolArray = np.zeros(beats, bool)
        answers = [array.ctypes.data for array in (self.out, self.overflow, self.last)]
        self.sink = _Sink(*answers, beats, spec.pe, spec.acc_bits, _WEIGHT, spec.sf, stalls)
        budget = case.timeout_cycles if cut is None else cut
        # What is on offer while the unit is reset, one bit a stream, differs with the seed.
        offers = (3 * case.seed + (cut is not None)) % 8
        self.batch = _Batch(
            self.sources, ctypes.pointer(self.sink), offers, budget, LINGER, cut is not None, TRIES
        )

    @property
    def moved(self) -> tuple[int, int, int]:
        return self.sources[_INPUT].moved, self.sources[_WEIGHT].moved, self.sink.moved

    def require_good(self, batch: _Batch) -> None:
        """Raise SimulationError for what broke the rules of the streams."""
        if batch.fault:
            counts = (("input", self.sources[_INPUT]), ("weight", self.sources[_WEIGHT]))
            moved = " ".join(f"{name}={source.moved}" for name, source in counts)
            message = batch.message.decode(errors="replace")
            raise SimulationError(
                f"{_FAULTS[batch.fault].format(budget=batch.budget, message=message)}; beats that "
                f"moved: {moved} output={self.sink.moved}, output beats expected: {self.sink.beats}"
            )
        if self.case.unit != "mac":
            due = np.arange(1, len(self.last) + 1) % self.case.spec.nf == 0
            for beat in np.flatnonzero((self.last != due)[: self.sink.moved])[:1]:
                is_due, was = int(due[beat]), int(self.last[beat])
                raise SimulationError(f"tlast of output beat {beat} must be {is_due}, got {was}")

    def require_start_of(self, whole: _Part) -> None:
        """Raise SimulationError if the results before a reset are not those after it."""
        same = ((self.out == whole.out) & (self.overflow == whole.overflow)).all(axis=1)
        for beat in np.flatnonzero(~same[: self.sink.moved])[:1]:
            raise SimulationError(
                f"output beat {beat} was {self.out[beat]} before the reset, {whole.out[beat]} after"
            )


def played_stalls(case: Case, cycles: int) -> dict[str, BoolArray]:
    """Return in which of the first cycles each stream that has a pattern stands still."""
    return {
        stream: StallPattern.parse(name).sample(cycles, case.rng(f"stall {stream}"))
        for stream, name in case.stalls.items()
        if name != "never"
    }


def _run(play: _Play, case: Case, points: tuple[str, ...]) -> Trace:
    spec, count = case.spec, case.vector_count
    inputs = lanes_of_inputs(spec, spec.inputs.encode(case.vectors), case.depthwise)
    inputs = np.ascontiguousarray(inputs)
    tiles = case.weights.reshape(spec.nf, spec.pe, spec.sf, spec.simd).transpose(0, 2, 1, 3)
    tiles = np.ascontiguousarray(spec.weights.encode(tiles))
    cycles = case.timeout_cycles + LINGER
    if cycles > MOST_CYCLES:
        raise InputError(f"a case must end within {MOST_CYCLES} cycles, got a budget of {cycles}")
    stalls = played_stalls(case, cycles)
    pointers = {stream: pauses.ctypes.data for stream, pauses in stalls.items()}
    sources = (_Source * 2)(
        _Source(
            inputs.ctypes.data, *inputs.shape, spec.input_bits,
            spec.sf, case.resends, spec.sf, pointers.get("input"),
        ),
        _Source(
            tiles.ctypes.data, spec.total_fold, spec.pe * spec.simd, spec.weight_bits,
            spec.total_fold, count, spec.total_fold, pointers.get("weight"),
        ),
    )  # fmt: skip
    cuts = [None] if case.reset_after is None else [case.reset_after, None]
    parts = [_Part(case, sources, pointers.get("output"), cut) for cut in cuts]
    batches = (_Batch * len(parts))(*(part.batch for part in parts))
    hits = np.zeros(len(points), np.uint32)
    play(batches, len(batches), case.seed, hits.ctypes.data)
    for part, batch in zip(parts, batches, strict=True):
        part.require_good(batch)
    whole = parts[-1]
    for part in parts[:-1]:
        part.require_start_of(whole)
    shape = (count, spec.mh)
    return Trace(
        whole.out.reshape(shape), whole.overflow.reshape(shape), batches[-1].cycles,
        None if case.reset_after is None else parts[0].moved,
        Covered(points, hits) if points else None,
    )  # fmt: skip
