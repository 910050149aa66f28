"""A given layer: its weights are constants, as they are in an accelerator; a verdict for each row.

A row that is safe is proved on the whole mvau: no overflow bit, exact results, for any inputs and
any stalls. For a row that is not, a solver looks for an input that overflows it in the real pe; if
it finds none in time, the worst case of exact arithmetic is taken. Either becomes a case, which
golden, the batch engine and cocotb play.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formal import arithmetic, control
from formal.claim import Claim, Evidence
from formal.design import Design
from golden import bounds
from golden.integer import Format, IntArray
from golden.layer import QuantLayer
from golden.spec import MvauSpec
from tb.case import Case, Stimulus

_NEAR = 16  # beats within which a row must come for covers to wait for it: prove_mvau_row.v
_FAR = 8
_SEARCHED = 64  # beats of a row that a solver searches for an overflow


def row_claim(layer: QuantLayer, spec: MvauSpec, row: int) -> Claim:
    """Return the claim that a row never overflows in an mvau of ``spec``."""
    weights = layer.weights[row]
    beats = (row // spec.pe + 1) * spec.sf
    reach = max(spec.acc_bits, spec.weight_bits + spec.input_bits + (spec.mw - 1).bit_length())
    parameters: dict[str, int | str] = {
        **_parameters(spec, "mvau"),
        "ROW": row,
        "WEIGHTS": constant(weights, spec.weight_bits, spec.bipolar_weight),
        "REACH_BITS": reach,
    }
    promises = (
        arithmetic.dot_promise(spec, spec.simd), arithmetic.node_promise(spec, reach + 4),
        control.promise("mvau", spec),
    )  # fmt: skip
    return Claim(
        f"row {row}",
        f"no partial sum of row {row} overflows, and its results are exact, for any inputs and "
        "any stalls",
        Design("prove_mvau_row", parameters, control.FREE_DOT),
        assumes=(*promises, "the weight stream brings the row's weights", arithmetic.RESET),
        depth=(beats if beats <= _NEAR else min(spec.sf, _FAR)) + 4,
    )


def pieces(spec: MvauSpec) -> list[Claim]:
    """Return the claims that rows of an mvau stand on."""
    reach = max(spec.acc_bits, spec.weight_bits + spec.input_bits + (spec.mw - 1).bit_length())
    found = arithmetic.claims(spec, ("dot",))
    return [*found, arithmetic.node(spec, reach + 4), control.mvau_claim(spec)]


def overflow_claim(layer: QuantLayer, spec: MvauSpec, row: int) -> Claim:
    """Return the claim that no input overflows a row; its counterexample is a witness."""
    parameters = _parameters(spec, "mvau")
    unused = ("MH", "PE")
    return Claim(
        f"row {row}, search",
        f"no input overflows row {row}",
        Design(
            "find_overflow",
            {
                **{name: value for name, value in parameters.items() if name not in unused},
                "WEIGHTS": constant(layer.weights[row], spec.weight_bits, spec.bipolar_weight),
            },
        ),
        cycles=min(spec.sf, _SEARCHED) + 1,
        depth=spec.sf + 2,
    )


def _parameters(spec: MvauSpec, unit: str) -> dict[str, int | str]:
    found = spec.verilog_parameters(unit)
    return {name: value for name, value in found.items() if name != "OBSERVE"}


def constant(values: IntArray, bits: int, bipolar: bool = False) -> str:
    """Return integers as one Verilog constant, the first in the low bits.

    >>> constant(np.array([1, -2]), 4)
    "8'he1"
    """
    word = 0
    for place, value in enumerate(values.tolist()):
        code = int(value > 0) if bipolar else value & ((1 << bits) - 1)
        word |= code << (place * bits)
    return f"{len(values) * bits}'h{word:x}"


@dataclass(frozen=True, eq=False)
class Found:
    """An input that overflows a row, and who found it."""

    row: int
    inputs: IntArray  # (MW,)
    by: str


def witness(layer: QuantLayer, spec: MvauSpec, row: int, evidence: Evidence | None) -> Found:
    """Return an input that overflows a row which is not safe: the solver's, or the worst case."""
    if evidence is not None and evidence.trace:
        values = np.full(spec.mw, spec.inputs.nearest(0))  # what comes after it may be anything
        beats = _inputs(Path(evidence.trace).with_suffix(".yw"), spec)[: spec.mw]
        values[: len(beats)] = beats
        return Found(row, values, evidence.by)
    _, hi = bounds.exact_range(layer.weights[[row]], spec.inputs)
    lowest, highest = bounds.worst_case_inputs(layer.weights[[row]], spec.inputs)
    worst = highest if int(hi[0]) > spec.acc.maximum else lowest
    return Found(row, worst[0], "exact arithmetic")


def case(layer: QuantLayer, name: str, spec: MvauSpec, found: Sequence[Found]) -> Case:
    """Return the case that plays witnesses through an mvau."""
    vectors = np.stack([each.inputs for each in found])
    return Case("mvau", spec, name, layer.weights, (Stimulus("witness", vectors),))


def _inputs(trace: Path, spec: MvauSpec) -> IntArray:
    """Return the inputs that pe was given in each cycle after the reset, one after the other."""
    bits = spec.input_bits
    return np.array(
        [
            _value((word >> (lane * bits)) & ((1 << bits) - 1), spec.inputs)
            for cycle in _cycles(trace, ("inputs",))[1:]
            for word in cycle
            for lane in range(spec.simd)
        ],
        np.int64,
    )


def weights_of(trace: Path, spec: MvauSpec) -> list[int]:
    """Return the weights of the row that a trace of prove_bounds.v ends with."""
    row: list[int] = []
    *before, _ = _cycles(trace, ("rst", "beat", "weight"))
    for rst, beat, code in before:
        if rst:
            row = []
        elif beat:
            row.append(_value(code, spec.weights))
    return row


def _cycles(trace: Path, names: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the values of inputs in each cycle of a trace of yosys-smtbmc (JSON)."""
    data = json.loads(trace.read_text(encoding="utf-8"))
    places: dict[str, tuple[int, int]] = {}
    place = 0
    for signal in data["signals"]:
        places[signal["path"][-1].removeprefix("\\")] = (place, signal["width"])
        place += signal["width"]
    found = []
    for step in data["steps"]:
        # A step may leave out signals at its high end: those that are set before the first cycle.
        word = int(re.sub("[^01]", "0", step["bits"]), 2)
        found.append(
            tuple(
                (word >> at) & ((1 << width) - 1) for at, width in (places[name] for name in names)
            )
        )
    return found


def _value(code: int, of: Format) -> int:
    if of.bipolar:
        return 1 if code else -1
    return code - (1 << of.bits) if of.signed and code >> (of.bits - 1) else code
