"""``a2q sweep``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from golden.integer import InputError
from golden.layer import LabelledInputs, QuantLayer
from sim import plan
from sim.arguments import FAILED, bar, folder, overflow, slug, whole, writable
from sim.paths import BUILD, shown
from sim.sweep import grid, report


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Play a grid of units and say where overflow starts. Every value may be one, a list (8,12) "
        "or a range (8..32). Without MW, MH, widths or a sign the shipped layers are played; with "
        "any of them weights of that shape, made from the seed."
    )
    for name, (_, low, high) in grid.AXES.items():
        parser.add_argument(
            f"--{name.lower().replace('_', '-')}", metavar="N", help=f"{low} to {high}"
        )
    parser.set_defaults(acc="8..32")
    parser.add_argument("--overflow", default="wrap", metavar="POLICY", help="wrap, saturate")
    parser.add_argument(
        "--trained", metavar="P", help="the shipped layer beside the one for each P"
    )
    parser.add_argument("--layer", metavar="FILE", help="a layer (.npz) to play at every point")
    parser.add_argument("--inputs", metavar="FILE", help="labelled inputs (.npz) for that layer")
    parser.add_argument("--seed", default="1", metavar="N", help="of everything random")
    parser.add_argument("--json", metavar="FILE", help="write the verdict there as well")
    parser.add_argument(
        "--into", default=str(BUILD / "sweep"), metavar="FOLDER", help="where all files go"
    )


def run(options: argparse.Namespace) -> int:
    axes: dict[str, Sequence[int]] = {
        field: grid.numbers(name, text, low, high)
        for name, (field, low, high) in grid.AXES.items()
        if (text := getattr(options, name.lower())) is not None
    }
    axes["overflow"] = list(dict.fromkeys(map(overflow, options.overflow.split(","))))
    seed = whole("SEED", options.seed, 0, 2**31 - 1)
    output, into = writable(options.json), folder(options.into)
    shaped = sorted(axes.keys() & grid.SHAPE.keys())
    layers = [name for name in ("layer", "trained") if getattr(options, name) is not None]
    if len(layers) + bool(shaped) > 1:
        alone, other = (*layers, *shaped)[:2]
        raise InputError(
            f"{alone.upper()} must come without {other.upper()}: a layer has its shape"
        )
    if options.inputs and not options.layer:
        raise InputError(f"INPUTS must come with a LAYER that they are for, got {options.inputs}")
    if shaped:
        weights = grid.generated(axes, seed)
    elif options.layer:
        path = Path(options.layer)
        layer = QuantLayer.load(path)
        data = LabelledInputs.load(Path(options.inputs)) if options.inputs else None
        weights = grid.given(plan.NamedLayer(path.stem, slug(path), layer), data, seed)
    else:
        trained = whole("TRAINED", "16" if options.trained is None else options.trained, 2, 64)
        weights = grid.shipped(seed, trained)
    with bar("points") as progress:
        swept = grid.sweep(axes, weights, progress)
    console = Console(width=None if sys.stdout.isatty() else 80, markup=False)
    report.print_swept(swept, console)
    report.write(swept, into)
    if output is not None:
        report.write_json(swept, output)
    console.print(
        f"all points: {shown(into / 'sweep.csv')}, .json", soft_wrap=True, highlight=False
    )
    console.print(_plot(swept, into), soft_wrap=True, highlight=False)
    return 0 if swept.passed else FAILED


def _plot(swept: grid.Swept, into: Path) -> str:
    """Draw the plot; return where it is, or why there is none."""
    for kind in ("png", "svg"):
        (into / f"sweep.{kind}").unlink(missing_ok=True)
    if not swept.rows:
        return "no plot: nothing was played"
    try:
        from sim.sweep.plot import plot
    except ModuleNotFoundError as error:
        return f"no plot: {error.name} is missing, make sweep installs it"
    left_out = plot(swept, into)
    more = f" ({left_out} units do not fit in it)" if left_out else ""
    return f"plot: {shown(into / 'sweep.png')}, .svg{more}"
