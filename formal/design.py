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
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.paths import RTL
from sim.rtl import closure_of, files_by_module
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
        """Return the files that the design is made of, by the module that each is taken for."""
        ours = files_by_module(rtl)
        sources = {**ours, **files_by_module(PROPERTIES)}
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
        try:
            if self.cut is not None:
                self._write_cut(folder, files, limit_s)
            yosys().run(self._flatten(files), folder, limit_s)
            flat = json.loads((folder / "flat.json").read_text(encoding="utf-8"))
            probes = _probes(_top(flat))
            yosys().run(_FINISH.format(connect="\n".join(probes)), folder, limit_s)
        except YosysError as error:
            raise DesignError(str(error)) from None
        return folder / "model.smt2"

    def _write_cut(self, folder: Path, files: Mapping[str, Path], limit_s: float) -> None:
        assert self.cut is not None
        module, wire = self.cut
        script = _CUT.format(
            files=" ".join(f"{name}.v" for name in files if name in files_by_module(RTL)),
            module=module,
            parameters=_chparam(module, self.cut_parameters),
        )
        yosys().run(script, folder, limit_s)
        path = folder / "part.json"
        design = json.loads(path.read_text(encoding="utf-8"))
        part = _top(design)
        cut_wire(part, wire)
        part["attributes"] = {}
        path.write_text(json.dumps({"modules": {module: part}}), encoding="utf-8")

    def _flatten(self, files: Mapping[str, Path]) -> str:
        apart = "" if self.cut is None else self.cut[0]
        names = " ".join(f"{name}.v" for name in files if name != apart)
        return _FLATTEN.format(
            part="read_json part.json" if apart else "",
            files=names,
            top=self.top,
            parameters=_chparam(self.top, self.parameters),
        )


# No step may take an undefined value for one that suits it.
_CUT = """
read_verilog -noopt {files}
{parameters}
hierarchy -check -top {module}
proc -noopt
opt_expr -keepdc
flatten
opt_clean
write_json part.json
"""
_FLATTEN = """
{part}
read_verilog -formal -sv -noopt {files}
{parameters}
hierarchy -check -top {top}
proc -noopt
opt_expr -keepdc
flatten
memory_collect
memory_map
write_json flat.json
write_rtlil flat.il
"""
_FINISH = """
read_rtlil flat.il
{connect}
setundef -undriven -anyseq
async2sync
opt_expr -keepdc
opt_merge
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


def _probes(module: Mapping[str, Any]) -> list[str]:
    """Return a command for each probe; DesignError if its wire is not there, or another one."""
    nets = module["netnames"]
    commands = []
    for name, net in nets.items():
        if (path := net["attributes"].get("probe")) is None:
            continue
        for index in re.findall(r"\[\d+\]", name):
            path = path.replace("[]", index, 1)
        if path not in nets:
            raise DesignError(f"a property looks at {path}, which the RTL does not have")
        if len(nets[path]["bits"]) != len(net["bits"]):
            raise DesignError(
                f"a property looks at {len(net['bits'])} bits of {path}, which has "
                f"{len(nets[path]['bits'])}"
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
    for port in module["ports"].values():
        if port["direction"] == "output":
            port["bits"] = [new.get(bit, bit) for bit in port["bits"]]
    for name, direction, of in ((wire, "output", bits), (f"{wire}_cut", "input", cut)):
        module["ports"][name] = {"direction": direction, "bits": of}
        module["netnames"][name] = {"hide_name": 0, "bits": of, "attributes": {}}
