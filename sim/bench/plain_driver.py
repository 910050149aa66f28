"""Runs inside the simulator: the testbench that cocotb's own examples show, and its speed.

A driver and a monitor for each stream, each awake in every cycle, with integers in and out. It is
what the engines are held against, so it is neither slowed down nor made clever.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from golden.integer import Format
from tb.case import CLOCK_NS, Case
from tb.packing import input_beats, unpack, weight_beats

HOME = Path(os.environ["A2Q_BENCH"])
CASE = Case.load(HOME / "case.json")
ANSWER = HOME / "plain.json"


class Stream:
    """The signals of one AXI-Stream, and the clock."""

    def __init__(self, dut: Any, prefix: str) -> None:
        self.clk = dut.clk
        self.data = getattr(dut, f"{prefix}_tdata")
        self.valid = getattr(dut, f"{prefix}_tvalid")
        self.ready = getattr(dut, f"{prefix}_tready")
        self.user = getattr(dut, f"{prefix}_tuser", None)


async def drive(stream: Stream, beats: list[int]) -> None:
    for beat in beats:
        stream.data.value = beat
        stream.valid.value = 1
        await RisingEdge(stream.clk)
        while not stream.ready.value:
            await RisingEdge(stream.clk)
    stream.valid.value = 0


async def accept(stream: Stream) -> None:
    while True:
        stream.ready.value = 1  # where a testbench would decide anew in every cycle
        await RisingEdge(stream.clk)


async def monitor(stream: Stream, seen: list[tuple[int, int]]) -> None:
    while True:
        await RisingEdge(stream.clk)
        if stream.valid.value and stream.ready.value:
            user = 0 if stream.user is None else int(stream.user.value)
            seen.append((int(stream.data.value), user))


@cocotb.test(timeout_time=2 * CASE.timeout_cycles * CLOCK_NS, timeout_unit="ns")
async def drives(dut: Any) -> None:
    """All vectors go in, all results come out; what came is judged where the time is compared."""
    spec = CASE.spec
    inputs, weights, outputs = (
        Stream(dut, prefix) for prefix in ("s_axis_input", "s_axis_weight", "m_axis_output")
    )
    vectors = [beat for vector in CASE.vectors for beat in input_beats(spec, vector)]
    tiles = weight_beats(spec, CASE.weights) * len(CASE.vectors)
    inputs.valid.value = weights.valid.value = 0
    dut.rst.value = 1
    Clock(dut.clk, CLOCK_NS, unit="ns").start()
    await RisingEdge(dut.clk)
    dut.rst.value = 0

    seen: dict[Stream, list[tuple[int, int]]] = {inputs: [], weights: [], outputs: []}
    cycles, due = 0, len(CASE.vectors) * spec.nf
    started = time.perf_counter()
    for stream, beats in seen.items():
        cocotb.start_soon(monitor(stream, beats))
    cocotb.start_soon(drive(inputs, vectors))
    cocotb.start_soon(drive(weights, tiles))
    cocotb.start_soon(accept(outputs))
    while len(seen[outputs]) < due:
        await RisingEdge(dut.clk)
        cycles += 1
    seconds = time.perf_counter() - started

    flag = Format(1, signed=False)
    answer = {
        "cycles": cycles,
        "seconds": seconds,
        "out": [unpack(data, spec.pe, spec.acc) for data, _ in seen[outputs]],
        "overflow": [unpack(user, spec.pe, flag) for _, user in seen[outputs]],
    }
    ANSWER.write_text(json.dumps(answer), encoding="utf-8")
