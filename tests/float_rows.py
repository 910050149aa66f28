"""Rows of floats that quantizers dislike: hypothesis draws family and seed, numpy the floats."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import event
from hypothesis import strategies as st

from a2q_ref.scheme import Bias, Method, Scheme
from golden.integer import Format

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
FAMILIES = (
    "uniform", "uniform negative", "spiked", "dead", "denormal", "huge", "normal", "signs",
    "shifted",
)  # fmt: skip


def row(family: str, k: int, dtype: torch.dtype, rng: np.random.Generator) -> np.ndarray:
    """Return one row (k,) in float64; it is finite in ``dtype`` as well."""
    largest, smallest = min(torch.finfo(dtype).max, 1e300), torch.finfo(dtype).smallest_normal
    level = rng.choice([1.0, 0.1, 1 / 3, 2.0**-7, 1e-3 * rng.random()])
    if family.startswith("uniform"):
        return np.full(k, -level if "negative" in family else level)
    if family == "spiked":
        values = rng.normal(size=k) * 1e-3
        values[rng.integers(k)] = rng.choice([-1, 1]) * largest * rng.choice([1e-4, 1.0])
        return values
    if family == "signs":
        return rng.choice([-level, level], size=k)
    draws = {
        "dead": np.zeros(k),
        "denormal": rng.uniform(-1, 1, size=k) * smallest,
        "huge": rng.uniform(-1, 1, size=k) * largest,
        "normal": rng.normal(size=k) * level,
        "shifted": 100 + rng.normal(size=k) * 1e-6,  # a mean that drowns the rest
    }
    return draws[family]


@st.composite
def matrices(draw: st.DrawFn, mh: int | None = None, k: int | None = None) -> torch.Tensor:
    """Draw weights (MH, K) of any of the four types, each row of its own family."""
    dtype = draw(st.sampled_from(DTYPES))
    mh = mh or draw(st.integers(1, 6))
    k = k or draw(st.one_of(st.integers(1, 40), st.sampled_from([64, 512, 1000, 4096])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    families = draw(st.lists(st.sampled_from(FAMILIES), min_size=mh, max_size=mh))
    for family in families:
        event(family)
    event(str(dtype))
    return torch.tensor(np.array([row(family, k, dtype, rng) for family in families])).to(dtype)


@st.composite
def bounded_schemes(draw: st.DrawFn, bias: Bias = Bias.OUTSIDE) -> Scheme:
    """Draw A2Q or A2Q+ at any legal P up to 32."""
    inputs = Format(draw(st.integers(1, 16)), draw(st.booleans()))
    method = draw(st.sampled_from([Method.A2Q, Method.A2Q_PLUS]))
    # Below the least P every weight is zero, and a scheme is refused.
    least = inputs.bits + (1 if method is Method.A2Q_PLUS else 2 - inputs.signed)
    acc_bits = draw(st.integers(max(4, least), 32))
    event(method.value)
    return Scheme(method, draw(st.sampled_from([2, 3, 4, 8, 8, 16])), inputs, acc_bits, bias=bias)
