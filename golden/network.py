"""Network: a whole quantized network as integers, and what it computes at P bits, stage by stage.

Images are (V, H, W, C). A position is a place (y, x) of a stage's outputs; the positions of image
after image, row by row, are the vectors that its unit is sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from golden import archive, streams
from golden.bounds import layer_bits
from golden.integer import BoolArray, Format, InputError, IntArray, Overflow
from golden.layer import QuantLayer
from golden.mvau import Outcome, outcome

Shape = tuple[int, int, int]  # height, width, channels

_LARGEST_WINDOW = 256


@dataclass(frozen=True)
class Window:
    """What a position sees: KERNEL x KERNEL taps, DILATION apart; past the edges there are zeros.

    >>> Window(3, stride=2, padding=1).output_size(8)
    4
    """

    kernel: int
    stride: int = 1
    padding: int = 0  # on each side
    dilation: int = 1

    def __post_init__(self) -> None:
        for name, given in asdict(self).items():
            least = 0 if name == "padding" else 1
            if type(given) is not int or not least <= given <= _LARGEST_WINDOW:
                raise InputError(f"{name} must be {least} to {_LARGEST_WINDOW}, got {given!r}")
        if self.padding >= self.reach:
            raise InputError(
                f"padding must be less than the {self.reach} that the window reaches over, "
                f"got {self.padding}"
            )

    @property
    def reach(self) -> int:
        """From the first to the last tap of a row, both of them and what lies between."""
        return (self.kernel - 1) * self.dilation + 1

    def output_size(self, size: int) -> int:
        """Return the number of positions along a side of ``size``; InputError if there is none."""
        return streams.output_size(size, **asdict(self))

    def of(self, images: IntArray) -> IntArray:
        """Return what each position sees: (V, H, W, C) -> (V, OH, OW, KERNEL, KERNEL, C)."""
        return streams.windows(images, **asdict(self))


@dataclass(frozen=True, eq=False)
class Stage:
    """A layer and what each of its vectors is made of.

    Without a window it is fully connected: one vector of all values, in the order (y, x, c). With
    one it is a convolution: weights (channels out, KERNEL*KERNEL*channels in), columns in the order
    (ky, kx, c). Depthwise it has weights (channels, KERNEL*KERNEL) and each row sees its own
    channel alone. Pooling is by stride.
    """

    name: str
    layer: QuantLayer
    window: Window | None = None
    depthwise: bool = False

    def __post_init__(self) -> None:
        _require_name("stage", self.name, "_")
        if type(self.depthwise) is not bool or (self.depthwise and self.window is None):
            raise InputError(
                f"depthwise of {self.name} must be true or false, and false without a window, "
                f"got {self.depthwise!r}"
            )
        if self.layer.acc_bias.any():
            raise InputError(
                f"acc_bias of {self.name} must be 0, where the units start every accumulator, "
                f"got {self.layer.acc_bias[self.layer.acc_bias != 0][0]}"
            )

    @property
    def needed_bits(self) -> int:
        """The smallest P that is safe for every row and every input, by the exact range."""
        return layer_bits(self.layer.weights, self.layer.inputs)

    def output_shape(self, inputs: Shape) -> Shape:
        """Return the shape of the outputs; InputError for inputs that the stage is not made for."""
        height, width, channels = inputs
        layer, window = self.layer, self.window
        if window is None:
            taps, shape = height * width * channels, (1, 1, layer.mh)
        else:
            taps = window.kernel**2 * (1 if self.depthwise else channels)
            try:
                shape = (window.output_size(height), window.output_size(width), layer.mh)
            except InputError as error:
                raise InputError(f"stage {self.name}: {error}") from None
        if layer.mw != taps:
            raise InputError(
                f"stage {self.name} must have {taps} columns of weights on inputs of "
                f"{_times(inputs)}, got {layer.mw}"
            )
        if self.depthwise and layer.mh != channels:
            raise InputError(
                f"stage {self.name} must have a row for each of {channels} channels, got {layer.mh}"
            )
        return shape

    def vectors(self, images: IntArray) -> IntArray:
        """Return what the unit is sent for images (V, H, W, C): a vector for each position.

        (V*positions, MW), depthwise (V*positions, MH*MW) in the order (channel, ky, kx).
        """
        if self.window is None:
            return images.reshape(len(images), -1)
        seen = self.window.of(images)
        if self.depthwise:
            seen = np.moveaxis(seen, -1, -3)
        return seen.reshape(seen.shape[0] * seen.shape[1] * seen.shape[2], -1)

    def accumulate(
        self, vectors: IntArray, acc_bits: int | None, overflow: Overflow, simd: int = 1
    ) -> Outcome:
        """Return accumulators and overflow bits of ``vectors``, in the hardware's order at P bits.

        ``acc_bits`` None is without a width: 64 bits hold whatever there is.
        """
        bits = 64 if acc_bits is None else acc_bits
        spec = self.layer.spec(bits, overflow=overflow, simd=simd)
        return outcome(spec, self.layer.weights, vectors, self.depthwise)


@dataclass(frozen=True, eq=False)
class StageTrace:
    """What went through one stage: V*positions vectors and their results."""

    vectors: IntArray  # (V*positions, MW); depthwise (V*positions, MH*MW)
    acc: IntArray  # (V*positions, MH)
    overflow: BoolArray  # (V*positions, MH) some partial sum left P bits
    outputs: IntArray  # (V*positions, MH) the next stage's inputs; of the last one the scores


@dataclass(frozen=True, eq=False)
class NetworkTrace:
    stages: tuple[StageTrace, ...]

    @property
    def scores(self) -> IntArray:
        """(V, classes): the class of an image is where its highest score is."""
        return self.stages[-1].outputs


@dataclass(frozen=True, eq=False)
class Network:
    """Stages, each of which takes what the one before it gives; the last one gives scores.

    Errors: InputError if a stage does not fit the one before it, in shape or in format.
    """

    name: str
    height: int
    width: int
    channels: int
    stages: tuple[Stage, ...]
    origin: dict[str, Any] = field(default_factory=dict)  # who made it and how; JSON values

    FORMAT = "a2q-network"
    VERSION = 1

    def __post_init__(self) -> None:
        _require_name("network", self.name, "_-")
        for side in ("height", "width", "channels"):
            given = getattr(self, side)
            if type(given) is not int or not 1 <= given <= 65536:
                raise InputError(f"{side} must be 1 to 65536, got {given!r}")
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages:
            raise InputError("a network must have a stage, got none")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise InputError(f"stages must have names of their own, got {', '.join(names)}")
        self._require_formats()
        if (last := self.shapes[-1])[:2] != (1, 1):
            raise InputError(f"the last stage must leave one position, got {_times(last)}")

    @property
    def inputs(self) -> Format:
        return self.stages[0].layer.inputs

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of the outputs of each stage."""
        shapes, shape = [], (self.height, self.width, self.channels)
        for stage in self.stages:
            shapes.append(shape := stage.output_shape(shape))
        return tuple(shapes)

    @property
    def needed_bits(self) -> tuple[int, ...]:
        """The smallest P that is safe for each stage, over all inputs of its format."""
        return tuple(stage.needed_bits for stage in self.stages)

    def images(self, vectors: IntArray) -> IntArray:
        """Return images (V, H, W, C) whose values in the order (y, x, c) are ``vectors``.

        Errors: InputError for vectors of another length or another format.
        """
        vectors = self.inputs.require(vectors, "images", ndim=2)
        shape = (self.height, self.width, self.channels)
        if vectors.shape[1] != self.height * self.width * self.channels:
            raise InputError(
                f"images of {self.name} must have {_times(shape)} values, got {vectors.shape[1]}"
            )
        return vectors.reshape(-1, *shape)

    def save(self, path: Path) -> None:
        parts = [stage.layer.to_parts() for stage in self.stages]
        header = {
            "name": self.name, "height": self.height, "width": self.width,
            "channels": self.channels, "origin": self.origin,
            "stages": [
                {
                    "name": stage.name, "depthwise": stage.depthwise,
                    "window": stage.window and asdict(stage.window), "layer": layer,
                }
                for stage, (layer, _) in zip(self.stages, parts, strict=True)
            ],
        }  # fmt: skip
        arrays = {
            f"{stage.name}.{name}": array
            for stage, (_, arrays) in zip(self.stages, parts, strict=True)
            for name, array in arrays.items()
        }
        archive.write(path, self.FORMAT, self.VERSION, header, arrays)

    @classmethod
    def load(cls, path: Path) -> Network:
        """Read ``save``'s file; InputError, with the path, for anything else."""
        header, arrays = archive.read(path, cls.FORMAT, cls.VERSION, _array_names)
        try:
            sides: dict[str, Any] = {
                name: header.get(name) for name in ("name", "height", "width", "channels")
            }
            stages = tuple(_stage(said, arrays) for said in header["stages"])
            return cls(stages=stages, origin=archive.origin(header), **sides)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def _require_formats(self) -> None:
        for stage, after in zip(self.stages, self.stages[1:], strict=False):
            if stage.layer.outputs != after.layer.inputs:
                given = stage.layer.outputs or "no thresholds"
                raise InputError(
                    f"stage {stage.name} must give the {after.layer.inputs} inputs of "
                    f"{after.name}, got {given}"
                )
        if self.stages[-1].layer.outputs is not None:
            raise InputError("the last stage must give scores, got one with thresholds")
        for stage in self.stages:
            if stage.window is not None and stage.window.padding:
                padded_with = f"what {stage.name} is padded with"
                stage.layer.inputs.require(np.zeros(1, np.int64), padded_with, ndim=1)


def run(
    network: Network,
    images: IntArray,
    acc_bits: int | None = None,
    overflow: Overflow = Overflow.WRAP,
    simd: Sequence[int] | None = None,
) -> NetworkTrace:
    """Compute images (V, H, W, C) stage by stage, with every accumulator in P bits.

    ``acc_bits`` None is without a width. ``simd`` has the lanes of each stage, by default one:
    saturating accumulators depend on the order in which they add. Errors: InputError for images
    that the network is not made for, and for lanes that are none.
    """
    images = network.inputs.require(images, "images", ndim=4)
    shape = (network.height, network.width, network.channels)
    if images.shape[1:] != shape:
        raise InputError(f"images must be {_times(shape)}, got {_times(images.shape[1:])}")
    lanes = [1] * len(network.stages) if simd is None else list(simd)
    if len(lanes) != len(network.stages):
        raise InputError(
            f"SIMD must be given for each of {len(network.stages)} stages, got {len(lanes)}"
        )
    traces = []
    for stage, shape, width in zip(network.stages, network.shapes, lanes, strict=True):
        vectors = stage.vectors(images)
        told = stage.accumulate(vectors, acc_bits, overflow, width)
        is_last = stage is network.stages[-1]
        outputs = (stage.layer.scores if is_last else stage.layer.activations)(told.out)
        traces.append(StageTrace(vectors, told.out, told.overflow, outputs))
        images = outputs.reshape(-1, *shape)
    return NetworkTrace(tuple(traces))


def _array_names(header: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the arrays that a header promises."""
    stages = header.get("stages")
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        raise InputError("stages must be a list of JSON objects")
    return tuple(f"{stage.get('name')}.{name}" for stage in stages for name in QuantLayer.ARRAYS)


def _stage(said: dict[str, Any], arrays: dict[str, IntArray]) -> Stage:
    """Return the stage that a header describes, with its arrays."""
    name, layer, window = (said.get(key) for key in ("name", "layer", "window"))
    if not isinstance(layer, dict):
        raise InputError(f"stage {name}: the layer must be a JSON object, got {layer!r}")
    try:
        return Stage(
            name=said["name"],
            layer=QuantLayer.from_parts(
                layer, {array: arrays[f"{name}.{array}"] for array in QuantLayer.ARRAYS}
            ),
            window=None if window is None else _window(window),
            depthwise=said["depthwise"],
        )
    except KeyError as missing:
        raise InputError(f"stage {name} must have {missing}") from None
    except InputError as error:
        raise InputError(f"stage {name}: {error}") from None


def _window(said: object) -> Window:
    names = set(Window.__dataclass_fields__)
    if not isinstance(said, dict) or set(said) != names:
        raise InputError(f"a window must have exactly {', '.join(sorted(names))}, got {said!r}")
    return Window(**said)


def _require_name(kind: str, name: object, others: str) -> None:
    if not isinstance(name, str) or not re.fullmatch(f"[a-z][a-z0-9{others}]*", name):
        raise InputError(
            f"a {kind} must have a name of lower case letters, digits and {others}, got {name!r}"
        )


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
