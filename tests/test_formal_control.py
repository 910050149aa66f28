"""Proofs of pe, mac and mvau around any dot: they hold, say something, and find what is planted."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from planted_bugs import BUGS, RESET_BUGS, Bug, planted

from formal.claim import Claim, Status, prove
from formal.control import SPECS, claims, mac_claim, mvau_claim, pe_claim
from formal.design import PROPERTIES

SPEC = SPECS[0]  # folded both ways, with two rows
CLAIMS = {"pe.v": pe_claim(SPEC), "mac.v": mac_claim(SPEC), "mvau.v": mvau_claim(SPEC)}

# Beside those that every search must find: what is not told, or told the wrong way, to what is below.
MORE_BUGS = {
    "sum taken without a beat": Bug("pe.v", "if (beat)\n            acc_q", "acc_q"),
    "overflow taken without a beat": Bug(
        "pe.v", "if (beat)\n                    overflow_q", "overflow_q"
    ),
    "each beat a dot product": Bug("pe.v", "first_q <= last;", "first_q <= 1'b1;"),
    "signs of another format": Bug(
        "pe.v", ".SIGNED_INPUT(SIGNED_INPUT)", ".SIGNED_INPUT(1 - SIGNED_INPUT)"
    ),
    "policy not passed on": Bug("mac.v", ".OVERFLOW(OVERFLOW)", ".OVERFLOW(1)"),
    "result of any pair": Bug("mac.v", "beat & s_axis_input_tlast", "beat"),
    "valid waits for ready": Bug(
        "mac.v", "s_axis_tvalid(beat &", "s_axis_tvalid(m_axis_output_tready & beat &"
    ),
    "weights wait for ready": Bug(
        "mac.v",
        "s_axis_input_tvalid & room;\n\n",
        "s_axis_input_tvalid & room & m_axis_output_tready;\n\n",
    ),
    "nothing ever moves": Bug("mvau.v", "beat = input_valid &", "beat = 1'b0 & input_valid &"),
    "never more than one result at a time": Bug(
        "mvau.v", "wire beat = ", "wire beat = ~m_axis_output_tvalid & "
    ),
    "dot products end with the vector": Bug("mvau.v", ".last(last)", ".last(last & last_copy)"),
    "lanes the other way round": Bug(
        "mvau.v",
        ".inputs(input_data)",
        ".inputs({input_data[INPUT_BITS-1:0], input_data[SIMD*INPUT_BITS-1:INPUT_BITS]})",
    ),
    "a fold less": Bug("mvau.v", ".COPIES(MH/PE)", ".COPIES(MH/PE - 1)"),
    "two rows of the same tile": Bug(
        "mvau.v", "s_axis_weight_tdata[gp*SIMD", "s_axis_weight_tdata[gp/2*2*SIMD"
    ),
    "bipolar inputs taken for others": Bug(
        "mvau.v", ".BIPOLAR_INPUT(BIPOLAR_INPUT)", ".BIPOLAR_INPUT(1 - BIPOLAR_INPUT)"
    ),
}
BUGS_HERE = {
    name: bug for name, bug in {**BUGS, **RESET_BUGS, **MORE_BUGS}.items() if bug.file in CLAIMS
}

# Which claim shows that the assertions of a file are about something.
SAYS = {
    "pe_rules": "pe.v",
    "sent_once": "mac.v",
    "stream_rules": "mac.v",
    "prove_pe_control": "pe.v",
    "prove_mac_control": "mac.v",
    "prove_mvau_control": "mvau.v",
}
_ASSERT = re.compile(r"\bassert \(")


def negated(source: str, number: int) -> tuple[str, int]:
    """Return a property file with one assertion negated, and the line of that."""
    start = list(_ASSERT.finditer(source))[number].end()
    end, depth = start, 1
    while depth:
        depth += {"(": 1, ")": -1}.get(source[end], 0)
        end += 1
    text = f"{source[:start]}!({source[start : end - 1]}){source[end - 1 :]}"
    return text, source.count("\n", 0, start) + 1


ASSERTIONS = [
    (module, number)
    for module in SAYS
    for number, _ in enumerate(
        _ASSERT.finditer((PROPERTIES / f"{module}.v").read_text(encoding="utf-8"))
    )
]


@pytest.mark.parametrize(
    "claim", [claim for spec in SPECS for claim in claims(spec)], ids=lambda claim: claim.slug
)
def test_what_is_claimed_is_proved(claim: Claim) -> None:
    evidence = prove(claim)
    assert evidence.status == Status.PROVED, evidence.why
    assert evidence.assertions
    assert evidence.covers


@pytest.mark.parametrize("name", BUGS_HERE)
def test_a_planted_bug_is_refuted(name: str, tmp_path: Path) -> None:
    bug = BUGS_HERE[name]
    evidence = prove(CLAIMS[bug.file], rtl=planted(bug, tmp_path))
    assert evidence.status == Status.REFUTED, evidence.why
    assert Path(evidence.trace).stat().st_size > 0


@pytest.mark.parametrize(("module", "number"), ASSERTIONS)
def test_an_assertion_that_is_negated_fails(
    module: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(PROPERTIES, tmp_path / "properties"))
    path = folder / f"{module}.v"
    text, line = negated(path.read_text(encoding="utf-8"), number)
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr("formal.design.PROPERTIES", folder)
    claim = CLAIMS[SAYS[module]]
    evidence = prove(
        replace(claim, cycles=claim.depth)
    )  # so that all its cycles are looked at first
    assert evidence.status == Status.REFUTED, evidence.why
    assert f"{module}.v:{line}" in evidence.places


def test_a_flag_where_nothing_is_observed_is_refuted(tmp_path: Path) -> None:
    bug = Bug("pe.v", "assign overflow = 1'b0;", "assign overflow = beat_overflow;")
    (blind,) = (spec for spec in SPECS if not spec.observe)
    evidence = prove(pe_claim(blind), rtl=planted(bug, tmp_path))
    assert evidence.status == Status.REFUTED, evidence.why
