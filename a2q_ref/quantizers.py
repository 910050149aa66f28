"""From floats to integers with straight-through gradients: weights row by row, activations.

A row is an output channel: all the weights whose products one accumulator adds, in a tensor whose
first dimension R counts the rows. Each method writes a row v as s * q, with integers q and one
learned scale s = 2^d:

- baseline: q = clip(round(v / s)), quantization-aware training without a bound;
- A2Q: q = clip(round(r * v / ||v||_1)) with r = 2^min(t - d, log2(budget)): the L1 norm of q is at
  most the budget of P bits, whatever the parameters (A2Q, section 4; its T is d + log2(budget));
- A2Q+: the same on v - mean(v), whose budget is larger (A2Q+, section 3).

Parameters are float64, float32, bfloat16 or float16; the last two are computed in float32.

Papers: A2Q is Colbert et al., ICCV 2023 (arXiv 2308.13504); A2Q+ is Colbert et al., ICML 2024
(arXiv 2401.10432); LSQ is Esser et al., ICLR 2020 (arXiv 1902.08153).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from a2q_ref.projection import onto_balanced_l1_ball, onto_l1_ball
from a2q_ref.scheme import Method, Rounding, Scheme
from golden.integer import Format, InputError

LN2 = math.log(2)

# Floats round: a sum of unrounded integers may exceed its radius by this share, which is more than
# all roundings on the way together.
_GUARD = {torch.float32: 2.0**-18, torch.float64: 2.0**-40}
_LANES = 16  # so many terms are added in the type of the weights before float64 takes over

# Where ``start`` looks for a scale, in octaves from "the largest weight is the largest integer".
_OFFSETS = range(-3, 8)
_LARGEST = 2.0**12  # magnitude of a weight that trains in a bound: its row's norm stays finite


def require_finite(tensor: Tensor, name: str) -> None:
    """InputError if an element is NaN or infinite."""
    if not tensor.isfinite().all():
        at = (~tensor.isfinite()).nonzero()[0].tolist()
        raise InputError(f"{name} must be finite numbers, got {tensor[tuple(at)].item()} at {at}")


# Rows in few passes over memory. A compiler fuses what is written as usual, in the order in which
# the memory lies; without one, some roads are many times faster than others.


def _columns(x: Tensor) -> tuple[int, ...]:
    return tuple(range(1, x.ndim))


def _beside(r: Tensor, x: Tensor) -> Tensor:
    """Return r (R,) in the shape and type that a product with x (R, ...) takes."""
    return r.to(x.dtype).view(-1, *[1] * (x.ndim - 1))


def _sums(x: Tensor) -> Tensor:
    """Return sums (R,) in float64, no more than 16 roundings of the type of x away from exact."""
    if x[0].numel() % _LANES or torch.compiler.is_compiling():
        return x.sum(dim=_columns(x), dtype=torch.float64)
    return x.reshape(len(x), _LANES, -1).sum(dim=1).sum(dim=1, dtype=torch.float64)


def _dots(x: Tensor, y: Tensor) -> Tensor:
    """Return the dot products (R,) of rows, in float64."""
    if torch.compiler.is_compiling():
        return (x * y).sum(dim=_columns(x)).double()
    return torch.linalg.vecdot(x.flatten(1), y.flatten(1)).double()


def _trunc(x: Tensor, bits: int) -> Tensor:
    """Return whole numbers, toward zero, of so few bits that they fit."""
    if torch.compiler.is_compiling():
        return x.trunc()
    return x.to(torch.int8 if bits <= 8 else torch.int16).to(x.dtype)


@torch.library.custom_op("a2q::exp2", mutates_args=())
def _exp2_apart(x: Tensor) -> Tensor:
    return x.exp2()


@_exp2_apart.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def _exp2(x: Tensor) -> Tensor:
    """Return 2^x (R,): once for each row, where a compiler would do it again for each weight."""
    return _exp2_apart(x) if torch.compiler.is_compiling() else x.exp2()


@dataclass(frozen=True)
class _Unrounded:
    """Rows x (R, ...) and the factor c (R,) that makes c * x their integers before rounding."""

    x: Tensor
    c: Tensor
    norm: Tensor | None = None  # of x; None without a bound
    radius: Tensor | None = None  # norm of c * x
    capped: Tensor | None = None  # rows that ask for a larger radius than there is

    @classmethod
    def of(
        cls, v: Tensor, d: Tensor, t: Tensor | None, taken: Tensor | None, scheme: Scheme
    ) -> _Unrounded:
        x = v if v.dtype in _GUARD else v.float()
        if t is None:
            return cls(x, _exp2(-d))
        if scheme.method is Method.A2Q_PLUS:
            x = x - x.mean(dim=_columns(x), keepdim=True)
        norm = _sums(x.abs())
        if scheme.method is Method.A2Q_PLUS:
            norm = norm + _sums(x).abs()  # what the rounded mean leaves: twice the heavier side
        asked, most = _exp2(t - d), _largest_radius(scheme, x.dtype, taken)
        radius = asked.clamp(max=most)
        c = torch.where(norm > 0, radius / norm, 0).clamp(max=torch.finfo(x.dtype).max)
        return cls(x, c, norm, radius, asked > most)

    def scaled(self) -> Tensor:
        return self.x * _beside(self.c, self.x)


def _largest_radius(scheme: Scheme, dtype: torch.dtype, taken: Tensor | None) -> float | Tensor:
    """Return the norm of unrounded integers up to which no rounding leads over the budget.

    Integers add up to whole numbers: with the budget in reach, only a sum that rounds up to the
    next whole number can do harm. In A2Q+ that holds for the two sides of a row. A bias inside,
    which has taken its part, is counted in fractions.
    """
    budget, within = scheme.budget, 1 - _GUARD[dtype]
    if taken is not None:
        return float(budget) * within - taken
    sides = 2 if scheme.method is Method.A2Q_PLUS else 1
    return min(float(budget), sides * (budget // sides + 1) * within)


def _edge(scheme: Scheme) -> float:
    """Return the magnitude from which on an unrounded integer is clipped."""
    return scheme.limit + (0.5 if scheme.rounding is Rounding.HALF_WAY else 1.0)


def _can_clip(scheme: Scheme) -> bool:
    if scheme.budget is None:
        return True
    sides = 2 if scheme.method is Method.A2Q_PLUS else 1  # one weight is at most one side
    return scheme.budget / sides >= _edge(scheme)


def _round(u: Tensor, scheme: Scheme) -> Tensor:
    """Return whole numbers of at most ``weight_bits`` bits, as floats in a tensor of their own."""
    q = u.clamp(-scheme.limit, scheme.limit) if _can_clip(scheme) else u
    if scheme.rounding is Rounding.HALF_WAY:
        return q.round()
    return _trunc(q, scheme.weight_bits)


class _QuantizeRows(torch.autograd.Function):
    """All rows in one step: few passes over memory, and nothing kept that backward can do without.

    v (R, ...); d, t, taken (R,) -> s * q (R, ...). ``taken`` is the part of the budget that a bias
    inside has.
    """

    @staticmethod
    def forward(
        ctx: Any, v: Tensor, d: Tensor, t: Tensor | None, taken: Tensor | None, scheme: Scheme
    ) -> Tensor:
        ctx.scheme, ctx.dtypes = scheme, (v.dtype, d.dtype)
        d, t = d.double(), None if t is None else t.double()
        rows = _Unrounded.of(v, d, t, taken, scheme)
        u, s = rows.scaled(), _exp2(d).clamp(max=torch.finfo(rows.x.dtype).max)
        weights = _round(u, scheme).mul_(_beside(s, u))
        kept = u if _can_clip(scheme) else None
        ctx.save_for_backward(rows.x, weights, kept, s, rows.c, rows.norm, rows.radius, rows.capped)
        return weights.to(v.dtype, copy=v.dtype != u.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weights, u, s, c, norm, radius, capped = ctx.saved_tensors
        of_v, of_d = ctx.dtypes
        grad = passed = grad.to(x.dtype)
        if u is not None:  # nothing passes a clipped weight
            edge = _edge(ctx.scheme)
            passed = torch.ops.aten.hardtanh_backward(grad, u, -edge, edge)
        by_scale = _dots(grad, weights)  # s * dL/ds
        by_factor = _dots(passed, x) * (s * c)  # c * dL/dc
        if norm is None:  # s * c is one
            grad_d = LN2 * (by_scale - by_factor)
            return passed.to(of_v), grad_d.to(of_d), None, None, None
        by_asked = by_factor.masked_fill(capped, 0)
        per_norm = torch.where(norm > 0, by_factor / norm, 0)
        grad_v = x.sign().mul_(_beside(-per_norm, x))
        grad_v.addcmul_(passed, _beside(s * c, x))
        if ctx.scheme.method is Method.A2Q_PLUS:
            grad_v -= grad_v.mean(dim=_columns(x), keepdim=True)
        grad_d, grad_t = LN2 * (by_scale - by_asked), LN2 * by_asked
        grad_taken = (by_asked - by_factor) / radius if ctx.needs_input_grad[3] else None
        return grad_v.to(of_v), grad_d.to(of_d), grad_t.to(of_d), grad_taken, None


class WeightQuantizer(nn.Module):
    """Rows of float weights (R, ...) as rows of integers times a learned scale.

    ``start`` comes first: it sets d and t, and returns the weights to train on.
    """

    t: Tensor | None

    def __init__(self, scheme: Scheme, rows: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.scheme = scheme
        self.d = nn.Parameter(torch.zeros(rows, dtype=dtype))  # log2 of the scale
        bounded = scheme.budget is not None  # log2 of the norm that the row asks for
        self.register_parameter("t", nn.Parameter(torch.zeros_like(self.d)) if bounded else None)

    def forward(self, v: Tensor, taken: Tensor | None = None) -> Tensor:
        """Return the quantized weights (R, ...).

        ``taken`` (R,), in float64, is the part of the budget that a bias inside has.
        """
        return _QuantizeRows.apply(v, self.d, self.t, taken, self.scheme)

    def scale(self) -> Tensor:
        """Return s (R,) in float64."""
        return self.d.double().exp2()

    @torch.no_grad()
    def integers(self, v: Tensor, taken: Tensor | None = None) -> Tensor:
        """Return q (R, ...) as int64: what ``forward`` multiplies by the scale.

        Errors: InputError if the norm of a row is not finite.
        """
        t = None if self.t is None else self.t.double()
        rows = _Unrounded.of(v, self.d.double(), t, taken, self.scheme)
        if rows.norm is not None:
            require_finite(rows.norm, "the norms of rows")
        return _round(rows.scaled(), self.scheme).long()

    def overreach(self) -> Tensor:
        """Return t - T (R,): by how many octaves each row asks for more than its budget."""
        if self.t is None:
            return torch.full_like(self.d, -math.inf)
        return self.t - self.d - math.log2(self.scheme.budget)

    def penalty(self) -> Tensor:
        """Return the sum of max(t - T, 0) over the rows (A2Q, section 4.1)."""
        return self.overreach().clamp(min=0).sum()

    @torch.no_grad()
    def start(self, v: Tensor) -> Tensor:
        """Choose scales and norms for v (R, ...); return its projection, which the budget allows.

        The projection is Euclidean (A2Q+, section 3): cutting norms alone would shrink a wide row
        until each weight rounds to zero. Of some scales, each row takes the one that loses least.

        Errors: InputError if v has no rows with elements, all of them finite numbers.
        """
        if v.ndim < 2 or v.numel() == 0:
            raise InputError(f"weights must be rows with elements, got shape {tuple(v.shape)}")
        require_finite(v, "weights")
        magnitude = _magnitudes(v.flatten(1))
        rows = v.flatten(1).double() / magnitude[:, None]
        error = torch.full_like(magnitude, math.inf)
        d, start = torch.zeros_like(magnitude), rows
        for offset in _OFFSETS:
            tried = torch.full_like(d, offset - math.log2(self.scheme.limit))
            point = self._projected(rows, tried.exp2())
            unrounded = _Unrounded.of(point, tried, self._log2_norm(point), None, self.scheme)
            q = _round(unrounded.scaled(), self.scheme)
            lost = (q * tried.exp2()[:, None] - rows).square().sum(dim=1)
            better = lost < error
            error, d = torch.where(better, lost, error), torch.where(better, tried, d)
            start = torch.where(better[:, None], point, start)
        self.d.copy_(d + magnitude.log2())
        if self.t is not None:
            self.t.copy_(self._log2_norm(start) + magnitude.log2())
            magnitude = magnitude.clamp(max=_LARGEST)  # of such a row only the direction counts
        return (start * magnitude[:, None]).to(v.dtype).view_as(v)

    def _projected(self, rows: Tensor, scale: Tensor) -> Tensor:
        if self.scheme.budget is None:
            return rows
        project = onto_balanced_l1_ball if self.scheme.method is Method.A2Q_PLUS else onto_l1_ball
        return project(rows, scale * float(self.scheme.budget))

    def _log2_norm(self, rows: Tensor) -> Tensor | None:
        if self.t is None:
            return None
        return rows.abs().sum(dim=1).clamp(min=2.0**-20).log2()


def _magnitudes(v: Tensor) -> Tensor:
    """Return the largest magnitude of each row of v (R, K), in float64.

    A row that is dead, or as good as, is measured by the others: from a scale of nothing no row
    ever wakes up.
    """
    largest = v.double().abs().amax(dim=1)
    whole = largest.max()
    return largest.clamp(min=whole * 2.0**-12 if whole > 0 else 1.0)


class _QuantizeSteps(torch.autograd.Function):
    """clip(round(x / s)) * s with one scale s = 2^d for all of x (LSQ, section 2)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: Tensor, low: int, high: int) -> Tensor:
        u = _unrounded_steps(x, s)
        steps = u.clamp(low, high).round_().mul_(s.to(u.dtype))
        ctx.save_for_backward(u, steps, s)
        ctx.ends, ctx.dtype = (low - 0.5, high + 0.5), x.dtype
        return steps.to(x.dtype, copy=x.dtype != u.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, steps, s = ctx.saved_tensors
        grad = grad.to(u.dtype)
        passed = torch.ops.aten.hardtanh_backward(grad, u, *ctx.ends)
        grad_s = None
        if ctx.needs_input_grad[1]:
            # Scaled as in LSQ, section 2.2, so that s moves no faster than what it scales.
            gentle = 1 / math.sqrt(u.numel() * max(1.0, ctx.ends[1] - 0.5))
            by_scale = (grad * steps).sum(dtype=torch.float64) / s
            grad_s = gentle * (by_scale - (passed * u).sum(dtype=torch.float64))
        return passed.to(ctx.dtype), grad_s, None, None


def _unrounded_steps(x: Tensor, s: Tensor) -> Tensor:
    x = x if x.dtype in _GUARD else x.float()
    return x * (1 / s).clamp(max=torch.finfo(x.dtype).max).to(x.dtype)


class ActQuantizer(nn.Module):
    """Activations as integers of a format times one scale: unsigned after a ReLU, signed otherwise.

    The scale is learned, and starts at the first batch that is not all zeros; or it is given, and
    stays.
    Errors: InputError for a scale that is not a positive number.
    """

    def __init__(self, format: Format, scale: float | None = None) -> None:
        super().__init__()
        if scale is not None and not 0 < scale < math.inf:
            raise InputError(f"the scale of inputs must be a positive number, got {scale}")
        self.format, self.given = format, scale
        # log2 of the scale; not a number until the first batch
        self.d = None if scale else nn.Parameter(torch.tensor(math.nan, dtype=torch.float64))
        self._started = self.d is None

    def forward(self, x: Tensor) -> Tensor:
        if not self._started:  # asked of d only until it is so: a GPU would have to wait each time
            if self.d.isnan():
                if not x.any():
                    return x  # of whatever scale
                self.start(x)
            self._started = True
        return _QuantizeSteps.apply(x, self.scale(), self.format.minimum, self.format.maximum)

    def scale(self) -> Tensor:
        """Return s, the worth of one LSB, in float64."""
        if self.d is None:
            return torch.tensor(self.given, dtype=torch.float64)
        return self.d.double().exp2()

    @torch.no_grad()
    def integers(self, x: Tensor) -> Tensor:
        """Return the integers that stand for x, as int64."""
        u = _unrounded_steps(x, self.scale())
        return u.clamp(self.format.minimum, self.format.maximum).round().long()

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Set the scale that loses least of a batch, of some at which its largest are clipped."""
        require_finite(x, "activations")
        x = x.detach().double()
        largest = (x.abs().amax() / max(1, self.format.maximum)).clamp(min=2.0**-100).log2()
        tried = [largest - octaves / 4 for octaves in range(17)]
        self.d.copy_(min(tried, key=lambda d: self._lost(x, d.exp2())))

    def _lost(self, x: Tensor, s: Tensor) -> float:
        steps = _QuantizeSteps.apply(x, s, self.format.minimum, self.format.maximum)
        return float((steps - x).square().sum())
