"""A sweep for people (terminal) and for programs (CSV, JSON)."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from golden.archive import whole_file
from golden.integer import Overflow
from sim.paths import BUILD, shown
from sim.sweep.grid import Row, Series, Swept, spelled

MOST_FAILURES = 3  # that are printed; the JSON has all
MOST_SHARES = 26  # digits in a row

_LEGEND = """\
A digit for each P: how many tenths of the results overflowed; . none, 0 less
than one tenth, # all, - no such layer."""


def print_swept(swept: Swept, console: Console) -> None:
    """Print the table, what is wrong, and the verdict."""
    console.print(*heading(swept), sep="\n", highlight=False)
    if swept.left_out:
        console.print(
            f"Left out: {swept.left_out} points whose PE does not divide MH, or SIMD not MW.",
            highlight=False,
        )
    console.print()
    table = _table(swept)
    whole = console.options.update(max_width=1000)
    table.width = Measurement.get(console, whole, table).maximum  # of any width, but never cut
    console.print(table, crop=False, highlight=False)
    console.print(_LEGEND, highlight=False)
    console.print()
    for failure in swept.failures[:MOST_FAILURES]:
        console.print(Text(failure, style="red"), soft_wrap=True)
    if (more := len(swept.failures) - MOST_FAILURES) > 0:
        console.print(Text(f"... and {more} more failures", style="red"))
    if swept.passed:
        results = sum(row.tally.results for row in swept.rows)
        console.print(
            f"RTL = golden model, bit for bit, in {results:,} results of {swept.points} points.",
            highlight=False,
        )
    console.print()
    word, style = ("PASSED", "bold green") if swept.passed else ("FAILED", "bold red")
    place = "" if swept.passed else f"  cases: {shown(BUILD / 'failures')}"
    console.print(Text.assemble((word, style), place))


def write(swept: Swept, folder: Path) -> None:
    """Write ``sweep.csv`` and ``sweep.json``, each whole or not at all."""
    rows = [_flat(row) for row in swept.rows]
    with (
        whole_file(folder / "sweep.csv") as partial,
        partial.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_json(swept, folder / "sweep.json")


def write_json(swept: Swept, path: Path) -> None:
    with whole_file(path) as partial:
        partial.write_text(f"{json.dumps(to_json(swept), indent=1)}\n", encoding="utf-8")


def to_json(swept: Swept) -> dict[str, Any]:
    """Return the sweep as JSON values."""
    return {
        "passed": swept.passed,
        "points": swept.points,
        "left_out": swept.left_out,
        "seed": swept.seed,
        "simulator": swept.simulator,
        "rtl_sha256": swept.rtl_hash,
        "failures": list(swept.failures),
        "series": [
            {
                **_fields(series.unit.to_json()),
                "weights": series.weights,
                "stimulus": series.family,
                "widest_overflow": series.widest_overflow,
                "needed_bits": series.needed_bits,
            }
            for series in swept.series
        ],
        "rows": [_flat(row) for row in swept.rows],
    }


def heading(swept: Swept) -> tuple[str, str]:
    """Return what was asked, and the units that it was asked about."""
    p = spelled(swept.values("acc_bits")) or "none"
    names = _fields(swept.rows[0].spec.to_json()) if swept.rows else ()
    told = [name for name in names if not name.startswith("bipolar") or any(swept.values(name))]
    fields = (f"{name.upper()}={_spelled(name, swept.values(name))}" for name in told)
    return f"P={p}; seed {swept.seed}; {swept.simulator}", " ".join(fields)


def unit_name(swept: Swept, series: Series) -> str:
    """Return what tells the unit of a series from those of others; empty if there is but one."""
    fields = ((name, _spelled(name, [int(getattr(series.unit, name))])) for name in swept.varying)
    return " ".join(
        text if name == "overflow" else f"{name.upper()}={text}" for name, text in fields
    )


def _flat(row: Row) -> dict[str, Any]:
    tally = row.tally
    return {
        "acc_bits": row.spec.acc_bits,
        **_fields(row.spec.to_json()),
        "weights": row.weights,
        "layer": row.layer,
        "needed_bits": row.needed_bits,
        "safe": int(row.is_safe),
        "stimulus": tally.family,
        "vectors": tally.vectors,
        "results": tally.results,
        "overflowing": tally.overflows_seen,
        "share": row.share,
        "predicted": tally.overflows_predicted,
        "transient": tally.transient_predicted,
        "mismatches": tally.mismatches,
    }


def _fields(spec: dict[str, int]) -> dict[str, Any]:
    """Return the fields of a spec beyond P, the policy as its word."""
    fields: dict[str, Any] = {k: v for k, v in spec.items() if k not in ("acc_bits", "observe")}
    return fields | {"overflow": Overflow(spec["overflow"]).word}


def _spelled(name: str, values: Sequence[int]) -> str:
    is_policy = name == "overflow"
    return ",".join(Overflow(value).word for value in values) if is_policy else spelled(values)


def _table(swept: Swept) -> Table:
    widths = swept.values("acc_bits")
    widths = widths[:: -(-len(widths) // MOST_SHARES) or 1]
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for name in swept.varying:
        table.add_column(name.upper().replace("_", "\n"), no_wrap=True, vertical="bottom")
    for heading in ("weights", "stimulus"):
        table.add_column(heading, no_wrap=True, vertical="bottom")
    for heading in ("overflow\nup to P", "safe\nfrom P"):
        table.add_column(heading, no_wrap=True, justify="right", vertical="bottom")
    table.add_column(f"share that overflows\n{_ruler(widths)}", no_wrap=True, vertical="bottom")
    for _, block in groupby(swept.series, key=lambda series: (series.unit, series.weights)):
        for series in block:
            unit = [_spelled(name, [int(getattr(series.unit, name))]) for name in swept.varying]
            widest, safe = series.widest_overflow, str(series.needed_bits or "")
            if not safe:
                safe = "every" if all(row.is_safe for row in series.rows) else "-"
            table.add_row(
                *unit, series.weights, series.family,
                "none" if widest is None else str(widest), safe, _shares(series, widths),
            )  # fmt: skip
        table.add_row()
    return table


def _shares(series: Series, widths: Sequence[int]) -> str:
    rows = {row.spec.acc_bits: row for row in series.rows}
    return "".join(_digit(rows.get(width)) for width in widths)


def _digit(row: Row | None) -> str:
    """Return one sign for a share; none and all are told apart from nearly none and nearly all."""
    if row is None:
        return "-"
    seen, results = row.tally.overflows_seen, row.tally.results
    return "." if not seen else "#" if seen == results else str(10 * seen // results)


def _ruler(widths: Sequence[int]) -> str:
    """Return widths above their places, as many as there is room for.

    >>> _ruler([8, 9, 10, 11, 12, 13, 14])
    '8   12'
    """
    line = ""
    for place, width in enumerate(widths):
        if place == 0 or (width % 4 == 0 and len(line) < place):
            line = f"{line:<{place}}{width}"
    return line
