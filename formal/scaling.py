"""How far it goes: the time of proofs over widths, lanes and rows, beside the naive formulation.

Every point is measured afresh, nothing else at work. "In pieces" is the sum of
all claims that the one on the pe stands on; "in one piece" is the same said of the whole pe at
once, with its real multipliers and its whole tree (``prove_whole.v``).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formal import arithmetic, layers
from formal.claim import Claim, Status, prove
from formal.design import Design
from formal.solver import SOLVERS
from golden.archive import whole_file
from golden.integer import Format
from golden.layer import QuantLayer
from golden.spec import MvauSpec
from sim.arguments import Bar

PIECES, WHOLE, ROW = "pe, in pieces", "pe, in one piece", "row of a layer"
HEAD = ("what", "solver", "SIMD", "M", "N", "P", "K", "claims", "seconds", "outcome")


@dataclass(frozen=True, eq=False)
class Point:
    """One line of the table, to be measured."""

    what: str
    spec: MvauSpec
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Measured:
    """What a point took with one solver; where a claim had no answer, up to that."""

    point: Point
    solver: str
    seconds: float
    outcome: str

    def cells(self) -> tuple[str, ...]:
        """Return the line of the table, as ``HEAD`` has it."""
        spec = self.point.spec
        row = str(spec.mw) if self.point.what == ROW else "any"
        numbers = (spec.simd, spec.weight_bits, spec.input_bits, spec.acc_bits)
        claims = str(len(self.point.claims))
        return (
            self.point.what, self.solver, *map(str, numbers), row, claims,
            f"{self.seconds:.1f}", self.outcome,
        )  # fmt: skip


def points() -> list[Point]:
    """Return what is measured."""
    found = []
    for simd in (1, 8, 32, 64, 128, 256):
        found.append(_pieces(simd, 8, 16))
    for simd in (8, 64):
        found.append(_pieces(simd, 8, 32))
    for bits in (4, 12, 16):
        found.append(_pieces(8, bits, 2 * bits))
    for simd, bits, acc_bits in ((1, 2, 6), (2, 4, 10), (2, 8, 16), (8, 8, 16)):
        found.append(_whole(simd, bits, acc_bits))
    for simd, k, acc_bits in (
        (8, 64, 16),
        (8, 256, 16),
        (8, 256, 20),
        (16, 1024, 20),
        (16, 4096, 20),
    ):
        found.append(_row(simd, k, acc_bits))
    return found


def measure(
    points: Iterable[Point], limit_s: float, progress: Bar, done: Callable[[Measured], None]
) -> list[Measured]:
    """Return what each point takes with the solvers in turn, and small pieces with each alone."""
    todo: list[tuple[Point, tuple[str, ...]]] = []
    for point in points:
        todo.append((point, SOLVERS))
        if point.what != WHOLE and point.spec.simd <= 8 and point.spec.weight_bits <= 8:
            todo += [(point, (name,)) for name in SOLVERS]
    found = []
    for number, (point, solvers) in enumerate(todo):
        name = solvers[0] if len(solvers) == 1 else "in turn"
        progress(number, len(todo), [f"{point.what}, {point.spec.id}, {name}"])
        seconds, status = 0.0, Status.PROVED
        for claim in point.claims:
            evidence = prove(claim, solvers=solvers, limit_s=limit_s, fresh=True)
            seconds, status = seconds + evidence.seconds, evidence.status
            if status != Status.PROVED:
                break
        found.append(Measured(point, name, seconds, status.value))
        done(found[-1])
    progress(len(todo), len(todo))
    return found


def table(measured: Iterable[Measured]) -> str:
    """Return the table in Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *(each.cells() for each in measured)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(measured: Iterable[Measured], path: Path) -> None:
    """Write the table as CSV."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEAD)
    rows.writerows(each.cells() for each in measured)
    with whole_file(path) as partial:
        partial.write_text(text.getvalue(), encoding="utf-8")


def _spec(simd: int, bits: int, acc_bits: int, mw: int = 0, mh: int = 1) -> MvauSpec:
    return MvauSpec(
        mw=mw or simd, mh=mh, pe=1, simd=simd, weight_bits=bits, input_bits=bits, acc_bits=acc_bits
    )


def _pieces(simd: int, bits: int, acc_bits: int) -> Point:
    spec = _spec(simd, bits, acc_bits)
    return Point(PIECES, spec, tuple(arithmetic.claims(spec, ("pe",))))


def _whole(simd: int, bits: int, acc_bits: int) -> Point:
    spec = _spec(simd, bits, acc_bits)
    parameters = {
        name: value
        for name, value in spec.verilog_parameters("pe").items()
        if name != "OBSERVE"
    }  # fmt: skip
    return Point(
        WHOLE, spec, (Claim("whole", "as in pieces", Design("prove_whole", parameters), depth=4),)
    )


def _row(simd: int, k: int, acc_bits: int) -> Point:
    """Four rows of 8-bit weights that fill the bound; the last of them is proved."""
    spec = _spec(simd, 8, acc_bits, k, 4)
    weights = np.random.default_rng(1).integers(-8, 8, (spec.mh, k))
    budget = (1 << (acc_bits - 1)) // 256
    weights[np.abs(weights).cumsum(axis=1) >= budget] = 0
    layer = QuantLayer(weights, 8, Format(8, signed=False))
    return Point(ROW, spec, (layers.row_claim(layer, spec, spec.mh - 1),))
