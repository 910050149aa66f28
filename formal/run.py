"""Many claims, on all cores; and what ``make prove`` asks, from claims to a verdict."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from formal import arithmetic, layers
from formal.claim import LIMIT_S, Claim, Evidence, Status, prove
from formal.layers import Found
from formal.solver import SOLVERS
from golden import bounds
from golden.integer import InputError, Overflow
from golden.layer import QuantLayer
from golden.mvau import matvec
from golden.spec import MvauSpec
from sim import batch, plan
from sim.arguments import Bar
from sim.paths import BUILD, RTL, shown
from sim.plan import NamedLayer
from sim.process import ending_children
from sim.run import play
from sim.tools import simulator

SLACKS = {"A2Q": "A2Q_SLACK", "A2Q+": "A2Q_PLUS_SLACK", "exact range": "RANGE_SLACK"}


@dataclass(frozen=True)
class Question:
    """What is to be proved, and how hard to try."""

    acc_bits: int
    overflow: Overflow = Overflow.WRAP
    pe: int | None = None
    simd: int | None = None
    rtl: Path = RTL
    solvers: tuple[str, ...] = SOLVERS
    limit_s: float = LIMIT_S


@dataclass(frozen=True, eq=False)
class Loosened:
    """A bound that was loosened by one LSB: the row that overflows then, or that there is none."""

    bound: str
    spec: MvauSpec
    evidence: Evidence
    row: tuple[int, ...] = ()  # the weights
    exact: int = 0  # the worst sum, which RTL flagged
    failure: str = ""  # RTL did not overflow


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a layer: what was claimed of it, and what came of that."""

    number: int
    needed_bits: int
    evidence: Evidence
    witness: Found | None = None  # of a row that is not safe
    exact: int = 0  # its largest or smallest sum on the witness


@dataclass(frozen=True, eq=False)
class LayerProof:
    """All rows of a layer, and the case that plays the witnesses of those that are not safe."""

    named: NamedLayer
    spec: MvauSpec
    rows: tuple[Row, ...]
    case: Path | None = None
    failures: tuple[str, ...] = ()

    @property
    def proved(self) -> int:
        return sum(
            row.witness is None and row.evidence.status == Status.PROVED for row in self.rows
        )


@dataclass(frozen=True, eq=False)
class Proofs:
    """The verdict: claims that hold for any weights, bounds that were loosened, layers."""

    question: Question
    specs: tuple[MvauSpec, ...]
    general: tuple[Evidence, ...]
    loosened: tuple[Loosened, ...]
    layers: tuple[LayerProof, ...]
    unmet: tuple[str, ...]

    @property
    def refuted(self) -> list[str]:
        """What is wrong: a trace against a claim, or RTL that does not follow its witness."""
        found = [refutation(e) for e in self.general if e.status == Status.REFUTED]
        found += [loose.failure for loose in self.loosened if loose.failure]
        for layer in self.layers:
            found += layer.failures
            found += [
                refutation(row.evidence)
                for row in layer.rows
                if row.witness is None and row.evidence.status == Status.REFUTED
            ]
        return found

    @property
    def open(self) -> list[str]:
        """What is neither proved nor refuted, and why."""
        rows = [row for layer in self.layers for row in layer.rows if row.witness is None]
        evidence = [*self.general, *(row.evidence for row in rows)]
        return [
            *(f"nothing guarantees {promise}" for promise in self.unmet),
            *told_once((e.claim, e.why) for e in evidence if e.status == Status.NOT_PROVED),
        ]


def prove_all(claims: Iterable[Claim], question: Question, progress: Bar) -> dict[Claim, Evidence]:
    """Return what comes of each claim, on all cores."""
    todo = list(claims)
    done: dict[Claim, Evidence] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = {
            pool.submit(prove, claim, question.rtl, question.solvers, question.limit_s): claim
            for claim in todo
        }
        try:
            for ended in as_completed(asked):
                done[asked[ended]] = ended.result()
                _waves(asked[ended].name).unlink(missing_ok=True)  # of an earlier refutation
                left = [claim.name for claim in todo if claim not in done]
                progress(len(done), len(todo), left[:1])
        except BaseException:
            with ending_children():
                pool.shutdown(cancel_futures=True)
            raise
    return done


def standing(done: Mapping[Claim, Evidence]) -> dict[Claim, Evidence]:
    """Return the evidence, in which nothing is proved that stands on what is not."""
    found = dict(done)
    while True:
        promised = {
            promise
            for claim, evidence in found.items()
            if evidence.status == Status.PROVED
            for promise in claim.guarantees
        }
        fallen = {
            claim: replace(
                evidence, status=Status.NOT_PROVED, why=f"it stands on {missing[0]}, not proved"
            )
            for claim, evidence in found.items()
            if evidence.status == Status.PROVED
            and (missing := [p for p in claim.assumes if "promise" in p and p not in promised])
        }
        if not fallen:
            return found
        found |= fallen


def told_once(unproved: Iterable[tuple[str, str]]) -> list[str]:
    """Return claims and why each is open, one line for all that are open for the same reason."""
    names: dict[str, list[str]] = {}
    for name, why in unproved:
        names.setdefault(why, []).append(name)
    return [
        f"{first}{f' and {len(others)} more' if others else ''}: {why}"
        for why, (first, *others) in names.items()
    ]


def refutation(evidence: Evidence) -> str:
    """Return what is refuted, in words, and where its waves are, which are put among the proofs."""
    waves = _waves(evidence.claim)
    waves.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(evidence.trace, waves)
    return f"{evidence.claim}: {evidence.why}\n  waves: {shown(waves)}"


def _waves(claim: str) -> Path:
    return BUILD / "proofs" / f"{re.sub(r'[^a-z0-9]+', '-', claim.lower())}.vcd"


def check(question: Question, named: Sequence[NamedLayer], progress: Bar) -> Proofs:
    """Prove what there is to prove at P bits: for any weights, and for each row of each layer.

    Errors: InputError for what can not be asked; ToolError if a tool is missing.
    """
    specs = [_folded(question, each) for each in named]
    formats = [replace(specs[0], mw=specs[0].simd, mh=1, pe=1)]
    if not specs[0].bipolar_input:
        formats.append(replace(formats[0], signed_input=not formats[0].signed_input))
    general = [claim for spec in formats for claim in arithmetic.claims(spec)]
    for spec in dict.fromkeys(specs):
        general += layers.pieces(spec)
    general = list({claim.name: claim for claim in general}.values())
    loose = {
        (bound, spec): arithmetic.bounds(spec, **{name: 1})
        for spec in formats
        for bound, name in SLACKS.items()
    }
    rows = {
        (index, row): _row_claim(each, spec, row)
        for index, (each, spec) in enumerate(zip(named, specs, strict=True))
        for row in range(spec.mh)
    }
    done = standing(prove_all([*rows.values(), *general, *loose.values()], question, progress))
    return Proofs(
        question,
        tuple(formats),
        tuple(done[claim] for claim in general),
        tuple(
            _loosened(bound, spec, done[claim], question.rtl)
            for (bound, spec), claim in loose.items()
        ),
        tuple(
            check_layer(each, spec, [done[rows[index, row]] for row in range(spec.mh)], question)
            for index, (each, spec) in enumerate(zip(named, specs, strict=True))
        ),
        tuple(arithmetic.unmet([*general, *rows.values()])),
    )


def _folded(question: Question, named: NamedLayer) -> MvauSpec:
    asked = plan.Question(
        question.acc_bits, question.pe, question.simd, question.overflow, units=("mvau",)
    )
    return plan.cases(asked, named, None)[0].spec


def _row_claim(named: NamedLayer, spec: MvauSpec, row: int) -> Claim:
    layer = named.layer
    safe = bounds.layer_bits(layer.weights[[row]], layer.inputs) <= spec.acc_bits
    claim = (layers.row_claim if safe else layers.overflow_claim)(layer, spec, row)
    return replace(claim, name=f"{named.name}, {claim.name}")


def check_layer(
    named: NamedLayer, spec: MvauSpec, evidence: Sequence[Evidence], question: Question
) -> LayerProof:
    """Return the proofs of the rows of a layer, and have RTL play the witnesses against it."""
    layer = named.layer
    needed = bounds.row_bits(layer.weights, layer.inputs)
    rows = [Row(number, needed[number], each) for number, each in enumerate(evidence)]
    unsafe = [row.number for row in rows if row.needed_bits > spec.acc_bits]
    if not unsafe:
        return LayerProof(named, spec, tuple(rows))
    found = [layers.witness(layer, spec, number, evidence[number]) for number in unsafe]
    case = layers.case(layer, named.slug, spec, found)
    path = BUILD / "proofs" / f"{case.id}-witness.json"
    case.save(path)
    # Where a solver and exact arithmetic contradict each other, one of the two is wrong.
    failures = [
        f"{named.name}, row {number}: exact arithmetic overflows it, a solver says nothing can"
        for number in unsafe
        if evidence[number].status == Status.PROVED
    ]
    rtl = question.rtl
    played = {
        "batch engine": batch.play(case, rtl), "cocotb": play(case, simulator("verilator"), rtl=rtl)
    }  # fmt: skip
    for name, engine in played.items():
        if engine.report:
            failures.append(f"{named.name}, {name}: {engine.report}\nreplay: {engine.replay}")
            continue
        assert engine.outcome is not None
        for vector, each in enumerate(found):
            if not engine.outcome.overflow[vector, each.row]:
                failures.append(f"{named.name}: the RTL did not overflow on row {each.row}")
    for each in found:
        exact = int(matvec(layer.weights[[each.row]], each.inputs[None])[0, 0])
        rows[each.row] = replace(rows[each.row], witness=each, exact=exact)
    return LayerProof(named, spec, tuple(rows), path, tuple(failures))


def _loosened(bound: str, spec: MvauSpec, evidence: Evidence, rtl: Path) -> Loosened:
    """Return what a loosened bound lets through, once a mac has overflowed on it."""
    if evidence.status != Status.REFUTED:
        return Loosened(bound, spec, evidence)
    weights = np.array([layers.weights_of(Path(evidence.trace).with_suffix(".yw"), spec)])
    layer = QuantLayer(
        weights, spec.weight_bits, spec.inputs, bipolar_weight=spec.bipolar_weight
    )  # fmt: skip
    one = layer.spec(spec.acc_bits, overflow=spec.overflow)
    found = layers.witness(layer, one, 0, None)
    case = replace(layers.case(layer, "loosened", one, [found]), unit="mac")
    played = batch.play(case, rtl)
    exact = int(matvec(weights, found.inputs[None])[0, 0])
    failure = ""
    if played.report:
        failure = f"{bound}, one LSB looser: {played.report}\nreplay: {played.replay}"
    elif played.outcome is None or not played.outcome.overflow[0, 0]:
        failure = f"{bound}, one LSB looser: the RTL did not overflow"
    return Loosened(bound, spec, evidence, tuple(weights[0].tolist()), exact, failure)


def require_solvers(text: str) -> tuple[str, ...]:
    """Return the solvers that a list names. Errors: InputError."""
    names = tuple(text.split(","))
    if not set(names) <= set(SOLVERS) or len(set(names)) < len(names):
        raise InputError(f"SOLVER must be some of {', '.join(SOLVERS)}, got {text!r}")
    return names
