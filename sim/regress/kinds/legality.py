"""What makes no sense does not elaborate, and Python refuses exactly the same."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, product
from pathlib import Path
from typing import Any, NamedTuple

from golden import units
from golden.integer import InputError
from golden.spec import RULES, UNIT_PARAMETERS, MvauSpec
from sim import rtl as sources
from sim.process import run_briefly
from sim.regress.job import Job, Result, failed, passed
from sim.tools import Simulator, simulator
from tb.unit_shapes import SHAPES

MOST_SENTENCES = 3

# Around every limit that there is.
_PROBES = {
    **dict.fromkeys(("mw", "mh"), (-1, 0, 1, 65536, 65537)),
    **dict.fromkeys(("pe", "simd"), (-1, 0, 1)),
    **dict.fromkeys(("weight_bits", "input_bits"), (-1, 0, 1, 16, 17)),
    "acc_bits": (-1, 0, 1, 2, 64, 65),
    **dict.fromkeys(
        ("signed_input", "overflow", "observe", "bipolar_weight", "bipolar_input"), (-1, 0, 1, 2)
    ),
}
# Around every limit of a unit that moves beats.
_VALUES = (-1, 0, 1, 2, 3, 5, 8, 9, 16, 17, 63, 64, 65)
_LARGE = {"MW": (65536, 65537), "MH": (65536, 65537)}
_BASE: dict[str, Any] = {
    "mw": 6, "mh": 6, "pe": 1, "simd": 1, "weight_bits": 4, "input_bits": 4, "acc_bits": 12,
    "signed_input": 0, "overflow": 0, "observe": 1, "bipolar_weight": 0, "bipolar_input": 0,
}  # fmt: skip
_FOLDS = {"mw": (4, 6, 7), "simd": (1, 2, 3, 4, 6, 7, 12), "mh": (4, 6, 7), "pe": (2, 3, 4, 6, 7)}


class Probe(NamedTuple):
    """Parameters, and the static asserts one of which must stop them; legal if there is none."""

    parameters: dict[str, int]
    asserts: tuple[str, ...]


def run(job: Job, rtl: Path, explain: bool) -> Result:
    tool = simulator(job.settings["simulator"])
    files = [str(path) for path in sources.closure(job.unit, rtl)]
    probes = _of_a_spec(job.unit) if job.unit in UNIT_PARAMETERS else _of_shapes(job.unit)

    def wrong(probe: Probe) -> str:
        ran = _elaborated(tool, job.unit, probe.parameters, files)
        given = " ".join(f"{name}={value}" for name, value in probe.parameters.items())
        if not probe.asserts:
            said = f"\n{ran.stderr.strip()}" if ran.returncode else ""
            return said and f"{job.unit} must elaborate, but does not: {given}{said}"
        if ran.returncode == 0:
            return f"{job.unit} must not elaborate, but does: {given}"
        # Only Verilator shows the line, and with it the name of the assert.
        if tool.name == "verilator" and not any(name in ran.stderr for name in probe.asserts):
            return f"{job.unit} is not refused by {' or '.join(probe.asserts)}: {given}"
        return ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sentences = list(islice(filter(None, pool.map(wrong, probes)), MOST_SENTENCES))
        pool.shutdown(cancel_futures=True)
    if sentences:
        return failed(job, "\n".join(sentences))
    legal = sum(not probe.asserts for probe in probes)
    return passed({"legal": legal, "illegal": len(probes) - legal})


def _of_a_spec(unit: str) -> list[Probe]:
    """Return sets of parameters with the rules of golden.spec that they break."""
    fields = UNIT_PARAMETERS[unit]
    changes: list[dict[str, int]] = [{field: value} for field in fields for value in _PROBES[field]]
    for whole, part in (("mw", "simd"), ("mh", "pe")):
        if whole in fields:
            changes += [{whole: a, part: b} for a, b in product(_FOLDS[whole], _FOLDS[part])]
    changes += [{"weight_bits": bits, "bipolar_weight": 1} for bits in (1, 2)]
    changes += [
        {"input_bits": bits, "signed_input": signed, "bipolar_input": 1}
        for bits, signed in product((1, 2), (0, 1))
    ]
    probes = {}
    for change in changes:
        spec = _BASE | change
        if "mw" not in fields:
            spec["mw"] = max(1, spec["simd"])  # which divides it, whatever it is
        parameters = {field.upper(): spec[field] for field in fields}
        probes[tuple(parameters.items())] = Probe(parameters, _broken(spec))
    return list(probes.values())


def _broken(spec: dict[str, Any]) -> tuple[str, ...]:
    """Return the static asserts of which one must stop a spec: the rule that Python names first.

    Or the one whose division by SIMD=0 is not even a number, which Verilator shows before others.
    """
    try:
        MvauSpec(**spec)
    except InputError as error:
        first = next(rule for rule in RULES if str(error).startswith(rule.sentence))
        also = ("SIMD_MUST_DIVIDE_MW",) if spec["simd"] == 0 else ()
        return (first.static_assert, *also)
    return ()


def _of_shapes(unit: str) -> list[Probe]:
    """Return sets of parameters around the smallest and the next of a unit's shapes."""
    probes = {}
    for shape in sorted(SHAPES[unit], key=lambda shape: sum(shape.values()))[:2]:
        for name in units.PARAMETERS[unit]:
            for value in (*_VALUES, *_LARGE.get(name, ())):
                changed = {**shape, name: value}
                probes[tuple(changed.items())] = Probe(changed, _stopped_by(unit, changed))
    return list(probes.values())


def _stopped_by(unit: str, parameters: Mapping[str, int]) -> tuple[str, ...]:
    """Return the static asserts of which one must stop a set of parameters.

    It is the rule that Python names first. But tools show first what is not even a number or a
    width, and that is in another rule about the same parameter.
    """
    broken = units.broken_rule(unit, parameters)
    if broken is None:
        return ()
    about = {name for name in broken.about if parameters[name] < 1}
    others = (rule for rule in units.UNITS[unit] if about & set(rule.about))
    return tuple(dict.fromkeys(rule.static_assert for rule in (broken, *others)))


def _elaborated(
    tool: Simulator, unit: str, parameters: Mapping[str, int], files: list[str]
) -> subprocess.CompletedProcess[str]:
    if tool.name == "verilator":
        overrides = [f"-G{name}={value}" for name, value in parameters.items()]
        command = [
            "verilator", "--lint-only", "--default-language", "1364-2005",
            "--top-module", unit, *overrides, *files,
        ]  # fmt: skip
    else:
        overrides = [f"-P{unit}.{name}={value}" for name, value in parameters.items()]
        command = ["iverilog", "-g2005", "-tnull", "-s", unit, *overrides, *files]
    return run_briefly(command, tool.env())
