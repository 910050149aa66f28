"""Mutants of a Verilog file: one small edit each, as a designer's slip would make it.

The file is read by pyverilog's own parser, whose every step is recorded with the places of its
tokens. So an edit knows exactly which text it replaces, and all the rest stays as it is.

What is left alone, because no run could tell the difference: the default values of parameters,
which every build overrides; wires called ``unused_*``; and what a static assert is made of besides
its condition. A declared range and the width of a part-select are each edited as a whole, one less
and one more, and a constant or an operator inside them is not.
"""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from golden.integer import InputError


class Operator(StrEnum):
    """What kind of edit a mutant is."""

    SWAP = "swap"  # an operator for another
    DROP_NOT = "drop-not"  # ~x, !x: x
    NEGATE = "negate"  # the condition of an if or of ?:
    CONSTANT = "constant"  # one more, one less
    WIDTH = "width"  # of a declaration, a part-select, a parameter, a $clog2: one more, one less
    INDEX = "index"  # of a bit, an element or a part-select: one more, one less
    SIGN = "sign"  # a declaration or an operand is no longer signed
    ASSIGNMENT = "assignment"  # is removed
    RESET = "reset"  # its branch is removed


@dataclass(frozen=True)
class Mutant:
    """One edit: ``old``, which stands at ``start``, becomes ``new``."""

    module: str
    line: int
    column: int
    operator: Operator
    how: str  # what tells it from others of its kind at its place: "minus", "less", "more"
    says: str  # "+ -> -"
    start: int
    old: str
    new: str

    @property
    def id(self) -> str:
        """Unique among all mutants; edits elsewhere in its line and below do not change it."""
        place = f"{self.module}-{self.line:03}-{self.column:02}"
        return f"{place}-{self.operator}" + (f"-{self.how}" if self.how else "")

    def mutated(self, source: str) -> str:
        """Return the source with the edit; InputError if it is not the source it was made from."""
        end = self.start + len(self.old)
        if source[self.start : end] != self.old:
            raise InputError(
                f"{self.id} must find {self.old!r} at offset {self.start}, "
                f"got {source[self.start : end]!r}"
            )
        return source[: self.start] + self.new + source[end:]

    def diff(self, source: str) -> str:
        """Return the edit as a unified diff with one line of context."""
        name = f"rtl/{self.module}.v"
        sides = (source.splitlines(), self.mutated(source).splitlines())
        return "\n".join(difflib.unified_diff(*sides, name, name, n=1, lineterm=""))

    def to_json(self) -> dict[str, str | int]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Mutant:
        return cls(**{**data, "operator": Operator(data["operator"])})


def mutants(source: str) -> list[Mutant]:
    """Return all mutants of a Verilog file, in the order of its text.

    Errors: InputError if pyverilog cannot read it.
    """
    found = []
    for module in _all(parse(source), "moduledef"):
        name = _only(module, "modulename").text(source)
        for edit in _edits(module, source):
            head = source[: edit.start]
            found.append(
                Mutant(
                    module=name,
                    line=head.count("\n") + 1,
                    column=edit.start - head.rfind("\n"),
                    operator=edit.operator,
                    how=edit.how,
                    says=edit.says,
                    start=edit.start,
                    old=source[edit.start : edit.end],
                    new=edit.new,
                )
            )
    return sorted(found, key=lambda mutant: (mutant.start, mutant.id))


def static_asserts(source: str) -> list[str]:
    """Return the static asserts of a Verilog file."""
    parameters = _all(parse(source), "localparamdecl")
    return [found.text(source) for found in parameters if _is_static_assert(found, source)]


def _is_static_assert(localparam: Phrase, source: str) -> bool:
    return "_MUST_" in _text_of(localparam, "ID", source)


# ---- the parse tree ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Phrase:
    """A piece of the source that a rule of the grammar (or, without parts, a token) stands for."""

    rule: str  # the name of the rule, or the type of the token
    parts: tuple[Phrase, ...]
    start: int
    end: int

    def text(self, source: str) -> str:
        return source[self.start : self.end]

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of its parts."""
        return tuple(part.rule for part in self.parts)


def parse(source: str) -> Phrase:
    """Return the parse tree of a Verilog file; InputError if pyverilog cannot read it."""
    parser, failure, finished = _parser()
    parser.lexer.reset_lineno()
    try:
        parser.parse(source)
    except failure as error:
        raise InputError(f"the Verilog must be readable by pyverilog, got {error}") from None
    return finished.pop()


@cache
def _parser() -> tuple[Any, type[Exception], list[Phrase]]:
    """Return pyverilog's parser, its error, and where it leaves its last phrase, the whole file."""
    from pyverilog.vparser.parser import (
        ParseError,
        VerilogParser,
    )

    with tempfile.TemporaryDirectory() as scratch:  # for tables that nobody reads again
        parser = VerilogParser(outputdir=scratch, debug=False)
    finished: list[Phrase] = []
    for production in parser.parser.productions:
        if production.callable is not None:
            production.callable = _recording(production.callable, finished)
    return parser, ParseError, finished


def _recording(action: Callable[[Any], None], finished: list[Phrase]) -> Callable[[Any], None]:
    """Return the action of a grammar rule that leaves the phrase on its symbol, too."""

    def record(production: Any) -> None:
        action(production)
        symbol, *symbols = production.slice
        phrases = (one.phrase if hasattr(one, "phrase") else _token(one) for one in symbols)
        parts = tuple(part for part in phrases if part.end > part.start)
        span = (parts[0].start, parts[-1].end) if parts else (0, 0)
        symbol.phrase = Phrase(symbol.type, parts, *span)
        finished[:] = [symbol.phrase]

    return record


def _token(token: Any) -> Phrase:
    return Phrase(token.type, (), token.lexpos, token.lexpos + len(token.value))


def _all(phrase: Phrase, rule: str) -> Iterator[Phrase]:
    """Yield the phrases of a rule, in the order of the text."""
    if phrase.rule == rule:
        yield phrase
    for part in phrase.parts:
        yield from _all(part, rule)


def _only(phrase: Phrase, rule: str) -> Phrase:
    (found,) = (part for part in phrase.parts if part.rule == rule)
    return found


def _bare(phrase: Phrase) -> Phrase:
    """Return an expression without the parentheses and the rules that only pass it on."""
    while len(phrase.parts) == 1 or phrase.rules == ("LPAREN", "expression", "RPAREN"):
        phrase = phrase.parts[len(phrase.parts) // 2]
    return phrase


# ---- the edits -----------------------------------------------------------------------------------

_WORDS = {
    "+": "plus", "-": "minus", "*": "times", "/": "divide", "&": "and", "|": "or", "^": "xor",
    "&&": "both", "||": "either", "==": "equal", "!=": "unequal", "<": "below", "<=": "at-most",
    ">": "above", ">=": "at-least", "<<": "left", ">>": "right", "<<<": "left-signed",
    ">>>": "right-signed",
}  # fmt: skip
_SWAPS = {
    "+": ("-",),
    "-": ("+",),
    "*": ("+",),
    "/": ("*",),
    "%": ("/",),
    "**": ("*",),
    "&": ("|",),
    "|": ("&",),
    "^": ("|",),
    "~^": ("^",),
    "&&": ("||",),
    "||": ("&&",),
    "==": ("!=",),
    "!=": ("==",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "<<": (">>",),
    ">>": ("<<", ">>>"),
    "<<<": (">>>",),
    ">>>": ("<<<", ">>"),
}
_COMPARISONS = {"EQ", "NE", "LT", "LE", "GT", "GE"}  # to swap them is to negate
_WEAK = _COMPARISONS | {  # these bind less than plus and minus
    "LSHIFT", "RSHIFT", "LSHIFTA", "RSHIFTA", "AND", "OR", "XOR", "XNOR", "LAND", "LOR", "COND",
}  # fmt: skip
_RESETS = {"rst"}
_NUMBER = re.compile(
    r"(?:(?P<bits>\d*)'(?P<sign>[sS]?)(?P<base>[bBoOdDhH]))?(?P<digits>[0-9a-fA-F_]+)"
)
_BASES = {"b": (2, "b"), "o": (8, "o"), "d": (10, "d"), "h": (16, "x")}


@dataclass(frozen=True)
class _Edit:
    operator: Operator
    how: str
    says: str
    start: int
    end: int
    new: str


def _edits(phrase: Phrase, source: str) -> Iterator[_Edit]:
    """Yield the edits of a phrase and of all its parts."""
    rule = phrase.rule
    yield from _OF_RULE.get(rule, _no_edits)(phrase, source)
    for part in _open(phrase, source):
        yield from _edits(part, source)


def _no_edits(phrase: Phrase, source: str) -> Iterator[_Edit]:
    return iter(())


def _open(phrase: Phrase, source: str) -> tuple[Phrase, ...]:
    """Return the parts in which there may be edits."""
    if phrase.rule in ("paramlist", "width", "length"):  # the last two are edited as a whole
        return ()
    if phrase.rule == "declassign" and _text_of(phrase, "ID", source).startswith("unused_"):
        return ()
    if phrase.rule == "localparamdecl" and _is_static_assert(phrase, source):
        return tuple(repeat.parts[1] for repeat in _all(phrase, "repeat"))
    if "LBRACKET" in phrase.rules:  # a select: so is its width
        closed = {_measure(phrase), phrase.parts[4] if _starts_at_zero(phrase, source) else None}
        return tuple(part for part in phrase.parts if part not in closed)
    if phrase.rule == "forpre":  # a loop without a start is no Verilog
        return phrase.parts[0].parts
    return phrase.parts


def _text_of(phrase: Phrase, rule: str, source: str) -> str:
    """Return the text of the first phrase of a rule."""
    return next(_all(phrase, rule)).text(source)


def _measure(select: Phrase) -> Phrase | None:
    """Return what the width of a part-select hangs on: W of [at +: W], msb of [msb:lsb]."""
    if "COLON" in select.rules:
        return select.parts[2]
    return select.parts[4] if len(select.parts) == 6 else None


def _expression(phrase: Phrase, source: str) -> Iterator[_Edit]:
    rules = phrase.rules
    if len(rules) == 3 and rules[0] == rules[2] == "expression":
        sign = phrase.parts[1]
        old = sign.text(source)
        for new in _SWAPS.get(old, ()):
            says = f"{old} -> {new}"
            yield _Edit(Operator.SWAP, _WORDS[new], says, sign.start, sign.end, new)
    elif len(rules) == 2 and rules[0] in ("NOT", "LNOT"):
        sign, operand = phrase.parts
        dropped = f"drop {sign.text(source)}"
        yield _Edit(Operator.DROP_NOT, "", dropped, sign.start, operand.start, "")
    elif "COND" in rules:
        yield from _negated(phrase.parts[0], source)


def _condition(phrase: Phrase, source: str) -> Iterator[_Edit]:
    yield from _negated(_only(phrase, "cond"), source)


def _negated(condition: Phrase, source: str) -> Iterator[_Edit]:
    root = _bare(condition)
    if not _COMPARISONS & set(root.rules) and root.rules[:1] not in (("NOT",), ("LNOT",)):
        new = f"!({root.text(source)})"
        says = f"{condition.text(source)} -> {new}"
        yield _Edit(Operator.NEGATE, "", says, condition.start, condition.end, new)


def _if_statement(phrase: Phrase, source: str) -> Iterator[_Edit]:
    yield from _condition(phrase, source)
    if _only(phrase, "cond").text(source) in _RESETS:
        rest = [part.text(source) for part in phrase.parts if part.rule == "else_statement"]
        new = rest[0] if rest else "begin end"
        yield _Edit(Operator.RESET, "", "remove the reset", phrase.start, phrase.end, new)


def _number(phrase: Phrase, source: str) -> Iterator[_Edit]:
    text = phrase.text(source)
    for how, new in _neighbours(text):
        says = f"{text} -> {new}"
        yield _Edit(Operator.CONSTANT, how, says, phrase.start, phrase.end, new)


def _neighbours(number: str) -> Iterator[tuple[str, str]]:
    """Yield a Verilog number one less and one more, within its size."""
    match = _NUMBER.fullmatch(number)
    if match is None:  # of x and z there is no more and no less
        return
    if match["base"] is None:
        value = int(match["digits"].replace("_", ""))
        yield "less", str(value - 1) if value else "(-1)"
        yield "more", str(value + 1)
        return
    base, code = _BASES[match["base"].lower()]
    value = int(match["digits"].replace("_", ""), base)
    for how, other in (("less", value - 1), ("more", value + 1)):
        if 0 <= other < 2 ** int(match["bits"] or 32):
            yield how, f"{match['bits']}'{match['sign']}{match['base']}{other:{code}}"


def _range(phrase: Phrase, source: str) -> Iterator[_Edit]:
    """Edit the end of [msb:lsb] that is not a literal zero."""
    _, left, _, right, _ = phrase.parts
    end = right if left.text(source) == "0" and right.text(source) != "0" else left
    if end.text(source) == "0":  # [0:0] becomes [1:0]; nothing is narrower
        yield _one(Operator.WIDTH, end, source, 1)
    else:
        yield from _less_and_more(Operator.WIDTH, end, source)


def _select(phrase: Phrase, source: str) -> Iterator[_Edit]:
    """Edit name[at], name[msb:lsb], name[at +: width] and their like."""
    if (measure := _measure(phrase)) is not None:
        yield from _less_and_more(Operator.WIDTH, measure, source)
    if _starts_at_zero(phrase, source):
        yield _one(Operator.INDEX, phrase.parts[4], source, 1)
    elif "LBRACKET" in phrase.rules and "COLON" not in phrase.rules:
        index = phrase.parts[2]
        if not _shifts_with_its_number(index, source):
            yield from _less_and_more(Operator.INDEX, index, source)


def _starts_at_zero(select: Phrase, source: str) -> bool:
    return "COLON" in select.rules and select.parts[4].text(source) == "0"


def _shifts_with_its_number(index: Phrase, source: str) -> bool:
    """Whether it is a number or ends in plus or minus one: to edit that moves the index by one."""
    return re.search(r"(?:^|[+-])\s*\d+$", index.text(source)) is not None


def _parameter(phrase: Phrase, source: str) -> Iterator[_Edit]:
    value = _only(phrase, "expression")
    if not any(_all(value, "intnumber")):  # else one of its constants is edited
        yield from _less_and_more(Operator.WIDTH, value, source)


def _system_call(phrase: Phrase, source: str) -> Iterator[_Edit]:
    name = "".join(part.text(source) for part in phrase.parts[:2])
    if name == "$signed":
        end = phrase.parts[2].start
        yield _Edit(Operator.SIGN, "", "drop $signed", phrase.start, end, "")
    if name == "$clog2":
        yield from _less_and_more(Operator.WIDTH, phrase, source)


def _declared_sign(phrase: Phrase, source: str) -> Iterator[_Edit]:
    if phrase.rules == ("SIGNED",):
        gap = len(source[phrase.end :]) - len(source[phrase.end :].lstrip())
        yield _Edit(Operator.SIGN, "", "drop signed", phrase.start, phrase.end + gap, "")


def _assignment(phrase: Phrase, source: str) -> Iterator[_Edit]:
    says = "remove " + " ".join(phrase.text(source).split()).rstrip(";")
    new = "" if phrase.rule == "assignment" else "begin end"
    yield _Edit(Operator.ASSIGNMENT, "", says, phrase.start, phrase.end, new)


def _declared_value(phrase: Phrase, source: str) -> Iterator[_Edit]:
    for element in _all(phrase, "declassign_element"):
        name = _only(element, "ID")
        text = name.text(source)
        if not text.startswith("unused_"):
            says = f"remove value of {text}"
            yield _Edit(Operator.ASSIGNMENT, "", says, name.end, element.end, "")


def _less_and_more(operator: Operator, phrase: Phrase, source: str) -> Iterator[_Edit]:
    yield _one(operator, phrase, source, -1)
    yield _one(operator, phrase, source, 1)


def _one(operator: Operator, phrase: Phrase, source: str, step: int) -> _Edit:
    text = phrase.text(source)
    if text.isdecimal():
        new = str(int(text) + step) if int(text) + step >= 0 else "(-1)"
    elif _WEAK & set(_bare(phrase).rules):
        new = f"({text}){step:+}"
    else:
        new = f"{text}{step:+}"
    how = "more" if step > 0 else "less"
    return _Edit(operator, how, f"{text} -> {new}", phrase.start, phrase.end, new)


_OF_RULE: dict[str, Callable[[Phrase, str], Iterator[_Edit]]] = {
    "expression": _expression,
    "if_statement": _if_statement,
    "generate_if": _condition,
    "intnumber": _number,
    "width": _range,
    "length": _range,
    "pointer": _select,
    "partselect": _select,
    "lpartselect": _select,
    "param_arg": _parameter,
    "systemcall": _system_call,
    "sigtype": _declared_sign,
    "blocking_substitution": _assignment,
    "nonblocking_substitution": _assignment,
    "assignment": _assignment,
    "declassign": _declared_value,
}
