"""Coverage for people: a table of the units, then the names of all that was missed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.coverage.coverage import Share, UnitCoverage

MOST_HOLES = 10  # of a unit and kind that are printed


def print_coverage(
    units: Sequence[UnitCoverage], console: Console, most_holes: int = MOST_HOLES
) -> None:
    """Print the table, then up to ``most_holes`` holes of each unit and kind, and how many more.

    Of none only the table.
    """
    console.print(_table(units))
    for unit in units:
        _print_list(f"{unit.unit}: not hit", unit.missed_bins, most_holes, console)
        _print_list(f"{unit.unit}: code not covered", unit.code_holes, most_holes, console)


def _print_list(title: str, lines: Sequence[str], most: int, console: Console) -> None:
    if not lines or not most:
        return
    console.print(f"\n{title}", highlight=False)
    for line in lines[:most]:
        console.print(Text(f"  {line}"), soft_wrap=True)
    if (more := len(lines) - most) > 0:
        console.print(f"  ... and {more:,} more", highlight=False)


def _table(units: Sequence[UnitCoverage]) -> Table:
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    table.add_column("unit", no_wrap=True)
    for heading in ("functional bins", "code blocks", "toggles"):
        table.add_column(heading, no_wrap=True, justify="right")
    for unit in units:
        table.add_row(unit.unit, *map(_cell, (unit.bins, unit.blocks, unit.toggles)))
    return table


def _cell(share: Share | None) -> Text:
    if share is None:
        return Text("-")
    return Text(str(share), style="green" if share.hit == share.all else "yellow")
