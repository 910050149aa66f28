"""What was proved, for people (terminal) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from formal.claim import Evidence, Status
from formal.run import LayerProof, Loosened, Proofs
from sim.paths import BUILD, shown
from sim.rtl import rtl_hash

_STYLES = {Status.PROVED: "green", Status.REFUTED: "red", Status.NOT_PROVED: "yellow"}


def print_proofs(proofs: Proofs, console: Console) -> None:
    """Print the table of claims, then what they come to, in words."""
    question = proofs.question
    console.print(
        f"P={question.acc_bits}, {question.overflow.word}; "
        f"{'; '.join(dict.fromkeys(tool for e in proofs.general for tool in e.tools))}",
        highlight=False,
    )
    console.print()
    console.print(_pieces(proofs.general))
    console.print()
    console.print(_general(proofs), highlight=False)
    for layer in proofs.layers:
        console.print()
        console.print(_layer(layer), highlight=False)
        if layer.case is not None:  # never folded: it is there to be copied
            command = f"  play them again: make repro CASE={shown(layer.case)}"
            console.print(command, soft_wrap=True, highlight=False)
    console.print()
    console.print("One LSB looser:")
    for loose in proofs.loosened:
        console.print(_loosened(loose), highlight=False)
    console.print()
    assumed = [
        what
        for e in [*proofs.general, *(row.evidence for each in proofs.layers for row in each.rows)]
        for what in e.assumes
        if "promise" not in what
    ]
    console.print("Assumed: " + "; ".join(dict.fromkeys(assumed)) + ".", highlight=False)
    print_failures(proofs.refuted, proofs.open, console)
    witnessed = [row for each in proofs.layers for row in each.rows if row.witness is not None]
    print_verdict(proofs.refuted, proofs.open, console, len(witnessed))


def print_failures(refuted: Sequence[str], unproved: Sequence[str], console: Console) -> None:
    """Print what is wrong, then what is open."""
    for what in refuted:
        console.print(Text(f"REFUTED  {what}", style="red"), soft_wrap=True)
    for what in unproved:
        console.print(Text(f"NOT PROVED  {what}", style="yellow"), soft_wrap=True)


def print_verdict(
    refuted: Sequence[str], unproved: Sequence[str], console: Console, overflow: int = 0
) -> None:
    """Print the last line; ``overflow`` rows are not safe, and were seen to overflow."""
    word, style = ("PROVED", "bold green")
    if refuted:
        word, style = ("REFUTED", "bold red")
    elif unproved:
        word, style = ("NOT PROVED", "bold yellow")
    rows = "1 row overflows" if overflow == 1 else f"{overflow} rows overflow"
    told = f", {rows}" if overflow and word == "PROVED" else ""
    place = f"{told}  evidence, traces, witnesses: {shown(BUILD / 'proofs')}"
    console.print(Text.assemble((word, style), place), soft_wrap=True)


def _pieces(evidence: Sequence[Evidence]) -> Table:
    """Return a table with a line for each property, of all formats and widths that it is about."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "for all values, for all time"):
        table.add_column(heading)
    for heading in ("claims", "proved", "covers"):
        table.add_column(heading, justify="right")
    table.add_column("s", justify="right", min_width=6)  # lines fold alike, however long it takes
    for name in dict.fromkeys(each.property for each in evidence):
        group = [each for each in evidence if each.property == name]
        proved = sum(each.status == Status.PROVED for each in group)
        style = "green" if proved == len(group) else "red"
        table.add_row(
            name.replace("_", " "), group[0].says, str(len(group)), Text(str(proved), style=style),
            str(sum(each.covers for each in group)), f"{sum(each.seconds for each in group):.1f}",
        )  # fmt: skip
    return table


def claims_table(evidence: Sequence[Evidence]) -> Table:
    """Return a table with a line for each claim."""
    table = Table(box=None, pad_edge=False)
    for heading in ("claim", ""):
        table.add_column(heading)
    for heading in ("covers", "s"):
        table.add_column(heading, justify="right")
    for each in evidence:
        status = Text(each.status.value, style=_STYLES[each.status])
        table.add_row(each.claim, status, str(each.covers), f"{each.seconds:.1f}")
    return table


def to_json(proofs: Proofs) -> dict[str, Any]:
    """Return all evidence as JSON values."""
    return {
        "acc_bits": proofs.question.acc_bits,
        "overflow": proofs.question.overflow.word,
        "rtl_sha256": rtl_hash(proofs.question.rtl),
        "refuted": proofs.refuted,
        "not_proved": proofs.open,
        "claims": [e.to_json() for e in proofs.general],
        "loosened": [
            {
                "bound": loose.bound,
                "inputs": str(loose.spec.inputs),
                "evidence": loose.evidence.to_json(),
                "row": list(loose.row),
                "exact": loose.exact,
            }
            for loose in proofs.loosened
        ],
        "layers": [
            {
                "name": layer.named.name,
                "spec": layer.spec.to_json(),
                "case": layer.case and shown(layer.case),
                "rows": [
                    {
                        "row": row.number,
                        "needed_bits": row.needed_bits,
                        "evidence": row.evidence.to_json(),
                        "witness": row.witness
                        and {
                            "inputs": row.witness.inputs.tolist(),
                            "by": row.witness.by,
                            "exact": row.exact,
                        },
                    }
                    for row in layer.rows
                ],
            }
            for layer in proofs.layers
        ],
    }


def _general(proofs: Proofs) -> str:
    if proofs.unmet or any(e.status != Status.PROVED for e in proofs.general):
        return "Any weights: not all of it is proved."
    spec = proofs.specs[0]
    inputs = " or ".join(str(each.inputs) for each in proofs.specs)
    lanes = "1 lane" if spec.simd == 1 else f"{spec.simd} lanes"
    return (
        f"Any weights: proved. For all {spec.weights} weights, {inputs} inputs, rows of any "
        f"length, stalls and resets: as long as no weights of a dot product reach farther than "
        f"{spec.acc_bits} bits, as A2Q's and A2Q+'s bounds imply, mac, pe and dot ({lanes}) "
        "hold its exact sum, and no partial sum overflows."
    )


def _loosened(loose: Loosened) -> str:
    what = f"{loose.bound}, {loose.spec.inputs} inputs:"
    if loose.evidence.status == Status.REFUTED:
        row = " ".join(map(str, loose.row[:8])) + (" ..." if len(loose.row) > 8 else "")
        return f"  {what} overflows. Weights {row} reach {loose.exact:,}; the RTL flags it."
    if loose.evidence.status == Status.PROVED:
        return f"  {what} still fits P bits (proved); what overflows is farther out."
    return f"  {what} neither a row nor a proof found: {loose.evidence.why}."


def _layer(layer: LayerProof) -> str:
    name, spec, rows = layer.named.name, layer.spec, layer.rows
    needed = max(row.needed_bits for row in rows)
    where = f"on the mvau with PE={spec.pe} SIMD={spec.simd}, for any inputs and stalls"
    witnessed = [row for row in rows if row.witness is not None]
    if not witnessed:
        return (
            f"{name}: {layer.proved} of {len(rows)} rows proved {where}. Its worst input needs "
            f"{needed} of the {spec.acc_bits} bits."
        )
    solved = sum(row.witness is not None and row.witness.by != "exact arithmetic" for row in rows)
    farthest = max(witnessed, key=lambda row: abs(row.exact))
    agree = "golden, the batch engine and cocotb agree" if not layer.failures else "see REFUTED"
    rest = len(rows) - len(witnessed)
    others = f" Proved of the other rows: {layer.proved} of {rest}, {where}." if rest else ""
    return (
        f"{name}: not safe. Its worst input needs {needed} bits, there are {spec.acc_bits}. "
        f"{len(witnessed)} of {len(rows)} rows overflow, each on an input that is kept ({solved} "
        f"found by a solver, {len(witnessed) - solved} by exact arithmetic): {agree}. Row "
        f"{farthest.number} comes to {farthest.exact:,} at its end.{others}"
    )
