"""What came of networks, for people (terminal) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.network.play import NetworkVerdict, Question
from sim.paths import shown

MEGAHERTZ = 100  # of the clock that frames a second are told for


def print_verdicts(
    verdicts: Sequence[NetworkVerdict], question: Question, version: str, console: Console
) -> None:
    """Print a table, then what it means in words."""
    stalls = ", ".join(f"{side} {pattern}" for side, pattern in question.stalls.items())
    console.print(
        f"P={question.acc_bits}, {question.overflow.word}; {verdicts[0].images} images; "
        f"stalls: {stalls or 'none'}; seed {question.seed}; {version}\n",
        highlight=False,
    )
    console.print(_table(verdicts))
    for verdict in verdicts:
        for failure in verdict.failures:
            # Never folded: it ends in a command to copy.
            console.print(Text(failure, style="red"), soft_wrap=True)
    slowest = max(verdict.pipeline.cycles for verdict in verdicts)
    if slowest > question.cycles:
        console.print(
            f"CYCLES={question.cycles} is out of reach: with all lanes that it can have, the "
            f"slowest unit takes {slowest:,} cycles a frame.",
            highlight=False,
        )
    results = sum(stage.results for verdict in verdicts for stage in verdict.stages)
    if not any(verdict.failures for verdict in verdicts):
        console.print(
            f"RTL = golden.network, bit for bit, in all {results:,} accumulators of all stages."
        )
    for verdict in verdicts:
        console.print()
        console.print(_sentences(verdict, calm=not question.stalls), highlight=False)
    passed = not any(verdict.failures for verdict in verdicts)
    word, style = ("PASSED", "bold green") if passed else ("FAILED", "bold red")
    places = ", ".join(shown(verdict.folder) for verdict in verdicts)
    console.print()
    console.print(Text.assemble((word, style), f"  Verilog: {places}"), soft_wrap=True)


def to_json(verdicts: Sequence[NetworkVerdict], question: Question, version: str) -> dict[str, Any]:
    """Return the verdicts as JSON values."""
    return {
        "passed": not any(verdict.failures for verdict in verdicts),
        "acc_bits": question.acc_bits,
        "overflow": question.overflow.word,
        "stalls": dict(question.stalls),
        "seed": question.seed,
        "simulator": version,
        "networks": [_json(verdict) for verdict in verdicts],
    }


def _json(verdict: NetworkVerdict) -> dict[str, Any]:
    return {
        "name": verdict.name,
        "failures": verdict.failures,
        "images": verdict.images,
        "safe": verdict.is_safe,
        "accuracy": verdict.accuracy,
        "golden_accuracy": verdict.golden_accuracy,
        "exact_accuracy": verdict.exact_accuracy,
        "cycles": verdict.cycles,
        "latency": verdict.latency,
        "cycles_a_frame": verdict.cycles_a_frame,
        "cycles_a_frame_predicted": verdict.pipeline.cycles,
        "verilog": str(verdict.folder),
        "stages": [
            {
                "name": stage.fold.stage.name,
                "unit": stage.fold.unit,
                "spec": stage.fold.spec.id,
                "cycles_a_frame": stage.fold.cycles,
                "needed_bits": stage.fold.stage.needed_bits,
                "results": stage.results,
                "mismatches": stage.mismatches,
                "overflows_seen": stage.overflows_seen,
                "overflows_predicted": stage.overflows_predicted,
            }
            for stage in verdict.stages
        ],
    }


def _table(verdicts: Sequence[NetworkVerdict]) -> Table:
    # Narrow enough for a terminal of 80 columns.
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for heading in ("weights", "stage", "unit"):
        table.add_column(heading)
    for heading in (
        "PE x\nSIMD", "cycles\na frame", "results", "mis-\nmatches", "overflows\nseen",
        "overflows\npredicted",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for verdict in verdicts:
        for stage in verdict.stages:
            right = stage.overflows_seen == stage.overflows_predicted
            spec = stage.fold.spec
            table.add_row(
                verdict.name, stage.fold.stage.name, stage.fold.unit,
                f"{spec.pe} x {spec.simd}", f"{stage.fold.cycles:,}", f"{stage.results:,}",
                Text(f"{stage.mismatches:,}", style="red" if stage.mismatches else "green"),
                Text(f"{stage.overflows_seen:,}", style="green" if right else "red"),
                f"{stage.overflows_predicted:,}",
            )  # fmt: skip
        table.add_row()
    return table


def _sentences(verdict: NetworkVerdict, calm: bool) -> str:
    name, p = verdict.name, verdict.acc_bits
    if verdict.report:
        return f"{name}: not judged, because the RTL is not what the golden model says."
    needed = max(verdict.pipeline.network.needed_bits)
    if verdict.is_safe:
        first = f"{name}: safe. No input whatever needs more than {needed} of the {p} bits."
    else:
        first = f"{name}: not safe. Some input needs {needed} bits, there are {p}."
    results = sum(stage.results for stage in verdict.stages)
    return "\n  ".join(
        [
            first,
            f"overflows: {verdict.overflows_seen:,} of {results:,} results, as golden predicts",
            f"accuracy: {verdict.accuracy:.1%} from the RTL's outputs, as golden predicts;",
            f"  {verdict.exact_accuracy:.1%} with unlimited accumulators",
            f"the first frame is through after {verdict.latency:,} cycles",
            *_throughput(verdict, calm),
            f"{verdict.images / verdict.seconds:,.0f} frames a second in this simulation",
        ]
    )


def _throughput(verdict: NetworkVerdict, calm: bool) -> list[str]:
    if verdict.images == 1:
        return []
    every, predicted = (
        f"{cycles:,.1f}".removesuffix(".0")
        for cycles in (verdict.cycles_a_frame, verdict.pipeline.cycles)
    )
    if every == predicted:
        promise = ", as the folding predicts"
    else:
        promise = f"; {'' if calm else 'without stalls '}the folding predicts {predicted}"
    return [
        f"a frame every {every} cycles{promise}",
        f"{MEGAHERTZ * 1_000_000 / verdict.cycles_a_frame:,.0f} frames a second at {MEGAHERTZ} MHz",
    ]
