"""What a module has: its parameters and ports, with the widths that they elaborate to."""

from __future__ import annotations

import difflib
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from golden.integer import InputError
from sim.build import FLAGS, does_not_build
from sim.cache import kept
from sim.paths import shown
from sim.process import run_logged
from sim.rtl import Sources
from sim.runtime import LIMIT_S
from sim.tools import simulator

_MOST_NAMES = 8
_WORDS = ("logic", "bit", "byte", "shortint", "int", "longint", "integer", "time")
_NO_PARAMETERS = re.compile(r"Parameters from the command line were not found in the design: (.*)")
_NO_TOP = re.compile(r"top-module '.*' was not found|Can't find definition of.*top")
_NO_DEFAULT = re.compile(r"Parameter without default value is never given value.*: '(\w+)'")
_NO_CODE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)


class Port(NamedTuple):
    is_input: bool
    bits: int


@dataclass(frozen=True)
class Interface:
    """Parameters and ports of a module, in the order in which it declares them."""

    parameters: tuple[str, ...]
    ports: Mapping[str, Port]


def among(name: str, there: Iterable[str]) -> str:
    """Return what there is instead of ``name``, what is most like it first."""
    names = sorted(
        there, key=lambda one: -difflib.SequenceMatcher(None, name.lower(), one.lower()).ratio()
    )
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES]) or 'none'}{more}"


def modules(paths: Iterable[Path]) -> dict[str, str]:
    """Return the text of each module in some files by its name, without comments and strings."""
    found = {}
    for path in paths:
        code = _NO_CODE.sub(" ", path.read_text(encoding="utf-8", errors="replace"))
        for part in re.split(r"\bendmodule\b", code)[:-1]:
            if begin := re.search(r"\bmodule\s+(?:automatic\s+)?(\w+)", part):
                found[begin[1]] = part[begin.end() :]
    return found


def interface(made_of: Sources, parameters: Mapping[str, int]) -> Interface:
    """Return what the top module has when these of its parameters are set.

    Errors: InputError if there is no such module or parameter, or no port that a wire can reach;
    SimulationError if the sources do not elaborate.
    """
    found = _elaborated(made_of, dict(parameters))
    if missing := found["missing"]:
        others = {name: value for name, value in parameters.items() if name not in missing}
        there = _elaborated(made_of, others)["parameters"]
        raise InputError(
            f"{made_of.top} has no parameter {missing[0]}; it has {among(missing[0], there)}"
        )
    return Interface(
        tuple(found["parameters"]), {name: Port(*port) for name, port in found["ports"].items()}
    )


def _elaborated(made_of: Sources, parameters: dict[str, int]) -> dict[str, Any]:
    verilator = simulator("verilator")
    tool = shutil.which("verilator_bin", path=verilator.env()["PATH"]) or "verilator"
    flags = [*FLAGS["verilator"], *made_of.flags.get("verilator", ())]
    texts = made_of.texts()

    def make(folder: Path) -> None:
        given, found = dict(parameters), None
        while found is None:
            overrides = [f"-G{name}={value}" for name, value in given.items()]
            command = [
                tool, "--json-only", "--prefix", "Vunit", "--top-module", made_of.top,
                "--Mdir", str(folder), *flags, *overrides, *map(str, made_of.files),
            ]  # fmt: skip
            log = folder / "elaborate.log"
            status = run_logged(command, log, verilator.env(), folder, LIMIT_S)
            said = log.read_text(encoding="utf-8", errors="replace")
            if status == 0:
                _require_named(made_of, folder)
                tree = json.loads((folder / "Vunit.tree.json").read_text(encoding="utf-8"))
                found = _read(tree, made_of)
            elif unknown := _NO_PARAMETERS.search(said):
                found = {"missing": unknown[1].split()}
            elif _NO_TOP.search(said):
                raise _no_module(made_of)
            elif lacking := set(_NO_DEFAULT.findall(said)) - given.keys():
                given |= dict.fromkeys(sorted(lacking), 1)
            else:
                raise does_not_build(made_of.top, log)
        for left in folder.iterdir():
            left.unlink()
        (folder / "interface.json").write_text(json.dumps(found), encoding="utf-8")

    content = {
        "simulator": verilator.version, "top": made_of.top, "parameters": parameters,
        "flags": flags, "sources": texts, "made by": Path(__file__).read_text(encoding="utf-8"),
    }  # fmt: skip
    folder = kept("interface", content, make)
    found: dict[str, Any] = json.loads((folder / "interface.json").read_text(encoding="utf-8"))
    return found


def _require_named(made_of: Sources, folder: Path) -> None:
    """InputError if a file was read that no build is kept by: an edit of it would go unnoticed."""
    about = json.loads((folder / "Vunit.tree.meta.json").read_text(encoding="utf-8"))
    named = {path.resolve() for path in made_of.read.values()}
    for each in about["files"].values():
        path = Path(each["realpath"])
        if not each["filename"].startswith("<") and path.resolve() not in named:
            raise InputError(
                f"{made_of.top} must be made of the files that sources and include name, "
                f"but reads {shown(path)}"
            )


def _no_module(made_of: Sources) -> InputError:
    there = among(made_of.top, modules(made_of.files))
    return InputError(f"there is no module {made_of.top}; the sources have {there}")


def _read(tree: Mapping[str, Any], made_of: Sources) -> dict[str, Any]:
    """Return what Verilator's tree says of the top module."""
    top = made_of.top
    types = {each["addr"]: each for each in tree["miscsp"][0]["typesp"]}
    named = (each for each in tree["modulesp"] if each["origName"] == top)
    module = next((each for each in named if each["type"] == "MODULE"), None)
    if module is None:  # Verilator takes packages and interfaces as well
        raise _no_module(made_of)
    variables = [each for each in module["stmtsp"] if each["type"] == "VAR"]
    ports = {}
    for each in variables:
        if each["direction"] not in ("NONE", "INPUT", "OUTPUT"):
            raise InputError(
                f"port {each['origName']} of {top} must be an input or an output, "
                f"got {each['direction'].lower()}"
            )
        if each["direction"] != "NONE":
            bits = _bits(each["dtypep"], types, f"port {each['origName']} of {top}")
            ports[each["origName"]] = (each["direction"] == "INPUT", bits)
    parameters = [each["origName"] for each in variables if each.get("isGParam")]
    return {"missing": [], "parameters": parameters, "ports": ports}


def _bits(address: str, types: Mapping[str, Any], what: str) -> int:
    of = types[address]
    kind = of["keyword"] if of["type"] == "BASICDTYPE" else of["type"].removesuffix("DTYPE").lower()
    match of["type"]:
        case "BASICDTYPE" if kind in _WORDS:
            return _width(of.get("range", "0:0"))
        case "PACKARRAYDTYPE":
            return _width(of["declRange"]) * _bits(of["refDTypep"], types, what)
        case "REFDTYPE" | "ENUMDTYPE" | "CONSTDTYPE":
            return _bits(of["refDTypep"], types, what)
        case "STRUCTDTYPE" if of.get("packed"):
            return sum(_bits(member["dtypep"], types, what) for member in of["membersp"])
        case "UNIONDTYPE" if of.get("packed"):
            return max(_bits(member["dtypep"], types, what) for member in of["membersp"])
    raise InputError(f"{what} must be a packed word, got {kind}")


def _width(text: str) -> int:
    left, right = map(int, text.strip("[]").split(":"))
    return abs(left - right) + 1
