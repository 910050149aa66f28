"""Every weight, every input, every P of a small mac, on the RTL; every dot product of two beats."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from rtl_suite import SATURATE, WRAP
from strategies import BIPOLAR

from golden.integer import Format, IntArray, Overflow
from golden.spec import MvauSpec
from sim import batch
from tb.case import Case, Stimulus

# Formats of weights and inputs, policy. These few are always tried, all others on demand.
QUICK = {
    (Format(4, True), Format(4, False), WRAP), (Format(4, True), Format(4, True), WRAP),
    (Format(2, True), Format(3, True), SATURATE), (Format(3, True), Format(2, False), SATURATE),
    (Format(1, True), Format(1, True), SATURATE), (Format(1, True), Format(1, False), WRAP),
    (BIPOLAR, BIPOLAR, WRAP), (BIPOLAR, Format(4, True), SATURATE),
    (Format(4, True), BIPOLAR, WRAP),
}  # fmt: skip
WEIGHTS = [*(Format(bits, True) for bits in range(1, 5)), BIPOLAR]
INPUTS = [*WEIGHTS, *(Format(bits, False) for bits in range(1, 5))]
WIDTHS = [
    pytest.param(*widths, marks=[] if widths in QUICK else pytest.mark.exhaustive)
    for widths in itertools.product(WEIGHTS, INPUTS, Overflow)
]


def everything(form: Format, beats: int) -> IntArray:
    """Return all rows of so many values of a format."""
    return np.array(list(itertools.product(form.values, repeat=beats)))


@pytest.mark.sim
@pytest.mark.parametrize(("of_weights", "of_inputs", "overflow"), WIDTHS, ids=str)
def test_mac(of_weights: Format, of_inputs: Format, overflow: Overflow) -> None:
    weight_bits, input_bits = of_weights.bits, of_inputs.bits
    two_beats = {2, 3} >= {weight_bits, input_bits} or (of_weights.bipolar and of_inputs.bipolar)
    compared = 0
    for beats in (1, 2) if two_beats else (1,):
        weights, vectors = everything(of_weights, beats), everything(of_inputs, beats)
        # From the narrowest there is to one bit more than any sum needs.
        for acc_bits in range(2, weight_bits + input_bits + beats + 1):
            spec = MvauSpec(
                beats, len(weights), 1, 1, weight_bits, input_bits, acc_bits, of_inputs.signed,
                overflow, bipolar_weight=of_weights.bipolar, bipolar_input=of_inputs.bipolar,
            )  # fmt: skip
            stimulus = Stimulus("everything", vectors)
            played = batch.play(Case("mac", spec, "everything", weights, (stimulus,)))
            assert played.passed, played.report
            compared += played.outcome.out.size
    pairs = 2 ** (weight_bits + input_bits)
    widths = weight_bits + input_bits
    assert compared == pairs * widths + (pairs**2 * (widths + 1) if two_beats else 0)
