"""Quantized layers: any of torch's linear and convolution layers, quantized by a scheme."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from a2q_ref.quantizers import ActQuantizer, WeightQuantizer, require_finite
from a2q_ref.scheme import Bias, Scheme
from golden.integer import Format, InputError
from golden.layer import ACC_BIAS_BITS

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
_TINY = torch.finfo(torch.float64).tiny
_LINEAR = nn.Linear | nn.modules.conv._ConvNd  # of these none stays in floats in silence
FLOAT_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


class Quantized(nn.Module):
    """A layer of torch whose inputs, weights and, inside the accumulator, bias are integers.

    It takes the float layer over: its weights, on which ``WeightQuantizer.start`` has been, its
    geometry, its way to compute. ``input_scale`` is the worth of one input LSB, None to learn it.

    Errors: InputError for other kinds of layer, for weights that are empty or not finite, and for a
    bias inside where there is none.

    >>> layer = Quantized(nn.Conv2d(8, 8, 3, groups=8), Scheme(acc_bits=14, weight_bits=4))
    >>> layer.integers().shape
    torch.Size([8, 9])
    """

    def __init__(self, layer: nn.Module, scheme: Scheme, input_scale: float | None = None) -> None:
        super().__init__()
        _require(layer, scheme)
        self.layer, self.scheme = layer, scheme
        self.inputs = ActQuantizer(scheme.inputs, input_scale)
        v = self._swapped(layer.weight.detach())
        self.weights = WeightQuantizer(scheme, len(v), v.dtype)
        layer.weight.data = self._swapped(self.weights.start(v))
        self.weights.to(v.device)
        self.inputs.to(v.device)

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output on the quantized inputs, with quantized weights."""
        x = self.inputs(x)  # first: a bias inside is counted in its scale
        return torch.func.functional_call(self.layer, self.quantized(), (x,))

    def quantized(self) -> dict[str, Tensor]:
        """Return the quantized weight, and bias if it is inside, as the float layer takes them."""
        bias = self._bias()
        weight = self.weights(self._swapped(self.layer.weight), self._taken(bias))
        quantized = {"weight": self._swapped(weight)}
        if bias is not None:
            worth = self.weights.scale() * self.inputs.scale()
            quantized["bias"] = (bias * worth).to(weight.dtype)
        return quantized

    @torch.no_grad()
    def integers(self) -> Tensor:
        """Return the weights (R, K) as int64: output channels by (input channel, kernel)."""
        rows = self._swapped(self.layer.weight)
        return self.weights.integers(rows, self._taken(self._bias())).flatten(1)

    @torch.no_grad()
    def bias_integers(self) -> Tensor:
        """Return what the accumulators start from (R,), as int64."""
        bias = self._bias()
        return torch.zeros(len(self.weights.d), dtype=torch.int64) if bias is None else bias.long()

    def _bias(self) -> Tensor | None:
        """Return the bias inside (R,) in LSBs of the accumulator, whole numbers in float64."""
        if self.scheme.bias is Bias.OUTSIDE:
            return None
        worth = (self.weights.scale() * self.inputs.scale()).clamp(min=_TINY)
        u = (self.layer.bias.double() / worth).clamp(-self._most_bias(), self._most_bias())
        return u + (u.round() - u).detach()  # straight through

    def _most_bias(self) -> int:
        """Return the largest magnitude of a bias inside: half of a row's budget, if it has one."""
        if self.scheme.budget is None:
            return Format(ACC_BIAS_BITS, signed=True).maximum
        return int(self.scheme.budget / self.scheme.bias_share) // 2

    def _taken(self, bias: Tensor | None) -> Tensor | None:
        if bias is None or self.scheme.budget is None:
            return None
        return bias.abs() * float(self.scheme.bias_share)

    def _swapped(self, weight: Tensor) -> Tensor:
        """Return (inputs, outputs of a group, kernel) as (outputs, inputs of a group, kernel).

        And the other way around, for each group by itself; only transposed convolutions need it.
        """
        if not isinstance(self.layer, nn.ConvTranspose1d | nn.ConvTranspose2d):
            return weight
        return weight.unflatten(0, (self.layer.groups, -1)).transpose(1, 2).flatten(0, 1)

    def extra_repr(self) -> str:
        return str(self.scheme)


def _require(layer: nn.Module, scheme: Scheme) -> None:
    if type(layer) not in FLOAT_LAYERS:
        names = ", ".join(kind.__name__ for kind in FLOAT_LAYERS)
        raise InputError(f"a layer must be one of {names}, got {type(layer).__name__}")
    if not isinstance(scheme, Scheme):
        raise InputError(f"a layer must have a Scheme, got {scheme!r}")
    if layer.bias is None and scheme.bias is Bias.INSIDE:
        raise InputError("a bias inside the accumulator must have a layer with a bias, got none")
    parameters = dict(layer.named_parameters())
    if not parameters.keys() <= {"weight", "bias"}:  # made anew before every forward pass
        raise InputError(
            "a layer must have weight and bias as parameters, without pruning or weight norm, "
            f"got {', '.join(parameters)}"
        )
    for name, parameter in parameters.items():
        if parameter.dtype not in DTYPES or parameter.layout != torch.strided or parameter.is_meta:
            raise InputError(
                f"{name} must be a dense tensor of float64, float32, bfloat16 or float16, got "
                f"{parameter.dtype}, {parameter.layout}, {parameter.device}"
            )
        if parameter.numel() == 0:
            raise InputError(f"{name} must have elements, got shape {tuple(parameter.shape)}")
        require_finite(parameter, name)


def quantize(model: nn.Module, schemes: Scheme | Sequence[Scheme | None]) -> list[Quantized]:
    """Put a Quantized in the place of every linear and convolution layer, in the model's order.

    One scheme is for all of them; a list has one for each, None where a layer stays in floats.
    Returns the new layers.

    Errors: InputError if the list is of another length than the layers, if there are none, if one
    layer has several places, or if a scheme is for a layer that can not be quantized: none is left
    in floats in silence.
    """
    places = list(_places(model))
    if not places:
        raise InputError("a model must have a layer to quantize, got none")
    if len({child.weight for _, _, child in places}) < len(places):
        raise InputError("a layer must have one place in the model, got one that is used twice")
    if not isinstance(schemes, Scheme | Sequence):
        raise InputError(f"schemes must be a Scheme or a list of them, got {schemes!r}")
    listed = [schemes] * len(places) if isinstance(schemes, Scheme) else list(schemes)
    if len(listed) != len(places):
        raise InputError(
            f"schemes must be one for each of the {len(places)} layers, got {len(listed)}"
        )
    for (_, _, child), scheme in zip(places, listed, strict=True):
        if scheme is not None:
            _require(child, scheme)  # all of them, before the first one changes
    layers = [
        None if scheme is None else Quantized(child, scheme)
        for (_, _, child), scheme in zip(places, listed, strict=True)
    ]
    for (parent, name, _), layer in zip(places, layers, strict=True):
        if layer is not None:
            setattr(parent, name, layer)
    return [layer for layer in layers if layer is not None]


def _places(parent: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    for name, child in parent._modules.items():  # named_children lists a layer only once
        if isinstance(child, _LINEAR):
            yield parent, name, child
        elif child is not None and not isinstance(child, Quantized):
            yield from _places(child)


def penalty(model: nn.Module) -> Tensor:
    """Return the sum of the penalties of all layers, to be weighted by lambda.

    Errors: InputError if the model has no quantized layer.
    """
    terms = [part.penalty() for part in model.modules() if isinstance(part, WeightQuantizer)]
    if not terms:
        raise InputError("a model must have a quantized layer to pay a penalty, got none")
    return torch.stack(terms).sum()
