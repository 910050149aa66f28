"""Foreign RTL: a file says how it is spoken to, and everything that ours meets is played on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from perfect import perfect

from golden import mvau
from golden.integer import Format, InputError, Overflow
from golden.layer import QuantLayer
from golden.spec import MvauSpec
from sim import batch, check, cli, plan, report
from sim.cache import SimulationError
from sim.dut import Dut, first, hostile
from sim.dut.expression import Expression
from sim.paths import BUILD, ROOT, RTL, shown
from sim.rtl import rtl_hash, sources
from tb import stimulus
from tb.case import Case

FOREIGN = Path(__file__).with_name("foreign")
UNITS = ("finn_mvu", "sat_rows", "weight_memory", "plain_mac")
Capture = pytest.CaptureFixture[str]


def edited(into: Path, unit: str, *edits: tuple[str, str]) -> Path:
    """Copy the foreign units, and edit the description of one."""
    shutil.copytree(FOREIGN, into / "foreign", dirs_exist_ok=True)
    path = into / "foreign" / f"{unit}.toml"
    text = path.read_text()
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} must be in {unit}.toml once"
        text = text.replace(old, new)
    path.write_text(text)
    return path


def with_bug(into: Path, bug: int) -> Path:
    return edited(into, "finn_mvu", ("[input]", f"BUG = {bug}\n\n[input]"))


# What is right passes, what is wrong is told


@pytest.mark.sim
@pytest.mark.parametrize("unit", UNITS)
def test_a_foreign_unit_that_is_right_passes_all_hostile_cases(unit: str) -> None:
    met = hostile.play(Dut.load(FOREIGN / f"{unit}.toml"), seed=1)
    assert met.failing == 0, met.failed[0].report
    assert met.cases == len(met.specs) * (1 + len(hostile.STALLS) + 2 * len(hostile.RESETS))
    assert len(met.specs) >= 6
    assert met.results > 10_000


@pytest.mark.sim
@pytest.mark.parametrize(
    ("bug", "spec", "shows"),
    [
        (1, "one lane, folds only", "overflow  golden: none"),  # a carry between lanes lost
        (2, "narrowest", "MISMATCH  result"),  # operands under 4 bits without their sign
        (3, "no folds", "vector    0 "),  # the first vector after a reset
        (4, "one lane, folds only", "weight"),  # a stall of the weights
    ],
)
def test_a_fault_of_a_foreign_unit_is_told(
    bug: int, spec: str, shows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "SPECS", (spec,))
    dut = Dut.load(with_bug(tmp_path, bug))
    met = hostile.play(dut, seed=1)
    assert met.failing
    (failed,) = met.failed
    assert "MISMATCH  result" in failed.report
    assert shows in (json.dumps(failed.case.stalls) if shows == "weight" else failed.report)
    if bug == 4:
        assert failed.case.stalls["weight"] != "never"
    assert f"DUT={dut.path} WAVES=1" in failed.replay
    assert failed.folder.name.endswith(f"-{dut.digest()[:8]}")  # so none of another one is there
    again = batch.play(Case.load(failed.folder / "case.json"), dut)
    assert not again.passed


@pytest.mark.sim
@pytest.mark.parametrize(
    ("unit", "spec", "edit"),
    [
        ("weight_memory", "P a product, seven lanes", ('order = "simd-pe"', "")),
        ("weight_memory", "P a product, seven lanes", ('first_lane = "msb"', "")),
        ("weight_memory", "P a product, seven lanes", ("cycles_per_beat = 4", "")),
        ("weight_memory", "P a product, seven lanes", ("en = 1", "en = 0")),
        ("weight_memory", "P a product, seven lanes", ("en = 1", 'en = "reset"')),
        ("sat_rows", "signed, saturating, odd tree", ("reset_cycles = 3", "")),
        ("sat_rows", "signed, saturating, odd tree", ('pad = "sign"', "")),
        ("sat_rows", "signed, saturating, odd tree", ('"~exact_y"', '"exact_y"')),
        ("sat_rows", "signed, saturating, odd tree", ('overflow = "saturate"', "")),
        ("plain_mac", "signed inputs of one bit", ("SIGNED", "# SIGNED")),
        ("finn_mvu", "signed, saturating, odd tree", ('"signed_input"', '"1 - signed_input"')),
    ],
)
def test_a_description_that_is_not_so_is_told(
    unit: str, spec: str, edit: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "SPECS", (spec,))
    met = hostile.play(Dut.load(edited(tmp_path, unit, edit)), seed=1)
    assert met.failing


LOOP = "integer n;\nalways @(posedge ap_clk) begin n = 1; while (n != 0) n = n + 2; end\n"
PRINTS = 'always @(posedge ap_clk) $display("beat");\n'


@pytest.mark.sim
def test_a_unit_that_loops_for_ever_is_told_with_its_case(
    layer: Path, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "SPECS", ("narrowest",))
    monkeypatch.setattr(hostile, "MOST_CPU_S", 1.0)
    path = edited(tmp_path, "finn_mvu")
    source = path.with_suffix(".sv")
    code = source.read_text().replace("valid_2 && last_2;", "valid_2 && last_2 && n[0];")
    assert "n[0]" in code
    source.write_text(code.replace("endmodule", f"{LOOP}endmodule"))
    assert cli.main(["sim", "--acc", "8", "--layer", str(layer), "--dut", str(path)]) == 1
    said = capfd.readouterr().err
    found = re.search(
        r"^a2q: finn_mvu comes to no end between two edges of its clock, in (\S+); "
        r"replay: make repro CASE=(\S+) DUT=\S+ WAVES=1$",
        said, re.M,
    )  # fmt: skip
    assert found, said
    assert Case.load(Path(found[2])).id == found[1]


@pytest.mark.sim
def test_what_a_unit_prints_is_not_printed(
    tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "SPECS", ("narrowest",))
    path = edited(tmp_path, "finn_mvu")
    source = path.with_suffix(".sv")
    source.write_text(source.read_text().replace("endmodule", f"{PRINTS}endmodule"))
    assert hostile.play(Dut.load(path), seed=1).failing == 0
    assert "beat" not in capfd.readouterr().out


@pytest.mark.sim
def test_an_input_may_be_tied_to_the_reset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile, "SPECS", ("P a product, seven lanes",))
    dut = Dut.load(edited(tmp_path, "weight_memory", ("en = 1", 'en = "~reset"')))
    assert hostile.play(dut, seed=1).failing == 0


def test_a_unit_with_overflow_bits_plays_cases_that_do_not_ask_for_them() -> None:
    dut = Dut.load(FOREIGN / "plain_mac.toml")
    spec = MvauSpec(4, 4, 1, 1, 4, 4, 8, observe=False)
    played = batch.judge(batch.load(spec, "mac", dut), stimulus.adverse_case("mac", spec))
    assert played.passed, played.report
    assert sum(tally.overflows_seen for tally in played.tallies) > 0
    with pytest.raises(InputError, match=r"^OBSERVE must be 0, as .*finn_mvu\.toml has no"):
        Dut.load(FOREIGN / "finn_mvu.toml").require(replace(spec, observe=True))


# The main job


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    rows = np.array([[7, -8, 7, 7], [1, -1, 0, 1], [-8, -8, 3, -8], [0, 2, -2, 1]])
    path = tmp_path / "small.npz"
    QuantLayer(rows, 4, Format(4, signed=False)).save(path)
    return path


@pytest.mark.sim
def test_the_main_job_on_a_foreign_unit(
    layer: Path, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "SPECS", ("no folds",))
    dut, verdict = str(FOREIGN / "finn_mvu.toml"), tmp_path / "verdict.json"
    arguments = ["sim", "--acc", "8", "--layer", str(layer), "--json", str(verdict), "--dut", dut]
    assert cli.main(arguments) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "Hostile cases: all 16 passed, on 1 small specs" in said
    assert "results are not the exact sums. There are no overflow bits:" in said
    assert "vectors results matches seen predicted" in said
    data = json.loads(verdict.read_text())
    assert data["hostile"]["failing"] == 0
    (told,) = data["layers"]
    (run,) = told["runs"]
    assert (run["unit"], run["spec"][-5:]) == ("mvau", "blind")
    assert told["overflows_seen"] > 0
    assert told["witness"]["held"] != told["witness"]["exact"]
    assert data["rtl_sha256"] == rtl_hash(Dut.load(Path(dut)))


@pytest.mark.sim
def test_a_failure_of_the_main_job_is_replayed_with_the_same_description(
    layer: Path, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "SPECS", ("narrowest",))
    dut = str(with_bug(tmp_path, 3))
    arguments = ["sim", "--acc", "8", "--layer", str(layer), "--dut", dut]
    assert cli.main(arguments) == 1
    said = capfd.readouterr().out
    assert "Hostile cases: 16 of 16 FAILED" in said
    assert said.count("not judged, because hostile cases failed.") == 1
    assert "guarantee" not in said
    replays = re.findall(r"make repro CASE=(\S+) DUT=(\S+) WAVES=1", said)
    assert len(replays) == 2
    (case, description), _ = replays
    assert cli.main(["repro", case, "--dut", description]) == 1
    assert capfd.readouterr().out.startswith(f"RTL of {dut}:\n")
    whole = FOREIGN / "finn_mvu.toml"
    assert cli.main(["repro", case, "--dut", str(whole)]) == 0
    assert f"RTL of {shown(whole)} = golden model, bit for bit" in capfd.readouterr().out


@pytest.mark.sim
def test_a_failure_says_how_it_was_played_and_is_replayed_from_any_folder(
    layer: Path, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result that nobody waits for is lost: it is missing at the end."""
    monkeypatch.setattr(hostile, "SPECS", ("one lane, folds only",))
    path = edited(tmp_path, "finn_mvu")
    source = path.with_suffix(".sv")
    right = "valid_2 && last_2;"
    assert right in source.read_text()
    lost = "valid_2 && last_2 && m_axis_output_tready;"
    source.write_text(source.read_text().replace(right, lost))
    monkeypatch.chdir(path.parent)
    assert cli.main(["sim", "--acc", "8", "--layer", str(layer), "--dut", path.name]) == 1
    said = capfd.readouterr().out
    assert re.search(r"\n  played    with (.*, )?output [a-z]+-", said)
    assert "No end: where all operands moved, results were lost; " in " ".join(said.split())
    assert f"replay    make -C {ROOT} repro CASE={BUILD}" in said
    assert f" DUT={path} WAVES=1\n" in said


def test_an_unknown_simulator_is_refused_before_hostile_cases(
    layer: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "play", lambda *_: pytest.fail("hostile cases were played"))
    asked = ["sim", "--acc", "8", "--layer", str(layer), "--sim", "vcs", "--dut"]
    assert cli.main([*asked, str(FOREIGN / "finn_mvu.toml")]) == 2
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.sim
def test_a_foreign_mac_on_the_other_simulator(
    layer: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "SPECS", ("no folds",))
    arguments = ["sim", "--acc", "9", "--layer", str(layer), "--sim", "icarus", "--dut"]
    assert cli.main([*arguments, str(FOREIGN / "plain_mac.toml")]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "mac with PE=1 SIMD=1" in said
    assert "Worst case: row 2, whose exact sum" in said


def test_without_overflow_bits_the_results_are_held_to_what_they_must_show() -> None:
    named = plan.shipped_layers(16)[1]
    question = plan.Question(acc_bits=16, units=("mvau",), observe=False)
    (case,) = plan.cases(question, named, None)
    played = perfect(case)
    verdict = check._layer_verdict(named, 16, (played,), None)
    exact = mvau.matvec(case.weights, case.vectors)
    assert verdict.overflows_seen == int((played.outcome.out != exact).sum()) > 0
    assert not played.outcome.overflow.any()
    assert verdict.failures == []
    assert verdict.witness is not None
    assert "There are no overflow bits" in report._sentences(verdict)

    def unseen(tally):
        return replace(tally, overflows_seen=0, overflows_predicted=0)

    calm = replace(played, tallies=tuple(map(unseen, played.tallies)))
    (failure,) = check._layer_verdict(named, 16, (calm,), None).failures
    where = f"mvau, unconstrained, {stimulus.WORST}"
    assert failure == f"{where}: no overflow, although the layer is not safe"


# What it is built from


def test_a_build_is_kept_by_everything_that_it_may_read(tmp_path: Path) -> None:
    path = edited(tmp_path, "sat_rows")
    spec = MvauSpec(4, 4, 2, 1, 4, 4, 8, overflow=Overflow.SATURATE)

    def content() -> tuple[dict[str, str], str]:
        dut = Dut.load(path)
        return sources("mvau", spec.verilog_parameters("mvau"), dut).texts(), dut.digest()

    before, was = content()
    header = path.parent / "include" / "rows.vh"
    assert header.read_text() in before.values()
    header.write_text(header.read_text() + "// \n")
    after, now = content()
    assert before != after
    assert was != now


def test_what_no_folder_of_headers_has_is_not_read(tmp_path: Path, capfd: Capture) -> None:
    path = edited(tmp_path, "sat_rows")
    shutil.move(path.parent / "include" / "rows.vh", path.parent / "rows.vh")
    source = path.with_suffix(".v")
    source.write_text(source.read_text().replace('"rows.vh"', '"../rows.vh"'))
    refused(path, "sources and include name, but reads ", capfd)


def test_sources_may_be_in_any_encoding(tmp_path: Path) -> None:
    source = edited(tmp_path, "plain_mac").with_suffix(".v")
    source.write_bytes(b"// caf\xe9\n" + source.read_bytes())
    dut = Dut.load(source.with_suffix(".toml"))
    assert dut.sources("mac", MvauSpec(4, 4, 1, 1, 4, 4, 8).verilog_parameters("mac")).texts()


def test_ports_may_be_of_packed_types_and_no_others(tmp_path: Path) -> None:
    path = edited(tmp_path, "weight_memory")
    source, code = path.with_suffix(".sv"), path.with_suffix(".sv").read_text()
    package = "package p; typedef struct packed {logic [2:0] a; logic b;} byte_t; endpackage\n"
    port = "[SIMD-1:0][XB-1:0] in_tdata"
    parameters = MvauSpec(4, 4, 2, 2, 4, 4, 8).verilog_parameters("mvau")
    source.write_text(package + code.replace(f"logic {port}", "p::byte_t [SIMD-1:0] in_tdata"))
    found, _ = Dut.load(path).elaborated(parameters)
    assert found.ports["in_tdata"] == (True, 8)
    source.write_text(code.replace(port, "[XB-1:0] in_tdata[SIMD]"))
    with pytest.raises(InputError, match=r"port in_tdata of weight_memory must be a packed word"):
        Dut.load(path).elaborated(parameters)
    either = "union packed {logic [2*XB-1:0] a; logic [SIMD-1:0][XB-1:0] b;} in_tdata"
    source.write_text(code.replace(f"logic {port}", either))
    found, _ = Dut.load(path).elaborated(parameters)
    assert found.ports["in_tdata"] == (True, 8)
    for kind in ("real", "string", "chandle", "p::pair_t"):
        pair = "package p; typedef struct {logic a; logic b;} pair_t; endpackage\n"
        source.write_text(
            pair + code.replace("input  logic clk, en", f"input {kind} odd, input logic clk, en")
        )
        with pytest.raises(
            InputError, match=r"port odd of weight_memory must be a packed word, got"
        ):
            Dut.load(path).elaborated(parameters)
    source.write_text(code.replace("input  logic clk, en", "inout wire en, input logic clk"))
    with pytest.raises(InputError, match=r"port en of weight_memory must be an input or an output"):
        Dut.load(path).elaborated(parameters)


def test_a_define_reaches_the_code(tmp_path: Path) -> None:
    path = edited(tmp_path, "plain_mac", ("[parameters]", '[defines]\nBROKEN = "1"\n[parameters]'))
    source = path.with_suffix(".v")
    source.write_text(f"`ifdef BROKEN\nthis is no Verilog\n`endif\n{source.read_text()}")
    spec = MvauSpec(4, 4, 1, 1, 4, 4, 8)
    with pytest.raises(SimulationError, match=r"^plain_mac does not build: %Error: .*plain_mac\.v"):
        Dut.load(path).elaborated(spec.verilog_parameters("mac"))


# Errors


def refused(path: Path, message: str, capfd: Capture) -> None:
    """Checking a description ends with status 2 and exactly one line, that says ``message``."""
    assert cli.main(["dut", "check", str(path)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("a2q: ")
    assert err.count("\n") == 1


FILE = {
    "no unit": ('unit = "mvau"', "", 'unit must be "mac" or "mvau", got nothing'),
    "unknown unit": ('"mvau"', '"pe"', "unit must be \"mac\" or \"mvau\", got 'pe'"),
    "unknown key": ("[tie]", "[ties]", "ties is not known here; known are tie"),
    "unknown signal": (
        'data = "s_axis_input', 'dat = "s_axis_input', "[input] data must be the name of a port",
    ),
    "unknown packing": (
        'bits = "(simd', 'width = "(simd', "[input] width is not known here; known are",
    ),
    "not TOML": ('unit = "mvau"', "unit = mvau", "must be TOML, but Invalid value"),
    "a number for a name": ('top = "finn_mvu"', "top = 3", "top must be the name of"),
    "a name that is none": ('"ap_clk"', '"ap clk"', "clock must be the name of a port, or"),
    "a table for a list": (
        '["finn_mvu.sv"]', "{}", "sources must be a list of files, got {}",
    ),
    "a number in a list": ('["finn_mvu.sv"]', "[1]", "sources must be a list of files, got [1]"),
    "no sources": ('["finn_mvu.sv"]', "[]", "sources must name a file, got none"),
    "a missing file": (
        '"finn_mvu.sv"', '"finn.sv"', "sources must be files, but there is no finn.sv;",
    ),
    "a missing folder": (
        "[tie]", 'include = ["headers"]\n[tie]', "include must be folders, but there is no headers",
    ),
    "no [weight]": ("[weight]", "[weights]", "weight must be a table, [weight], got weights"),
    "no [output]": ("[output]", "[out]", "output must be a table, [output], got out"),
    "unknown policy": ("[tie]", 'overflow = "clip"\n[tie]', 'overflow must be "wrap", "saturate"'),
    "unknown order": (
        "[output]", 'order = "simd"\n[output]', '[weight] order must be "pe-simd" or',
    ),
    "no cycles of reset": ("[tie]", "reset_cycles = 0\n[tie]", "reset_cycles must be an integer"),
    "an expression with a call": (
        '"mh"', '"open(mh)"', "comparisons, parentheses and pe, simd, mw, mh, weight_bits, "
        "bipolar_weight, input_bits, signed_input, bipolar_input, acc_bits, overflow, observe, sf, "
        "nf, but not open(mh), got",
    ),
    "an expression of another name": ('"mh"', '"rows"', "but not rows, got 'rows'"),
    "no expression": ('"mh"', '"mh +"', "[parameters] MH: an expression must be made of integers"),
    "a fraction": ('"mh"', "0.5", "[parameters] MH must be an integer or an expression, got 0.5"),
    "a truth": ('"mh"', "true", "[parameters] MH must be an integer or an expression, got True"),
    "a division by zero": ('"mh"', '"mh/(pe-pe)"', "'mh/(pe-pe)' divides by zero at pe="),
    "a limit of another name": (
        "[tie]", "[limits]\nacc = 16\n[tie]", "[limits] acc is not known here; known are acc_bits",
    ),
    "a limit that is none": (
        "[tie]", '[limits]\nacc_bits = "16"\n[tie]', "[limits] acc_bits must be an integer or two",
    ),
    "limits that leave nothing": (
        "[tie]", "[limits]\nsimd = 64\n[tie]", "[limits] must leave a spec to play",
    ),
    "no such top": (
        'top = "finn_mvu"', 'top = "mvu"', "there is no module mvu; the sources have finn_mvu",
    ),
    "no such parameter": (
        "ACCU_WIDTH =", "ACC_WIDTH =", "finn_mvu has no parameter ACC_WIDTH; it has ACCU_WIDTH, ",
    ),
    "no such parameters": (
        "ACCU_WIDTH =", "A = 1\nACC_WIDTH =", "finn_mvu has no parameter A; it has ",
    ),
    "a parameter of no name": ("MW =", '"M W" =', "must be Verilog names, got 'M W'"),
    "a define of no name": (
        "[tie]", '[defines]\n"A B" = 1\n[tie]', "[defines] must be Verilog names, got 'A B'",
    ),
    "a tie of no name": ("ap_clk2x", '"ap clk"', "[tie] must be Verilog names, got 'ap clk'"),
    "a parameter beyond its word": (
        '"acc_bits"', "4294967296", "ACCU_WIDTH must be an integer of 32 bits, got 4294967296",
    ),
    "a define of no text": (
        "[tie]", '[defines]\nA = "\\u0000"\n[tie]', "A must be an integer or a text, got '\\x00'",
    ),
    "a pattern without an end": (
        '"finn_mvu.sv"', f'"{"../" * 200}x.v"', "sources must be files, but there is no ../../",
    ),
    "limits upside down": (
        "[tie]", "[limits]\npe = [4, 1]\n[tie]", "pe must be the lowest and the highest, got [4,",
    ),
    "limits far away": (
        "[tie]", "[limits]\nmw = [4294967296, 4294967296]\n[tie]", "[limits] must leave a spec to",
    ),
    "a pattern that is none": (
        '"finn_mvu.sv"', '"a**.sv"', "sources must be files, but there is no a**.sv; beside the",
    ),
    "a folder for a file": ('"finn_mvu.sv"', '"."', "sources must be files, but there is no .;"),
    "the root for a file": ('"finn_mvu.sv"', '"/"', "sources must be files, but there is no /;"),
    "no Verilog": (
        '"finn_mvu.sv"', '"finn_mvu.*"', "sources must be Verilog files (.v, .sv, .vh, .svh), got",
    ),
    "tables without an end": (
        "[tie]", f"deep = {'[' * 5000}\n[tie]", "must be TOML, but maximum recursion depth",
    ),
    "no such port": (
        's_axis_weights_tdata', 's_axis_weight_tdata',
        "[weight] data: finn_mvu has no port s_axis_weight_tdata; it has s_axis_weights_tdata, ",
    ),
    "an output for an input": (
        'reset = "~ap_rst_n"', 'reset = "m_axis_output_tvalid"',
        "reset: port m_axis_output_tvalid of finn_mvu must be an input, and is none",
    ),
    "a port twice": (
        'reset = "~ap_rst_n"', 'reset = "ap_clk"',
        "reset: port ap_clk is already that of clock",
    ),
    "a port that is not connected": (
        'ap_clk2x = "clock"', "", "input ap_clk2x of finn_mvu must be connected",
    ),
    "a tie to nothing": ('ap_clk2x', 'ap_clk4x', "[tie]: finn_mvu has no port ap_clk4x; it has"),
    "a word of another width": (
        'bits = "(pe*acc_bits + 7)/8*8"', "", "[output] data: port m_axis_output_tdata of finn_mvu "
        "has 32 bits, but must have 30 (3 lanes of 10) at pe=3 simd=5 mw=20",
    ),
    "a word too narrow": (
        '"(pe*acc_bits + 7)/8*8"', "8", "[output] bits must be at least 30, for 3 lanes of 10",
    ),
    "a lane too narrow": (
        "[output]", "lane_bits = 3\n[output]", "[weight] lane_bits must be at least 4, got 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), FILE.values(), ids=FILE.keys())
def test_a_wrong_description_is_refused_in_one_sentence(
    old: str, new: str, message: str, tmp_path: Path, capfd: Capture
) -> None:
    refused(edited(tmp_path, "finn_mvu", (old, new)), message, capfd)


@pytest.mark.parametrize("top", ["numbers", "bus"])
def test_a_top_must_be_a_module(top: str, tmp_path: Path, capfd: Capture) -> None:
    path = edited(tmp_path, "finn_mvu", ('top = "finn_mvu"', f'top = "{top}"'))
    source = path.with_suffix(".sv")
    source.write_text(
        "package numbers; parameter MW = 1; endpackage\n"
        f"interface bus; logic a; endinterface\n{source.read_text()}"
    )
    refused(path, f"there is no module {top}; the sources have finn_mvu", capfd)


def test_files_have_names_that_all_tools_can_take(tmp_path: Path, capfd: Capture) -> None:
    path = edited(tmp_path, "finn_mvu", ('"finn_mvu.sv"', '"*.sv"'))
    for name in ("it's.sv", "$(id).sv", "a\\b.sv", "two\nlines.sv", "\udcff.sv", "é.sv"):
        odd = path.with_name(name)
        odd.write_text("")
        refused(path, "sources must have paths of letters, digits, blanks and ", capfd)
        assert cli.main(["dut", "init", str(odd)]) == 2
        assert "FILE must have paths of letters, " in capfd.readouterr().err
        odd.unlink()


def test_of_include_folders_regular_files_are_read(tmp_path: Path) -> None:
    path = edited(tmp_path, "sat_rows")
    os.mkfifo(path.parent / "include" / "pipe")
    (path.parent / "include" / "link").symlink_to("nowhere")
    assert cli.main(["dut", "check", str(path)]) == 0


def test_a_description_that_may_never_end_is_not_read(tmp_path: Path, capfd: Capture) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    refused(tmp_path / "pipe.toml", "DUT must be a TOML file, got ", capfd)
    refused(Path("/dev/zero"), "DUT must be a TOML file, got /dev/zero", capfd)


def test_check_says_what_nothing_follows(tmp_path: Path, capfd: Capture) -> None:
    edit = ('SIGNED_ACTIVATIONS = "signed_input"', "")
    assert cli.main(["dut", "check", str(edited(tmp_path, "finn_mvu", edit))]) == 0
    assert "nothing of it follows signed_input: if it does not take" in capfd.readouterr().out
    assert cli.main(["dut", "check", str(FOREIGN / "finn_mvu.toml")]) == 0
    assert "nothing of it follows" not in capfd.readouterr().out


def test_limits_may_be_wide() -> None:
    dut = replace(Dut.load(FOREIGN / "finn_mvu.toml"), limits={"pe": (-(1 << 40), 1 << 40)})
    assert len(hostile.specs(dut)) >= 6


def test_a_description_that_is_not_there_is_refused(tmp_path: Path, capfd: Capture) -> None:
    refused(tmp_path / "none.toml", "can not be read: No such file", capfd)
    assert cli.main(["sim", "--dut", str(tmp_path / "none.toml")]) == 2
    assert cli.main(["repro", "x.json", "--dut", "none.toml"]) == 2


def test_memories_and_macs_have_rules_of_their_own(tmp_path: Path, capfd: Capture) -> None:
    narrow = edited(tmp_path, "weight_memory")
    source = narrow.with_suffix(".sv")
    source.write_text(source.read_text().replace("[$clog2(K/SIMD * (R/PE) + 1)-1:0]", "[1:0]"))
    refused(narrow, "port wr_addr of weight_memory has 2 bits, too few for 12 tiles", capfd)
    refused(
        edited(tmp_path, "plain_mac", ('last = "IN_LAST"', "")), "[input] last must be the", capfd
    )
    memory = ('valid = "W_VALID"', 'address = "W_VALID"')
    refused(edited(tmp_path / "m", "plain_mac", memory), "of a mac must be a stream", capfd)


def test_what_a_unit_does_not_take_is_refused_before_anything_is_built(
    layer: Path, tmp_path: Path, capfd: Capture
) -> None:
    limits = ("[tie]", "[limits]\nacc_bits = [8, 12]\nsimd = [2, 2]\n[tie]")
    dut = str(edited(tmp_path, "finn_mvu", limits))
    for arguments, message in (
        (["--acc", "16"], "ACC_BITS must be 8 to 12, as "),
        (["--acc", "8", "--simd", "4"], "SIMD must be 2, as "),
        (["--acc", "8", "--overflow", "saturate"], "OVERFLOW must be wrap, which is what "),
    ):
        assert cli.main(["sim", "--layer", str(layer), "--dut", dut, *arguments]) == 2
        assert capfd.readouterr().err.startswith(f"a2q: {message}")
    assert {spec.simd for spec in hostile.specs(Dut.load(Path(dut)))} == {2}


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("-pe", -3), ("(mw+7)/8*8", 16), ("mw % 2 == 1", 1), ("mw-2*pe", 3), ("pe >= 4", 0)],
)
def test_expressions(text: str, value: int) -> None:
    assert Expression.parse(text, ["pe", "mw"]).value({"pe": 3, "mw": 9}) == value


@pytest.mark.parametrize(
    "text",
    [
        "", "pe**9", "1 if pe else 2", "[pe]", "pe.real", "'pe'", "1.0", "True", "~pe", "pe << 2",
        "1 < pe < 3", "pe and 1", "lambda: 1", "(pe := 1)", "__import__('os')", "1" * 201,
        "(" * 100 + "1" + ")" * 100, "pe; 1", "not pe", "pe @ pe",
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="an expression must be made of integers"):
        Expression.parse(text, ["pe"])


# A first description


def inited(unit: str, output: Path) -> int:
    (source,) = FOREIGN.glob(f"{unit}.*v")
    include = ["--include", str(FOREIGN / "include")]
    return cli.main(["dut", "init", str(source), *include, "-o", str(output)])


@pytest.mark.parametrize(
    ("unit", "question"),
    [
        ("finn_mvu", ""),
        ("plain_mac", ""),
        ("weight_memory", "input en of weight_memory must be connected"),
        ("sat_rows", "[input] data: port x of sat_rows has 8 bits, but must have "),
    ],
)
def test_init_writes_a_file_that_checks_or_says_what_is_to_be_filled_in(
    unit: str, question: str, tmp_path: Path, capfd: Capture
) -> None:
    output = tmp_path / "mine.toml"
    assert inited(unit, output) == 0
    assert f"a2q dut check {output}" in capfd.readouterr().out
    assert (cli.main(["dut", "check", str(output)]) == 0) == (question == "")
    assert question in capfd.readouterr().err
    assert (" = ?" in output.read_text()) or not question
    mine, ours = Dut.load(output), Dut.load(FOREIGN / f"{unit}.toml")
    assert (mine.unit, mine.top, mine.clock, mine.reset) == (
        ours.unit, ours.top, ours.clock, ours.reset,
    )  # fmt: skip
    assert mine.parameters == ours.parameters
    before = output.read_text()
    assert inited(unit, output) == 2
    assert "must be a new file" in capfd.readouterr().err
    assert output.read_text() == before


@pytest.mark.sim
@pytest.mark.parametrize(
    ("unit", "others"),
    [
        ("mvau", ("dot", "pe", "skid_buffer", "replay_buffer")),
        ("mac", ("dot", "pe", "skid_buffer")),
    ],
)
def test_ours_are_played_by_what_init_says_of_them(
    unit: str, others: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "SPECS", ("narrowest", "bipolar weights and inputs"))
    monkeypatch.chdir(RTL)
    output = tmp_path / "ours.toml"
    files = [f"{name}.v" for name in (*others, unit)]  # as they are called from where they are
    assert cli.main(["dut", "init", *files, "-o", str(output)]) == 0
    assert "?" not in output.read_text()
    dut = Dut.load(output)
    assert (dut.policies, dut.observes) == (tuple(Overflow), True)
    met = hostile.play(dut, seed=1)
    assert met.failing == 0, met.failed[0].report
    assert [spec.bipolar_weight for spec in met.specs] == [False, True]


def test_nobody_is_bipolar_who_is_not_told_of_it(tmp_path: Path) -> None:
    assert not any(
        spec.bipolar_input for spec in hostile.specs(Dut.load(FOREIGN / "finn_mvu.toml"))
    )
    limits = ("[tie]", "[limits]\nbipolar_input = 1\ninput_bits = 1\n[tie]")
    always = hostile.specs(Dut.load(edited(tmp_path, "finn_mvu", limits)))
    assert all(spec.bipolar_input for spec in always)
    assert 0 < len(always) < len(hostile.SPECS)  # bipolar inputs without a sign make no sense


def test_init_asks_which_module_to_test(tmp_path: Path, capfd: Capture) -> None:
    files = [str(FOREIGN / name) for name in ("plain_mac.v", "finn_mvu.sv")]
    output = ["-o", str(tmp_path / "mine.toml")]
    assert cli.main(["dut", "init", *files, *output]) == 2
    message = "a2q: --top must name the module to test, one of plain_mac, finn_mvu, got nothing\n"
    assert capfd.readouterr().err == message
    assert cli.main(["dut", "init", *files, "--top", "plain_mac", *output]) == 0
    assert cli.main(["dut", "init", str(tmp_path / "none.v")]) == 2
    for text, message in (
        ("// nothing", "FILE must hold a module, but there is none in "),
        ("module empty; endmodule", "empty must have ports, and has none"),
    ):
        (tmp_path / "a.v").write_text(text)
        capfd.readouterr()
        assert cli.main(["dut", "init", str(tmp_path / "a.v"), *output]) == 2
        assert message in capfd.readouterr().err


def test_the_top_of_thousands_of_modules_is_found_at_once(tmp_path: Path) -> None:
    """Which would take minutes if each was looked for in all others."""
    chain = "".join(f"module m{n}; m{n + 1} u(); endmodule\n" for n in range(20_000))
    (tmp_path / "many.v").write_text(chain + "module m20000; endmodule\n" + "module " * 20_000)
    assert first.top_of([tmp_path / "many.v"]) == "m0"


def test_init_knows_short_names_and_says_what_it_guesses(tmp_path: Path) -> None:
    (tmp_path / "short.v").write_text(
        "module short #(parameter ACC_BITS = 8, WB = 4, XB = 4, LANES = 1) (input clk, rst_ni, "
        "input [XB*LANES-1:0] act_d, input act_vld, output act_rdy, input [WB-1:0] w_d, input w_v, "
        "output w_r, output [ACC_BITS-1:0] res_d, output res_vld, input res_rdy, input load);\n"
        "endmodule\n"
    )
    text = first.first([tmp_path / "short.v"], [], "short", tmp_path)
    told = tomllib.loads(text)
    assert told["input"] == {"data": "act_d", "valid": "act_vld", "ready": "act_rdy"}
    assert told["weight"] == {"data": "w_d", "valid": "w_v", "ready": "w_r"}
    assert told["output"] == {"data": "res_d", "valid": "res_vld", "ready": "res_rdy"}
    assert told["reset"] == "~rst_ni"
    assert "# load = ?" in text
    assert 'LANES = "simd"  # a guess, from its name\n' in text
    assert 'ACC_BITS = "acc_bits"\n' in text
    for low in ("nrst", "n_rst", "rst_n", "resetn", "rst_b", "rst_l", "aresetn"):
        assert first._signal(low) == f'"~{low}"'
    for high in ("rst", "reset", "srst", "RST"):
        assert first._signal(high) == f'"{high}"'
    for key in ("reset_cycles", "cycles_per_beat", "first_lane", "order"):
        assert f"\n# {key} = " in text


def test_a_slow_unit_has_its_time_in_the_case_file(tmp_path: Path) -> None:
    spec = MvauSpec(4, 4, 2, 1, 4, 4, 8)
    slow = stimulus.adverse_case("mvau", spec, pace=5)
    assert slow.timeout_cycles > 4 * stimulus.adverse_case("mvau", spec).timeout_cycles
    slow.save(tmp_path / "case.json")
    assert Case.load(tmp_path / "case.json").pace == 5
    data = json.loads((tmp_path / "case.json").read_text())
    del data["pace"]
    (tmp_path / "case.json").write_text(json.dumps(data))
    assert Case.load(tmp_path / "case.json").pace == 1
    with pytest.raises(InputError, match=r"^pace must be 1 to 1000 cycles, got 0$"):
        replace(slow, pace=0)
