"""Two lint gates over the RTL, both fatal: Verilator for widths and use, Icarus for the language.

Verilator checks every unit at every named spec; Icarus reads strict Verilog-2005 and has no
exit status for warnings, so any output of it counts.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sim.paths import RTL
from sim.process import run_briefly
from sim.regress import suites
from sim.rtl import closure
from sim.tools import SIMULATORS, Simulator, simulator
from tb.unit_shapes import Shape


def lint(
    progress: Callable[[str], None] = lambda line: None,
    rtl: Path = RTL,
    gates: Sequence[str] = SIMULATORS,
) -> list[str]:
    """Return what the gates find, an empty list if nothing.

    Errors: ToolError if a gate's tool is missing; a gate that did not run is no gate.
    """
    for gate in gates:
        simulator(gate)
    units = sorted(path.stem for path in rtl.glob("*.v"))
    findings = [] if units else [f"{rtl} has no Verilog files"]
    for unit in units:
        for gate in gates:
            shapes = dict(suites.lint_shapes(unit, suites.specs()))
            findings += lint_unit(unit, gate, shapes, rtl)
        progress(f"linted {unit}")
    return findings


def lint_unit(unit: str, gate: str, shapes: Mapping[str, Shape], rtl: Path = RTL) -> list[str]:
    """Return what one gate finds in one unit at some shapes."""
    tool = simulator(gate)
    sources = [str(path) for path in closure(unit, rtl)]

    def findings(name: str) -> list[str]:
        return _GATES[gate](tool, unit, shapes[name], sources)

    at: dict[str, list[str]] = defaultdict(list)  # the shapes of each finding
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, lines in zip(shapes, pool.map(findings, shapes), strict=True):
            for line in dict.fromkeys(lines):
                at[line].append(name)
    return [f"{unit} ({_few(names)}): {line}" for line, names in at.items()]


def _few(names: Sequence[str]) -> str:
    """Return the first of some names, and how many there are.

    >>> _few(["widest", "narrowest", "no folds"])
    'widest, and 2 more'
    """
    return names[0] + (f", and {len(names) - 1} more" if len(names) > 1 else "")


def _verilator(tool: Simulator, unit: str, parameters: Shape, sources: list[str]) -> list[str]:
    gate = ["verilator", "--lint-only", "-Wall", "--quiet", "--default-language", "1364-2005"]
    overrides = [f"-G{name}={value}" for name, value in parameters.items()]
    ran = run_briefly([*gate, "--top-module", unit, *overrides, *sources], tool.env())
    lines = [line for line in ran.stderr.splitlines() if line.startswith("%")]
    if ran.returncode != 0 and not lines:
        lines = [ran.stderr.strip() or f"verilator ended with {ran.returncode}"]
    return lines


def _icarus(tool: Simulator, unit: str, parameters: Shape, sources: list[str]) -> list[str]:
    overrides = [f"-P{unit}.{name}={value}" for name, value in parameters.items()]
    gate = ["iverilog", "-g2005", "-Wall", "-tnull"]
    ran = run_briefly([*gate, "-s", unit, *overrides, *sources], tool.env())
    lines = (ran.stdout + ran.stderr).splitlines()
    if ran.returncode != 0 and not lines:
        lines = [f"iverilog ended with {ran.returncode}"]
    return lines


_GATES = {"verilator": _verilator, "icarus": _icarus}
