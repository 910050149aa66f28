"""A verdict for people (terminal) and for programs (JSON)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.check import LayerVerdict, Verdict
from sim.dut.hostile import Hostile
from sim.paths import BUILD, shown
from tb import stimulus


def print_verdict(verdict: Verdict, console: Console) -> None:
    """Print the table, then the verdict in words."""
    console.print(_heading(verdict), highlight=False)
    console.print()
    console.print(_table(verdict))
    for failure in verdict.failures:
        # Never folded: it ends in a command to copy.
        console.print(Text(failure, style="red"), soft_wrap=True)
    if verdict.hostile is not None and any("no end within" in each for each in verdict.failures):
        console.print(
            "No end: where all operands moved, results were lost; where it is slower than a beat a "
            "cycle, cycles_per_beat must say so; where no beat moved, reset may be of the other "
            "polarity.",
            highlight=False,
        )
    results = sum(t.results for layer in verdict.layers for p in layer.played for t in p.tallies)
    if verdict.hostile is not None:
        console.print(_hostile(verdict.hostile), highlight=False)
    if not verdict.failures:
        console.print(f"RTL = golden model, bit for bit, in all {results:,} results.")
    is_wrong = verdict.hostile is not None and verdict.hostile.failing > 0
    for layer in verdict.layers:
        console.print()
        told = f"{layer.named.name}: not judged, because hostile cases failed."
        console.print(told if is_wrong else _sentences(layer), highlight=False)
    if not is_wrong and (accuracies := _accuracies(verdict)):
        console.print()
        console.print(accuracies, highlight=False)
    console.print()
    word, style = ("PASSED", "bold green") if verdict.passed else ("FAILED", "bold red")
    place = BUILD / ("runs" if verdict.passed else "failures")
    console.print(Text.assemble((word, style), f"  cases, logs, outcomes: {shown(place)}"))


def to_json(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as JSON values."""
    return {
        "passed": verdict.passed,
        "acc_bits": verdict.question.acc_bits,
        "overflow": verdict.question.overflow.word,
        "stalls": verdict.question.stalls,
        "seed": verdict.question.seed,
        "simulator": verdict.simulator.version,
        "rtl_sha256": verdict.rtl_hash,
        "failures": verdict.failures,
        "hostile": verdict.hostile
        and {
            "specs": [spec.id for spec in verdict.hostile.specs],
            "cases": verdict.hostile.cases,
            "failing": verdict.hostile.failing,
        },
        "layers": [_layer_json(layer) for layer in verdict.layers],
    }


def _layer_json(layer: LayerVerdict) -> dict[str, Any]:
    witness = layer.witness
    return {
        "name": layer.named.name,
        "origin": layer.named.layer.origin,
        "needed_bits": layer.needed_bits,
        "safe": layer.is_safe,
        "overflows_seen": layer.overflows_seen,
        "accuracy": layer.accuracy,
        "exact_accuracy": layer.exact_accuracy,
        "witness": witness
        and {
            "row": witness.row,
            "inputs": witness.inputs.tolist(),
            "exact": witness.exact,
            "exact_bits": witness.bits,
            "held": witness.held,
        },
        "runs": [
            {
                "unit": played.case.unit,
                "spec": played.case.spec.id,
                "case": str(played.folder / "case.json"),
                "cycles": played.cycles,
                "stimuli": [asdict(tally) for tally in played.tallies],
            }
            for played in layer.played
        ],
    }


def _sentences(layer: LayerVerdict) -> str:
    name, p, needed = layer.named.name, layer.acc_bits, layer.needed_bits
    if not all(played.passed for played in layer.played):
        return f"{name}: not judged, because the RTL is not what the golden model says."
    watched = sum(t.partial_sums for played in layer.played for t in played.tallies)
    parts = [
        f"the {played.case.unit} played the worst cases of {rows} of {layer.named.layer.mh} rows"
        for played in layer.played
        if (rows := played.case.families.count(stimulus.WORST) // 2) < layer.named.layer.mh
    ]
    share = f" The hardest rows stand for all: {', '.join(parts)}." if parts else ""
    observes = all(played.case.spec.observe for played in layer.played)
    if layer.is_safe:
        promised = layer.named.layer.trained_acc_bits is not None
        word = "the guarantee held" if promised else "safe at this width"
        if layer.overflows_seen:
            word = "THE GUARANTEE BROKE"
        seen = f"{layer.overflows_seen:,} overflows in {watched:,} partial sums."
        if not observes:
            results = sum(t.results for played in layer.played for t in played.tallies)
            seen = (
                f"{layer.overflows_seen:,} of {results:,} results are not the exact sums, which is "
                f"all that a unit without overflow bits can show."
            )
        return f"{name}: {word}. Its worst input needs {needed} of the {p} bits; {seen}{share}"
    transient = sum(t.transient_predicted for played in layer.played for t in played.tallies)
    text = (
        f"{name}: not safe. Its worst input needs {needed} bits, there are {p}; "
        f"{layer.overflows_seen:,} results overflowed, {transient:,} of them only on the way "
        f"(their final sums fit).{share}"
    )
    if not observes:
        text = (
            f"{name}: not safe. Its worst input needs {needed} bits, there are {p}; "
            f"{layer.overflows_seen:,} results are not the exact sums. There are no overflow bits: "
            f"{transient:,} overflows on the way, whose final sums fit, can not be seen.{share}"
        )
    if (witness := layer.witness) is None:
        return text
    return (
        f"{text}\nWorst case: row {witness.row}, whose exact sum {witness.exact:,} needs "
        f"{witness.bits} bits; the {p}-bit register held {witness.held:,}. Its inputs:\n"
        f"{_abridged(witness.inputs.tolist())}"
    )


def _accuracies(verdict: Verdict) -> str:
    measured = [layer for layer in verdict.layers if layer.accuracy is not None]
    if not measured:
        return ""
    images = next(t.vectors for t in measured[0].played[-1].tallies if t.family == stimulus.REAL)
    lines = [f"Accuracy on {images} labelled inputs, from the RTL's outputs:"]
    for layer in measured:
        lines.append(
            f"  {layer.named.name:<14} {layer.accuracy:>6.1%} at P={layer.acc_bits}"
            f"   ({layer.exact_accuracy:.1%} with unlimited accumulators)"
        )
    return "\n".join(lines)


def _abridged(values: list[int], limit: int = 64) -> str:
    texts = [str(value) for value in values]
    return " ".join([*texts[:limit], *(["..."] if len(texts) > limit else [])])


def _heading(verdict: Verdict) -> str:
    question, spec = verdict.question, verdict.layers[0].played[-1].case.spec
    stalls = ", ".join(f"{stream} {name}" for stream, name in question.stalls.items())
    return (
        f"P={question.acc_bits}, {question.overflow.word}; {spec.mw} {spec.inputs} inputs, "
        f"{spec.mh} outputs, {spec.weight_bits}-bit weights; "
        f"{question.units[-1]} with PE={spec.pe} SIMD={spec.simd}; "
        f"stalls: {stalls or 'none'}; seed {question.seed}; {verdict.simulator.version}"
    )


def _hostile(hostile: Hostile) -> str:
    specs = f"{len(hostile.specs)} small specs"
    if hostile.failing:
        return f"Hostile cases: {hostile.failing} of {hostile.cases} FAILED, on {specs}."
    return (
        f"Hostile cases: all {hostile.cases} passed, on {specs}, with stalls on each stream and "
        f"resets in the middle; {hostile.results:,} results."
    )


def _table(verdict: Verdict) -> Table:
    # Narrow enough for a terminal of 80 columns.
    observes = verdict.question.observe
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for heading in ("unit", "weights", "stimulus"):
        table.add_column(heading)
    watched, found = ("partial\nsums", "overflows") if observes else ("results", "inexact")
    for heading in ("vectors", watched, "mis-\nmatches", f"{found}\nseen", f"{found}\npredicted"):
        table.add_column(heading, justify="right")
    for layer in verdict.layers:
        for played in layer.played:
            for tally in played.tallies:
                right = tally.overflows_seen == tally.overflows_predicted
                table.add_row(
                    played.case.unit, layer.named.name, tally.family,
                    f"{tally.vectors:,}",
                    f"{tally.partial_sums if observes else tally.results:,}",
                    Text(f"{tally.mismatches:,}", style="red" if tally.mismatches else "green"),
                    Text(f"{tally.overflows_seen:,}", style="green" if right else "red"),
                    f"{tally.overflows_predicted:,}",
                )  # fmt: skip
        table.add_row()
    return table
