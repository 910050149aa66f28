"""Verilator's runtime library, compiled once: nearly all of a build, and the same for every model.

Both engines share its objects: a cocotb build takes them as they are; the batch engine loads them
as one shared library. Both find their headers precompiled beside them, for each way to compile
apart: g++ breaks on those of another level of its optimiser, and passes by those of other flags.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from sim.cache import CompilerError, kept
from sim.paths import shown
from sim.process import run_logged
from sim.tools import Simulator, compiler

HEADER = "headers.h"
LEVELS = (1, 3)  # of g++'s optimiser, with headers precompiled for each
LIBRARY = "libverilated.so"
LIMIT_S = 900

_HEADERS = "".join(
    f"#include <{name}>\n"
    for name in ("array", "cstdint", "cstdio", "stdexcept", "memory", "string", "tuple", "vector")
) + '#include "verilated.h"\n'  # fmt: skip
_COCOTB_HEADERS = "".join(
    f"#include <{name}>\n"
    for name in ("memory", "string", "verilated.h", "verilated_vpi.h", "verilated_dpi.h")
)
FATAL = Path(__file__).with_name("batch") / "fatal.cpp"
_SOURCES = ("verilated", "verilated_vpi", "verilated_threads", "verilated_dpi")
_TRACERS = {"": (), "waves.vcd": ("verilated_vcd_c",), "waves.fst": ("verilated_fst_c",)}


def runtime(simulator: Simulator, waves: str = "") -> Path:
    """Return the folder of the runtime for models that write ``waves``, made if there is none."""
    flags = compiler_flags(simulator, waves)
    sources = [*_TRACERS[waves], *_SOURCES]

    def make(folder: Path) -> None:
        objects = [f"{name}.o" for name in sources]
        jobs = [
            [*flags, "-c", str(simulator.include / f"{name}.cpp"), "-o", f"{name}.o"]
            for name in sources
        ]
        for level in LEVELS:
            header = folder / f"O{level}" / HEADER
            header.parent.mkdir()
            header.write_text(_HEADERS, encoding="utf-8")
            options = [*flags, f"-O{level}", "-fvisibility=hidden", "-x", "c++-header"]
            jobs.append([*options, str(header)])
        header = cocotb_header(folder)
        header.parent.mkdir()
        header.write_text(_COCOTB_HEADERS, encoding="utf-8")
        # As Verilator's makefile compiles a model.
        jobs.append([*_seen(simulator, waves), "-Os", "-x", "c++-header", str(header)])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda job: compile_cpp(job, folder, simulator), jobs):
                pass
        # Of two functions of the same name the first is taken: vl_fatal is ours.
        link = ["-shared", "-Wl,-z,muldefs", str(FATAL), *objects, "-pthread", "-o", LIBRARY]
        compile_cpp([*flags, *link], folder, simulator)

    content = {
        "simulator": simulator.version, "flags": flags, "sources": sources, "machine": machine(),
        "made by": [path.read_text(encoding="utf-8") for path in (Path(__file__), FATAL)],
    }  # fmt: skip
    return kept("verilator-runtime", content, make)


def cocotb_header(runtime: Path) -> Path:
    """Return the header that is precompiled for models that cocotb runs."""
    return runtime / "cocotb" / HEADER


def compiler_flags(simulator: Simulator, waves: str = "") -> list[str]:
    """Return what the runtime, and all that is linked with it, must be compiled with."""
    return ["-std=c++20", "-O1", "-march=native", "-fPIC", *_seen(simulator, waves)]


def _seen(simulator: Simulator, waves: str) -> list[str]:
    """Return the macros that Verilator's headers look at, and where the headers are."""
    traces = {"TRACE": bool(waves), "TRACE_FST": "fst" in waves, "TRACE_VCD": "vcd" in waves}
    others = dict.fromkeys(("COVERAGE", "SC", "TIMING", "TRACE_SAIF"), False)
    macros = [f"-DVM_{name}={int(value)}" for name, value in (traces | others).items()]
    include = simulator.include
    return ["-DVERILATOR=1", *macros, f"-I{include}", f"-I{include / 'vltstd'}"]


def compile_cpp(arguments: Sequence[str], folder: Path, simulator: Simulator) -> None:
    """Run g++ in ``folder``; CompilerError if it fails."""
    name = Path(arguments[-1]).name
    log = folder / f"{name}.log"
    if run_logged(["g++", *arguments], log, simulator.env(), folder, LIMIT_S) != 0:
        raise CompilerError(f"{name} does not compile; the log is {shown(log)}")


@cache
def machine() -> str:
    """Return what compiled code depends on beside its text: the processor, the compiler."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    able = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{able} {platform.machine()} {compiler()}"
