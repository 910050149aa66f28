"""Explorations: a few drawn values that numpy expands to hundreds of vectors, on golden or on RTL.

Hypothesis draws a spec, a family of weights, a seed, and lanes to set to an end of their range:
little to search, and little to shrink. A failure on RTL is made as small as it gets and kept as a
case file, and says how to play it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis import target
from rtl_suite import SPECS
from strategies import FAMILIES, Family, near_bound, seeds, specs, uniform

from golden import bounds, mvau
from golden.fixup import bring_back
from golden.integer import BoolArray, IntArray, Overflow
from golden.mvau import Outcome
from golden.spec import MvauSpec
from sim import batch
from sim.paths import RTL
from tb import stimulus
from tb.case import DEPTHWISE, Case, Stimulus
from tb.stalls import STREAMS

VECTORS = 256  # of a case, at least

# Smallest first, so that failures shrink to a small unit.
MORE = (
    MvauSpec(64, 2, 1, 32, 4, 4, 12),  # a tree of five levels
    MvauSpec(26, 20, 1, 1, 12, 11, 27, True, Overflow.SATURATE),  # many beats, many folds
    MvauSpec(6, 4, 2, 3, 5, 12, 18, True, Overflow.SATURATE, False),  # nobody watches
    MvauSpec(8, 4, 2, 4, 15, 14, 32, True),
)
POOL = sorted((*SPECS.values(), *MORE), key=lambda spec: (spec.mw * spec.mh, spec.acc_bits))
PATTERNS = (
    "never",
    "every-2",
    "every-3",
    "bursts-1-3",
    "bursts-3-1",
    "random-30",
    "random-70",
    "late-20",
)

# Made once: to make a strategy takes longer than to draw from it.
STALLS = st.dictionaries(st.sampled_from(STREAMS), st.sampled_from(PATTERNS))
RESETS = st.none() | st.integers(0, 400)  # cycles, less than any case of 256 vectors takes
SEEDS = st.integers(0, 15)  # of the case: what registers start from, what a reset meets
FAMILY = st.integers(0, 7)
ENDS = st.lists(st.tuples(st.integers(0, 63), st.booleans()), max_size=3)  # lanes, modulo MW


# One matrix, folded in every way that differs: no fold at all, folds of one kind, of both, of one.
FOLDS = [
    MvauSpec(12, 6, pe, simd, 4, 4, 9, signed_input=True)
    for pe, simd in ((1, 1), (1, 12), (6, 1), (2, 3), (3, 4), (6, 12))
]


@dataclass(frozen=True, repr=False)
class Backend:
    """Something that answers cases, the specs that it knows, and pairs that differ in folding."""

    name: str
    specs: st.SearchStrategy[MvauSpec]
    refolded: st.SearchStrategy[tuple[MvauSpec, MvauSpec]]
    answer: Callable[[Case], Outcome]

    def __repr__(self) -> str:
        return self.name


def golden_answer(case: Case) -> Outcome:
    """Return what the fast golden model makes of a case, flags as a unit shows them."""
    outcome = mvau.outcome(case.spec, case.weights, case.vectors, case.depthwise)
    return replace(outcome, overflow=outcome.overflow & case.spec.observe)


def rtl_answer(case: Case, rtl: Path = RTL) -> Outcome:
    """Return what the RTL makes of a case, which must be what the golden model makes of it."""
    played = batch.judge(_loaded(case.spec, case.unit, rtl), case)
    if not played.passed:
        played = batch.play(batch.smallest(case, rtl), rtl)
        raise AssertionError(f"\n{played.report}\n  replay    {played.replay}")
    assert played.outcome is not None
    return played.outcome


@cache
def _loaded(spec: MvauSpec, unit: str, rtl: Path) -> batch.Model:
    """Load a unit once; to look whether its sources have changed takes as long as to ask it."""
    return batch.load(spec, unit, rtl)


@st.composite
def refolded(draw: st.DrawFn) -> tuple[MvauSpec, MvauSpec]:
    spec = draw(specs())
    pe, simd = (
        draw(st.sampled_from([n for n in range(1, whole + 1) if whole % n == 0]))
        for whole in (spec.mh, spec.mw)
    )
    return spec, replace(spec, pe=pe, simd=simd)


GOLDEN = Backend("golden", specs(), refolded(), golden_answer)
FOLD = st.sampled_from(FOLDS)
ON_RTL = Backend("rtl", st.sampled_from(POOL), st.tuples(FOLD, FOLD), rtl_answer)


Rows = Callable[[np.random.Generator, MvauSpec], IntArray]


def of_family(family: Family) -> Rows:
    return lambda rng, spec: family(rng, spec.weights, (spec.mh, spec.mw))


def adverse(rng: np.random.Generator, spec: MvauSpec) -> IntArray:
    """Return rows whose sums reach the ends of the range, and one past them."""
    return stimulus.adverse_layer(spec, rng)[0]


def has_zero(spec: MvauSpec) -> bool:
    """Whether rows can be brought inside any range: what is bipolar is never zero."""
    return not spec.bipolar_weight


def inside(rng: np.random.Generator, spec: MvauSpec) -> IntArray:
    """Return rows of any weights, each brought into its exact range by the smallest change.

    Bipolar ones stay bipolar, and maybe outside.
    """
    rows = uniform(rng, spec.weights, (spec.mh, spec.mw))
    fixed, _ = bring_back(rows, spec.acc_bits, spec.inputs)
    return fixed if has_zero(spec) else spec.weights.nearest(fixed)


def brimful(rng: np.random.Generator, spec: MvauSpec) -> IntArray:
    """Return rows inside the exact range that one more LSB of any weight would carry out of it.

    But for weights that are at their ends.
    """
    rows = inside(rng, spec)
    for row in rows if has_zero(spec) else ():
        (lo,), (hi,) = bounds.exact_range(row[None], spec.inputs)
        up, down = int(spec.acc.maximum - hi), int(lo - spec.acc.minimum)
        for lane in rng.permutation(spec.mw).tolist():
            for sign in rng.permutation([-1, 1]).tolist():
                weight = int(row[lane])
                if weight * sign < 0:
                    continue
                # What one LSB outward adds to the highest sum, and takes from the lowest.
                highest, lowest = (spec.inputs.maximum, -spec.inputs.minimum)[::sign]
                end = spec.weights.maximum if sign > 0 else spec.weights.minimum
                free = [room // each for room, each in ((up, highest), (down, lowest)) if each]
                steps = min(abs(end - weight), *free)
                row[lane] += sign * steps
                up, down = up - steps * highest, down - steps * lowest
    return rows


def is_inside(rows: IntArray, spec: MvauSpec) -> BoolArray:
    """Return, for each row (MH, MW), whether its exact range fits P."""
    lo, hi = bounds.exact_range(rows, spec.inputs)
    return np.asarray((lo >= spec.acc.minimum) & (hi <= spec.acc.maximum))


ANY: tuple[Rows, ...] = (*map(of_family, FAMILIES), near_bound, adverse, brimful)


def expanded(
    spec: MvauSpec,
    weights: IntArray,
    rng: np.random.Generator,
    ends: list[tuple[int, bool]],
    depthwise: bool = False,
) -> tuple[Stimulus, ...]:
    """Return 256 vectors and more of all families; of the last ones, set lanes to their ends."""
    families = stimulus.systematic(weights, spec.inputs, depthwise)
    missing = max(1, VECTORS - sum(len(each.vectors) for each in families))
    if depthwise:
        missing *= spec.mh  # each row has its own
    fill = FAMILIES[-1](rng, spec.inputs, (missing, spec.mw))
    half = rng.random(missing) < 0.5  # a stretch of each vector at the worst, the rest anything
    row = rng.integers(0, 2 * spec.mh, missing)
    if depthwise:
        row = row // spec.mh * spec.mh + np.arange(missing) % spec.mh
    worst = np.concatenate(bounds.worst_case_inputs(weights, spec.inputs))[row]
    stretch = np.sort(rng.integers(0, spec.mw + 1, (missing, 2)), axis=1)
    lanes = np.arange(spec.mw)
    at_worst = (stretch[:, :1] <= lanes) & (lanes < stretch[:, 1:]) & half[:, None]
    fill = np.where(at_worst, worst, fill)
    for lane, high in ends:
        fill[:, lane % spec.mw] = spec.inputs.maximum if high else spec.inputs.minimum
    return (*families, Stimulus(stimulus.UNIFORM, fill.reshape(-1, families[0].vectors.shape[1])))


@st.composite
def cases(
    draw: st.DrawFn,
    drawn_specs: st.SearchStrategy[MvauSpec],
    rows: tuple[Rows, ...] = ANY,
    stalls: bool = False,
    reset: bool = False,
    unit: str = "mvau",
) -> Case:
    """Draw a unit, rows of one family, and 256 vectors and more against them."""
    spec = draw(drawn_specs)
    spec = replace(spec, pe=1, simd=1) if unit == "mac" else spec
    rng = np.random.default_rng(draw(seeds()))
    weights = rows[draw(FAMILY) % len(rows)](rng, spec)
    ends = draw(ENDS)
    return Case(
        unit, spec, "explored", weights, expanded(spec, weights, rng, ends, unit == DEPTHWISE),
        stalls=draw(STALLS) if stalls else {}, reset_after=draw(RESETS) if reset else None,
        seed=draw(SEEDS) if reset else 1,
    )  # fmt: skip


def toward_the_edge(case: Case) -> None:
    """Tell hypothesis how near the exact sums come to the end of the range, or how far past it."""
    peak = np.abs(mvau.matvec(case.weights, case.vectors, case.depthwise)).max()
    target(min(2.0, float(peak) / case.spec.acc.maximum), label="peak sum / end of the range")
