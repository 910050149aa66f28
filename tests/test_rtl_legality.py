"""Python and elaboration refuse the same specs, in the same words, and both gates find nothing."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
from rtl_suite import SPECS, simulators

from golden.integer import InputError
from golden.spec import RULES, MvauSpec
from sim import lint
from sim.paths import RTL
from sim.tools import Simulator, ToolError, simulator

pytestmark = pytest.mark.sim

SOURCES = sorted(RTL.glob("*.v"))
LEGAL = {"mw": 12, "mh": 6, "pe": 2, "simd": 4, "weight_bits": 4, "input_bits": 4, "acc_bits": 12,
         "signed_input": 0, "overflow": 0, "observe": 1,
         "bipolar_weight": 0, "bipolar_input": 0}  # fmt: skip

# What to change in LEGAL -> the rule that refuses it first.
ILLEGAL = [
    ({"mw": 0}, "MW must be 1 to 65536"),
    ({"mw": 65540}, "MW must be 1 to 65536"),
    ({"mh": 0}, "MH must be 1 to 65536"),
    ({"mh": 65538}, "MH must be 1 to 65536"),
    ({"simd": 0}, "SIMD must be positive"),
    ({"simd": -4}, "SIMD must be positive"),
    ({"pe": 0}, "PE must be positive"),
    ({"pe": -2}, "PE must be positive"),
    ({"simd": 5}, "SIMD must divide MW"),
    ({"simd": 24}, "SIMD must divide MW"),
    ({"pe": 4}, "PE must divide MH"),
    ({"pe": 12}, "PE must divide MH"),
    ({"weight_bits": 0}, "WEIGHT_BITS must be 1 to 16"),
    ({"weight_bits": 17}, "WEIGHT_BITS must be 1 to 16"),
    ({"input_bits": 0}, "INPUT_BITS must be 1 to 16"),
    ({"input_bits": 17}, "INPUT_BITS must be 1 to 16"),
    ({"acc_bits": 1}, "ACC_BITS must be 2 to 64"),
    ({"acc_bits": -1}, "ACC_BITS must be 2 to 64"),
    ({"acc_bits": 65}, "ACC_BITS must be 2 to 64"),
    ({"signed_input": 2}, "SIGNED_INPUT must be 0 or 1"),
    ({"overflow": 2}, "OVERFLOW must be 0 or 1"),
    ({"overflow": -1}, "OVERFLOW must be 0 or 1"),
    ({"observe": 2}, "OBSERVE must be 0 or 1"),
    ({"bipolar_weight": 2, "weight_bits": 1}, "BIPOLAR_WEIGHT must be 0 or 1"),
    ({"bipolar_input": -1}, "BIPOLAR_INPUT must be 0 or 1"),
    ({"bipolar_weight": 1}, "BIPOLAR_WEIGHT must have WEIGHT_BITS 1"),
    ({"bipolar_input": 1, "signed_input": 1}, "BIPOLAR_INPUT must have INPUT_BITS 1"),
    ({"bipolar_input": 1, "input_bits": 1}, "BIPOLAR_INPUT must have SIGNED_INPUT 1"),
]


def elaboration(sim: str, parameters: dict[str, int]) -> subprocess.CompletedProcess[str]:
    flag = "-G" if sim == "verilator" else "-Pmvau."
    command = {
        "verilator": ["verilator", "--lint-only", "--default-language", "1364-2005"],
        "icarus": ["iverilog", "-g2005", "-tnull"],
    }[sim]
    top = ["--top-module", "mvau"] if sim == "verilator" else ["-s", "mvau"]
    overrides = [f"{flag}{name.upper()}={number}" for name, number in parameters.items()]
    return subprocess.run(
        [*command, *top, *overrides, *map(str, SOURCES)],
        capture_output=True, text=True, check=False, env=simulator(sim).env(),
    )  # fmt: skip


def test_every_rule_is_broken_once() -> None:
    assert {sentence for _, sentence in ILLEGAL} == {rule.sentence for rule in RULES}
    assert set(LEGAL) == {field.name for field in fields(MvauSpec)}


@pytest.mark.parametrize("sim", simulators())
def test_legal_specs_elaborate(sim: str) -> None:
    MvauSpec(**LEGAL)
    for parameters in [LEGAL, *(spec.to_json() for spec in SPECS.values())]:
        ran = elaboration(sim, parameters)
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("sim", simulators())
@pytest.mark.parametrize(("change", "sentence"), ILLEGAL, ids=lambda value: str(value))
def test_illegal_specs_are_refused_by_both(sim: str, change: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}, got "):
        MvauSpec(**(LEGAL | change))
    assert elaboration(sim, LEGAL | change).returncode != 0


@pytest.mark.parametrize(("change", "sentence"), ILLEGAL, ids=lambda value: str(value))
def test_static_assert_is_named_like_the_rule(change: dict, sentence: str) -> None:
    """Verilator shows the line of the assert, whose name is the rule; where MW / SIMD is not even
    a number, the first line that it shows is the division's.
    """
    name = next(rule.static_assert for rule in RULES if rule.sentence == sentence)
    shown = elaboration("verilator", LEGAL | change).stderr
    assert name in shown or (change == {"simd": 0} and "SIMD_MUST_DIVIDE_MW" in shown)


@pytest.mark.parametrize("gate", simulators())
def test_lint_gate_finds_nothing(gate: str) -> None:
    assert lint.lint(gates=[gate]) == []


PLANTED = {
    "a net too narrow": ("wire [3:0] narrow_wire = addend;", "verilator", "WIDTH"),
    "a net never read": ("wire never_read = addend[0];", "verilator", "UNUSEDSIGNAL"),
    "another language": ("always_comb sum = addend;", "icarus", "syntax error"),
}


@pytest.mark.parametrize("name", [n for n, (_, gate, _) in PLANTED.items() if gate in simulators()])
def test_lint_gate_finds_what_is_planted(tmp_path: Path, name: str) -> None:
    line, gate, says = PLANTED[name]
    for source in SOURCES:
        text = source.read_text()
        if source.stem == "dot":
            text = text.replace("    integer lane;", f"    {line}\n    integer lane;")
        (tmp_path / source.name).write_text(text)
    assert any(says in finding for finding in lint.lint(rtl=tmp_path, gates=[gate]))


def test_lint_of_nothing_is_a_finding(tmp_path: Path) -> None:
    found = lint.lint(rtl=tmp_path, gates=["verilator"])
    assert found == [f"{tmp_path} has no Verilog files"]


def test_lint_without_a_gate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_verilator(name: str) -> Simulator:
        if name == "icarus":
            raise ToolError("iverilog is missing")
        return simulator(name)

    monkeypatch.setattr(lint, "simulator", only_verilator)
    with pytest.raises(ToolError, match="iverilog is missing"):
        lint.lint()
