"""From a trained layer in floats to a QuantLayer in integers, re-checked row by row.

What follows the accumulator (scale, bias, batch norm, activation) is folded: into one threshold for
each step of the activation, or into a multiplier and a bias of scores where there is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from a2q_ref.layers import Quantized
from a2q_ref.quantizers import ActQuantizer, require_finite
from a2q_ref.scheme import Bias
from golden.bounds import exact_range, l1_norm
from golden.fixup import Fix, bring_back
from golden.integer import BoolArray, Format, InputError, IntArray
from golden.layer import QuantLayer

LARGEST_MULTIPLIER = (1 << 15) - 1

FloatArray = npt.NDArray[np.float64]
Norm = nn.BatchNorm1d | nn.BatchNorm2d


@dataclass(frozen=True)
class Exported:
    """A layer as integers, and the rows that did not fit P bits as they were trained."""

    layer: QuantLayer
    fixes: tuple[Fix, ...]


@dataclass(frozen=True)
class Epilogue:
    """What floats do to an accumulator: ((acc * scale + bias) * gain + shift), each (MH,)."""

    scale: FloatArray
    bias: FloatArray
    gain: FloatArray
    shift: FloatArray

    def __call__(self, acc: IntArray) -> FloatArray:
        """Return the float outputs of accumulators: (V, MH) -> (V, MH)."""
        return (acc * self.scale + self.bias) * self.gain + self.shift

    def activations(self, acc: IntArray, activation: ActQuantizer) -> IntArray:
        """Return the quantized activations of accumulators, (V, MH) -> (V, MH)."""
        steps = np.rint(self(acc) * (1 / activation.scale().item()))
        ends = activation.format.minimum, activation.format.maximum
        return np.clip(steps, *ends).astype(np.int64)


def export(
    layer: Quantized,
    *,
    norm: Norm | None = None,
    activation: ActQuantizer | None = None,
    origin: dict[str, Any] | None = None,
) -> Exported:
    """Return the layer as integers, with the batch norm and the activation behind it folded in.

    ``activation`` is the quantizer of the next layer's inputs; if they are unsigned it is the ReLU
    as well. Nothing else may lie between: export can not see it. What is folded is computed in
    float64, whatever the type of the layer.

    Row r of the weights holds output channel r, over (input channel, kernel) as ``torch.nn.Unfold``
    lists them; a transposed convolution's row is that of the convolution which it is over inputs
    with zeros between them, but for the order of the kernel. With groups, each row reads the
    channels of its own group. Where the batch norm turns a channel around, row and thresholds are
    those of the negated weights: no threshold can fall.

    If the scheme has a P, every row is checked in exact integers, and one that any input could
    drive out of P bits is brought back by the smallest change of its weights, which is reported.

    Errors: InputError for other kinds of modules, for what is not finite, for an activation of more
    than 8 bits or without a scale yet, and for scales and biases of which no 16-bit multipliers can
    be made.
    """
    _require(layer, norm, activation)
    weights, acc_bias = layer.integers().cpu().numpy(), layer.bias_integers().cpu().numpy()
    epilogue = _epilogue(layer, norm)
    turned = epilogue.gain < 0
    weights[turned] *= -1
    acc_bias[turned] *= -1
    epilogue.scale[turned] *= -1
    if activation is None:
        silent = epilogue.gain == 0  # only the shift is left of such a row
        weights[silent], acc_bias[silent] = 0, 0

    fixes: tuple[Fix, ...] = ()
    scheme = layer.scheme
    if scheme.acc_bits is not None:
        weights, fixes = bring_back(weights, scheme.acc_bits, scheme.inputs, start=acc_bias)
    if activation is None:
        multiplier, bias = _scores(epilogue, l1_norm(weights) + np.abs(acc_bias) > 0)
        behind = {"multiplier": multiplier, "bias": bias}
    else:
        reach = tuple(end + acc_bias for end in exact_range(weights, scheme.inputs))
        if not all(np.isfinite(epilogue(end[None])).all() for end in reach):
            raise InputError("what follows an accumulator must be finite on all that it reaches")
        behind = {
            "thresholds": _thresholds(epilogue, activation, *reach), "outputs": activation.format
        }  # fmt: skip
    return Exported(
        QuantLayer(
            weights=weights, weight_bits=scheme.weight_bits, inputs=scheme.inputs,
            trained_acc_bits=scheme.acc_bits, acc_bias=acc_bias, origin=origin or {}, **behind,
        ),
        fixes,
    )  # fmt: skip


def _require(layer: Quantized, norm: Norm | None, activation: ActQuantizer | None) -> None:
    for name, given, kinds in (
        ("layer", layer, [Quantized]),
        ("norm", norm, [nn.BatchNorm1d, nn.BatchNorm2d, NoneType]),
        ("activation", activation, [ActQuantizer, NoneType]),
    ):
        if not isinstance(given, tuple(kinds)):
            names = " or ".join(kind.__name__ for kind in kinds if kind is not NoneType)
            raise InputError(f"{name} must be a {names}, got a {type(given).__name__}")
    for quantizer in (layer.inputs, activation):
        if quantizer is not None and quantizer.d is not None and quantizer.d.isnan():
            raise InputError(
                "the scale of activations must be known, from a batch that the model has run, "
                "got none"
            )
    modules = {"": layer, "norm.": norm, "activation.": activation}
    for prefix, module in modules.items():
        for name, parameter in module.named_parameters() if module is not None else ():
            require_finite(parameter, prefix + name)
    if activation is not None:
        if activation.format.bits > 8:
            raise InputError(f"outputs must have 1 to 8 bits, got {activation.format.bits}")
        if not 0 < (scale := activation.scale().item()) < math.inf:
            raise InputError(f"the scale of activations must be a positive number, got {scale}")


@torch.no_grad()
def _epilogue(layer: Quantized, norm: Norm | None) -> Epilogue:
    scale = _array(layer.weights.scale() * layer.inputs.scale().item())
    bias, gain, shift = np.zeros_like(scale), np.ones_like(scale), np.zeros_like(scale)
    if layer.layer.bias is not None and layer.scheme.bias is Bias.OUTSIDE:
        bias = _array(layer.layer.bias)
    if norm is None:
        return Epilogue(scale, bias, gain, shift)
    if norm.num_features != len(scale):
        raise InputError(
            f"a batch norm must have one channel for each of {len(scale)} rows, "
            f"got {norm.num_features}"
        )
    if norm.running_var is None:
        raise InputError("a batch norm must have running statistics, got none")
    gain = _array((norm.running_var.double() + norm.eps).rsqrt())
    if norm.affine:
        gain = gain * _array(norm.weight)
    shift = (_array(norm.bias) if norm.affine else shift) - _array(norm.running_mean) * gain
    if not (np.isfinite(gain) & np.isfinite(shift)).all():
        raise InputError("a batch norm must have finite statistics and a positive variance")
    return Epilogue(scale, bias, gain, shift)


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy().copy()
    return array


def _thresholds(
    epilogue: Epilogue, activation: ActQuantizer, lowest: IntArray, highest: IntArray
) -> IntArray:
    """Return, for each row and step, the smallest accumulator that reaches the step.

    (MH,) twice, the ends of what the accumulators can be -> (MH, 2^B - 1). A step that all of them
    reach is at the lowest; one that none reaches is past the highest. Bisection, because every
    operation of the epilogue is monotone, rounding included, in a row whose gain is not negative.
    """
    first, steps = activation.format.minimum, (1 << activation.format.bits) - 1
    thresholds = []
    for step in range(first + 1, first + steps + 1):
        low, high = lowest.copy(), highest + 1  # the threshold is in [low, high]
        while (open_ := low < high).any():
            middle = low + (high - low) // 2
            reached = epilogue.activations(middle[None], activation)[0] >= step
            high = np.where(open_ & reached, middle, high)
            low = np.where(open_ & ~reached, middle + 1, low)
        thresholds.append(low)
    return np.stack(thresholds, axis=1)


def _scores(epilogue: Epilogue, alive: BoolArray) -> tuple[IntArray, IntArray]:
    """Return multiplier and bias (MH,) as integers in the one unit that makes best use of 16 bits.

    A row that is not alive says nothing through its accumulator, so neither does its scale say
    anything about the unit.
    """
    scale = np.abs(epilogue.scale * epilogue.gain)
    bias = epilogue.bias * epilogue.gain + epilogue.shift
    heard = scale[alive] if alive.any() else np.ones(1)
    if not (np.isfinite(heard) & (heard > 0)).all():
        raise InputError(f"the scale of a row must be a positive number, got {heard.min()}")
    unit = Fraction(heard.max()) / LARGEST_MULTIPLIER
    if round(Fraction(heard.min()) / unit) < 1:
        raise InputError(
            "the scales of two rows must not differ by a factor of more than "
            f"{2 * LARGEST_MULTIPLIER}, got {heard.min()} beside {heard.max()}"
        )
    multiplier = [round(Fraction(s) / unit) for s in np.where(alive, scale, heard.max())]
    offset = [round(Fraction(b) / unit) for b in bias]
    reach = Format(62, signed=True)
    if min(offset) < reach.minimum or max(offset) > reach.maximum:
        raise InputError(f"bias must stay below 2^61 units of {float(unit)}, got {abs(bias).max()}")
    return np.array(multiplier, np.int64), np.array(offset, np.int64)
