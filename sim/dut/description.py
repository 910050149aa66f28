"""What a TOML file says of foreign RTL, checked as far as it goes alone."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from golden.integer import InputError, Overflow
from golden.spec import UNIT_PARAMETERS, MvauSpec
from sim.dut.expression import Expression
from sim.dut.files import below, found_files, found_folders
from sim.dut.table import Signal, Table
from sim.paths import shown
from sim.rtl import Sources
from tb.case import DENSE

POLICIES = {
    "wrap": (Overflow.WRAP,),
    "saturate": (Overflow.SATURATE,),
    "parameter": tuple(Overflow),
}
ORDERS = ("pe-simd", "simd-pe")
FIRST = ("lsb", "msb")
PADS = ("zero", "sign")
CLOCK, RESET, NO_RESET = "clock", "reset", "~reset"

# Signals of each stream that must be named, and those that may be.
STREAM_SIGNALS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "input": (("data", "valid", "ready"), ("last",)),
    "weight": (("data", "valid", "ready"), ()),
    "output": (("data", "valid", "ready"), ("last", "overflow")),
}
BIPOLAR = ("bipolar_weight", "bipolar_input")  # of no unit that is not told of it
MEMORY_SIGNALS = ("data", "address", "enable")

# Foreign code may be written as it likes: what tools only warn of is no error. Verilog is what it
# is for ours; SystemVerilog is told by its name.
FLAGS = {
    "verilator": ("+1800-2017ext+sv", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing"),
    "icarus": ("-g2012",),
}


@dataclass(frozen=True)
class Packing:
    """How lanes lie in a word; what is None follows from the spec."""

    bits: Expression | None  # of the word
    lane_bits: Expression | None
    first_lane: str  # in which bits lane 0 is
    order: str  # of weights: which of the two counts fastest comes last
    pad: str  # what a lane that is wider than its value is filled with


@dataclass(frozen=True)
class Stream:
    """The signals of a stream, or of a memory of weights, and how its words are packed."""

    signals: Mapping[str, Signal]
    packing: Packing

    @property
    def is_memory(self) -> bool:
        return "address" in self.signals


@dataclass(frozen=True)
class Description:
    """What a file says of foreign RTL that stands for one of our units, whichever spec it has."""

    path: Path
    unit: str
    files: tuple[Path, ...]
    include: tuple[Path, ...]
    defines: Mapping[str, str]
    top: str
    policies: tuple[Overflow, ...]
    clock: Signal
    reset: Signal
    reset_cycles: int
    cycles_per_beat: int
    parameters: Mapping[str, Expression]
    ties: Mapping[str, Expression | str]
    streams: Mapping[str, Stream]
    limits: Mapping[str, tuple[int, int]]

    @property
    def observes(self) -> bool:
        """Whether the unit tells of partial sums that overflow; if not, its results are all."""
        return "overflow" in self.streams["output"].signals

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a description; InputError, with the path, for what is wrong with it."""
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise InputError(f"DUT must be a TOML file, got {path}")
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(
                f"DUT must be a TOML file, but {path} can not be read: {error.strerror}"
            ) from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{shown(path)} must be TOML, but {error}") from None
        try:
            return cls._read(path.absolute(), data)
        except InputError as error:
            raise InputError(f"{shown(path)}: {error}") from None

    @classmethod
    def _read(cls, path: Path, data: Mapping[str, Any]) -> Self:
        file = Table("", data)
        unit = file.word("unit", DENSE)
        names = list(numbers_of(unit, dict.fromkeys((n.upper() for n in UNIT_PARAMETERS[unit]), 1)))
        tables = {name: file.table(name, True) for name in STREAM_SIGNALS}
        streams = {name: _stream(table, name, unit, names) for name, table in tables.items()}
        parameters = _expressions(file.table("parameters"), names)
        used = {name for each in parameters.values() for name in each.names}
        read = cls(
            path=path,
            unit=unit,
            files=found_files(path.parent, file.texts("sources", "a list of files")),
            include=found_folders(path.parent, file.texts("include", "a list of folders", [])),
            defines=_defines(file.table("defines")),
            top=file.name("top", "the module that is to be tested"),
            policies=POLICIES[file.word("overflow", POLICIES, "wrap")],
            clock=file.signal("clock"),
            reset=file.signal("reset"),
            reset_cycles=file.count("reset_cycles", 1),
            cycles_per_beat=file.count("cycles_per_beat", 1),
            parameters=parameters,
            ties=_ties(file.table("tie"), names),
            streams=streams,
            limits=_limits(file.table("limits"), unit, used),
        )
        file.close()
        return read

    def require(self, spec: MvauSpec) -> None:
        """InputError for a spec that the description leaves out."""
        if spec.overflow not in self.policies:
            raise InputError(
                f"OVERFLOW must be {self.policies[0].word}, which is what {shown(self.path)} does, "
                f"got {spec.overflow.word}"
            )
        if spec.observe and not self.observes:
            raise InputError(
                f"OBSERVE must be 0, as {shown(self.path)} has no overflow bits, got 1"
            )
        for name, (low, high) in self.limits.items():
            value = int(getattr(spec, name))
            if not low <= value <= high:
                allowed = f"{low}" if low == high else f"{low} to {high}"
                raise InputError(
                    f"{name.upper()} must be {allowed}, as {shown(self.path)} limits it, "
                    f"got {value}"
                )


def sources_of(
    top: str,
    beside: Path,
    files: Sequence[Path],
    include: Sequence[Path],
    defines: Mapping[str, str],
) -> Sources:
    """Return what a foreign module is made of, named as it is seen from the folder ``beside``."""
    given = [f"-D{name}={value}" for name, value in defines.items()]
    given += [f"-I{folder}" for folder in include]
    headers = [each for folder in include for each in below(folder)]
    read = {os.path.relpath(path, beside): path for path in (*files, *headers)}
    flags = {name: (*flags, *given) for name, flags in FLAGS.items()}
    return Sources(top, tuple(files), read, flags)


def numbers_of(unit: str, parameters: Mapping[str, int]) -> dict[str, int]:
    """Return what expressions may name, from the parameters of our unit."""
    numbers = {"pe": 1, "simd": 1} | {name.lower(): each for name, each in parameters.items()}
    if unit == "mvau":
        numbers["sf"] = numbers["mw"] // numbers["simd"]
        numbers["nf"] = numbers["mh"] // numbers["pe"]
    return numbers


def stream_signals(
    unit: str, stream: str, is_memory: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the signals of a stream that must be named, and those that may be."""
    required, optional = STREAM_SIGNALS[stream]
    if is_memory:
        return MEMORY_SIGNALS, ()
    if unit == "mac":  # whose dot products end where its inputs say so
        required = (*required, "last") if stream == "input" else required
        optional = tuple(role for role in optional if role != "last")
    return required, optional


def _stream(table: Table, name: str, unit: str, names: Collection[str]) -> Stream:
    is_memory = name == "weight" and bool({"address", "enable"} & table.data.keys())
    if is_memory and unit == "mac":
        raise InputError("[weight] of a mac must be a stream, got a memory")
    required, optional = stream_signals(unit, name, is_memory)
    present = [role for role in optional if role in table.data]
    signals = {role: table.signal(role) for role in (*required, *present)}
    table.asked.update(dict.fromkeys(optional))
    packing = Packing(
        bits=table.expression("bits", names),
        lane_bits=table.expression("lane_bits", names),
        first_lane=table.word("first_lane", FIRST, "lsb"),
        order=table.word("order", ORDERS, "pe-simd") if name == "weight" else ORDERS[0],
        pad=table.word("pad", PADS, "zero") if name != "output" else PADS[0],
    )
    table.close()
    return Stream(signals, packing)


def _expressions(table: Table, names: Collection[str]) -> dict[str, Expression]:
    table.require_identifiers()
    found = {}
    for key in table.data:
        expression = table.expression(key, names)
        assert expression is not None
        found[key] = expression
    return found


def _ties(table: Table, names: Collection[str]) -> dict[str, Expression | str]:
    table.require_identifiers()
    words = {key for key, value in table.data.items() if value in (CLOCK, RESET, NO_RESET)}
    others = Table(table.where, {k: v for k, v in table.data.items() if k not in words})
    return {**{key: table.data[key] for key in words}, **_expressions(others, names)}


def _defines(table: Table) -> dict[str, str]:
    table.require_identifiers()
    for key, value in table.data.items():
        if type(value) not in (int, str) or not str(value).isprintable():
            raise InputError(f"{table.where}{key} must be an integer or a text, got {value!r}")
    return {key: str(value) for key, value in table.data.items()}


def _limits(table: Table, unit: str, used: Collection[str]) -> dict[str, tuple[int, int]]:
    names = [name for name in UNIT_PARAMETERS[unit] if name not in ("overflow", "observe")]
    found = {name: (0, 0) for name in BIPOLAR if name not in used}
    for name in names:
        if name not in table.data:
            continue
        limit = table.data[name]
        pair = [limit, limit] if type(limit) is int else limit
        if type(pair) is not list or [type(each) for each in pair] != [int, int]:
            raise InputError(f"{table.where}{name} must be an integer or two, got {limit!r}")
        if pair[0] > pair[1]:
            raise InputError(f"{table.where}{name} must be the lowest and the highest, got {limit}")
        found[name] = (pair[0], pair[1])
    table.asked.update(dict.fromkeys(names))
    table.close()
    return found
