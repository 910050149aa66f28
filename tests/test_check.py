"""The main job: what is asked, what is played, and when a verdict may say passed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from io import StringIO

import numpy as np
import pytest
from perfect import perfect
from rich.console import Console

from golden import bounds, mvau
from golden.integer import Format, InputError, Overflow
from golden.layer import LabelledInputs, QuantLayer
from sim import check, plan, report
from sim.run import Played
from sim.tools import Simulator
from tb import stimulus

SIMULATOR = Simulator("verilator", "a simulator")
QUESTION = plan.Question(acc_bits=16)


def verdict_of(named, question=QUESTION, data=None, change=lambda p: p) -> check.LayerVerdict:
    runs = tuple(change(perfect(case)) for case in plan.cases(question, named, data))
    return check._layer_verdict(named, question.acc_bits, runs, data)


@pytest.mark.parametrize("acc_bits", range(10, 33))
def test_shipped_layer_is_the_nearest_below(acc_bits: int) -> None:
    a2q, unconstrained = plan.shipped_layers(acc_bits)
    trained = min(acc_bits, 24)
    assert a2q.layer.trained_acc_bits == trained
    assert unconstrained.layer.trained_acc_bits is None
    assert bounds.layer_bits(a2q.layer.weights, a2q.layer.inputs) <= trained
    norms = bounds.l1_norm(a2q.layer.weights)
    assert max(map(Fraction, norms.tolist())) <= bounds.a2q_max_l1_norm(trained, a2q.layer.inputs)


@pytest.mark.parametrize("acc_bits", [2, 9])
def test_below_all_shipped_layers_is_refused(acc_bits: int) -> None:
    with pytest.raises(InputError, match=f"^ACC must be at least 10, .* got {acc_bits}$"):
        plan.shipped_layers(acc_bits)


def test_both_units_play_all_families_of_both_layers() -> None:
    images = plan.shipped_images()
    for named in plan.shipped_layers(16):
        cases = {case.unit: case for case in plan.cases(QUESTION, named, images)}
        assert set(cases) == {"mac", "mvau"}
        for unit, case in cases.items():
            families = [s.family for s in case.stimuli]
            assert families == [stimulus.REAL, stimulus.WORST, stimulus.MIXED]
            assert len(case.stimuli[0].vectors) == (len(images.values) if unit == "mvau" else 4)


def test_verdict_on_the_shipped_layers() -> None:
    images = plan.shipped_images()
    a2q, unconstrained = (verdict_of(n, data=images) for n in plan.shipped_layers(16))
    assert a2q.failures == []
    assert a2q.is_safe
    assert a2q.overflows_seen == 0
    assert a2q.accuracy == a2q.exact_accuracy > 0.9
    assert unconstrained.failures == []
    assert not unconstrained.is_safe
    assert unconstrained.accuracy < 0.5 < unconstrained.exact_accuracy
    witness = unconstrained.witness
    layer = unconstrained.named.layer
    assert witness.exact == int(layer.weights[witness.row] @ witness.inputs)
    assert not -(2**15) <= witness.exact < 2**15
    assert witness.held == (witness.exact + 2**15) % 2**16 - 2**15
    assert witness.bits == bounds.bits_for(*sorted((0, witness.exact)))


def test_enough_bits_make_unconstrained_weights_safe() -> None:
    question = replace(QUESTION, acc_bits=20)
    verdict = verdict_of(plan.shipped_layers(20)[1], question)
    assert verdict.is_safe
    assert verdict.failures == []
    assert verdict.witness is None


@pytest.mark.parametrize(
    ("layer", "change", "says"),
    [
        (0, {"overflows_seen": 1, "overflows_predicted": 1}, "1 overflows in a safe layer"),
        (0, {"overflows_seen": 1}, "1 overflows were seen, 0 predicted"),
        (1, {"overflows_seen": 7}, "7 overflows were seen"),
        (1, {"overflows_seen": 0, "overflows_predicted": 0}, "although the layer is not safe"),
        (1, {"results": 0}, "nothing was compared"),
    ],
)
def test_verdict_fails(layer: int, change: dict, says: str) -> None:
    named = plan.shipped_layers(16)[layer]

    def changed(run: Played) -> Played:
        return replace(run, tallies=tuple(replace(t, **change) for t in run.tallies))

    verdict = verdict_of(named, change=changed)
    assert any(says in failure for failure in verdict.failures)
    whole = check.Verdict(QUESTION, SIMULATOR, (verdict,), "")
    assert not whole.passed


def test_verdict_fails_with_a_report_and_shows_the_replay() -> None:
    named = plan.shipped_layers(16)[0]
    verdict = verdict_of(named, change=lambda run: replace(run, report="MISMATCH", outcome=None))
    assert all("MISMATCH" in f and "make repro CASE=" in f for f in verdict.failures)
    assert len(verdict.failures) == 2


def test_verdict_on_nothing_fails() -> None:
    assert not check.Verdict(QUESTION, SIMULATOR, (), "").passed


def test_layer_without_data_gets_uniform_inputs() -> None:
    rng = np.random.default_rng(0)
    layer = QuantLayer(rng.integers(-8, 8, (6, 14)), 4, Format(5, signed=True))
    named = plan.NamedLayer("mine", "mine", layer)
    mac, mvau_ = plan.cases(replace(QUESTION, seed=3), named, None)
    assert mvau_.stimuli[0].family == stimulus.UNIFORM
    assert (mvau_.spec.pe, mvau_.spec.simd) == (3, 7)
    assert (mac.spec.pe, mac.spec.simd) == (1, 1)
    other = plan.cases(replace(QUESTION, seed=4), named, None)[1]
    assert (other.stimuli[0].vectors != mvau_.stimuli[0].vectors).any()


def test_a_large_layer_is_played_in_part_and_the_hardest_rows_are_in_it() -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(-2, 3, (300, 400))
    weights[[17, 250]] = 7
    named = plan.NamedLayer("large", "large", QuantLayer(weights, 4, Format(4, signed=False)))
    images = LabelledInputs(
        rng.integers(0, 16, (500, 400)), np.zeros(500, int), Format(4, signed=False)
    )
    mac, mvau_ = plan.cases(QUESTION, named, images)
    assert (mac.weights == 7).all(axis=1).sum() == 2
    assert len(mac.vectors) * mac.spec.total_fold <= plan.MAC_BEATS
    assert len(mvau_.vectors) * mvau_.spec.total_fold <= plan.MVAU_BEATS
    np.testing.assert_array_equal(mvau_.weights, weights)
    exact = mvau.matvec(weights, mvau_.vectors)
    assert {17, 250} <= set(exact.max(axis=0).argsort()[-2:].tolist())
    verdict = verdict_of(named, data=images)
    assert verdict.accuracy is not None
    text = report._sentences(verdict)
    for case in (mac, mvau_):
        rows = case.families.count(stimulus.WORST) // 2
        assert 1 <= rows < 300
        assert f"the {case.unit} played the worst cases of {rows} of 300 rows" in text


def test_a_layer_of_one_weight_can_be_asked_about() -> None:
    layer = QuantLayer(np.array([[-1]]), 1, Format(1, signed=True))
    mac, mvau_ = plan.cases(QUESTION, plan.NamedLayer("one", "one", layer), None)
    assert mac.spec.mh == mvau_.spec.mh == 1


def test_folding_that_does_not_divide_is_refused() -> None:
    named = plan.shipped_layers(16)[0]
    with pytest.raises(InputError, match=r"^SIMD must divide MW, got SIMD=7 MW=64$"):
        plan.cases(replace(QUESTION, simd=7), named, None)


def test_a_layer_that_starts_its_accumulators_elsewhere_is_refused() -> None:
    named = plan.shipped_layers(16)[0]
    started = replace(named.layer, acc_bias=np.array([0] * 9 + [-3]))
    with pytest.raises(InputError, match=r"^acc_bias of A2Q, P=16 must be 0, .*, got -3$"):
        plan.cases(QUESTION, replace(named, layer=started), None)


def test_data_for_another_layer_is_refused() -> None:
    data = LabelledInputs(np.zeros((3, 5), int), np.zeros(3, int), Format(8, signed=False))
    with pytest.raises(InputError, match="must be 64 unsigned 8-bit integers, got 5 unsigned"):
        plan.cases(QUESTION, plan.shipped_layers(16)[0], data)


def test_report_says_it_in_words_and_in_json() -> None:
    images = plan.shipped_images()
    layers = tuple(verdict_of(named, data=images) for named in plan.shipped_layers(16))
    verdict = check.Verdict(QUESTION, SIMULATOR, layers, "hash")
    console = Console(file=StringIO(), width=100)
    report.print_verdict(verdict, console)
    text = " ".join(console.file.getvalue().split())
    assert "A2Q, P=16: the guarantee held." in text
    assert "unconstrained: not safe. Its worst input needs 20 bits, there are 16" in text
    assert f"the 16-bit register held {layers[1].witness.held:,}" in text
    assert text.split(" PASSED")[0].count(f"{layers[0].accuracy:.1%} at P=16") == 1
    data = report.to_json(verdict)
    assert data["passed"] is True
    assert [layer["safe"] for layer in data["layers"]] == [True, False]
    assert data["layers"][1]["witness"]["held"] == layers[1].witness.held
    stimuli = [s for run in data["layers"][0]["runs"] for s in run["stimuli"]]
    assert sum(s["results"] for s in stimuli) == (4 + 40 + 360 + 40) * 10


def test_saturating_question_reaches_the_rtl() -> None:
    question = replace(QUESTION, overflow=Overflow.SATURATE)
    for case in plan.cases(question, plan.shipped_layers(16)[1], None):
        assert case.spec.overflow is Overflow.SATURATE
