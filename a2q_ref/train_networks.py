"""``a2q train-networks``: the networks that are shipped, for each width P and without a bound."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from a2q_ref import data, jobs
from a2q_ref.command import Parser, folder, run, whole
from a2q_ref.networks import PLANS, Classifier, accuracy, answers, train_float, train_network
from a2q_ref.pool import Tick
from a2q_ref.scheme import Method, Scheme
from a2q_ref.training import SOURCES, Images, Recipe, fingerprint
from golden.integer import Format
from golden.layer import LabelledInputs
from golden.network import Network

SHIPPED = SOURCES / "networks"
OTHER_NETWORKS = Path("build") / "networks"
TEST_IMAGES = "test-images.npz"

INPUTS = Format(4, signed=False)  # of all stages
WIDTHS = (10, 12, 16, 24)
SCHEMES = {
    **{f"a2q-p{p}": Scheme(Method.A2Q, inputs=INPUTS, acc_bits=p) for p in WIDTHS},
    "unconstrained": Scheme(Method.BASELINE, inputs=INPUTS),
}
RECIPE = Recipe(epochs=200, batch=64, lr=0.01, weight_decay=0)


@cache
def _images() -> Images:
    return Images(data.load(bits=INPUTS.bits))


@cache
def _start(name: str, recipe: Recipe) -> Classifier:
    return train_float(name, recipe, _images())


@dataclass(frozen=True)
class Job:
    """One network to train."""

    kind = "networks"

    name: str
    recipe: Recipe
    scheme: Scheme

    def __str__(self) -> str:
        return f"training {self.name}, {self.scheme.name}, seed {self.recipe.seed},"

    def path(self) -> Path:
        origins = [part.origin for part in (_images().dataset.train, _images().dataset.test)]
        key = fingerprint(self.name, asdict(self.recipe), str(self.scheme), origins)
        return jobs.CACHE / f"{self.name}-{self.scheme.name}-{key}.npz"

    def train(self, tick: Tick) -> Network:
        start = _start(self.name, self.recipe)
        return train_network(self.name, self.recipe, self.scheme, _images(), start, tick)

    def load(self, path: Path) -> Network:
        return Network.load(path)

    def is_done_by(self, made: Network) -> bool:
        return answers(made, self.name, self.recipe, self.scheme, _images().dataset)


def summary(networks: dict[str, Network], images: LabelledInputs) -> Table:
    """Return a table with one line per network."""
    table = Table(
        title=f"digits, {INPUTS} inputs and activations, M={Scheme.weight_bits}",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    table.add_column("network", no_wrap=True)
    for heading in (
        "smallest safe P,\nby stage", "rows\nfixed", "sparsity", "float\naccuracy",
        "integer\naccuracy", *(f"wrapped\nat P={p}" for p in WIDTHS),
    ):  # fmt: skip
        table.add_column(heading, justify="right", no_wrap=True)
    for name, network in networks.items():
        table.add_row(
            name,
            " ".join(map(str, network.needed_bits)),
            str(sum(map(len, network.origin["fixed_rows"]))),
            f"{network.origin['sparsity']:.1%}",
            f"{network.origin['float_test_accuracy']:.1%}",
            f"{network.origin['integer_test_accuracy']:.1%}",
            *(f"{accuracy(network, images, p):.1%}" for p in WIDTHS),
        )
    return table


def _parser() -> Parser:
    parser = Parser(
        prog="a2q train-networks",
        description=f"""\
Train {len(PLANS)} networks of handwritten digits ({", ".join(PLANS)}) for accumulators of
{", ".join(map(str, WIDTHS))} bits and without a bound, and write each as exact integers.
Stop it at any time: the same command goes on where it stopped.""",
    )
    parser.add_argument(
        "--epochs", type=whole(1, 10**6), default=RECIPE.epochs, metavar="COUNT",
        help="passes over the images (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=whole(0, 2**32 - 1), default=RECIPE.seed, metavar="NUMBER",
        help="of the random weights that training starts from (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=whole(1, 1024), default=jobs.default_workers(), metavar="COUNT",
        help="processes that train at once (default: one for each core, here %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=folder, metavar="FOLDER",
        help=f"where the files go when all are finished (default: {OTHER_NETWORKS}; with the "
        "shipped epochs and seed over the shipped ones)",
    )  # fmt: skip
    parser.add_argument(
        "--fresh", action="store_true", help="train again what an earlier run has finished"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``a2q train-networks``; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run("a2q train-networks", lambda: _train(arguments), jobs.KEPT)


def _train(arguments: argparse.Namespace) -> None:
    recipe = replace(RECIPE, epochs=arguments.epochs, seed=arguments.seed)
    wanted = {
        Job(name, recipe, scheme): f"{name}-{trained_for}"
        for name in PLANS
        for trained_for, scheme in SCHEMES.items()
    }
    made = jobs.run(wanted, arguments.workers, Console(stderr=True), fresh=arguments.fresh)
    networks = {wanted[job]: network for job, network in made.items()}
    output = arguments.output or (SHIPPED if recipe == RECIPE else OTHER_NETWORKS)
    for name, network in networks.items():
        network.save(output / f"{name}.npz")
    test = _images().dataset.test
    test.save(output / TEST_IMAGES)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(summary(networks, test))
    console.print(
        f"the networks and the test images are in {output}", soft_wrap=True, highlight=False
    )


if __name__ == "__main__":
    sys.exit(main())
