"""QuantLayer: a quantized layer as integers; LabelledInputs: real vectors to play through it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from golden import archive
from golden.integer import Format, InputError, IntArray
from golden.mvau import matvec
from golden.spec import MvauSpec

ACC_BIAS_BITS = 47


def activate(thresholds: IntArray, outputs: Format, acc: IntArray) -> IntArray:
    """Return the activation of each row: thresholds (MH, S), accumulators (V, MH) -> (V, MH).

    It is that of the ascending values of ``outputs`` whose place is the number of the row's
    ascending thresholds at or below the accumulator.

    >>> activate(np.array([[-5, 0, 9]]), Format(2, signed=True), np.array([[-6], [8]])).ravel()
    array([-2,  0])
    """
    acc = Format(64, signed=True).require(acc, "acc", ndim=2)
    if acc.shape[1] != len(thresholds):
        raise InputError(f"acc must have MH={len(thresholds)} columns, got {acc.shape[1]}")
    rows = zip(thresholds, acc.T, strict=True)
    counts = [np.searchsorted(steps, column, side="right") for steps, column in rows]
    activations: IntArray = np.array(outputs.values)[np.stack(counts, axis=1)]
    return activations


@dataclass(frozen=True, eq=False)
class QuantLayer:
    """Integer weights, their formats, and what becomes of the accumulators.

    ``score = multiplier * acc + bias`` brings the accumulators of rows with different scales to one
    common scale, in integers; the class is the row with the highest score. In a layer that feeds
    another one, thresholds make the accumulators the narrow inputs of the next.
    """

    weights: IntArray  # (MH, MW)
    weight_bits: int  # M, signed
    inputs: Format
    bipolar_weight: bool = field(default=False, kw_only=True)  # weights are -1 or +1
    trained_acc_bits: int | None = None  # the P it was trained for; None: unconstrained
    # (MH,) each, or one value for all rows
    multiplier: IntArray = field(default_factory=lambda: np.ones(1, np.int64))
    bias: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))
    acc_bias: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))  # acc starts there
    thresholds: IntArray | None = None  # (MH, 2^B - 1), each row ascending; None: no activation
    outputs: Format | None = None  # of the activation, B bits; None if and only if thresholds are
    origin: dict[str, Any] = field(default_factory=dict)  # who made it and how; JSON values

    FORMAT = "a2q-layer"
    VERSION = 2
    ARRAYS = ("weights", "multiplier", "bias", "acc_bias", "thresholds")

    def __post_init__(self) -> None:
        if type(self.bipolar_weight) is not bool:
            raise InputError(f"bipolar_weight must be true or false, got {self.bipolar_weight!r}")
        integers = Format(63, signed=True).require(self.weights, "weights", ndim=2)
        object.__setattr__(self, "weights", integers)
        spec = self.spec(acc_bits=64 if self.trained_acc_bits is None else self.trained_acc_bits)
        spec.weights.require(integers, "weights", ndim=2)
        # Widths that keep multiplier * acc + bias inside 64 bits for every legal accumulator.
        for name, width in (("multiplier", 16), ("bias", 62), ("acc_bias", ACC_BIAS_BITS)):
            values = Format(width, signed=True).require(getattr(self, name), name, ndim=1)
            if len(values) not in (1, self.mh):
                raise InputError(f"{name} must have one value or MH={self.mh}, got {len(values)}")
            object.__setattr__(self, name, np.broadcast_to(values, (self.mh,)).copy())
        if (self.multiplier < 1).any():
            raise InputError(f"multiplier must be positive, got {int(self.multiplier.min())}")
        if self.thresholds is not None or self.outputs is not None:
            object.__setattr__(self, "thresholds", self._checked_thresholds())

    @property
    def mh(self) -> int:
        return int(self.weights.shape[0])

    @property
    def mw(self) -> int:
        return int(self.weights.shape[1])

    def spec(self, acc_bits: int, **others: Any) -> MvauSpec:
        """Return the spec of a unit that runs this layer; one lane unless told more."""
        folding = {"pe": 1, "simd": 1} | others
        return MvauSpec(
            mw=self.mw, mh=self.mh, weight_bits=self.weight_bits, acc_bits=acc_bits,
            input_bits=self.inputs.bits, signed_input=self.inputs.signed,
            bipolar_weight=self.bipolar_weight, bipolar_input=self.inputs.bipolar, **folding,
        )  # fmt: skip

    def accumulate(self, vectors: IntArray) -> IntArray:
        """Return exact accumulators, of whatever width they need: (V, MW) -> (V, MH)."""
        return matvec(self.weights, vectors) + self.acc_bias

    def scores(self, acc: IntArray) -> IntArray:
        """Return the score of each row: accumulators (V, MH) -> (V, MH)."""
        return acc * self.multiplier + self.bias

    def activations(self, acc: IntArray) -> IntArray:
        """Return the activation of each row: accumulators (V, MH) -> (V, MH).

        Errors: InputError if the layer has no thresholds.

        >>> thresholds = np.array([[-5, 0, 9]])
        >>> layer = QuantLayer(
        ...     np.array([[1]]), 2, Format(4, signed=True),
        ...     thresholds=thresholds, outputs=Format(2, signed=False),
        ... )
        >>> layer.activations(np.array([[-6], [-5], [8], [9]])).ravel()
        array([0, 1, 2, 3])
        """
        if self.thresholds is None or self.outputs is None:
            raise InputError("activations must come from a layer with thresholds, got one without")
        return activate(self.thresholds, self.outputs, acc)

    def save(self, path: Path) -> None:
        archive.write(path, self.FORMAT, self.VERSION, *self.to_parts())

    @classmethod
    def load(cls, path: Path) -> QuantLayer:
        """Read ``save``'s file; InputError, with the path, for anything else."""
        parts = archive.read(path, cls.FORMAT, cls.VERSION, cls.ARRAYS)
        try:
            return cls.from_parts(*parts)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def to_parts(self) -> tuple[dict[str, Any], dict[str, IntArray]]:
        """Return all that the layer is, as JSON values and as arrays, for files of layers."""
        header = {
            "weight_bits": self.weight_bits, "trained_acc_bits": self.trained_acc_bits,
            "bipolar_weight": self.bipolar_weight,
            "input_bits": self.inputs.bits, "signed_input": self.inputs.signed,
            "bipolar_input": self.inputs.bipolar,
            "output_bits": self.outputs and self.outputs.bits,
            "signed_output": self.outputs and self.outputs.signed,
            "bipolar_output": self.outputs and self.outputs.bipolar,
            "origin": self.origin,
        }  # fmt: skip
        arrays = {name: getattr(self, name) for name in self.ARRAYS}
        if self.thresholds is None:
            arrays["thresholds"] = np.zeros((self.mh, 0), np.int64)
        return header, arrays

    @classmethod
    def from_parts(cls, header: dict[str, Any], arrays: dict[str, IntArray]) -> QuantLayer:
        """Read back ``to_parts``; InputError for what is no layer."""
        others = dict(arrays)
        thresholds = others.pop("thresholds")
        no_thresholds = thresholds.shape == (*arrays["weights"].shape[:1], 0)
        try:
            outputs = archive.output_format(header)
            return cls(
                weight_bits=header["weight_bits"], trained_acc_bits=header["trained_acc_bits"],
                bipolar_weight=header.get("bipolar_weight", False),
                inputs=archive.input_format(header), origin=archive.origin(header),
                thresholds=None if outputs is None and no_thresholds else thresholds,
                outputs=outputs, **others,
            )  # fmt: skip
        except KeyError as missing:
            raise InputError(f"the header must have {missing}") from None

    def _checked_thresholds(self) -> IntArray:
        if self.thresholds is None or self.outputs is None:
            given = "outputs" if self.thresholds is None else "thresholds"
            raise InputError(f"thresholds and outputs must come together, got {given} alone")
        if self.outputs.bits > 8:
            raise InputError(f"outputs must have 1 to 8 bits, got {self.outputs.bits}")
        thresholds = Format(63, signed=True).require(self.thresholds, "thresholds", ndim=2)
        shape = (self.mh, 2**self.outputs.bits - 1)
        if thresholds.shape != shape:
            raise InputError(f"thresholds must have shape {shape}, got {thresholds.shape}")
        falls = np.argwhere(thresholds[:, 1:] < thresholds[:, :-1])
        if len(falls):
            row, at = falls[0]
            before, after = thresholds[row, at : at + 2]
            raise InputError(f"thresholds must ascend, got {before} before {after} in row {row}")
        return thresholds


@dataclass(frozen=True, eq=False)
class LabelledInputs:
    """Input vectors with the class that each belongs to: real data, as integers."""

    values: IntArray  # (V, MW)
    labels: IntArray  # (V,)
    inputs: Format
    origin: dict[str, Any] = field(default_factory=dict)

    FORMAT = "a2q-inputs"
    VERSION = 1

    def __post_init__(self) -> None:
        values = self.inputs.require(self.values, "values", ndim=2)
        # The narrowest unit that takes these vectors: its spec says which widths are legal.
        MvauSpec(
            mw=values.shape[1], mh=1, pe=1, simd=1, weight_bits=1, acc_bits=64,
            input_bits=self.inputs.bits, signed_input=self.inputs.signed,
        )  # fmt: skip
        object.__setattr__(self, "values", values)
        labels = Format(32, signed=False).require(self.labels, "labels", ndim=1)
        if len(labels) != len(self.values):
            raise InputError(
                f"labels must be one per vector, got {len(labels)} for {len(self.values)}"
            )
        object.__setattr__(self, "labels", labels)

    def first(self, count: int) -> LabelledInputs:
        """Return the first ``count`` vectors with their labels."""
        return replace(self, values=self.values[:count], labels=self.labels[:count])

    def accuracy(self, scores: IntArray) -> float:
        """Return the share of vectors whose highest score (V, MH) is at their label."""
        if len(scores) != len(self.labels):
            raise InputError(
                f"scores must be one row per vector, got {len(scores)} rows for {len(self.labels)}"
            )
        return float(np.mean(scores.argmax(axis=1) == self.labels))

    def save(self, path: Path) -> None:
        header = {
            "input_bits": self.inputs.bits,
            "signed_input": self.inputs.signed,
            "bipolar_input": self.inputs.bipolar,
            "origin": self.origin,
        }
        arrays = {"values": self.values, "labels": self.labels}
        archive.write(path, self.FORMAT, self.VERSION, header, arrays)

    @classmethod
    def load(cls, path: Path) -> LabelledInputs:
        """Read ``save``'s file; InputError, with the path, for anything else."""
        header, arrays = archive.read(path, cls.FORMAT, cls.VERSION, ("values", "labels"))
        try:
            return cls(inputs=archive.input_format(header), origin=archive.origin(header), **arrays)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
