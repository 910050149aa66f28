"""Every weight, every input, every P of a small mac, on the RTL; every dot product of two beats."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from rtl_suite import SATURATE, WRAP

from golden.integer import Format, IntArray, Overflow
from golden.spec import MvauSpec
from sim import batch
from tb.case import Case, Stimulus

# Weight bits, input bits, signed inputs, policy. These few are always tried, all others on demand.
QUICK = {
    (4, 4, False, WRAP), (4, 4, True, WRAP), (2, 3, True, SATURATE), (3, 2, False, SATURATE),
    (1, 1, True, SATURATE), (1, 1, False, WRAP),
}  # fmt: skip
WIDTHS = [
    pytest.param(*widths, marks=[] if widths in QUICK else pytest.mark.exhaustive)
    for widths in itertools.product(range(1, 5), range(1, 5), (False, True), Overflow)
]


def everything(form: Format, beats: int) -> IntArray:
    """Return all rows of so many values of a format."""
    values = range(form.minimum, form.maximum + 1)
    return np.array(list(itertools.product(values, repeat=beats)))


@pytest.mark.sim
@pytest.mark.parametrize(("weight_bits", "input_bits", "signed_input", "overflow"), WIDTHS)
def test_mac(weight_bits: int, input_bits: int, signed_input: bool, overflow: Overflow) -> None:
    two_beats = {2, 3} >= {weight_bits, input_bits}
    compared = 0
    for beats in (1, 2) if two_beats else (1,):
        weights = everything(Format(weight_bits, signed=True), beats)
        vectors = everything(Format(input_bits, signed_input), beats)
        # From the narrowest there is to one bit more than any sum needs.
        for acc_bits in range(2, weight_bits + input_bits + beats + 1):
            spec = MvauSpec(
                beats, len(weights), 1, 1, weight_bits, input_bits, acc_bits, signed_input, overflow
            )
            stimulus = Stimulus("everything", vectors)
            played = batch.play(Case("mac", spec, "everything", weights, (stimulus,)))
            assert played.passed, played.report
            compared += played.outcome.out.size
    pairs = 2 ** (weight_bits + input_bits)
    widths = weight_bits + input_bits
    assert compared == pairs * widths + (pairs**2 * (widths + 1) if two_beats else 0)
