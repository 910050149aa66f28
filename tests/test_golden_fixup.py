"""Rows brought back into P bits: by the smallest change there is, against all that are smaller."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from strategies import BIPOLAR, FAMILIES, formats, seeds

from golden.bounds import l1_norm, row_bits
from golden.fixup import Fix, bring_back
from golden.integer import Format, InputError, IntArray

EVERY_ROW = np.array(list(itertools.product(range(-4, 4), repeat=3)))  # 3 lanes of 3 bits
ROWS = np.array(list(itertools.combinations_with_replacement(range(-4, 4), 3)))


@pytest.mark.parametrize("acc_bits", range(2, 9))
@pytest.mark.parametrize(
    "inputs",
    [BIPOLAR, *(Format(bits, signed) for bits in range(1, 5) for signed in (False, True))],
    ids=str,
)
def test_no_smaller_change_is_safe(inputs: Format, acc_bits: int) -> None:
    """Changes in every direction are tried, also away from zero and across it."""
    l1 = np.abs(ROWS[:, None] - EVERY_ROW).sum(axis=2)
    l2 = ((ROWS[:, None] - EVERY_ROW) ** 2).sum(axis=2)
    low, high = -(2 ** (acc_bits - 1)), 2 ** (acc_bits - 1) - 1
    brought_back = 0
    for start in sorted({0, 1, -1, high // 2, low // 3, low, high}):
        starts = np.full(len(EVERY_ROW), start)
        safe = np.array(row_bits(EVERY_ROW, inputs, start=starts)) <= acc_bits
        fewest = np.where(safe, l1, 99).min(axis=1)
        nearest = np.where(safe & (l1 == fewest[:, None]), l2, 99).min(axis=1)

        fixed, fixes = bring_back(ROWS, acc_bits, inputs, starts[: len(ROWS)])
        assert max(row_bits(fixed, inputs, start=starts[: len(ROWS)])) <= acc_bits
        assert np.abs(fixed - ROWS).sum(axis=1).tolist() == fewest.tolist()
        assert ((fixed - ROWS) ** 2).sum(axis=1).tolist() == nearest.tolist()
        assert {fix.row: fix.change for fix in fixes} == {
            row: change for row, change in enumerate(fewest.tolist()) if change
        }
        brought_back += len(fixes)
    assert brought_back > 0


def smaller_changes_fail(
    row: IntArray, change: int, acc_bits: int, inputs: Format, start: int
) -> bool:
    """Try every split of one LSB less between the two signs: the conditions as they are written."""
    positive, negative = int(row[row > 0].sum()), -int(row[row < 0].sum())
    off = np.arange(min(positive, change - 1) + 1)
    off = off[change - 1 - off <= negative]
    up, down = positive - off, negative - (change - 1 - off)
    x, y = inputs.maximum, -inputs.minimum
    fits_high = up * x + down * y + max(start, 0) <= 2 ** (acc_bits - 1) - 1
    fits_low = up * y + down * x + max(-start, 0) <= 2 ** (acc_bits - 1)
    return not (fits_high & fits_low).any()


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4096)),
    weights=formats(max_bits=15).map(lambda form: Format(form.bits + 1, signed=True)),
    inputs=formats(),
    acc_bits=st.integers(4, 32),
    family=st.sampled_from(FAMILIES),
    has_start=st.booleans(),
    seed=seeds(),
)
def test_a_big_row_comes_back(
    shape: tuple[int, int], weights: Format, inputs: Format, acc_bits: int, family, has_start, seed
) -> None:
    """It is safe, no LSB more was taken than needed, and nothing else moved."""
    rng = np.random.default_rng(seed)
    given_rows = family(rng, weights, shape)
    rows = given_rows.copy()
    low, high = -(2 ** (acc_bits - 1)), 2 ** (acc_bits - 1)
    start = rng.integers(low, high, len(rows)) if has_start else None
    begin = np.zeros(len(rows), int) if start is None else start.copy()
    before = row_bits(rows, inputs, start)

    fixed, fixes = bring_back(rows, acc_bits, inputs, start)

    np.testing.assert_array_equal(rows, given_rows)
    assert start is None or (start == begin).all()
    assert max(row_bits(fixed, inputs, begin)) <= acc_bits
    assert [fix.row for fix in fixes] == [r for r, bits in enumerate(before) if bits > acc_bits]
    untouched = [r for r, bits in enumerate(before) if bits <= acc_bits]
    np.testing.assert_array_equal(fixed[untouched], rows[untouched])
    event(f"{len(fixes)} of {len(rows)} rows brought back")
    lost = np.abs(rows) - np.abs(fixed)
    assert (lost >= 0).all()
    assert (fixed * rows >= 0).all()  # no sign flips
    for fix in fixes:
        assert fix.needed_bits == before[fix.row]
        assert fix.change == np.abs(fixed[fix.row] - rows[fix.row]).sum() > 0
        assert smaller_changes_fail(
            rows[fix.row], fix.change, acc_bits, inputs, int(begin[fix.row])
        )
        for sign in (1, -1):  # evenly: who has lost less than another has nothing left
            lanes = rows[fix.row] * sign > 0
            left = lanes & (fixed[fix.row] != 0)
            assert lost[fix.row][lanes].max(initial=0) - lost[fix.row][left].min(initial=2**16) <= 1

    again, none = bring_back(fixed, acc_bits, inputs, start)
    assert none == ()
    assert again is not fixed
    np.testing.assert_array_equal(again, fixed)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        # 512 * -8 * -128 = 2^19, one past the end of 20 bits; an LSB is worth 128.
        (-8, (Fix(row=0, needed_bits=21, change=1),)),
        # 512 * 8 * -128 = -2^19, the very end.
        (8, ()),
    ],
)
def test_the_ends_of_twos_complement_differ(weight: int, expected: tuple[Fix, ...]) -> None:
    fixed, fixes = bring_back(np.full((1, 512), weight), 20, Format(8, signed=True))
    assert fixes == expected
    assert l1_norm(fixed).tolist() == [4096 - len(expected)]


def test_the_largest_weights_pay_first_and_the_first_of_equals() -> None:
    rows, inputs = np.array([[1, -9, 9, 9, 0, 4, -1]]), Format(1, signed=False)
    fixed, (fix,) = bring_back(rows, 5, inputs)
    assert fixed.tolist() == [[0, -9, 6, 7, 0, 2, -1]]  # 23 - 8 = 2^4 - 1, -10 fits
    assert fix == Fix(row=0, needed_bits=6, change=8)


def test_a_start_value_takes_the_room_of_weights() -> None:
    rows, inputs = np.array([[7, 0], [7, -8]]), Format(1, signed=False)
    assert bring_back(rows, 4, inputs)[1] == ()
    fixed, fixes = bring_back(rows, 4, inputs, start=np.array([3, -2]))
    assert fixed.tolist() == [[4, 0], [7, -6]]
    assert [fix.change for fix in fixes] == [3, 2]


@pytest.mark.parametrize("value", [127, -128])
def test_a_start_value_at_the_end_leaves_room_one_way(value: int) -> None:
    start = np.array([0, value])
    fixed, _ = bring_back(np.ones((2, 2), int), 8, Format(4, signed=False), start)
    assert fixed.tolist() == [[1, 1], [0, 0] if value > 0 else [1, 1]]


@pytest.mark.parametrize("value", [128, -129])
def test_a_start_value_that_does_not_fit_is_refused(value: int) -> None:
    rows, start = np.ones((3, 2), int), np.array([0, 0, value])
    with pytest.raises(InputError, match=f"^start of row 2 must fit P=8 bits, got {value}$"):
        bring_back(rows, 8, Format(4, signed=True), start)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"acc_bits": 1}, "ACC_BITS must be 2 to 64, got ACC_BITS=1"),
        ({"inputs": Format(17, signed=True)}, "INPUT_BITS must be 1 to 16, got INPUT_BITS=17"),
        ({"weights": np.array([[2**15]])}, "weights must fit signed 16-bit integers"),
        ({"weights": np.ones((1, 1))}, "weights must be integers, got dtype float64"),
        ({"start": np.zeros(2, int)}, "start must have MH=1 values, got 2"),
        ({"start": np.zeros(1)}, "start must be integers, got dtype float64"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses(changes: dict, message: str) -> None:
    good = {"weights": np.ones((1, 1), int), "acc_bits": 8, "inputs": Format(4, signed=True)}
    with pytest.raises(InputError, match=message):
        bring_back(**good | changes)
