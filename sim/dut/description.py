"""What a TOML file says of foreign RTL, checked as far as it goes alone."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from golden.integer import InputError, Overflow
from golden.spec import UNIT_PARAMETERS, MvauSpec
from sim.dut.expression import Expression
from sim.dut.interface import among
from sim.paths import shown
from sim.rtl import Sources
from tb.case import DENSE

MOST_INCLUDED = 1000
SUFFIXES = (".v", ".sv", ".vh", ".svh")
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
_IDENTIFIER = r"[A-Za-z_][\w$]*"
_PACKING = ("bits", "lane_bits", "first_lane", "order", "pad")

# Foreign code may be written as it likes: what tools only warn of is no error. Verilog is what it
# is for ours; SystemVerilog is told by its name.
FLAGS = {
    "verilator": ("+1800-2017ext+sv", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing"),
    "icarus": ("-g2012",),
}


@dataclass(frozen=True)
class Signal:
    """A port of the unit; ``~name`` in the file is one that is active low."""

    name: str
    is_low: bool = False


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
        file = _Table("", data)
        unit = file.word("unit", DENSE)
        names = list(numbers_of(unit, dict.fromkeys((n.upper() for n in UNIT_PARAMETERS[unit]), 1)))
        tables = {name: file.table(name, True) for name in STREAM_SIGNALS}
        streams = {name: _stream(table, name, unit, names) for name, table in tables.items()}
        parameters = _expressions(file.table("parameters"), names)
        used = {name for each in parameters.values() for name in each.names}
        read = cls(
            path=path,
            unit=unit,
            files=_files(path.parent, file.texts("sources", "a list of files")),
            include=_folders(path.parent, file.texts("include", "a list of folders", [])),
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
    headers = [each for folder in include for each in _below(folder)]
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


class _Table:
    """A table of the file, of which every key must be asked for."""

    def __init__(self, where: str, data: Mapping[str, Any]) -> None:
        self.where, self.data, self.asked = where, data, dict[str, None]()

    def get(self, key: str, kind: type, what: str, default: Any = None) -> Any:
        self.asked[key] = None
        if key not in self.data:
            if default is None:
                near = difflib.get_close_matches(key, self.data.keys() - self.asked, 1)
                raise InputError(
                    f"{self.where}{key} must be {what}, got {(near or ['nothing'])[0]}"
                )
            return default
        value = self.data[key]
        if type(value) is not kind:
            raise InputError(f"{self.where}{key} must be {what}, got {value!r}")
        return value

    def word(self, key: str, words: Collection[str], default: str | None = None) -> str:
        *first, last = [f'"{word}"' for word in words]
        what = f"{', '.join(first)} or {last}"
        value: str = self.get(key, str, what, default)
        if value not in words:
            raise InputError(f"{self.where}{key} must be {what}, got {value!r}")
        return value

    def name(self, key: str, of: str) -> str:
        value: str = self.get(key, str, f"the name of {of}")
        if not re.fullmatch(_IDENTIFIER, value, re.ASCII):
            raise InputError(f"{self.where}{key} must be the name of {of}, got {value!r}")
        return value

    def signal(self, key: str) -> Signal:
        value = self.get(key, str, 'the name of a port, or "~name" if it is active low')
        if not re.fullmatch(f"~?{_IDENTIFIER}", value, re.ASCII):
            raise InputError(
                f'{self.where}{key} must be the name of a port, or "~name" if it is active low, '
                f"got {value!r}"
            )
        return Signal(value.removeprefix("~"), value.startswith("~"))

    def texts(self, key: str, what: str, default: list[str] | None = None) -> list[str]:
        value: list[str] = self.get(key, list, what, default)
        if not all(type(each) is str for each in value):
            raise InputError(f"{self.where}{key} must be {what}, got {value!r}")
        return value

    def count(self, key: str, default: int) -> int:
        value: int = self.get(key, int, "an integer from 1 to 1000", default)
        if not 1 <= value <= 1000:
            raise InputError(f"{self.where}{key} must be an integer from 1 to 1000, got {value}")
        return value

    def expression(self, key: str, names: Collection[str]) -> Expression | None:
        self.asked[key] = None
        if key not in self.data:
            return None
        value = self.data[key]
        if type(value) not in (int, str):
            raise InputError(
                f"{self.where}{key} must be an integer or an expression, got {value!r}"
            )
        try:
            return Expression.parse(str(value), names)
        except InputError as error:
            raise InputError(f"{self.where}{key}: {error}") from None

    def table(self, key: str, required: bool = False) -> _Table:
        value = self.get(key, dict, f"a table, [{key}]", None if required else {})
        return _Table(f"[{key}] ", value)

    def require_identifiers(self) -> None:
        for key in self.data:
            if not re.fullmatch(_IDENTIFIER, key, re.ASCII):
                raise InputError(f"keys under {self.where}must be Verilog names, got {key!r}")

    def close(self) -> None:
        """Refuse what nobody asked for."""
        for key in self.data:
            if key not in self.asked:
                raise InputError(
                    f"{self.where}{key} is not known here; known are {among(key, self.asked)}"
                )


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


def _stream(table: _Table, name: str, unit: str, names: Collection[str]) -> Stream:
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


def _expressions(table: _Table, names: Collection[str]) -> dict[str, Expression]:
    table.require_identifiers()
    found = {}
    for key in table.data:
        expression = table.expression(key, names)
        assert expression is not None
        found[key] = expression
    return found


def _ties(table: _Table, names: Collection[str]) -> dict[str, Expression | str]:
    table.require_identifiers()
    words = {key for key, value in table.data.items() if value in (CLOCK, RESET, NO_RESET)}
    others = _Table(table.where, {k: v for k, v in table.data.items() if k not in words})
    return {**{key: table.data[key] for key in words}, **_expressions(others, names)}


def _defines(table: _Table) -> dict[str, str]:
    table.require_identifiers()
    for key, value in table.data.items():
        if type(value) not in (int, str) or not str(value).isprintable():
            raise InputError(f"{table.where}{key} must be an integer or a text, got {value!r}")
    return {key: str(value) for key, value in table.data.items()}


def _limits(table: _Table, unit: str, used: Collection[str]) -> dict[str, tuple[int, int]]:
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


def _files(folder: Path, patterns: list[str]) -> tuple[Path, ...]:
    """Return the files of some patterns, in the order in which they are named, each once."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = _glob(folder, pattern)
        if not matches:
            near = (folder / pattern).parent
            there = [path.name for path in near.glob("*") if path.suffix in SUFFIXES]
            where = "beside the description are" if near == folder else f"{shown(near)} has"
            raise InputError(
                f"sources must be files, but there is no {pattern}; "
                f"{where} {among(Path(pattern).name, there)}"
            )
        found |= dict.fromkeys(matches)
    if not found:
        raise InputError("sources must name a file, got none")
    for path in found:
        require_verilog("sources", path)
    return tuple(found)


def require_verilog(what: str, path: Path) -> None:
    """InputError for a file that tools do not take for Verilog, or can not be told of."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{what} must be Verilog files ({', '.join(SUFFIXES)}), got {path.name!r}")
    _require_plain(what, path)


def _require_plain(what: str, path: Path) -> None:
    """Makefiles, shells and JSON stand before the simulators, and each has quotes of its own."""
    if not re.fullmatch(r"[\w /.,:+@=~-]+", str(path), re.ASCII):
        raise InputError(
            f"{what} must have paths of letters, digits, blanks and _ / . , : + @ = ~ -, "
            f"got {str(path)!r}"
        )


def _glob(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a pattern, sorted; none for what is no pattern."""
    if Path(pattern).is_absolute():
        folder, pattern = Path(Path(pattern).anchor), str(Path(*Path(pattern).parts[1:]))
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_file())
    except (ValueError, IndexError, RecursionError):  # "", ".", "a**.v", "../" without an end
        return []


def _folders(folder: Path, names: list[str]) -> tuple[Path, ...]:
    found = [folder / name for name in names]
    for name, path in zip(names, found, strict=True):
        if not path.is_dir():
            raise InputError(f"include must be folders, but there is no {name}")
        _require_plain("include", path)
        if len(_below(path)) > MOST_INCLUDED:
            raise InputError(
                f"include must be folders of at most {MOST_INCLUDED} files, since a build is kept "
                f"by all of them, got {name}"
            )
    return tuple(found)


def _below(folder: Path) -> list[Path]:
    """Return the files below a folder, hidden ones left out; no more than tell that it is large."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        paths = (Path(place, each) for each in sorted(files) if not each.startswith("."))
        found += [path for path in paths if path.is_file()]  # neither pipes nor links to nothing
        if len(found) > MOST_INCLUDED:
            break
    return found
