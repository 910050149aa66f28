"""Runs inside the simulator: plays cases, one after the other, through their unit."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb

from tb.case import CLOCK_NS, Case
from tb.env import MvauEnv

HOMES = [Path(home) for home in json.loads(os.environ["A2Q_CASES"])]
CASES = [Case.load(home / "case.json") for home in HOMES]
NET = 4 * CLOCK_NS * max(case.timeout_cycles for case in CASES)  # below the env's own time-out


@cocotb.test(timeout_time=NET, timeout_unit="ns")
@cocotb.parametrize(index=range(len(CASES)))
async def plays_case(dut: Any, index: int) -> None:
    """Every output beat equals the golden model, and the streams keep their rules."""
    env = MvauEnv(dut, CASES[index])
    try:
        await env.run()
        env.close()
    finally:  # also when a driver stumbles: what was seen until then says why
        env.scoreboard.write(HOMES[index] / "outcome.json", env.cycles)
