"""Env: the wires between a case and a unit: clock, reset, sources, sink, monitors, scoreboard."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.triggers import (
    ClockCycles,
    Event,
    RisingEdge,
    SimTimeoutError,
    Timer,
    with_timeout,
)

from tb.case import CLOCK_NS, Case, streams_of
from tb.packing import input_beats, weight_beats
from tb.scoreboard import Scoreboard
from tb.stalls import StallPattern
from tb.stream import Beat, StreamMonitor, sink, source

_LINGER = 16  # cycles in which a beat too many would still show
_DRAIN = 3  # cycles after which what has come in is out again
_PREFIXES = {"input": "s_axis_input", "weight": "s_axis_weight", "output": "m_axis_output"}


@dataclass(frozen=True)
class Cut:
    """A reset that cuts play off after so many cycles."""

    after: int
    cycles: int = 1  # that the reset lasts
    calm: bool = False  # nothing is on offer meanwhile


class MvauEnv:
    """Plays a case through its unit; ``take`` another one, and it plays that.

    The golden model is fed by the monitors, with what crossed the streams, never with what was
    meant to cross them.
    """

    def __init__(self, dut: Any, case: Case) -> None:
        self.dut = dut
        self.log = logging.getLogger(f"tb.{case.unit}")
        dut.rst.value = 1
        Clock(dut.clk, CLOCK_NS, unit="ns").start()
        self._monitors: dict[str, StreamMonitor] = {}
        self._streams = streams_of(case.unit)
        self._sources = [stream for stream in self._streams if stream != "output"]
        self._blind = set(self._streams)  # streams without a monitor that lives
        # First in line, so that a monitor says what is unknown before a driver stumbles over it.
        self.take(case)
        self._endpoints = {
            stream: (sink if stream == "output" else source)(dut, _PREFIXES[stream])
            for stream in self._streams
        }
        self._operands = [getattr(dut, f"{_PREFIXES[stream]}_tvalid") for stream in self._sources]

    def take(self, case: Case) -> None:
        """Make ready for a case: the first, or one more for the same unit."""
        self.case = case
        self._require_parameters()
        # The neuron folds that every vector meets in the unit, where weights come as no stream.
        self._wired: list[list[int]] = []
        if "weight" not in self._streams:
            beats, sf = weight_beats(case.spec, case.weights), case.spec.sf
            self._wired = [beats[i : i + sf] for i in range(0, len(beats), sf)]
        self.cycles = 0
        self._begin()

    def _require_parameters(self) -> None:
        for name, wanted in self.case.spec.verilog_parameters(self.case.unit).items():
            built = int(getattr(self.dut, name).value)
            assert built == wanted, f"the build has {name}={built}, the case wants {wanted}"

    def _begin(self) -> None:
        """Forget everything that crossed the streams so far."""
        self.scoreboard = Scoreboard(self.case)
        self._input_beats: list[int] = []  # of the vector, or its part, that is coming in
        self._weight_beats: list[int] = []  # of the neuron fold that is coming in
        self._vectors: deque[list[int]] = deque()  # whole ones, each once per fold it is used in
        self._folds: deque[list[int]] = deque()
        self._done = Event()
        for stream in filter(self._blind.__contains__, self._streams):
            self._watch(stream)
        self._blind.clear()
        for monitor in self._monitors.values():
            monitor.beats = 0

    def _watch(self, stream: str) -> None:
        on_beat = {"input": self._on_input, "weight": self._on_weight, "output": self._on_output}

        def on_fault(sentence: str) -> None:
            self._blind.add(stream)
            self.scoreboard.faults.append(sentence)
            self._done.set()

        prefix = _PREFIXES[stream]
        self._monitors[stream] = StreamMonitor(self.dut, prefix, on_beat[stream], on_fault)

    async def run(self, cuts: Sequence[Cut] = ()) -> None:
        """Play the case, after first parts that resets cut off: ``cuts`` and that of the case."""
        own = () if self.case.reset_after is None else (Cut(self.case.reset_after),)
        await self._reset()
        for cut in (*cuts, *own):
            self._offer_all()
            for _ in range(cut.after + 1):  # in the first one nothing is on offer yet
                await RisingEdge(self.dut.clk)
            self.scoreboard.compare()
            if self.scoreboard.report:
                return
            await self._reset(cut.cycles, cut.calm)
            self._begin()
        await self._play()
        await ClockCycles(self.dut.clk, _LINGER)

    async def _reset(self, cycles: int = 1, calm: bool = False) -> None:
        """Reset, with operands on offer that must not be taken unless it is to be calm."""
        self.dut.rst.value = 1
        for endpoint in self._endpoints.values():
            endpoint.clear()
        await Timer(1, unit="ns")  # the sources have taken their valid away
        for valid in self._operands:
            valid.value = int(not calm)
        for _ in range(cycles):
            await RisingEdge(self.dut.clk)
        for valid in self._operands:
            valid.value = 0
        self.dut.rst.value = 0

    async def settle(self) -> None:
        """Bring the unit to where a vector starts, even one whose reset leaves traces.

        After a failure nothing less makes the next case independent of it: a calm reset, then pair
        by pair until a vector ends.
        """
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        await self._reset(calm=True)
        self._stall("output", None)
        await ClockCycles(dut.clk, _DRAIN)
        for _ in range(self.case.spec.total_fold):
            if hasattr(dut, "s_axis_input_tlast"):
                dut.s_axis_input_tlast.value = 1
            for valid in self._operands:
                valid.value = 1
            await edge
            for valid in self._operands:
                valid.value = 0
            ended = False
            for _ in range(_DRAIN):
                await edge
                last = getattr(dut, "m_axis_output_tlast", dut.m_axis_output_tvalid)
                ended |= dut.m_axis_output_tvalid.value == 1 and last.value == 1
            if ended:
                break
        await self._reset(calm=True)
        await ClockCycles(dut.clk, _DRAIN)  # the next reset is one of its own

    def _stall(self, stream: str, stalls: Iterator[bool] | None) -> None:
        self._endpoints[stream].set_pause_generator(stalls)
        self._endpoints[stream].pause = False

    def _offer_all(self) -> None:
        for stream in self._streams:
            pattern = StallPattern.parse(self.case.stalls[stream])
            stalls = pattern.cycles(self.case.rng(f"stall {stream}"))
            # A generator costs a coroutine in every cycle, a quarter of the time that a case takes.
            self._stall(stream, None if pattern.name == "never" else stalls)
        weights = weight_beats(self.case.spec, self.case.weights)
        for vector in self.case.vectors:
            beats = input_beats(self.case.spec, vector, self.case.depthwise)
            for _ in range(self.case.resends):
                self._endpoints["input"].send_nowait(beats)
            if "weight" in self._endpoints:
                self._endpoints["weight"].send_nowait(weights)

    async def _play(self) -> None:
        self._offer_all()
        cycles = self.case.timeout_cycles
        self.log.info("start case=%s vectors=%d", self.case.id, len(self.case.vectors))
        started = get_sim_time("ns")
        try:
            await with_timeout(self._done.wait(), cycles * CLOCK_NS, "ns")
        except SimTimeoutError:
            counts = " ".join(f"{name}={m.beats}" for name, m in self._monitors.items())
            self.scoreboard.faults.append(
                f"no end within {cycles} cycles; beats that moved: {counts}, "
                f"output beats expected: {self.scoreboard.expected_beats}"
            )
        self.cycles = int((get_sim_time("ns") - started) // CLOCK_NS)
        self.log.info("end cycles=%d outputs=%d", self.cycles, self.scoreboard.observed_beats)

    def _on_input(self, beat: Beat) -> None:
        self._input_beats.append(beat.data)
        if len(self._input_beats) == self.case.spec.sf:
            self._vectors.extend([self._input_beats] * self.case.copies)
            self._input_beats = []
            self._folds.extend(self._wired)
            self._expect()

    def _on_weight(self, beat: Beat) -> None:
        self._weight_beats.append(beat.data)
        if len(self._weight_beats) == self.case.spec.sf:
            self._folds.append(self._weight_beats)
            self._weight_beats = []
            self._expect()

    def _expect(self) -> None:
        while self._vectors and self._folds:
            self.scoreboard.expect(self._vectors.popleft(), self._folds.popleft())

    def _on_output(self, beat: Beat) -> None:
        assert beat.user is not None, "m_axis_output has no tuser"
        self.scoreboard.observe(beat.data, beat.user, beat.last)
        finished = self.scoreboard.observed_beats == self.scoreboard.expected_beats
        if finished or self.scoreboard.has_failed:
            self._done.set()

    def close(self) -> None:
        """Refuse a vacuous pass: all that was sent was taken, all that was due came, and right."""
        expected = {
            "input": len(self.case.vectors) * self.case.spec.total_fold // self.case.copies,
            "weight": len(self.case.vectors) * self.case.spec.total_fold,
        }
        self.scoreboard.close()
        for stream in self._sources:
            moved, beats = self._monitors[stream].beats, expected[stream]
            if moved != beats:
                self.scoreboard.faults.append(
                    f"{moved} of {beats} beats were taken from the {stream} stream"
                )
        assert not self.scoreboard.report, f"\n{self.scoreboard.report}"
