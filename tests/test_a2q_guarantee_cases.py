"""Rows on which rounding leads other quantizers over the bound; ours stays within it.

test_peer.py plays the same cases on Brevitas, which is over the bound in every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from a2q_ref.quantizers import WeightQuantizer
from a2q_ref.scheme import Method, Scheme
from golden.bounds import l1_norm, row_bits
from golden.integer import Format, IntArray

pytestmark = pytest.mark.torch

ROWS = 64


@dataclass(frozen=True)
class Case:
    """Rows of float weights under a scheme; all of them ask for more than their budget.

    ``deviation`` zero makes all weights of a row equal, the magnitude another one in each row.
    """

    scheme: Scheme
    k: int
    dtype: torch.dtype
    mean: float
    deviation: float
    t: float  # log2 of the norm that a row asks for; its scale is one
    breaks: str  # what Brevitas breaks: the exact range, or no more than the closed form

    @property
    def id(self) -> str:
        scheme, inputs = self.scheme, self.scheme.inputs
        kind = str(self.dtype).removeprefix("torch.")
        return f"{scheme.method.value}-p{scheme.acc_bits}-{inputs}-k{self.k}-{kind}"

    def weights(self) -> torch.Tensor:
        """Return v (R, K)."""
        if self.deviation == 0:
            magnitudes = torch.arange(1, ROWS + 1, dtype=torch.float64) / 97
            v = self.mean * magnitudes[:, None].expand(ROWS, self.k)
        else:
            noise = torch.randn(ROWS, self.k, generator=torch.Generator().manual_seed(0))
            v = self.mean + self.deviation * noise
        return v.to(self.dtype)

    def exponents(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return d and t (R,)."""
        return torch.zeros(ROWS, dtype=self.dtype), torch.full((ROWS,), self.t, dtype=self.dtype)


def case(
    method: Method, acc_bits: int, bits: int, k: int, *, signed: bool = False,
    dtype: torch.dtype = torch.float32, mean: float = -1.0, deviation: float = 0.0,
    t: float = 30.0, breaks: str = "range",
) -> Case:  # fmt: skip
    scheme = Scheme(method, inputs=Format(bits, signed), acc_bits=acc_bits)
    return Case(scheme, k, dtype, mean, deviation, t, breaks)


CASES = [
    # Equal weights, of which the float32 sum is a little too small: all of them are rounded up to
    # a whole number, whose K-fold is just over the bound.
    case(Method.A2Q, 16, 4, 4096, signed=True),
    case(Method.A2Q, 18, 8, 1024, signed=True),
    case(Method.A2Q, 20, 8, 512, signed=True),
    case(Method.A2Q, 22, 8, 512, signed=True),
    case(Method.A2Q, 26, 8, 4096, signed=True),
    # The same norms over the closed form; unsigned inputs, whose range ends at 2^N - 1 and not at
    # the 2^N that the closed form counts with, leave just enough room for them.
    case(Method.A2Q, 20, 8, 512, breaks="closed form"),
    case(Method.A2Q, 22, 8, 512, breaks="closed form"),
    # Half precision: a mean far from zero, which is never quite taken away.
    case(
        Method.A2Q_PLUS, 15, 4, 64, dtype=torch.float16, mean=4.0, deviation=0.1, t=15.0
    ),
    case(Method.A2Q_PLUS, 18, 8, 64, dtype=torch.bfloat16, mean=0.5, deviation=0.1),
    # 2^16 is infinity in float16, and with it the bound.
    case(Method.A2Q_PLUS, 16, 8, 64, dtype=torch.float16, mean=0.0, deviation=0.1, t=10.0),
    case(Method.A2Q, 17, 8, 64, dtype=torch.float16, mean=0.0, deviation=0.1, t=10.0),
]  # fmt: skip


def quantizer_at(scheme: Scheme, d: torch.Tensor, t: torch.Tensor) -> WeightQuantizer:
    quantizer = WeightQuantizer(scheme, len(d), d.dtype)
    with torch.no_grad():
        quantizer.d.copy_(d)
        quantizer.t.copy_(t)
    return quantizer


def ours(scheme: Scheme, v: torch.Tensor, d: torch.Tensor, t: torch.Tensor) -> IntArray:
    """Return the integers (R, K) of our quantizer with these parameters."""
    return quantizer_at(scheme, d, t).integers(v).numpy()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_ours_keeps_the_bound(case: Case) -> None:
    d, t = case.exponents()
    integers = ours(case.scheme, case.weights(), d, t)
    assert integers.shape == (ROWS, case.k)
    assert l1_norm(integers).max() <= case.scheme.budget
    assert max(row_bits(integers, case.scheme.inputs)) <= case.scheme.acc_bits


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_ours_gives_away_less_than_one_for_each_weight(case: Case) -> None:
    """A row of zeros would keep every bound."""
    d, t = case.exponents()
    asked = min(float(case.scheme.budget), 2.0**case.t)
    lost = asked - l1_norm(ours(case.scheme, case.weights(), d, t))
    assert lost.max() < case.k


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler, about itself
@pytest.mark.parametrize(
    "case", [CASES[2], CASES[6], CASES[7]], ids=lambda case: case.id
)  # a type each
def test_compiled_keeps_the_bound_as_well(case: Case) -> None:
    """A compiler adds in another order; this one takes the steps as they are, without g++."""
    torch.compiler.reset()
    quantizer = quantizer_at(case.scheme, *case.exponents())
    weights = torch.compile(quantizer, fullgraph=True, backend="aot_eager")(
        case.weights()
    ).detach()  # of scale one
    assert weights.equal(weights.round())
    integers = weights.long().numpy()
    assert 0 < l1_norm(integers).max() <= case.scheme.budget
    assert max(row_bits(integers, case.scheme.inputs)) <= case.scheme.acc_bits
