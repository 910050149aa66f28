"""A unit as a shared library: its Verilated model and ``shim.h`` in one translation unit."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from sim.build import FLAGS, contents
from sim.cache import SimulationError, kept
from sim.paths import RTL, shown
from sim.process import run_logged
from sim.runtime import HEADER, LIBRARY, LIMIT_S, compile_cpp, compiler_flags, machine, runtime
from sim.tools import simulator
from tb.case import UNITS

SHIM = Path(__file__).with_name("shim.h")

# The streams of every unit that plays cases, in the order in which a batch lists them.
SOURCES = ("s_axis_input", "s_axis_weight")
SINKS = ("m_axis_output",)

_UNIT = """\
#include "{header}"
#include "{shim}"
{streams}
using In = Sources<{sources}>;
using Out = Sinks<{sinks}>;
UNIT(In, Out)
{model}
"""


def library(unit: str, parameters: Mapping[str, int], rtl: Path = RTL) -> Path:
    """Return the shared library of ``unit``, made if there is none.

    Errors: SimulationError if the sources do not build.
    """
    assert unit in UNITS
    verilator = simulator("verilator")
    sources = sorted(rtl.glob("*.v"))
    flags = FLAGS["verilator"]

    def make(folder: Path) -> None:
        values = [f"-G{name}={value}" for name, value in parameters.items()]
        tool = shutil.which("verilator_bin", path=verilator.env()["PATH"]) or "verilator"
        command = [
            tool, "--cc", "--prefix", "Vunit", "--top-module", unit, "--Mdir", str(folder),
            *flags, *values, *map(str, sources),
        ]  # fmt: skip
        log = folder / "verilate.log"
        if run_logged(command, log, verilator.env(), folder, LIMIT_S) != 0:
            raise SimulationError(f"{unit} does not build; the log is {shown(log)}")
        common = runtime(verilator)
        text = _UNIT.format(
            header=HEADER,
            shim=SHIM,
            streams="\n".join(f"STREAM({name})" for name in (*SOURCES, *SINKS)),
            sources=", ".join(SOURCES),
            sinks=", ".join(SINKS),
            model="\n".join(f'#include "{path.name}"' for path in sorted(folder.glob("*.cpp"))),
        )
        (folder / "unit.cc").write_text(text, encoding="utf-8")
        linked = ["-shared", "unit.cc", str(common / LIBRARY), f"-Wl,-rpath,{common}"]
        options = [*compiler_flags(verilator), "-fvisibility=hidden", f"-I{common}", "-I."]
        compile_cpp([*options, *linked, "-o", "unit.so"], folder, verilator)
        for item in [*folder.glob("Vunit*"), folder / "unit.cc"]:
            item.unlink()

    content = {
        "simulator": verilator.version, "machine": machine(), "unit": unit,
        "parameters": dict(parameters), "flags": [*flags, *compiler_flags(verilator)],
        "sources": contents(sources), "shim": contents([SHIM]), "template": _UNIT,
    }  # fmt: skip
    return kept(f"batch-{unit}", content, make) / "unit.so"
