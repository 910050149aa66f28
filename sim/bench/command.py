"""``a2q bench``."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from golden.integer import InputError
from sim.arguments import FAILED, whole, writable
from sim.bench import figures
from sim.bench import main as benchmark
from sim.paths import BUILD, shown


def add_options(parser: argparse.ArgumentParser) -> None:
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


def run(options: argparse.Namespace) -> int:
    asked = benchmark.Plan(
        rounds=whole("ROUNDS", options.rounds, 1, 1000),
        batches=whole("BATCHES", options.batches, 1, 10**9),
    )
    for name in options.only:
        if name not in benchmark.SECTIONS:
            raise InputError(f"ONLY must be some of {', '.join(benchmark.SECTIONS)}, got {name!r}")
    files = [BUILD / "bench" / "engines.json", *filter(None, [writable(options.json)])]
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
