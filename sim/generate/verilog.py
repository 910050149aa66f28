"""A small builder of Verilog modules: widths are checked as they are built, the text by pyverilog.

pyverilog writes the text from an AST and reads it back; what it then reads must be the AST that was
built, or there is no text.

>>> module = Module("adder")
>>> a, b = module.input("a", 4), module.input("b", 4)
>>> module.assign(module.output("sum", 5), extend(a, 5) + extend(b, 5))
>>> "sum = { { 1{ a[3] } }, a } + { { 1{ b[3] } }, b };" in module.text("adder.v -- an example")
True
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pyverilog.ast_code_generator.codegen import ASTCodeGenerator
from pyverilog.vparser import ast
from pyverilog.vparser.parser import ParseError, VerilogParser

Statement = Any  # of a clocked block: what ``becomes`` and ``when`` return

_READING = threading.Lock()  # the parser counts its lines in a global


class VerilogError(Exception):
    """The generator built what is no Verilog, or other Verilog than it says."""


@dataclass(frozen=True, eq=False)
class Word:
    """An expression of so many bits; both sides of an operator must have the same."""

    node: Any
    bits: int

    def __add__(self, other: Word) -> Word:
        return self._with(ast.Plus, other)

    def __mul__(self, other: Word) -> Word:
        return self._with(ast.Times, other)

    def __and__(self, other: Word) -> Word:
        return self._with(ast.And, other)

    def __or__(self, other: Word) -> Word:
        return self._with(ast.Or, other)

    def __xor__(self, other: Word) -> Word:
        return self._with(ast.Xor, other)

    def __invert__(self) -> Word:
        return Word(ast.Unot(self.node), self.bits)

    def any(self) -> Word:
        return self if self.bits == 1 else Word(ast.Uor(self.node), 1)

    def all(self) -> Word:
        return self if self.bits == 1 else Word(ast.Uand(self.node), 1)

    def part(self, low: int, bits: int = 1) -> Word:
        """Return ``bits`` bits of a net, from bit ``low`` on."""
        if not isinstance(self.node, ast.Identifier) or not 0 <= low < low + bits <= self.bits:
            raise VerilogError(f"bits {low} to {low + bits - 1} are no part of {_told(self.node)}")
        if bits == self.bits:
            return self
        if bits == 1:
            return Word(ast.Pointer(self.node, _number(low)), 1)
        return Word(ast.Partselect(self.node, _number(low + bits - 1), _number(low)), bits)

    def _with(self, operator: Any, other: Word) -> Word:
        if self.bits != other.bits:
            raise VerilogError(f"{operator.__name__} of {self.bits} and {other.bits} bits")
        return Word(operator(self.node, other.node), self.bits)


def literal(value: int, bits: int) -> Word:
    """Return an unsigned constant, in hexadecimal: ``value`` modulo 2^bits."""
    return Word(ast.IntConst(f"{bits}'h{value % (1 << bits):x}"), bits)


def signed_literal(value: int, bits: int) -> Word:
    """Return a signed constant, in decimal: ``value`` modulo 2^bits, with its sign."""
    magnitude = ast.IntConst(f"{bits}'sd{abs(value) % (1 << bits)}")
    return Word(ast.Uminus(magnitude) if value < 0 else magnitude, bits)


def concat(*words: Word) -> Word:
    """Join words, the first in the most significant bits."""
    return Word(ast.Concat([word.node for word in words]), sum(word.bits for word in words))


def repeat(word: Word, times: int) -> Word:
    if times < 1:
        raise VerilogError(f"{times} times {_told(word.node)} is no word")
    return Word(ast.Repeat(ast.Concat([word.node]), _number(times)), word.bits * times)


def extend(word: Word, bits: int) -> Word:
    """Return a net as a two's complement word that is as wide or wider."""
    if bits == word.bits:
        return word
    return concat(repeat(word.part(word.bits - 1), bits - word.bits), word)


def signed(word: Word) -> Word:
    return Word(ast.SystemCall("signed", (word.node,)), word.bits)


def mux(condition: Word, true: Word, false: Word) -> Word:
    if (condition.bits, true.bits) != (1, false.bits):
        raise VerilogError(f"{condition.bits} bits choose {true.bits} or {false.bits} bits")
    return Word(ast.Cond(condition.node, true.node, false.node), true.bits)


def becomes(register: Word, value: Word) -> Statement:
    """At a clock edge the register takes the value."""
    _require_same_width(register, value)
    return ast.NonblockingSubstitution(ast.Lvalue(register.node), ast.Rvalue(value.node))


def when(
    condition: Word, then: Iterable[Statement], otherwise: Iterable[Statement] = ()
) -> Statement:
    last = tuple(otherwise)
    return ast.IfStatement(
        condition.node, ast.Block(tuple(then)), ast.Block(last) if last else None
    )


class Module:
    """A module that grows in the order of its text: ports, nets with their drivers, instances."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._names: set[str] = set()
        self._ports: list[Any] = []
        self._items: list[Any] = []

    def input(self, name: str, bits: int = 1) -> Word:
        return self._port(ast.Input, name, bits)

    def output(self, name: str, bits: int = 1) -> Word:
        return self._port(ast.Output, name, bits)

    def wire(self, name: str, bits: int = 1, value: Word | None = None) -> Word:
        """Declare a wire; without a value something else drives it."""
        wire = self._net(ast.Wire, name, bits)
        if value is not None:
            self.assign(wire, value)
        return wire

    def reg(self, name: str, bits: int = 1) -> Word:
        return self._net(ast.Reg, name, bits)

    def assign(self, target: Word, value: Word) -> None:
        _require_same_width(target, value)
        self._items.append(ast.Assign(ast.Lvalue(target.node), ast.Rvalue(value.node)))

    def at_rise(self, clock: Word, statements: Iterable[Statement]) -> None:
        edge = ast.SensList((ast.Sens(clock.node, type="posedge"),))
        self._items.append(ast.Always(edge, ast.Block(tuple(statements))))

    def instance(
        self,
        module: str,
        name: str,
        parameters: Mapping[str, int | Word],
        ports: Mapping[str, Word],
    ) -> None:
        values = {
            key: _number(value) if isinstance(value, int) else value.node
            for key, value in parameters.items()
        }
        instance = ast.Instance(
            module,
            self._new(name),
            tuple(ast.PortArg(port, word.node) for port, word in ports.items()),
            tuple(ast.ParamArg(key, value) for key, value in values.items()),
        )
        self._items.append(ast.InstanceList(module, instance.parameterlist, (instance,)))

    def text(self, header: str) -> str:
        """Return the file, with the lines of ``header`` as its first comment.

        Errors: VerilogError if pyverilog reads anything else than was built.
        """
        built = ast.ModuleDef(
            self.name, ast.Paramlist(()), ast.Portlist(tuple(self._ports)), tuple(self._items)
        )
        code = _Code(indentsize=4).visit(built).strip()
        comment = "\n".join(f"// {line}".rstrip() for line in header.splitlines())
        text = f"{comment}\n\n`default_nettype none\n\n{code}\n\n`default_nettype wire\n"
        modules = read(text)
        if len(modules) != 1 or (difference := _difference(built, modules[0])):
            raise VerilogError(
                f"{self.name} is not read as it was built: "
                f"{difference if len(modules) == 1 else f'{len(modules)} modules'}"
            )
        return text

    def _port(self, direction: Any, name: str, bits: int) -> Word:
        word = Word(ast.Identifier(self._new(name)), bits)
        self._ports.append(ast.Ioport(direction(name, _width(bits)), ast.Wire(name, _width(bits))))
        return word

    def _net(self, kind: Any, name: str, bits: int) -> Word:
        word = Word(ast.Identifier(self._new(name)), bits)
        self._items.append(ast.Decl((kind(name, _width(bits)),)))
        return word

    def _new(self, name: str) -> str:
        if name in self._names:
            raise VerilogError(f"{self.name} has two things of the name {name}")
        self._names.add(name)
        return name


class _Code(ASTCodeGenerator):  # type: ignore[misc]
    """pyverilog's generator, but for names and numbers: a template for each of so many is slow."""

    def visit_Identifier(self, node: Any) -> str:
        return str(node.name)

    def visit_IntConst(self, node: Any) -> str:
        return str(node.value)


def read(text: str) -> list[Any]:
    """Return the modules of a Verilog file as pyverilog's AST; VerilogError if it reads none."""
    with _READING:
        parser = _parser()
        parser.lexer.reset_lineno()
        try:
            source = parser.parse(text)
        except ParseError as error:
            raise VerilogError(f"pyverilog can not read it: {error}") from None
    return [item for item in source.description.definitions if isinstance(item, ast.ModuleDef)]


@cache
def _parser() -> Any:
    with tempfile.TemporaryDirectory() as scratch:  # for tables that nobody reads again
        return VerilogParser(outputdir=scratch, debug=False)


def _number(value: int) -> Any:
    return ast.IntConst(str(value))


def _width(bits: int) -> Any:
    return None if bits == 1 else ast.Width(_number(bits - 1), _number(0))


def _require_same_width(target: Word, value: Word) -> None:
    if target.bits != value.bits:
        raise VerilogError(f"{value.bits} bits go to {target.bits} of {_told(target.node)}")


def _difference(built: Any, found: Any) -> str:
    """Return where two ASTs first differ, empty if nowhere; pyverilog's own == overlooks what is
    missing in one of them.
    """
    stack = [(built, found)]
    while stack:
        one, other = stack.pop()
        if type(one) is not type(other):
            return f"{_told(one)} became {_told(other)}"
        if any(getattr(one, name) != getattr(other, name) for name in one.attr_names):
            return f"{_told(one)} became {_told(other)}"
        mine, theirs = one.children(), other.children()
        if len(mine) != len(theirs):
            return f"{_told(one)} has {len(theirs)} parts, not {len(mine)}"
        stack += zip(mine, theirs, strict=True)
    return ""


def _told(node: Any) -> str:
    return " ".join([type(node).__name__, *(str(getattr(node, name)) for name in node.attr_names)])
