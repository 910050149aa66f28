"""Brevitas, the library of the papers' authors, against ours: the same integers, or a reason.

Brevitas computes in float32 throughout. Ours adds norms up in float64, and cuts the radius of a row
that rounding could lead over the bound by a share of 2^-18. So the two may land on different sides
of a whole number that an unrounded weight u all but meets. The tests prove in exact rationals that
every difference is of that kind: by one, with the exact |u| no farther from the whole number than
``ROUNDING`` (and ``GUARD`` in rows at the cap) as a share of what u was computed from: |u| itself
in A2Q, |v| + |mean(v)| in units of u in A2Q+, whose mean is subtracted. Only so close a weight can
differ, and one of magnitude u lies so close in a share of about u * 2^-18 of all cases: there may
be ``DIFFERENT`` differences for each unit of the summed magnitudes.

Rows that Brevitas leads over the exact bound are not compared; ours has to keep the bound in them.
``make peer`` runs this file; ``make test`` leaves it out, because it needs Brevitas.
"""

from __future__ import annotations

import decimal
import itertools
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from test_a2q_guarantee_cases import CASES, Case, ours
from torch import nn

from a2q_ref.layers import Quantized
from a2q_ref.scheme import Method, Scheme
from golden.bounds import l1_norm, row_bits
from golden.integer import Format, IntArray

pytestmark = [
    pytest.mark.peer,
    pytest.mark.torch,
    # Its docstrings, each time that Python compiles them.
    pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning:.*brevitas"),
]

ROUNDING = Fraction(1, 1 << 19)
GUARD = Fraction(1, 1 << 18)
DIFFERENT = 2.0**-17
SEEDS = 3


def brevitas_layer(layer: nn.Linear | nn.Conv2d, scheme: Scheme) -> Any:
    """Return Brevitas' layer of the same shape under the same scheme."""
    from brevitas import nn as qnn
    from brevitas.quant import scaled_int as q

    quantizers: dict[str, Any] = {
        "weight_quant": (
            q.Int8AccumulatorAwareZeroCenterWeightQuant
            if scheme.method is Method.A2Q_PLUS
            else q.Int8AccumulatorAwareWeightQuant
        ),
        "weight_bit_width": scheme.weight_bits,
        "weight_accumulator_bit_width": scheme.acc_bits,
        "input_quant": (
            q.Int8ActPerTensorFloat if scheme.inputs.signed else q.Uint8ActPerTensorFloat
        ),
        "input_bit_width": scheme.inputs.bits,
    }
    if isinstance(layer, nn.Linear):
        made = qnn.QuantLinear(layer.in_features, layer.out_features, bias=False, **quantizers)
    else:
        shape = layer.in_channels, layer.out_channels, layer.kernel_size
        made = qnn.QuantConv2d(*shape, groups=layer.groups, bias=False, **quantizers)
    return made.eval()


@torch.no_grad()
def brevitas_integers(
    layer: nn.Linear | nn.Conv2d, scheme: Scheme, d: torch.Tensor, t: torch.Tensor
) -> IntArray:
    """Return Brevitas' integers (R, K) for the layer's weights, s = 2^d and g = 2^t."""
    made = brevitas_layer(layer, scheme).to(layer.weight.dtype)
    made.weight.copy_(layer.weight)
    quantizer = made.weight_quant.tensor_quant
    # log2 of g, and log2 of s, which Brevitas keeps and trains twice: before and after the rounding
    learned = {
        quantizer.pre_scaling_impl: t,
        quantizer.pre_scaling_impl.scaling_impl: d,
        quantizer.scaling_impl: d,
    }
    for part, exponent in learned.items():
        part.value.copy_(exponent.view_as(part.value))
    x = made.input_quant(torch.ones(1, layer.weight[0].numel(), dtype=layer.weight.dtype))
    assert (int(x.bit_width), bool(x.signed)) == (scheme.inputs.bits, scheme.inputs.signed)
    integers: IntArray = made.quant_weight(x).int().flatten(1).numpy().astype(np.int64)
    return integers


def unrounded(
    row: torch.Tensor, d: float, t: float, scheme: Scheme
) -> tuple[list[Fraction], list[Fraction], bool]:
    """Return |u| of each weight, what it was computed from, and whether the row is at the cap.

    All is exact but for the power of two, which has 60 digits.
    """
    v = [Fraction(value) for value in row.double().tolist()]
    mean = sum(v) / len(v) if scheme.method is Method.A2Q_PLUS else Fraction(0)
    with decimal.localcontext(prec=60):
        asked = Fraction(Decimal(2) ** (Decimal(t) - Decimal(d)))
    radius = min(asked, scheme.budget)
    factor = radius / sum(abs(value - mean) for value in v)
    magnitudes = [abs(value - mean) * factor for value in v]
    return magnitudes, [(abs(value) + abs(mean)) * factor for value in v], radius < asked


def compare(
    theirs: IntArray, mine: IntArray, v: torch.Tensor, d: torch.Tensor, t: torch.Tensor,
    scheme: Scheme,
) -> tuple[int, int]:  # fmt: skip
    """Prove that every difference is one of rounding; return (weights compared, differences)."""
    assert theirs.shape == mine.shape == v.shape
    assert max(row_bits(mine, scheme.inputs)) <= scheme.acc_bits
    kept = np.array(row_bits(theirs, scheme.inputs)) <= scheme.acc_bits
    differences = (theirs != mine) & kept[:, None]
    for row in np.flatnonzero(differences.any(axis=1)):
        magnitudes, origins, capped = unrounded(v[row], d[row].item(), t[row].item(), scheme)
        tolerance = ROUNDING + GUARD if capped else ROUNDING
        for column in np.flatnonzero(differences[row]):
            a, b = sorted(abs(int(integers[row, column])) for integers in (theirs, mine))
            assert b - a == 1
            away = abs(magnitudes[column] - b)
            assert away <= tolerance * origins[column], (
                f"weight [{row}, {column}]: {theirs[row, column]} and {mine[row, column]} of "
                f"{float(magnitudes[column])}, 2^{math.log2(away / origins[column]):.2f} away"
            )
    return int(kept.sum()) * v.shape[1], int(differences.sum())


SCHEMES = [
    Scheme(method, weight_bits, inputs, acc_bits)
    for method in (Method.A2Q, Method.A2Q_PLUS)
    for weight_bits, inputs, acc_bits in [
        (8, Format(8, signed=False), 16),
        (4, Format(4, signed=True), 12),
        (6, Format(2, signed=False), 14),
        (8, Format(8, signed=True), 20),
        (5, Format(6, signed=True), 18),
        (8, Format(8, signed=False), 24),
    ]
]


def scheme_id(scheme: Scheme) -> str:
    return f"{scheme.method.value}-p{scheme.acc_bits}-m{scheme.weight_bits}-{scheme.inputs}"


def rows(kind: str, count: int, k: int, noise: torch.Generator) -> torch.Tensor:
    """Return v (R, K): around zero, around a mean of its own in each row, or one-sided."""
    v = torch.randn(count, k, generator=noise) * 0.1
    if kind == "off centre":
        return v + 0.3 * torch.rand(count, 1, generator=noise)
    return v.exp() if kind == "one-sided" else v


def exponents(
    scheme: Scheme, count: int, noise: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return d and t (R,): norms from a quarter of the budget to the fourfold of it."""
    d = torch.rand(count, generator=noise) * 4 - 8
    octaves = torch.rand(count, generator=noise) * 4 - 2
    return d, d + math.log2(scheme.budget) + octaves


@pytest.mark.parametrize("scheme", SCHEMES, ids=scheme_id)
def test_linear_layers_have_the_same_integers(scheme: Scheme) -> None:
    compared = different = at_cap = norms = 0
    lengths = 64, 100, 256, 777, 1024
    kinds = "centred", "off centre", "one-sided"
    for k, kind, seed in itertools.product(lengths, kinds, range(SEEDS)):
        noise = torch.Generator().manual_seed(seed)
        layer = nn.Linear(k, 32, bias=False)
        layer.weight.data = rows(kind, 32, k, noise)
        d, t = exponents(scheme, 32, noise)
        theirs = brevitas_integers(layer, scheme, d, t)
        v = layer.weight.detach()
        found = compare(theirs, ours(scheme, v, d, t), v, d, t, scheme)
        compared, different = compared + found[0], different + found[1]
        norms += int(l1_norm(theirs).sum())
        at_cap += int((t - d > math.log2(scheme.budget)).sum())
    drawn = 32 * len(kinds) * SEEDS
    assert compared > 0.99 * drawn * sum(lengths)
    assert 0.4 < at_cap / (drawn * len(lengths)) < 0.6
    assert different <= DIFFERENT * norms, f"{different} of {compared}"


@pytest.mark.parametrize("method", [Method.A2Q, Method.A2Q_PLUS], ids=lambda method: method.value)
def test_convolutions_have_the_same_integers(method: Method) -> None:
    scheme = Scheme(method, acc_bits=18)
    noise = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(24, 32, (3, 5), groups=2, bias=False)
    own = Quantized(layer, scheme)
    d, t = exponents(scheme, 32, noise)
    with torch.no_grad():
        layer.weight.copy_(rows("off centre", 32, 12 * 15, noise).view_as(layer.weight))
        own.weights.d.copy_(d)
        own.weights.t.copy_(t)
    theirs = brevitas_integers(layer, scheme, d, t)
    v = layer.weight.detach().flatten(1)
    compared, different = compare(theirs, own.integers().numpy(), v, d, t, scheme)
    assert compared == 32 * 12 * 15
    assert different <= 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_brevitas_breaks_the_bound(case: Case) -> None:
    """The other half of test_a2q_guarantee_cases.py, where ours keeps it."""
    scheme = case.scheme
    v, (d, t) = case.weights(), case.exponents()
    layer = nn.Linear(case.k, len(v), bias=False, dtype=case.dtype)
    layer.weight.data = v
    theirs = brevitas_integers(layer, scheme, d, t)
    needed = max(row_bits(theirs, scheme.inputs))
    assert l1_norm(theirs).max() > scheme.budget
    if case.breaks == "range":
        assert needed > scheme.acc_bits
    else:
        assert needed == scheme.acc_bits
