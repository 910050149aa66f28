"""What must hold of every unit, layer, input and stall, on golden model and RTL alike."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import hunt
import numpy as np
import pytest
from explore import (
    GOLDEN,
    ON_RTL,
    POOL,
    VECTORS,
    Backend,
    Rows,
    brimful,
    cases,
    expanded,
    has_zero,
    inside,
    is_inside,
    rtl_answer,
    toward_the_edge,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_bugs import BUGS, RESET_BUGS, planted
from strategies import seeds, specs, uniform

from golden import bounds, mvau
from golden.integer import BoolArray, Format, IntArray, Overflow
from golden.spec import MvauSpec
from sim import batch, cli
from tb.case import Case, Stimulus

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module", params=[GOLDEN, ON_RTL], ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param


def wraps(spec: MvauSpec) -> bool:
    return spec.overflow is Overflow.WRAP


def saturates(spec: MvauSpec) -> bool:
    return spec.overflow is Overflow.SATURATE


def seen(flags: BoolArray, spec: MvauSpec) -> BoolArray:
    """Return flags as a unit shows them: none without observers."""
    return flags & spec.observe


@given(st.data())
def test_bit_exact_for_any_spec_layer_input_and_stall(
    backend: Backend, data: st.DataObject
) -> None:
    case = data.draw(cases(backend.specs, stalls=True, reset=True))
    toward_the_edge(case)
    answer = backend.answer(case)
    trace = mvau.run(case.spec, case.weights, case.vectors)
    assert (answer.out == trace.out).all()
    assert (answer.overflow == seen(trace.overflow, case.spec)).all()


@given(st.data())
def test_depthwise_each_row_answers_its_own_inputs(backend: Backend, data: st.DataObject) -> None:
    """As a unit of one row would; from all rows at once, their witnesses are seen."""
    case = data.draw(cases(backend.specs, stalls=True, reset=True, unit="vvau"))
    toward_the_edge(case)
    answer, spec = backend.answer(case), case.spec
    vectors = case.vectors.reshape(-1, spec.mh, spec.mw)
    for row in range(spec.mh):
        trace = mvau.run(replace(spec, mh=1, pe=1), case.weights[row : row + 1], vectors[:, row])
        assert (answer.out[:, row] == trace.out[:, 0]).all()
        assert (answer.overflow[:, row] == seen(trace.overflow, spec)[:, 0]).all()
    lowest, highest = answer.overflow[:2]  # the worst case comes first
    lo, hi = bounds.exact_range(case.weights, spec.inputs)
    assert (lowest == seen(lo < spec.acc.minimum, spec)).all()
    assert (highest == seen(hi > spec.acc.maximum, spec)).all()


@given(st.data())
def test_a_row_inside_the_exact_range_never_overflows(
    backend: Backend, data: st.DataObject
) -> None:
    case = data.draw(cases(backend.specs))
    toward_the_edge(case)
    safe = is_inside(case.weights, case.spec)
    answer = backend.answer(case)
    assert not answer.overflow[:, safe].any()
    assert (answer.out == mvau.matvec(case.weights, case.vectors))[:, safe].all()


@given(st.data())
def test_a_row_outside_the_exact_range_overflows_for_its_witness(
    backend: Backend, data: st.DataObject
) -> None:
    case = data.draw(cases(backend.specs))
    confirm_witnesses(backend, case.spec, case.weights)


def confirm_witnesses(backend: Backend, spec: MvauSpec, weights: IntArray) -> int:
    """Demand the overflow bit of every row that is not safe, for the end that it leaves."""
    lowest, highest = bounds.worst_case_inputs(weights, spec.inputs)
    lo, hi = bounds.exact_range(weights, spec.inputs)
    witnesses = Stimulus("witness", np.concatenate([lowest, highest]))
    answer = backend.answer(Case("mvau", spec, "explored", weights, (witnesses,)))
    rows = np.arange(spec.mh)
    low, high = answer.overflow[rows, rows], answer.overflow[spec.mh + rows, rows]
    assert (low == seen(lo < spec.acc.minimum, spec)).all()
    assert (high == seen(hi > spec.acc.maximum, spec)).all()
    return int((~is_inside(weights, spec)).sum())


@given(st.data())
def test_one_more_lsb_than_the_exact_range_allows_has_a_witness(
    backend: Backend, data: st.DataObject
) -> None:
    spec = data.draw(backend.specs.filter(has_zero))
    rng = np.random.default_rng(data.draw(seeds()))
    weights = brimful(rng, spec)
    assert is_inside(weights, spec).all()
    one_more = weights.copy()
    for row in one_more:
        lane = int(rng.integers(spec.mw))
        sign = int(np.sign(row[lane])) or 1
        row[lane] += sign
        if not spec.weights.minimum <= row[lane] <= spec.weights.maximum:
            row[lane] -= sign  # it was at its end
    changed = (one_more != weights).any(axis=1)
    assert (is_inside(one_more, spec) == ~changed).all()
    assert confirm_witnesses(backend, spec, one_more) == changed.sum()


@given(st.data())
def test_unconstrained_rows_overflow(backend: Backend, data: st.DataObject) -> None:
    """Weights of any value need the width of their data types, or one bit less."""
    spec = data.draw(backend.specs)
    rng = np.random.default_rng(data.draw(seeds()))
    weights = uniform(rng, spec.weights, (spec.mh, spec.mw))
    outside = confirm_witnesses(backend, spec, weights)
    assert outside == sum(bits > spec.acc_bits for bits in bounds.row_bits(weights, spec.inputs))


# The bounds of the papers


def filled(magnitudes: IntArray, limit: int, largest: int) -> IntArray:
    """Scale magnitudes (K,) so that their sum comes as near to the limit as they allow."""
    scaled = np.minimum(magnitudes * limit // max(1, int(magnitudes.sum())), largest)
    for lane in range(len(scaled)):
        scaled[lane] += min(largest - int(scaled[lane]), limit - int(scaled.sum()))
    return scaled


def within_a2q(rng: np.random.Generator, spec: MvauSpec) -> IntArray:
    """Return rows whose L1 norms are at A2Q's bound, or as near as their lanes reach."""
    limit = int(bounds.a2q_max_l1_norm(spec.acc_bits, spec.inputs))
    rows = uniform(rng, spec.weights, (spec.mh, spec.mw))
    signs = np.where(rows < 0, -1, 1)
    return signs * np.stack([filled(np.abs(row), limit, spec.weights.maximum) for row in rows])


def within_a2q_plus(rng: np.random.Generator, spec: MvauSpec) -> IntArray:
    """Return rows that sum to zero, whose L1 norms are at A2Q+'s bound or as near as they reach."""
    side = int(bounds.a2q_plus_max_l1_norm(spec.acc_bits, spec.inputs)) // 2
    rows = np.zeros((spec.mh, spec.mw), np.int64)
    for row in rows:
        up, down = np.split(rng.permutation(spec.mw)[: spec.mw // 2 * 2], 2)
        weights = uniform(rng, spec.weights, (len(up),))
        row[up] = filled(np.abs(weights), side, spec.weights.maximum)
        row[down] = -rng.permutation(row[up])
    return rows


def within_data_types(rng: np.random.Generator, spec: MvauSpec) -> IntArray:
    """Return rows of so few lanes, or so narrow weights, that the data types alone keep to P."""
    fitting = [
        (lanes, bits)
        for lanes in range(1, spec.mw + 1)
        for bits in range(1, spec.weight_bits + 1)
        if bounds.data_type_bound(lanes, bits, spec.inputs) <= spec.acc_bits
    ]
    rows = np.zeros((spec.mh, spec.mw), np.int64)
    for row in rows[: len(fitting) * spec.mh]:
        lanes, bits = fitting[rng.integers(len(fitting))]
        row[rng.permutation(spec.mw)[:lanes]] = uniform(rng, Format(bits, signed=True), (lanes,))
    return rows


@pytest.mark.parametrize("bound", [within_a2q, within_a2q_plus, within_data_types])
@given(st.data())
def test_the_bounds_of_the_papers_imply_it(
    backend: Backend, bound: Rows, data: st.DataObject
) -> None:
    case = data.draw(cases(backend.specs.filter(has_zero), rows=(bound,)))
    toward_the_edge(case)
    assert is_inside(case.weights, case.spec).all()
    assert not backend.answer(case).overflow.any()


@pytest.mark.parametrize("bound", [within_a2q, within_a2q_plus, within_data_types])
def test_rows_within_a_bound_are_not_all_zero(bound: Rows) -> None:
    rng = np.random.default_rng(0)
    assert sum(bool(bound(rng, spec).any()) for spec in POOL) > len(POOL) // 2


# What an overflow does, and to whom


@given(st.data())
def test_saturating_never_wraps(backend: Backend, data: st.DataObject) -> None:
    """Of sums that go one way, what is held is the nearest value that there is."""
    case = data.draw(cases(backend.specs.filter(saturates)))
    sign = data.draw(st.sampled_from([-1, 1]))
    weights = sign * np.minimum(np.abs(case.weights), case.spec.weights.maximum)
    vectors = np.minimum(np.abs(case.vectors), case.spec.inputs.maximum)
    answer = backend.answer(replace(case, weights=weights, stimuli=(Stimulus("up", vectors),)))
    acc = case.spec.acc
    assert (answer.out == np.clip(mvau.matvec(weights, vectors), acc.minimum, acc.maximum)).all()


@given(st.data())
def test_wrapping_repairs_a_transient_overflow_and_no_persistent_one(
    backend: Backend, data: st.DataObject
) -> None:
    case = data.draw(cases(backend.specs.filter(lambda spec: wraps(spec) and spec.observe)))
    exact = mvau.matvec(case.weights, case.vectors)
    acc = case.spec.acc
    persistent = (exact < acc.minimum) | (exact > acc.maximum)
    answer = backend.answer(case)
    assert ((answer.out != exact) == persistent).all()
    assert answer.overflow[persistent].all()


@given(st.data())
def test_a_flag_belongs_to_the_result_that_it_rides_on(
    backend: Backend, data: st.DataObject
) -> None:
    """One row that is not safe, one vector that shows it, between many that do nothing."""
    spec = data.draw(backend.specs.filter(shows_a_flag))
    row = data.draw(st.integers(0, spec.mh - 1))
    at = data.draw(st.integers(0, 255))
    weights = inside(np.random.default_rng(data.draw(seeds())), spec)
    weights[row] = spec.weights.minimum
    vectors = np.zeros((256, spec.mw), np.int64)
    lowest, highest = bounds.worst_case_inputs(weights, spec.inputs)
    leaves_low = bounds.exact_range(weights, spec.inputs)[0][row] < spec.acc.minimum
    vectors[at] = (lowest if leaves_low else highest)[row]
    answer = backend.answer(Case("mvau", spec, "explored", weights, (Stimulus("one", vectors),)))
    assert np.argwhere(answer.overflow).tolist() == [[at, row]]


def shows_a_flag(spec: MvauSpec) -> bool:
    """Whether there are rows and vectors that do nothing, and others that overflow."""
    return spec.observe and has_zero(spec) and not spec.bipolar_input and not safe_for_all(spec)


def safe_for_all(spec: MvauSpec) -> bool:
    """Whether even the largest weights are inside P."""
    return bool(is_inside(np.full((1, spec.mw), spec.weights.minimum), spec).all())


# Order


@given(st.data())
def test_folding_changes_nothing_but_the_order(backend: Backend, data: st.DataObject) -> None:
    spec, other = data.draw(backend.refolded)
    case = data.draw(cases(st.just(spec)))
    before, after = (backend.answer(replace(case, spec=folded)) for folded in (spec, other))
    if wraps(spec):
        assert (before.out == after.out).all()
    else:
        neither = ~(before.overflow | after.overflow) & spec.observe
        assert (before.out == after.out)[neither].all()
    safe = is_inside(case.weights, spec)
    assert not (before.overflow | after.overflow)[:, safe].any()


@given(st.data())
def test_the_guarantee_does_not_depend_on_the_order(backend: Backend, data: st.DataObject) -> None:
    case = data.draw(cases(backend.specs.filter(has_zero), rows=(inside, brimful)))
    order = np.random.default_rng(data.draw(seeds())).permutation(case.spec.mw)
    stimuli = tuple(Stimulus(s.family, s.vectors[:, order]) for s in case.stimuli)
    before = backend.answer(case)
    after = backend.answer(replace(case, weights=case.weights[:, order], stimuli=stimuli))
    assert not before.overflow.any()
    assert not after.overflow.any()
    assert (before.out == after.out).all()


# What only a unit with a clock can get wrong


@given(cases(ON_RTL.specs), cases(ON_RTL.specs, stalls=True, reset=True))
def test_results_do_not_depend_on_stalls_or_on_a_reset_at_any_cycle(
    calm: Case, other: Case
) -> None:
    rough = replace(calm, stalls=other.stalls, reset_after=other.reset_after)
    before, after = ON_RTL.answer(calm), ON_RTL.answer(rough)
    assert (before.out == after.out).all()
    assert (before.overflow == after.overflow).all()


# A mac is sent a vector again for every row: small ones, or it takes too long.
MACS = st.sampled_from([spec for spec in POOL if spec.mw * spec.mh <= 100])


@given(cases(MACS, stalls=True, reset=True, unit="mac"))
def test_a_mac_is_bit_exact(case: Case) -> None:
    ON_RTL.answer(case)


@settings(max_examples=10)
@given(cases(specs(max_mw=12, max_mh=4), stalls=True, reset=True))
def test_bit_exact_for_specs_that_nobody_named(case: Case) -> None:
    ON_RTL.answer(case)


# The search itself


def test_cases_hold_hundreds_of_vectors() -> None:
    for spec in POOL:
        rng = np.random.default_rng(1)
        weights = brimful(rng, spec)
        stimuli = expanded(spec, weights, rng, [(0, True), (63, False)])
        assert sum(len(stimulus.vectors) for stimulus in stimuli) >= VECTORS


@pytest.mark.parametrize("name", RESET_BUGS)
def test_resets_meet_every_state_of_the_streams(name: str, tmp_path: Path) -> None:
    rtl = planted(RESET_BUGS[name], tmp_path)
    with pytest.raises(AssertionError):
        hunt.explored(0, 400, lambda case: rtl_answer(case, rtl))


def test_what_is_found_is_small_and_can_be_played_again(tmp_path: Path) -> None:
    """The sentence that an engineer reads leads to a file that fails again."""
    told: list[str] = []

    def look(case: Case) -> None:
        try:
            rtl_answer(case, rtl)
        except AssertionError as error:
            told.append(str(error))
            raise

    rtl = planted(BUGS["negative overflow missed"], tmp_path)
    with pytest.raises(AssertionError):
        hunt.explored(0, 50, look)
    replay = re.search(r"make repro CASE=(\S+) RTL=(\S+) WAVES=1", told[-1])
    assert "MISMATCH" in told[-1]
    case = Case.load(Path(replay[1]))
    assert len(case.vectors) == 1
    # As few as get past the lower end, and two more.
    product = -case.spec.weights.minimum * max(case.spec.inputs.maximum, 1)
    assert np.count_nonzero(case.weights) <= -case.spec.acc.minimum // product + 3
    assert not batch.play(case, rtl).passed
    assert batch.play(case).passed
    assert cli.main(["repro", "--rtl", replay[2], replay[1]]) == cli.FAILED
    assert cli.main(["repro", str(Path(replay[1]).parent)]) == 0
