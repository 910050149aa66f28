"""Edits of Verilog: exactly those that are meant, each of which says something else."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest

from golden.integer import InputError
from sim.mutants.edits import Mutant, Operator, Phrase, mutants, parse, static_asserts
from sim.paths import RTL

SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(RTL.glob("*.v"))}
MODULE = "module unit (input wire a, output wire b);\n{}\nendmodule\n"

# A line of Verilog -> what becomes of it.
EDITED = {
    "assign x = a + b;": ["", "assign x = a - b;"],
    "assign x = a < b;": ["", "assign x = a <= b;", "assign x = a >= b;"],
    "assign x = a <= b;": ["", "assign x = a < b;", "assign x = a > b;"],
    "assign x = a >>> b;": ["", "assign x = a <<< b;", "assign x = a >> b;"],
    "assign x = a && (b == c);": ["", "assign x = a || (b == c);", "assign x = a && (b != c);"],
    "assign x = ~a;": ["", "assign x = a;"],
    "assign x = (a) ? b : c;": ["", "assign x = !(a) ? b : c;"],
    "assign x = a == b ? a : b;": ["", "assign x = a != b ? a : b;"],
    "assign x = $signed(a);": ["", "assign x = (a);"],
    "assign x = 7;": ["", "assign x = 6;", "assign x = 8;"],
    "assign x = 0;": ["", "assign x = (-1);", "assign x = 1;"],
    "assign x = 1'b1;": ["", "assign x = 1'b0;"],
    "assign x = 4'hf;": ["", "assign x = 4'he;"],
    "assign x = 4'sd7;": ["", "assign x = 4'sd6;", "assign x = 4'sd8;"],
    "assign x = a[i];": ["", "assign x = a[i-1];", "assign x = a[i+1];"],
    "assign x = a[N-1];": ["", "assign x = a[N+1];", "assign x = a[N-0];", "assign x = a[N-2];"],
    "assign x = a[N-1:0];": [
        "", "assign x = a[N-1-1:0];", "assign x = a[N-1+1:0];", "assign x = a[N-1:1];",
    ],
    "assign x = a[0 +: N];": [
        "", "assign x = a[(-1) +: N];", "assign x = a[1 +: N];", "assign x = a[0 +: N-1];",
        "assign x = a[0 +: N+1];",
    ],
    "assign x[i*N +: 4] = a;": [
        "", "assign x[i*N-1 +: 4] = a;", "assign x[i*N+1 +: 4] = a;", "assign x[i+N +: 4] = a;",
        "assign x[i*N +: 3] = a;", "assign x[i*N +: 5] = a;",
    ],
    "wire x = a;": ["wire x;"],
    "wire [3:0] x;": ["wire [2:0] x;", "wire [4:0] x;"],
    "wire [a|b:0] x;": ["wire [(a|b)-1:0] x;", "wire [(a|b)+1:0] x;"],
    "reg signed x;": ["reg x;"],
    "reg x [0:N-1];": ["reg x [0:N-1-1];", "reg x [0:N-1+1];"],
    "reg [0:0] x;": ["reg [1:0] x;"],
    "localparam integer N = $clog2(M);": [
        "localparam integer N = $clog2(M)-1;", "localparam integer N = $clog2(M)+1;",
    ],
    "always @(posedge clk) x <= a;": ["always @(posedge clk) begin end"],
    "always @(posedge clk) if (go) x <= a; else x <= b;": [
        "always @(posedge clk) if (!(go)) x <= a; else x <= b;",
        "always @(posedge clk) if (go) begin end else x <= b;",
        "always @(posedge clk) if (go) x <= a; else begin end",
    ],
    "always @(posedge clk) if (rst) x <= a; else x <= b;": [
        "always @(posedge clk) x <= b;",
        "always @(posedge clk) if (!(rst)) x <= a; else x <= b;",
        "always @(posedge clk) if (rst) begin end else x <= b;",
        "always @(posedge clk) if (rst) x <= a; else begin end",
    ],
    "always @(posedge clk) if (rst) x <= a;": [
        "always @(posedge clk) begin end",  # the reset, or the assignment: the same text
        "always @(posedge clk) if (!(rst)) x <= a;",
        "always @(posedge clk) if (rst) begin end",
    ],
    "always @* for (i = 0; i != N; i = i + N) x = a;": [
        "always @* for (i = (-1); i != N; i = i + N) x = a;",
        "always @* for (i = 1; i != N; i = i + N) x = a;",
        "always @* for (i = 0; i == N; i = i + N) x = a;",
        "always @* for (i = 0; i != N; i = i - N) x = a;",
        "always @* for (i = 0; i != N; i = i + N) begin end",
    ],
    "generate if (N > 1) begin : g_a wire y; end endgenerate": [
        "generate if (N >= 1) begin : g_a wire y; end endgenerate",
        "generate if (N <= 1) begin : g_a wire y; end endgenerate",
        "generate if (N > 0) begin : g_a wire y; end endgenerate",
        "generate if (N > 2) begin : g_a wire y; end endgenerate",
    ],
    "unit #(.N(M), .K(1)) u_unit (.a(a[i]), .b(b));": [
        "unit #(.N(M-1), .K(1)) u_unit (.a(a[i]), .b(b));",
        "unit #(.N(M+1), .K(1)) u_unit (.a(a[i]), .b(b));",
        "unit #(.N(M), .K(0)) u_unit (.a(a[i]), .b(b));",
        "unit #(.N(M), .K(2)) u_unit (.a(a[i]), .b(b));",
        "unit #(.N(M), .K(1)) u_unit (.a(a[i-1]), .b(b));",
        "unit #(.N(M), .K(1)) u_unit (.a(a[i+1]), .b(b));",
    ],
    "localparam [0:0] N_MUST_BE_EVEN = {(N % M == O){1'b1}};": [
        "localparam [0:0] N_MUST_BE_EVEN = {(N / M == O){1'b1}};",
        "localparam [0:0] N_MUST_BE_EVEN = {(N % M != O){1'b1}};",
    ],
    # ... and what is left alone.
    "wire unused_x = a & b;": [],
    "assign x = 4'bxx01;": [""],
    "wire x; // a + b": [],
    "wire x /* 1 == 2 */;": [],
}  # fmt: skip


@pytest.mark.parametrize("line", EDITED)
def test_edits_of_a_line(line: str) -> None:
    source = MODULE.format(line)
    found = [mutant.mutated(source) for mutant in mutants(source)]
    assert sorted(found) == sorted(MODULE.format(edited) for edited in EDITED[line])


def test_ports_are_edited_and_default_parameters_are_not() -> None:
    source = "module unit #(parameter N = 1 + 2) (input wire [N-1:0] a);\nendmodule\n"
    assert [mutant.new for mutant in mutants(source)] == ["N-1-1", "N-1+1"]


def test_a_mutant_tells_where_and_what_it_is() -> None:
    source = MODULE.format("assign b = a\n    & c;")
    mutant = next(found for found in mutants(source) if found.operator is Operator.SWAP)
    assert mutant.id == "unit-003-05-swap-or"
    assert (mutant.says, mutant.line) == ("& -> |", 3)
    assert mutant.diff(source).splitlines() == [
        "--- rtl/unit.v",
        "+++ rtl/unit.v",
        "@@ -2,3 +2,3 @@",
        " assign b = a",
        "-    & c;",
        "+    | c;",
        " endmodule",
    ]


def test_an_id_does_not_hang_on_edits_below() -> None:
    before, after = (
        MODULE.format("assign x = a & c;"),
        MODULE.format("assign x = a & c;\nwire y = a;"),
    )
    assert {mutant.id for mutant in mutants(before)} < {mutant.id for mutant in mutants(after)}


def test_a_mutant_survives_the_way_to_another_process() -> None:
    for mutant in mutants(SOURCES["pe"]):
        assert Mutant.from_json(json.loads(json.dumps(mutant.to_json()))) == mutant


def test_a_mutant_of_another_source_is_refused() -> None:
    mutant = mutants(SOURCES["pe"])[0]
    with pytest.raises(InputError, match=rf"{mutant.id} must find .* at offset {mutant.start}"):
        mutant.mutated(SOURCES["dot"])


def test_what_is_no_verilog_is_refused() -> None:
    with pytest.raises(InputError, match="must be readable by pyverilog"):
        mutants("module unit (input wire a; endmodule")
    assert mutants(MODULE.format("assign b = ~a;"))  # nothing is left over from the failure


def test_static_asserts_are_found() -> None:
    assert_ = "localparam [0:0] N_MUST_BE_1 = {(N == 1){1'b1}};"
    assert static_asserts(MODULE.format(f"localparam integer K = 1;\n{assert_}")) == [assert_]


@cache
def _reader() -> object:
    from pyverilog.vparser.parser import VerilogParser

    return VerilogParser(outputdir=str(RTL.parent / "build" / "tests"), debug=False)


def _meaning(source: str) -> str:
    """Return the syntax tree as text, without the places."""
    text = io.StringIO()
    _reader().parse(source).show(buf=text, showlineno=False)
    return text.getvalue()


@pytest.mark.parametrize("unit", SOURCES)
def test_every_mutant_reads_as_something_else(unit: str) -> None:
    source = SOURCES[unit]
    found = mutants(source)
    texts = [mutant.mutated(source) for mutant in found]
    assert len(found) >= 10
    assert len(set(texts)) == len({mutant.id for mutant in found}) == len(found)
    meanings = {_meaning(text) for text in texts}
    assert _meaning(source) not in meanings
    assert len(meanings) == len(found)
    for mutant in found:
        assert mutant.module == unit
        old, new = source.splitlines(), mutant.mutated(source).splitlines()
        assert old[: mutant.line - 1] == new[: mutant.line - 1]


def test_there_are_mutants_of_all_kinds_and_enough() -> None:
    kinds = Counter(mutant.operator for source in SOURCES.values() for mutant in mutants(source))
    assert set(kinds) == set(Operator)
    assert kinds.total() >= 300


def test_the_parse_tree_covers_every_token() -> None:
    """An edit that could not be placed would be missing without a word: so all must be placed."""
    for source in SOURCES.values():
        code = [(leaf.start, leaf.end) for leaf in _leaves(parse(source))]
        assert code == sorted(code)
        between = "".join(source[end:start] for (_, end), (start, _) in pairwise(code))
        left = [line.split("//")[0].strip() for line in between.splitlines()]
        assert not "".join(left), left


def _leaves(phrase: Phrase) -> Iterator[Phrase]:
    if not phrase.parts:
        yield phrase
    for part in phrase.parts:
        yield from _leaves(part)
