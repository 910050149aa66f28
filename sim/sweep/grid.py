"""Where does overflow start? A grid of units, each played on the batch engine, and judged.

Nearly all of the time goes into builds, which are kept; to play a point takes milliseconds. So a
sweep that was stopped and is asked for again goes on where it was, with nothing else to keep.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import chain, product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from golden import bounds
from golden.fixup import bring_back
from golden.integer import InputError, IntArray, Overflow
from golden.layer import LabelledInputs, QuantLayer
from golden.spec import MvauSpec
from sim import batch, plan
from sim.check import LayerVerdict
from sim.paths import LAYERS, RTL
from sim.plan import NamedLayer
from sim.process import ending_children
from sim.rtl import rtl_hash
from sim.run import Played
from sim.tools import simulator
from tb import stimulus
from tb.case import Case, Stimulus
from tb.scoreboard import Tally

MOST_POINTS = 4096
MOST_WEIGHTS = 1 << 18  # that are generated for one layer

# The axes of a grid by the names of their variables: spec fields, and what a value may be.
AXES = {
    "ACC": ("acc_bits", 2, 64),
    "PE": ("pe", 1, 65536),
    "SIMD": ("simd", 1, 65536),
    "MW": ("mw", 1, 65536),
    "MH": ("mh", 1, 65536),
    "WEIGHT_BITS": ("weight_bits", 1, 16),
    "INPUT_BITS": ("input_bits", 1, 16),
    "SIGNED_INPUT": ("signed_input", 0, 1),
}
# The shape of generated weights, where nothing else is asked for.
SHAPE = {"mw": 64, "mh": 10, "weight_bits": 8, "input_bits": 8, "signed_input": 0}

Point = Mapping[str, int]  # spec fields; without pe or simd, ``sim.plan`` chooses
Axes = Mapping[str, Sequence[int]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Trial:
    """What is played at a point: weights under the name that they have at every point."""

    weights: str
    named: NamedLayer
    case: Case


@dataclass(frozen=True, eq=False)
class Weights:
    """What a sweep is about: the axes that come with it, and the trials at each point."""

    shape: Axes
    seed: int
    trials: Callable[[Point], list[Trial]]


@dataclass(frozen=True)
class Row:
    """What one stimulus showed at one point."""

    spec: MvauSpec
    weights: str
    layer: str  # that was played under this name
    needed_bits: int  # by its exact range
    tally: Tally

    @property
    def is_safe(self) -> bool:
        return self.needed_bits <= self.spec.acc_bits

    @property
    def share(self) -> float:
        """The share of results of which some partial sum overflowed in the RTL."""
        return self.tally.overflows_seen / self.tally.results


@dataclass(frozen=True)
class Series:
    """One stimulus against the weights of one name, on one unit at every P."""

    unit: MvauSpec  # at the widest P
    rows: tuple[Row, ...]  # by P, ascending

    @property
    def weights(self) -> str:
        return self.rows[0].weights

    @property
    def family(self) -> str:
        return self.rows[0].tally.family

    @property
    def widest_overflow(self) -> int | None:
        """The widest P at which an overflow was seen."""
        return max(
            (row.spec.acc_bits for row in self.rows if row.tally.overflows_seen), default=None
        )

    @property
    def needed_bits(self) -> int | None:
        """The smallest P that is safe for these weights; None if they are others at every P."""
        needed = {row.needed_bits for row in self.rows}
        one_layer = len({row.layer for row in self.rows}) == 1
        return needed.pop() if one_layer and len(needed) == 1 else None


@dataclass(frozen=True)
class Swept:
    """What the points of a grid showed, in the grid's order."""

    rows: tuple[Row, ...]
    failures: tuple[str, ...]
    points: int  # that were played
    left_out: int  # that no unit can be made for
    seed: int
    simulator: str
    rtl_hash: str

    @property
    def passed(self) -> bool:
        return bool(self.rows) and not self.failures

    def values(self, field: str) -> list[int]:
        """Return the values that a field of the spec has in this grid, ascending."""
        return sorted({int(getattr(row.spec, field)) for row in self.rows})

    @property
    def varying(self) -> list[str]:
        """The fields, other than P, that have more than one value."""
        fields = self.rows[0].spec.to_json() if self.rows else ()
        return [name for name in fields if name != "acc_bits" and len(self.values(name)) > 1]

    @property
    def series(self) -> list[Series]:
        """All series, unit by unit."""
        units: dict[tuple[MvauSpec, str, str], list[Row]] = {}
        widest = max(self.values("acc_bits"), default=0)
        for row in reversed(self.rows):  # the widest P of a unit has all weights, in their order
            unit = replace(row.spec, acc_bits=widest)
            units.setdefault((unit, row.weights, row.tally.family), []).append(row)
        return [Series(unit, tuple(reversed(rows))) for (unit, *_), rows in reversed(units.items())]


def numbers(name: str, text: str, low: int, high: int) -> tuple[int, ...]:
    """Return the numbers of a list of numbers and ranges, ascending, each once.

    Errors: InputError for anything else, and for what is not from ``low`` to ``high``.

    >>> numbers("ACC", "16,8..11", 2, 64)
    (8, 9, 10, 11, 16)
    """
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,10})(?:\.\.([0-9]{1,10}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (low - 1, low - 1)
        if not low <= min(first, last) <= max(first, last) <= high:
            raise InputError(
                f"{name} must be integers from {low} to {high}, "
                f"one, a list (A,B) or a range (A..B), got {text!r}"
            )
        if first > last:
            raise InputError(f"{name} must have ranges that ascend, got {text!r}")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def spelled(values: Sequence[int]) -> str:
    """Return ascending numbers as ``numbers`` reads them, runs of three and more as ranges.

    >>> spelled([8, 9, 10, 11, 16, 17])
    '8..11,16,17'
    """
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ",".join(
        f"{run[0]}..{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs
    )


def grid(axes: Axes) -> tuple[list[Point], int]:
    """Return the points of the product for which a unit can be made, and how many others there are.

    P varies fastest. Errors: InputError if there is no such point, or if there are too many points.
    """
    count = prod(map(len, axes.values()))
    if count > MOST_POINTS:
        raise InputError(f"a sweep must have at most {MOST_POINTS} points, got {count}")
    names = sorted(axes, key=lambda name: name == "acc_bits")
    points: list[Point] = []
    broken_rule = ""
    for values in product(*(axes[name] for name in names)):
        point = dict(zip(names, values, strict=True))
        try:
            _unit(point)
            points.append(point)
        except InputError as error:
            broken_rule = str(error)
    if not points:
        raise InputError(f"a sweep must have a point for which a unit can be made: {broken_rule}")
    return points, count - len(points)


def shipped(seed: int, trained: int = 16, folder: Path = LAYERS) -> Weights:
    """Play the shipped layers: A2Q's for each P, A2Q's for ``trained`` bits, the unconstrained one.

    Errors: InputError if no layer was trained for ``trained`` bits.
    """
    fixed = plan.shipped_layers(trained, folder)[0]
    if fixed.layer.trained_acc_bits != trained:
        raise InputError(f"TRAINED must be a width that a layer was trained for, got {trained}")
    unconstrained = plan.shipped_layers(trained, folder)[1]
    images = plan.shipped_images(folder)
    narrowest = min(int(path.stem.removeprefix("a2q-p")) for path in folder.glob("a2q-p*.npz"))

    def trials(point: Point) -> list[Trial]:
        layers = {fixed.name: fixed, "unconstrained": unconstrained}
        if point["acc_bits"] >= narrowest:
            layers = {"A2Q for each P": plan.shipped_layers(point["acc_bits"], folder)[0], **layers}
        return [_trial(point, seed, name, named, images) for name, named in layers.items()]

    return Weights(_shape(fixed.layer), seed, trials)


def given(named: NamedLayer, data: LabelledInputs | None, seed: int) -> Weights:
    """Play one layer at every point."""
    return Weights(
        _shape(named.layer), seed, lambda point: [_trial(point, seed, named.name, named, data)]
    )


def generated(shape: Axes, seed: int) -> Weights:
    """Play weights from the seed: any, the same brought into P bits, and rows at the edge of P.

    Errors: InputError if a layer of the grid is too large to be generated.
    """
    shape = {name: shape.get(name, (value,)) for name, value in SHAPE.items()}
    largest = max(shape["mw"]) * max(shape["mh"])
    if largest > MOST_WEIGHTS:
        raise InputError(f"MW*MH must be at most {MOST_WEIGHTS} in a sweep, got {largest}")

    def trials(point: Point) -> list[Trial]:
        spec = _unit(point)
        rng = np.random.default_rng([seed, zlib.crc32(b"weights")])
        size = (spec.mh, spec.mw)
        any_weights = rng.integers(spec.weights.minimum, spec.weights.maximum + 1, size)
        inside, _ = bring_back(any_weights, spec.acc_bits, spec.inputs)
        first, second = (
            _trial(point, seed, name, NamedLayer(layer, slug, _layer(spec, weights)), None)
            for name, layer, slug, weights in (
                ("inside P bits", f"inside {spec.acc_bits} bits", "inside", inside),
                ("unconstrained", "unconstrained", "uniform", any_weights),
            )
        )
        spec = first.case.spec
        weights, stimuli = stimulus.adverse_layer(spec, rng)
        (edges,) = (each.vectors for each in stimuli if each.family == stimulus.EDGES)
        edges = edges[: max(1, plan.MVAU_BEATS // 4 // spec.total_fold)]
        case = Case("mvau", spec, "edges", weights, (Stimulus(stimulus.EDGES, edges),), seed=seed)
        named = NamedLayer(f"at the edge of {spec.acc_bits} bits", "edges", _layer(spec, weights))
        return [first, Trial("at the edge of P", named, case), second]

    return Weights(shape, seed, trials)


def sweep(
    axes: Axes, weights: Weights, progress: Progress = lambda done, of: None, rtl: Path = RTL
) -> Swept:
    """Play all points of a grid on all cores, and judge each.

    ``axes`` hold acc_bits, overflow and, where ``sim.plan`` shall not choose, pe and simd. Errors:
    InputError for what can not be asked, before anything is built; SimulationError if a unit does
    not build.
    """
    points, left_out = grid({**weights.shape, **axes})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(_played, point, weights, rtl) for point in points]
        try:
            for done, run in enumerate(as_completed(runs), start=1):
                run.result()
                progress(done, len(runs))
        except BaseException:
            with ending_children():
                pool.shutdown(cancel_futures=True)
            raise
    rows, failures = zip(*(run.result() for run in runs), strict=True)
    return Swept(
        tuple(chain.from_iterable(rows)), tuple(chain.from_iterable(failures)), len(points),
        left_out, weights.seed, simulator("verilator").version, rtl_hash(rtl),
    )  # fmt: skip


def _shape(layer: QuantLayer) -> Axes:
    """Return the axes on which all points of a layer lie at one place."""
    spec = layer.spec(acc_bits=64).to_json()
    return {name: (spec[name],) for name in SHAPE}


def _unit(point: Point) -> MvauSpec:
    """Return the unit of a point, of one lane where the point does not say."""
    fields: dict[str, Any] = {"pe": 1, "simd": 1, **point}
    return MvauSpec(**fields)


def _trial(
    point: Point, seed: int, weights: str, named: NamedLayer, data: LabelledInputs | None
) -> Trial:
    question = plan.Question(
        point["acc_bits"], point.get("pe"), point.get("simd"), Overflow(point["overflow"]),
        seed=seed,
    )  # fmt: skip
    (case,) = (case for case in plan.cases(question, named, data) if case.unit == "mvau")
    return Trial(weights, named, case)


def _layer(spec: MvauSpec, weights: IntArray) -> QuantLayer:
    return QuantLayer(weights, spec.weight_bits, spec.inputs)


def _played(point: Point, weights: Weights, rtl: Path) -> tuple[list[Row], list[str]]:
    """Play one point; return what was seen, and all that is wrong with it."""
    played: dict[str, Played] = {}  # two names may stand for one layer
    rows, failures = [], []
    for trial in weights.trials(point):
        case = trial.case
        if case.id not in played:
            played[case.id] = batch.play(case, rtl)
            failures += _failures(trial, played[case.id])
        needed = bounds.layer_bits(case.weights, case.spec.inputs)
        rows += [
            Row(case.spec, trial.weights, trial.named.name, needed, tally)
            for tally in played[case.id].tallies
            if tally.results
        ]
    if not rows and not failures:
        failures.append(f"P={point['acc_bits']}: nothing was played")
    return rows, failures


def _failures(trial: Trial, played: Played) -> list[str]:
    """Return what is wrong with a case, with the command that plays it again; empty if nothing."""
    case = trial.case
    if played.report:
        found = played.report.split("\n\n")[:1]
    else:
        verdict = LayerVerdict(trial.named, case.spec.acc_bits, (played,), None, None, None)
        found = verdict.failures
        compared = {tally.family for tally in played.tallies if tally.results}
        if not found and compared != set(case.families):
            found = [f"{case.unit}, {trial.named.name}: not all of its stimuli were compared"]
        if found:
            case.save(played.folder / "case.json")  # of a report, the engine has kept it
    text = "\n".join([*found, f"  replay    {played.replay}"])
    return [f"P={case.spec.acc_bits}: {text}"] if found else []
