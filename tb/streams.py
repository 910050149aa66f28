"""StreamCase: beats into a unit and the beats that must come out, in one file that can be replayed.

For units that move and cut beats, and for whole pipelines: whatever has AXI-Streams. What is due
comes from a golden twin; here it is held against what came.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from golden import units
from golden.archive import whole_file
from golden.integer import BoolArray, Format, InputError, IntArray, integer_rows, is_below
from tb.packing import pack
from tb.stalls import StallPattern

MAX_SENTENCES = 5
_MOST_WORDS_BITS = 14_000  # whose decimal digits Python still reads

TAP = "tap_"  # begins the name of a stream inside a unit, which can only be watched

# Say in their header that ready of the output passes through to that of the input.
PASS_READY = ("replay_buffer",)


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats of one stream, in order; of tuser and tlast only what the stream has."""

    data: IntArray  # (beats, lanes), as signed integers
    bits: int  # of a lane
    user: IntArray | None = None  # (beats, bits of tuser), 0 or 1
    last: IntArray | None = None  # (beats,), 0 or 1
    # Into a unit: beat i is not offered before so many beats (beats,) of that stream have moved.
    after: tuple[str, IntArray] | None = None
    # Out of a unit: it would send more for ever; nobody asks for what is not due.
    endless: bool = False

    def __post_init__(self) -> None:
        count = len(self.data)
        shapes = [(self.data, 2), (self.user, 2), (self.last, 1)]
        shapes += [(self.after[1], 1)] if self.after else []
        if any(array is not None and array.ndim != ndim for array, ndim in shapes) or any(
            array is not None and len(array) != count for array, _ in shapes
        ):
            raise InputError("beats must have data, tuser and tlast of one length")
        if not 1 <= self.bits <= 64:
            raise InputError(f"a lane must have 1 to 64 bits, got {self.bits}")
        spare = 64 - self.bits
        object.__setattr__(self, "data", self.data.astype(np.int64) << spare >> spare)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def user_bits(self) -> int:
        return 0 if self.user is None else int(self.user.shape[1])

    def words(self) -> list[int]:
        """Return tdata of each beat."""
        return [pack(beat, Format(self.bits, signed=True)) for beat in self.data]

    def users(self) -> list[int]:
        """Return tuser of each beat, 0 where the stream has none."""
        return (
            [0] * len(self)
            if self.user is None
            else [pack(beat, Format(1, signed=False)) for beat in self.user]
        )

    def lasts(self) -> list[int]:
        """Return tlast of each beat, 0 where the stream has none."""
        return [0] * len(self) if self.last is None else [int(bit) for bit in self.last]

    def first(self, count: int) -> Beats:
        """Return the first beats."""
        user, last = (None if a is None else a[:count] for a in (self.user, self.last))
        return Beats(self.data[:count], self.bits, user, last)


@dataclass(frozen=True, eq=False, repr=False)
class StreamCase:
    """What is sent, what is due, and how the streams behave meanwhile.

    Errors: InputError for a case that makes no sense.
    """

    unit: str
    parameters: Mapping[str, int]
    sources: Mapping[str, Beats]  # by the prefix of the stream
    sinks: Mapping[str, Beats]
    name: str = "beats"
    stalls: Mapping[str, str] = field(default_factory=dict)  # prefix -> pattern
    seed: int = 1
    reset_after: int | None = None  # cycles of play after which a reset cuts in; then all is played
    cycles: int | None = None  # that it takes where nothing stalls, if that is known
    latency: int = 64  # cycles that beats may stay inside, beyond those that move them

    FORMAT = "a2q-stream-case"
    VERSION = 1

    def __post_init__(self) -> None:
        if not isinstance(self.unit, str) or not re.fullmatch(
            r"[a-z]\w{0,127}", self.unit, re.ASCII
        ):
            raise InputError(f"unit must be the name of a module, got {self.unit!r}")
        for name, value in self.parameters.items():
            most = _MOST_WORDS_BITS if name == "WORDS" else 31
            if value.bit_length() > most:
                raise InputError(f"{name} must have at most {most} bits, got {value.bit_length()}")
        if self.unit in units.UNITS:
            units.require(self.unit, self.parameters)
        if not re.fullmatch(r"\w{1,64}", self.name, re.ASCII):
            raise InputError(
                f"name must be 1 to 64 letters, digits or underscores, got {self.name!r}"
            )
        for name, limit in (("seed", 1 << 31), ("latency", 1 << 53)):
            if not is_below(given := getattr(self, name), limit):
                raise InputError(f"{name} must be 0 to {limit - 1}, got {given!r}")
        for name in ("reset_after", "cycles"):
            given = getattr(self, name)
            if given is not None and not is_below(given, 1 << 53):
                raise InputError(f"{name} must be cycles from 0 on, or nothing, got {given!r}")
        for name, beats in (*self.sources.items(), *self.sinks.items()):
            if not len(beats):
                raise InputError(f"each stream must have a beat, but {name} has none")
        streams = (*self.sources, *self.sinks)
        unknown = {*self.stalls, *(b.after[0] for b in self.sources.values() if b.after)}
        for stream in sorted(unknown - set(streams)):
            raise InputError(f"a stream must be one of {', '.join(streams)}, got {stream!r}")
        for name in self.stalls.values():
            StallPattern.parse(name)

    def __repr__(self) -> str:
        return f"StreamCase({self.id})"

    @property
    def id(self) -> str:
        shape = "".join(f"-{name.lower()}{value}" for name, value in self.parameters.items())
        stalls = "".join(f"-{stream}.{name}" for stream, name in sorted(self.stalls.items()))
        reset = "" if self.reset_after is None else f"-reset{self.reset_after}"
        label = f"{self.unit}{shape}-{self.name}{stalls}{reset}.s{self.seed}"
        if len(label) < 150:
            return label
        digest = zlib.crc32(label.encode())  # a file's name has an end
        return f"{self.unit}-{self.name}-{digest:08x}{reset}.s{self.seed}"

    @property
    def timeout_cycles(self) -> int:
        """Cycles after which a unit that lives must long have finished."""
        beats = sum(len(beats) for beats in (*self.sources.values(), *self.sinks.values()))
        patterns = [StallPattern.parse(name) for name in self.stalls.values()]
        cycles = max(beats, self.cycles or 0)
        for pattern in patterns:
            cycles = int(cycles * pattern.slowdown) + 1
        return 2 * cycles + 2 * sum(pattern.delay for pattern in patterns) + self.latency

    @property
    def is_calm(self) -> bool:
        return self.reset_after is None and set(self.stalls.values()) <= {"never"}

    def rng(self, purpose: str) -> np.random.Generator:
        """Return randomness that depends on the seed and the purpose, and on nothing else."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])

    def played_stalls(self, cycles: int) -> dict[str, BoolArray]:
        """Return in which of the first cycles each stream that has a pattern stands still."""
        return {
            stream: StallPattern.parse(name).sample(cycles, self.rng(f"stall {stream}"))
            for stream, name in self.stalls.items()
            if name != "never"
        }

    def save(self, path: Path) -> None:
        """Write the case, whole or not at all."""
        data = {
            "format": self.FORMAT, "version": self.VERSION, "unit": self.unit, "name": self.name,
            "parameters": dict(self.parameters), "stalls": dict(self.stalls), "seed": self.seed,
            "reset_after": self.reset_after, "cycles": self.cycles, "latency": self.latency,
            "sources": {name: _to_json(beats) for name, beats in self.sources.items()},
            "sinks": {name: _to_json(beats) for name, beats in self.sinks.items()},
        }  # fmt: skip
        with whole_file(path) as partial:
            partial.write_text(json.dumps(data), encoding="utf-8")

    @classmethod
    def is_saved_in(cls, path: Path) -> bool:
        """Whether a file begins as ``save`` begins one; what is wrong with it ``load`` tells."""
        if not path.is_file():  # a device may never end
            return False
        with path.open("rb") as file:
            return cls.FORMAT.encode() in file.read(64)

    @classmethod
    def load(cls, path: Path) -> StreamCase:
        """Read ``save``'s file; InputError, with the path, for anything else."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(
                f"{path} must be a case file, but it can not be read: {error}"
            ) from None
        if not isinstance(data, dict) or data.get("format") != cls.FORMAT:
            raise InputError(f"{path} must be a case file, but its format is not {cls.FORMAT}")
        if data.get("version") != cls.VERSION:
            raise InputError(
                f"{path} must be version {cls.VERSION} of {cls.FORMAT}, got {data.get('version')!r}"
            )
        try:
            fields = {name: data[name] for name in cls.__dataclass_fields__}
            for side in ("sources", "sinks"):
                fields[side] = {name: _from_json(beats) for name, beats in data[side].items()}
            return cls(**fields)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"{path} must be a case file, but a field is missing or wrong: {error!r}"
            ) from None


def differences(stream: str, due: Beats, came: Beats) -> list[str]:
    """Return what is wrong with the beats that came first, in a few sentences."""
    wrong = (due.data != came.data).any(axis=1)
    for bits, other in ((due.user, came.user), (due.last, came.last)):
        if bits is not None and other is not None:
            wrong |= (bits != other).any(axis=tuple(range(1, bits.ndim)))
    sentences = [
        f"MISMATCH  beat {beat} of {stream}\n  expected  {_shown(due, beat)}\n"
        f"  actual    {_shown(came, beat)}"
        for beat in np.flatnonzero(wrong)[:MAX_SENTENCES]
    ]
    more = int(wrong.sum()) - len(sentences)
    return [*sentences, *([f"... and {more} more mismatches of {stream}"] if more > 0 else [])]


def _shown(beats: Beats, beat: int) -> str:
    lanes = beats.data[beat].tolist()
    text = " ".join(map(str, lanes if len(lanes) <= 16 else [*lanes[:16], "..."]))
    user = "" if beats.user is None else "  tuser " + "".join(map(str, beats.user[beat].tolist()))
    return text + user + ("" if beats.last is None else f"  tlast {beats.last[beat]}")


def _to_json(beats: Beats) -> dict[str, Any]:
    return {
        "data": beats.data.tolist(), "bits": beats.bits, "endless": beats.endless,
        "user": None if beats.user is None else beats.user.tolist(),
        "last": None if beats.last is None else beats.last.tolist(),
        "after": None if beats.after is None else [beats.after[0], beats.after[1].tolist()],
    }  # fmt: skip


def _from_json(data: Mapping[str, Any]) -> Beats:
    def column(values: Any, name: str) -> IntArray:
        only: IntArray = integer_rows([values], name)[0]
        return only

    bits, user, last, after = (data[name] for name in ("bits", "user", "last", "after"))
    if type(bits) is not int or type(data["endless"]) is not bool:
        raise InputError("bits of a stream must be an integer, endless true or false")
    if after is not None and (type(after) is not list or len(after) != 2):
        raise InputError(f"after must be a stream and a list of beats, got {after!r}")
    return Beats(
        integer_rows(data["data"], "data"), bits,
        None if user is None else integer_rows(user, "user"),
        None if last is None else column(last, "last"),
        None if after is None else (after[0], column(after[1], "after")), data["endless"],
    )  # fmt: skip
