"""Stall patterns: in which cycles a stream stands still. The name says it all and is part of ids.

``never``; ``every-3``: each third cycle; ``bursts-4-7``: moves 4 cycles, then stands 7;
``random-30``: stands in 30 % of the cycles; ``late-25``: stands for the first 25, then never;
``cycles-0110``: moves where there is a 0, stands where there is a 1, over and over.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from golden.integer import BoolArray, InputError

STREAMS = ("input", "weight", "output")


@dataclass(frozen=True)
class StallPattern:
    """A named pattern; ``cycles`` iterates over it for ever, True where the stream stands still."""

    name: str
    kind: str
    numbers: tuple[int, ...]

    @classmethod
    def parse(cls, name: str) -> StallPattern:
        """Read a pattern's name; InputError if it is none."""
        for kind, pattern, legal in _PATTERNS if isinstance(name, str) else ():
            if match := re.fullmatch(pattern, name, re.ASCII):
                numbers = tuple(map(int, match[1] if kind == "cycles" else match.groups()))
                if legal(numbers):
                    return cls(name, kind, numbers)
        raise InputError(
            "a stall pattern must be never, every-N (N >= 2), bursts-ON-OFF (ON >= 1), "
            "random-PERCENT (0 to 90), late-CYCLES or cycles-BITS (up to 16, not all of them 1), "
            f"got {name!r}"
        )

    def cycles(self, rng: np.random.Generator) -> Iterator[bool]:
        match self.kind, self.numbers:
            case "every", (n,):
                return itertools.cycle([True] + [False] * (n - 1))
            case "bursts", (on, off):
                return itertools.cycle([False] * on + [True] * off)
            case "random", (percent,):
                return _random(percent, rng)
            case "late", (cycles,):
                return itertools.chain(itertools.repeat(True, cycles), itertools.repeat(False))
            case "cycles", bits:
                return itertools.cycle(map(bool, bits))
        return itertools.repeat(False)

    def sample(self, cycles: int, rng: np.random.Generator) -> BoolArray:
        """Return the first ``cycles`` cycles of the pattern at once."""
        cycle = np.arange(cycles)
        stands = np.zeros(cycles, bool)
        match self.kind, self.numbers:
            case "every", (n,):
                stands |= cycle % n == 0
            case "bursts", (on, off):
                stands |= cycle % (on + off) >= on
            case "random", (percent,):
                stands |= rng.integers(0, 100, size=cycles) < percent
            case "late", (late,):
                stands |= cycle < late
            case "cycles", bits:
                stands |= np.resize(np.array(bits, bool), cycles)
        return stands

    @property
    def slowdown(self) -> Fraction:
        """How many cycles a beat takes on this stream, in the long run."""
        match self.kind, self.numbers:
            case "every", (n,):
                return Fraction(n, n - 1)
            case "bursts", (on, off):
                return Fraction(on + off, on)
            case "random", (percent,):
                return Fraction(100, 100 - percent)
            case "cycles", bits:
                return Fraction(len(bits), bits.count(0))
        return Fraction(1)

    @property
    def delay(self) -> int:
        """Cycles that pass before the first beat, at most."""
        return sum(self.numbers) if self.kind in ("late", "bursts", "cycles") else 0


_PATTERNS = (
    ("never", r"never", lambda numbers: True),
    ("every", r"every-(\d{1,4})", lambda numbers: numbers[0] >= 2),
    ("bursts", r"bursts-(\d{1,4})-(\d{1,4})", lambda numbers: numbers[0] >= 1),
    ("random", r"random-(\d{1,2})", lambda numbers: numbers[0] <= 90),
    ("late", r"late-(\d{1,4})", lambda numbers: True),
    ("cycles", r"cycles-([01]{1,16})", lambda numbers: 0 in numbers),
)


def _random(percent: int, rng: np.random.Generator) -> Iterator[bool]:
    while True:
        yield from (rng.integers(0, 100, size=1024) < percent).tolist()
