"""A unit as a shared library: its Verilated model and ``shim.h`` in one translation unit."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from sim.build import FLAGS, constants, contents, does_not_build, require_same
from sim.cache import kept
from sim.paths import RTL
from sim.process import run_logged
from sim.rtl import Rtl, sources
from sim.runtime import (
    FATAL,
    HEADER,
    LIBRARY,
    LIMIT_S,
    compile_cpp,
    compiler_flags,
    machine,
    runtime,
)
from sim.tools import simulator

_PHASES = tuple(f"bool Vunit___024root___eval_phase__{phase}" for phase in ("act", "nba"))
SHIM = Path(__file__).with_name("shim.h")

# What a build that counts is made with; no signal here is too wide to be watched bit by bit.
COVERAGE = ("--coverage-line", "--coverage-toggle", "--coverage-max-width", "4096")


def library(
    unit: str,
    parameters: Mapping[str, int],
    rtl: Rtl = RTL,
    level: int = 1,
    coverage: bool = False,
) -> Path:
    """Return the shared library of ``unit``, made if there is none, compiled at -O``level``.

    With ``coverage`` it counts which lines were run and which signals toggled.

    Errors: SimulationError if the sources do not build.
    """
    verilator = simulator("verilator")
    flags = [*compiler_flags(verilator), f"-O{level}", "-fvisibility=hidden"]
    extra = COVERAGE if coverage else ()
    made_of = sources(unit, parameters, rtl)
    texts = made_of.texts()

    def make(folder: Path) -> None:
        model = verilated(unit, parameters, rtl, folder, extra)
        common = runtime(verilator)
        lines = [
            f'#include "{HEADER}"',
            *(["#define CLOCK_IS_NO_DATA"] if clock_is_no_data(model) else []),
            *(["#define COUNTS_COVERAGE"] if coverage else []),
            f'#include "{SHIM}"',
            *streams((folder / "Vunit.h").read_text(encoding="utf-8")),
            *(f'#include "{path.name}"' for path in model),
        ]
        (folder / "unit.cc").write_text("\n".join(lines) + "\n", encoding="utf-8")
        linked = [
            "-shared",
            "unit.cc",
            f"-L{common}",
            f"-l:{LIBRARY}",
            f"-Wl,-rpath,$ORIGIN/../{common.name}",
        ]
        options = [*flags, f"-I{common / f'O{level}'}", "-I."]
        compile_cpp([*options, *linked, "-o", "unit.so"], folder, verilator)
        for item in folder.glob("Vunit*"):
            item.unlink()
        require_same(made_of, texts)

    content = {
        "simulator": verilator.version, "machine": machine(), "unit": unit,
        "parameters": dict(parameters),
        "flags": [*FLAGS["verilator"], *made_of.flags.get("verilator", ()), *extra, *flags],
        "sources": texts, "made by": contents([SHIM, FATAL, Path(__file__)]),
    }  # fmt: skip
    return kept(f"batch-{unit}", content, make) / "unit.so"


def verilated(
    unit: str,
    parameters: Mapping[str, int],
    rtl: Rtl,
    folder: Path,
    extra: Iterable[str] = (),
) -> list[Path]:
    """Write the unit as C++, class ``Vunit``, into ``folder``; return the source files.

    Errors: SimulationError if the sources do not build.
    """
    verilator, made_of = simulator("verilator"), sources(unit, parameters, rtl)
    tool = shutil.which("verilator_bin", path=verilator.env()["PATH"]) or "verilator"
    overrides = [f"-G{name}={value}" for name, value in constants(parameters).items()]
    command = [
        tool, "--cc", "--prefix", "Vunit", "--top-module", made_of.top, "--Mdir", str(folder),
        *FLAGS["verilator"], *made_of.flags.get("verilator", ()), *extra, *overrides,
        *map(str, made_of.files),
    ]  # fmt: skip
    log = folder / "verilate.log"
    if run_logged(command, log, verilator.env(), folder, LIMIT_S) != 0:
        raise does_not_build(unit, log)
    return sorted(folder.glob("*.cpp"))


def streams(header: str) -> list[str]:
    """Return what tells ``shim.h`` of a model's streams, found by their valid and ready.

    A stream whose valid goes in is a source, one whose ready goes in a sink, and one of which
    neither does is a tap, which is watched like a sink.
    """
    valid = _directions(header, "tvalid")
    ready = _directions(header, "tready")
    directions = {name: (valid[name], ready[name]) for name in sorted(valid.keys() & ready.keys())}
    sources = [name for name, (ahead, _) in directions.items() if ahead == "IN"]
    sinks = [name for name in directions if name not in sources]
    taps = {name for name in sinks if directions[name][1] == "OUT"}
    return [
        *(f"{'TAP' if name in taps else 'STREAM'}({name})" for name in directions),
        f"using In = Sources<{', '.join(sources)}>;",
        f"using Out = Sinks<{', '.join(sinks)}>;",
        f'UNIT(In, Out, "{" ".join(sources)}|{" ".join(sinks)}")',
    ]


def _directions(header: str, signal: str) -> dict[str, str]:
    ports = re.findall(rf"VL_(IN|OUT)8\(&(\w+)_{signal},", header)
    return {name: direction for direction, name in ports}


def clock_is_no_data(model: Iterable[Path]) -> bool:
    """Whether no combinational path of a Verilated model starts from its clock.

    Told from the functions that Verilator writes for paths from inputs; False if this version of it
    writes others than are known here.
    """
    text = "".join(path.read_text(encoding="utf-8") for path in model)
    functions = ("void Vunit___024root___eval", *_PHASES)
    known = all(f"{function}(Vunit___024root* vlSelf) {{" in text for function in functions)
    paths = re.findall(r"^void Vunit___024root___ico_.*?^}", text, re.MULTILINE | re.DOTALL)
    return known and bool(paths) and not any(re.search(r"\bclk\b", path) for path in paths)
