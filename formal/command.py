"""``a2q prove``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from formal import activations, arithmetic, control, movers, report, scaling
from formal.claim import Status
from formal.run import Question, check, prove_all, refutation, require_solvers, standing, told_once
from formal.solver import SOLVERS
from golden.archive import whole_file
from golden.integer import InputError
from golden.layer import QuantLayer
from sim import plan
from sim.arguments import FAILED, bar, overflow, slug, whole, writable
from sim.paths import BUILD, RTL, shown
from sim.tools import ToolError

NOT_PROVED = 3  # exit status: neither proved nor refuted


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Prove that mac, dot and pe never overflow within the bound, for any weights, and each row "
        "of a layer on the mvau; for rows that are not safe, find an input that overflows. Exit "
        "status 0: all proved; 1: refuted; 3: not proved, because a tool is missing or gave no "
        "answer."
    )
    parser.add_argument("--acc", metavar="P", help="accumulator width, 2 to 64; 16 if not given")
    parser.add_argument("--overflow", metavar="POLICY", help="wrap or saturate; wrap if not given")
    parser.add_argument("--layer", metavar="FILE", help="a layer (.npz) in place of the shipped")
    parser.add_argument("--pe", metavar="N", help="mvau: output rows at once")
    parser.add_argument("--simd", metavar="N", help="lanes of mvau, dot and pe")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--units", action="store_true",
        help="prove instead that each unit does what it says, at shapes of its own",
    )  # fmt: skip
    instead.add_argument(
        "--scaling", action="store_true",
        help="time instead how far proofs go, each solver alone (half an hour)",
    )  # fmt: skip
    parser.add_argument(
        "--solver", default=",".join(SOLVERS), metavar="NAME[,...]", help="asked in turn"
    )
    parser.add_argument("--limit", default="60", metavar="S", help="seconds for a solver's answer")
    parser.add_argument("--rtl", metavar="FOLDER", help="Verilog files in place of ours")
    parser.add_argument("--json", metavar="FILE", help="write all evidence there as well")


def run(options: argparse.Namespace) -> int:
    try:
        return _run(options)
    except ToolError as error:
        print(f"a2q: not proved: {error}", file=sys.stderr)
        return NOT_PROVED


def _run(options: argparse.Namespace) -> int:
    if options.units or options.scaling:
        mode = "--units" if options.units else "--scaling"
        for name in ("acc", "overflow", "layer", "pe", "simd"):
            if (given := getattr(options, name)) is not None:
                raise InputError(f"{mode} has shapes of its own, got --{name} {given}")
    question = Question(
        acc_bits=whole("ACC", "16" if options.acc is None else options.acc, 2, 64),
        overflow=overflow("wrap" if options.overflow is None else options.overflow),
        pe=options.pe and whole("PE", options.pe, 1, 65536),
        simd=options.simd and whole("SIMD", options.simd, 1, 65536),
        rtl=_folder(options.rtl),
        solvers=require_solvers(options.solver),
        limit_s=float(whole("LIMIT", options.limit, 1, 86400)),
    )
    output = writable(options.json)
    console = Console(width=None if sys.stdout.isatty() else 100, markup=False)
    if options.scaling:
        return _scaling(question, console)
    if options.units:
        return _units(question, console, output)
    if options.layer:
        path = Path(options.layer)
        named = [plan.NamedLayer(path.stem, slug(path), QuantLayer.load(path))]
    else:
        named = plan.shipped_layers(question.acc_bits)
    with bar("claims") as progress:
        proofs = check(question, named, progress)
    report.print_proofs(proofs, console)
    _write(report.to_json(proofs), BUILD / "proofs" / f"p{question.acc_bits}.json", output)
    return FAILED if proofs.refuted else NOT_PROVED if proofs.open else 0


def _units(question: Question, console: Console, output: Path | None) -> int:
    claims = [*arithmetic.dots(), *movers.claims(), *activations.claims()]
    claims += [claim for spec in control.SPECS for claim in control.claims(spec)]
    with bar("claims") as progress:
        done = standing(prove_all(claims, question, progress))
    evidence = [done[claim] for claim in claims]
    console.print(report.claims_table(evidence))
    refuted = [refutation(e) for e in evidence if e.status == Status.REFUTED]
    unproved = told_once((e.claim, e.why) for e in evidence if e.status == Status.NOT_PROVED)
    unproved += [f"nothing guarantees {promise}" for promise in arithmetic.unmet(claims)]
    console.print()
    for what in dict.fromkeys(what for e in evidence for what in e.assumes):
        if "promise" not in what:
            console.print(f"Assumed: {what}.", highlight=False)
    report.print_failures(refuted, unproved, console)
    report.print_verdict(refuted, unproved, console)
    _write({"claims": [e.to_json() for e in evidence]}, BUILD / "proofs" / "units.json", output)
    return FAILED if refuted else NOT_PROVED if unproved else 0


def _scaling(question: Question, console: Console) -> int:
    path = BUILD / "proofs" / "scaling.csv"
    so_far: list[scaling.Measured] = []

    def keep(measured: scaling.Measured) -> None:
        so_far.append(measured)
        scaling.write(so_far, path)

    with bar("points") as progress:
        scaling.measure(scaling.points(), question.limit_s, progress, keep)
    console.print(scaling.table(so_far), soft_wrap=True, highlight=False)
    console.print(f"table: {shown(path)}", soft_wrap=True, highlight=False)
    return 0


def _write(data: object, kept: Path, output: Path | None) -> None:
    for path in filter(None, (kept, output)):
        with whole_file(path) as partial:
            partial.write_text(f"{json.dumps(data, indent=2)}\n", encoding="utf-8")


def _folder(name: str | None) -> Path:
    path = Path(name) if name else RTL
    if not any(path.glob("*.v")):
        raise InputError(f"RTL must be a folder with Verilog files, got {shown(path)}")
    return path
