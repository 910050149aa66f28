"""The builder of Verilog: what it writes is read as it was built, and nonsense is refused."""

from __future__ import annotations

import doctest
from collections.abc import Callable

import pytest
from pyverilog.vparser import ast

from sim.generate import verilog
from sim.generate.verilog import (
    Module,
    VerilogError,
    Word,
    becomes,
    concat,
    extend,
    literal,
    mux,
    read,
    repeat,
    signed,
    signed_literal,
    when,
)


def small() -> tuple[Module, Word, Word]:
    """Return a module with an input of 8 bits and an output of 4."""
    module = Module("small")
    return module, module.input("a", 8), module.output("y", 4)


def test_example() -> None:
    assert doctest.testmod(verilog).failed == 0


def test_everything_that_there_is_comes_back() -> None:
    """``text`` itself reads it back; here all that the builder knows is in one module."""
    module, a, y = small()
    clk, rst, b = module.input("clk"), module.input("rst"), module.output("b")
    low = module.wire("low", 4, a.part(0, 4) + ~a.part(4, 4))
    q, valid = module.reg("q", 4), module.reg("valid")
    toggles = [when(a.part(7), [becomes(valid, ~valid)])]
    module.at_rise(clk, [when(rst, [becomes(valid, literal(0, 1))], toggles)])
    two = concat(low.part(3), literal(1, 1)) ^ repeat(valid, 2)
    chosen = mux(valid & ~rst | low.part(0), extend(a, 9), repeat(concat(low.part(0, 3)), 3))
    module.at_rise(clk, [when(valid, [becomes(q, low)])])
    hexadecimal = literal((1 << 3000) - 5, 3000)
    ports = {"in": concat(q, low, two), "wide": chosen, "out": y}
    module.instance("leaf", "u_leaf", {"BITS": 4, "TABLE": hexadecimal}, ports)
    product = module.wire("product", 4, signed(q) * signed_literal(-7, 4))
    module.assign(b, concat(q, low).all() ^ product.any())
    text = module.text("small.v -- all of it\n\nSPDX-License-Identifier: none")
    assert text.startswith("// small.v -- all of it\n//\n// SPDX-License-Identifier: none\n\n`def")
    assert f"3000'h{'f' * 749}b" in text
    assert "$signed(q) * -4'sd7" in text
    (found,) = read(text)
    assert [type(item) for item in found.items].count(ast.InstanceList) == 1


@pytest.mark.parametrize(("value", "written"), [(5, 5), (-5, -5), (-21, -5), (0, 0)])
def test_signed_constants_are_what_they_stand_for(value: int, written: int) -> None:
    module = Module("one")
    module.assign(module.output("y", 4), signed_literal(value, 4))
    sign = "-" if written < 0 else ""
    assert f"assign y = {sign}4'sd{abs(written)};" in module.text("one.v")
    assert (written - value) % 16 == 0


REFUSED: dict[str, tuple[Callable[[Module, Word, Word], object], str]] = {
    "operands of two widths": (lambda m, a, y: a + y, "Plus of 8 and 4 bits"),
    "a wider value": (lambda m, a, y: m.assign(y, a), "8 bits go to 4 of Identifier y"),
    "a wider register": (lambda m, a, y: becomes(y, a), "8 bits go to 4 of Identifier y"),
    "a choice of two widths": (lambda m, a, y: mux(a.part(0), a, y), "1 bits choose 8 or 4 bits"),
    "a choice by a word": (lambda m, a, y: mux(a, y, y), "8 bits choose 4 or 4 bits"),
    "bits that are not there": (lambda m, a, y: a.part(6, 3), "bits 6 to 8 are no part of Ident"),
    "no bits": (lambda m, a, y: a.part(3, 0), "bits 3 to 2 are no part of Identifier a"),
    "a part of no net": (lambda m, a, y: (a + a).part(0), "bits 0 to 0 are no part of Plus"),
    "narrower": (lambda m, a, y: extend(a, 7), "-1 times Pointer is no word"),
    "nothing, repeated": (lambda m, a, y: repeat(a, 0), "0 times Identifier a is no word"),
    "a name twice": (lambda m, a, y: m.wire("y"), "small has two things of the name y"),
    "no name": (lambda m, a, y: m.wire("two words") and m.text(""), "pyverilog can not read it"),
    "a keyword": (lambda m, a, y: m.wire("wire") and m.text(""), "pyverilog can not read it"),
    "two modules": (
        lambda m, a, y: m.wire("z; endmodule module next; wire z") and m.text(""),
        "small is not read as it was built: 2 modules",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str) -> None:
    build, sentence = REFUSED[name]
    with pytest.raises(VerilogError, match=f"^{sentence}"):
        build(*small())


WRONG: dict[str, tuple[str, Callable[..., str]]] = {
    "an operator": ("visit_Plus", lambda self, node: f"{node.left.name} - {node.right.name}"),
    "a name": ("visit_Identifier", lambda self, node: "a"),
    "a number": ("visit_IntConst", lambda self, node: node.value.replace("7", "6")),
    "a statement less": ("visit_Assign", lambda self, node: ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_written_otherwise_than_built_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, writes = WRONG[name]
    module = Module("sum")
    a, b = module.input("a", 8), module.input("b", 8)
    module.assign(module.output("y", 8), a + b)
    assert "y = a + b;" in module.text("sum.v")
    monkeypatch.setattr(verilog._Code, visitor, writes, raising=True)
    with pytest.raises(VerilogError, match=r"^sum is not read as it was built: \w"):
        module.text("sum.v")
