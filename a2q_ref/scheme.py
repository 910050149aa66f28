"""Scheme: how one layer is quantized, and by which bound.

Papers: A2Q is Colbert et al., ICCV 2023 (arXiv 2308.13504); A2Q+ is Colbert et al., ICML 2024
(arXiv 2401.10432).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import cached_property

from golden.bounds import a2q_max_l1_norm, a2q_plus_max_l1_norm
from golden.integer import Format, InputError


class Rounding(Enum):
    TOWARD_ZERO = "toward-zero"  # never adds to a norm
    HALF_WAY = "half-way"  # to nearest: may carry a row over its bound


class Method(Enum):
    BASELINE = "baseline"
    A2Q = "a2q"
    A2Q_PLUS = "a2q+"

    @property
    def rounding(self) -> Rounding:
        """The method's own."""
        return Rounding.HALF_WAY if self is Method.BASELINE else Rounding.TOWARD_ZERO


class Bias(Enum):
    OUTSIDE = "outside"  # added to the finished sum
    INSIDE = "inside"  # what the accumulator starts from, and so part of its bound


_BYTES = Format(8, signed=False)


@dataclass(frozen=True)
class Scheme:
    """How one layer is quantized; mixed precision is a list of these.

    ``acc_bits`` (P) is None for a layer without a bound. A baseline trains without one even if P is
    given: then export brings it into P bits. ``rounding`` is by default the method's own.

    Errors: InputError for what is no width, and for a P that leaves no weight but zero.

    >>> float(Scheme(acc_bits=16).budget)
    127.99609375
    """

    method: Method = Method.A2Q
    weight_bits: int = 8  # M
    inputs: Format = _BYTES  # N
    acc_bits: int | None = None  # P
    rounding: Rounding | None = None
    bias: Bias = Bias.OUTSIDE

    def __post_init__(self) -> None:
        if not isinstance(self.method, Method):
            raise InputError(f"method must be a Method, got {self.method!r}")
        if self.rounding is None:
            object.__setattr__(self, "rounding", self.method.rounding)
        for field, kind in (
            ("rounding", Rounding), ("bias", Bias), ("inputs", Format)
        ):  # fmt: skip
            if not isinstance(getattr(self, field), kind):
                raise InputError(f"{field} must be a {kind.__name__}, got {getattr(self, field)!r}")
        for name, given, low, high in (
            ("weight_bits", self.weight_bits, 2, 16),
            ("the bits of inputs", self.inputs.bits, 1, 16),
            ("acc_bits", self.acc_bits, 2, 64),
        ):
            if given is not None and (type(given) is not int or not low <= given <= high):
                raise InputError(f"{name} must be an integer from {low} to {high}, got {given!r}")
        if self.acc_bits is None and self.method is not Method.BASELINE:
            raise InputError(f"acc_bits must be given for {self.method.value}, got None")
        if not self._leaves_room(self.acc_bits):
            enough = next(bits for bits in range(2, 65) if self._leaves_room(bits))
            raise InputError(
                f"acc_bits must be at least {enough} for {self.method.value} and {self.inputs} "
                f"inputs, below which every weight is zero, got {self.acc_bits}"
            )

    @property
    def name(self) -> str:
        """What is not as usual, in letters that every file system takes: ``a2q-p16-m4-n4``."""
        method = self.method.value.replace("+", "-plus")
        sign = "s" if self.inputs.signed else ""
        parts = {
            method if self.acc_bits is None else f"{method}-p{self.acc_bits}": True,
            f"m{self.weight_bits}-n{self.inputs.bits}{sign}": (
                (self.weight_bits, self.inputs) != (Scheme.weight_bits, Scheme.inputs)
            ),
            str(self.rounding.value): self.rounding is not self.method.rounding,
            f"bias-{self.bias.value}": self.bias is not Scheme.bias,
        }
        return "-".join(part for part, told in parts.items() if told)

    @property
    def limit(self) -> int:
        """The largest magnitude of a weight: symmetric, so that any row can change its sign."""
        return Format(self.weight_bits, signed=True).maximum

    @cached_property  # asked for at every step
    def budget(self) -> Fraction | None:
        """The largest L1 norm of a row of integers; None without a bound."""
        return None if self.acc_bits is None else self._budget(self.acc_bits)

    @property
    def bias_share(self) -> Fraction:
        """What one LSB of a bias inside the accumulator takes from the budget."""
        if self.method is Method.A2Q_PLUS:
            return Fraction(2, (1 << self.inputs.bits) - 1)
        return Fraction(1, 1 << (self.inputs.bits - self.inputs.signed))

    def _budget(self, acc_bits: int) -> Fraction | None:
        bounds = {Method.A2Q: a2q_max_l1_norm, Method.A2Q_PLUS: a2q_plus_max_l1_norm}
        bound = bounds.get(self.method)
        return bound and bound(acc_bits, self.inputs)

    def _leaves_room(self, acc_bits: int | None) -> bool:
        budget = None if acc_bits is None else self._budget(acc_bits)
        # A row that sums to zero has a weight on either side.
        return budget is None or budget >= (2 if self.method is Method.A2Q_PLUS else 1)
