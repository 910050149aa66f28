"""Builds of a unit that cocotb runs, kept by the content of everything that goes into them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sim.cache import SimulationError, kept
from sim.paths import RTL, shown
from sim.process import run_logged
from sim.rtl import Rtl, Sources, sources
from sim.runtime import cocotb_header, machine, runtime
from sim.tools import Simulator

FLAGS: dict[str, list[str]] = {
    # Unknown values become random ones, so that a missing reset shows as a failure that depends on
    # the seed.
    "verilator": [
        "--default-language",
        "1364-2005",
        "--x-assign",
        "unique",
        "--x-initial",
        "unique",
        "--no-public-flat-rw",
        "--public-params",
        "--output-split",  # of a large unit; the makefile for several files fails
        "0",
    ],
    "icarus": [],
}
LIMIT_S = 900
_COMPLAINT = re.compile(r"^%Error|\.s?vh?:\d+: (?!warning)|\berror\b", re.IGNORECASE)
_FAR_FUTURE = 4102444800  # 2100-01-01: newer than any makefile

# cocotb's runner asks for every signal, which keeps the simulator from optimising any.
_PUBLIC = """\
`verilator_config
public_flat_rw -module "{top}" -port "*"
"""


@dataclass(frozen=True)
class Build:
    """A unit that is ready to run, in a folder of its own."""

    simulator: Simulator
    top: str
    folder: Path
    waves: str  # name of the wave file that a run leaves; empty if it leaves none


def build(
    top: str,
    parameters: Mapping[str, int],
    simulator: Simulator,
    waves: bool = False,
    rtl: Rtl = RTL,
) -> Build:
    """Return a build of the unit ``top`` from what ``rtl`` is, made if there is none.

    Errors: SimulationError if the sources do not build.
    """
    made_of = sources(top, parameters, rtl)
    texts = made_of.texts()
    traced = "" if not waves else "waves.fst" if simulator.writes_fst() else "waves.vcd"
    flags = [*FLAGS[simulator.name], *made_of.flags.get(simulator.name, ())]
    if traced == "waves.fst" and simulator.name == "verilator":
        flags.append("--trace-fst")

    def make(folder: Path) -> None:
        files, env = list(made_of.files), dict[str, str]()
        if simulator.name == "verilator":
            ports = folder / "ports.vlt"
            ports.write_text(_PUBLIC.format(top=made_of.top), encoding="utf-8")
            files.append(ports)
            compiled = runtime(simulator, traced)
            _take_objects(compiled, folder)
            env["USER_CPPFLAGS"] = f"-Winvalid-pch -include {cocotb_header(compiled)}"
        job = {
            "action": "build",
            "simulator": simulator.name,
            "arguments": {
                "sources": [str(file) for file in files],
                "hdl_toplevel": made_of.top,
                "parameters": constants(parameters),
                "build_args": flags,
                "build_dir": str(folder),
                "timescale": ["1ns", "1ps"],
                "waves": waves,
            },
        }
        log = folder / "build.log"
        if work(job, simulator, folder, log, LIMIT_S, env) != 0:
            raise does_not_build(top, log)
        require_same(made_of, texts)

    content = {
        "simulator": simulator.version, "cocotb": version("cocotb"), "python": sys.version,
        "machine": machine(), "top": made_of.top, "parameters": dict(parameters), "flags": flags,
        "waves": traced, "ports": _PUBLIC, "sources": texts,
    }  # fmt: skip
    return Build(simulator, made_of.top, kept(f"{simulator.name}-{top}", content, make), traced)


def constants(parameters: Mapping[str, int]) -> dict[str, int | str]:
    """Return parameters as simulators take them, each as wide as it is in the Verilog.

    The WORDS of a ROM say their width: without it Verilator takes some for too narrow.

    >>> constants({"SIGNED": -1, "DATA_BITS": 20, "BEATS": 5, "WORDS": 1 << 40})
    {'SIGNED': -1, 'DATA_BITS': "'h14", 'BEATS': "'h5", 'WORDS': "100'h10000000000"}
    """
    words = parameters.get("BEATS", 0) * parameters.get("DATA_BITS", 0)
    width = {"WORDS": str(words)} if words > 0 else {}  # any other is for a static assert to refuse
    return {
        name: value if value < 0 else f"{width.get(name, '')}'h{value:x}"
        for name, value in parameters.items()
    }


def contents(sources: Sequence[Path]) -> dict[str, str]:
    """Return the text of each file by its name."""
    return {source.name: source.read_text(encoding="utf-8") for source in sources}


def does_not_build(top: str, log: Path) -> SimulationError:
    """Return what to raise for sources that do not build, with what the tool said first."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = next((f": {line.strip()}" for line in lines if _COMPLAINT.search(line)), "")
    said = said.replace(f"{Path.cwd()}/", "")
    return SimulationError(f"{top} does not build{said}; the log is {shown(log)}")


def require_same(made_of: Sources, texts: Mapping[str, str]) -> None:
    """SimulationError if a build read other texts than it is kept for: somebody edits them."""
    if made_of.texts() != texts:
        raise SimulationError("the sources were edited while they were built: try again")


def _take_objects(compiled: Path, folder: Path) -> None:
    """Put the runtime's objects into a build folder, dated so that make takes them as they are."""
    for item in compiled.glob("*.o"):
        copy = folder / item.name
        copy.hardlink_to(item)
        os.utime(copy, (_FAR_FUTURE, _FAR_FUTURE))


def work(
    job: Mapping[str, object], simulator: Simulator, folder: Path, log: Path, limit_s: float,
    env: Mapping[str, str] | None = None,
) -> int | None:  # fmt: skip
    """Hand a job to cocotb's runner in a process of its own; return its exit status."""
    description = folder / f"{job['action']}.json"
    description.write_text(json.dumps(job), encoding="utf-8")
    command = [sys.executable, "-m", "sim.worker", str(description)]
    return run_logged(command, log, {**simulator.env(), **(env or {})}, folder, limit_s)
