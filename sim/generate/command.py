"""``a2q unroll``: a layer as a Verilog file with its weights wired in."""

from __future__ import annotations

import argparse
from pathlib import Path

from golden.archive import whole_file, writable_file
from golden.integer import InputError
from golden.layer import QuantLayer
from sim.arguments import overflow, whole
from sim.paths import RTL, shown
from tb.case import UNROLLED


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = f"Write module {UNROLLED}: a layer with its weights wired in."
    parser.add_argument("--layer", required=True, metavar="FILE", help="the layer (.npz)")
    parser.add_argument("--acc", default="16", metavar="P", help="accumulator width, 2 to 64")
    parser.add_argument("--overflow", default="wrap", metavar="POLICY", help="wrap or saturate")
    parser.add_argument(
        "--registers", metavar="LEVELS",
        help="levels of the adder trees that registers follow, as 2,4, or none; 0: the products",
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="FILE", help="the Verilog file to write")


def run(options: argparse.Namespace) -> int:
    from sim.generate.unrolled import unrolled  # it brings pyverilog, which takes a moment

    acc_bits = whole("ACC", options.acc, 2, 64)
    layer = QuantLayer.load(Path(options.layer))
    if layer.acc_bias.any():
        raise InputError(
            f"acc_bias of {options.layer} must be 0, where every sum starts, "
            f"got {layer.acc_bias[layer.acc_bias != 0][0]}"
        )
    spec = layer.spec(acc_bits, overflow=overflow(options.overflow), pe=layer.mh, simd=layer.mw)
    levels = None if options.registers is None else _levels(options.registers)
    path = writable_file(options.out)
    if path is None:
        raise InputError(f"OUT must be a regular file that can be written, got {options.out!r}")
    unit = unrolled(layer.weights, spec, levels)
    with whole_file(path) as partial:
        partial.write_text(unit.text, encoding="utf-8")
    print(
        f"{shown(path)}: module {UNROLLED}, {spec.mh} rows of {spec.mw} inputs with "
        f"{unit.products} nonzero weights, {unit.products + unit.sums} nodes of which "
        f"{unit.observed} can leave {acc_bits} bits and are observed, latency in cycles: "
        f"{unit.latency}; it goes with {shown(RTL / 'skid_buffer.v')}"
    )
    return 0


def _levels(text: str) -> list[int]:
    if text == "none":
        return []
    return [whole("REGISTERS", level, 0, 16) for level in text.split(",")]
