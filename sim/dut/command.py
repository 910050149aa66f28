"""The commands about foreign RTL: ``a2q sim --dut``, ``a2q dut init`` and ``a2q dut check``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from golden.integer import InputError
from golden.layer import LabelledInputs
from golden.spec import UNIT_PARAMETERS
from sim import plan
from sim.dut import hostile
from sim.dut.dut import Dut
from sim.dut.files import require_verilog
from sim.dut.first import first, top_of
from sim.paths import shown


def question(asked: plan.Question, dut: Dut, layers: Sequence[plan.NamedLayer]) -> plan.Question:
    """Return a question as this unit can be asked it."""
    layer = layers[0].layer
    return replace(
        asked,
        units=(dut.unit,),
        observe=dut.observes,
        pace=dut.cycles_per_beat,
        pe=_fold(dut, "pe", layer.mh) if asked.pe is None else asked.pe,
        simd=_fold(dut, "simd", layer.mw) if asked.simd is None else asked.simd,
    )


def require(
    asked: plan.Question,
    dut: Dut,
    layers: Sequence[plan.NamedLayer],
    data: LabelledInputs | None,
) -> None:
    """InputError, before anything is built, if the unit can not be asked this."""
    for named in layers:
        for case in plan.cases(asked, named, data):
            dut.require(case.spec)
            dut.elaborated(case.spec.verilog_parameters(case.unit))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands of ``a2q dut``."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="hold a description to the RTL that it is about")
    check.set_defaults(run=_check)
    check.add_argument("dut", metavar="FILE", help="a description (.toml)")

    init = commands.add_parser("init", help="write a first description, from what the RTL says")
    init.set_defaults(run=_init)
    init.add_argument("files", nargs="+", metavar="FILE", help="Verilog and SystemVerilog files")
    init.add_argument("--top", metavar="MODULE", help="the module to test, if there are several")
    init.add_argument("--include", action="append", default=[], metavar="FOLDER", help="of headers")
    init.add_argument("-o", "--output", metavar="FILE", help="where to; MODULE.toml here if not")


def _init(options: argparse.Namespace) -> int:
    files, include = [Path(name) for name in options.files], [Path(n) for n in options.include]
    for path in files:
        if not path.is_file():
            raise InputError(f"FILE must be a Verilog file, but there is no {path}")
        require_verilog("FILE", path.absolute())
    top = top_of(files) if options.top is None else options.top
    output = Path(options.output or f"{top}.toml")
    text = first(files, include, top, output.parent)
    try:
        with output.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise InputError(f"-o must be a new file, but {output} is there already") from None
    questions = text.count(" = ?")
    left = "no question is left" if questions == 0 else "what they do not tell is in it as comments"
    print(f"{output}: {top} as far as its names tell; {left}")
    print(f"{'then' if questions == 0 else 'when you have answered them'}: a2q dut check {output}")
    return 0


def _check(options: argparse.Namespace) -> int:
    dut = Dut.load(Path(options.dut))
    specs = hostile.specs(dut)
    for spec in specs:
        dut.elaborated(spec.verilog_parameters(dut.unit))
    policies = " or ".join(policy.word for policy in dut.policies)
    bits = "with" if dut.observes else "without"
    print(
        f"{shown(dut.path)}: {dut.top} in the place of the {dut.unit}, {policies}, {bits} overflow "
        f"bits; its parameters and ports are as described at all {len(specs)} specs tried"
    )
    said = dut.followed | dut.limits.keys() | {"overflow", "observe"}
    if silent := [name for name in UNIT_PARAMETERS[dut.unit] if name not in said]:
        print(
            f"nothing of it follows {', '.join(silent)}: if it does not take every value, [limits] "
            "must say which"
        )
    print(f"play it: a2q sim --dut {shown(dut.path)}")
    return 0


def _fold(dut: Dut, name: str, whole: int) -> int | None:
    """Return the widest folding that the limits allow, where they say something about it."""
    if name not in dut.limits:
        return None
    low, high = dut.limits[name]
    return max(hostile.divisors(whole, low, high), default=None)
