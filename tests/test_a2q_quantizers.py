"""The quantizers keep their promise for every float, and their gradients are the right ones."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from float_rows import DTYPES, bounded_schemes, matrices
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from a2q_ref import quantizers
from a2q_ref.projection import onto_balanced_l1_ball, onto_l1_ball
from a2q_ref.quantizers import ActQuantizer, WeightQuantizer
from a2q_ref.scheme import Bias, Method, Rounding, Scheme
from golden.bounds import exact_range, l1_norm
from golden.integer import Format, InputError

pytestmark = pytest.mark.torch

SMALL = st.floats(-4, 4, allow_subnormal=False)
BYTES = Format(8, signed=False)
METHODS = list(Method)


def tensor(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def quantizer_at(
    scheme: Scheme, d: list[float], t: list[float], dtype: torch.dtype = torch.float64
) -> WeightQuantizer:
    quantizer = WeightQuantizer(scheme, len(d), dtype)
    quantizer.d.data = torch.tensor(d, dtype=dtype)
    if quantizer.t is not None:
        quantizer.t.data = torch.tensor(t, dtype=dtype)
    return quantizer


@st.composite
def bounded(draw: st.DrawFn) -> tuple[WeightQuantizer, torch.Tensor]:
    """A fresh quantizer with its weights, or one whose parameters training has driven anywhere."""
    v, scheme = draw(matrices()), draw(bounded_schemes())
    quantizer = WeightQuantizer(scheme, len(v), v.dtype)
    start = quantizer.start(v)
    if draw(st.booleans()):
        event("driven")
        exponents = st.lists(st.floats(-14, 14), min_size=len(v), max_size=len(v))
        quantizer.d.data, quantizer.t.data = (
            torch.tensor(draw(exponents), dtype=v.dtype) for _ in range(2)
        )
        # Rows whose norm is no number have no integers; ``start`` makes none of these.
        largest = torch.finfo(max(v.dtype, torch.float32, key=lambda dtype: dtype.itemsize)).max
        return quantizer, v if v.double().abs().max() < largest / 4 / v.shape[1] else start
    return quantizer, start


def fits(rows: np.ndarray, acc_bits: int, inputs: Format) -> bool:
    lowest, highest = exact_range(rows, inputs)
    acc = Format(acc_bits, signed=True)
    return bool((lowest >= acc.minimum).all() and (highest <= acc.maximum).all())


class TestGuarantee:
    @settings(deadline=None, max_examples=500)
    @given(bounded())
    def test_no_float_leads_over_the_bound(
        self, drawn: tuple[WeightQuantizer, torch.Tensor]
    ) -> None:
        quantizer, v = drawn
        scheme, rows = quantizer.scheme, quantizer.integers(v).numpy()
        assert max(l1_norm(rows).tolist()) <= scheme.budget
        assert np.abs(rows).max() <= scheme.limit
        assert fits(rows, scheme.acc_bits, scheme.inputs)
        if scheme.method is Method.A2Q_PLUS:  # the norm bounds such rows only if no side is heavier
            sides = np.maximum(rows, 0).sum(axis=1), np.maximum(-rows, 0).sum(axis=1)
            assert 2 * max(side.max() for side in sides) <= scheme.budget

    @settings(deadline=None, max_examples=100)
    @given(bounded())
    def test_before_rounding_no_row_reaches_the_next_whole_number(
        self, drawn: tuple[WeightQuantizer, torch.Tensor]
    ) -> None:
        quantizer, v = drawn
        d, t = quantizer.d.detach().double(), quantizer.t.detach().double()
        scheme = quantizer.scheme
        unrounded = quantizers._Unrounded.of(v, d, t, None, scheme).scaled()
        for row in unrounded.double().tolist():
            ups = sum(Fraction(value) for value in row if value > 0)
            downs = -sum(Fraction(value) for value in row if value < 0)
            if scheme.method is Method.A2Q_PLUS:
                assert max(ups, downs) < scheme.budget // 2 + 1
            else:
                assert ups + downs < scheme.budget // 1 + 1

    @settings(deadline=None, max_examples=100)
    @given(bounded())
    def test_integers_are_what_forward_multiplies(
        self, drawn: tuple[WeightQuantizer, torch.Tensor]
    ) -> None:
        quantizer, v = drawn
        weights = quantizer(v)
        computing = v.dtype if v.dtype in quantizers._GUARD else torch.float32
        s = quantizer.scale().clamp(max=torch.finfo(computing).max).to(computing)
        expected = quantizer.integers(v).to(s.dtype) * s[:, None]
        assert weights.dtype == v.dtype
        assert torch.equal(weights, expected.to(v.dtype))

    @pytest.mark.parametrize("method", [Method.A2Q, Method.A2Q_PLUS])
    def test_a_norm_that_is_no_number_is_refused(self, method: Method) -> None:
        v = torch.tensor([[1.0, -1.0], [3e38, -3e38]]).repeat(1, 16)
        quantizer = quantizer_at(Scheme(method, acc_bits=16), [0.0] * 2, [0.0] * 2, torch.float32)
        with pytest.raises(
            InputError, match=r"norms of rows must be finite .* got (inf|nan) at \[1\]"
        ):
            quantizer.integers(v)

    @settings(deadline=None, max_examples=30)
    @given(matrices(), st.sampled_from([2, 3, 8, 16]))
    def test_baseline_stays_inside_its_bits(self, v: torch.Tensor, bits: int) -> None:
        quantizer = WeightQuantizer(Scheme(Method.BASELINE, bits), len(v), v.dtype)
        integers = quantizer.integers(quantizer.start(v))
        assert integers.abs().max() < 2 ** (bits - 1)

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    @pytest.mark.parametrize("method", [Method.A2Q, Method.A2Q_PLUS])
    @pytest.mark.parametrize(
        "v", [torch.randn(16, 512), torch.rand(16, 512) - 0.5], ids=["normal", "uniform"]
    )
    def test_wide_layer_starts_alive(
        self, method: Method, v: torch.Tensor, dtype: torch.dtype
    ) -> None:
        quantizer = WeightQuantizer(Scheme(method, acc_bits=16), len(v), dtype)
        integers = quantizer.integers(quantizer.start(v.to(dtype)))
        assert (integers != 0).double().mean() > 0.05
        assert integers.any(dim=1).all()

    def test_cutting_norms_alone_would_start_dead(self) -> None:
        """The control of the test above: without a projection, as A2Q was published."""
        v = torch.randn(64, 512)
        d = (v.abs().amax(dim=1) / 127).log2().tolist()
        quantizer = quantizer_at(Scheme(acc_bits=16), d, v.abs().sum(dim=1).log2().tolist())
        assert quantizer.integers(v).count_nonzero() < 0.005 * v.numel()


class TestSums:
    @pytest.mark.parametrize("shape", [(3, 4096), (3, 777), (3, 64, 4, 4)], ids=str)
    def test_of_many_are_exact_where_those_of_sixteen_are(self, shape: tuple[int, ...]) -> None:
        noise = torch.Generator().manual_seed(0)
        x = torch.randint(2**19, 2**20, shape, generator=noise).float() / 2**20
        exact = [math.fsum(row) for row in x.flatten(1).tolist()]
        assert x.flatten(1).sum(dim=1).tolist() != exact  # float32 throughout
        assert quantizers._sums(x).tolist() == exact


class TestRounding:
    V = ((2.9, -2.9, 0.9, -0.9, 3.0, 500.0, -500.0),)

    @pytest.mark.parametrize(
        ("rounding", "integers"),
        [
            (Rounding.TOWARD_ZERO, [2, -2, 0, 0, 3, 127, -127]),
            (Rounding.HALF_WAY, [3, -3, 1, -1, 3, 127, -127]),
        ],
    )
    @pytest.mark.parametrize("method", [Method.BASELINE, Method.A2Q])
    def test_rounds_and_clips(
        self, method: Method, rounding: Rounding, integers: list[int]
    ) -> None:
        norm = float(np.abs(self.V).sum())
        scheme = Scheme(method, acc_bits=24, rounding=rounding)
        quantizer = quantizer_at(scheme, [0.0], [math.log2(norm)])
        assert quantizer.integers(tensor(self.V)).tolist() == [integers]

    def test_each_method_has_its_own(self) -> None:
        own = {method: Scheme(method, acc_bits=16).rounding for method in Method}
        assert own.pop(Method.BASELINE) is Rounding.HALF_WAY
        assert set(own.values()) == {Rounding.TOWARD_ZERO}

    def test_half_way_breaks_the_bound(self) -> None:
        v = torch.full((1, 200), 1.0)  # 0.64 each: 127.996 in sum, 200 when rounded up
        rows = {}
        for rounding in Rounding:
            quantizer = quantizer_at(Scheme(acc_bits=16, rounding=rounding), [0.0], [20.0])
            rows[rounding] = quantizer.integers(v).numpy()
        assert l1_norm(rows[Rounding.HALF_WAY]) == 200
        assert not fits(rows[Rounding.HALF_WAY], 16, BYTES)
        assert fits(rows[Rounding.TOWARD_ZERO], 16, BYTES)

    @pytest.mark.parametrize("bits", [8, 9, 16])
    def test_wide_weights_keep_all_their_bits(self, bits: int) -> None:
        top = 2 ** (bits - 1) - 1
        quantizer = quantizer_at(
            Scheme(weight_bits=bits, acc_bits=40), [0.0], [math.log2(2.002 * top)]
        )
        assert quantizer.integers(tensor([[top, -top]]) * 1.001).tolist() == [[top, -top]]


class TestStart:
    @pytest.mark.parametrize("method", METHODS)
    def test_loses_less_than_its_weights(self, method: Method) -> None:
        v = torch.randn(8, 64, dtype=torch.float64)
        quantizer = WeightQuantizer(Scheme(method, acc_bits=18), 8, v.dtype)
        weights = quantizer(quantizer.start(v))
        assert (weights - v).square().sum() < 0.3 * v.square().sum()

    def test_baseline_keeps_eight_bits_of_a_row(self) -> None:
        v = torch.randn(8, 64, dtype=torch.float64)
        quantizer = WeightQuantizer(Scheme(Method.BASELINE), 8, v.dtype)
        weights = quantizer(quantizer.start(v))
        assert (weights - v).square().sum() < 1e-4 * v.square().sum()

    def test_a_dead_row_is_measured_by_the_others(self) -> None:
        quantizer = WeightQuantizer(Scheme(acc_bits=16), 2)
        first = -3 - math.log2(127)  # the first scale that is tried, of a largest weight of one
        for dead in (0.0, 1e-30):
            quantizer.start(torch.tensor([[dead, 0.0], [1.0, -2.0]]))
            assert quantizer.d[0].item() == pytest.approx(first + 1 - 12)
        quantizer.start(torch.zeros(2, 2))
        assert quantizer.d.tolist() == pytest.approx([first, first])

    @pytest.mark.parametrize(
        ("dtype", "largest"), [(torch.float32, 1e38), (torch.float64, 1.7e308)], ids=str
    )
    @pytest.mark.parametrize("method", [Method.A2Q, Method.A2Q_PLUS])
    def test_huge_rows_start_alive(
        self, method: Method, dtype: torch.dtype, largest: float
    ) -> None:
        v = torch.randn(8, 512, dtype=torch.float64)
        v = (v / v.abs().amax(dim=1, keepdim=True) * largest).to(dtype)
        quantizer = WeightQuantizer(Scheme(method, acc_bits=16), 8, dtype)
        start = quantizer.start(v)
        integers = quantizer.integers(start)
        assert integers.any(dim=1).all()
        assert fits(integers.numpy(), 16, BYTES)
        assert quantizer(start).isfinite().all()

    def test_scales_with_the_weights(self) -> None:
        v = torch.randn(4, 32, dtype=torch.float64)
        small, large = (WeightQuantizer(Scheme(acc_bits=14), 4, v.dtype) for _ in range(2))
        starts = small.start(v), large.start(v * 1024)
        assert torch.equal(small.integers(starts[0]), large.integers(starts[1]))
        assert torch.allclose(large.d - small.d, tensor(10.0))

    @pytest.mark.parametrize(
        ("v", "sentence"),
        [
            ([[0.0, math.nan]], r"weights must be finite numbers, got nan at \[0, 1\]"),
            ([[0.0], [-math.inf]], r"weights must be finite numbers, got -inf at \[1, 0\]"),
            ([1.0], r"weights must be rows with elements, got shape \(1,\)"),
            ([[]], r"weights must be rows with elements, got shape \(1, 0\)"),
        ],
    )
    def test_refuses(self, v: object, sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            WeightQuantizer(Scheme(acc_bits=16), 1).start(tensor(v))


class TestScheme:
    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"acc_bits": None}, "acc_bits must be given for a2q, got None"),
            ({"acc_bits": 65}, "acc_bits must be an integer from 2 to 64, got 65"),
            ({"acc_bits": 16.0}, r"acc_bits must be an integer from 2 to 64, got 16\.0"),
            ({"weight_bits": 1}, "weight_bits must be an integer from 2 to 16, got 1"),
            ({"weight_bits": True}, "weight_bits must be an integer from 2 to 16, got True"),
            ({"inputs": Format(17, True)}, "the bits of inputs must be an integer from 1 to 16"),
            ({"inputs": 8}, "inputs must be a Format, got 8"),
            ({"method": "a2q"}, "method must be a Method, got 'a2q'"),
            ({"rounding": "half"}, "rounding must be a Rounding, got 'half'"),
            (
                {"acc_bits": 9},
                "acc_bits must be at least 10 for a2q and unsigned 8-bit inputs, "
                "below which every weight is zero, got 9",
            ),
            ({"acc_bits": 8, "method": Method.A2Q_PLUS}, r"must be at least 9 for a2q\+"),
        ],
    )
    def test_refuses(self, fields: dict[str, object], sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            Scheme(**({"acc_bits": 16} | fields))

    def test_names_tell_schemes_apart(self) -> None:
        signed = Format(5, signed=True)
        assert Scheme(Method.BASELINE).name == "baseline"
        assert Scheme(acc_bits=16).name == "a2q-p16"
        assert Scheme(acc_bits=4, inputs=Format(2, signed=False)).name == "a2q-p4-m8-n2"
        every = Scheme(Method.A2Q_PLUS, 4, signed, 13, Rounding.HALF_WAY, Bias.INSIDE)
        assert every.name == "a2q-plus-p13-m4-n5s-half-way-bias-inside"

    @pytest.mark.parametrize("signed", [False, True])
    @pytest.mark.parametrize("bits", range(1, 17))
    @pytest.mark.parametrize("method", [Method.A2Q, Method.A2Q_PLUS])
    def test_the_least_width_has_room_for_a_weight(
        self, method: Method, bits: int, signed: bool
    ) -> None:
        inputs = Format(bits, signed)
        legal = []
        for acc_bits in range(2, 25):
            try:
                legal.append(Scheme(method, inputs=inputs, acc_bits=acc_bits))
            except InputError:
                assert not legal
        row = [[1.0, -1.0]] if method is Method.A2Q_PLUS else [[1.0, 0.0]]
        quantizer = quantizer_at(legal[0], [0.0], [40.0])
        assert quantizer.integers(tensor(row)).any()


def reference(
    v: torch.Tensor,
    d: torch.Tensor,
    t: torch.Tensor | None,
    taken: torch.Tensor | None,
    scheme: Scheme,
) -> torch.Tensor:
    """Spell a quantizer as the papers do, in torch's own operations and their gradients."""
    x = v - v.mean(dim=1, keepdim=True) if scheme.method is Method.A2Q_PLUS else v
    s = 2**d
    if scheme.budget is None:
        u = x / s[:, None]
    else:
        budget = torch.tensor(float(scheme.budget), dtype=v.dtype) - (0 if taken is None else taken)
        u = torch.minimum(2 ** (t - d), budget)[:, None] * x / x.abs().sum(dim=1, keepdim=True)
    half_way = scheme.rounding is Rounding.HALF_WAY
    rounded = u + ((u.round() if half_way else u.trunc()) - u).detach()
    return s[:, None] * rounded.clamp(-scheme.limit, scheme.limit)


class TestGradients:
    @pytest.mark.parametrize("with_bias", [False, True])
    @pytest.mark.parametrize("rounding", list(Rounding))
    @pytest.mark.parametrize("acc_bits", [14, 17, 24], ids=["capped", "some", "clipped"])
    @pytest.mark.parametrize("method", METHODS)
    def test_are_those_of_the_formulas(
        self, method: Method, acc_bits: int, rounding: Rounding, with_bias: bool
    ) -> None:
        rng = torch.Generator().manual_seed(acc_bits)
        random = {"generator": rng, "dtype": torch.float64}
        scheme = Scheme(method, 6, BYTES, acc_bits, rounding)
        v, g = torch.randn(8, 48, **random), torch.randn(8, 48, **random)
        d, t = torch.randn(8, **random) - 4.5, torch.randn(8, **random) + 5
        taken = torch.rand(8, **random) * 10 if with_bias else None
        if scheme.budget is None:
            t = taken = None
        results = []
        for quantize in (quantizers._QuantizeRows.apply, reference):
            leaves = [x if x is None else x.clone().requires_grad_() for x in (v, d, t, taken)]
            weights = quantize(*leaves, scheme)
            given = [leaf for leaf in leaves if leaf is not None]
            results.append((weights, *torch.autograd.grad((weights * g).sum(), given)))
        for ours, theirs in zip(*results, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9)

    @pytest.mark.parametrize("method", METHODS)
    def test_are_those_of_finite_differences(
        self, method: Method, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where rounding is left out, gradients are derivatives."""
        monkeypatch.setattr(quantizers, "_round", lambda u, scheme: u.clone())
        generator = torch.Generator().manual_seed(3)
        random = {"generator": generator, "dtype": torch.float64}
        v = torch.randn(4, 7, **random, requires_grad=True)
        d = torch.full((4,), -3.0, dtype=torch.float64, requires_grad=True)
        scheme = Scheme(method, 8, BYTES, 16)
        bounds = None
        if scheme.budget is not None:  # two rows at the cap, two below it
            bounds = tensor([2.0, 30.0, 1.0, 30.0]).requires_grad_()
        torch.autograd.gradcheck(
            lambda *leaves: quantizers._QuantizeRows.apply(*leaves, None, scheme), (v, d, bounds)
        )

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    @pytest.mark.parametrize("method", METHODS)
    def test_have_the_type_of_their_parameters(self, method: Method, dtype: torch.dtype) -> None:
        quantizer = WeightQuantizer(Scheme(method, acc_bits=16), 3, dtype)
        v = quantizer.start(torch.randn(3, 20).to(dtype)).requires_grad_()
        quantizer(v).sum().backward()
        for leaf in (v, *quantizer.parameters()):
            assert leaf.grad.dtype == dtype
            assert leaf.grad.isfinite().all()

    def test_nothing_reaches_a_clipped_weight(self) -> None:
        quantizer = quantizer_at(Scheme(Method.BASELINE), [0.0], [])
        v = tensor([[200.0, -1.4, -200.0]]).requires_grad_()
        (quantizer(v) * tensor([[1.0, 2.0, -3.0]])).sum().backward()
        assert v.grad.tolist() == [[0.0, 2.0, 0.0]]

    @pytest.mark.filterwarnings(
        "ignore:.*should not be instantiated:DeprecationWarning"
    )  # by torch
    @pytest.mark.parametrize("method", METHODS)
    def test_compiled_are_the_same(self, method: Method) -> None:
        torch.compiler.reset()
        quantizer = WeightQuantizer(Scheme(method, acc_bits=16), 8)
        noise = torch.Generator().manual_seed(0)
        v = quantizer.start(torch.randn(8, 40, generator=noise)).requires_grad_()
        learned = [v, *quantizer.parameters()]
        grad = torch.randn(8, 40, generator=noise)
        plain = torch.autograd.grad(quantizer(v), learned, grad)
        compiled = torch.autograd.grad(
            torch.compile(quantizer, fullgraph=True, backend="aot_eager")(v), learned, grad
        )
        for theirs, ours in zip(compiled, plain, strict=True):
            # What the projection made zero has, but for rounding, no sign.
            close = torch.isclose(theirs, ours, rtol=1e-3, atol=1e-5)
            assert close[v != 0].all() if ours is plain[0] else close.all()

    def test_of_a_dead_row_are_finite(self) -> None:
        quantizer = quantizer_at(Scheme(acc_bits=16), [0.0], [1.0])
        v = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
        quantizer(v).sum().backward()
        assert v.grad.isfinite().all()
        assert all(parameter.grad.isfinite().all() for parameter in quantizer.parameters())


class TestPenalty:
    def test_counts_only_what_is_over(self) -> None:
        quantizer = quantizer_at(Scheme(acc_bits=16), [1.0, 1.0, 0.0], [9.0, -3.0, 8.0])
        limit = math.log2(32767) - 8
        penalty = quantizer.penalty()
        assert penalty.item() == pytest.approx((9 - 1 - limit) + (8 - limit))
        penalty.backward()
        assert quantizer.t.grad.tolist() == [1, 0, 1]
        assert quantizer.d.grad.tolist() == [-1, 0, -1]

    def test_baseline_pays_none(self) -> None:
        assert WeightQuantizer(Scheme(Method.BASELINE), 3).penalty().item() == 0


class TestProjection:
    @given(st.lists(SMALL, min_size=1, max_size=12), st.floats(0.01, 20))
    @example([1.0, 1.0, 1.0], 1.0)
    @example([0.0, 0.0], 1.0)
    @example([3.0, -1.0], 4.0)
    def test_is_the_nearest_point_of_the_ball(self, row: list[float], radius: float) -> None:
        point = onto_l1_ball(tensor([row]), tensor([radius]))[0].numpy()
        away = np.array(row) - point
        assert np.abs(point).sum() <= radius * (1 + 1e-12)
        # A point of a convex set is the nearest one if and only if no vertex lies further along
        # the way to the outside: <away, vertex - point> <= 0, for the vertices +-radius * e_i.
        assert radius * np.abs(away).max() <= away @ point + 1e-9

    @given(st.lists(SMALL, min_size=2, max_size=12), st.floats(0.01, 20))
    @example([1.0, 1.0, 1.0], 1.0)
    @example([3.0, -1.0, 0.5], 4.0)
    def test_balanced_is_the_nearest_point_that_sums_to_zero(
        self, row: list[float], radius: float
    ) -> None:
        point = onto_balanced_l1_ball(tensor([row]), tensor([radius]))[0].numpy()
        away = np.array(row) - point
        assert np.abs(point).sum() <= radius * (1 + 1e-12) + 1e-12
        assert abs(point.sum()) <= 1e-9
        # The vertices of this set: half of the radius up at one place, down at another.
        assert radius / 2 * (away.max() - away.min()) <= away @ point + 1e-8

    @pytest.mark.parametrize("seed", range(3))
    def test_beats_every_other_point_of_the_ball(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        row = rng.normal(size=6)
        point = onto_l1_ball(tensor(row[None]), tensor([1.0]))[0].numpy()
        others = rng.dirichlet(np.ones(6), size=20_000) * rng.choice([-1, 1], size=(20_000, 6))
        assert ((others - row) ** 2).sum(axis=1).min() >= ((point - row) ** 2).sum()

    def test_treats_rows_apart(self) -> None:
        stacked = onto_l1_ball(tensor([[3.0, -1.0], [0.5, 0.25]]), tensor([2.0, 1.0]))
        assert stacked.tolist() == [[2.0, 0.0], [0.5, 0.25]]


class TestActivations:
    @pytest.mark.parametrize(
        ("format", "steps"),
        [
            (Format(4, signed=False), [0, 0, 0, 2, 4, 15]),
            (Format(4, signed=True), [-8, -2, 0, 2, 4, 7]),
        ],
        ids=str,
    )
    def test_rounds_and_clips(self, format: Format, steps: list[int]) -> None:
        x = tensor([-9.0, -1.0, 0.2, 1.0, 1.8, 50.0])
        quantizer = ActQuantizer(format, scale=0.5)
        assert quantizer.integers(x).tolist() == steps
        assert quantizer(x).tolist() == [step / 2 for step in steps]

    def test_integers_come_through_untouched(self) -> None:
        quantizer = ActQuantizer(BYTES, scale=1 / 255)
        for dtype in (torch.float32, torch.float64):
            pixels = (torch.arange(256) / 255).to(dtype)
            assert quantizer.integers(pixels).tolist() == list(range(256))
            assert torch.equal(quantizer.integers(quantizer(pixels)), torch.arange(256))

    def test_scale_starts_at_the_first_batch_and_is_learned(self) -> None:
        quantizer = ActQuantizer(Format(4, signed=False))
        x = torch.rand(1000) * 6
        quantizer(x).square().sum().backward()
        assert 6 / 30 < quantizer.scale() < 6 / 5
        assert quantizer.d.grad.isfinite()
        assert quantizer.d.grad != 0
        before = quantizer.scale()
        quantizer(x * 100)
        assert quantizer.scale() == before

    def test_an_outlier_is_clipped(self) -> None:
        x = torch.rand(10_000, dtype=torch.float64)
        x[0] = 10.0
        quantizer = ActQuantizer(Format(4, signed=False))
        quantizer(x)
        assert 1 < quantizer.scale() * 15 < 5

    @pytest.mark.parametrize("batch", [torch.zeros(3, 4), torch.empty(0, 4)], ids=["zero", "empty"])
    def test_a_batch_that_says_nothing_does_not_start_it(self, batch: torch.Tensor) -> None:
        quantizer = ActQuantizer(BYTES)
        assert torch.equal(quantizer(batch), batch)
        assert quantizer.d.isnan()
        quantizer(torch.ones(3, 4))
        assert quantizer.scale().item() * 255 == pytest.approx(1)

    @pytest.mark.parametrize(
        ("format", "integers"),
        [
            (BYTES, [0, 1, 3, 200, 255, 255]),
            (Format(16, signed=True), [0, 1, 3, 200, 32767, 32767]),
            (Format(16, signed=False), [0, 1, 3, 200, 32768, 60000]),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("scale", [1.0, 2.0**-18])
    def test_in_half_precision(self, format: Format, integers: list[int], scale: float) -> None:
        """Neither 2^18 nor 2^16 - 1 is a number there."""
        x = (tensor([0, 1, 3, 200, 32768, 60000]) * scale).half()
        quantizer = ActQuantizer(format, scale)
        exact = (x.double() / scale).round().clamp(format.minimum, format.maximum)
        assert quantizer.integers(x).tolist() == exact.tolist()
        if scale == 1:
            assert exact.tolist() == integers
        assert torch.equal(quantizer(x), (exact * scale).half())

    def test_a_state_that_was_saved_starts_no_more(self) -> None:
        first, second = (ActQuantizer(Format(4, signed=False)) for _ in range(2))
        first(torch.rand(10))
        second.load_state_dict(first.state_dict())
        second(torch.rand(10) * 100)
        assert second.scale() == first.scale()

    @pytest.mark.parametrize("format", [Format(3, signed=False), Format(3, signed=True)], ids=str)
    def test_gradients_are_those_of_the_formula(self, format: Format) -> None:
        x = torch.randn(200, dtype=torch.float64) * 3
        g = torch.randn(200, dtype=torch.float64)
        quantizer = ActQuantizer(format)
        quantizer.start(x)
        leaf = x.clone().requires_grad_()
        (quantizer(leaf) * g).sum().backward()

        other, d = x.clone().requires_grad_(), quantizer.d.detach().clone().requires_grad_()
        s = 2**d
        u = other / s
        rounded = u + (u.round() - u).detach()
        ((rounded.clamp(format.minimum, format.maximum) * s) * g).sum().backward()
        torch.testing.assert_close(leaf.grad, other.grad)
        gentle = 1 / math.sqrt(200 * format.maximum)  # LSQ, section 2.2
        torch.testing.assert_close(quantizer.d.grad, d.grad * gentle)

    @pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
    def test_refuses_a_scale_that_is_none(self, scale: float) -> None:
        with pytest.raises(InputError, match="the scale of inputs must be a positive number"):
            ActQuantizer(BYTES, scale)

    def test_refuses_to_start_at_what_is_no_number(self) -> None:
        with pytest.raises(InputError, match=r"activations must be finite numbers, got nan at"):
            ActQuantizer(BYTES)(torch.tensor([1.0, math.nan]))
