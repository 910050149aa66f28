"""The command line ``a2q``, whose sub-commands are what make calls.

Exit status: 0 the check passed; 1 it failed; 2 bad input or a missing tool, said in one sentence;
of proofs 3: neither proved nor refuted, or no tool to prove it with.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

try:
    from rich.console import Console

    from formal import command as proofs
    from golden.archive import whole_file
    from golden.integer import InputError
    from golden.layer import LabelledInputs, QuantLayer
    from sim import batch, lint, plan, report
    from sim.arguments import FAILED, overflow, slug, stalls, steps, whole, writable
    from sim.bench import command as bench
    from sim.cache import SimulationError
    from sim.check import check
    from sim.dut import Dut, hostile
    from sim.dut import command as dut_command
    from sim.generate import command as generate
    from sim.network import command as network
    from sim.paths import KEPT_CASES, RTL, shown
    from sim.regress import command as regress
    from sim.rtl import Rtl
    from sim.run import play, play_streams
    from sim.sweep import command as sweep
    from sim.tools import SIMULATORS, simulator
    from tb.case import DENSE, UNROLLED, Case
    from tb.stalls import STREAMS
    from tb.streams import StreamCase
except KeyboardInterrupt:  # they take a moment
    print("a2q: interrupted; nothing was begun", file=sys.stderr)
    sys.exit(130)

BAD_INPUT, INTERRUPTED = 2, 130
PLAYED = (*DENSE, UNROLLED)  # units that the main job can be about
STALL_HELP = (
    "input, weight or output; never, every-N, bursts-ON-OFF, random-PERCENT, late-CYCLES or "
    "cycles-BITS, for example weight=random-30,output=bursts-4-7"
)

TORCH_COMMANDS = {
    "train": "train the shipped layers, or others, and export them",
    "train-networks": "train the shipped networks of several stages",
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
    except BrokenPipeError:
        # Python would try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("a2q: nobody reads what it prints any more", file=sys.stderr)
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
    sim.add_argument("--units", metavar="UNIT[,...]", help=f"of {', '.join(PLAYED)}; mac,mvau")
    sim.add_argument("--pe", metavar="N", help="mvau: output rows at once")
    sim.add_argument("--simd", metavar="N", help="mvau: input columns at once")
    sim.add_argument("--overflow", metavar="POLICY", help="wrap, or saturate; that of the DUT")
    sim.add_argument("--dut", metavar="FILE", help="a description (.toml) of RTL in place of ours")
    sim.add_argument("--stall", default="", metavar="STREAM=PATTERN[,...]", help=STALL_HELP)
    sim.add_argument("--seed", default="1", metavar="N", help="of everything random")
    sim.add_argument("--json", metavar="FILE", help="write the verdict there as well")
    _simulation_options(sim)

    repro = commands.add_parser("repro", help="play a case file again")
    repro.set_defaults(run=_repro)
    repro.add_argument("case", metavar="CASE", help="a case.json, or its folder")
    instead = repro.add_mutually_exclusive_group()
    instead.add_argument("--rtl", metavar="FOLDER", help="Verilog files in place of ours")
    instead.add_argument("--dut", metavar="FILE", help="a description of RTL in place of ours")
    _simulation_options(repro)

    keep = commands.add_parser("keep", help="make a case a permanent test")
    keep.set_defaults(run=_keep)
    keep.add_argument("case", metavar="CASE", help="a case.json, or its folder")

    network_ = commands.add_parser("network", help="play a whole network, as one Verilog top")
    network_.set_defaults(run=network.run)
    network.add_options(network_)

    sweep_ = commands.add_parser("sweep", help="find where overflow starts, on a grid of units")
    sweep_.set_defaults(run=sweep.run)
    sweep.add_options(sweep_)

    bench_ = commands.add_parser("bench", help="time engines, builds, golden model, searches")
    bench_.set_defaults(run=bench.run)
    bench.add_options(bench_)

    regress_ = commands.add_parser("regress", help="what did an edit break, cost, leave untested?")
    regress_.set_defaults(run=regress.main)
    regress.add_options(regress_)

    unroll = commands.add_parser("unroll", help="write a layer as Verilog, its weights wired in")
    unroll.set_defaults(run=generate.run)
    generate.add_options(unroll)

    prove = commands.add_parser("prove", help="prove it: all inputs, for all time, on the RTL")
    prove.set_defaults(run=proofs.run)
    proofs.add_options(prove)

    lint_ = commands.add_parser("lint", help="hold the RTL to both lint gates")
    lint_.set_defaults(run=_lint)

    dut = commands.add_parser("dut", help="describe RTL that is not ours, to be played by sim")
    dut_command.add_options(dut)

    for name, what in TORCH_COMMANDS.items():
        commands.add_parser(name, help=what)
    return parser


def _simulation_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sim", default="verilator", metavar="NAME", help=" or ".join(SIMULATORS))
    parser.add_argument("--waves", action="store_true", help="keep waves of the run")


def _sim(options: argparse.Namespace) -> int:
    acc_bits = whole("ACC", options.acc, 2, 64)
    dut = Dut.load(Path(options.dut)) if options.dut else None
    policy = "wrap" if dut is None else dut.policies[0].word
    question = plan.Question(
        acc_bits=acc_bits,
        pe=options.pe and whole("PE", options.pe, 1, 65536),
        simd=options.simd and whole("SIMD", options.simd, 1, 65536),
        overflow=overflow(policy if options.overflow is None else options.overflow),
        stalls=stalls(options.stall, STREAMS),
        seed=whole("SEED", options.seed, 0, 2**31 - 1),
        waves=options.waves,
    )
    output = writable(options.json)
    data: LabelledInputs | None
    if options.layer:
        path = Path(options.layer)
        layers = [plan.NamedLayer(path.stem, slug(path), QuantLayer.load(path))]
        data = LabelledInputs.load(Path(options.inputs)) if options.inputs else None
    elif options.inputs:
        raise InputError(f"INPUTS must come with a LAYER that they are for, got {options.inputs}")
    else:
        layers, data = plan.shipped_layers(acc_bits), plan.shipped_images()
    if options.units is not None:
        question = replace(question, units=_units(options.units, dut))
    if dut is not None:
        question = dut_command.question(question, dut, layers)
        dut_command.require(question, dut, layers, data)
    tool = simulator(options.sim)
    with steps() as progress:
        met = hostile.play(dut, question.seed, progress) if dut else None
        verdict = check(question, layers, data, tool, progress, dut or RTL)
        verdict = replace(verdict, hostile=met)
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


def _units(text: str, dut: Dut | None) -> tuple[str, ...]:
    units = tuple(text.split(","))
    if dut is not None:
        raise InputError(f"UNITS must not be given with a DUT, which is the unit, got {text!r}")
    if not set(units) <= set(PLAYED) or len(set(units)) < len(units):
        raise InputError(f"UNITS must be some of {', '.join(PLAYED)}, got {text!r}")
    return units


def _case_file(name: str) -> Path:
    if not name:
        raise InputError("CASE must name a case.json, got nothing")
    path = Path(name)
    return path / "case.json" if path.is_dir() else path


def _keep(options: argparse.Namespace) -> int:
    """Copy a case to where ``make test`` plays all that are there, on both engines."""
    path = _case_file(options.case)
    case = (StreamCase if StreamCase.is_saved_in(path) else Case).load(path)
    # Two cases of one layer and shape have one id, and must not replace each other.
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    kept = KEPT_CASES / f"{case.id}-{digest}.json"
    when = "already" if kept.exists() else "from now on"
    case.save(kept)
    print(f"{shown(kept)}: make test plays it {when}")
    return 0


def _repro(options: argparse.Namespace) -> int:
    path = _case_file(options.case)
    if StreamCase.is_saved_in(path):
        if options.dut:
            raise InputError(f"DUT must come with a case of a mac or mvau, got {path}")
        return _repro_streams(StreamCase.load(path), options)
    case = Case.load(path)
    rtl: Rtl = _folder(options)
    if options.dut:
        rtl = Dut.load(Path(options.dut))
        rtl.require(case.spec)
    with steps() as progress:
        progress(f"playing {case.id}")
        played = play(case, simulator(options.sim), waves=options.waves, rtl=rtl)
        if played.passed and options.sim == "verilator":
            # What registers start from differs between the engines, and with it what shows a bug.
            progress("it passes with cocotb; playing it on the batch engine")
            again = batch.play(case, rtl)
            played = played if again.passed else again
    if played.report:
        print(f"{_name(rtl)}:\n{played.report}")
        print(f"\nreplay: {played.replay}")
    else:
        results = sum(tally.results for tally in played.tallies)
        overflow = sum(tally.overflows_predicted for tally in played.tallies)
        print(
            f"{_name(rtl)} = golden model, bit for bit, in all {results:,} results of {case.id}; "
            f"{overflow:,} of them overflow"
        )
    for waves in sorted(played.folder.glob("waves.*")):
        print(f"waves: {shown(waves)}")
    return 0 if played.passed else FAILED


def _name(rtl: Rtl) -> str:
    """Return which RTL a verdict is about."""
    if rtl == RTL:
        return "RTL"
    return f"RTL of {shown(rtl if isinstance(rtl, Path) else rtl.path)}"


def _folder(options: argparse.Namespace) -> Path:
    rtl = Path(options.rtl) if options.rtl else RTL
    if not any(rtl.glob("*.v")):
        raise InputError(f"RTL must be a folder with Verilog files, got {rtl}")
    return rtl


def _repro_streams(case: StreamCase, options: argparse.Namespace) -> int:
    rtl = _folder(options)
    with steps() as progress:
        progress(f"playing {case.id}")
        folder, faults = play_streams([case], simulator(options.sim), options.waves, rtl)
        if not faults and options.sim == "verilator":
            progress("it passes with cocotb; playing it on the batch engine")
            faults = list(filter(None, [batch.play_streams(case, rtl).report]))
    beats = sum(len(due) for due in case.sinks.values())
    sentence = f"{_name(rtl)}: every beat was as due, all {beats:,} of {case.id}"
    print("\n".join([f"{_name(rtl)}:", *faults] if faults else [sentence]))
    for waves in sorted(folder.glob("waves.*")):
        print(f"waves: {shown(waves)}")
    return FAILED if faults else 0


def _lint(options: argparse.Namespace) -> int:
    with steps() as progress:
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
        elif name == "train-networks":
            from a2q_ref.train_networks import main
        elif name == "bench-quantizers":
            from a2q_ref.bench import main
        else:
            from a2q_ref.experiments.main import main
    except ModuleNotFoundError as error:
        raise InputError(f"a2q {name} needs {error.name}: make {name} installs it") from None
    found: Callable[[Sequence[str]], int] = main
    return found


if __name__ == "__main__":
    sys.exit(main())
