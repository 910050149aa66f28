"""Engine: a Verilated unit in this process, which plays batches of beats through its streams.

It knows no unit. ``library.py`` made it, ``shim.h`` is inside it; what is sent and what is due
comes from ``model.py`` for cases, and from ``streams.py`` for units that only move beats.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.integer import BoolArray, InputError, IntArray
from sim.cache import SimulationError

MOST_CYCLES = 1 << 26  # of which each has a place in the stalls
LINGER = 16  # cycles in which a beat too many would still show
TRIES = 64  # cycles of a waiting output in which it is tried what follows its ready
_BEAT_LISTS = ("values", "users", "lasts", "after", "stalls")


@dataclass(frozen=True, eq=False)
class Source:
    """Beats to send: blocks of ``block`` beats, each sent ``copies`` times before the next."""

    values: IntArray  # (beats, lanes)
    bits: int  # of a lane
    users: npt.NDArray[np.uint8] | None = None  # (beats, users)
    lasts: npt.NDArray[np.uint8] | None = None  # (beats,)
    block: int = 0  # 0: all beats
    copies: int = 1
    # Beat i is not offered before so many beats (beats,) of that stream have moved.
    after: tuple[str, IntArray] | None = None
    stalls: BoolArray | None = None


@dataclass(frozen=True)
class Sink:
    """Beats that are due: so many, of ``lanes`` lanes and ``users`` bits of tuser.

    Each is due only after ``needs`` more beats of source ``of`` have moved.
    """

    beats: int
    lanes: int
    bits: int
    users: int = 0
    of: str = ""
    needs: int = 0
    endless: bool = False  # the unit would send more; after those that are due nobody asks for it
    stalls: BoolArray | None = None


@dataclass(frozen=True, eq=False)
class Beats:
    """What a stream out of the unit carried."""

    values: IntArray  # (beats, lanes), sign-extended
    users: npt.NDArray[np.uint8]  # (beats, users)
    lasts: npt.NDArray[np.uint8]  # (beats,)


@dataclass(frozen=True, eq=False)
class Batch:
    """Beats to play in one go, from a reset on; with ``cut``, only ``budget`` cycles of it."""

    sources: Mapping[str, Source]
    sinks: Mapping[str, Sink]
    budget: int  # cycles
    offers: int = 0  # what stands at the streams while the unit is reset, a bit each
    cut: bool = False
    tries: int = TRIES  # 0: a path from ready of an output to other handshakes is allowed


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of a batch."""

    beats: Mapping[str, Beats]  # of each sink
    moved: Mapping[str, int]  # beats of each stream
    cycles: int  # from the end of reset to the last beat


@dataclass(frozen=True)
class Engine:
    """A unit that is ready to run; every call starts a new one, from power-on."""

    sources: tuple[str, ...]  # the streams into the unit
    sinks: tuple[str, ...]  # out of it
    points: tuple[str, ...] = field(repr=False)  # of its Verilog, if it counts hits
    _play: Any = field(repr=False)

    def play(
        self, batches: Sequence[Batch], seed: int, hits: npt.NDArray[np.uint32] | None = None
    ) -> list[Answer]:
        """Play batches in turn on one unit, whose registers start from what the seed draws.

        Errors: SimulationError if the unit breaks a rule of its streams or comes to no end.
        """
        for batch in batches:
            self._require(batch)
        called = [_Called(self, batch) for batch in batches]
        raw = (_Batch * len(called))(*(call.batch for call in called))
        counts = np.zeros(len(self.points), np.uint32) if hits is None else hits
        self._play(raw, len(raw), seed, counts.ctypes.data)
        return [call.answer(batch) for call, batch in zip(called, raw, strict=True)]

    def _require(self, batch: Batch) -> None:
        for side, has, given in (
            ("into", self.sources, batch.sources), ("out of", self.sinks, batch.sinks),
        ):  # fmt: skip
            if set(has) != set(given):
                raise InputError(
                    f"the streams {side} the unit must be {', '.join(given) or 'none'}, "
                    f"got {', '.join(has) or 'none'}"
                )


def stalled_cycles(budget: int, patterns: Iterable[str]) -> int:
    """Return for how many cycles a batch of that budget wants to know its stalls, if it has any.

    Errors: InputError for more than there is room for.
    """
    if set(patterns) <= {"never"}:
        return 0
    if budget + LINGER > MOST_CYCLES:
        raise InputError(
            f"a case with stalls must end within {MOST_CYCLES} cycles, got a budget of {budget}"
        )
    return budget + LINGER


@cache
def engine(path: Path) -> Engine:
    """Return what ``library.library`` made."""
    loaded = ctypes.CDLL(str(path))
    play = loaded.a2q_play
    play.argtypes = (ctypes.POINTER(_Batch), ctypes.c_int64, ctypes.c_int, ctypes.c_void_p)
    play.restype = None
    loaded.a2q_streams.restype = ctypes.c_char_p
    sources, sinks = (
        tuple(side.split()) for side in loaded.a2q_streams().decode("ascii").split("|")
    )
    return Engine(sources, sinks, _points(loaded), play)


def _points(loaded: ctypes.CDLL) -> tuple[str, ...]:
    if not hasattr(loaded, "a2q_points"):
        return ()
    loaded.a2q_points.restype = ctypes.c_char_p
    return tuple(loaded.a2q_points().decode().splitlines())


# The C interface, as shim.h has it.


class _Source(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in _BEAT_LISTS),
        *((name, ctypes.c_int64) for name in ("beats", "lanes", "bits", "user_lanes")),
        *((name, ctypes.c_int64) for name in ("block", "copies", "of", "moved")),
    ]


class _Sink(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("values", "users", "lasts", "stalls")),
        *((name, ctypes.c_int64) for name in ("beats", "lanes", "bits", "user_lanes")),
        *((name, ctypes.c_int64) for name in ("of", "needs", "endless", "moved")),
    ]


class _Batch(ctypes.Structure):
    _fields_ = [
        ("sources", ctypes.POINTER(_Source)),
        ("sinks", ctypes.POINTER(_Sink)),
        *((name, ctypes.c_int64) for name in ("offers", "budget", "linger", "cut", "tries")),
        *((name, ctypes.c_int64) for name in ("cycles", "fault", "at")),
        ("message", ctypes.c_char * 256),
    ]


_FAULTS = (
    "",
    "no end within {budget} cycles",
    "{at}: tvalid must hold until the beat is taken, but it fell",
    "{at}: a beat must hold until it is taken, but it changed",
    "{at}: a beat came after the last one that is due",
    "{at}: a beat came before the operands that it is made of",
    "neither tvalid of an output nor tready of an input may follow tready of the output",
    "the unit called $finish",
    "{message}",
)


class _Called:
    """A batch in the form that C takes, with the arrays that it points to."""

    def __init__(self, unit: Engine, batch: Batch) -> None:
        self.unit, self.given = unit, batch
        streams = (*unit.sources, *unit.sinks)
        self._sources = (_Source * len(unit.sources))()
        self._kept: list[Any] = []  # alive as long as C may read them
        for raw, name in zip(self._sources, unit.sources, strict=True):
            source = batch.sources[name]
            raw.values = self._pointer(source.values, np.int64)
            raw.beats, raw.lanes = source.values.shape
            raw.bits, raw.copies = source.bits, source.copies
            raw.block = source.block or len(source.values)
            raw.users = self._pointer(source.users, np.uint8)
            raw.user_lanes = 0 if source.users is None else source.users.shape[1]
            raw.lasts = self._pointer(source.lasts, np.uint8)
            raw.stalls = self._pointer(source.stalls, np.bool_)
            if source.after is not None:
                raw.of = streams.index(source.after[0])
                raw.after = self._pointer(source.after[1], np.int64)
        self._sinks = (_Sink * len(unit.sinks))()
        self.beats = {}
        for raw, name in zip(self._sinks, unit.sinks, strict=True):
            sink = batch.sinks[name]
            beats = self.beats[name] = Beats(
                np.zeros((sink.beats, sink.lanes), np.int64),
                np.zeros((sink.beats, sink.users), np.uint8),
                np.zeros(sink.beats, np.uint8),
            )
            raw.values, raw.users, raw.lasts = (
                array.ctypes.data for array in (beats.values, beats.users, beats.lasts)
            )
            raw.beats, raw.lanes, raw.bits = sink.beats, sink.lanes, sink.bits
            raw.user_lanes, raw.needs = sink.users, sink.needs
            raw.of = streams.index(sink.of) if sink.of else 0
            raw.endless = sink.endless
            raw.stalls = self._pointer(sink.stalls, np.bool_)
        self.batch = _Batch(
            self._sources, self._sinks, batch.offers, batch.budget, LINGER, batch.cut, batch.tries
        )

    def _pointer(self, array: npt.NDArray[Any] | None, dtype: type[Any]) -> int | None:
        if array is None:
            return None
        array = np.ascontiguousarray(array, dtype)
        self._kept.append(array)
        return int(array.ctypes.data)

    def answer(self, raw: _Batch) -> Answer:
        """Return what came; SimulationError for what broke the rules of the streams."""
        streams = dict(zip(self.unit.sources, self._sources, strict=True))
        streams |= dict(zip(self.unit.sinks, self._sinks, strict=True))
        moved = {name: int(stream.moved) for name, stream in streams.items()}
        if raw.fault:
            sentence = _FAULTS[raw.fault].format(
                budget=raw.budget, message=raw.message.decode(errors="replace"),
                at=self.unit.sinks[raw.at] if self.unit.sinks else "",
            )  # fmt: skip
            counts = " ".join(f"{_short(name)}={count}" for name, count in moved.items())
            due = ", ".join(
                f"{_short(name)} beats expected: {sink.beats}"
                for name, sink in self.given.sinks.items()
            )
            raise SimulationError(f"{sentence}; beats that moved: {counts}, {due}")
        return Answer(self.beats, moved, int(raw.cycles))


def _short(stream: str) -> str:
    """Return a stream's name without what all have in common.

    >>> _short("s_axis_input"), _short("m_axis")
    ('input', 'm_axis')
    """
    return stream.removeprefix("s_axis_").removeprefix("m_axis_")
