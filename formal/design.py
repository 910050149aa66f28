"""A property module with the RTL inside of it, as the SMT-LIB that a solver is asked about.

Properties are Verilog modules in ``formal/properties`` that have units of ``rtl/`` inside; no line
of ``rtl/`` is edited for them. Three things are done to what Yosys elaborates, and each can only
allow more behaviour than the RTL has, never less:

- A module may be **replaced** by one of the properties that leaves its outputs free.
- A wire inside a unit may be **cut**: the unit then reads an input, and what it would have put on
  the wire is an output.
- What Verilog leaves undefined is free.

A **probe** shows a wire of the unit to the property: ``(* probe = "u_unit.wire" *) wire ...``; in
the path [] stands for the indices of the generate loops that the probe is in, in their order.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.paths import RTL
from sim.rtl import closure_of, code_of, files_by_module
from sim.yosys import YosysError, yosys

PROPERTIES = Path(__file__).resolve().parent / "properties"


class DesignError(Exception):
    """A property and the RTL do not fit together; nothing was proved."""


@dataclass(frozen=True)
class Design:
    """What is asked about: a property module with its parameters, and what is done to the RTL."""

    top: str  # the property module
    parameters: Mapping[str, int | str]  # a string is a Verilog constant
    replaced: Mapping[str, str] = field(default_factory=dict)  # module of rtl -> property module
    cut: tuple[str, str] | None = None  # a module that is built apart, and its wire
    cut_parameters: Mapping[str, int] = field(default_factory=dict)

    def files(self, rtl: Path = RTL) -> dict[str, Path]:
        """Return the files that the design is made of, by the module that each is taken for.

        Errors: DesignError if the RTL has a module that is called like a property, or a unit is
        spoken to in another way than what stands in for it.
        """
        ours, properties = files_by_module(rtl), files_by_module(PROPERTIES)
        if both := sorted(ours.keys() & properties.keys()):
            raise DesignError(f"{both[0]} is a module of the RTL and one of the properties")
        for module, by in self.replaced.items():
            if module not in ours:
                raise DesignError(f"the RTL has no {module}.v")
            _require_same_head(module, ours[module], properties[by])
        sources = {**ours, **properties}
        sources |= {module: PROPERTIES / f"{by}.v" for module, by in self.replaced.items()}
        for by in self.replaced.values():
            del sources[by]
        needed = set(closure_of(self.top, sources))
        return {module: path for module, path in sources.items() if path in needed}

    def write(self, folder: Path, rtl: Path = RTL, limit_s: float = 300) -> Path:
        """Write the SMT-LIB file into ``folder`` and return its path.

        Errors: DesignError where properties and RTL do not fit together, or Yosys does not take
        them.
        """
        files = self.files(rtl)
        for module, path in files.items():
            shutil.copyfile(path, folder / f"{module}.v")
            if path.parent != PROPERTIES:
                _require_plain(module, path.read_text(encoding="utf-8"))
        units = [module for module, path in files.items() if path.parent != PROPERTIES]
        try:
            if self.cut is not None:
                self._write_cut(folder, units, limit_s)
            log = yosys().run(self._flatten(files, units), folder, limit_s)
            _require_one_driver(log)
            if resized := re.search(r"Resizing cell port (\S+) from \d+ bits to \d+ bits", log):
                port = re.sub(_PARAMETERS, "", resized[1])
                raise DesignError(f"{port} has another width than what is connected to it")
            flat = _top(json.loads((folder / "flat.json").read_text(encoding="utf-8")))
            _require_one_clock(flat)
            ours = {f"{module}.v" for module in units}
            _require_defined(flat, ours)
            # Registers of a unit start from anything, whatever its Verilog has them start from.
            starts = [f"setattr -unset init a:src={name}:*" for name in sorted(ours)]
            commands = "\n".join([*starts, *_probes(flat, ours, self.replaced)])
            yosys().run(_FINISH.format(commands=commands), folder, limit_s)
        except YosysError as error:
            raise DesignError(str(error)) from None
        return folder / "model.smt2"

    def _write_cut(self, folder: Path, units: Sequence[str], limit_s: float) -> None:
        assert self.cut is not None
        module, wire = self.cut
        script = _CUT.format(
            files=" ".join(f"{name}.v" for name in units),
            module=module,
            parameters=_chparam(module, self.cut_parameters),
        )
        _require_one_driver(yosys().run(script, folder, limit_s))
        path = folder / "part.json"
        design = json.loads(path.read_text(encoding="utf-8"))
        part = _top(design)
        cut_wire(part, wire)
        part["attributes"] = {}
        path.write_text(json.dumps({"modules": {module: part}}), encoding="utf-8")

    def _flatten(self, files: Mapping[str, Path], units: Sequence[str]) -> str:
        plain = [f"{name}.v" for name in units]
        first = f"read_verilog -noopt {' '.join(plain)}" if plain else ""
        return _FLATTEN.format(
            units=first if self.cut is None else "read_json part.json",
            properties=" ".join(f"{name}.v" for name in files if name not in units),
            top=self.top,
            parameters=_chparam(self.top, self.parameters),
        )


# Yosys calls a module with parameters $paramod$<hash>\name or $paramod\name\PARAMETER=...
_PARAMETERS = r"\$paramod(\$\w+)?\\|\\\w+=[^\\.]*"
# No step may take an undefined value for one that suits it.
_CUT = """
read_verilog -noopt {files}
{parameters}
hierarchy -check -top {module}
proc -noopt
opt_expr -keepdc
flatten
check
opt_clean
write_json part.json
"""
_FLATTEN = """
{units}
read_verilog -formal -sv -noopt {properties}
{parameters}
hierarchy -check -top {top}
proc -noopt
opt_expr -keepdc
flatten
check
opt_expr -keepdc
memory_collect
memory_map
write_json flat.json
write_rtlil flat.il
"""
_FINISH = """
read_rtlil flat.il
{commands}
setundef -undriven -anyseq
async2sync
opt_expr -keepdc
opt_merge -keepdc
opt_clean
write_smt2 -wires model.smt2
"""


def _chparam(module: str, parameters: Mapping[str, int | str]) -> str:
    each = " ".join(f"-set {name} {value}" for name, value in parameters.items())
    return f"chparam {each} {module}" if each else ""


def _top(design: Mapping[str, Any]) -> dict[str, Any]:
    (found,) = (each for each in design["modules"].values() if "top" in each["attributes"])
    assert isinstance(found, dict)
    return found


# What tells a solver something of the RTL that hardware does not know; and what makes Yosys read
# another design than a simulator does: directives, pragmas, defparam (which it passes over).
_HINTS = re.compile(
    r"\b(?:assume|restrict|defparam)\b|\$(?:any|all)(?:seq|const)|\$initstate|\(\*.*?\*\)"
    r"|`(?!default_nettype\b|timescale\b)\w*",
    re.DOTALL,
)
# A delay; a list of what a block waits for that is not all, or an edge.
_TIMING = re.compile(r"#\s*[\d.]|@\s*\((?!\s*\*|\s*(?:pos|neg)edge\b)|@\s*[A-Za-z_\\]")
_PRAGMA = re.compile(r"(?://|/\*)\s*(?:synopsys|synthesis)\b[^\n]*")


def _require_plain(module: str, text: str) -> None:
    """DesignError if Verilog assumes something, or can be read in more than one way."""
    code = code_of(text).replace("@(*)", "@*")
    if hint := _HINTS.search(code) or _TIMING.search(code) or _PRAGMA.search(text):
        raise DesignError(f"{module}.v must be plain Verilog to be proved, got {hint[0]}")


def _require_same_head(module: str, real: Path, stand_in: Path) -> None:
    """DesignError unless a unit and what stands in for it have the same parameters and ports.

    In the same order and with the same defaults: a unit around them may name them, or not.
    """
    heads = set()
    for path in (real, stand_in):
        code = code_of(path.read_text(encoding="utf-8"))
        found = re.search(rf"\bmodule\s+{module}\b.*?;", code, re.DOTALL)
        heads.add(
            re.sub(r"\boutput reg\b", "output wire", " ".join(found[0].split() if found else ()))
        )
    if len(heads) > 1:
        raise DesignError(
            f"{module}.v must have the parameters and ports that {stand_in.name} has, as they are "
            "written there"
        )


def _require_one_driver(log: str) -> None:
    """DesignError if Yosys found a wire with two drivers, of which it takes either."""
    if found := re.search(r"(?:drivers for|[Dd]rivers conflicting with) (.*):\n +(.*)", log):
        wire, driver = (re.sub(_PARAMETERS, "", said) for said in found.groups())
        raise DesignError(f"one wire has two drivers: {wire}, {driver}")


def _require_one_clock(module: Mapping[str, Any]) -> None:
    """DesignError unless all that is stored changes at the rising edge of clk, and not else."""
    clock = module["ports"].get("clk", {}).get("bits")
    for cell in module["cells"].values():
        if re.fullmatch(r"\$(?:s?dffc?e?|sdffce|dffe)", cell["type"]):
            rising = int(cell["parameters"]["CLK_POLARITY"], 2) == 1
            if rising and cell["connections"]["CLK"] == clock:
                continue
        elif not re.match(r"\$(?:\w*dff|\w*latch|sr$|ff$|mem)", cell["type"]):
            continue
        where = cell["attributes"].get("src", "somewhere")
        raise DesignError(f"{where}: what is stored must change at the rising edge of clk alone")


_MAY_BE_UNDEFINED = {"$shiftx", "$div", "$mod", "$divfloor", "$modfloor", "$pow"}


def _require_defined(module: Mapping[str, Any], units: Set[str]) -> None:
    """DesignError if a unit computes what Verilog leaves undefined, and Yosys may not."""
    for cell in module["cells"].values():
        if cell["type"] in _MAY_BE_UNDEFINED and _file(cell) in units:
            raise DesignError(
                f"{cell['attributes']['src']}: {cell['type'].strip('$')} by a number that is no "
                "constant may be undefined, of which there is no proof"
            )


def _file(of: Mapping[str, Any]) -> str:
    return str(of["attributes"].get("src", "")).partition(":")[0]


def _probes(module: Mapping[str, Any], units: Set[str], stand_ins: Iterable[str]) -> list[str]:
    """Return a command for each probe; DesignError if its wire is not there, or another one.

    What a property assumes of a stand-in it must not assume of a unit that has taken its name.
    """
    free = re.compile("|".join(rf"\bu_{name.rpartition('_')[2]}\." for name in stand_ins) or "(?!)")
    nets = module["netnames"]
    commands = []
    for name, net in nets.items():
        if (path := net["attributes"].get("probe")) is None:
            continue
        for index in re.findall(r"\[\d+\]", name):
            path = path.replace("[]", index, 1)
        if path not in nets:
            raise DesignError(f"a property looks at {path}, which the RTL does not have")
        if free.search(path) and _file(nets[path]) in units:
            raise DesignError(
                f"{path} must be of what stands in there, and is of {_file(nets[path])}"
            )
        if len(nets[path]["bits"]) != len(net["bits"]):
            raise DesignError(
                f"a property takes {path} to be {len(net['bits'])} wide, and it is "
                f"{len(nets[path]['bits'])} wide"
            )
        commands.append(f"connect -nomap -nounset -set \\{name} \\{path}")
    return commands


def cut_wire(module: dict[str, Any], wire: str) -> None:
    """Cut a wire of a module (as Yosys writes it in JSON) into an output and an input.

    All that read the wire read the new input ``<wire>_cut``; what was on it leaves as ``<wire>``.
    Errors: DesignError if there is no such wire.
    """
    if wire not in module["netnames"]:
        raise DesignError(f"a proof cuts the wire {wire}, which the RTL does not have")
    bits = module["netnames"][wire]["bits"]
    used = [
        bit for net in module["netnames"].values() for bit in net["bits"] if isinstance(bit, int)
    ]
    fresh = iter(range(max(used) + 1, max(used) + 1 + len(bits)))
    cut = [next(fresh) for _ in bits]
    new = {bit: after for bit, after in zip(bits, cut, strict=True) if isinstance(bit, int)}
    for cell in module["cells"].values():
        for port, direction in cell["port_directions"].items():
            if direction == "input":
                connected = cell["connections"][port]
                cell["connections"][port] = [new.get(bit, bit) for bit in connected]
    for name, port in module["ports"].items():
        if port["direction"] == "output":
            port["bits"] = [new.get(bit, bit) for bit in port["bits"]]
            module["netnames"][name]["bits"] = port["bits"]
    for name, direction, of in ((wire, "output", bits), (f"{wire}_cut", "input", cut)):
        module["ports"][name] = {"direction": direction, "bits": of}
        module["netnames"][name] = {"hide_name": 0, "bits": of, "attributes": {}}
