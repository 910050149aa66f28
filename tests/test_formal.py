"""Proofs that nothing overflows: they hold for the RTL as it is, and for no other."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formal_suite import assertions, require_refuted_if_negated
from planted_bugs import BUGS, RESET_BUGS, STREAM_BUGS, Bug, planted

from formal import arithmetic, control, layers, movers, report, scaling, solver
from formal.claim import Claim, Status, prove
from formal.design import PROPERTIES, Design, DesignError, cut_wire
from formal.run import Loosened, Question, check_layer, told_once
from golden import bounds
from golden.integer import Format, Overflow
from golden.layer import QuantLayer
from golden.spec import MvauSpec
from sim import batch
from sim.cli import main
from sim.plan import NamedLayer
from sim.tools import ToolError

pytestmark = pytest.mark.sim

SPEC = MvauSpec(mw=3, mh=1, pe=1, simd=3, weight_bits=3, input_bits=2, acc_bits=7)
SPECS = {
    "an odd lane, products far narrower": SPEC,
    "signed, saturating": replace(SPEC, signed_input=True, overflow=Overflow.SATURATE),
    "P far under a product": replace(SPEC, acc_bits=3, signed_input=True),
    "saturating under a product": replace(SPEC, acc_bits=3, overflow=Overflow.SATURATE),
    "signed, saturating under a product": replace(
        SPEC, acc_bits=3, signed_input=True, overflow=Overflow.SATURATE
    ),
    "one lane": replace(SPEC, mw=1, simd=1, weight_bits=1, input_bits=1, acc_bits=2),
    "six lanes, signed inputs of one bit": replace(
        SPEC, mw=6, simd=6, input_bits=1, signed_input=True, acc_bits=5
    ),
    "bipolar": replace(
        SPEC, weight_bits=1, input_bits=1, signed_input=True, bipolar_weight=True,
        bipolar_input=True, acc_bits=4,
    ),
    "64 bits": replace(SPEC, acc_bits=64),
}  # fmt: skip
PIECES = {
    claim.design.top: claim
    for claim in arithmetic.claims(SPEC)
    if "control" not in claim.design.top  # tests/test_formal_control.py
}
LAYER = QuantLayer(np.array([[3, -4, 1, 2], [0, 1, -1, 0]]), 3, Format(2, signed=False))
TIGHT = LAYER.spec(5, pe=1, simd=2)  # row 0 comes to 18, which needs 6 bits
ROW = layers.row_claim(LAYER, TIGHT, 1)


# These few are always proved, all others on demand.
QUICK = ("an odd lane, products far narrower", "signed, saturating under a product", "bipolar")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in QUICK else pytest.mark.exhaustive) for n in SPECS],
)
def test_all_pieces_are_proved_and_add_up(name: str) -> None:
    claims = arithmetic.claims(SPECS[name])
    assert not arithmetic.unmet(claims)
    for claim in claims:
        evidence = prove(claim)
        assert evidence.status == Status.PROVED, f"{claim.name}: {evidence.why}"
        assert evidence.covers
        assert evidence.assertions


def test_a_promise_that_nobody_guarantees_is_told() -> None:
    claims = arithmetic.claims(SPEC)
    for missing in claims:
        if missing.guarantees:
            rest = [claim for claim in claims if claim is not missing]
            assert arithmetic.unmet(rest) == list(missing.guarantees)
    assert sum(bool(claim.guarantees) for claim in claims) > 5


def test_every_promise_that_a_property_assumes_is_declared() -> None:
    """What stands in a property file beside ``assume`` is what its claim says that it assumes."""
    for claim in [*arithmetic.claims(SPEC), ROW]:
        files = claim.design.files()
        assumed = {
            module
            for module in ("lane_promise", "node_promise", "dot_promise")
            if module in files and f"prove_{module.removesuffix('_promise')}" != claim.design.top
        }
        # A tree guarantees the promise of the dot, and states it by that of a node.
        declared = " ".join((*claim.assumes, *claim.guarantees))
        assert all(module in declared for module in assumed), claim.name


@pytest.mark.parametrize("name", [name for name, bug in BUGS.items() if bug.file == "dot.v"])
def test_a_bug_in_dot_is_refuted(name: str, tmp_path: Path) -> None:
    rtl = planted(BUGS[name], tmp_path)
    for spec in SPECS.values():
        (claim,) = (c for c in arithmetic.claims(spec, ("dot",)) if c.design.top == "prove_dot")
        evidence = prove(claim, rtl)
        if evidence.status == Status.REFUTED:
            assert Path(evidence.trace).stat().st_size > 0
            return
    pytest.fail(f"not refuted: {name}")


@pytest.mark.parametrize(
    ("module", "number"),
    assertions(*PIECES.keys(), "prove_mvau_row", "prove_whole"),
)
def test_an_assertion_that_is_negated_fails(
    module: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = {**PIECES, "prove_mvau_row": ROW, "prove_whole": _whole()}
    require_refuted_if_negated(pieces[module], module, number, tmp_path, monkeypatch)


def _whole() -> Claim:
    (claim,) = next(p for p in scaling.points() if p.what == scaling.WHOLE).claims
    return claim


@pytest.mark.parametrize(
    "inputs",
    [
        Format(2, signed=False),
        pytest.param(Format(3, signed=True), marks=pytest.mark.exhaustive),
        pytest.param(Format(1, True, bipolar=True), marks=pytest.mark.exhaustive),
    ],
    ids=str,
)
def test_rows_are_proved_where_they_are_safe_and_witnessed_where_not(inputs: Format) -> None:
    rng = np.random.default_rng(5)
    layer = QuantLayer(rng.integers(-4, 4, (4, 6)), 3, inputs)
    needed = bounds.row_bits(layer.weights, inputs)
    assert len(set(needed)) > 1
    for acc_bits in sorted({*needed, min(needed) - 1} - {1}):
        spec = layer.spec(acc_bits, pe=2, simd=3)
        for row in range(4):
            if needed[row] <= acc_bits:
                evidence = prove(layers.row_claim(layer, spec, row))
                assert evidence.status == Status.PROVED, evidence.why
                continue
            evidence = prove(layers.overflow_claim(layer, spec, row))
            assert evidence.status == Status.REFUTED, evidence.why
            assert prove(layers.row_claim(layer, spec, row)).status != Status.PROVED
            found = layers.witness(layer, spec, row, evidence)
            assert "yices" in found.by
            played = batch.play(layers.case(layer, "layer", spec, [found]))
            assert played.passed
            assert played.outcome is not None
            assert played.outcome.overflow[0, row]


@pytest.mark.parametrize(
    "layer",
    [
        QuantLayer(np.array([[0, 0], [0, 1]]), 2, Format(2, signed=False)),
        QuantLayer(np.array([[-1, 0], [-1, -1]]), 1, Format(1, signed=True)),
    ],
    ids=["a row of zeros", "products that are never negative"],
)
def test_covers_are_reached_where_little_is_possible(layer: QuantLayer) -> None:
    spec = layer.spec(3, pe=1, simd=1)
    for claim in [*layers.pieces(spec), layers.row_claim(layer, spec, 0), *arithmetic.claims(spec)]:
        evidence = prove(claim)
        assert evidence.status == Status.PROVED, f"{claim.name}: {evidence.why}"


def test_without_a_solver_the_worst_case_is_the_witness() -> None:
    found = layers.witness(LAYER, TIGHT, 0, None)
    assert (found.by, found.inputs.tolist()) == ("exact arithmetic", [3, 0, 3, 3])


def test_a_row_of_another_layer_is_not_proved() -> None:
    """The bound is what the constants come to, not what somebody says of them."""
    wide = layers.row_claim(LAYER, TIGHT, 0)
    evidence = prove(wide)
    assert evidence.status == Status.REFUTED
    assert "assert (fits)" in evidence.why


@pytest.mark.parametrize("name", ["stalled weights eat a beat", "weights of the neighbour"])
def test_a_bug_in_the_mvau_shows_in_a_row(name: str, tmp_path: Path) -> None:
    layer = QuantLayer(np.tile(LAYER.weights, (2, 1)), 3, LAYER.inputs)
    spec = layer.spec(6, pe=2, simd=2)
    evidence = prove(layers.row_claim(layer, spec, 1), planted(BUGS[name], tmp_path))
    assert evidence.status == Status.REFUTED, evidence.why
    assert re.search(r", in cycle [1-9]\d* \(reset is in 0\)$", evidence.why)


def test_one_lsb_looser_a_row_overflows_where_there_is_one() -> None:
    signed = replace(SPEC, signed_input=True)
    evidence = prove(arithmetic.bounds(signed, A2Q_SLACK=1))
    assert evidence.status == Status.REFUTED
    weights = layers.weights_of(Path(evidence.trace).with_suffix(".yw"), signed)
    row = np.array([weights])
    norm = int(bounds.l1_norm(row)[0])
    assert bounds.a2q_max_l1_norm(7, signed.inputs) < norm  # by less than 2^(signed - N)
    assert bounds.row_bits(row, signed.inputs)[0] > 7
    # Of unsigned inputs the closed form counts one more than there is: nothing lies in between.
    assert prove(arithmetic.bounds(SPEC, A2Q_SLACK=1)).status == Status.PROVED


def test_what_the_rtl_does_not_have_is_said() -> None:
    module = {"netnames": {}, "cells": {}, "ports": {}}
    with pytest.raises(DesignError, match="cuts the wire nodes, which the RTL does not have"):
        cut_wire(module, "nodes")


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("acc_q", "sum_q", "a property looks at u_pe.acc_q, which the RTL does not have"),
        ("reg first_q;", "reg [1:0] first_q;", "takes u_pe.first_q to be 1 wide, and it is 2 wide"),
        ("[ACC_BITS-1:0] acc_q;", "[ACC_BITS:0] acc_q;", "pe.u_dot.addend has another width than"),
        ("endmodule", "", "ERROR"),
    ],
)
def test_rtl_that_does_not_fit_the_property_is_not_proved(
    was: str, now: str, said: str, tmp_path: Path
) -> None:
    rtl = Path(shutil.copytree("rtl", tmp_path / "rtl"))
    text = (rtl / "pe.v").read_text(encoding="utf-8")
    (rtl / "pe.v").write_text(text.replace(was, now), encoding="utf-8")
    evidence = prove(PIECES["prove_pe"], rtl)
    assert evidence.status == Status.NOT_PROVED
    assert said in evidence.why


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("assume (!beat || fits);", "vacuous: the cover at prove_pe.v"),
        ("cover", "there is no cover in the property"),
        ("assert", "there is no assert in the property"),
    ],
)
def test_a_proof_of_nothing_is_none(
    wrong: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    properties = Path(shutil.copytree(PROPERTIES, tmp_path / "properties"))
    path = properties / "prove_pe.v"
    instead = "assume (!beat);" if wrong.startswith("assume") else "if (0) // "
    lines = [
        line.replace(wrong, "assume (1'b1); //" if wrong in ("cover", "assert") else instead)
        if f"{wrong} (" in line or (wrong in line and wrong.startswith("assume"))
        else line
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr("formal.design.PROPERTIES", properties)
    evidence = prove(PIECES["prove_pe"])
    assert evidence.status == Status.NOT_PROVED
    assert said in evidence.why


@pytest.mark.parametrize("name", solver.SOLVERS)
def test_each_solver_alone_proves_and_refutes(name: str, tmp_path: Path) -> None:
    claim = PIECES["prove_dot"]
    sound = prove(claim, solvers=(name,))
    assert (sound.status, sound.by) == (Status.PROVED, name), sound.why
    wrong = prove(claim, planted(BUGS["negative overflow missed"], tmp_path), solvers=(name,))
    assert (wrong.status, wrong.by) == (Status.REFUTED, name), wrong.why
    assert Path(wrong.trace).stat().st_size > 0


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 60", "yices had no answer within 2 s"),
        ("while read -r line; do echo unknown; done", "yices said"),
        ("exit 1", "yices said"),
    ],
)
def test_a_solver_without_an_answer_proves_nothing(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "yices-smt2"
    version = '[ "$1" = --version ] && exec echo Yices 1.0'
    fake.write_text(f"#!/bin/sh\n{version}\n{script}\n", encoding="utf-8")
    fake.chmod(0o755)
    path = solver._path()
    monkeypatch.setattr(solver, "_path", lambda: f"{tmp_path}:{path}")
    evidence = prove(PIECES["prove_node"], solvers=("yices",), limit_s=2, fresh=True)
    assert evidence.status == Status.NOT_PROVED
    assert said in evidence.why
    both = prove(PIECES["prove_node"], limit_s=2, fresh=True)
    assert both.status == Status.PROVED, "the next solver is asked"


def test_what_was_proved_is_believed_until_the_rtl_changes(tmp_path: Path) -> None:
    claim = PIECES["prove_pe"]
    first = prove(claim)
    assert prove(claim) == first
    rtl = Path(shutil.copytree("rtl", tmp_path / "rtl"))
    with (rtl / "pe.v").open("a", encoding="utf-8") as file:
        file.write("// edited\n")
    assert prove(claim, rtl).folder != first.folder


class TestCommand:
    """``a2q prove``."""

    def saved(self, folder: Path) -> Path:
        LAYER.save(folder / "layer.npz")
        return folder / "layer.npz"

    def test_it_proves_and_leaves_evidence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        output = tmp_path / "proofs.json"
        status = main(
            ["prove", "--acc", "5", "--layer", str(self.saved(tmp_path)), "--json", str(output)]
        )
        said = " ".join(capsys.readouterr().out.split())
        assert status == 0, said
        assert "layer: not safe. Its worst input needs 6 bits, there are 5." in said
        assert "1 of 2 rows overflow" in said
        assert "Proved of the other rows: 1 of 1, on the mvau" in said
        assert "PROVED" in said
        data = json.loads(output.read_text(encoding="utf-8"))
        assert not data["refuted"]
        assert not data["not_proved"]
        assert {each["status"] for each in data["claims"]} == {"proved"}
        rows = data["layers"][0]["rows"]
        assert [row["evidence"]["status"] for row in rows] == ["refuted", "proved"]
        assert np.dot(rows[0]["witness"]["inputs"], LAYER.weights[0]) == rows[0]["witness"]["exact"]
        assert Path(data["layers"][0]["case"]).exists()

    def test_a_bug_is_refuted_and_its_waves_go_with_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("formal.run.BUILD", tmp_path / "build")
        rtl = planted(BUGS["overflow bit not sticky"], tmp_path)
        command = ["prove", "--acc", "5", "--layer", str(self.saved(tmp_path)), "--simd", "2"]
        assert main([*command, "--rtl", str(rtl)]) == 1
        said = capsys.readouterr().out
        assert "REFUTED  pe control" in said
        assert "Proved of the other rows: 0 of 1," in said, "its row stands on what is refuted"
        waves, *_ = re.findall(r"waves: (\S+pe-control\S+)", said)
        assert Path(waves).stat().st_size > 0
        assert main(command) == 0
        assert not Path(waves).exists()

    def test_a_tool_that_is_missing_is_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def missing(name: str) -> str:
            raise ToolError(f"{name} is missing")

        monkeypatch.setattr(solver, "require", missing)
        assert main(["prove", "--acc", "5", "--layer", str(self.saved(tmp_path))]) == 3
        assert capsys.readouterr().err.endswith("a2q: not proved: yices is missing\n")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--acc", "1"], "ACC must be an integer from 2 to 64, got '1'"),
            (["--solver", "abc"], "SOLVER must be some of yices, bitwuzla, z3, got 'abc'"),
            (["--limit", "0"], "LIMIT must be an integer from 1 to 86400, got '0'"),
            (["--rtl", "tests"], "RTL must be a folder with Verilog files, got tests"),
            (["--simd", "3"], "SIMD must divide MW"),
            (["--layer", "none.npz"], "none.npz"),
            (["--acc", ""], "ACC must be an integer from 2 to 64, got ''"),
            (["--units", "--acc", "12"], "--units has shapes of its own, got --acc 12"),
            (["--scaling", "--simd", "2"], "--scaling has shapes of its own, got --simd 2"),
            (["--units", "--scaling"], "not allowed with argument --units"),
        ],
    )
    def test_bad_input_is_one_sentence(
        self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["prove", *arguments]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1


# Wrong in ways that a proof can be blind to: clocks, state, hints to a solver, what is undefined.
BLIND = {
    "register at the other edge": Bug(
        "pe.v", "always @(posedge clk)\n        if (beat)\n            acc_q",
        "always @(negedge clk)\n        if (beat)\n            acc_q",
    ),
    "clocked by a handshake": Bug(
        "skid_buffer.v", "always @(posedge clk) begin\n        if (advance)",
        "always @(posedge s_axis_tvalid) begin\n        if (advance)",
    ),
    "a flag that marks the next result": Bug(
        "mac.v", ".s_axis_tdata({overflow, acc})",
        ".s_axis_tdata({overflow | (m_axis_output_tvalid & m_axis_output_tuser), acc})",
    ),
    "flag taken in a stall": Bug("pe.v", "if (beat)\n                    overflow_q", "overflow_q"),
    "signs not passed on": Bug("mac.v", ".SIGNED_INPUT(SIGNED_INPUT)", ".SIGNED_INPUT(0)"),
    "other inputs": Bug("pe.v", ".inputs(inputs)", ".inputs(~inputs)"),
    "places that nothing looks at": Bug(
        "dot.v", "reg [4*LEAVES*ACC_BITS-1:0] nodes;", "reg [8*LEAVES*ACC_BITS-1:0] nodes;"
    ),
    "state in a dot": Bug(
        "dot.v",
        "    always @* begin\n        nodes = {4*LEAVES*ACC_BITS{1'b0}};\n"
        "        spills = {ACC_BITS{1'b0}};",
        "    reg seen = 0; always @(posedge inputs[0]) seen <= 1'b1;\n"
        "    always @* begin\n        nodes = {4*LEAVES*ACC_BITS{1'b0}};\n"
        "        spills = {ACC_BITS{seen}};",
    ),
    "assumes that it is right": Bug(
        "pe.v", "    wire                beat_overflow;",
        "    wire                beat_overflow;\n    always @* assume (!last);",
    ),
    "undefined in the first beat": Bug(
        "pe.v", "first_q ? {ACC_BITS{1'b0}} : acc_q", "acc_q[first_q*ACC_BITS +: ACC_BITS]"
    ),
    "registers alike but for their start": Bug(
        "skid_buffer.v", "assign s_axis_tready = ~skid_valid_q;",
        "reg a_q, b_q, bad_q;\n    always @(posedge clk) begin a_q <= s_axis_tvalid; "
        "b_q <= s_axis_tvalid; bad_q <= a_q ^ b_q; end\n"
        "    assign s_axis_tready = ~skid_valid_q & ~bad_q;",
    ),
    "right where it starts, and nowhere else": Bug(
        "skid_buffer.v", "assign s_axis_tready = ~skid_valid_q;",
        "reg able_q = 1'b1;\n    always @(posedge clk) able_q <= able_q;\n"
        "    assign s_axis_tready = ~skid_valid_q & able_q;",
    ),
    "hidden from tools by a pragma": Bug(
        "pe.v", "            acc_q <= acc;\n",
        "            // synthesis translate_off\n            acc_q <= ~acc;\n        else\n"
        "            // synthesis translate_on\n            acc_q <= acc;\n",
    ),
    "another design for Yosys": Bug(
        "pe.v", "            acc_q <= acc;\n",
        "`ifdef YOSYS\n            acc_q <= acc;\n`else\n            acc_q <= ~acc;\n`endif\n",
    ),
    "a parameter from elsewhere": Bug(
        "pe.v", "    wire                beat_overflow;",
        "    wire                beat_overflow;\n    defparam u_dot.OVERFLOW = 1 - OVERFLOW;",
    ),
    "a hint behind a string": Bug(
        "pe.v", "    wire                beat_overflow;",
        "    wire                beat_overflow;\n"
        "    wire [15:0] text = \"//\"; (* anyseq *) wire unused_hint;",
    ),
    "a default of the dot that its stand-in lacks": Bug(
        "dot.v", "parameter integer OVERFLOW       = 0", "parameter integer OVERFLOW       = 1"
    ),
    "a dot whose ports stand in another order": Bug(
        "dot.v",
        "    input  wire [SIMD*WEIGHT_BITS-1:0] weights,\n"
        "    input  wire [SIMD*INPUT_BITS-1:0]  inputs,\n",
        "    input  wire [SIMD*INPUT_BITS-1:0]  inputs,\n"
        "    input  wire [SIMD*WEIGHT_BITS-1:0] weights,\n",
    ),
    "a block that does not wait for all": Bug("dot.v", "always @*", "always @(weights)"),
    "a delay": Bug("pe.v", "acc_q <= acc;", "acc_q <= #1 acc;"),
    "the ghosts of a property, seen": Bug(
        "skid_buffer.v", "assign s_axis_tready = ~skid_valid_q;",
        "(*\n probe = \"started_q\" *) wire fine;\n    assign s_axis_tready = ~skid_valid_q;",
    ),
    "two drivers": Bug(
        "pe.v", "            assign overflow = beat_overflow | (overflow_q & ~first_q);",
        "            assign overflow = beat_overflow | (overflow_q & ~first_q);\n"
        "            assign overflow = 1'b0;",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BLIND)
def test_what_a_proof_could_be_blind_to_is_not_proved(name: str, tmp_path: Path) -> None:
    rtl = planted(BLIND[name], tmp_path)
    signed = replace(SPEC, signed_input=True)
    claims = [*arithmetic.claims(signed), *movers.skid_buffer(2), ROW]
    about = {claim: prove(claim, rtl) for claim in claims}
    wrong = [evidence for evidence in about.values() if evidence.status != Status.PROVED]
    assert wrong
    if name == "flag taken in a stall":
        assert about[ROW].status == Status.REFUTED
    said = {"two drivers": "one wire has two drivers", "another design for Yosys": "got `ifdef"}
    assert any(said.get(name, "") in evidence.why for evidence in wrong)
    if name == "right where it starts, and nowhere else":
        assert {evidence.status for evidence in wrong} >= {Status.REFUTED}


def test_a_unit_in_the_place_of_a_stand_in_is_told(tmp_path: Path) -> None:
    """A promise is assumed of what is free to keep it, never of RTL that has taken its name."""
    rtl = planted(Bug("pe.v", "    dot #(", "    dot_core #("), tmp_path)
    dot = (rtl / "dot.v").read_text(encoding="utf-8").replace("module dot ", "module dot_core ")
    wires = (
        (PROPERTIES / "free_dot.v").read_text(encoding="utf-8").partition("any_overflow;\n\n")[2]
    )
    parameters = wires[wires.index("    wire [8*32-1:0]") : wires.index("endmodule")]
    core = dot.replace("endmodule", f"{parameters}endmodule")
    (rtl / "dot_core.v").write_text(core, encoding="utf-8")
    for top in ("prove_pe", "prove_mac"):
        evidence = prove(PIECES[top], rtl)
        assert evidence.status == Status.NOT_PROVED
        assert "must be of what stands in there, and is of dot_core.v" in evidence.why


def test_rtl_without_the_unit_that_is_replaced_is_told(tmp_path: Path) -> None:
    rtl = Path(shutil.copytree("rtl", tmp_path / "rtl"))
    (rtl / "dot.v").unlink()
    for fresh in (False, True):
        assert prove(PIECES["prove_pe"], rtl, fresh=fresh).why == "the RTL has no dot.v"


def test_what_is_edited_while_a_proof_waits_is_not_kept(tmp_path: Path) -> None:
    rtl = Path(shutil.copytree("rtl", tmp_path / "rtl"))
    claim = movers.skid_buffer(2)[0]
    (rtl / "skid_buffer.v").write_text("module skid_buffer; endmodule\n", encoding="utf-8")

    def edited(name: str, content: object, make: Callable[[Path], None]) -> Path:
        shutil.copyfile("rtl/skid_buffer.v", rtl / "skid_buffer.v")
        make(tmp_path)
        pytest.fail("kept")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("formal.claim.kept", edited)
        evidence = prove(claim, rtl)
    assert (evidence.status, evidence.why) == (
        Status.NOT_PROVED, "files were edited while it was proved"
    )  # fmt: skip


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"claim": 1}', "{"])
def test_damaged_evidence_is_made_again(text: str, tmp_path: Path) -> None:
    rtl = Path(shutil.copytree("rtl", tmp_path / "rtl"))
    with (rtl / "skid_buffer.v").open("a", encoding="utf-8") as file:
        file.write(f"// {text}\n")  # whose proof nobody else looks at
    claim = movers.skid_buffer(2)[0]
    path = Path(prove(claim, rtl).folder) / "evidence.json"
    path.write_text(text.ljust(path.stat().st_size), encoding="utf-8")
    assert prove(claim, rtl).status == Status.PROVED
    assert len(path.read_text(encoding="utf-8")) > 100
    path.with_name("complete").write_text(text, encoding="utf-8")
    assert prove(claim, rtl).status == Status.PROVED


def test_a_module_called_like_a_property_is_refused(tmp_path: Path) -> None:
    rtl = Path(shutil.copytree("rtl", tmp_path / "rtl"))
    (rtl / "held.v").write_text("module held; endmodule\n", encoding="utf-8")
    evidence = prove(PIECES["prove_pe"], rtl)
    assert evidence.status == Status.NOT_PROVED
    assert evidence.why == "held is a module of the RTL and one of the properties"


def test_a_solver_against_exact_arithmetic_is_a_failure() -> None:
    proved = prove(ROW)
    question = Question(acc_bits=5)
    layer = check_layer(NamedLayer("layer", "layer", LAYER), TIGHT, [proved, proved], question)
    assert layer.proved == 1
    assert layer.failures == (
        "layer, row 0: exact arithmetic overflows it, a solver says nothing can",
    )


def test_what_is_refuted_is_told_whole(tmp_path: Path) -> None:
    """The assertion stands on several lines."""
    rtl = planted(BLIND["signs not passed on"], tmp_path)
    why = prove(control.mac_claim(replace(SPEC, signed_input=True)), rtl).why
    assert "assert (parameters == { 32'd1, WEIGHT_BITS[31:0]," in why
    assert why.endswith("OVERFLOW[31:0] }), in cycle 1 (reset is in 0)")


def test_a_bound_that_nobody_decided_is_said_to_be_open() -> None:
    decided = prove(arithmetic.bounds(SPEC, A2Q_SLACK=1))
    undecided = replace(decided, status=Status.NOT_PROVED, why="z3 had no answer within 5 s")
    said = report._loosened(Loosened("A2Q", SPEC, undecided))
    assert said.endswith("neither a row nor a proof found: z3 had no answer within 5 s.")


def test_what_is_open_for_one_reason_is_told_once() -> None:
    found = told_once([("row 0", "no answer"), ("dot", "no RTL"), ("row 1", "no answer")])
    assert found == ["row 0 and 1 more: no answer", "dot: no RTL"]


@pytest.mark.parametrize("name", ["OVERFLOW", "BIPOLAR_INPUT", "BIPOLAR_WEIGHT", "SIGNED_INPUT"])
def test_units_have_dots_with_and_without(name: str) -> None:
    assert {claim.design.parameters[name] for claim in arithmetic.dots()} == {0, 1}


def test_the_mvau_that_rows_stand_on_is_proved_as_well() -> None:
    evidence = prove(control.mvau_claim(TIGHT))
    assert evidence.status == Status.PROVED, evidence.why


def test_planted_bugs_are_refuted_or_said_to_be_outside() -> None:
    """Files with bugs are those that the proofs' own tests plant them in, and those named here."""
    text = " ".join((PROPERTIES.parent / "PROOFS.md").read_text(encoding="utf-8").split())
    outside = set(
        re.findall(r"`(\w+\.v)`", text.partition("left to tests, are:")[2].partition(";")[0])
    )
    refuted = {
        "dot.v", "pe.v", "mac.v", "mvau.v", "skid_buffer.v", "fifo.v", "replay_buffer.v",
        "threshold.v", "threshold_parallel.v", "threshold_search.v", "threshold_stage.v",
    }  # fmt: skip
    planted_in = {bug.file for bugs in (BUGS, RESET_BUGS, STREAM_BUGS) for bug in bugs.values()}
    assert planted_in == refuted | outside
    assert not refuted & outside


def test_a_design_names_all_that_it_is_made_of() -> None:
    files = Design("prove_pe", {}, {"dot": "free_dot"}).files()
    assert files["dot"] == PROPERTIES / "free_dot.v"
    assert {"pe", "dot", "prove_pe", "bounded", "running", "interval"} <= files.keys()
    assert not {"mac", "mvau", "free_dot", "prove_mac"} & files.keys()


def test_units_do_what_they_say_and_a_bug_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command, on as few claims as there can be; all of them are in the other test files."""
    monkeypatch.setattr(movers.claims, "__defaults__", ((("fifo", {"DATA_BITS": 2, "DEPTH": 3}),),))
    monkeypatch.setattr("formal.activations.claims", lambda: [])
    monkeypatch.setattr(arithmetic, "_DOTS", (SPEC,))
    monkeypatch.setattr("formal.control.SPECS", ())
    assert main(["prove", "--units"]) == 0
    said = capsys.readouterr().out
    assert "dot: 3 lanes" in said
    assert re.search(r"fifo DATA_BITS=2 DEPTH=3 +proved", said)
    rtl = planted(STREAM_BUGS["fifo holds a beat less"], tmp_path)
    assert main(["prove", "--units", "--rtl", str(rtl)]) == 1
    assert "REFUTED  fifo" in capsys.readouterr().out
