"""Layers of every geometry compute with integers, and their rows are what one accumulator adds."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from float_rows import DTYPES, bounded_schemes, matrices
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from a2q_ref.layers import Quantized, penalty, quantize
from a2q_ref.scheme import Bias, Method, Scheme
from golden.bounds import exact_range, l1_norm, row_bits
from golden.integer import Format, InputError

pytestmark = pytest.mark.torch

NIBBLES = Format(4, signed=False)


def with_weight(weight: torch.Tensor) -> nn.Linear:
    linear = nn.Linear(3, 3)
    linear.weight = nn.Parameter(weight, requires_grad=False)
    return linear


def with_old_weight_norm() -> nn.Linear:
    with pytest.warns(FutureWarning, match="weight_norm"):
        return nn.utils.weight_norm(nn.Linear(3, 3))


# Layers that can not be quantized, and why.
ODD_LAYERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "pruned": (
        lambda: prune.l1_unstructured(nn.Linear(3, 3), "weight", 0.5),
        "without pruning or weight norm, got bias, weight_orig",
    ),
    "weight norm": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), "got ParametrizedLinear",
    ),
    "old weight norm": (with_old_weight_norm, "got bias, weight_g, weight_v"),
    "integer": (lambda: with_weight(torch.ones(3, 3, dtype=torch.int32)), r"got torch\.int32"),
    "complex": (
        lambda: with_weight(torch.ones(3, 3, dtype=torch.complex64)), r"got torch\.complex64",
    ),
    "float8": (
        lambda: with_weight(torch.ones(3, 3).to(torch.float8_e4m3fn)), r"got torch\.float8_e4m3fn",
    ),
    "sparse": (lambda: with_weight(torch.eye(3).to_sparse()), r"torch\.sparse_coo"),
    "meta": (lambda: with_weight(torch.ones(3, 3, device="meta")), "meta$"),
}  # fmt: skip

# Each geometry with an input for it.
GEOMETRIES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(12, 5), (3, 12)),
    "conv1d": (lambda: nn.Conv1d(6, 4, 3, stride=2, padding=1), (2, 6, 9)),
    "conv2d": (lambda: nn.Conv2d(3, 4, (3, 2), stride=(1, 2), padding=1), (2, 3, 6, 7)),
    "grouped": (lambda: nn.Conv2d(6, 4, 3, groups=2, dilation=2), (2, 6, 7, 7)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, padding="same"), (2, 4, 5, 5)),
    "circular": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (2, 2, 5, 5)),
    "transposed 1d": (lambda: nn.ConvTranspose1d(3, 4, 4, stride=3), (2, 3, 5)),
    "transposed": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        (2, 4, 5, 5),
    ),
}


@pytest.fixture(params=GEOMETRIES)
def geometry(request: pytest.FixtureRequest) -> tuple[nn.Module, torch.Tensor]:
    make, shape = GEOMETRIES[request.param]
    generator = torch.Generator().manual_seed(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = make().double()
    return layer, torch.rand(shape, generator=generator, dtype=torch.float64) * 2


def kernels(model: Quantized) -> torch.Tensor:
    """The integers as the float layer takes them."""
    shape = model._swapped(model.layer.weight).shape
    return model._swapped(model.integers().double().view(shape))


def output_axis(layer: nn.Module) -> int:
    return -1 if isinstance(layer, nn.Linear) else 1


class TestGeometry:
    @pytest.mark.parametrize("method", list(Method))
    def test_computes_on_integers(
        self, method: Method, geometry: tuple[nn.Module, torch.Tensor]
    ) -> None:
        """The same layer of torch on the integers, rescaled, gives the same outputs."""
        layer, x = geometry
        scheme = Scheme(method, 5, NIBBLES, acc_bits=12)
        model = Quantized(layer, scheme, input_scale=0.2)
        integers = kernels(model)
        sums = torch.func.functional_call(
            layer,
            {"weight": integers, "bias": torch.zeros_like(layer.bias)},
            (model.inputs.integers(x).double(),),
        )
        axis = output_axis(layer)
        worth = model.weights.scale() * 0.2
        expected = sums.movedim(axis, -1) * worth + layer.bias
        torch.testing.assert_close(model(x).movedim(axis, -1), expected)

    def test_a_row_is_all_that_one_output_channel_hears(
        self, geometry: tuple[nn.Module, torch.Tensor]
    ) -> None:
        layer, x = geometry
        model = Quantized(layer, Scheme(acc_bits=12, inputs=NIBBLES))
        rows = model.integers().shape
        for channel in range(rows[0]):
            weight = layer.weight.detach().clone().requires_grad_()
            y = torch.func.functional_call(layer, {"weight": weight}, (x + 1,))
            y.select(output_axis(layer), channel).sum().backward()
            heard = model._swapped(weight.grad).flatten(1).abs() > 0
            assert heard[channel].all()
            assert heard.sum() == rows[1]

    def test_rows_and_kernels_are_inverse(self, geometry: tuple[nn.Module, torch.Tensor]) -> None:
        layer, _ = geometry
        model = Quantized(layer, Scheme(Method.BASELINE))
        weight = torch.randn_like(layer.weight)
        assert torch.equal(model._swapped(model._swapped(weight)), weight)

    def test_no_matter_how_the_memory_lies(self) -> None:
        conv = nn.Conv2d(8, 4, 3, dtype=torch.float64)
        plain = Quantized(copy.deepcopy(conv), Scheme(acc_bits=14))
        last = Quantized(conv, plain.scheme).to(memory_format=torch.channels_last)
        assert not conv.weight.is_contiguous()
        assert torch.equal(last.integers(), plain.integers())
        for model in (plain, last):
            model.weights(model.layer.weight).square().sum().backward()
        torch.testing.assert_close(last.layer.weight.grad, plain.layer.weight.grad)

    @pytest.mark.parametrize("bias", list(Bias))
    @pytest.mark.parametrize("method", list(Method))
    def test_every_parameter_is_trained(
        self, method: Method, bias: Bias, geometry: tuple[nn.Module, torch.Tensor]
    ) -> None:
        layer, x = geometry
        model = Quantized(layer, Scheme(method, 4, NIBBLES, 13, bias=bias))
        before = model(x).square().mean()
        (before + penalty(model)).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name

    def test_no_input_leaves_the_width(self, geometry: tuple[nn.Module, torch.Tensor]) -> None:
        layer, x = geometry
        acc_bits = 9
        model = Quantized(layer, Scheme(acc_bits=acc_bits, inputs=NIBBLES), input_scale=1.0)
        weights = {"weight": kernels(model), "bias": layer.bias * 0}
        for trial in range(20):
            wild = torch.randint_like(x, 2) * 15 if trial else torch.full_like(x, 15.0)
            sums = torch.func.functional_call(layer, weights, (wild,))
            assert sums.min() >= -(2 ** (acc_bits - 1))
            assert sums.max() < 2 ** (acc_bits - 1)


class TestBias:
    @settings(deadline=None, max_examples=100)
    @given(st.data())
    def test_inside_is_inside_the_bound(self, data: st.DataObject) -> None:
        v, scheme = data.draw(matrices(k=24)), data.draw(bounded_schemes(Bias.INSIDE))
        linear = nn.Linear(24, len(v), dtype=v.dtype)
        linear.weight.data = v
        model = Quantized(linear, scheme, data.draw(st.sampled_from([1.0, 1 / 255, 30.0])))
        largest = 60000.0
        linear.bias.data = torch.tensor(
            data.draw(st.lists(st.floats(-largest, largest), min_size=len(v), max_size=len(v)))
        ).to(v.dtype)
        if data.draw(st.booleans()):
            model.weights.t.data += 20
        lowest, highest = exact_range(
            model.integers().numpy(), scheme.inputs, start=model.bias_integers().numpy()
        )
        acc = Format(scheme.acc_bits, signed=True)
        assert acc.minimum <= lowest.min()
        assert highest.max() <= acc.maximum

    def test_inside_is_what_the_accumulator_starts_from(self) -> None:
        linear = nn.Linear(12, 5, dtype=torch.float64)
        scheme = Scheme(weight_bits=5, inputs=NIBBLES, acc_bits=14, bias=Bias.INSIDE)
        model = Quantized(linear, scheme, input_scale=0.25)
        x = torch.rand(7, 12, dtype=torch.float64) * 4
        acc = model.inputs.integers(x) @ model.integers().T + model.bias_integers()
        assert model.bias_integers().any()
        torch.testing.assert_close(model(x), acc * model.weights.scale() * 0.25)

    def test_inside_starts_at_the_float_bias(self) -> None:
        linear = nn.Linear(12, 5, dtype=torch.float64)
        model = Quantized(linear, Scheme(acc_bits=24, bias=Bias.INSIDE), input_scale=1 / 255)
        worth = model.weights.scale() / 255
        assert ((model.bias_integers() * worth - linear.bias).abs() <= worth / 2).all()

    def test_inside_takes_its_share_from_the_weights(self) -> None:
        linear = nn.Linear(64, 1, dtype=torch.float64)
        model = Quantized(linear, Scheme(acc_bits=18, bias=Bias.INSIDE), input_scale=1.0)
        model.weights.t.data += 20  # asks for all there is
        norms = []
        for share in (0.0, 0.4, 100.0):
            reach = 2**17 * model.weights.scale().item()
            linear.bias.data.fill_(share * reach)
            norms.append(int(model.integers().abs().sum()))
        assert norms[0] > norms[1] > norms[2] > 0  # never all: half is kept for the weights

    def test_inside_counts_the_sign_of_inputs(self) -> None:
        linear = nn.Linear(24, 8, dtype=torch.float64)
        linear.weight.data.fill_(1.0)
        linear.bias.data = torch.linspace(0, 1e5, 8, dtype=torch.float64)
        scheme = Scheme(inputs=Format(8, signed=True), acc_bits=16, bias=Bias.INSIDE)
        model = Quantized(linear, scheme, input_scale=1.0)
        model.weights.t.data += 20
        start = model.bias_integers().numpy()
        assert max(row_bits(model.integers().numpy(), scheme.inputs, start=start)) == 16

    def test_inside_is_rounded_straight_through(self) -> None:
        linear = nn.Linear(2, 2, dtype=torch.float64)
        linear.weight.data.zero_()
        linear.bias.data = torch.tensor([0.3, -1.7], dtype=torch.float64)
        model = Quantized(linear, Scheme(Method.BASELINE, bias=Bias.INSIDE), input_scale=0.25)
        model.weights.d.data.zero_()
        model(torch.ones(3, 2, dtype=torch.float64)).sum().backward()
        rounding = torch.tensor([1 - 1.2, -7 + 6.8], dtype=torch.float64)
        assert linear.bias.grad.tolist() == [3, 3]
        torch.testing.assert_close(model.weights.d.grad, 3 * 0.25 * math.log(2) * rounding)

    @pytest.mark.parametrize("method", [Method.A2Q, Method.BASELINE])
    def test_inside_of_weights_next_to_nothing(self, method: Method) -> None:
        """Whose scale is no number by which a bias could be divided."""
        linear = nn.Linear(3, 2, dtype=torch.float64)
        linear.weight.data.fill_(5e-324)
        linear.bias.data = torch.tensor([0.0, 1.0], dtype=torch.float64)
        model = Quantized(linear, Scheme(method, acc_bits=16, bias=Bias.INSIDE), input_scale=1e-9)
        bias = model.bias_integers()
        assert bias[0] == 0
        assert bias[1] == (16383 if method is Method.A2Q else 2**46 - 1)

    def test_outside_is_not_in_the_accumulator(self) -> None:
        model = Quantized(nn.Linear(12, 5), Scheme(acc_bits=16))
        assert model.bias_integers().tolist() == [0] * 5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler, about itself
@pytest.mark.parametrize("geometry", ["linear", "grouped", "transposed"], indirect=True)
def test_compiles_as_a_whole_once_its_inputs_have_a_scale(
    geometry: tuple[nn.Module, torch.Tensor],
) -> None:
    layer, x = geometry
    model = Quantized(layer, Scheme(acc_bits=14, inputs=NIBBLES, bias=Bias.INSIDE))
    plain = model(x)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(compiled, plain)


class TestQuantize:
    def model(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU()), nn.Flatten(), nn.Linear(64, 10),
        )  # fmt: skip

    def test_mixed_precision_is_a_list(self) -> None:
        model = self.model()
        schemes = [
            Scheme(Method.BASELINE, 8),
            Scheme(Method.A2Q_PLUS, 4, NIBBLES, 10),
            Scheme(Method.A2Q, 3, Format(6, signed=False), 12),
        ]
        layers = quantize(model, schemes)
        assert [layer.scheme for layer in layers] == schemes
        assert [type(layer.layer) for layer in layers] == [nn.Conv2d, nn.Conv2d, nn.Linear]
        model(torch.rand(2, 1, 8, 8)).sum().backward()
        for layer in layers[1:]:
            assert max(l1_norm(layer.integers().numpy())) <= layer.scheme.budget

    def test_one_scheme_is_for_all(self) -> None:
        layers = quantize(self.model(), Scheme(acc_bits=14))
        assert {layer.scheme for layer in layers} == {Scheme(acc_bits=14)}

    def test_is_done_once(self) -> None:
        model = self.model()
        quantize(model, Scheme(acc_bits=14))
        with pytest.raises(InputError, match="a model must have a layer to quantize, got none"):
            quantize(model, Scheme(acc_bits=14))

    def test_refuses_a_list_of_another_length(self) -> None:
        model = self.model()
        with pytest.raises(InputError, match="one for each of the 3 layers, got 2"):
            quantize(model, [Scheme(acc_bits=14)] * 2)
        assert not any(isinstance(part, Quantized) for part in model.modules())

    def test_none_leaves_a_layer_in_floats(self) -> None:
        model = nn.Sequential(nn.Conv3d(1, 1, 1), nn.Linear(3, 3))
        (layer,) = quantize(model, [None, Scheme(acc_bits=14)])
        assert type(model[0]) is nn.Conv3d
        assert model[1] is layer

    @pytest.mark.parametrize("kind", ["Conv3d", "MyLinear", "a bias"])
    def test_nothing_is_left_in_floats_in_silence(self, kind: str) -> None:
        class MyLinear(nn.Linear):
            pass

        first = nn.Linear(3, 3)
        layers = {
            "Conv3d": nn.Conv3d(1, 1, 1),
            "MyLinear": MyLinear(3, 3),
            "a bias": nn.Linear(3, 3, bias=False),
        }
        model, before = nn.Sequential(first, layers[kind]), first.weight.clone()
        scheme = Scheme(acc_bits=10, bias=Bias.INSIDE)
        with pytest.raises(InputError, match=f"must .*{kind}"):
            quantize(model, scheme)
        assert model[0] is first
        assert torch.equal(first.weight, before)

    def test_refuses_a_layer_in_two_places(self) -> None:
        layer = nn.Linear(3, 3)
        with pytest.raises(InputError, match="must have one place in the model, got one that is"):
            quantize(nn.Sequential(layer, nn.ReLU(), layer), Scheme(acc_bits=16))

    def test_refuses_tied_weights(self) -> None:
        first, second = nn.Linear(3, 3), nn.Linear(3, 3)
        second.weight = first.weight
        with pytest.raises(InputError, match="must have one place in the model, got one that is"):
            quantize(nn.Sequential(first, second), Scheme(acc_bits=16))

    @pytest.mark.parametrize("kind", ODD_LAYERS)
    def test_changes_nothing_where_it_refuses(self, kind: str) -> None:
        make, sentence = ODD_LAYERS[kind]
        first, odd = nn.Linear(3, 3), make()
        model, before = nn.Sequential(first, odd), first.weight.clone()
        with pytest.raises(InputError, match=sentence):
            Quantized(odd, Scheme(acc_bits=16))
        with pytest.raises(InputError, match=sentence):
            quantize(model, Scheme(acc_bits=16))
        assert list(model) == [first, odd]
        assert torch.equal(first.weight, before)

    def test_a_network_learns(self) -> None:
        """At P=16, 512 inputs wide: what it starts from can be trained."""
        torch.manual_seed(0)
        x = torch.rand(256, 512)
        target = (x[:, :8].sum(dim=1) > 4).long()
        model = nn.Sequential(nn.Linear(512, 32), nn.ReLU(), nn.Linear(32, 2))
        layers = quantize(model, Scheme(acc_bits=16))
        model(x)  # the scales of the inputs start
        assert (layers[0].integers() != 0).double().mean() > 0.05
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        losses = []
        for _ in range(100):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), target)
            (loss + 1e-3 * penalty(model)).backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.75 * losses[0]
        for layer in layers:
            assert max(l1_norm(layer.integers().numpy())) <= layer.scheme.budget

    def test_state_comes_back(self) -> None:
        first, second = self.model(), self.model()
        for model in (first, second):
            quantize(model, Scheme(acc_bits=14))
        x = torch.rand(2, 1, 8, 8)
        first(x)
        second.load_state_dict(first.state_dict())
        first.eval(), second.eval()
        assert torch.equal(first(x), second(x))


class TestRefusals:
    @pytest.mark.parametrize(
        ("layer", "scheme", "sentence"),
        [
            (nn.Embedding(3, 3), {}, "a layer must be one of Linear, Conv1d, .*, got Embedding"),
            (
                nn.Linear(3, 3, bias=False),
                {"bias": Bias.INSIDE},
                "a bias inside the accumulator must have a layer with a bias, got none",
            ),
        ],
        ids=["kind", "no bias"],
    )
    def test_of_layers(self, layer: nn.Module, scheme: dict[str, object], sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            Quantized(layer, Scheme(**({"acc_bits": 16} | scheme)))

    def test_of_what_is_no_scheme(self) -> None:
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        before = list(model)
        with pytest.raises(InputError, match="a layer must have a Scheme, got 16"):
            Quantized(nn.Linear(3, 3), 16)
        with pytest.raises(InputError, match="a layer must have a Scheme, got 16"):
            quantize(model, [Scheme(acc_bits=16), 16])
        with pytest.raises(InputError, match="schemes must be a Scheme or a list of them, got 16"):
            quantize(model, 16)
        assert list(model) == before

    def test_of_a_penalty_of_floats(self) -> None:
        with pytest.raises(InputError, match="must have a quantized layer to pay a penalty, got"):
            penalty(nn.Linear(3, 3))

    def test_of_an_empty_layer(self) -> None:
        with pytest.warns(UserWarning, match="zero-element"):
            empty = nn.Linear(0, 3)
        with pytest.raises(InputError, match=r"weight must have elements, got shape \(3, 0\)"):
            Quantized(empty, Scheme(acc_bits=16))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    @pytest.mark.parametrize("name", ["weight", "bias"])
    def test_of_what_is_no_number(self, name: str, value: float) -> None:
        linear = nn.Linear(3, 3)
        with torch.no_grad():
            getattr(linear, name)[1] = value
        with pytest.raises(InputError, match=f"{name}.* must be finite numbers, got {value}"):
            Quantized(linear, Scheme(acc_bits=16))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_parameters_of_any_type(dtype: torch.dtype) -> None:
    model = Quantized(nn.Linear(64, 8, dtype=dtype), Scheme(acc_bits=14), input_scale=1 / 255)
    y = model(torch.rand(4, 64).to(dtype))
    assert y.dtype == dtype == model.weights.d.dtype == model.weights.t.dtype
    y.sum().backward()
    assert max(l1_norm(model.integers().numpy())) <= model.scheme.budget


def test_a_trained_layer_that_is_made_half_keeps_its_bound() -> None:
    linear = nn.Linear(512, 8)
    linear.weight.data = torch.full((8, 512), -0.3)
    model = Quantized(linear, Scheme(acc_bits=20, inputs=Format(8, signed=True)), 1 / 128).half()
    rows = model.integers().numpy()
    lowest, highest = exact_range(rows, model.scheme.inputs)
    assert np.abs(rows).sum() > 0
    assert lowest.min() >= -(2**19)
    assert highest.max() < 2**19
