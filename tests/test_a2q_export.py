"""What is exported computes what was trained, and fits: checked over every accumulator value."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from float_rows import bounded_schemes, matrices
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from a2q_ref.export import Exported, _epilogue, export
from a2q_ref.layers import Quantized
from a2q_ref.quantizers import ActQuantizer
from a2q_ref.scheme import Bias, Method, Rounding, Scheme
from golden.bounds import exact_range, l1_norm, layer_bits
from golden.integer import Format, InputError, IntArray
from golden.mvau import matvec

pytestmark = pytest.mark.torch

NIBBLES = Format(4, signed=False)


def linear_of(
    weights: object, bias: object = None, dtype: torch.dtype = torch.float64
) -> nn.Linear:
    rows = torch.tensor(weights, dtype=dtype)
    linear = nn.Linear(*rows.T.shape, bias=bias is not None, dtype=dtype)
    linear.weight.data = rows
    if bias is not None:
        linear.bias.data = torch.tensor(bias, dtype=dtype)
    return linear


def exactly(
    weights: object, bias: object = None, scale: object = 1.0, **scheme: object
) -> Quantized:
    """Return a baseline layer whose integers are these weights."""
    model = Quantized(linear_of(weights, bias), Scheme(Method.BASELINE, **scheme), input_scale=1.0)
    model.weights.d.data = torch.as_tensor(scale, dtype=torch.float64).log2().expand(len(weights))
    rows = torch.tensor(weights, dtype=torch.float64)
    model.layer.weight.data = rows * model.weights.scale()[:, None]
    return model


@st.composite
def trained(draw: st.DrawFn) -> tuple[Quantized, nn.BatchNorm1d | None, np.random.Generator]:
    """A layer with a bias and, now and then, a batch norm that turns or kills channels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mh, k = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    method = draw(st.sampled_from(list(Method)))
    inputs = Format(draw(st.integers(2, 4)), draw(st.booleans()))
    # A baseline's bias inside knows no P: it need not fit one.
    bias = Bias.OUTSIDE if method is Method.BASELINE else draw(st.sampled_from(list(Bias)))
    bits = draw(st.integers(2, 4)), draw(st.integers(7, 10))
    scheme = Scheme(method, bits[0], inputs, bits[1], bias=bias)
    linear = linear_of(rng.normal(size=(mh, k)), rng.normal(size=mh))
    model = Quantized(linear, scheme, input_scale=float(rng.uniform(0.01, 2)))
    norm = None
    if draw(st.booleans()):
        norm = nn.BatchNorm1d(mh, affine=draw(st.booleans()), dtype=torch.float64).eval()
        norm.running_mean.data = torch.tensor(rng.normal(size=mh))
        norm.running_var.data = torch.tensor(rng.uniform(0.1, 4, size=mh))
        if norm.affine:
            norm.weight.data = torch.tensor(rng.choice([-1.5, -0.2, 0.0, 0.7, 1.0], size=mh))
            norm.bias.data = torch.tensor(rng.normal(size=mh))
    return model, norm, rng


def every_accumulator(lowest: IntArray, highest: IntArray) -> IntArray:
    """All values (V, MH) from below the lowest of any row to above the highest of any."""
    values = np.arange(lowest.min() - 2, highest.max() + 3)
    return np.repeat(values[:, None], len(lowest), axis=1)


def unchanged(exported: Exported) -> np.ndarray:
    """The rows that export left as they were trained: a mask (MH,)."""
    fixed = [fix.row for fix in exported.fixes]
    return ~np.isin(np.arange(exported.layer.mh), fixed)


FORMATS = st.builds(Format, st.integers(1, 5), st.booleans())


class TestThresholds:
    @settings(deadline=None, max_examples=150)
    @given(trained(), FORMATS, st.floats(0.01, 3))
    def test_equal_the_floats_on_every_accumulator(
        self,
        drawn: tuple[Quantized, nn.BatchNorm1d | None, np.random.Generator],
        outputs: Format,
        step: float,
    ) -> None:
        model, norm, _ = drawn
        activation = ActQuantizer(outputs, step)
        exported = export(model, norm=norm, activation=activation)
        layer = exported.layer
        lowest, highest = (end + layer.acc_bias for end in exact_range(layer.weights, layer.inputs))
        acc = every_accumulator(lowest, highest)
        reachable = (acc >= lowest) & (acc <= highest)

        epilogue = _epilogue(model, norm)
        turned = np.where(epilogue.gain < 0, -1, 1)
        ours, floats = layer.activations(acc), epilogue.activations(acc * turned, activation)
        assert (ours == floats)[reachable].all()

        # The same by torch's own modules, which may round otherwise where a step is a tie.
        worth = (model.weights.scale() * model.inputs.scale()).detach().numpy()
        y = torch.tensor(acc * turned * worth)
        if model.scheme.bias is Bias.OUTSIDE:
            y = y + model.layer.bias
        with torch.no_grad():
            z = y if norm is None else norm(y)
            theirs = activation.integers(z).numpy()
        tie = np.abs((z.detach().numpy() / step) % 1 - 0.5) < 1e-9
        assert ((ours == theirs) | tie)[reachable].all()

    @settings(deadline=None, max_examples=60)
    @given(trained(), FORMATS)
    def test_the_whole_layer_in_integers_is_the_layer_in_floats(
        self,
        drawn: tuple[Quantized, nn.BatchNorm1d | None, np.random.Generator],
        outputs: Format,
    ) -> None:
        model, norm, rng = drawn
        activation = ActQuantizer(outputs, 0.37)
        exported = export(model, norm=norm, activation=activation)
        layer, fits = exported.layer, unchanged(exported)
        shape = (50, layer.mw)
        x = rng.integers(layer.inputs.minimum, layer.inputs.maximum + 1, size=shape)
        integers = layer.activations(matvec(layer.weights, x) + layer.acc_bias)
        with torch.no_grad():
            y = model(torch.tensor(x) * model.inputs.scale())
            z = y if norm is None else norm(y)
        tie = np.abs((z.numpy() / 0.37) % 1 - 0.5) < 1e-9
        assert ((integers == activation.integers(z).numpy()) | tie)[:, fits].all()

    def test_of_a_convolution_and_its_batch_norm(self) -> None:
        generator = torch.Generator().manual_seed(0)
        conv = nn.Conv2d(3, 4, 3, padding=1, dtype=torch.float64)
        norm = nn.BatchNorm2d(4, dtype=torch.float64)
        model = Quantized(conv, Scheme(Method.A2Q_PLUS, 4, NIBBLES, 12))
        x = torch.rand(8, 3, 6, 6, generator=generator, dtype=torch.float64)
        for _ in range(5):
            norm(model(x))
        norm.eval()
        norm.weight.data[1] = -0.8
        activation = ActQuantizer(NIBBLES)
        activation(norm(model(x)))
        layer = export(model, norm=norm, activation=activation).layer

        columns = nn.functional.unfold(model.inputs.integers(x).double(), 3, padding=1)
        columns = columns.transpose(1, 2).reshape(-1, layer.mw).long().numpy()
        integers = layer.activations(matvec(layer.weights, columns))
        floats = activation.integers(norm(model(x))).permute(0, 2, 3, 1).reshape(-1, 4).numpy()
        assert (integers == floats).all()
        assert len(np.unique(integers)) > 8

    def test_are_within_one_of_what_can_be_reached(self) -> None:
        model = exactly([[3, -2]], [0.25], inputs=NIBBLES)
        activation = ActQuantizer(Format(3, signed=True), scale=100.0)
        layer = export(model, activation=activation).layer
        assert exact_range(layer.weights, layer.inputs) == (-30, 45)
        # Steps from -3 on are reached by all, step 1 and those above it by none.
        assert layer.thresholds.tolist() == [[-30, -30, -30, -30, 46, 46, 46]]

    def test_a_turned_channel_has_its_weights_negated(self) -> None:
        model = exactly([[3, -7], [1, 2]], inputs=NIBBLES, weight_bits=4)
        norm = nn.BatchNorm1d(2, dtype=torch.float64).eval()
        norm.weight.data = torch.tensor([-1.0, 1.0], dtype=torch.float64)
        layer = export(model, norm=norm, activation=ActQuantizer(NIBBLES, 1.0)).layer
        assert layer.weights.tolist() == [[-3, 7], [1, 2]]

    def test_a_batch_norm_is_folded_in_float64_whatever_its_type(self) -> None:
        model = exactly([[32767]], weight_bits=16, inputs=Format(16, signed=False))
        norm = nn.BatchNorm1d(1).eval()
        norm.running_var.fill_(0.3)
        norm.running_mean.fill_(1e6)
        layer = export(model, norm=norm, activation=ActQuantizer(NIBBLES, 2.0**26)).layer
        gain = 1 / math.sqrt(norm.running_var.item() + norm.eps)
        mean = norm.running_mean.item()
        ours = [math.ceil((step - 0.5) * 2**26 / gain + mean) for step in range(1, 16)]
        assert max(ours) < 32767 * 65535
        assert np.abs(layer.thresholds - np.array([ours])).max() <= 1


class TestScores:
    @settings(deadline=None, max_examples=100)
    @given(trained())
    def test_order_rows_as_floats_do(
        self, drawn: tuple[Quantized, nn.BatchNorm1d | None, np.random.Generator]
    ) -> None:
        model, norm, rng = drawn
        exported = export(model, norm=norm)
        layer, fits = exported.layer, unchanged(exported)
        x = rng.integers(layer.inputs.minimum, layer.inputs.maximum + 1, size=(40, layer.mw))
        acc = matvec(layer.weights, x) + layer.acc_bias
        with torch.no_grad():
            y = model(torch.tensor(x) * model.inputs.scale())
            floats = (y if norm is None else norm(y)).numpy()
        # One unit of all scores, from the row whose multiplier is the largest.
        scale = np.abs(_epilogue(model, norm).scale * _epilogue(model, norm).gain)
        alive = l1_norm(layer.weights) + np.abs(layer.acc_bias) > 0
        unit = scale[alive].max() / 32767 if alive.any() else 1 / 32767
        # One multiplier is off by at most half a unit, and so is one bias.
        allowed = (np.abs(acc) + 1.01) * unit / 2 + 1e-9
        assert (np.abs(layer.scores(acc) * unit - floats) <= allowed)[:, fits].all()

    def test_a_channel_that_its_batch_norm_silences_is_its_shift(self) -> None:
        scheme = Scheme(Method.BASELINE, bias=Bias.INSIDE)
        model = Quantized(linear_of([[3.0], [3.0]], [7.0, 7.0]), scheme, input_scale=1.0)
        norm = nn.BatchNorm1d(2, dtype=torch.float64).eval()
        norm.weight.data[0], norm.bias.data[0] = 0.0, 0.5
        layer = export(model, norm=norm).layer
        assert (layer.weights[0].tolist(), layer.acc_bias[0]) == ([0], 0)
        assert layer.scores(np.array([[0, 0]]))[0, 0] == layer.bias[0] > 0

    def test_multipliers_use_their_16_bits(self) -> None:
        layer = export(exactly([[1], [2], [0]], scale=[0.3, 0.1, 1e9])).layer
        assert layer.multiplier[:2].tolist() == [32767, 10922]

    def test_a_layer_of_dead_rows_still_has_a_bias(self) -> None:
        layer = export(exactly([[0], [0]], [0.0, 1.0])).layer
        assert layer.scores(np.zeros((1, 2), np.int64)).argmax() == 1


class TestFit:
    @settings(deadline=None, max_examples=200)
    @given(st.data())
    def test_no_row_leaves_its_width_whatever_the_floats(self, data: st.DataObject) -> None:
        """Nor is there one to fix: the quantizers alone keep the bound."""
        v, scheme = data.draw(matrices()), data.draw(bounded_schemes())
        model = Quantized(linear_of(v.tolist(), dtype=v.dtype), scheme, 1 / 255)
        exported = export(model, activation=ActQuantizer(Format(1, signed=False), 1.0))
        layer = exported.layer
        assert exported.fixes == ()
        assert layer.trained_acc_bits == scheme.acc_bits
        assert layer_bits(layer.weights, layer.inputs) <= scheme.acc_bits
        assert max(l1_norm(layer.weights).tolist()) <= scheme.budget

    @pytest.mark.parametrize("method", [Method.A2Q, Method.A2Q_PLUS])
    def test_half_way_rounding_is_brought_back_and_reported(self, method: Method) -> None:
        weights = 1 + 0.1 * np.random.default_rng(0).random(size=(20, 40))
        if method is Method.A2Q_PLUS:
            weights[:, ::2] *= -1
        scheme = Scheme(method, acc_bits=14, rounding=Rounding.HALF_WAY)
        model = Quantized(linear_of(weights), scheme, 1 / 255)
        model.layer.weight.data = torch.tensor(weights)
        model.weights.t.data += 20  # as much as there is: 0.8 or 1.6 LSBs each
        exported = export(model)
        before, layer = model.integers().numpy(), exported.layer
        assert layer_bits(before, layer.inputs) > 14
        assert layer_bits(layer.weights, layer.inputs) <= 14
        changed = np.flatnonzero((before != layer.weights).any(axis=1))
        assert [fix.row for fix in exported.fixes] == changed.tolist() != []
        assert all(fix.needed_bits > 14 for fix in exported.fixes)

    def test_baseline_is_brought_into_p(self) -> None:
        exported = export(exactly([[127] * 8, [1] * 8], acc_bits=16))
        assert [(fix.row, fix.needed_bits) for fix in exported.fixes] == [(0, 19)]
        assert layer_bits(exported.layer.weights, exported.layer.inputs) == 16

    def test_baseline_without_p_keeps_what_it_has(self) -> None:
        exported = export(exactly([[127] * 64]))
        assert exported.fixes == ()
        assert exported.layer.trained_acc_bits is None
        assert exported.layer.weights.min() == 127

    def test_bias_inside_is_exported_beside_the_weights(self) -> None:
        scheme = Scheme(Method.BASELINE, bias=Bias.INSIDE)
        model = Quantized(linear_of([[3.0, -1.0]], [7.0]), scheme, input_scale=1.0)
        model.weights.d.data.fill_(0.0)
        layer = export(model).layer
        assert layer.weights.tolist() == [[3, -1]]
        assert layer.acc_bias.tolist() == [7]
        assert layer.bias.tolist() == [0]

    def test_bias_inside_counts_when_a_baseline_is_brought_into_p(self) -> None:
        scheme = Scheme(Method.BASELINE, acc_bits=16, bias=Bias.INSIDE)
        model = Quantized(linear_of([[100.0, -1.0]], [20000.0]), scheme, input_scale=1.0)
        model.weights.d.data.fill_(0.0)
        model.layer.weight.data = torch.tensor([[100.0, -1.0]], dtype=torch.float64)
        exported = export(model)
        layer = exported.layer
        assert layer.acc_bias.tolist() == [20000]
        assert [(fix.row, fix.needed_bits) for fix in exported.fixes] == [(0, 17)]
        assert layer_bits(layer.weights, layer.inputs, start=layer.acc_bias) == 16

    def test_origin_is_kept(self) -> None:
        assert export(exactly([[1]]), origin={"who": "me"}).layer.origin == {"who": "me"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("spoil", "sentence"),
        [
            ("layer.weight", r"layer\.weight must be finite numbers, got nan at \[0, 0\]"),
            ("layer.bias", r"layer\.bias must be finite numbers, got nan at \[0\]"),
            ("weights.d", r"weights\.d must be finite numbers, got nan at \[0\]"),
            ("weights.t", r"weights\.t must be finite numbers, got nan at \[0\]"),
        ],
    )
    def test_of_what_training_has_ruined(self, spoil: str, sentence: str) -> None:
        model = Quantized(linear_of([[1.0, 2.0]], [0.5]), Scheme(acc_bits=16), 1.0)
        model.get_parameter(spoil).data.fill_(math.nan)
        with pytest.raises(InputError, match=sentence):
            export(model)

    def test_of_inputs_that_never_had_a_scale(self) -> None:
        model = Quantized(linear_of([[1.0, 2.0]]), Scheme(acc_bits=16))
        with pytest.raises(InputError, match="scale of activations must be known, from a batch"):
            export(model)

    def test_of_an_activation_that_never_had_a_scale(self) -> None:
        with pytest.raises(InputError, match="scale of activations must be known, from a batch"):
            export(exactly([[1]]), activation=ActQuantizer(NIBBLES))

    def test_of_a_batch_norm_for_another_layer(self) -> None:
        with pytest.raises(InputError, match="one channel for each of 1 rows, got 3"):
            export(exactly([[1]]), norm=nn.BatchNorm1d(3))

    def test_of_a_batch_norm_without_statistics(self) -> None:
        norm = nn.BatchNorm1d(1, track_running_stats=False)
        with pytest.raises(InputError, match="a batch norm must have running statistics, got none"):
            export(exactly([[1]]), norm=norm)

    def test_of_a_batch_norm_that_has_exploded(self) -> None:
        norm = nn.BatchNorm1d(1)
        norm.running_var.fill_(-1.0)
        with pytest.raises(InputError, match="finite statistics and a positive variance"):
            export(exactly([[1]]), norm=norm)

    def test_of_an_activation_too_wide(self) -> None:
        with pytest.raises(InputError, match="outputs must have 1 to 8 bits, got 9"):
            export(exactly([[1]]), activation=ActQuantizer(Format(9, signed=False), 1.0))

    def test_of_scales_too_far_apart(self) -> None:
        model = exactly([[1], [1]], scale=[1.0, 1e-6])
        with pytest.raises(InputError, match="must not differ by a factor of more than 65534"):
            export(model)

    def test_of_a_bias_out_of_reach(self) -> None:
        with pytest.raises(InputError, match=r"bias must stay below 2\^61 units"):
            export(exactly([[1]], [1e30]))

    @pytest.mark.parametrize(
        ("behind", "sentence"),
        [
            ({"norm": nn.GroupNorm(1, 2)}, r"norm must be a BatchNorm1d .*, got a GroupNorm"),
            ({"activation": nn.ReLU()}, "activation must be a ActQuantizer, got a ReLU"),
        ],
        ids=["norm", "activation"],
    )
    def test_of_other_modules(self, behind: dict[str, nn.Module], sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            export(exactly([[1], [1]]), **behind)

    @pytest.mark.parametrize(("d", "scale"), [(-1100.0, "0.0"), (1100.0, "inf")])
    def test_of_an_activation_without_a_scale(self, d: float, scale: str) -> None:
        activation = ActQuantizer(NIBBLES)
        activation.d.data.fill_(d)
        with pytest.raises(InputError, match=f"activations must be a positive number, got {scale}"):
            export(exactly([[1]]), activation=activation)

    @pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
    @pytest.mark.parametrize(("weight", "d"), [(1, 1020.0), (0, 1100.0)], ids=["inf", "nan"])
    def test_of_what_leaves_the_floats(self, weight: int, d: float) -> None:
        model = exactly([[weight]])
        model.weights.d.data.fill_(d)
        model.layer.weight.data.fill_(weight * 2.0**1020)
        with pytest.raises(InputError, match="must be finite on all that it reaches"):
            export(model, activation=ActQuantizer(NIBBLES, 1.0))
