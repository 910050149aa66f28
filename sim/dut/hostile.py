"""Hostile cases: foreign RTL meets what ours meets, on small specs, on the fast engine.

They are played in a process of its own (``sim.dut.hostile_child``): foreign RTL may crash, print
without an end, or loop for ever between two edges of its clock.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from golden.integer import InputError
from golden.spec import MvauSpec
from sim import batch
from sim.batch.library import library
from sim.cache import CompilerError, SimulationError
from sim.dut.dut import Dut
from sim.process import ending_children, run_logged
from sim.regress import suites
from sim.run import Played
from tb.case import Case
from tb.stimulus import adverse_case

ASKED, MET, CASE = "asked.json", "met.json", "case.json"
LIMIT_S = 1800
MOST_CPU_S = 20.0  # of one case, or of making one small, which takes a fraction of it

SPECS = (
    "signed, saturating, odd tree",
    "no folds",
    "one lane, folds only",
    "P far under a product",
    "signed inputs of one bit",
    "P a product, seven lanes",
    "narrowest",
    "bipolar weights and inputs",
)
STALLS: tuple[dict[str, str], ...] = (
    {"input": "random-50"},
    {"weight": "bursts-3-5"},
    {"output": "random-70"},
    {"input": "every-3", "weight": "random-30", "output": "bursts-1-4"},
    {"input": "late-20", "weight": "late-9", "output": "late-60"},
)
RESETS = (0, 1, 2, 5, 7)  # cycles: before and after the first beats and the first folds
_ALL = STALLS[3]
_DEATHS = {
    -signal.SIGPROF: "comes to no end between two edges of its clock",
    None: f"was not through with all hostile cases after {LIMIT_S // 60} minutes",
}
MOST_TOLD = 3


@dataclass(frozen=True)
class Hostile:
    """What came of the hostile cases; of a few specs that fail one case is told, made small."""

    specs: tuple[MvauSpec, ...]
    cases: int
    results: int
    failing: int
    failed: tuple[Played, ...]


def specs(dut: Dut) -> list[MvauSpec]:
    """Return small specs that the unit takes.

    Errors: InputError if its limits leave none.
    """
    named = (suites.specs()[name] for name in SPECS)
    fitting = {spec.id: spec for each in named if (spec := _fitted(dut, each)) is not None}
    if not fitting:
        raise InputError(f"{dut.path.name}: [limits] must leave a spec to play, and leave none")
    return list(fitting.values())


def _fitted(dut: Dut, spec: MvauSpec) -> MvauSpec | None:
    """Return a spec like ``spec`` that the unit takes; None if there is none."""
    fields: dict[str, Any] = spec.to_json() | {"observe": dut.observes}
    if dut.unit == "mac":
        fields |= {"pe": 1, "simd": 1}
    for name, (low, high) in dut.limits.items():
        fields[name] = min(max(fields[name], low), high)
    if spec.overflow not in dut.policies:
        fields["overflow"] = dut.policies[0]
    try:
        whole = MvauSpec(**fields | {"pe": 1, "simd": 1})
    except InputError:  # the limits are about values that only make sense together
        return None
    for part, of in (("pe", whole.mh), ("simd", whole.mw)):
        folds = divisors(of, *dut.limits.get(part, (1, of)))
        if not folds:
            return None
        fields[part] = min(folds, key=lambda n: abs(n - fields[part]))
    return replace(whole, pe=fields["pe"], simd=fields["simd"])


def divisors(whole: int, low: int, high: int) -> list[int]:
    """Return the divisors of ``whole`` from ``low`` to ``high``."""
    return [n for n in range(max(low, 1), min(high, whole) + 1) if whole % n == 0]


def cases(dut: Dut, spec: MvauSpec, seed: int) -> Iterator[Case]:
    """Yield all families back to back; the edges with each stream stalled, and cut by resets."""

    def case(seed: int, **others: Any) -> Case:
        return adverse_case(dut.unit, spec, seed, pace=dut.cycles_per_beat, **others)

    yield case(seed)
    for more, stalls in enumerate(STALLS, start=1):
        yield case(seed + more, edges_only=True, stalls=stalls)
    for stalls in ({}, _ALL):
        for cycles in RESETS:
            yield case(seed, edges_only=True, stalls=stalls, reset_after=cycles)


def play(dut: Dut, seed: int, progress: Callable[[str], None] = lambda line: None) -> Hostile:
    """Play the hostile cases of every spec that the unit takes.

    Errors: InputError for what the description says and the RTL does not have, at any of the specs;
    SimulationError if the unit does not build, or does not survive.
    """
    chosen = specs(dut)
    for spec in chosen:
        dut.elaborated(spec.verilog_parameters(dut.unit))
    progress(f"playing hostile cases on {len(chosen)} small specs")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            list(pool.map(lambda spec: _build(dut, spec), chosen))
        except BaseException:
            with ending_children():
                pool.shutdown(cancel_futures=True)
            raise
    return _meet(dut, chosen, seed)


def _build(dut: Dut, spec: MvauSpec) -> None:
    try:
        library(dut.unit, spec.verilog_parameters(dut.unit), dut)
    except CompilerError:
        raise
    except SimulationError as error:
        raise SimulationError(
            f"{error}; if the unit does not take {spec.id}, [limits] must say so"
        ) from None


def _meet(dut: Dut, chosen: Sequence[MvauSpec], seed: int) -> Hostile:
    with tempfile.TemporaryDirectory(prefix="a2q-") as name:
        folder = Path(name)
        asked = {
            "dut": str(dut.path), "specs": [spec.to_json() for spec in chosen], "seed": seed,
            "most_cpu_s": MOST_CPU_S,
        }  # fmt: skip
        (folder / ASKED).write_text(json.dumps(asked), encoding="utf-8")
        command = [sys.executable, "-m", "sim.dut.hostile_child", name]
        status = run_logged(command, folder / "out.log", os.environ, Path.cwd(), LIMIT_S)
        if (folder / MET).exists():
            met = json.loads((folder / MET).read_text(encoding="utf-8"))
            failed = tuple(
                Played(Case.load(Path(home) / "case.json"), Path(home), report, rtl=dut)
                for home, report in met["failed"]
            )
            return Hostile(tuple(chosen), met["cases"], met["results"], met["failing"], failed)
        if (folder / CASE).exists() and (status is None or status < 0):
            how = _DEATHS.get(status, "crashes the simulation")
            played = batch.kept(Played(Case.load(folder / CASE), folder, how, rtl=dut))
            raise SimulationError(f"{dut.top} {how}, in {played.case.id}; replay: {played.replay}")
        said = (folder / "out.log").read_text(encoding="utf-8", errors="replace")
        raise SimulationError(f"hostile cases were not played: {said.strip()[-2000:]}")
