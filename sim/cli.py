"""The command line ``a2q``, whose sub-commands are what make calls.

Exit status: 0 the check passed; 1 it failed; 2 bad input or a missing tool, said in one sentence.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from golden.archive import whole_file, writable_file
from golden.integer import InputError, Overflow
from golden.layer import LabelledInputs, QuantLayer
from sim import lint, plan, report, sweep, sweep_report
from sim.bench import figures
from sim.bench import main as benchmark
from sim.cache import SimulationError
from sim.check import check
from sim.paths import BUILD, shown
from sim.run import play
from sim.tools import SIMULATORS, simulator
from tb.case import Case
from tb.stalls import STREAMS

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
STALL_HELP = (
    "input, weight or output; never, every-N, bursts-ON-OFF, random-PERCENT or late-CYCLES, "
    "for example weight=random-30,output=bursts-4-7"
)

TORCH_COMMANDS = {
    "train": "train the shipped layers, or others, and export them",
    "experiments": "what A2Q's parts do, in tables and plots",
    "bench-quantizers": "time the weight quantizers against plain QAT and Brevitas",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command and return its exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: children too
    try:
        if arguments and arguments[0] in TORCH_COMMANDS:
            return _torch_command(arguments[0])(arguments[1:])
        options = _parser().parse_args(arguments)
        status: int = options.run(options)
        return status
    except InputError as error:
        print(f"a2q: {error}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:  # a full disk, a folder that can not be written
        print(f"a2q: {error.filename or 'build'}: {error.strerror}", file=sys.stderr)
        return BAD_INPUT
    except SimulationError as error:
        print(f"a2q: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("a2q: interrupted; what is finished stays in build/", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="a2q", description="Hold narrow accumulators to their promise.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    sim = commands.add_parser("sim", help="play layers through the RTL at P bits; the main job")
    sim.set_defaults(run=_sim)
    sim.add_argument("--acc", default="16", metavar="P", help="accumulator width, 2 to 64")
    sim.add_argument("--layer", metavar="FILE", help="a layer (.npz) in place of the shipped ones")
    sim.add_argument("--inputs", metavar="FILE", help="labelled inputs (.npz) for that layer")
    sim.add_argument("--pe", metavar="N", help="mvau: output rows at once")
    sim.add_argument("--simd", metavar="N", help="mvau: input columns at once")
    sim.add_argument("--overflow", default="wrap", metavar="POLICY", help="wrap or saturate")
    sim.add_argument("--stall", default="", metavar="STREAM=PATTERN[,...]", help=STALL_HELP)
    sim.add_argument("--seed", default="1", metavar="N", help="of everything random")
    sim.add_argument("--json", metavar="FILE", help="write the verdict there as well")
    _simulation_options(sim)

    repro = commands.add_parser("repro", help="play a case file again")
    repro.set_defaults(run=_repro)
    repro.add_argument("case", metavar="CASE", help="a case.json")
    _simulation_options(repro)

    sweep_ = commands.add_parser("sweep", help="find where overflow starts, on a grid of units")
    sweep_.set_defaults(run=_sweep)
    _sweep_options(sweep_)

    bench = commands.add_parser("bench", help="time the engines, builds, golden model and searches")
    bench.set_defaults(run=_bench)
    _bench_options(bench)

    lint_ = commands.add_parser("lint", help="hold the RTL to both lint gates")
    lint_.set_defaults(run=_lint)

    for name, what in TORCH_COMMANDS.items():
        commands.add_parser(name, help=what)
    return parser


def _bench_options(parser: argparse.ArgumentParser) -> None:
    default = benchmark.Plan()
    parser.add_argument(
        "--rounds", default=str(default.rounds), metavar="N",
        help="measurements of each, of which the median is taken (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--batches", default=str(default.batches), metavar="N",
        help="batches over which memory may not grow (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--only", nargs="+", metavar="SECTION", default=list(benchmark.SECTIONS),
        help=f"some of {', '.join(benchmark.SECTIONS)} (default: all)",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")


def _sweep_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Play a grid of units and say where overflow starts. Every value may be one, a list (8,12) "
        "or a range (8..32). Without MW, MH, widths or a sign the shipped layers are played; with "
        "any of them weights of that shape, made from the seed."
    )
    for name, (_, low, high) in sweep.AXES.items():
        parser.add_argument(
            f"--{name.lower().replace('_', '-')}", metavar="N", help=f"{low} to {high}"
        )
    parser.set_defaults(acc="8..32")
    parser.add_argument("--overflow", default="wrap", metavar="POLICY", help="wrap, saturate")
    parser.add_argument(
        "--trained", metavar="P", help="the shipped layer beside the one for each P"
    )
    parser.add_argument("--layer", metavar="FILE", help="a layer (.npz) to play at every point")
    parser.add_argument("--inputs", metavar="FILE", help="labelled inputs (.npz) for that layer")
    parser.add_argument("--seed", default="1", metavar="N", help="of everything random")
    parser.add_argument("--json", metavar="FILE", help="write the verdict there as well")
    parser.add_argument(
        "--into", default=str(BUILD / "sweep"), metavar="FOLDER", help="where all files go"
    )


def _simulation_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sim", default="verilator", metavar="NAME", help=" or ".join(SIMULATORS))
    parser.add_argument("--waves", action="store_true", help="keep waves of the run")


def _sim(options: argparse.Namespace) -> int:
    acc_bits = _integer("ACC", options.acc, 2, 64)
    question = plan.Question(
        acc_bits=acc_bits,
        pe=options.pe and _integer("PE", options.pe, 1, 65536),
        simd=options.simd and _integer("SIMD", options.simd, 1, 65536),
        overflow=_overflow(options.overflow),
        stalls=_stalls(options.stall),
        seed=_integer("SEED", options.seed, 0, 2**31 - 1),
        waves=options.waves,
    )
    output = _writable(options.json)
    data: LabelledInputs | None
    if options.layer:
        path = Path(options.layer)
        layers = [plan.NamedLayer(path.stem, _slug(path), QuantLayer.load(path))]
        data = LabelledInputs.load(Path(options.inputs)) if options.inputs else None
    elif options.inputs:
        raise InputError(f"INPUTS must come with a LAYER that they are for, got {options.inputs}")
    else:
        layers, data = plan.shipped_layers(acc_bits), plan.shipped_images()
    with _progress() as progress:
        verdict = check(question, layers, data, simulator(options.sim), progress)
    console = Console(width=None if sys.stdout.isatty() else 80, markup=False)
    if options.layer is None and layers[0].layer.trained_acc_bits != acc_bits:
        console.print(
            f"No layer was trained for P={acc_bits}; the nearest below is taken: {layers[0].name}."
        )
    report.print_verdict(verdict, console)
    if output is not None:
        with whole_file(output) as partial:
            text = json.dumps(report.to_json(verdict), indent=2)
            partial.write_text(f"{text}\n", encoding="utf-8")
        console.print(f"verdict: {shown(output)}")
    return 0 if verdict.passed else FAILED


def _sweep(options: argparse.Namespace) -> int:
    axes: dict[str, Sequence[int]] = {
        field: sweep.numbers(name, text, low, high)
        for name, (field, low, high) in sweep.AXES.items()
        if (text := getattr(options, name.lower())) is not None
    }
    axes["overflow"] = list(dict.fromkeys(map(_overflow, options.overflow.split(","))))
    seed = _integer("SEED", options.seed, 0, 2**31 - 1)
    output, into = _writable(options.json), _folder(options.into)
    shaped = sorted(axes.keys() & sweep.SHAPE.keys())
    layers = [name for name in ("layer", "trained") if getattr(options, name) is not None]
    if len(layers) + bool(shaped) > 1:
        alone, other = (*layers, *shaped)[:2]
        raise InputError(
            f"{alone.upper()} must come without {other.upper()}: a layer has its shape"
        )
    if options.inputs and not options.layer:
        raise InputError(f"INPUTS must come with a LAYER that they are for, got {options.inputs}")
    if shaped:
        weights = sweep.generated(axes, seed)
    elif options.layer:
        path = Path(options.layer)
        layer = QuantLayer.load(path)
        data = LabelledInputs.load(Path(options.inputs)) if options.inputs else None
        weights = sweep.given(plan.NamedLayer(path.stem, _slug(path), layer), data, seed)
    else:
        trained = _integer("TRAINED", "16" if options.trained is None else options.trained, 2, 64)
        weights = sweep.shipped(seed, trained)
    with _bar("points") as progress:
        swept = sweep.sweep(axes, weights, progress)
    console = Console(width=None if sys.stdout.isatty() else 80, markup=False)
    sweep_report.print_swept(swept, console)
    sweep_report.write(swept, into)
    if output is not None:
        sweep_report.write_json(swept, output)
    console.print(
        f"all points: {shown(into / 'sweep.csv')}, .json", soft_wrap=True, highlight=False
    )
    console.print(_plot(swept, into), soft_wrap=True, highlight=False)
    return 0 if swept.passed else FAILED


def _plot(swept: sweep.Swept, into: Path) -> str:
    """Draw the plot; return where it is, or why there is none."""
    for kind in ("png", "svg"):
        (into / f"sweep.{kind}").unlink(missing_ok=True)
    if not swept.rows:
        return "no plot: nothing was played"
    try:
        from sim.sweep_plot import plot
    except ModuleNotFoundError as error:
        return f"no plot: {error.name} is missing, make sweep installs it"
    left_out = plot(swept, into)
    more = f" ({left_out} units do not fit in it)" if left_out else ""
    return f"plot: {shown(into / 'sweep.png')}, .svg{more}"


def _repro(options: argparse.Namespace) -> int:
    if not options.case:
        raise InputError("CASE must name the case.json to play again, got nothing")
    case = Case.load(Path(options.case))
    with _progress() as progress:
        progress(f"playing {case.id}")
        played = play(case, simulator(options.sim), waves=options.waves)
    if played.report:
        print(played.report)
        print(f"\nreplay: {played.replay}")
    else:
        results = sum(tally.results for tally in played.tallies)
        print(f"RTL = golden model, bit for bit, in all {results:,} results of {case.id}")
    for waves in sorted(played.folder.glob("waves.*")):
        print(f"waves: {shown(waves)}")
    return 0 if played.passed else FAILED


def _bench(options: argparse.Namespace) -> int:
    asked = benchmark.Plan(
        rounds=_integer("ROUNDS", options.rounds, 1, 1000),
        batches=_integer("BATCHES", options.batches, 1, 10**9),
    )
    for name in options.only:
        if name not in benchmark.SECTIONS:
            raise InputError(f"ONLY must be some of {', '.join(benchmark.SECTIONS)}, got {name!r}")
    files = [BUILD / "bench" / "engines.json", *filter(None, [_writable(options.json)])]
    before = benchmark.Machine.now()
    with benchmark.moving_line() as progress:
        sections = benchmark.measure(asked, options.only, progress)
    for file in files:
        benchmark.write(file, asked, before, sections)
    console = Console(width=None if sys.stdout.isatty() else 100, markup=False)
    console.print(f"{before}\n", highlight=False)
    figures.print_sections(sections, console)
    console.print(f"figures: {', '.join(map(shown, files))}", soft_wrap=True, highlight=False)
    return FAILED if any(section.failure for section in sections) else 0


def _lint(options: argparse.Namespace) -> int:
    with _progress() as progress:
        findings = lint.lint(progress)
    for finding in findings:
        print(finding)
    print(f"lint: {len(findings)} findings")
    return 0 if not findings else FAILED


def _torch_command(name: str) -> Callable[[Sequence[str]], int]:
    """Return the main of a command of ``a2q_ref``, which parses its own arguments."""
    try:
        if name == "train":
            from a2q_ref.train import main
        elif name == "bench-quantizers":
            from a2q_ref.bench import main
        else:
            from a2q_ref.experiments.main import main
    except ModuleNotFoundError as error:
        raise InputError(f"a2q {name} needs {error.name}: make {name} installs it") from None
    found: Callable[[Sequence[str]], int] = main
    return found


def _integer(name: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
        raise InputError(f"{name} must be an integer from {low} to {high}, got {text!r}")
    return int(text)


def _slug(path: Path) -> str:
    """Return a layer file's name as a case takes it."""
    return re.sub(r"\W", "_", path.stem, flags=re.ASCII)[:64]


def _overflow(word: str) -> Overflow:
    for policy in Overflow:
        if policy.word == word:
            return policy
    raise InputError(f"OVERFLOW must be wrap or saturate, got {word!r}")


def _stalls(text: str) -> dict[str, str]:
    stalls = {}
    for part in filter(None, text.split(",")):
        stream, equals, pattern = part.partition("=")
        if not equals or stream not in STREAMS:
            raise InputError(
                f"STALL must be STREAM=PATTERN with {', '.join(STREAMS)}, got {part!r}"
            )
        if stream in stalls:
            raise InputError(f"STALL must name a stream once, got {text!r}")
        stalls[stream] = pattern
    return stalls


def _writable(name: str | None) -> Path | None:
    """Return the path of a file that can be written, or refuse before any work is done."""
    if name is None:
        return None
    path = writable_file(name)
    if path is None:
        raise InputError(f"JSON must be a regular file that can be written, got {name}")
    return path


def _folder(name: str) -> Path:
    """Return a folder that is there or can be made, or refuse before any work is done."""
    path = Path(name)
    nearest = next(
        place for place in (path, *path.absolute().parents) if place.exists() or place.is_symlink()
    )
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(f"INTO must be a folder that can be written, got {name!r}")
    return path


@contextlib.contextmanager
def _bar(things: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many things are done: a bar on a terminal, a plain line for each tenth elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn(things), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(things, total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of)
        return
    with _progress() as step:

        def tell(done: int, of: int) -> None:
            if done * 10 // of > (done - 1) * 10 // of:
                step(f"{done} of {of} {things}")

        yield tell


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show what goes on: a moving line on a terminal, plain lines with times elsewhere."""
    console, started = Console(stderr=True), time.monotonic()
    with console.status("building") if console.is_terminal else contextlib.nullcontext():

        def step(line: str) -> None:
            elapsed = time.monotonic() - started
            console.print(
                f"[{elapsed:5.1f} s] {line}", highlight=False, markup=False, soft_wrap=True
            )

        yield step


if __name__ == "__main__":
    sys.exit(main())
