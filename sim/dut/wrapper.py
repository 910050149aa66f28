"""The Verilog that makes foreign RTL look like our unit: same parameters, ports and packing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from golden.integer import InputError
from sim.dut.description import Description, Packing
from sim.dut.expression import Expression
from sim.dut.interface import Interface, Port, among
from sim.dut.table import Signal

_INDENT = "    "
_PORTS = """\
    input  wire clk,
    input  wire rst,
    input  wire [{input}-1:0] s_axis_input_tdata,
{input_last}\
    input  wire s_axis_input_tvalid,
    output wire s_axis_input_tready,
    input  wire [{weight}-1:0] s_axis_weight_tdata,
    input  wire s_axis_weight_tvalid,
    output wire s_axis_weight_tready,
    output wire [{output}-1:0] m_axis_output_tdata,
    output wire [{lanes}-1:0] m_axis_output_tuser,
{output_last}\
    output wire m_axis_output_tvalid,
    input  wire m_axis_output_tready
"""


class _Word(NamedTuple):
    """A word of a stream at a spec: rows x columns values of ``value`` bits, in lanes."""

    packing: Packing
    rows: int
    columns: int
    value: int
    lane: int
    bits: int

    @property
    def lanes(self) -> int:
        return self.rows * self.columns

    def slot(self, row: str, column: str) -> str:
        """Return the place of a lane as Verilog, counted from the least significant bits."""
        by_row = f"{row}*{self.columns} + {column}"
        slot = by_row if self.packing.order == "pe-simd" else f"{column}*{self.rows} + {row}"
        return slot if self.packing.first_lane == "lsb" else f"{self.lanes - 1} - ({slot})"


def _words(dut: Description, numbers: Mapping[str, int]) -> dict[str, _Word]:
    pe, simd = numbers["pe"], numbers["simd"]
    shapes = {
        "input": (1, simd, numbers["input_bits"]),
        "weight": (pe, simd, numbers["weight_bits"]),
        "output": (1, pe, numbers["acc_bits"]),
    }
    words = {}
    for name, (rows, columns, value) in shapes.items():
        packing = dut.streams[name].packing
        lane = value if packing.lane_bits is None else packing.lane_bits.value(numbers)
        if lane < value:
            raise InputError(f"[{name}] lane_bits must be at least {value}, got {lane}")
        least = rows * columns * lane
        bits = least if packing.bits is None else packing.bits.value(numbers)
        if bits < least:
            raise InputError(
                f"[{name}] bits must be at least {least}, for {rows * columns} lanes of {lane} "
                f"bits, got {bits}"
            )
        words[name] = _Word(packing, rows, columns, value, lane, bits)
    return words


def require_ports(dut: Description, found: Interface, numbers: Mapping[str, int]) -> None:
    """InputError for what is said of the ports of the unit and is not so at this spec."""
    at = " ".join(f"{name}={value}" for name, value in numbers.items() if name != "observe")
    connected: dict[str, str] = {}
    words = _words(dut, numbers)

    def require(key: str, name: str, is_input: bool, bits: int | None, why: str = "") -> None:
        if name not in found.ports:
            there = among(name, found.ports)
            raise InputError(f"{key}: {dut.top} has no port {name}; it has {there}")
        port = found.ports[name]
        if port.is_input != is_input:
            must = "an input" if is_input else "an output"
            raise InputError(f"{key}: port {name} of {dut.top} must be {must}, and is none")
        if bits is not None and port.bits != bits:
            raise InputError(
                f"{key}: port {name} of {dut.top} has {port.bits} bits, but must have {bits}{why} "
                f"at {at}"
            )
        if name in connected:
            raise InputError(f"{key}: port {name} is already that of {connected[name]}")
        connected[name] = key

    require("clock", dut.clock.name, True, 1)
    require("reset", dut.reset.name, True, 1)
    for name in dut.ties:
        require("[tie]", name, True, None)
    for stream, of in dut.streams.items():
        word = words[stream]
        for role, signal in of.signals.items():
            into = (role == "ready") == (stream == "output")
            bits: int | None = 1
            why = ""
            if role == "data":
                bits, lanes = word.bits, f"{word.lanes} lanes of {word.lane}"
                why = (
                    f" ({lanes})" if word.bits == word.lanes * word.lane else f" ({lanes}, padded)"
                )
            elif role == "overflow":
                bits, why = word.lanes, " (one for each result)"
            elif role == "address":
                bits = None
            require(f"[{stream}] {role}", signal.name, into, bits, why)
    if dut.streams["weight"].is_memory:
        tiles = numbers["sf"] * numbers["nf"]
        name = dut.streams["weight"].signals["address"].name
        if 1 << found.ports[name].bits < tiles:
            raise InputError(
                f"[weight] address: port {name} of {dut.top} has {found.ports[name].bits} bits, "
                f"too few for {tiles} tiles of weights at {at}"
            )
    for name, port in found.ports.items():
        if port.is_input and name not in connected:
            raise InputError(
                f"input {name} of {dut.top} must be connected: name it in a stream, or under [tie]"
            )


def wrapper(
    dut: Description,
    top: str,
    parameters: Mapping[str, int],
    numbers: Mapping[str, int],
    found: Interface,
) -> str:
    """Return the wrapper at one spec, as Verilog-2005."""
    words = _words(dut, numbers)
    is_mac = dut.unit == "mac"
    header = ",\n".join(f"    parameter integer {name} = {n}" for name, n in parameters.items())
    widths = {name: word.lanes * word.value for name, word in words.items()}
    ports = _PORTS.format(
        **widths, lanes=numbers["pe"],
        input_last="    input  wire s_axis_input_tlast,\n" if is_mac else "",
        output_last="" if is_mac else "    output wire m_axis_output_tlast,\n",
    )  # fmt: skip
    parts = [
        "genvar row, lane;",
        *_reset(dut),
        *_weights(dut, words["weight"], numbers),
        *_input(dut, words["input"], numbers),
        *_output(dut, words["output"], numbers),
        *_instance(dut, numbers, found),
    ]
    body = "\n".join(f"{_INDENT}{line}" if line else "" for line in parts)
    return f"module {top} #(\n{header}\n) (\n{ports});\n\n{body}\n\nendmodule\n"


def _reset(dut: Description) -> Iterator[str]:
    if dut.reset_cycles == 1:
        yield from ("wire reset = rst;", "wire open = 1'b1;", "")
        return
    yield from (
        "reg [31:0] reset_left;",
        "wire reset = rst | (reset_left != 0);",
        "wire open = ~reset;",
        "always @(posedge clk)",
        f"    if (rst) reset_left <= {dut.reset_cycles - 1};",
        "    else if (reset) reset_left <= reset_left - 1;",
        "",
    )


def _weights(dut: Description, word: _Word, numbers: Mapping[str, int]) -> Iterator[str]:
    yield from _into("weight", word, signed=True)
    if not dut.streams["weight"].is_memory:
        yield from (
            "wire weight_ready;",
            "wire weight_valid = s_axis_weight_tvalid & open;",
            "assign s_axis_weight_tready = weight_ready & open;",
            "wire fed = 1'b1;",
            "",
        )
        return
    # Every vector comes with all weights, and they are the same: those of the first are written.
    yield from (
        "assign s_axis_weight_tready = open;",
        "wire weight_moves = s_axis_weight_tvalid & open;",
        *_counter("weight", "weight_moves", numbers["sf"] * numbers["nf"]),
        *_counter("vector", "s_axis_input_tvalid & s_axis_input_tready", numbers["sf"]),
        "reg weight_written;",
        "wire weight_write = weight_moves & ~weight_written;",
        "always @(posedge clk)",
        "    if (rst) weight_written <= 1'b0;",
        "    else if (weight_moves & weight_last) weight_written <= 1'b1;",
        "reg [31:0] ahead; // vectors whose weights have come",
        "wire fed = ahead != 0;",
        "always @(posedge clk)",
        "    if (rst) ahead <= 0;",
        "    else ahead <= ahead + (weight_moves & weight_last)",
        "        - (s_axis_input_tvalid & s_axis_input_tready & vector_last);",
        "",
    )


def _input(dut: Description, word: _Word, numbers: Mapping[str, int]) -> Iterator[str]:
    yield from _into("input", word, signed=bool(numbers["signed_input"]))
    yield from (
        "wire input_ready;",
        "wire input_valid = s_axis_input_tvalid & open & fed;",
        "assign s_axis_input_tready = input_ready & open & fed;",
    )
    if dut.unit == "mac":
        yield "wire input_last = s_axis_input_tlast;"
    elif "last" in dut.streams["input"].signals:
        yield from _counter("input", "s_axis_input_tvalid & s_axis_input_tready", numbers["sf"])
    yield ""


def _output(dut: Description, word: _Word, numbers: Mapping[str, int]) -> Iterator[str]:
    signals = dut.streams["output"].signals
    yield from (
        f"wire [{word.bits - 1}:0] output_word;",
        "wire output_valid;",
        "wire output_ready = m_axis_output_tready & open;",
        "assign m_axis_output_tvalid = output_valid & open;",
    )
    tells = dut.observes and numbers["observe"] == 1
    if dut.observes:
        yield f"wire [{word.lanes - 1}:0] output_overflow;"
    slot = word.slot("0", "lane")
    yield from _lanes(
        "output",
        f"assign m_axis_output_tdata[lane*{word.value} +: {word.value}] =",
        f"    output_word[({slot})*{word.lane} +: {word.value}];",
        "assign m_axis_output_tuser[lane] = " + (f"output_overflow[{slot}];" if tells else "1'b0;"),
        lane=word.lanes,
    )
    if "last" in signals:
        yield from ("wire output_last;", "assign m_axis_output_tlast = output_last;")
    elif dut.unit == "mvau":
        yield from _counter("output", "m_axis_output_tvalid & m_axis_output_tready", numbers["nf"])
        yield "assign m_axis_output_tlast = output_last;"
    yield ""


def _into(name: str, word: _Word, signed: bool) -> Iterator[str]:
    """Yield a word of the unit, made of a word of ours."""
    pad = word.lane - word.value
    sign = f"{{{pad}{{value[{word.value - 1}]}}}}"
    filled = sign if signed and word.packing.pad == "sign" else f"{pad}'d0"
    value = "value" if pad == 0 else f"{{{filled}, value}}"
    yield f"wire [{word.bits - 1}:0] {name}_word;"
    if word.bits > word.lanes * word.lane:
        yield f"assign {name}_word[{word.bits - 1}:{word.lanes * word.lane}] = 0;"
    yield from _lanes(
        name,
        f"wire [{word.value - 1}:0] value =",
        f"    s_axis_{name}_tdata[(row*{word.columns} + lane)*{word.value} +: {word.value}];",
        f"assign {name}_word[({word.slot('row', 'lane')})*{word.lane} +: {word.lane}] = {value};",
        row=word.rows,
        lane=word.columns,
    )


def _lanes(name: str, *body: str, **counts: int) -> Iterator[str]:
    """Yield a generate loop over each count, one inside another."""
    yield "generate"
    depth = 0
    for depth, (of, count) in enumerate(counts.items(), start=1):
        loop = f"for ({of} = 0; {of} < {count}; {of} = {of} + 1) begin : {name}_{of}"
        yield f"{_INDENT * depth}{loop}"
    yield from (f"{_INDENT * (depth + 1)}{line}" for line in body)
    yield from (f"{_INDENT * each}end" for each in range(depth, 0, -1))
    yield "endgenerate"


def _counter(name: str, moves: str, of: int) -> tuple[str, ...]:
    """Return a counter of beats: its ``last`` is high with each so-many-th."""
    return (
        f"reg [31:0] {name}_count;",
        f"wire {name}_last = {name}_count == {of - 1};",
        "always @(posedge clk)",
        f"    if (rst) {name}_count <= 0;",
        f"    else if ({moves}) {name}_count <= {name}_last ? 0 : {name}_count + 1;",
    )


def _instance(dut: Description, numbers: Mapping[str, int], found: Interface) -> Iterator[str]:
    nets = {dut.clock: "clk", dut.reset: "reset"}
    for stream, of in dut.streams.items():
        inside = {"data": f"{stream}_word", "address": "weight_count", "enable": "weight_write"}
        nets |= {
            signal: inside.get(role, f"{stream}_{role}") for role, signal in of.signals.items()
        }
    pins = []
    for signal, net in nets.items():
        port = found.ports[signal.name]
        if signal.is_low and not port.is_input:
            yield f"wire [{port.bits - 1}:0] {net}_n;"
            yield f"assign {net} = ~{net}_n;"
        pins.append(f".{signal.name}({_pin(signal, net, port)})")
    for name, tie in dut.ties.items():
        pins.append(f".{name}({_tied(tie, found.ports[name], numbers)})")
    parameters = [f".{name}({each.value(numbers)})" for name, each in dut.parameters.items()]
    yield f"{dut.top} #({', '.join(parameters)}) u_dut (" if parameters else f"{dut.top} u_dut ("
    yield from (f"{_INDENT}{pin}," for pin in pins[:-1])
    yield from (f"{_INDENT}{pins[-1]}", ");")


def _pin(signal: Signal, net: str, port: Port) -> str:
    if not signal.is_low:
        return f"{net}[{min(port.bits, 32) - 1}:0]" if net == "weight_count" else net
    return f"~{net}" if port.is_input else f"{net}_n"


def _tied(tie: Expression | str, port: Port, numbers: Mapping[str, int]) -> str:
    if isinstance(tie, str):
        return {"clock": "clk"}.get(tie, tie)
    return f"{port.bits}'h{tie.value(numbers) % (1 << port.bits):x}"
