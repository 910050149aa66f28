"""A unit with the weights of one layer wired in: a product for each nonzero weight, a tree a row.

Values are held at every product and sum as ``rtl/dot.v`` holds them, in its order: level by level,
neighbours from lane 0, an odd one waits. A weight of zero has no product, so its neighbour waits as
well. What no input can drive out of P bits has the width of its exact range and is not observed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from golden import mvau
from golden.integer import IntArray, Overflow, bits_for
from golden.spec import MvauSpec
from sim.generate.verilog import (
    Module,
    Word,
    becomes,
    concat,
    extend,
    literal,
    mux,
    repeat,
    signed,
    signed_literal,
    when,
)
from tb.case import UNROLLED, register_levels, require_unit


@dataclass(frozen=True)
class Unrolled:
    """The Verilog of a layer, and what is in it."""

    text: str
    products: int  # one for each nonzero weight
    sums: int
    observed: int  # products and sums that some input can drive out of P bits
    latency: int  # cycles from an input beat to its result


def unrolled(weights: IntArray, spec: MvauSpec, registers: Sequence[int] | None = None) -> Unrolled:
    """Return module ``unrolled`` for weights (MH, MW); its leaf is ``rtl/skid_buffer.v``.

    ``registers`` are the levels of the tree that a register stage follows; level 0 are the
    products; None: every second. Errors: InputError for weights or registers that are not for the
    spec.
    """
    require_unit(UNROLLED, spec)
    weights, _ = mvau.checked(spec, weights, np.full((1, spec.mw), spec.inputs.minimum))
    return _Writer(spec, weights, register_levels(spec, registers)).write()


@dataclass(frozen=True)
class _Node:
    """A value of the tree, two's complement, and the exact range of the lanes below it."""

    word: Word
    low: int
    high: int


@dataclass
class _Row:
    """What a row has at one level: a node a place, none below which all weights are zero."""

    nodes: list[_Node | None]
    overflows: list[Word] = field(default_factory=list)  # bits that make up its overflow bit


class _Writer:
    def __init__(self, spec: MvauSpec, weights: IntArray, levels: tuple[int, ...]) -> None:
        self.spec, self.weights, self.levels = spec, weights, levels
        self.products = self.sums = self.observed = 0
        module = self.module = Module(UNROLLED)
        self.clk, self.rst = module.input("clk"), module.input("rst")
        self.input_data = module.input("s_axis_input_tdata", spec.input_beat_bits)
        self.input_valid = module.input("s_axis_input_tvalid")
        self.input_ready = module.output("s_axis_input_tready")
        self.output_data = module.output("m_axis_output_tdata", spec.output_beat_bits)
        self.output_user = module.output("m_axis_output_tuser", spec.pe)
        self.output_last = module.output("m_axis_output_tlast")
        self.output_valid = module.output("m_axis_output_tvalid")
        self.output_ready = module.input("m_axis_output_tready")

    def write(self) -> Unrolled:
        room = self.module.wire("room")  # the pipeline moves, all of it
        self.module.assign(self.input_ready, room)
        self._sink_unread()
        rows = [_Row([]) for _ in self.weights]
        valid = self.input_valid
        for level in range(_depth(self.spec.mw) + 1):
            for number, row in enumerate(rows):
                if level == 0:
                    self._multiply(number, row)
                else:
                    self._add(number, row, level)
            if level in self.levels:
                valid = self._register(rows, level, valid, room)
        self._leave(rows, valid, room)
        latency = 1 + len(self.levels)  # the skid buffer's and one a stage
        digest = hashlib.sha256(self.weights.tobytes()).hexdigest()[:16]
        header = (
            f"{UNROLLED}.v -- {self.spec.mh} dot products of {self.spec.mw} inputs, their weights "
            "wired in\n\n"
            f"Generated for {self.spec.id}, weights {digest}.\n"
            f"{self.products} products, {self.sums} sums; {self.observed} of them are observed.\n"
            "A whole vector a beat, one a cycle. Registers after levels "
            f"{', '.join(map(str, self.levels)) or '(none)'}; latency in cycles: {latency}.\n"
            "SPDX-License-Identifier: Apache-2.0"
        )
        text = self.module.text(header)
        return Unrolled(text, self.products, self.sums, self.observed, latency)

    @property
    def _only_wraps(self) -> bool:
        """Whether nobody needs to know that a value did not fit."""
        return self.spec.overflow is Overflow.WRAP and not self.spec.observe

    def _multiply(self, number: int, row: _Row) -> None:
        inputs = self.spec.inputs
        for lane, weight in enumerate(map(int, self.weights[number])):
            if weight == 0:
                row.nodes.append(None)
                continue
            self.products += 1
            low, high = sorted((weight * inputs.minimum, weight * inputs.maximum))

            def product(bits: int, lane: int = lane, weight: int = weight) -> Word:
                return signed(self._input(lane, bits)) * signed_literal(weight, bits)

            name = f"product_{number}_{lane}"
            row.nodes.append(self._hold(row, name, product, low, high, bits_for(low, high)))

    def _input(self, lane: int, bits: int) -> Word:
        """Return the value of an input, two's complement, modulo 2^bits."""
        inputs, low = self.spec.inputs, lane * self.spec.input_bits
        if bits <= inputs.bits:
            return self.input_data.part(low, bits)
        fill = self.input_data.part(low + inputs.bits - 1) if inputs.signed else literal(0, 1)
        return concat(repeat(fill, bits - inputs.bits), self.input_data.part(low, inputs.bits))

    def _add(self, number: int, row: _Row, level: int) -> None:
        nodes = [*row.nodes, None] if len(row.nodes) % 2 else row.nodes
        row.nodes = []
        for place, (left, right) in enumerate(zip(nodes[::2], nodes[1::2], strict=True)):
            if left is None or right is None:
                row.nodes.append(left or right)
                continue
            self.sums += 1
            low, high = left.low + right.low, left.high + right.high

            def total(bits: int, a: Word = left.word, b: Word = right.word) -> Word:
                return extend(a, bits) + extend(b, bits)

            # What is added is held at P bits, so one more holds the sum, whatever its exact range.
            exact_bits = min(bits_for(low, high), self.spec.acc_bits + 1)
            name = f"sum_{number}_{level}_{place}"
            row.nodes.append(self._hold(row, name, total, low, high, exact_bits))

    def _hold(
        self, row: _Row, name: str, value: Callable[[int], Word], low: int, high: int,
        exact_bits: int,
    ) -> _Node:  # fmt: skip
        """Bring a value to P bits, if some input drives it out of them, and observe that."""
        module, acc_bits = self.module, self.spec.acc_bits
        if exact_bits <= acc_bits:
            return _Node(module.wire(name, exact_bits, value(exact_bits)), low, high)
        if self._only_wraps:
            return _Node(module.wire(name, acc_bits, value(acc_bits)), low, high)
        exact = module.wire(f"{name}_exact", exact_bits, value(exact_bits))
        top = exact.part(acc_bits - 1, exact_bits - acc_bits + 1)
        overflow = module.wire(f"{name}_overflow", 1, top.any() & ~top.all())
        held = exact.part(0, acc_bits)
        if self.spec.overflow is Overflow.SATURATE:
            sign = exact.part(exact_bits - 1)
            held = mux(overflow, concat(sign, repeat(~sign, acc_bits - 1)), held)
        if self.spec.observe:
            self.observed += 1
            row.overflows.append(overflow)
        return _Node(module.wire(name, acc_bits, held), low, high)

    def _register(self, rows: Sequence[_Row], level: int, valid: Word, room: Word) -> Word:
        """Put a register behind all that there is after a level; return its valid bit."""
        taken = []

        def registered(name: str, value: Word) -> Word:
            register = self.module.reg(f"{name}_q{level}", value.bits)
            taken.append(becomes(register, value))
            return register

        for number, row in enumerate(rows):
            row.nodes = [
                node and _Node(registered(f"row_{number}_{place}", node.word), node.low, node.high)
                for place, node in enumerate(row.nodes)
            ]
            if row.overflows:
                row.overflows = [registered(f"overflow_{number}", concat(*row.overflows).any())]
        valid_q = self.module.reg(f"valid_q{level}")
        moves = [when(room, [becomes(valid_q, valid)])]
        self.module.at_rise(self.clk, [when(self.rst, [becomes(valid_q, literal(0, 1))], moves)])
        if taken:
            self.module.at_rise(self.clk, [when(room, taken)])
        return valid_q

    def _sink_unread(self) -> None:
        """Say of which inputs nothing is read, or only the low bits."""
        bits = self.spec.input_bits
        read = min(bits, self.spec.acc_bits) if self._only_wraps else bits
        unread = [
            self.input_data.part((lane + 1) * bits - rest, rest)
            for lane, column in enumerate(self.weights.T)
            if (rest := bits - read if column.any() else bits)
        ]
        if unread:
            self.module.wire("unused_inputs", 1, concat(*unread).all())

    def _leave(self, rows: Sequence[_Row], valid: Word, room: Word) -> None:
        """Send what is not constant through a skid buffer; all else is added behind it."""
        module, spec = self.module, self.spec
        results = [row.nodes[0] for row in rows]
        values = [result.word for result in results if result]
        flags = [concat(*row.overflows).any() for row in rows if row.overflows]
        payload = [*values, *flags, literal(1, 1)]  # tlast, so that there always is something
        ends = list(accumulate(word.bits for word in payload))
        buffered = module.wire("buffered", ends[-1])
        ports = {
            "clk": self.clk, "rst": self.rst, "s_axis_tdata": concat(*reversed(payload)),
            "s_axis_tvalid": valid, "s_axis_tready": room, "m_axis_tdata": buffered,
            "m_axis_tvalid": self.output_valid, "m_axis_tready": self.output_ready,
        }  # fmt: skip
        module.instance("skid_buffer", "u_skid", {"DATA_BITS": buffered.bits}, ports)
        parts = (
            buffered.part(end - word.bits, word.bits)
            for word, end in zip(payload, ends, strict=True)
        )
        data = []
        for number, result in enumerate(results):
            if result is None:
                data.append(literal(0, spec.acc_bits))
            else:
                row = module.wire(f"row_{number}", result.word.bits, next(parts))
                data.append(extend(row, spec.acc_bits))
        user = [next(parts) if row.overflows else literal(0, 1) for row in rows]
        module.assign(self.output_data, concat(*reversed(data)))
        module.assign(self.output_user, concat(*reversed(user)))
        module.assign(self.output_last, next(parts))


def _depth(mw: int) -> int:
    """Return the levels of sums in a tree of so many lanes."""
    return (mw - 1).bit_length()
