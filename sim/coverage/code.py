"""Code coverage: which blocks of the Verilog were run, and which bits of its signals rose and fell.

Verilator counts; instances of a module, and builds of it with other parameters, are taken as one. A
bit counts as soon as one of them has it. Left out are the
signals ``unused_*``, which hold constants and are there for lint alone; parameters and loop
variables are not signals, so Verilator does not watch them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.batch.model import Covered
from sim.cache import SimulationError

# What no play can run or turn, by file: functions, signals or bits of them, and the reason.
OUT_OF_REACH: Mapping[str, Mapping[str, str]] = {
    "swu.v": {"rows": "a constant, as wide as what it is compared with"},
    "threshold_search.v": {"founds[2:0]": "nothing is found before the first stage"},
    "weight_rom.v": {"memory": "its words are constants"},
    "width_converter.v": {"gcd": "it is of parameters, and runs while the unit is elaborated"},
}

_TOGGLE = re.compile(r"(.+?)(?:\[(\d+)\])?:(0->1|1->0)")


class Block(NamedTuple):
    """A run of statements, or one of the two ways that a condition goes."""

    line: int
    column: int
    kind: str  # block, if, else, elsif, cond_then, cond_else


class Signal(NamedTuple):
    """A signal, where it is declared."""

    line: int
    name: str


class Bits(NamedTuple):
    """Masks of the bits of a signal."""

    all: int = 0
    rose: int = 0
    fell: int = 0

    def __or__(self, other: tuple[int, ...]) -> Bits:
        return Bits(*(one | another for one, another in zip(self, other, strict=True)))


@dataclass(frozen=True)
class File:
    """The points of one Verilog file."""

    blocks: Mapping[Block, int] = field(default_factory=dict)  # how often each was run
    signals: Mapping[Signal, Bits] = field(default_factory=dict)

    def merged(self, other: File) -> File:
        blocks, signals = dict(self.blocks), dict(self.signals)
        for block, count in other.blocks.items():
            blocks[block] = blocks.get(block, 0) + count
        for signal, bits in other.signals.items():
            signals[signal] = signals.get(signal, Bits()) | bits
        return File(blocks, signals)

    def within_reach(self, beyond: Iterable[str], source: list[str]) -> File:
        """Return it without functions, signals and bits that are out of reach."""
        blocks, signals = dict(self.blocks), dict(self.signals)
        for name in beyond:
            lines = _lines_of_function(name, source)
            blocks = {block: count for block, count in blocks.items() if block.line not in lines}
            whole, _, places = name.partition("[")
            high, _, low = places.rstrip("]").partition(":")
            left = ~((2 << int(high)) - (1 << int(low))) if places else 0
            for signal, bits in list(signals.items()):
                if signal.name.partition("[")[0] == whole:
                    signals[signal] = Bits(*(mask & left for mask in bits))
        return File(blocks, {signal: bits for signal, bits in signals.items() if bits.all})

    @property
    def toggles(self) -> tuple[int, int]:
        """How many of the rises and falls happened, and how many could."""
        bits = self.signals.values()
        return (
            sum(b.rose.bit_count() + b.fell.bit_count() for b in bits),
            sum(2 * b.all.bit_count() for b in bits),
        )

    @property
    def runs(self) -> tuple[int, int]:
        """How many of the blocks were run, and how many there are."""
        return sum(1 for count in self.blocks.values() if count), len(self.blocks)

    def holes(self, name: str, source: list[str]) -> Iterator[str]:
        """Name what was not covered in the order of the lines; ``source`` are those of the file."""
        for block, count in sorted(self.blocks.items()):
            if not count:
                text = source[block.line - 1].strip() if block.line <= len(source) else ""
                yield f"{name}:{block.line} {_WORDS.get(block.kind, block.kind)} never run: {text}"
        for (line, signal), bits in sorted(self.signals.items()):
            for word, seen in (("rose", bits.rose), ("fell", bits.fell)):
                if missing := bits.all & ~seen:
                    yield f"{name}:{line} {signal}{_spelled(missing, bits.all)} never {word}"

    def to_json(self) -> dict[str, Any]:
        return {
            "blocks": [[*block, count] for block, count in sorted(self.blocks.items())],
            "signals": [
                [*signal, *(f"{mask:x}" for mask in bits)]
                for signal, bits in sorted(self.signals.items())
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> File:
        return cls(
            {Block(*block): count for *block, count in data["blocks"]},
            {
                Signal(line, name): Bits(*(int(mask, 16) for mask in masks))
                for line, name, *masks in data["signals"]
            },
        )


def _lines_of_function(name: str, source: list[str]) -> range:
    """Return the numbers of its lines, none if it is no function."""
    starts = [
        number
        for number, text in enumerate(source, start=1)
        if re.match(rf"\s*function\b.*\b{re.escape(name)};", text)
    ]
    if not starts:
        return range(0)
    ends = (number for number, text in enumerate(source, start=1) if "endfunction" in text)
    return range(starts[0], next((end for end in ends if end > starts[0]), len(source)) + 1)


_WORDS = {"cond_then": "the value before the colon", "cond_else": "the value after the colon"}


def read(covered: Covered) -> dict[str, File]:
    """Return what a run covered by the names of the files.

    Errors: SimulationError for points that are not as Verilator describes them, or none.
    """
    layout = _layout(covered.points)
    counts = np.bincount(layout.slots, weights=covered.hits, minlength=layout.none + 1)
    hit = counts > 0
    hit[layout.none] = False

    def mask(slots: npt.NDArray[np.intp]) -> int:
        return int.from_bytes(np.packbits(hit[slots], bitorder="little").tobytes(), "little")

    blocks: dict[str, dict[Block, int]] = defaultdict(dict)
    for file, block, slot in layout.blocks:
        blocks[file][block] = int(counts[slot])
    signals: dict[str, dict[Signal, Bits]] = defaultdict(dict)
    for file, signal, bits, rises, falls in layout.signals:
        signals[file][signal] = Bits(bits, mask(rises), mask(falls))
    names = sorted(blocks.keys() | signals.keys())
    return {name: File(blocks.get(name, {}), signals.get(name, {})) for name in names}


@dataclass(frozen=True)
class _Layout:
    """Where the counts of a build belong: all instances of a module share a slot for each point."""

    slots: npt.NDArray[np.intp]  # of each record
    none: int  # the slot of what is left out
    blocks: list[tuple[str, Block, int]]
    # Masks of the bits, and for each bit from 0 on the slots of its rise and of its fall.
    signals: list[tuple[str, Signal, int, npt.NDArray[np.intp], npt.NDArray[np.intp]]]


@lru_cache(maxsize=256)  # every run of a build has the same points
def _layout(records: tuple[str, ...]) -> _Layout:
    places = [_place(record) for record in records]
    slot_of = {place: slot for slot, place in enumerate(dict.fromkeys(filter(None, places)))}
    if not slot_of:
        raise SimulationError("a build that counts must have points of code, got none")
    none = len(slot_of)
    edges: dict[tuple[str, Signal], dict[tuple[int, bool], int]] = defaultdict(dict)
    blocks = []
    for (file, point, edge), slot in slot_of.items():
        if isinstance(point, Block):
            blocks.append((file, point, slot))
        else:
            edges[file, point][edge] = slot
    signals = []
    for (file, signal), moves in edges.items():
        bits = sum(1 << bit for bit in {bit for bit, _ in moves})
        rises, falls = (
            np.array([moves.get((bit, up), none) for bit in range(bits.bit_length())])
            for up in (True, False)
        )
        signals.append((file, signal, bits, rises, falls))
    slots = np.array([none if place is None else slot_of[place] for place in places])
    return _Layout(slots, none, blocks, signals)


def _place(record: str) -> tuple[str, Block | Signal, tuple[int, bool]] | None:
    """Return the file, the point, and of a signal the bit and whether it rises; None: left out."""
    pairs = dict(pair.partition("\2")[::2] for pair in record.split("\1"))
    try:
        file, line, column = Path(pairs["filename"]).name, int(pairs["lineno"]), pairs["column"]
        if not pairs["page"].startswith("v_toggle/"):
            return file, Block(line, int(column), pairs["comment"]), (0, False)
        toggle = _TOGGLE.fullmatch(pairs["comment"])
    except (KeyError, ValueError):
        toggle = None
    if toggle is None:
        raise SimulationError(f"a point of code must be as Verilator tells it, got {record!r}")
    name, bit, way = toggle.groups()
    if name.rpartition(".")[2].startswith("unused_"):
        return None
    return file, Signal(line, name), (int(bit or 0), way == "0->1")


def _spelled(mask: int, whole: int) -> str:
    """Return the places of bits as Verilog has them; nothing for a signal of one bit.

    >>> _spelled(0b1100_0001, 0xff), _spelled(1, 1)
    ('[7:6,0]', '')
    """
    if whole == 1:
        return ""
    runs, bit = [], mask.bit_length() - 1
    while bit >= 0:
        top = bit
        while bit >= 0 and mask >> bit & 1:
            bit -= 1
        runs.append(f"{top}:{bit + 1}" if top > bit + 1 else f"{top}")
        while bit >= 0 and not mask >> bit & 1:
            bit -= 1
    return f"[{','.join(runs)}]"
