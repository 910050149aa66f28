"""The command line ``a2q experiments``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from a2q_ref import jobs
from a2q_ref.command import Parser, folder, run, whole
from a2q_ref.experiments import plots, tables
from a2q_ref.experiments.studies import STUDIES, Question, Study
from a2q_ref.training import MNIST_RECIPE, Recipe

OUTPUT = Path("build") / "experiments"
# Fewer epochs than the shipped layers': hundreds of layers, of about the same accuracy.
RECIPE = Recipe(epochs=1200)


def _study(text: str) -> Study:
    if text not in STUDIES:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(STUDIES)}, got {text!r}")
    return STUDIES[text]


def _parser() -> Parser:
    parser = Parser(
        prog="a2q experiments",
        description="""\
Train linear classifiers of handwritten digits with and without parts of A2Q, play them in exact
integers, and write for each experiment a CSV, a JSON and a plot (PNG and SVG). Stop it at any time:
the same command goes on where it stopped.""",
        epilog="""\
experiments:
  overflow      ordinary 8-bit weights in accumulators of P bits that wrap or saturate, beside A2Q
  rounding      A2Q with weights rounded toward zero or half-way: who keeps the bound?
  penalty       the weight lambda of A2Q's penalty, from 0 to 0.1
  few-bits      weights and inputs of 3 and of 4 bits: A2Q, A2Q+ and the data type bound
  a2q-plus      A2Q beside A2Q+: accuracy, zeros, L1 norms

examples:
  a2q experiments                                  all of them: minutes
  a2q experiments overflow --seeds 1               one, with one seed
  a2q experiments --data folder/of/mnist --output build/mnist-experiments
""",
    )
    parser.add_argument(
        "studies", nargs="*", type=_study, metavar="NAME", help=f"{', '.join(STUDIES)} (all)"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER",
        help="MNIST's four idx files, plain or .gz (default: scikit-learn's digits)",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=whole(1, 100), default=3, metavar="COUNT",
        help="trainings of each layer, from other random weights (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=whole(1, 10**6), metavar="COUNT",
        help=f"passes over the images (default: {RECIPE.epochs} for the digits, "
        f"{MNIST_RECIPE.epochs} for MNIST)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=whole(1, 1024), default=jobs.default_workers(), metavar="COUNT",
        help="processes that train at once (default: one for each core, here %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=folder, default=OUTPUT, metavar="FOLDER",
        help="where the files go (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--fresh", action="store_true", help="train again what an earlier run has finished"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``a2q experiments``; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run("a2q experiments", lambda: _experiments(arguments), jobs.KEPT)


def _experiments(arguments: argparse.Namespace) -> None:
    console = Console(width=None if sys.stdout.isatty() else 80)
    recipe = RECIPE if arguments.data is None else MNIST_RECIPE
    recipe = replace(recipe, epochs=arguments.epochs or recipe.epochs)
    question = Question(arguments.data, recipe, arguments.seeds)
    chosen = list(dict.fromkeys(arguments.studies)) or list(STUDIES.values())
    wanted = [job for study in chosen for job in study.jobs(question)]
    layers = jobs.run(wanted, arguments.workers, Console(stderr=True), fresh=arguments.fresh)
    for study in chosen:
        results = study.results(question, layers)
        tables.write(study, question, results, arguments.output)
        plots.plot(study, results, tables.caption(study, question), arguments.output)
        console.print(tables.table(study, question, results))
        console.print(study.finding(results), highlight=False, markup=False)
        console.print()
    console.print(
        f"tables (.csv, .json) and plots (.png, .svg) are in {arguments.output}",
        soft_wrap=True,
        highlight=False,
    )


if __name__ == "__main__":
    sys.exit(main())
