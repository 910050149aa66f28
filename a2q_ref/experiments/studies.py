"""The experiments: which layers each compares, what it measures on them, what the numbers say.

A point is a series (a line in the plot) and a place on its axis: P, or lambda. It is measured once
for each seed, and once more for each order of the columns if there are several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from a2q_ref.jobs import Job, dataset
from a2q_ref.scheme import Method, Rounding, Scheme
from a2q_ref.training import Recipe
from golden.bounds import data_type_bound, l1_norm, layer_bits
from golden.integer import Format, InputError, Overflow
from golden.layer import QuantLayer
from golden.mvau import run

WIDTHS = range(10, 21)
OVERFLOW_WIDTHS = range(8, 21)
LAMBDAS = (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
PENALTY_WIDTHS = (12, 14, 16)
FEW_BITS = {3: range(4, 12), 4: range(5, 14)}  # M = N: widths
ORDERS = 5  # random orders of the columns
MOST_IMAGES = 1000  # to count overflows on
AT_ONCE = 1 << 20  # products, to stay small
ONE_POINT = 0.01  # of accuracy

BASELINE, A2Q, A2Q_PLUS = "baseline", "A2Q", "A2Q+"
WRAP, SATURATE, SHUFFLED = "wrap", "saturate", "saturate, random orders"
TOWARD_ZERO, HALF_WAY = "to zero", "half-way"

Measured = dict[str, float]


@dataclass(frozen=True)
class Question:
    """What is asked of all experiments."""

    data: Path | None
    recipe: Recipe
    seeds: int


@dataclass(frozen=True)
class Point:
    """One place on one line: a scheme, or why there is none."""

    series: str
    x: float
    scheme: Scheme | None
    refused: str = ""
    penalty_weight: float = Recipe.penalty_weight

    @classmethod
    def of(cls, series: str, x: float, *scheme: object, **others: object) -> Point:
        try:
            return cls(series, x, Scheme(*scheme, **others))
        except InputError as error:
            return cls(series, x, None, str(error))

    def jobs(self, question: Question) -> list[Job]:
        if self.scheme is None:
            return []
        recipe = replace(question.recipe, penalty_weight=self.penalty_weight)
        return [
            Job(question.data, replace(recipe, seed=seed), self.scheme)
            for seed in range(question.seeds)
        ]


@dataclass(frozen=True)
class Row:
    """A point with all that was measured there: each measure's values, over seeds and orders."""

    series: str
    x: float
    values: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Results:
    rows: tuple[Row, ...]
    refused: tuple[Point, ...]

    def of(self, series: str) -> list[Row]:
        return [row for row in self.rows if row.series == series]

    def values(self, series: str, x: float, measure: str) -> Sequence[float]:
        """Return what was measured at a point, nothing where there is none."""
        return next((row.values[measure] for row in self.of(series) if row.x == x), ())

    def mean(self, series: str, x: float, measure: str) -> float:
        return float(np.mean(self.values(series, x, measure)))

    def all(self, series: str, measure: str) -> list[float]:
        return [value for row in self.of(series) for value in row.values[measure]]

    def gains(self, series: str, over: str) -> dict[float, float]:
        """Return by how much a series is more accurate than another, at each place."""
        return {
            row.x: self.mean(series, row.x, "accuracy") - float(np.mean(row.values["accuracy"]))
            for row in self.of(over)
        }

    def narrowest(self, series: str, accuracy: float) -> float | None:
        """Return the smallest P down to which a series stays within a point of that accuracy."""
        kept = None
        for row in sorted(self.of(series), key=lambda row: -row.x):
            if np.mean(row.values["accuracy"]) < accuracy - ONE_POINT:
                break
            kept = row.x
        return kept


@dataclass(frozen=True, eq=False)
class Study:
    """One experiment."""

    name: str
    title: str
    points: Callable[[int], Iterator[Point]]  # of the number of inputs K
    measure: Callable[[Point, Job, QuantLayer], list[Measured]]
    measures: Mapping[str, str]  # what each is, with its unit
    columns: Sequence[tuple[str, str, str]]  # of the table: heading, series, measure
    finding: Callable[[Results], str]
    x: str = "P"

    def results(self, question: Question, layers: Mapping[Job, QuantLayer]) -> Results:
        rows, refused = [], []
        for point in self.points(inputs_of(question)):
            measured = [
                values
                for job in point.jobs(question)
                for values in self.measure(point, job, layers[job])
            ]
            if measured:
                values = {name: [each[name] for each in measured] for name in self.measures}
                rows.append(Row(point.series, point.x, values))
            else:
                refused.append(point)
        return Results(tuple(rows), tuple(refused))

    def jobs(self, question: Question) -> list[Job]:
        return [
            job for point in self.points(inputs_of(question)) for job in point.jobs(question)
        ]  # fmt: skip


def _within(kept: Mapping[str, float | None]) -> str:
    """Say down to which P each series stays within a point of an accuracy just named."""
    words = (f"{name} {f'down to P={x}' if x else 'nowhere'}" for name, x in kept.items())
    return f"within one point of that stay {', '.join(words)}"


def _extremes(values: Mapping[float, float]) -> tuple[float, float]:
    """Return where the lowest and where the highest of the values is."""
    return min(values, key=values.__getitem__), max(values, key=values.__getitem__)


def inputs_of(question: Question) -> int:
    return int(dataset(question.data, 8).test.values.shape[1])


def summary(point: Point, job: Job, layer: QuantLayer) -> list[Measured]:
    """Return what integers and origin tell of a layer, whatever it was trained for."""
    norms, origin = l1_norm(layer.weights), layer.origin
    trained = norms.copy()
    for fix in origin["fixed_rows"]:  # weights only moved toward zero
        trained[fix["row"]] += fix["change"]
    budget = job.scheme.budget
    return [
        {
            "accuracy": origin["integer_test_accuracy"],
            "sparsity": origin["sparsity"],
            "safe_bits": layer_bits(layer.weights, layer.inputs),
            "l1_norm": int(norms.max()),
            "l1_bound": float("nan") if budget is None else float(budget),
            "rows_over_bound": sum(budget is not None and int(n) > budget for n in trained)
            / layer.mh,
            "rows_over_range": len(origin["fixed_rows"]) / layer.mh,
            "rows_asking_too_much": origin["rows_asking_too_much"] / layer.mh,
            "final_loss": origin["final_loss"],
            "loss_spread": origin["loss_spread"],
        }
    ]


def played(point: Point, job: Job, layer: QuantLayer) -> list[Measured]:
    """Play test images at P = ``x`` through the golden model, one column after the other."""
    test = dataset(job.data, layer.inputs.bits).test
    every = -(-len(test.labels) // MOST_IMAGES)
    images = replace(test, values=test.values[::every], labels=test.labels[::every])
    policy = Overflow.WRAP if point.series in (WRAP, A2Q) else Overflow.SATURATE
    spec = layer.spec(point.x, overflow=policy)
    chunk = max(1, AT_ONCE // layer.weights.size)
    exact = layer.scores(layer.accumulate(images.values))
    orders = [np.arange(layer.mw)]
    if point.series == SHUFFLED:
        rng = np.random.default_rng(job.recipe.seed)
        orders = [rng.permutation(layer.mw) for _ in range(ORDERS)]
    measured = []
    for order in orders:
        parts = [
            run(spec, layer.weights[:, order], images.values[first : first + chunk, order])
            for first in range(0, len(images.values), chunk)
        ]
        scores = layer.scores(np.concatenate([part.out for part in parts]))
        overflowed = sum(int(np.count_nonzero(part.overflow)) for part in parts)
        measured.append(
            {
                "accuracy": images.accuracy(scores),
                "overflow_rate": overflowed / scores.size,
                "error": float(np.abs(scores - exact).mean() / exact.std()),
                "exact_accuracy": images.accuracy(exact),
            }
        )
    return measured


def _overflow_points(_: int) -> Iterator[Point]:
    for acc_bits in OVERFLOW_WIDTHS:
        for series in (WRAP, SATURATE, SHUFFLED):
            yield Point.of(series, acc_bits, Method.BASELINE)
        yield Point.of(A2Q, acc_bits, Method.A2Q, acc_bits=acc_bits)


def _overflow_finding(results: Results) -> str:
    exact = float(np.mean(results.all(WRAP, "exact_accuracy")))
    kept = {series: results.narrowest(series, exact) for series in (WRAP, SATURATE, SHUFFLED, A2Q)}
    at = kept[A2Q] or min(row.x for row in results.of(A2Q))
    most = max(results.all(A2Q, "overflow_rate"))
    return (
        f"With unlimited accumulators the baseline reaches {exact:.1%}; {_within(kept)}. At P={at} "
        f"{results.mean(WRAP, at, 'overflow_rate'):.1%} of the baseline's results overflow, and "
        f"its accuracy is {results.mean(WRAP, at, 'accuracy'):.1%} if they wrap, "
        f"{results.mean(SATURATE, at, 'accuracy'):.1%} if they saturate; A2Q has "
        f"{results.mean(A2Q, at, 'accuracy'):.1%}, and "
        f"{f'up to {most:.1%}' if most else 'none'} of its results overflow at any P."
    )


def _rounding_points(_: int) -> Iterator[Point]:
    for acc_bits in WIDTHS:
        for series, rounding in (
            (TOWARD_ZERO, Rounding.TOWARD_ZERO), (HALF_WAY, Rounding.HALF_WAY)
        ):  # fmt: skip
            yield Point.of(series, acc_bits, acc_bits=acc_bits, rounding=rounding)


def _rounding_finding(results: Results) -> str:
    def share(series: str, measure: str) -> str:
        return f"{np.mean(results.all(series, measure)):.1%}"

    gains = results.gains(HALF_WAY, TOWARD_ZERO)
    low, high = _extremes(gains)
    return (
        f"As trained, half-way rounding leaves {share(HALF_WAY, 'rows_over_bound')} of all rows "
        f"over A2Q's bound and {share(HALF_WAY, 'rows_over_range')} out of P bits by exact range, "
        f"toward zero {share(TOWARD_ZERO, 'rows_over_bound')} and "
        f"{share(TOWARD_ZERO, 'rows_over_range')}; rows out of P bits are brought back, and then "
        f"half-way is {100 * gains[low]:+.1f} (P={low}) to {100 * gains[high]:+.1f} points "
        f"(P={high}) in accuracy beside toward zero."
    )


def _penalty_points(_: int) -> Iterator[Point]:
    for acc_bits in PENALTY_WIDTHS:
        for weight in LAMBDAS:
            point = Point.of(f"P={acc_bits}", weight, acc_bits=acc_bits)
            yield replace(point, penalty_weight=weight)


def _penalty_finding(results: Results) -> str:
    parts = []
    for series in dict.fromkeys(row.series for row in results.rows):
        first, last = LAMBDAS[0], LAMBDAS[-1]
        over = [results.mean(series, x, "rows_asking_too_much") for x in (first, last)]
        scores = {x: results.mean(series, x, "accuracy") for x in LAMBDAS}
        low, high = _extremes(scores)
        parts.append(
            f"{series}: {over[0]:.0%} of the rows end with t above T at lambda {first:g}, "
            f"{over[1]:.0%} at {last:g}; accuracy from {scores[low]:.1%} (lambda {low:g}) to "
            f"{scores[high]:.1%} ({high:g})."
        )
    return " ".join(parts)


def _few_bits_series(method: str, bits: int) -> str:
    return f"{method}, {bits} bits"


def _few_bits_points(k: int) -> Iterator[Point]:
    for bits, widths in FEW_BITS.items():
        inputs = Format(bits, signed=False)
        enough = data_type_bound(k, bits, inputs)
        yield Point.of(_few_bits_series(BASELINE, bits), enough, Method.BASELINE, bits, inputs)
        for name, method in ((A2Q, Method.A2Q), (A2Q_PLUS, Method.A2Q_PLUS)):
            for acc_bits in widths:
                yield Point.of(
                    _few_bits_series(name, bits), acc_bits, method, bits, inputs, acc_bits
                )


def _few_bits_finding(results: Results) -> str:
    parts = []
    for bits in FEW_BITS:
        (row,) = results.of(_few_bits_series(BASELINE, bits))
        goal = float(np.mean(row.values["accuracy"]))
        kept = {
            name: results.narrowest(_few_bits_series(name, bits), goal) for name in (A2Q, A2Q_PLUS)
        }
        parts.append(
            f"With M=N={bits} the baseline reaches {goal:.1%}, and its data types need P={row.x}; "
            f"{_within(kept)}."
        )
    return " ".join(parts)


def _a2q_plus_points(_: int) -> Iterator[Point]:
    for acc_bits in WIDTHS:
        for series, method in ((A2Q, Method.A2Q), (A2Q_PLUS, Method.A2Q_PLUS)):
            yield Point.of(series, acc_bits, method, acc_bits=acc_bits)


def _a2q_plus_finding(results: Results) -> str:
    gains = results.gains(A2Q_PLUS, A2Q)
    worst, best = _extremes(gains)
    plain, plus = (results.mean(series, best, "l1_norm") for series in (A2Q, A2Q_PLUS))
    return (
        f"A2Q+ is more accurate than A2Q at {sum(gain > 0 for gain in gains.values())} of "
        f"{len(gains)} widths, most at P={best} ({100 * gains[best]:+.1f} points, "
        f"{results.mean(A2Q, best, 'accuracy'):.1%} to "
        f"{results.mean(A2Q_PLUS, best, 'accuracy'):.1%}), where its longest row "
        f"has an L1 norm of {plus:.1f} in place of {plain:.1f}; least at P={worst} "
        f"({100 * gains[worst]:+.1f} points)."
    )


_ACCURACY = {"accuracy": "share of test images, by exact integers"}
_SPARSITY = {"sparsity": "share of weights that are zero"}

STUDIES = {
    study.name: study
    for study in (
        Study(
            "overflow", "Overflow on real images", _overflow_points, played,
            {
                **_ACCURACY,
                "overflow_rate": "share of results of which a partial sum left P bits, "
                f"on at most {MOST_IMAGES} images",
                "error": "mean |score - exact score|, in standard deviations of the exact scores",
                "exact_accuracy": "accuracy of the same weights with unlimited accumulators",
            },
            [
                ("overflow\nbaseline", SATURATE, "overflow_rate"),
                ("overflow\nA2Q", A2Q, "overflow_rate"),
                ("error\nwrap", WRAP, "error"),
                ("error\nsaturate", SATURATE, "error"),
                ("accuracy\nwrap", WRAP, "accuracy"),
                ("accuracy\nsaturate", SATURATE, "accuracy"),
                ("accuracy\nsaturate\nshuffled", SHUFFLED, "accuracy"),
                ("accuracy\nA2Q", A2Q, "accuracy"),
            ],
            _overflow_finding,
        ),
        Study(
            "rounding", "Rounding in A2Q: toward zero or half-way", _rounding_points, summary,
            {
                **_ACCURACY, **_SPARSITY,
                "rows_over_bound": "share of rows over A2Q's bound as trained",
                "rows_over_range": "share of rows that some input drives out of P bits, as trained",
            },
            [
                (f"{heading}\n{series}", series, measure)
                for heading, measure in (
                    ("over\nbound", "rows_over_bound"), ("over\nrange", "rows_over_range"),
                    ("accuracy", "accuracy"), ("sparsity", "sparsity"),
                )
                for series in (TOWARD_ZERO, HALF_WAY)
            ],
            _rounding_finding,
        ),
        Study(
            "penalty", "A2Q's penalty max(t - T, 0), weighted by lambda", _penalty_points, summary,
            {
                **_ACCURACY,
                "rows_asking_too_much": "share of rows with t > T at the end, before the clamp",
                "final_loss": "cross entropy of the last epoch, in nats",
                "loss_spread": "largest - smallest loss over the last tenth of the epochs, in nats",
            },
            [
                (f"{heading}\nP={acc_bits}", f"P={acc_bits}", measure)
                for heading, measure in (
                    ("t > T", "rows_asking_too_much"), ("loss", "final_loss"),
                    ("accuracy", "accuracy"),
                )
                for acc_bits in PENALTY_WIDTHS
            ],
            _penalty_finding,
            x="lambda",
        ),
        Study(
            "few-bits", "Few bits: M = N = 3 and 4", _few_bits_points, summary,
            {**_ACCURACY, **_SPARSITY, "safe_bits": "smallest P that no input overflows, in bits"},
            [
                (f"{heading}\n{bits} bits\n{series}", _few_bits_series(series, bits), measure)
                for bits in FEW_BITS
                for heading, measure in (("accuracy", "accuracy"), ("sparsity", "sparsity"))
                for series in (A2Q, A2Q_PLUS)
            ],
            _few_bits_finding,
        ),
        Study(
            "a2q-plus", "A2Q and A2Q+", _a2q_plus_points, summary,
            {
                **_ACCURACY, **_SPARSITY,
                "l1_norm": "largest L1 norm of a row, in units of the weights' LSB",
                "l1_bound": "what the method allows a row, in the same units",
            },
            [
                (f"{heading}\n{series}", series, measure)
                for heading, measure in (
                    ("accuracy", "accuracy"), ("sparsity", "sparsity"),
                    ("L1 norm", "l1_norm"),
                )
                for series in (A2Q, A2Q_PLUS)
            ],
            _a2q_plus_finding,
        ),
    )
}  # fmt: skip
