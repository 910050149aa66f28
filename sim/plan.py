"""What to play: which layers, which stimulus, how much of it, on which units."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from golden import bounds
from golden.integer import InputError, IntArray, Overflow
from golden.layer import LabelledInputs, QuantLayer
from golden.spec import MvauSpec
from sim.paths import LAYERS
from tb import stimulus
from tb.case import DENSE, UNROLLED, Case, Stimulus

# A layer of any size is played in about half a minute: what is beyond these beats is left to exact
# arithmetic, which is about all rows and all inputs anyway. The verdict says how much was played.
MAC_BEATS = 32_000
MVAU_BEATS = 100_000
MAC_IMAGES = 4
UNIFORM_VECTORS = 64


@dataclass(frozen=True, eq=False)
class NamedLayer:
    """A layer under a name for people, ``slug`` for files."""

    name: str
    slug: str
    layer: QuantLayer


@dataclass(frozen=True)
class Question:
    """How the layers are to be run; the file formats carry the rest."""

    acc_bits: int
    pe: int | None = None  # None: the widest that divides, up to 5
    simd: int | None = None  # None: the widest that divides, up to 8
    overflow: Overflow = Overflow.WRAP
    stalls: dict[str, str] = field(default_factory=dict)
    seed: int = 1
    waves: bool = False
    units: tuple[str, ...] = DENSE
    observe: bool = True  # the units have overflow bits
    pace: int = 1  # cycles that they may take for a beat


def shipped_layers(acc_bits: int, folder: Path = LAYERS) -> list[NamedLayer]:
    """Return the A2Q layer for P (or the nearest P below) and the unconstrained one.

    Errors: InputError if P is below every trained layer.
    """
    trained = sorted(int(path.stem.removeprefix("a2q-p")) for path in folder.glob("a2q-p*.npz"))
    below = [p for p in trained if p <= acc_bits]
    if not below:
        first = (
            f"where the trained layers in {folder} begin" if trained else f"but {folder} has none"
        )
        raise InputError(f"ACC must be at least {min(trained, default=2)}, {first}, got {acc_bits}")
    p = below[-1]
    return [
        NamedLayer(f"A2Q, P={p}", f"a2q_p{p}", QuantLayer.load(folder / f"a2q-p{p}.npz")),
        NamedLayer("unconstrained", "unconstrained", QuantLayer.load(folder / "unconstrained.npz")),
    ]


def shipped_images(folder: Path = LAYERS) -> LabelledInputs:
    return LabelledInputs.load(folder / "test-images.npz")


def cases(question: Question, named: NamedLayer, data: LabelledInputs | None) -> list[Case]:
    """Return one case for each unit that is asked about.

    Errors: InputError if the layer can not be folded as asked, or starts its accumulators elsewhere
    than the units do, or the data is not for it.
    """
    layer = named.layer
    if layer.acc_bias.any():
        raise InputError(
            f"acc_bias of {named.name} must be 0, where the units start every accumulator, "
            f"got {layer.acc_bias[layer.acc_bias != 0][0]}"
        )
    if data is not None and (data.inputs != layer.inputs or data.values.shape[1] != layer.mw):
        raise InputError(
            f"inputs for {named.name} must be {layer.mw} {layer.inputs} integers, "
            f"got {data.values.shape[1]} {data.inputs}"
        )
    if data is not None and data.labels.max() >= layer.mh:
        raise InputError(
            f"labels for {named.name} must be below MH={layer.mh}, got {data.labels.max()}"
        )
    if data is None:
        rng = np.random.default_rng(question.seed)
        given = stimulus.uniform(layer.weights, layer.inputs, UNIFORM_VECTORS, rng)
    else:
        given = Stimulus(stimulus.REAL, data.values)
    makers = {"mac": _mac_case, "mvau": _mvau_case, UNROLLED: _unrolled_case}
    return [makers[unit](question, named, given) for unit in question.units]


def _mac_case(question: Question, named: NamedLayer, given: Stimulus) -> Case:
    """Play as many rows as the budget allows, all vectors against all of them."""
    layer = named.layer
    given = Stimulus(given.family, given.vectors[:MAC_IMAGES])

    def beats(rows: int) -> int:
        return rows * layer.mw * (4 * rows + len(given.vectors))

    rows = max((n for n in range(1, layer.mh + 1) if beats(n) <= MAC_BEATS), default=1)
    weights = layer.weights[_hardest_rows(layer, rows)]
    spec = layer.spec(question.acc_bits, **_policy(question))
    return _case(question, named, "mac", replace(spec, mh=rows), weights, weights, given)


def _mvau_case(question: Question, named: NamedLayer, given: Stimulus) -> Case:
    layer = named.layer
    folds = _widest_divisor(layer.mh, 5), _widest_divisor(layer.mw, 8)
    return _matrix_case(question, named, given, "mvau", *folds)


def _unrolled_case(question: Question, named: NamedLayer, given: Stimulus) -> Case:
    return _matrix_case(question, named, given, UNROLLED, named.layer.mh, named.layer.mw)


def _matrix_case(
    question: Question, named: NamedLayer, given: Stimulus, unit: str, pe: int, simd: int
) -> Case:
    """Play all rows, against as much data and as many rows' worst cases as the budget allows."""
    layer = named.layer
    pe = pe if question.pe is None else question.pe
    simd = simd if question.simd is None else question.simd
    spec = layer.spec(question.acc_bits, pe=pe, simd=simd, **_policy(question))
    vectors = MVAU_BEATS // spec.total_fold
    given = Stimulus(given.family, given.vectors[: max(1, vectors // 2)])
    hardest = layer.weights[_hardest_rows(layer, max(1, vectors // 8))]
    return _case(question, named, unit, spec, layer.weights, hardest, given)


def _policy(question: Question) -> dict[str, int]:
    return {"overflow": question.overflow, "observe": question.observe}


def _case(
    question: Question, named: NamedLayer, unit: str, spec: MvauSpec,
    weights: IntArray, hardest: IntArray, given: Stimulus,
) -> Case:  # fmt: skip
    adverse = (make(hardest, spec.inputs) for make in (stimulus.worst_case, stimulus.mixed_signs))
    return Case(
        unit, spec, named.slug, weights, (given, *adverse),
        stalls=question.stalls, seed=question.seed, pace=question.pace,
    )  # fmt: skip


def _hardest_rows(layer: QuantLayer, count: int) -> IntArray:
    """Return the indices, in order, of the rows that can go farthest out."""
    lo, hi = bounds.exact_range(layer.weights, layer.inputs)
    farthest_first = np.argsort(-np.maximum(hi, ~lo), kind="stable")
    return np.sort(farthest_first[:count])


def _widest_divisor(n: int, limit: int) -> int:
    return max(d for d in range(1, limit + 1) if n % d == 0)
