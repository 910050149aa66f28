"""A network as one Verilog top: its units joined by streams, weights and thresholds in ROMs.

    width_converter -> swu -> width_converter -> fifo -> mvau or vvau -> threshold -> next stage
                                                              ^              ^
                                                         weight_rom     weight_rom

What a stage does not need is not there. Of every stage but the last the accumulators and their
overflow bits are led out as a tap, a stream that can only be watched; those of the last are the
output. So RTL and golden model can be compared in every stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from golden.integer import InputError, Overflow
from golden.network import Network, Shape, Stage
from golden.spec import MvauSpec
from sim.generate.verilog import Module, Word, concat, literal
from tb.packing import weight_beats
from tb.streams import TAP

WIDEST = 63  # P of a pipeline: a threshold has one bit more
LONGEST = 1 << 15  # bits of a number; Verilator takes none of more than twice as many


@dataclass(frozen=True, eq=False)
class Fold:
    """A stage with its unit: how it is folded, and how many cycles a frame takes in it."""

    stage: Stage
    inputs: Shape
    outputs: Shape
    spec: MvauSpec

    @property
    def name(self) -> str:
        return self.stage.name

    @property
    def unit(self) -> str:
        return "vvau" if self.stage.depthwise else "mvau"

    @property
    def positions(self) -> int:
        return self.outputs[0] * self.outputs[1]

    @property
    def has_window(self) -> bool:
        """Whether vectors are more than the pixels as they come."""
        window = self.stage.window
        return window is not None and (
            self.stage.depthwise or (window.kernel, window.stride, window.padding) != (1, 1, 0)
        )

    @property
    def lanes(self) -> int:
        """Values at once into the stage: a divisor of the channels where there is a window."""
        channels = self.inputs[2]
        if not self.has_window:
            return self.spec.simd
        if self.stage.depthwise:
            return self.spec.pe
        return self.spec.simd if channels % self.spec.simd == 0 else channels

    @property
    def operands(self) -> int:
        """Values at once into the unit."""
        return self.spec.simd * (self.spec.pe if self.stage.depthwise else 1)

    @property
    def fifo_depth(self) -> int:
        """Beats of a vector, where the unit replays one and the next must wait; else 0."""
        return max(2, self.spec.sf) if self.unit == "mvau" and self.spec.nf > 1 else 0

    @property
    def cycles(self) -> int:
        """Cycles a frame, of whichever is slower: the unit, or the window or pixels before it.

        What a window waits between two frames, if it has no room for the rows that the next one
        begins with, is not counted.
        """
        taps = self.spec.mw * (self.spec.mh if self.stage.depthwise else 1)
        sent = self.positions * taps if self.has_window else prod(self.inputs)
        return max(
            self.positions * self.spec.total_fold,
            -(-sent // self.lanes),
            -(-prod(self.inputs) // self.lanes),
        )


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A network that is folded, and its Verilog."""

    network: Network
    folds: tuple[Fold, ...]

    @property
    def top(self) -> str:
        # No unit and no word of Verilog begins like that.
        return f"network_{self.network.name.replace('-', '_')}"

    @property
    def cycles(self) -> int:
        """Cycles from frame to frame, as the slowest stage has it."""
        return max(fold.cycles for fold in self.folds)

    @property
    def latency(self) -> int:
        """Cycles that the first frame needs at most, but for those from unit to unit.

        All thresholds are loaded, side by side; then stage after stage has the frame for itself.
        """
        steps = [fold.stage.layer.thresholds for fold in self.folds]
        load = max(0 if array is None else array.size for array in steps)
        return load + sum(fold.cycles for fold in self.folds)

    @property
    def lanes(self) -> int:
        """Values of an image at once."""
        return self.folds[0].lanes

    @property
    def stream_of(self) -> Mapping[str, str]:
        """The stream on which the accumulators of each stage can be seen, by the stage's name."""
        *inner, last = self.folds
        return {fold.name: f"{TAP}{fold.name}" for fold in inner} | {last.name: "m_axis_output"}

    @property
    def modules(self) -> set[str]:
        """The units that it is made of."""
        return {module for module, _ in self._netlist[1]}

    @cached_property
    def text(self) -> str:
        """The Verilog of the top."""
        folds = ", ".join(f"{f.name} PE={f.spec.pe} SIMD={f.spec.simd}" for f in self.folds)
        first = self.folds[0].spec
        return self._netlist[0].text(
            f"{self.top}.v -- the network {self.network.name} at P={first.acc_bits}, "
            f"{first.overflow.word}\n\nGenerated: {folds}.\nSPDX-License-Identifier: Apache-2.0"
        )

    @cached_property
    def _netlist(self) -> tuple[Module, list[tuple[str, str]]]:
        return _Netlist(self).finished()


def folded(
    network: Network, acc_bits: int, overflow: Overflow = Overflow.WRAP, cycles: int = 1000
) -> Pipeline:
    """Return a pipeline whose every stage takes at most so many ``cycles`` a frame, if it can.

    Each stage gets the fewest multipliers that are enough; one that can not be that fast gets the
    fewest with which it is as fast as it can be. Errors: InputError for a P or the name of a stage
    that a pipeline can not have, or cycles that are none.
    """
    if not 2 <= acc_bits <= WIDEST:
        raise InputError(f"P of a network must be 2 to {WIDEST}, got {acc_bits}")
    if cycles < 1:
        raise InputError(f"cycles a frame must be positive, got {cycles}")
    for stage in network.stages:
        # Verilator writes two _ in a row otherwise.
        if stage.name.startswith(TAP) or not re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", stage.name):
            raise InputError(
                f"a stage of a pipeline must have a name with each _ between other characters, "
                f"that does not begin with {TAP}, got {stage.name!r}"
            )
    shapes = [(network.height, network.width, network.channels), *network.shapes]
    folds = []
    for stage, inputs, outputs in zip(network.stages, shapes, shapes[1:], strict=False):
        layer = stage.layer
        choices = [
            Fold(stage, inputs, outputs, layer.spec(acc_bits, overflow=overflow, pe=pe, simd=simd))
            for pe in _divisors(layer.mh)
            for simd in _divisors(layer.mw)
        ]
        choices.sort(key=lambda fold: (fold.spec.pe * fold.spec.simd, fold.cycles))
        fast = [fold for fold in choices if fold.cycles <= cycles]
        folds.append(fast[0] if fast else min(choices, key=lambda fold: fold.cycles))
    return Pipeline(network, tuple(folds))


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def _joined(words: Sequence[int], bits: int) -> Word:
    """Return words of so many bits as one, the first in the least significant bits."""
    text = "".join(f"{word:0{bits}b}" for word in reversed(words))
    parts = [text[max(0, end - LONGEST) : end] for end in range(len(text), 0, -LONGEST)]
    numbers = [literal(int(part, 2), len(part)) for part in parts]
    return numbers[0] if len(numbers) == 1 else concat(*reversed(numbers))


@dataclass(frozen=True)
class _Stream:
    """The nets of a stream; what it has not is None."""

    data: Word
    valid: Word
    ready: Word
    user: Word | None = None
    last: Word | None = None

    @property
    def nets(self) -> list[Word]:
        nets = (self.data, self.valid, self.ready, self.user, self.last)
        return [net for net in nets if net is not None]

    def ports(self, prefix: str) -> dict[str, Word]:
        signals = ("tdata", "tvalid", "tready", "tuser", "tlast")
        return {f"{prefix}_{signal}": net for signal, net in zip(signals, self.nets, strict=False)}


class _Netlist:
    """Builds the top, unit by unit, in the order in which data flow."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._module = Module(pipeline.top)
        self._instances: list[tuple[str, str]] = []
        module, first, last = self._module, pipeline.folds[0], pipeline.folds[-1]
        self._clocked = {"clk": module.input("clk"), "rst": module.input("rst")}
        bits = first.lanes * first.spec.input_bits
        stream = _Stream(
            module.input("s_axis_input_tdata", bits),
            module.input("s_axis_input_tvalid"),
            module.output("s_axis_input_tready"),
        )
        taps = {
            fold.name: self._outputs(pipeline.stream_of[fold.name], fold)
            for fold in pipeline.folds[:-1]
        }
        output = self._outputs("m_axis_output", last, is_tap=False)
        lanes = first.lanes
        for fold in pipeline.folds:
            stream = self._waiting(fold, self._operands(fold, stream, lanes))
            weights = self._rom(
                fold.name, "weights", weight_beats(fold.spec, fold.stage.layer.weights),
                fold.spec.weight_beat_bits, loop=1,
            )  # fmt: skip
            is_last = fold is last
            sums = output if is_last else self._sums(fold)
            self._add(
                fold.unit, fold.name, "unit", fold.spec.verilog_parameters(fold.unit),
                stream.ports("s_axis_input") | weights.ports("s_axis_weight")
                | sums.ports("m_axis_output"),
            )  # fmt: skip
            if not is_last:
                for tap, net in zip(taps[fold.name].nets, sums.nets, strict=True):
                    module.assign(tap, net)
                stream, lanes = self._activations(fold, sums), fold.spec.pe

    def finished(self) -> tuple[Module, list[tuple[str, str]]]:
        return self._module, self._instances

    def _outputs(self, prefix: str, fold: Fold, is_tap: bool = True) -> _Stream:
        module, spec = self._module, fold.spec
        ready = module.output if is_tap else module.input
        return _Stream(
            data=module.output(f"{prefix}_tdata", spec.output_beat_bits),
            user=module.output(f"{prefix}_tuser", spec.pe),
            last=module.output(f"{prefix}_tlast"),
            valid=module.output(f"{prefix}_tvalid"),
            ready=ready(f"{prefix}_tready"),
        )

    def _operands(self, fold: Fold, stream: _Stream, lanes: int) -> _Stream:
        """Bring values to the lanes and into the order that the unit takes."""
        spec = fold.spec
        stream = self._cut(fold, "pixels", stream, lanes, fold.lanes)
        if not fold.has_window:
            return stream
        window = fold.stage.window
        assert window is not None
        height, width, channels = fold.inputs
        seen = self._stream(f"{fold.name}_window", fold.lanes * spec.input_bits)
        last = {"m_axis_tlast": self._module.wire(f"{fold.name}_unused_window_last")}
        self._add(
            "swu", fold.name, "window",
            {
                "INPUT_BITS": spec.input_bits, "CHANNELS": channels, "SIMD": fold.lanes,
                "HEIGHT": height, "WIDTH": width, "KERNEL": window.kernel,
                "STRIDE": window.stride, "PADDING": window.padding, "DILATION": window.dilation,
                "DEPTHWISE": int(fold.stage.depthwise),
            },
            stream.ports("s_axis") | seen.ports("m_axis") | last,
        )  # fmt: skip
        return self._cut(fold, "taps", seen, fold.lanes, fold.operands)

    def _waiting(self, fold: Fold, stream: _Stream) -> _Stream:
        """Let the next vector gather while an mvau replays this one and takes nothing."""
        if fold.fifo_depth == 0:
            return stream
        bits = fold.operands * fold.spec.input_bits
        waiting = self._stream(f"{fold.name}_vector", bits)
        parameters = {"DATA_BITS": bits, "DEPTH": fold.fifo_depth}
        ports = stream.ports("s_axis") | waiting.ports("m_axis")
        self._add("fifo", fold.name, "fifo", parameters, ports)
        return waiting

    def _cut(self, fold: Fold, role: str, stream: _Stream, lanes: int, wanted: int) -> _Stream:
        if lanes == wanted:
            return stream
        bits = fold.spec.input_bits
        cut = self._stream(f"{fold.name}_{role}", wanted * bits)
        parameters = {"LANE_BITS": bits, "IN_LANES": lanes, "OUT_LANES": wanted}
        ports = stream.ports("s_axis") | cut.ports("m_axis")
        self._add("width_converter", fold.name, role, parameters, ports)
        return cut

    def _sums(self, fold: Fold) -> _Stream:
        module, name = self._module, f"{fold.name}_sums"
        plain = self._stream(name, fold.spec.output_beat_bits)
        return _Stream(
            plain.data, plain.valid, plain.ready,
            module.wire(f"{name}_tuser", fold.spec.pe), module.wire(f"{name}_tlast"),
        )  # fmt: skip

    def _activations(self, fold: Fold, sums: _Stream) -> _Stream:
        spec, layer = fold.spec, fold.stage.layer
        assert layer.outputs is not None
        assert layer.thresholds is not None
        # Beyond what P bits hold one step is as good as another: always, or never reached.
        reach = np.clip(layer.thresholds, spec.acc.minimum, spec.acc.maximum + 1)
        bits = spec.acc_bits + 1
        words = [int(step) % (1 << bits) for step in reach.ravel()]
        steps = self._rom(fold.name, "thresholds", words, bits, loop=0)
        counted = self._stream(f"{fold.name}_outputs", spec.pe * layer.outputs.bits)
        marks = {
            "m_axis_output_tuser": self._module.wire(f"{fold.name}_unused_user", spec.pe),
            "m_axis_output_tlast": self._module.wire(f"{fold.name}_unused_last"),
        }
        self._add(
            "threshold", fold.name, "activation",
            {
                "MH": spec.mh, "PE": spec.pe, "ACC_BITS": spec.acc_bits,
                "OUTPUT_BITS": layer.outputs.bits,
                # Bipolar outputs are 0 and 1 on the wires.
                "SIGNED_OUTPUT": int(layer.outputs.signed and not layer.outputs.bipolar),
                "SEARCH": 0,
            },
            sums.ports("s_axis_input") | steps.ports("s_axis_threshold")
            | counted.ports("m_axis_output") | marks,
        )  # fmt: skip
        return counted

    def _rom(self, name: str, role: str, words: Sequence[int], bits: int, loop: int) -> _Stream:
        stream = self._stream(f"{name}_{role}", bits)
        last = {"m_axis_tlast": self._module.wire(f"{name}_unused_{role}_last")}
        self._add(
            "weight_rom", name, role,
            {"DATA_BITS": bits, "BEATS": len(words), "LOOP": loop, "WORDS": _joined(words, bits)},
            stream.ports("m_axis") | last,
        )  # fmt: skip
        return stream

    def _stream(self, name: str, bits: int) -> _Stream:
        wire = self._module.wire
        data = wire(f"{name}_tdata", bits)
        return _Stream(data, wire(f"{name}_tvalid"), wire(f"{name}_tready"))

    def _add(
        self, module: str, stage: str, role: str, parameters: Mapping[str, int | Word],
        ports: Mapping[str, Word],
    ) -> None:  # fmt: skip
        name = f"u_{stage}_{role}"
        self._instances.append((module, name))
        self._module.instance(module, name, parameters, self._clocked | dict(ports))
