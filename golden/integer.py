"""Exact integers of a given width: ranges, checks at boundaries, and the two overflow policies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class InputError(ValueError):
    """Something handed to this project breaks a rule; the message says which, in one sentence."""


class Overflow(IntEnum):
    """What an accumulator does with a sum out of its range; the value is the RTL's OVERFLOW."""

    WRAP = 0
    SATURATE = 1

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Format:
    """Two's complement (signed) or plain binary (unsigned) integers of ``bits`` bits.

    A ``bipolar`` one, of one signed bit, is -1 or +1: there is no zero.
    """

    bits: int
    signed: bool
    bipolar: bool = False

    def __post_init__(self) -> None:
        if type(self.bipolar) is not bool:
            raise InputError(f"bipolar must be a bool, got {self.bipolar!r}")
        # What int64 holds: 64 bits are enough only for signed integers.
        if type(self.signed) is not bool or type(self.bits) is not int:
            raise InputError(
                f"a format must be an int and a bool, got {self.bits!r}, {self.signed!r}"
            )
        if not 1 <= self.bits <= 63 + self.signed:
            raise InputError(f"a format must have 1 to {63 + self.signed} bits, got {self.bits}")
        if self.bipolar and (self.bits, self.signed) != (1, True):
            sign = "signed" if self.signed else "unsigned"
            raise InputError(f"a bipolar format must have 1 signed bit, got {sign} {self.bits}-bit")

    @property
    def minimum(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        return 1 if self.bipolar else (1 << (self.bits - self.signed)) - 1

    @property
    def values(self) -> range:
        """All values, ascending."""
        return range(self.minimum, self.maximum + 1, 2 if self.bipolar else 1)

    def __str__(self) -> str:
        kind = "bipolar" if self.bipolar else "signed" if self.signed else "unsigned"
        return f"{kind} {self.bits}-bit"

    def nearest(self, values: npt.ArrayLike) -> IntArray:
        """Return the value of this format that is nearest to each; of two, the lower one.

        >>> Format(2, signed=True).nearest([-5, 0]), Format(1, True, bipolar=True).nearest([-5, 0])
        (array([-2,  0]), array([-1, -1]))
        """
        array = np.asarray(values, np.int64)
        if self.bipolar:
            return np.where(array > 0, np.int64(1), np.int64(-1))
        return np.clip(array, self.minimum, self.maximum)

    def encode(self, values: npt.ArrayLike) -> IntArray:
        """Return the words that stand for ``values`` on wires: modulo 2^bits; if bipolar, 0 or 1.

        >>> Format(4, signed=True).encode([-1, 7]), Format(1, True, bipolar=True).encode([-1, 1])
        (array([15,  7]), array([0, 1]))
        """
        array = np.asarray(values, np.int64)
        if self.bipolar:
            return (array + 1) // 2
        return array & ((1 << self.bits) - 1) if self.bits < 64 else array

    def decode(self, words: npt.ArrayLike) -> IntArray:
        """Return the values that words on wires stand for; the inverse of ``encode``."""
        array = np.asarray(words, np.int64)
        if self.bipolar:
            return 2 * array - 1
        return narrow(array, self.bits, Overflow.WRAP) if self.signed else array

    def require(self, values: npt.ArrayLike, name: str, ndim: int) -> IntArray:
        """Return ``values`` as int64, or refuse them.

        Errors: InputError if they are not integers, not ``ndim``-dimensional, empty or too wide.
        """
        try:
            array = np.asarray(values)
        except ValueError:
            raise InputError(f"{name} must be an array, got rows of different lengths") from None
        if array.dtype.kind not in "iu":
            raise InputError(f"{name} must be integers, got dtype {array.dtype}")
        if array.ndim != ndim or array.size == 0:
            raise InputError(
                f"{name} must be a {ndim}-dimensional array with elements, got shape {array.shape}"
            )
        hole = [0] if self.bipolar and not array.all() else []
        for worst in (int(array.min()), int(array.max()), *hole):
            if worst not in self.values:
                between = "or" if self.bipolar else "to"
                raise InputError(
                    f"{name} must fit {self} integers "
                    f"({self.minimum} {between} {self.maximum}), got {worst}"
                )
        return array.astype(np.int64)


def bits_for(low: int, high: int) -> int:
    """Return the smallest width of a two's complement integer that holds ``low`` and ``high``.

    >>> bits_for(-8, 7), bits_for(0, 8)
    (4, 5)
    """
    return 1 + max(
        (high if high >= 0 else ~high).bit_length(), (low if low >= 0 else ~low).bit_length()
    )


def is_below(value: object, limit: int) -> bool:
    """Whether it is an integer from 0 on below ``limit``, and no truth value."""
    return type(value) is int and 0 <= value < limit


def integer_rows(rows: Any, name: str) -> IntArray:
    """Return rows of JSON as an array; numpy alone would also take truths and fractions.

    >>> integer_rows([[1, 2], [3, 4]], "weights").shape
    (2, 2)
    """
    if not all(type(value) is int for row in rows for value in row):
        raise InputError(f"{name} must be rows of integers")
    try:
        return np.array(rows, np.int64)
    except (ValueError, OverflowError):
        raise InputError(f"{name} must be rows of one length, of integers of 64 bits") from None


def narrow(exact: IntArray, bits: int, overflow: Overflow) -> IntArray:
    """Bring exact values down to ``bits`` signed bits, as ``held`` of ``rtl/dot.v`` is.

    >>> narrow(np.array([9]), 4, Overflow.WRAP), narrow(np.array([9]), 4, Overflow.SATURATE)
    (array([-7]), array([7]))
    """
    if bits >= 64:
        return exact
    target = Format(bits, signed=True)
    if overflow is Overflow.SATURATE:
        return np.clip(exact, target.minimum, target.maximum)
    return ((exact - target.minimum) & ((1 << bits) - 1)) + target.minimum
