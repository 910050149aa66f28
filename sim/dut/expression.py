"""Expressions of a description: integers and the numbers of a spec, nothing else."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from golden.integer import InputError

LONGEST = 200
_BINARY: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,  # of integers, rounded down
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True)
class Expression:
    """A checked expression; ``value`` of it depends on the numbers of a spec alone.

    >>> Expression.parse("(simd*input_bits+7)/8*8", ["simd", "input_bits"]).value(
    ...     {"simd": 3, "input_bits": 4}
    ... )
    16
    """

    text: str
    _tree: ast.expr = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, names: Collection[str]) -> Expression:
        """Read an expression over ``names``; InputError for anything else that text can be."""
        try:
            tree = ast.parse(text.strip()[: LONGEST + 1], mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            tree = None
        unknown = None if tree is None else _unknown(tree, names)
        if tree is None or unknown is not None or len(text) > LONGEST:
            about = "" if unknown in (None, "") else f", but not {unknown}"
            raise InputError(
                f"an expression must be made of integers, + - * / %, comparisons, parentheses and "
                f"{', '.join(names)}{about}, got {text[:LONGEST]!r}"
            )
        return cls(text, tree)

    @property
    def names(self) -> set[str]:
        """The names in it."""
        return {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}

    def value(self, numbers: Mapping[str, int]) -> int:
        """Return its value; InputError if it divides by zero."""
        try:
            return _value(self._tree, numbers)
        except ZeroDivisionError:
            given = ", ".join(f"{name}={value}" for name, value in numbers.items())
            raise InputError(f"{self.text!r} divides by zero at {given}") from None


def _unknown(node: ast.expr, names: Collection[str]) -> str | None:
    """Return what does not belong into an expression; None if all does."""
    match node:
        case ast.Constant(value=value) if type(value) is int:
            return None
        case ast.Name(id=name):
            return None if name in names else name
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _unknown(operand, names)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
            found = _unknown(left, names)
            return _unknown(right, names) if found is None else found
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            found = _unknown(left, names)
            return _unknown(right, names) if found is None else found
    return ast.unparse(node)


def _value(node: ast.expr, numbers: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id=name):
            return numbers[name]
        case ast.UnaryOp(operand=operand):
            return -_value(operand, numbers)
        case ast.BinOp(op=op, left=left, right=right):
            return _BINARY[type(op)](_value(left, numbers), _value(right, numbers))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return int(_COMPARE[type(op)](_value(left, numbers), _value(right, numbers)))
    raise AssertionError(f"{ast.unparse(node)} was parsed")
