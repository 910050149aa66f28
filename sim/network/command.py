"""``a2q network``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from golden.archive import whole_file
from golden.integer import InputError
from golden.layer import LabelledInputs
from golden.network import Network
from sim.arguments import FAILED, overflow, stalls, steps, whole, writable
from sim.generate.pipeline import WIDEST
from sim.network import report
from sim.network.play import CYCLES, SIDES, NetworkVerdict, Question, play, require
from sim.paths import NETWORKS, shown
from sim.tools import simulator

SHIPPED = ("cnn", "mlp")
IMAGES = "test-images.npz"
UNCONSTRAINED = "unconstrained"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Turn a whole network into one Verilog top, play real images through it, and compare every "
        "accumulator of every stage with the golden model."
    )
    parser.add_argument("--acc", default="16", metavar="P", help=f"accumulators, 2 to {WIDEST}")
    parser.add_argument(
        "--network", default=SHIPPED[0], metavar="NAME", help="cnn, mlp or a file (.npz)"
    )
    parser.add_argument("--inputs", metavar="FILE", help="labelled inputs (.npz) for that file")
    parser.add_argument("--images", metavar="N", help="the first so many; all without it")
    parser.add_argument("--overflow", default="wrap", metavar="POLICY", help="wrap or saturate")
    parser.add_argument(
        "--cycles", default=str(CYCLES), metavar="N", help="a frame, that foldings aim at"
    )
    parser.add_argument(
        "--stall", default="", metavar="SIDE=PATTERN[,...]", help="of input and output"
    )
    parser.add_argument("--seed", default="1", metavar="N", help="of everything random")
    parser.add_argument("--json", metavar="FILE", help="write the verdict there as well")


def run(options: argparse.Namespace) -> int:
    acc_bits = whole("ACC", options.acc, 2, WIDEST)
    question = Question(
        acc_bits,
        overflow(options.overflow),
        whole("CYCLES", options.cycles, 1, 2**31 - 1),
        stalls(options.stall, SIDES),
        whole("SEED", options.seed, 0, 2**31 - 1),
    )
    output = writable(options.json)
    networks, data = _networks(options, acc_bits)
    if options.images is not None:
        data = data.first(whole("IMAGES", options.images, 1, len(data.labels)))
    for _, network in networks:
        require(network, data, question)
    version = simulator("verilator").version
    verdicts: list[NetworkVerdict] = []
    with steps() as progress:
        for name, network in networks:
            progress(f"playing {len(data.labels)} images through {network.name}, {name}")
            verdicts.append(play(name, network, data, question))
    console = Console(width=None if sys.stdout.isatty() else 80, markup=False)
    trained = networks[0][1].stages[0].layer.trained_acc_bits
    if options.network in SHIPPED and trained != acc_bits:
        console.print(
            f"No network was trained for P={acc_bits}; the nearest below is taken: "
            f"{networks[0][0]}."
        )
    report.print_verdicts(verdicts, question, version, console)
    if output is not None:
        with whole_file(output) as partial:
            text = json.dumps(report.to_json(verdicts, question, version), indent=2)
            partial.write_text(f"{text}\n", encoding="utf-8")
        console.print(f"verdict: {shown(output)}", soft_wrap=True)
    return FAILED if any(verdict.failures for verdict in verdicts) else 0


def _networks(
    options: argparse.Namespace, acc_bits: int
) -> tuple[Sequence[tuple[str, Network]], LabelledInputs]:
    """Return named networks and images for them."""
    if options.network in SHIPPED:
        if options.inputs:
            raise InputError(
                f"INPUTS must come with a NETWORK file that they are for, got {options.inputs}"
            )
        return shipped(options.network, acc_bits), LabelledInputs.load(NETWORKS / IMAGES)
    if not options.network.endswith(".npz"):
        raise InputError(
            f"NETWORK must be {' or '.join(SHIPPED)} or a file (.npz), got {options.network!r}"
        )
    if not options.inputs:
        raise InputError(f"INPUTS must name labelled inputs for {options.network}, got nothing")
    path = Path(options.network)
    return [(path.stem, Network.load(path))], LabelledInputs.load(Path(options.inputs))


def shipped(kind: str, acc_bits: int) -> list[tuple[str, Network]]:
    """Return the A2Q network for P (or the nearest P below) and the unconstrained one.

    Errors: InputError if P is below every trained network.
    """
    prefix = f"digits-{kind}-"
    files = NETWORKS.glob(f"{prefix}a2q-p*.npz")
    trained = sorted(int(path.stem.removeprefix(f"{prefix}a2q-p")) for path in files)
    below = [p for p in trained if p <= acc_bits]
    if not below:
        raise InputError(
            f"ACC must be at least {trained[0]}, where the trained networks begin, got {acc_bits}"
        )
    return [
        (f"A2Q, P={below[-1]}", Network.load(NETWORKS / f"{prefix}a2q-p{below[-1]}.npz")),
        (UNCONSTRAINED, Network.load(NETWORKS / f"{prefix}{UNCONSTRAINED}.npz")),
    ]
