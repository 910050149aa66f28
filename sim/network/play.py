"""A network through the RTL: every accumulator and overflow bit of every stage is compared."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from golden.integer import InputError, IntArray, Overflow
from golden.layer import LabelledInputs
from golden.network import Network, NetworkTrace, StageTrace, run
from sim.batch.engine import engine, stalled_cycles
from sim.batch.library import library
from sim.batch.streams import came_beats, run_streams
from sim.build import contents
from sim.cache import SimulationError, kept
from sim.generate.pipeline import Fold, Pipeline, folded
from sim.paths import BUILD, RTL
from sim.rtl import closure, repro
from tb.streams import Beats, StreamCase, differences

CYCLES = 1000  # a frame, that foldings aim at
DRAIN = 1000  # cycles that a frame may take from unit to unit, all of them together
SETTLED = 8  # frames after which those behind are no longer delayed by the start
SIDES = {"input": "s_axis_input", "output": "m_axis_output"}


@dataclass(frozen=True)
class Question:
    """How networks are to be run; their files carry the rest."""

    acc_bits: int
    overflow: Overflow = Overflow.WRAP
    cycles: int = CYCLES
    stalls: Mapping[str, str] = field(default_factory=dict)  # input, output -> pattern
    seed: int = 1


@dataclass(frozen=True, eq=False)
class StageVerdict:
    """What was seen of one stage, beside what golden says."""

    fold: Fold
    results: int
    mismatches: int
    overflows_seen: int
    overflows_predicted: int


@dataclass(frozen=True, eq=False)
class NetworkVerdict:
    """What a network did on images, in RTL and in golden."""

    name: str
    pipeline: Pipeline
    images: int
    stages: tuple[StageVerdict, ...]
    report: str  # empty if and only if RTL and golden agree
    folder: Path  # of the Verilog
    case_file: Path | None  # of a failure
    cycles: int
    latency: int  # cycles until the first frame was through
    cycles_a_frame: float  # from frame to frame, once the start is forgotten
    seconds: float
    accuracy: float  # from the RTL's outputs
    golden_accuracy: float  # at P bits
    exact_accuracy: float  # with unlimited accumulators

    @property
    def acc_bits(self) -> int:
        return self.pipeline.folds[0].spec.acc_bits

    @property
    def is_safe(self) -> bool:
        """Whether exact arithmetic proves that no input can overflow any stage."""
        return max(self.pipeline.network.needed_bits) <= self.acc_bits

    @property
    def overflows_seen(self) -> int:
        return sum(stage.overflows_seen for stage in self.stages)

    @property
    def failures(self) -> list[str]:
        """Every way in which what was seen is not what must be; empty if the check passed."""
        failures = []
        if self.report:
            replay = ""
            if self.case_file is not None:
                replay = f"\n  replay    {repro(self.case_file, self.folder)}"
            failures.append(f"{self.name}: {self.report}{replay}")
        elif not all(stage.results for stage in self.stages):
            failures.append(f"{self.name}: nothing was compared")
        if self.is_safe and self.overflows_seen:
            failures.append(f"{self.name}: {self.overflows_seen} overflows in a safe network")
        return failures


def require(network: Network, data: LabelledInputs, question: Question) -> None:
    """InputError for images that the network is not made for, or a P that it can not have."""
    network.images(data.values)
    folded(network, question.acc_bits, question.overflow, question.cycles)


def play(name: str, network: Network, data: LabelledInputs, question: Question) -> NetworkVerdict:
    """Play labelled images through the RTL of a network and return the verdict.

    Errors: InputError as ``require`` has it, and for stalls without end; SimulationError if the RTL
    does not build.
    """
    pipeline = folded(network, question.acc_bits, question.overflow, question.cycles)
    images = network.images(data.values)
    how = (question.acc_bits, question.overflow, [fold.spec.simd for fold in pipeline.folds])
    trace = run(network, images, *how)
    case = stream_case(pipeline, images, trace, question)
    # Stalls without end are refused before the build.
    stalled_cycles(case.timeout_cycles, case.stalls.values())
    folder = verilog(pipeline)
    unit = engine(library(pipeline.top, {}, folder))
    settled = min(SETTLED, -(-len(images) // 2))
    starts = [
        stream_case(pipeline, images[:few], run(network, images[:few], *how), question)
        for few in (1, settled)
    ]
    started, report, answer, latency, every = time.perf_counter(), "", None, 0, 0.0
    playing = case
    try:
        answer = run_streams(unit, case)[-1]
        seconds = time.perf_counter() - started
        ended = []
        for playing in starts:
            ended.append(run_streams(unit, playing)[-1].cycles)
        playing = case
        latency, begun = ended
        left = len(images) - settled
        every = (answer.cycles - begun) / left if left else float(latency)
    except SimulationError as fault:
        report, seconds = str(fault), time.perf_counter() - started
    verdicts, scores = [], trace.scores
    for fold, stage in zip(pipeline.folds, trace.stages, strict=True):
        if answer is None:
            verdicts.append(StageVerdict(fold, 0, 0, 0, int(stage.overflow.sum())))
            continue
        stream = pipeline.stream_of[fold.name]
        due = case.sinks[stream]
        came = came_beats(answer, stream, due)
        if not report:  # what is wrong in a stage makes all that follow wrong
            report = "\n".join(differences(f"stage {fold.stage.name}, {stream}", due, came)[:1])
        verdicts.append(_stage_verdict(fold, stage, came))
        if fold is pipeline.folds[-1]:
            scores = fold.stage.layer.scores(came.data.reshape(-1, fold.spec.mh))
    case_file = _keep(playing, report)
    return NetworkVerdict(
        name, pipeline, len(images), tuple(verdicts), report, folder, case_file,
        0 if answer is None else answer.cycles, latency, every, seconds,
        0.0 if answer is None else data.accuracy(scores), data.accuracy(trace.scores),
        data.accuracy(run(network, images).scores),
    )  # fmt: skip


def _stage_verdict(fold: Fold, stage: StageTrace, came: Beats) -> StageVerdict:
    assert came.user is not None
    overflow = came.user.reshape(-1, fold.spec.mh).astype(bool)
    wrong = (came.data.reshape(-1, fold.spec.mh) != stage.acc) | (overflow != stage.overflow)
    return StageVerdict(
        fold, wrong.size, int(wrong.sum()), int(overflow.sum()), int(stage.overflow.sum())
    )


def _keep(case: StreamCase, report: str) -> Path | None:
    if not report:
        return None
    path = BUILD / "failures" / f"{case.id}-network" / "case.json"
    case.save(path)
    return path


def verilog(pipeline: Pipeline, rtl: Path = RTL) -> Path:
    """Return the folder with the top of a pipeline and the units that it is made of."""
    units = {path for module in pipeline.modules for path in closure(module, rtl)}
    files = {f"{pipeline.top}.v": pipeline.text, **contents(sorted(units))}

    def write(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")

    return kept(f"verilog-{pipeline.top}", files, write)


def stream_case(
    pipeline: Pipeline, images: IntArray, trace: NetworkTrace, question: Question
) -> StreamCase:
    """Return what goes into the top for images (V, H, W, C), and what is due in every stage.

    Errors: InputError for stalls on other streams than input and output.
    """
    unknown = set(question.stalls) - set(SIDES)
    if unknown:
        raise InputError(f"stalls of a network must be on input, output, got {min(unknown)!r}")
    pixels = images.reshape(-1, pipeline.lanes)
    sinks = {
        pipeline.stream_of[fold.name]: _due(fold, stage)
        for fold, stage in zip(pipeline.folds, trace.stages, strict=True)
    }
    inputs = pipeline.network.inputs
    return StreamCase(
        pipeline.top, {},
        {SIDES["input"]: Beats(inputs.encode(pixels), inputs.bits)}, sinks,
        name=f"images{len(images)}", seed=question.seed,
        stalls={SIDES[side]: pattern for side, pattern in question.stalls.items()},
        cycles=None, latency=DRAIN + 2 * (pipeline.latency + len(images) * pipeline.cycles),
    )  # fmt: skip


def _due(fold: Fold, stage: StageTrace) -> Beats:
    spec = fold.spec
    beats = stage.acc.reshape(-1, spec.pe)
    ends = np.arange(1, len(beats) + 1) % spec.nf == 0
    user = stage.overflow.reshape(-1, spec.pe).astype(np.int64)
    return Beats(beats, spec.acc_bits, user, ends.astype(np.int64))
