"""Hostile cases: foreign RTL meets what ours meets, on small specs, on the fast engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from golden.integer import InputError
from golden.spec import MvauSpec
from sim import batch
from sim.cache import CompilerError, SimulationError
from sim.dut.dut import Dut
from sim.process import ending_children
from sim.regress import suites
from sim.run import Played
from tb.case import Case
from tb.stimulus import adverse_case

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
    for part, whole in (("pe", "mh"), ("simd", "mw")):
        low, high = dut.limits.get(part, (1, fields[whole]))
        divisors = [n for n in range(low, high + 1) if n > 0 and fields[whole] % n == 0]
        if not divisors:
            return None
        fields[part] = min(divisors, key=lambda n: abs(n - fields[part]))
    if spec.overflow not in dut.policies:
        fields["overflow"] = dut.policies[0]
    try:
        return MvauSpec(**fields)
    except InputError:  # the limits are about values that only make sense together
        return None


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
    SimulationError if the unit does not build.
    """
    chosen = specs(dut)
    for spec in chosen:
        dut.elaborated(spec.verilog_parameters(dut.unit))
    progress(f"playing hostile cases on {len(chosen)} small specs")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            played = list(pool.map(lambda spec: _play(dut, spec, seed), chosen))
        except BaseException:
            with ending_children():
                pool.shutdown(cancel_futures=True)
            raise
    failures = [[each for each in of if not each.passed] for of in played]
    told = [of[0].case for of in failures if of][:MOST_TOLD]
    return Hostile(
        tuple(chosen),
        sum(map(len, played)),
        sum(tally.results for of in played for each in of for tally in each.tallies),
        sum(map(len, failures)),
        tuple(batch.play(batch.smallest(case, dut), dut) for case in told),
    )


def _play(dut: Dut, spec: MvauSpec, seed: int) -> list[Played]:
    try:
        model = batch.load(spec, dut.unit, dut)
    except CompilerError:
        raise
    except SimulationError as error:
        raise SimulationError(
            f"{error}; if the unit does not take {spec.id}, [limits] must say so"
        ) from None
    return [batch.judge(model, case) for case in cases(dut, spec, seed)]
