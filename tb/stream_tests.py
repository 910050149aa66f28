"""Runs inside the simulator: plays stream cases, one after the other, through a unit."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import (
    ClockCycles,
    FallingEdge,
    RisingEdge,
    SimTimeoutError,
    Timer,
    with_timeout,
)
from cocotbext.axi import AxiStreamFrame

from tb.case import CLOCK_NS
from tb.stalls import StallPattern
from tb.stream import Beat, StreamMonitor, sink, source
from tb.streams import PASS_READY, TAP, Beats, StreamCase, differences

CASES = [StreamCase.load(Path(path)) for path in json.loads(os.environ["A2Q_CASES"])]
NET = 8 * CLOCK_NS * max(case.timeout_cycles for case in CASES)  # below the time-outs of the env
LINGER = 16  # cycles in which a beat too many would still show


class StreamEnv:
    """The wires between a stream case and a unit."""

    def __init__(self, dut: Any, case: StreamCase) -> None:
        self.dut, self.case = dut, case
        self.faults: list[str] = []
        dut.rst.value = 1
        Clock(dut.clk, CLOCK_NS, unit="ns").start()
        for name, wanted in case.parameters.items():
            built = int(getattr(dut, name).value)
            assert built == wanted, f"the build has {name}={built}, the case wants {wanted}"
        self.came: dict[str, list[Beat]] = {name: [] for name in (*case.sources, *case.sinks)}
        for name, beats in self.came.items():
            StreamMonitor(dut, name, beats.append, self.faults.append)
        self.sources = {name: source(dut, name) for name in case.sources}
        self.sinks = {name: sink(dut, name) for name in case.sinks if not name.startswith(TAP)}
        self._tasks: list[Any] = []

    async def reset(self) -> None:
        """Reset for a cycle, with beats on offer that must not be taken."""
        self.dut.rst.value = 1
        for task in self._tasks:
            task.cancel()
        for end in (*self.sources.values(), *self.sinks.values()):
            end.clear()
        await Timer(1, unit="ns")  # the sources have taken their valid away
        valids = [getattr(self.dut, f"{name}_tvalid") for name in self.sources]
        for valid in valids:
            valid.value = 1
        await RisingEdge(self.dut.clk)
        for valid in valids:
            valid.value = 0
        self.dut.rst.value = 0
        for beats in self.came.values():
            beats.clear()

    def offer_all(self, asks: bool = True) -> None:
        """Offer all beats; ``asks``: the sinks take them, but for their stalls."""
        for name, end in (*self.sources.items(), *self.sinks.items()):
            pattern = StallPattern.parse(self.case.stalls.get(name, "never"))
            stalls = pattern.cycles(self.case.rng(f"stall {name}"))
            stands = name in self.sinks and not asks
            end.set_pause_generator(None if stands or pattern.name == "never" else stalls)
            end.pause = stands
        self._tasks = [cocotb.start_soon(self._send(name)) for name in self.sources]

    async def _send(self, name: str) -> None:
        beats, end = self.case.sources[name], self.sources[name]
        stream, counts = beats.after or (name, np.zeros(len(beats), np.int64))
        words, users = beats.words(), beats.users()
        for first, behind in frames(beats, counts):
            while len(self.came[stream]) < counts[first]:
                await RisingEdge(self.dut.clk)
            end.send_nowait(AxiStreamFrame(words[first:behind], tuser=users[first:behind]))

    def missing(self) -> list[str]:
        return [
            f"{name}: {len(self.came[name])} of {len(beats)} beats moved"
            for name, beats in (*self.case.sources.items(), *self.case.sinks.items())
            if len(self.came[name]) < len(beats)
        ]

    async def _all_moved(self) -> None:
        while self.missing() and not self.faults:
            await RisingEdge(self.dut.clk)
            for name, due in self.case.sinks.items():
                if due.endless and len(self.came[name]) >= len(due):
                    self.sinks[name].pause = True

    async def play(self) -> None:
        """Play all of the case, and see that no beat too many comes."""
        self.offer_all()
        cycles = self.case.timeout_cycles
        try:
            await with_timeout(self._all_moved(), cycles * CLOCK_NS, "ns")
        except SimTimeoutError:
            self.faults.append(f"no end within {cycles} cycles; {', '.join(self.missing())}")
        await ClockCycles(self.dut.clk, LINGER)
        for name, due in self.case.sinks.items():
            if len(self.came[name]) > len(due) and not due.endless:
                self.faults.append(f"{name}: a beat came after the last one that is due")

    def compare(self) -> int:
        """Hold what came against what is due; return how many beats were compared."""
        compared = 0
        for name, due in self.case.sinks.items():
            beats = self.came[name][: len(due)]
            compared += len(beats)
            self.faults += differences(name, due.first(len(beats)), as_beats(beats, due))
        return compared


def frames(beats: Beats, counts: Any) -> Iterator[tuple[int, int]]:
    """Return first and end of what is sent at once: up to each tlast, and to each new condition."""
    lasts = np.array(beats.lasts())
    number = np.concatenate([[0], np.cumsum(lasts)[:-1]])
    keys = zip(number.tolist(), np.asarray(counts).tolist(), strict=True)
    for _, group in groupby(enumerate(keys), key=lambda item: item[1]):
        places = [place for place, _ in group]
        yield places[0], places[-1] + 1


def as_beats(came: list[Beat], due: Beats) -> Beats:
    """Return what a monitor saw as lanes, in the shape of what is due."""

    def lanes(words: list[int], count: int, bits: int) -> Any:
        fields = [
            [(word >> lane * bits) & ((1 << bits) - 1) for lane in range(count)] for word in words
        ]
        return np.array(fields, np.uint64).reshape(len(words), count).astype(np.int64)

    return Beats(
        lanes([beat.data for beat in came], due.data.shape[1], due.bits),
        due.bits,
        None if due.user is None else lanes([b.user or 0 for b in came], due.user_bits, 1),
        None if due.last is None else np.array([b.last or 0 for b in came], np.int64),
    )


@cocotb.test(timeout_time=NET, timeout_unit="ns")
@cocotb.parametrize(index=range(len(CASES)))
async def plays_streams(dut: Any, index: int) -> None:
    """Every beat out is the one that is due, in order, each once; the streams keep their rules."""
    case = CASES[index]
    env = StreamEnv(dut, case)
    await env.reset()
    compared = 0
    if case.reset_after is not None:
        env.offer_all()
        # In the first cycle sources do not offer anything yet.
        await ClockCycles(dut.clk, case.reset_after + bool(case.sources))
        compared += env.compare()
        await env.reset()
    await env.play()
    compared += env.compare()
    assert not env.faults, "\n\n".join(env.faults)
    assert compared, "nothing was compared"


@cocotb.test(timeout_time=NET, timeout_unit="ns")
async def waits_for_nobody(dut: Any) -> None:
    """A beat is offered before anybody asks; no other handshake follows ready of an output."""
    case = replace(CASES[0], stalls={})
    env = StreamEnv(dut, case)
    await env.reset()
    env.offer_all(asks=False)
    await ClockCycles(dut.clk, case.latency + sum(len(beats) for beats in case.sources.values()))
    await FallingEdge(dut.clk)
    for name in env.sinks:
        valid = getattr(dut, f"{name}_tvalid").value
        assert valid == 1, f"{name}: a beat must be offered before anybody asks for it"
    if case.unit in PASS_READY:
        return
    handshakes = [getattr(dut, f"{name}_tready") for name in case.sources]
    handshakes += [getattr(dut, f"{name}_tvalid") for name in case.sinks]
    readys = [getattr(dut, f"{name}_tready") for name in env.sinks]
    seen = set()
    for asked in (0, 1, 0):
        for ready in readys:
            ready.value = asked
        await Timer(1, unit="ns")
        seen.add(tuple(int(signal.value) for signal in handshakes))
    assert len(seen) == 1, f"no other handshake may follow ready of an output, got {seen}"
