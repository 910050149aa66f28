"""Suites: from ``suites.toml`` to jobs. Also the one place where named specs come from."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from golden.integer import InputError
from golden.spec import UNIT_PARAMETERS, MvauSpec
from sim.paths import RTL, shown
from sim.regress.job import Job, Json
from sim.tools import SIMULATORS
from tb.case import DENSE, UNITS
from tb.stalls import STREAMS
from tb.unit_shapes import COVERS_CODE, PARTS, SHAPES, named

FILE = Path(__file__).with_name("suites.toml")
ENGINES = ("batch", *SIMULATORS)
_SPEC_DEFAULTS = {"signed_input": 0, "overflow": 0, "observe": 1}


@dataclass(frozen=True)
class Suite:
    """Jobs under one name, each name once."""

    name: str
    why: str
    jobs: tuple[Job, ...]
    covers: bool = False  # it, or one that it includes, says that it hits every functional bin

    @property
    def digest(self) -> str:
        """A hash of all that its jobs are asked to do."""
        asked = [[job.kind, job.unit, dict(job.settings)] for job in self.jobs]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class _Book:
    """A suites file, read and checked as far as it is the same for all suites."""

    path: Path
    specs: Mapping[str, MvauSpec]
    covering: frozenset[str]  # specs whose batch jobs count lines and toggles as well
    streams: Mapping[str, Sequence[Mapping[str, Json]]]
    suites: Mapping[str, Mapping[str, Any]]


@cache
def specs(path: Path = FILE) -> Mapping[str, MvauSpec]:
    """Return the specs that units are held to, by name."""
    return _book(path).specs


def suite(name: str, path: Path = FILE, seed: int = 0) -> Suite:
    """Return a suite; ``seed`` is added to every seed in it, and is no part of the jobs' names.

    Errors: InputError for a name that the file does not have, or a config that makes no sense.
    """
    book = _book(path)
    if name not in book.suites:
        raise InputError(f"SUITE must be {_either(book.suites)}, got {name!r}")
    jobs: dict[str, Job] = {}
    for job in _jobs(book, name, seed, (name,)):
        known = jobs.setdefault(job.name, job)
        if known.settings != job.settings:
            raise InputError(f"{shown(path)}: two jobs of {name} are called {job.name}")
    if not jobs:
        raise InputError(f"{shown(path)}: suite {name} has no jobs")
    return Suite(name, str(book.suites[name]["why"]), tuple(jobs.values()), _covers(book, name))


def _covers(book: _Book, name: str) -> bool:
    entry = book.suites[name]
    return entry.get("covers", False) or any(_covers(book, o) for o in entry.get("include", ()))


@cache
def _book(path: Path) -> _Book:
    try:
        return _read(path)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{shown(path)} must be a suites file: {error!r}") from None


def _read(path: Path) -> _Book:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(path)} must be a suites file: {error}") from None
    _require_keys(path, "the file", data, {"specs", "streams", "suites"}, set())
    named, covering = {}, set()
    for name, fields in data["specs"].items():
        if not fields.get("why"):
            raise InputError(f"{shown(path)}: spec {name!r} must say why it is there")
        if fields.get("covers_code"):
            covering.add(name)
        values = {field: fields[field] for field in fields.keys() - {"why", "covers_code"}}
        try:
            named[name] = MvauSpec.from_json(_SPEC_DEFAULTS | values)
        except InputError as error:
            raise InputError(f"{shown(path)}: spec {name!r}: {error}") from None
    for name, entry in data["suites"].items():
        _require_keys(path, f"suite {name}", entry, {"why"}, {"include", "jobs", "covers"})
        if not isinstance(covers := entry.get("covers", False), bool):
            raise InputError(
                f"{shown(path)}: covers of suite {name} must be true or false, got {covers!r}"
            )
        for unknown in set(entry.get("include", ())) - set(data["suites"]):
            raise InputError(f"{shown(path)}: suite {name} includes {unknown!r}, which is none")
    return _Book(path, named, frozenset(covering), data["streams"], data["suites"])


def _require_keys(
    path: Path, what: str, entry: Mapping[str, Any], due: set[str], may: set[str]
) -> None:
    missing, unknown = due - set(entry), set(entry) - due - may
    if missing or unknown:
        wrong = f"{min(missing)!r} is missing" if missing else f"{min(unknown)!r} is unknown"
        raise InputError(f"{shown(path)}: {what} must have {_either(due | may)}: {wrong}")


def _jobs(book: _Book, name: str, seed: int, above: tuple[str, ...]) -> Iterator[Job]:
    for other in book.suites[name].get("include", ()):
        if other in above:
            raise InputError(f"{shown(book.path)}: suite {other} includes itself")
        yield from _jobs(book, other, seed, (*above, other))
    for config in book.suites[name].get("jobs", ()):
        kind = config.get("kind")
        if kind not in _EXPAND:
            raise InputError(
                f"{shown(book.path)}: kind must be {_either(_EXPAND)}, got {kind!r} in {name}"
            )
        if not config.get("why"):
            raise InputError(f"{shown(book.path)}: a {kind} config of {name} must say why")
        expand, may = _EXPAND[kind]
        _require_keys(book.path, f"a {kind} config of {name}", config, {"kind", "why"}, may)
        try:
            made = list(expand(book, config, seed))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{shown(book.path)}: a {kind} config of {name} lacks something or has it wrong: "
                f"{error!r}"
            ) from None
        if not made:
            raise InputError(f"{shown(book.path)}: a {kind} config of {name} makes no job")
        yield from made


def _lint(book: _Book, config: Mapping[str, Any], seed: int) -> Iterator[Job]:
    specs = {name: book.specs[name] for name in _chosen(book, config, "specs")}
    for unit, simulator in product(_units(book, config, all_units()), _engines(book, config)):
        shapes: dict[str, Json] = {name: dict(shape) for name, shape in lint_shapes(unit, specs)}
        yield Job(
            f"lint {unit}, {simulator}", "lint", unit,
            {"simulator": simulator, "shapes": shapes}, config["why"],
        )  # fmt: skip


def _legality(book: _Book, config: Mapping[str, Any], seed: int) -> Iterator[Job]:
    for unit, simulator in product(_units(book, config, whole_units()), _engines(book, config)):
        yield Job(
            f"legality of {unit}, {simulator}", "legality", unit, {"simulator": simulator},
            config["why"],
        )  # fmt: skip


def _play(book: _Book, config: Mapping[str, Any], seed: int) -> Iterator[Job]:
    behaviours = _chosen(book, config, "streams", ["calm"])
    plays = [
        {
            "stalls": {stream: each[stream] for stream in STREAMS if stream in each},
            "reset_after": each.get("reset"),
        }
        for behaviour in behaviours
        for each in book.streams[behaviour]
    ]
    edges_only = bool(config.get("edges_only", False))
    for unit, spec, simulator, own in product(
        _units(book, config, UNITS), _chosen(book, config, "specs"), _engines(book, config),
        config.get("seeds", [1]),
    ):  # fmt: skip
        more = "" if behaviours == ["calm"] else f", {'+'.join(behaviours)}"
        yield Job(
            f"{unit}, {spec}{more}, {simulator}, seed {own}", "play", unit,
            {
                "spec": book.specs[spec].to_json(), "simulator": simulator, "plays": plays,
                "edges_only": edges_only, "seed": seed + own, "covers_code": spec in book.covering,
            },
            config["why"],
        )  # fmt: skip


def _streams(book: _Book, config: Mapping[str, Any], seed: int) -> Iterator[Job]:
    for unit, simulator, own in product(
        _units(book, config, list(SHAPES)), _engines(book, config), config.get("seeds", [1])
    ):
        shapes, covering = (
            [dict(shape) for shape in of[unit]] for of in (SHAPES, COVERS_CODE)
        )  # fmt: skip
        yield Job(
            f"{unit}, {simulator}, seed {own}", "streams", unit,
            {
                "shapes": shapes, "simulator": simulator, "seed": seed + own,
                "covers_code": covering,
            },
            config["why"],
        )  # fmt: skip


def _layer(book: _Book, config: Mapping[str, Any], seed: int) -> Iterator[Job]:
    for unit, acc_bits, simulator in product(
        _units(book, config, DENSE), config["acc_bits"], _engines(book, config)
    ):
        yield Job(
            f"shipped layers on {unit}, P={acc_bits}, {simulator}", "layer", unit,
            {"acc_bits": acc_bits, "simulator": simulator, "seed": seed + 1}, config["why"],
        )  # fmt: skip


def _mutant(book: _Book, config: Mapping[str, Any], seed: int) -> Iterator[Job]:
    from sim.mutants.edits import mutants  # it needs pyverilog, which other suites do without

    hunters = suite(config["hunters"], book.path, seed)
    for unit in _units(book, config, all_units()):
        for mutant in mutants((RTL / f"{unit}.v").read_text(encoding="utf-8")):
            settings = {
                "mutant": mutant.to_json(), "hunters": hunters.name, "digest": hunters.digest,
                "file": str(book.path), "seed": seed,
            }  # fmt: skip
            yield Job(f"mutant {mutant.id}", "mutant", unit, settings, config["why"])


_COMMON = {"units", "specs", "simulators"}
_EXPAND = {
    "lint": (_lint, _COMMON),
    "legality": (_legality, {"units", "simulators"}),
    "play": (_play, _COMMON | {"streams", "edges_only", "seeds"}),
    "streams": (_streams, {"units", "simulators", "seeds"}),
    "layer": (_layer, {"units", "simulators", "acc_bits"}),
    "mutant": (_mutant, {"units", "hunters"}),
}


def lint_shapes(
    unit: str, specs: Mapping[str, MvauSpec]
) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Yield the parameters at which a unit is linted, by name: of specs, or of its own.

    Errors: InputError for a unit that has neither.
    """
    if unit in UNIT_PARAMETERS:
        yield from ((name, spec.verilog_parameters(unit)) for name, spec in specs.items())
    elif unit in SHAPES or unit in PARTS:
        yield from named(unit).items()
    else:
        raise InputError(f"{unit}.v must have shapes in tb/unit_shapes.py, got none")


def whole_units(rtl: Path = RTL) -> list[str]:
    """Return the names of all units but those that are parts of others and have no rules."""
    return [unit for unit in all_units(rtl) if unit not in PARTS]


def all_units(rtl: Path = RTL) -> list[str]:
    """Return the names of all units, which are those of their files."""
    return sorted(path.stem for path in rtl.glob("*.v"))


def _units(book: _Book, config: Mapping[str, Any], possible: Sequence[str]) -> list[str]:
    return _listed(book, config, "units", possible)


def _engines(book: _Book, config: Mapping[str, Any]) -> list[str]:
    return _listed(book, config, "simulators", ENGINES, ["verilator"])


def _chosen(
    book: _Book, config: Mapping[str, Any], what: str, default: Sequence[str] | None = None
) -> list[str]:
    possible = {"specs": book.specs, "streams": book.streams}[what]
    return _listed(book, config, what, list(possible), default)


def _listed(
    book: _Book, config: Mapping[str, Any], what: str, possible: Sequence[str],
    default: Sequence[str] | None = None,
) -> list[str]:  # fmt: skip
    """Return the names that a config lists, or all that are possible."""
    names = list(config.get(what, possible if default is None else default))
    for name in names:
        if name not in possible:
            raise InputError(
                f"{shown(book.path)}: {what} of a {config['kind']} config must be of "
                f"{', '.join(possible)}, got {name!r}"
            )
    return names


def slug(name: str) -> str:
    """Return a job's name as a folder's."""
    return re.sub(r"[^\w.=]+", "-", name)


def _either(names: Sequence[str] | set[str] | Mapping[str, Any]) -> str:
    *first, last = sorted(names)
    return f"{', '.join(first)} or {last}" if first else last
