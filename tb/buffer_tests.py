"""Runs inside the simulator: beats through a skid_buffer or replay_buffer, in order, each once."""

from __future__ import annotations

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, Timer

from tb.case import CLOCK_NS
from tb.stalls import StallPattern
from tb.stream import Beat, StreamMonitor, sink, source

VECTORS = 40
SLOWEST = 12  # cycles a beat: twice what the hardest pair of patterns asks for


@cocotb.test()
@cocotb.parametrize(
    stall_in=["never", "random-60", "bursts-1-3"], stall_out=["never", "random-60", "bursts-3-1"]
)
async def passes_beats(dut: Any, stall_in: str, stall_out: str) -> None:
    """What leaves is what came in, copy after copy, the marks where they belong."""
    rng = np.random.default_rng(int(os.environ["A2Q_SEED"]))
    replays = hasattr(dut, "BEATS")
    beats = int(dut.BEATS.value) if replays else 1
    copies = int(dut.COPIES.value) if replays else 1
    bits = int(dut.DATA_BITS.value)
    faults: list[str] = []
    taken: list[int] = []
    left: list[Beat] = []
    dut.rst.value = 1
    Clock(dut.clk, CLOCK_NS, unit="ns").start()
    ends = {"in": source(dut, "s_axis"), "out": sink(dut, "m_axis")}
    StreamMonitor(dut, "s_axis", lambda beat: taken.append(beat.data), faults.append)
    StreamMonitor(dut, "m_axis", left.append, faults.append)

    async def reset() -> None:
        dut.rst.value = 1
        for end in ends.values():
            end.clear()
        await ClockCycles(dut.clk, 2)
        dut.rst.value = 0

    async def pass_on(vectors: int, wait_for: int) -> None:
        for name, stall in (("in", stall_in), ("out", stall_out)):
            ends[name].set_pause_generator(StallPattern.parse(stall).cycles(rng))
        ends["in"].send_nowait(
            [int(x) for x in rng.integers(0, 1 << min(bits, 32), vectors * beats)]
        )
        for _ in range(SLOWEST * max(wait_for, 64)):
            if len(left) >= wait_for or faults:
                return
            await ClockCycles(dut.clk, 1)
        faults.append(f"m_axis: {len(left)} of {wait_for} beats came, and no more")

    await reset()
    await pass_on(VECTORS, wait_for=2 * beats + 1)  # a reset in the middle of a vector
    await reset()
    taken.clear()
    left.clear()
    due = VECTORS * beats * copies
    await pass_on(VECTORS, wait_for=due)
    await ClockCycles(dut.clk, 8)

    assert not faults, faults[0]
    assert len(taken) == VECTORS * beats, f"s_axis: {len(taken)} of {VECTORS * beats} beats went in"
    expected = [
        Beat(beat, int(copy == copies - 1), int(i == beats - 1))
        for start in range(0, len(taken), beats)
        for copy in range(copies)
        for i, beat in enumerate(taken[start : start + beats])
    ]
    if not replays:
        expected = [Beat(beat.data, None, None) for beat in expected]
    for i, (got, was_due) in enumerate(zip(left, expected, strict=False)):
        assert got == was_due, f"m_axis: beat {i} must be {was_due}, got {got}"
    assert len(left) == len(expected), f"m_axis: {len(expected)} beats are due, {len(left)} came"


@cocotb.test(timeout_time=1000 * CLOCK_NS, timeout_unit="ns")
async def waits_for_nobody(dut: Any) -> None:
    """Valid does not wait for ready; in a skid_buffer ready does not even follow ready."""
    dut.rst.value = 1
    dut.s_axis_tvalid.value = 0
    dut.m_axis_tready.value = 0
    Clock(dut.clk, CLOCK_NS, unit="ns").start()
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    dut.s_axis_tdata.value = 1
    dut.s_axis_tvalid.value = 1
    await ClockCycles(dut.clk, 2)
    await FallingEdge(dut.clk)
    assert dut.m_axis_tvalid.value == 1, "a beat must be offered before anybody asks for it"
    if hasattr(dut, "BEATS"):
        return  # says in its header that ready passes through
    for _ in range(4):  # empty, then full
        seen = []
        for ready in (0, 1, 0):
            dut.m_axis_tready.value = ready
            await Timer(1, unit="ns")
            seen.append(int(dut.s_axis_tready.value))
        assert len(set(seen)) == 1, f"s_axis_tready must not follow m_axis_tready, got {seen}"
        await RisingEdge(dut.clk)
        await FallingEdge(dut.clk)
