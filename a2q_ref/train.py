"""``a2q train``: a classifier for every accumulator width; each layer ends as exact integers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from a2q_ref import jobs
from a2q_ref.command import Parser, folder, number, run, whole
from a2q_ref.data import Dataset
from a2q_ref.jobs import Job
from a2q_ref.scheme import Bias, Method, Rounding, Scheme
from a2q_ref.training import MNIST_RECIPE, SOURCES, Recipe
from golden.bounds import l1_norm, layer_bits
from golden.integer import Format
from golden.layer import QuantLayer

SHIPPED = SOURCES / "layers" / "digits"
OTHER_LAYERS = Path("build") / "layers"
TEST_IMAGES = "test-images.npz"

UNCONSTRAINED = "unconstrained"
DEFAULT_WIDTHS = f"10-24,{UNCONSTRAINED}"

AccBits = int | None  # None: trained without a bound


def file_name(scheme: Scheme) -> str:
    """Return the name of the file that holds the layer of this scheme."""
    usual = scheme == Scheme(Method.BASELINE)
    return f"{UNCONSTRAINED if usual else scheme.name}.npz"


def summary(layers: dict[Scheme, QuantLayer], dataset: Dataset) -> Table:
    """Return a table with one line per layer."""
    scheme = next(iter(layers))
    table = Table(
        title=f"{dataset.name}, {dataset.test.values.shape[1]} inputs to "
        f"{dataset.classes} classes, M={scheme.weight_bits}, {scheme.inputs} inputs",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    for heading in (
        "method", "P", "L1\nbound", "largest\nL1 norm", "smallest\nsafe P", "rows\nfixed",
        "sparsity", "float\naccuracy", "integer\naccuracy",
    ):  # fmt: skip
        table.add_column(heading, justify="right", no_wrap=True)
    for scheme, layer in layers.items():
        table.add_row(
            scheme.method.value,
            "none" if scheme.acc_bits is None else str(scheme.acc_bits),
            "none" if scheme.budget is None else f"{float(scheme.budget):.3f}",
            str(l1_norm(layer.weights).max()),
            str(layer_bits(layer.weights, layer.inputs, start=layer.acc_bias)),
            str(len(layer.origin["fixed_rows"])),
            f"{layer.origin['sparsity']:.1%}",
            f"{layer.origin['float_test_accuracy']:.1%}",
            f"{layer.origin['integer_test_accuracy']:.1%}",
        )
    return table


def _widths(text: str) -> list[AccBits]:
    width = whole(2, 64)
    widths: list[AccBits] = []
    for item in text.split(","):
        first, dash, last = item.partition("-")
        if item == UNCONSTRAINED:
            widths.append(None)
        elif width(first) <= width(last if dash else first):
            widths.extend(range(width(first), width(last if dash else first) + 1))
        else:
            raise argparse.ArgumentTypeError(f"a range must not fall, got {item!r}")
    return list(dict.fromkeys(widths))


def _device(text: str) -> str:
    if text not in ("cpu", "cuda", "auto"):
        raise argparse.ArgumentTypeError(f"must be cpu, cuda or auto, got {text!r}")
    if text == "cuda" and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError("must not be cuda where torch finds no GPU")
    return text if text != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def _parser() -> Parser:
    parser = Parser(
        prog="a2q train",
        description="""\
Train a linear classifier of handwritten digits for each accumulator width P, and write every layer
as exact integers: a file that `make sim LAYER=` plays through the RTL. Stop it at any time: the
same command goes on where it stopped.""",
        epilog="""\
words:
  P, M, N       bits of the accumulator, of a weight, of an input
  a2q           each row of weights is kept so short, in its L1 norm, that no input can drive the
                accumulator out of P bits
  a2q+          the same for rows that sum to zero, which may be longer
  baseline      no bound; with a P, the finished rows that do not fit are cut down to it
  rows fixed    rows that did not fit P by exact arithmetic and were brought back by the smallest
                change: none, unless the baseline or half-way rounding is asked for

examples:
  a2q train --acc-bits 12,16                     two widths, the rest as shipped
  a2q train --method a2q+ --weight-bits 4 --input-bits 4 --acc-bits 8-16
  a2q train --data folder/of/mnist --acc-bits 16,unconstrained
""",
    )
    add = parser.add_argument_group
    what = add("the layer")
    what.add_argument(
        "--method", choices=[method.value for method in Method], default=Method.A2Q.value,
        help="how rows are bounded (default: %(default)s)",
    )  # fmt: skip
    what.add_argument(
        "--acc-bits", type=_widths, default=DEFAULT_WIDTHS, metavar="LIST",
        help=f"P: widths, ranges and '{UNCONSTRAINED}', with commas (default: %(default)s)",
    )  # fmt: skip
    what.add_argument(
        "--weight-bits", type=whole(2, 16), default=8, metavar="M", help="default: %(default)s"
    )
    what.add_argument(
        "--input-bits", type=whole(1, 16), default=8, metavar="N",
        help="of a pixel, unsigned (default: %(default)s)",
    )  # fmt: skip
    what.add_argument(
        "--rounding", choices=[rounding.value for rounding in Rounding],
        help="of weights (default: half-way for the baseline, toward-zero else: half-way may "
        "carry a row over its bound)",
    )  # fmt: skip
    what.add_argument(
        "--bias", choices=[bias.value for bias in Bias], default=Bias.OUTSIDE.value,
        help="inside: the accumulator starts from it, and it counts in the bound; "
        "the RTL here can not play such layers yet (default: %(default)s)",
    )  # fmt: skip
    how = add("the training")
    how.add_argument(
        "--data", type=Path, metavar="FOLDER",
        help="MNIST's four idx files, plain or .gz (default: scikit-learn's digits)",
    )  # fmt: skip
    own = "(default: {} for the digits, {} for MNIST)"
    how.add_argument(
        "--epochs", type=whole(1, 10**6), metavar="COUNT",
        help=f"passes over the images {own.format(Recipe.epochs, MNIST_RECIPE.epochs)}",
    )  # fmt: skip
    how.add_argument(
        "--batch", type=whole(0, 10**9), metavar="COUNT",
        help=f"images in a step, 0 for all {own.format(Recipe.batch, MNIST_RECIPE.batch)}",
    )  # fmt: skip
    how.add_argument(
        "--lr", type=number, metavar="NUMBER",
        help=f"of Adam, falls along a cosine {own.format(Recipe.lr, MNIST_RECIPE.lr)}",
    )  # fmt: skip
    how.add_argument(
        "--lambda", type=number, default=Recipe.penalty_weight, metavar="NUMBER",
        dest="penalty_weight", help="weight of A2Q's penalty max(t - T, 0) (default: %(default)s)",
    )  # fmt: skip
    how.add_argument(
        "--weight-decay", type=number, default=Recipe.weight_decay, metavar="NUMBER",
        help="of the quantized weights (default: %(default)s)",
    )  # fmt: skip
    how.add_argument(
        "--seed", type=whole(0, 2**32 - 1), default=Recipe.seed, metavar="NUMBER",
        help="of the random weights that training starts from (default: %(default)s)",
    )  # fmt: skip
    how.add_argument(
        "--device", type=_device, default=Recipe.device, metavar="cpu|cuda|auto",
        help="the shipped integers come from the cpu (default: %(default)s)",
    )  # fmt: skip
    how.add_argument(
        "--workers", type=whole(1, 1024), metavar="COUNT",
        help="processes that train at once (default: one for each core, one for a GPU)",
    )  # fmt: skip
    where = add("the files")
    where.add_argument(
        "--output", type=folder, metavar="FOLDER",
        help=f"where they go when all layers are finished (default: {OTHER_LAYERS}; without any "
        "other option over the shipped ones)",
    )  # fmt: skip
    where.add_argument(
        "--fresh", action="store_true", help="train again what an earlier run has finished"
    )
    return parser


def _schemes(arguments: argparse.Namespace) -> list[Scheme]:
    return [
        Scheme(
            Method.BASELINE if acc_bits is None else Method(arguments.method),
            arguments.weight_bits,
            Format(arguments.input_bits, signed=False),
            acc_bits,
            Rounding(arguments.rounding) if arguments.rounding and acc_bits is not None else None,
            Bias(arguments.bias),
        )
        for acc_bits in arguments.acc_bits
    ]


def _recipe(arguments: argparse.Namespace) -> Recipe:
    recipe = Recipe() if arguments.data is None else MNIST_RECIPE
    given = {name: value for name, value in vars(arguments).items() if name in asdict(recipe)}
    return replace(recipe, **{name: value for name, value in given.items() if value is not None})


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``a2q train``; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run("a2q train", lambda: _train(arguments), jobs.KEPT)


def _train(arguments: argparse.Namespace) -> None:
    recipe, schemes = _recipe(arguments), _schemes(arguments)
    wanted = {Job(arguments.data, recipe, scheme): scheme for scheme in schemes}
    workers = arguments.workers or jobs.default_workers(recipe.device)
    trained = jobs.run(wanted, workers, Console(stderr=True), fresh=arguments.fresh)
    layers = {wanted[job]: layer for job, layer in trained.items()}
    shipped = recipe == Recipe() and arguments.data is None and schemes == _SHIPPED
    output = arguments.output or (SHIPPED if shipped else OTHER_LAYERS)
    for scheme, layer in layers.items():
        layer.save(output / file_name(scheme))
    dataset = jobs.dataset(arguments.data, arguments.input_bits)
    dataset.test.save(output / TEST_IMAGES)
    console = Console()
    console.print(summary(layers, dataset))
    console.print(
        f"the layers and the test images are in {output}", soft_wrap=True, highlight=False
    )


_SHIPPED = [
    Scheme(Method.BASELINE if acc_bits is None else Method.A2Q, acc_bits=acc_bits)
    for acc_bits in _widths(DEFAULT_WIDTHS)
]


if __name__ == "__main__":
    sys.exit(main())
