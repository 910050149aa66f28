"""Run inside Icarus, on threshold_parallel: what is unknown does not look like a number."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer
from cocotb.types import LogicArray


@cocotb.test(timeout_time=1, timeout_unit="us")
async def an_unknown_accumulator_has_no_count(dut: Any) -> None:
    Clock(dut.clk, 10, unit="ns").start()
    dut.write_fold.value = dut.fold.value = 0
    dut.write.value = 1
    for position in (1, 2, 3):
        dut.write_position.value = position
        dut.write_threshold.value = position
        await FallingEdge(dut.clk)
    dut.write.value = 0
    dut.acc.value = 2
    await Timer(1, unit="ns")
    assert dut.count.value == 2
    dut.acc.value = LogicArray("X" * len(dut.acc))
    await Timer(1, unit="ns")
    assert not dut.count.value.is_resolvable
