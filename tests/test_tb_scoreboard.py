"""The scoreboard passes what is right and reports everything that is not; no simulator in here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from golden.integer import Format
from golden.spec import MvauSpec
from sim.run import read_outcome
from tb.case import Case, Stimulus
from tb.packing import input_beats, pack, weight_beats
from tb.scoreboard import MAX_CARDS, Scoreboard, Tally

SPEC = MvauSpec(mw=4, mh=4, pe=2, simd=2, weight_bits=4, input_bits=4, acc_bits=6)
CASE = Case(
    unit="mvau",
    spec=SPEC,
    layer="by_hand",
    weights=np.array([[1, 1, 1, 1], [2, 2, -2, -2], [7, 0, 0, 0], [0, 0, 0, 0]]),
    stimuli=(
        Stimulus("quiet", np.array([[0, 0, 0, 0], [1, 2, 3, 4]])),
        Stimulus("loud", np.array([[15, 15, 15, 15]])),
    ),
    seed=77,
)
# Worked out by hand, for registers of -32 to 31. In the loud vector row 0 ends at 60, row 1 swings
# out to 60 and comes home, and the first product of row 2 is 105.
RESULTS = [[0, 0, 0, 0], [10, -8, 7, 0], [60 - 64, 0, 105 - 128, 0]]
OVERFLOWS = [[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]]


class Operands(NamedTuple):
    inputs: list[int]
    weights: list[int]


class Beat(NamedTuple):
    data: int
    user: int
    last: int | None


def operands_of(case: Case) -> list[Operands]:
    sf = case.spec.sf
    tiles = weight_beats(case.spec, case.weights)
    return [
        Operands(input_beats(case.spec, vector), tiles[fold * sf : (fold + 1) * sf])
        for vector in case.vectors
        for fold in range(case.spec.nf)
    ]


def beat(results: list[int], overflows: list[int], last: int | None) -> Beat:
    return Beat(pack(results, SPEC.acc), pack(overflows, Format(1, signed=False)), last)


OPERANDS = operands_of(CASE)
BEATS = [
    beat(results[fold : fold + 2], overflows[fold : fold + 2], last)
    for results, overflows in zip(RESULTS, OVERFLOWS, strict=True)
    for fold, last in ((0, 0), (2, 1))
]


def judged(
    beats: Iterable[Beat], operands: Iterable[Operands] = OPERANDS, case: Case = CASE
) -> Scoreboard:
    """Return a closed scoreboard that saw all operands, then all beats."""
    scoreboard = Scoreboard(case)
    for inputs, weights in operands:
        scoreboard.expect(inputs, weights)
    for data, user, last in beats:
        scoreboard.observe(data, user, last)
    scoreboard.close()
    return scoreboard


def altered(index: int, **fields: int) -> list[Beat]:
    """Return the right beats but for some fields of one."""
    beats = list(BEATS)
    beats[index] = beats[index]._replace(**fields)
    return beats


def test_right_beats_pass_and_are_counted() -> None:
    scoreboard = judged(BEATS)
    assert scoreboard.report == ""
    assert not scoreboard.has_failed
    assert list(scoreboard.tallies.values()) == [
        Tally("quiet", vectors=2, results=8, partial_sums=64),
        Tally(
            "loud",
            vectors=1,
            results=4,
            partial_sums=32,
            overflows_seen=3,
            overflows_predicted=3,
            transient_predicted=1,
        ),
    ]
    assert scoreboard.out.tolist() == RESULTS
    assert scoreboard.overflow.astype(int).tolist() == OVERFLOWS


def test_results_may_come_as_soon_as_their_operands_did() -> None:
    scoreboard = Scoreboard(CASE)
    for operands, right in zip(OPERANDS, BEATS, strict=True):
        scoreboard.expect(*operands)
        scoreboard.observe(*right)
        scoreboard.compare()
    assert scoreboard.observed_beats == scoreboard.expected_beats == len(BEATS)
    scoreboard.close()
    assert scoreboard.report == ""
    assert scoreboard.out.tolist() == RESULTS


def test_a_unit_without_tlast_is_not_asked_for_it() -> None:
    assert judged([right._replace(last=None) for right in BEATS]).report == ""


def test_a_unit_without_observers_must_keep_its_overflow_bits_low() -> None:
    blind = replace(CASE, spec=replace(SPEC, observe=False))
    silent = judged([right._replace(user=0) for right in BEATS], case=blind)
    assert silent.report == ""
    loud = silent.tallies["loud"]  # what swings out and comes home does not show in a result
    assert (loud.overflows_seen, loud.overflows_predicted, loud.transient_predicted) == (2, 2, 1)
    assert judged(BEATS, case=blind).report.count("MISMATCH  overflow bit") == 3


def test_the_model_is_fed_what_crossed_the_streams() -> None:
    """Other weights than the case's reach the unit: it is right if it answers to those."""
    ones = weight_beats(replace(SPEC, mh=2), np.ones((2, 4), np.int64))
    operands = [*OPERANDS[:3], Operands(OPERANDS[3].inputs, ones), *OPERANDS[4:]]
    answered = [*BEATS[:3], beat([10, 10], [0, 0], 1), *BEATS[4:]]
    assert judged(answered, operands).report == ""
    assert "MISMATCH" in judged(BEATS, operands).report


WRONG: dict[str, tuple[Callable[[], Scoreboard], str]] = {
    "wrong result": (
        lambda: judged(altered(2, data=BEATS[2].data ^ 1)),
        r"MISMATCH  result of output row 0 \(fold 0, PE 0\)",
    ),
    "wrong result in the last PE of the last fold": (
        lambda: judged(altered(5, data=BEATS[5].data ^ 1 << 2 * SPEC.acc_bits - 1)),
        r"MISMATCH  result of output row 3 \(fold 1, PE 1\)",
    ),
    "overflow bit low in one PE": (
        lambda: judged(altered(4, user=0b01)),
        r"MISMATCH  overflow bit of output row 1 \(fold 0, PE 1\)(.|\n)*expected  1\n  actual    0",
    ),
    "overflow bit high in one PE": (
        lambda: judged(altered(5, user=0b11)),
        r"MISMATCH  overflow bit of output row 3 \(fold 1, PE 1\)(.|\n)*expected  0\n  actual    1",
    ),
    "missing beat at the end": (
        lambda: judged(BEATS[:-1]),
        r"1 output beats are missing at the end\n\nonly 5 of 6 output beats were compared",
    ),
    "missing beat in between": (
        lambda: judged(BEATS[:2] + BEATS[3:]),
        r"MISMATCH  result of output row 0 (.|\n)*1 output beats are missing at the end",
    ),
    "beat too many": (
        lambda: judged([*BEATS, BEATS[0]]),
        r"^output beat 6 came before the operands that it is made of$",
    ),
    "beat too many, with operands": (
        lambda: judged([*BEATS, BEATS[0]], [*OPERANDS, OPERANDS[0]]),
        r"^output beat 6 is one more than the case has results$",
    ),
    "beat twice": (
        lambda: judged([*BEATS[:3], *BEATS[2:]]),
        r"MISMATCH(.|\n)*output beat 6 came before the operands",
    ),
    "beats in another order": (
        lambda: judged([*BEATS[:2], BEATS[3], BEATS[2], *BEATS[4:]]),
        r"MISMATCH(.|\n)*tlast of output beat 2 must be 0, got 1",
    ),
    "beat before its operands": (
        lambda: judged(BEATS, []),
        r"^output beat 0 came before the operands that it is made of",
    ),
    "tlast too early": (
        lambda: judged(altered(2, last=1)),
        r"^tlast of output beat 2 must be 0, got 1$",
    ),
    "no tlast": (
        lambda: judged(altered(3, last=0)),
        r"^tlast of output beat 3 must be 1, got 0$",
    ),
    "nothing at all": (
        lambda: judged([], []),
        r"^nothing was compared\n\nonly 0 of 6 output beats were compared$",
    ),
    "operands, but no beat": (
        lambda: judged([]),
        r"^nothing was compared\n\n6 output beats are missing at the end",
    ),
    "PEs swapped": (
        lambda: judged(altered(2, data=pack([-8, 10], SPEC.acc))),
        r"output row 0 \(fold 0, PE 0\)(.|\n)*output row 1 \(fold 0, PE 1\)",
    ),
    "early end": (
        lambda: judged(BEATS[:2], OPERANDS[:2]),
        r"^only 2 of 6 output beats were compared$",
    ),
}


@pytest.mark.parametrize(("judge", "text"), WRONG.values(), ids=WRONG.keys())
def test_reports(judge: Callable[[], Scoreboard], text: str) -> None:
    report = judge().report
    assert re.search(text, report), report


@pytest.mark.parametrize(("judge", "text"), WRONG.values(), ids=WRONG.keys())
def test_what_is_reported_is_also_written(
    judge: Callable[[], Scoreboard], text: str, tmp_path: Path
) -> None:
    scoreboard = judge()
    scoreboard.write(tmp_path / "outcome.json", cycles=9)
    played = read_outcome(CASE, tmp_path, [])
    assert played.report == scoreboard.report
    assert not played.passed


def test_one_wrong_overflow_bit_is_one_mismatch() -> None:
    scoreboard = judged(altered(4, user=0b01))
    assert [mismatch.row for mismatch in scoreboard.mismatches] == [1]
    loud = scoreboard.tallies["loud"]
    assert (loud.mismatches, loud.overflows_seen, loud.overflows_predicted) == (1, 2, 3)


def test_a_fault_of_any_batch_is_found_where_it_is() -> None:
    many = replace(CASE, stimuli=(Stimulus("loud", np.full((100, 4), 15)),))
    beats = BEATS[4:] * 100
    assert judged(beats, operands_of(many), many).tallies["loud"].overflows_seen == 300
    beats[151] = beats[151]._replace(data=0)
    (mismatch,) = judged(beats, operands_of(many), many).mismatches
    assert (mismatch.index, mismatch.vector, mismatch.row) == (151, 75, 2)


def test_mismatch_card() -> None:
    assert judged(altered(5, data=pack([4, 0], SPEC.acc))).report.splitlines() == [
        "MISMATCH  result of output row 2 (fold 1, PE 0)",
        f"  case      {CASE.id}",
        "  vector    2 (loud), seed 77",
        "  expected    -23  0x29  0b101001",
        "  actual        4  0x04  0b000100",
        "  overflow  golden: in beat 0; the row's accumulator at P=6, beat by beat:",
        "            -23 -23",
    ]


def test_card_of_a_row_that_does_not_overflow() -> None:
    card = judged(altered(2, data=0)).report
    assert "  overflow  golden: none; the row's accumulator at P=6, beat by beat:\n" in card
    assert "\n            3 10\n" in card


def test_first_overflowing_beat_is_the_first_of_any_partial_sum() -> None:
    late = replace(CASE, stimuli=(Stimulus("late", np.array([[1, 1, 15, 15]])),))
    (mismatch, *_) = judged([Beat(0, 0, 0), Beat(0, 0, 1)], operands_of(late), late).mismatches
    assert (mismatch.row, mismatch.first_overflow) == (0, 1)


def test_card_abridges_a_long_row() -> None:
    spec = MvauSpec(mw=40, mh=1, pe=1, simd=1, weight_bits=4, input_bits=4, acc_bits=12)
    ones = np.ones((1, 40), np.int64)
    case = Case("mac", spec, "ones", ones, (Stimulus("ones", ones),))
    card = judged([Beat(0, 0, None)], operands_of(case), case).report
    assert card.splitlines()[-1] == "            1 2 3 4 5 6 ... 35 36 37 38 39 40"
    assert "0x028  0b000000101000" in card


def test_the_first_cards_are_printed_and_the_others_counted() -> None:
    scoreboard = judged([right._replace(data=right.data ^ 0b1000001) for right in BEATS])
    assert scoreboard.has_failed
    assert scoreboard.report.count("MISMATCH") == MAX_CARDS == 5
    assert scoreboard.report.endswith("\n\n... and 7 more mismatches")
    assert sum(tally.mismatches for tally in scoreboard.tallies.values()) == 12


def test_a_few_mismatches_leave_the_unit_running() -> None:
    assert not judged(altered(2, data=0)).has_failed
    assert judged(altered(2, last=1)).has_failed


def test_cards_come_in_the_order_of_the_beats() -> None:
    """Although they are compared by groups of equal weights, here one group for each fold."""
    wrong = [2, 3, 4]
    beats = [right._replace(data=right.data ^ (i in wrong)) for i, right in enumerate(BEATS)]
    assert [mismatch.index for mismatch in judged(beats).mismatches] == wrong


def test_the_outcome_comes_back(tmp_path: Path) -> None:
    scoreboard = judged(BEATS)
    scoreboard.write(tmp_path / "outcome.json", cycles=123)
    played = read_outcome(CASE, tmp_path, [])
    assert played.passed
    assert played.cycles == 123
    assert list(played.tallies) == list(scoreboard.tallies.values())
    assert played.outcome is not None
    assert played.outcome.out.tolist() == RESULTS
    assert played.outcome.overflow.astype(int).tolist() == OVERFLOWS
    assert [path.name for path in tmp_path.iterdir()] == ["outcome.json"]
