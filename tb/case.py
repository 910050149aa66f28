"""Case: everything that one simulation needs, in one file from which it can be played again."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from golden import mvau
from golden.archive import whole_file
from golden.integer import InputError, IntArray, integer_rows, is_below
from golden.spec import MvauSpec
from tb.stalls import STREAMS, StallPattern

DENSE = ("mac", "mvau")  # units in which every row gets the same inputs
DEPTHWISE = "vvau"  # each row has inputs of its own
UNITS = (*DENSE, DEPTHWISE)  # the units of rtl/ that play cases
UNROLLED = "unrolled"  # generated from the weights of a case; see sim.generate
CLOCK_NS = 10


@dataclass(frozen=True, eq=False)
class Stimulus:
    """Input vectors of one family, (V, MW), or (V, MH*MW) if depthwise; see ``tb.stimulus``."""

    family: str
    vectors: IntArray


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """A layer's weights, the vectors to play through a unit, and how the streams behave meanwhile.

    Errors: InputError for a case that the unit can not play.
    """

    unit: str
    spec: MvauSpec
    layer: str  # name of the layer; part of file names, so of letters, digits and _ only
    weights: IntArray  # (MH, MW)
    stimuli: tuple[Stimulus, ...]
    stalls: dict[str, str] = field(default_factory=dict)  # stream -> pattern; never where not named
    seed: int = 1
    reset_after: int | None = None  # cycles of play after which a reset cuts in; then all is played
    # Of an unrolled unit alone: the levels of its tree that registers follow; None: every second.
    registers: tuple[int, ...] | None = None
    pace: int = 1  # cycles that the unit may take for a beat

    FORMAT = "a2q-case"
    VERSION = 2

    def __post_init__(self) -> None:
        require_unit(self.unit, self.spec)
        if not re.fullmatch(r"\w{1,64}", self.layer, re.ASCII):
            raise InputError(
                f"layer must be 1 to 64 letters, digits or underscores, got {self.layer!r}"
            )
        if not self.stimuli:
            raise InputError("a case must have at least one stimulus, got none")
        checked = []
        for stimulus in self.stimuli:
            if not isinstance(stimulus.family, str) or not re.fullmatch(
                r"[\w ]{1,64}", stimulus.family, re.ASCII
            ):
                raise InputError(
                    f"family must be 1 to 64 letters, digits or spaces, got {stimulus.family!r}"
                )
            weights, vectors = mvau.checked(
                self.spec, self.weights, stimulus.vectors, self.depthwise
            )
            vectors.setflags(write=False)  # what was checked stays as it was
            weights.setflags(write=False)
            checked.append(Stimulus(stimulus.family, vectors))
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "stimuli", tuple(checked))
        streams = streams_of(self.unit)
        if not isinstance(self.stalls, dict) or not set(self.stalls) <= set(streams):
            raise InputError(f"stalls must be on {', '.join(streams)}, got {self.stalls!r}")
        if self.unit == UNROLLED:
            object.__setattr__(self, "registers", register_levels(self.spec, self.registers))
        elif self.registers is not None:
            raise InputError(f"registers must be those of an {UNROLLED}, got them for {self.unit}")
        patterns = {stream: self.stalls.get(stream, "never") for stream in streams}
        for name in patterns.values():
            StallPattern.parse(name)
        object.__setattr__(self, "stalls", patterns)
        if not is_below(self.pace, 1001) or self.pace == 0:
            raise InputError(f"pace must be 1 to 1000 cycles, got {self.pace!r}")
        if self.reset_after is not None and not is_below(self.reset_after, self.timeout_cycles):
            raise InputError(
                f"reset_after must be 0 to {self.timeout_cycles - 1} cycles, "
                f"got {self.reset_after!r}"
            )
        if not is_below(self.seed, 2**31):
            raise InputError(f"seed must be 0 to 2147483647, got {self.seed!r}")

    def __repr__(self) -> str:
        return f"Case({self.id}: {self.vector_count} vectors)"  # the arrays would fill screens

    @property
    def id(self) -> str:
        stalls = "".join(
            f"-{stream[0]}.{name}" for stream, name in self.stalls.items() if name != "never"
        )
        reset = "" if self.reset_after is None else f"-reset{self.reset_after}"
        levels = ".".join(["r", *map(str, self.registers or ())])
        registers = "" if self.registers is None else f"-{levels}"
        return f"{self.unit}-{self.spec.id}-{self.layer}{registers}{stalls}{reset}.s{self.seed}"

    @property
    def depthwise(self) -> bool:
        """Whether each row has inputs of its own."""
        return self.unit == DEPTHWISE

    @property
    def copies(self) -> int:
        """How often the unit uses a beat of inputs, which it is sent once."""
        return self.spec.nf if self.unit == "mvau" else 1

    @property
    def resends(self) -> int:
        """How often a unit is sent each vector: a mac, which has no buffer, again for every row."""
        return self.spec.nf if self.unit == "mac" else 1

    @property
    def vectors(self) -> IntArray:
        """All vectors, (V, MW) or (V, MH*MW), in the order of play."""
        first, *more = (stimulus.vectors for stimulus in self.stimuli)
        return np.concatenate([first, *more]) if more else first

    @property
    def vector_count(self) -> int:
        return sum(len(stimulus.vectors) for stimulus in self.stimuli)

    @property
    def families(self) -> list[str]:
        """The family of each vector, in the order of play."""
        return [s.family for s in self.stimuli for _ in range(len(s.vectors))]

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a result to that result."""
        return 1 + len(self.registers or ())

    @property
    def timeout_cycles(self) -> int:
        """Cycles after which a unit that lives must long have finished.

        Stalls on different streams can fall on different cycles, so their slowdowns multiply; twice
        that, since a random pattern may be unlucky.
        """
        patterns = [StallPattern.parse(name) for name in self.stalls.values()]
        beats = self.vector_count * self.spec.total_fold * self.pace
        for pattern in patterns:
            beats = int(beats * pattern.slowdown) + 1
        return 2 * beats + 2 * sum(pattern.delay for pattern in patterns) + 64 * self.pace

    def rng(self, purpose: str) -> np.random.Generator:
        """Return randomness that depends on the seed and the purpose, and on nothing else."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])

    def save(self, path: Path) -> None:
        """Write the case, whole or not at all."""
        data = {
            "format": self.FORMAT, "version": self.VERSION, "unit": self.unit, "layer": self.layer,
            "spec": self.spec.to_json(), "stalls": self.stalls, "seed": self.seed,
            "reset_after": self.reset_after, "pace": self.pace, "weights": self.weights.tolist(),
            "stimuli": [{"family": s.family, "vectors": s.vectors.tolist()} for s in self.stimuli],
        }  # fmt: skip
        if self.unit == UNROLLED:
            data["registers"] = self.registers
        with whole_file(path) as partial:
            partial.write_text(json.dumps(data), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Case:
        """Read ``save``'s file; InputError, with the path, for anything else."""
        try:
            is_other = path.exists() and not path.is_file()  # a device may never end
            data = None if is_other else json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(
                f"{path} must be a case file, but it can not be read: {error.strerror}"
            ) from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} must be a case file, but it is not JSON: {error}") from None
        if not isinstance(data, dict) or data.get("format") != cls.FORMAT:
            raise InputError(f"{path} must be a case file, but its format is not {cls.FORMAT}")
        version = data.get("version")
        if type(version) is not int or version != cls.VERSION:
            raise InputError(
                f"{path} must be version {cls.VERSION} of {cls.FORMAT}, got {version!r}"
            )
        try:
            return cls._from_json(data)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"{path} must be a case file, but a field is missing or wrong: {error}"
            ) from None

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> Case:
        return cls(
            unit=data["unit"],
            spec=MvauSpec.from_json(data["spec"]),
            layer=data["layer"],
            weights=integer_rows(data["weights"], "weights"),
            stimuli=tuple(
                Stimulus(s["family"], integer_rows(s["vectors"], "vectors"))
                for s in data["stimuli"]
            ),
            stalls=data["stalls"],
            seed=data["seed"],
            reset_after=data["reset_after"],
            registers=data["registers"] if data["unit"] == UNROLLED else None,
            pace=data.get("pace", 1),  # older files are of units that take one
        )


def require_unit(unit: str, spec: MvauSpec) -> None:
    """InputError if no unit of that name plays cases of this spec."""
    if unit not in (*UNITS, UNROLLED):
        raise InputError(f"unit must be {', '.join(UNITS)} or {UNROLLED}, got {unit!r}")
    if unit == UNROLLED and (spec.pe, spec.simd) != (spec.mh, spec.mw):
        raise InputError(
            f"an {UNROLLED} must have PE=MH={spec.mh} SIMD=MW={spec.mw}, "
            f"got PE={spec.pe} SIMD={spec.simd}"
        )
    if unit == "mac" and (spec.pe, spec.simd) != (1, 1):
        raise InputError(f"a mac must have PE=1 SIMD=1, got PE={spec.pe} SIMD={spec.simd}")


def streams_of(unit: str) -> tuple[str, ...]:
    """Return the streams of a unit: weights that are wired in do not come as a stream."""
    return tuple(stream for stream in STREAMS if stream != "weight" or unit != UNROLLED)


def register_levels(spec: MvauSpec, levels: Any = None) -> tuple[int, ...]:
    """Return the levels of the adder tree over all lanes that registers follow.

    Level 0 are the products. Without any given they are every second, before the last. Errors:
    InputError for what are no levels, or not in their order.
    """
    last = (spec.mw - 1).bit_length()
    if levels is None:
        return tuple(range(2, last, 2))
    if (
        not isinstance(levels, list | tuple)
        or not all(is_below(level, last + 1) for level in levels)
        or list(levels) != sorted(set(levels))
    ):
        raise InputError(f"registers must be ascending levels from 0 to {last}, got {levels!r}")
    return tuple(levels)
