"""``a2q bench-quantizers``: what quantizing costs in training, against plain QAT and Brevitas.

One step is forward and backward: of the weight quantizer alone, or of a layer with quantized
weights (its inputs are floats and have gradients). All contestants run in turn in every round, and
a ratio is the median over the rounds of two times of the same round: a machine that is busy with
something else slows both.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import random
import shutil
import statistics
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

from a2q_ref.command import Parser, file, run, whole
from a2q_ref.quantizers import WeightQuantizer
from a2q_ref.scheme import Method, Scheme
from golden.archive import whole_file

GOAL = 1.15  # what ours may cost, as a multiple of plain QAT
PLAIN = "plain QAT"  # what all others are divided by

_BLOCK = 5e-3  # seconds that one measurement of plain QAT lasts, at least
_LIMIT = 127


@dataclass(frozen=True)
class Case:
    """What is timed: the quantizer of weights of this shape, or a layer step on such inputs."""

    weight: tuple[int, ...]  # outputs, inputs, kernel
    inputs: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        if self.inputs is None:
            return "quantizer " + "x".join(map(str, self.weight))
        kind = "linear" if len(self.weight) == 2 else "conv"
        return f"{kind} step " + "x".join(map(str, self.inputs))


CASES = (
    Case((512, 512)),
    Case((256, 256, 3, 3)),
    Case((512, 512), (128, 512)),
    Case((256, 256, 3, 3), (4, 256, 16, 16)),
)


@dataclass(frozen=True)
class Setting:
    """Where it runs; ``compiled`` by torch.compile."""

    device: str
    threads: int | None
    compiled: bool

    @property
    def name(self) -> str:
        threads = "" if self.threads is None else f", {self.threads} thread"
        plural = "s" if self.threads and self.threads > 1 else ""
        return f"{self.device}{threads}{plural}{', compiled' if self.compiled else ''}"


@dataclass(frozen=True)
class Result:
    """The medians over the rounds of one contestant."""

    setting: Setting
    case: Case
    contestant: str
    microseconds: float
    ratio: float  # to plain QAT


class PlainQat(nn.Module):
    """The usual chain of torch operations, with a learned scale 2^d for each row."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.v = nn.Parameter(weight)
        largest = weight.flatten(1).abs().amax(dim=1)
        self.d = nn.Parameter((largest / _LIMIT).log2().view(-1, *[1] * (weight.ndim - 1)))

    def forward(self) -> Tensor:
        s = self.d.exp2()
        u = self.v / s
        return (u + (u.round() - u).detach()).clamp(-_LIMIT, _LIMIT) * s


class Ours(nn.Module):
    """Our quantizer under a scheme."""

    def __init__(self, weight: Tensor, scheme: Scheme) -> None:
        super().__init__()
        self.quantizer = WeightQuantizer(scheme, len(weight)).to(weight.device)
        self.v = nn.Parameter(self.quantizer.start(weight))

    def forward(self) -> Tensor:
        return self.quantizer(self.v)


class Brevitas(nn.Module):
    """A weight quantizer of Brevitas, by its name there; P is for the accumulator-aware ones."""

    def __init__(self, weight: Tensor, quantizer: str, acc_bits: int | None = None) -> None:
        super().__init__()
        from brevitas import nn as qnn
        from brevitas.quant import scaled_int

        options: dict[str, Any] = {"weight_quant": getattr(scaled_int, quantizer), "bias": False}
        if acc_bits is not None:
            options |= {
                "weight_accumulator_bit_width": acc_bits,
                "input_quant": scaled_int.Uint8ActPerTensorFloat,
            }
        outputs, inputs, *kernel = weight.shape
        if kernel:
            self.layer = qnn.QuantConv2d(inputs, outputs, tuple(kernel), **options)
        else:
            self.layer = qnn.QuantLinear(inputs, outputs, **options)
        self.layer.to(weight.device).weight.data.copy_(weight)
        self.input = None
        if acc_bits is not None:  # its bound depends on the width of inputs, which they bring
            with torch.no_grad():
                self.input = self.layer.input_quant(torch.ones(1, inputs, device=weight.device))

    def forward(self) -> Tensor:
        weight: Tensor = self.layer.quant_weight(self.input).value
        return weight


class Step:
    """One forward and backward, as training does it."""

    def __init__(self, weights: nn.Module, case: Case, setting: Setting) -> None:
        self.weights, self.x = weights, None
        forward: Callable[[], Tensor] = weights
        noise = torch.Generator().manual_seed(1)
        if case.inputs is not None:
            x = torch.randn(case.inputs, generator=noise).to(setting.device).requires_grad_()
            self.x = x
            if len(case.weight) == 2:

                def forward() -> Tensor:
                    return functional.linear(x, weights())
            else:

                def forward() -> Tensor:
                    return functional.conv2d(x, weights(), padding="same")

        # A whole graph or none: what falls back in silence is not what is timed.
        self.forward = torch.compile(forward, fullgraph=True) if setting.compiled else forward
        shape = self.forward().shape
        self.grad = torch.randn(shape, generator=noise).to(setting.device)

    def __call__(self) -> None:
        self.weights.zero_grad()
        if self.x is not None:
            self.x.grad = None
        self.forward().backward(self.grad)


def brevitas_is_there() -> bool:
    """Return whether Brevitas is installed."""
    return importlib.util.find_spec("brevitas") is not None


def compile_lacks() -> str:
    """Return what torch.compile lacks on this machine, nothing if it has all."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"there is no {compiler}"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "there is no Python.h (apt-get install python3-dev)"
    return ""


def contestants(compiled: bool) -> dict[str, Callable[[Tensor], nn.Module]]:
    """Return what makes each contestant from its float weights; plain QAT is the first."""

    def ours(scheme: Scheme) -> Callable[[Tensor], nn.Module]:
        return lambda weight: Ours(weight, scheme)

    def peer(quantizer: str, acc_bits: int | None = None) -> Callable[[Tensor], nn.Module]:
        return lambda weight: Brevitas(weight, quantizer, acc_bits)

    makers = {
        PLAIN: PlainQat,
        "ours, baseline": ours(Scheme(Method.BASELINE)),
        "ours, A2Q P=16": ours(Scheme(Method.A2Q, acc_bits=16)),
        "ours, A2Q P=20": ours(Scheme(Method.A2Q, acc_bits=20)),
        "ours, A2Q+ P=16": ours(Scheme(Method.A2Q_PLUS, acc_bits=16)),
    }
    if not compiled and brevitas_is_there():
        makers |= {
            "Brevitas, plain": peer("Int8WeightPerChannelFloat"),
            "Brevitas, A2Q P=16": peer("Int8AccumulatorAwareWeightQuant", 16),
            "Brevitas, A2Q+ P=16": peer("Int8AccumulatorAwareZeroCenterWeightQuant", 16),
        }
    return makers


def steps(case: Case, setting: Setting) -> dict[str, Step]:
    """Return a step of each contestant, all on the same weights."""
    weight = torch.randn(case.weight, generator=torch.Generator().manual_seed(0)) * 0.05
    return {
        name: Step(make(weight.to(setting.device)), case, setting)
        for name, make in contestants(setting.compiled).items()
    }


def settings(compiled: bool) -> list[Setting]:
    """Return all that this machine has: one thread, all threads, a GPU."""
    places: list[tuple[str, int | None]] = [("cpu", 1)]
    if torch.get_num_threads() > 1:
        places.append(("cpu", torch.get_num_threads()))
    if torch.cuda.is_available():
        places.append(("cuda", None))
    kinds = (False, True) if compiled else (False,)
    return [Setting(device, threads, kind) for device, threads in places for kind in kinds]


def measure(case: Case, setting: Setting, rounds: int, tick: Callable[[], None]) -> list[Result]:
    """Return the medians of every contestant; ``tick`` is called after each round."""
    threads = torch.get_num_threads()
    torch.set_num_threads(setting.threads or threads)
    torch.compiler.reset()  # it compiles one function only so often
    try:
        runners = steps(case, setting)
        for step in runners.values():
            for _ in range(3):
                step()
        once = min(_seconds(runners[PLAIN], 1, setting) for _ in range(3))
        repeats = math.ceil(_BLOCK / once)
        times: dict[str, list[float]] = {name: [] for name in runners}
        order = list(runners)
        shuffle = random.Random(0).shuffle  # nobody always comes after the same
        for _ in range(rounds):
            shuffle(order)
            for name in order:
                times[name].append(_seconds(runners[name], repeats, setting))
            tick()
    finally:
        torch.set_num_threads(threads)
    return [
        Result(
            setting, case, name, statistics.median(taken) * 1e6,
            statistics.median(a / b for a, b in zip(taken, times[PLAIN], strict=True)),
        )
        for name, taken in times.items()
    ]  # fmt: skip


def _seconds(step: Step, repeats: int, setting: Setting) -> float:
    """Return how long one step takes, over ``repeats`` of them."""
    wait = torch.cuda.synchronize if setting.device == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    for _ in range(repeats):
        step()
    wait()
    return (time.perf_counter() - started) / repeats


def table(results: Sequence[Result]) -> Table:
    """Return the results of one setting: microseconds, and the ratio to plain QAT."""
    cases = list(dict.fromkeys(result.case for result in results))
    grid = Table(title=results[0].setting.name, box=None, title_justify="left", pad_edge=False)
    grid.add_column("microseconds,\nratio to plain QAT", no_wrap=True)
    for case in cases:
        grid.add_column(case.name.replace(" ", "\n", case.name.count(" ")), justify="right")
    for name in dict.fromkeys(result.contestant for result in results):
        cells = [
            f"{result.microseconds:,.0f} {result.ratio:5.2f}"
            for result in results
            if result.contestant == name
        ]
        grid.add_row(name, *cells)
    return grid


def summary(results: Sequence[Result]) -> list[str]:
    """Return in words what ours and Brevitas cost, where they were measured."""
    lines = []
    for setting in dict.fromkeys(result.setting for result in results):
        for who, goal in (("ours", f" (goal: at most {GOAL})"), ("Brevitas", "")):
            spans = []
            for what, alone in (("quantizer alone", True), ("layer step", False)):
                ratios = [
                    result.ratio
                    for result in results
                    if result.setting == setting
                    and result.contestant.startswith(f"{who},")
                    and (result.case.inputs is None) == alone
                ]
                if ratios:
                    spans.append(f"{what} {min(ratios):.2f} to {max(ratios):.2f}")
            if spans:
                lines.append(f"{setting.name}: {who} / plain QAT: {', '.join(spans)}{goal}")
    return lines


def to_json(results: Sequence[Result], rounds: int) -> dict[str, Any]:
    """Return all there is to know, for programs."""
    return {
        "torch": torch.__version__,
        "rounds": rounds,
        "goal": GOAL,
        "results": [asdict(result) for result in results],
    }


def _parser() -> Parser:
    parser = Parser(
        prog="a2q bench-quantizers",
        description="""\
Time forward and backward of the weight quantizers, alone and in a layer, against plain
quantization-aware training (QAT: a learned scale, rounding and clipping, as a chain of torch
operations) and Brevitas, in float32. A ratio is the median of the ratios of each round.""",
    )
    parser.add_argument(
        "--rounds", type=whole(1, 10**6), default=30, metavar="COUNT",
        help="measurements of each, of which the median is taken (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--eager", action="store_true",
        help="leave out torch.compile, which takes minutes, a C++ compiler and Python's headers",
    )  # fmt: skip
    parser.add_argument("--json", type=file, metavar="FILE", help="write the numbers there too")
    return parser


def main(argv: Sequence[str] | None = None, cases: Sequence[Case] = CASES) -> int:
    """Run ``a2q bench-quantizers``; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run("a2q bench-quantizers", lambda: _bench(arguments, cases), "no numbers were kept")


def _bench(arguments: argparse.Namespace, cases: Sequence[Case]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 100)
    lacking = "" if arguments.eager else compile_lacks()
    every = settings(not arguments.eager and not lacking)
    results = _measure_all(every, cases, arguments.rounds)
    if arguments.json:
        with whole_file(arguments.json) as partial:
            text = json.dumps(to_json(results, arguments.rounds), indent=2)
            partial.write_text(f"{text}\n", encoding="utf-8")
    for setting in every:
        console.print(table([result for result in results if result.setting == setting]))
        console.print()
    if lacking:
        console.print(f"nothing was compiled: {lacking}")
    if not brevitas_is_there():
        console.print("Brevitas is not installed: make bench-quantizers installs it")
    for line in summary(results):
        console.print(line, soft_wrap=True, highlight=False)


def _measure_all(every: Sequence[Setting], cases: Sequence[Case], rounds: int) -> list[Result]:
    console, results = Console(stderr=True), []
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(every) * len(cases) * rounds)
        for setting in every:
            for case in cases:
                what = f"{setting.name}: {case.name}"
                progress.update(bar, description=what)
                results += measure(case, setting, rounds, lambda: progress.advance(bar))
                if not console.is_terminal:  # where no bar moves
                    console.print(f"timed {what}", highlight=False)
    return results


if __name__ == "__main__":
    sys.exit(main())
