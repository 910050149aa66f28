"""Proofs of pe, mac and mvau around any dot: they hold, say something, and find what is planted."""

from __future__ import annotations

from pathlib import Path

import pytest
from formal_suite import assertions, require_refuted_if_negated
from planted_bugs import BUGS, RESET_BUGS, Bug, planted

from formal.claim import Claim, Status, prove
from formal.control import SPECS, claims, mac_claim, mvau_claim, pe_claim

SPEC = SPECS[0]  # folded both ways, with two rows
CLAIMS = {"pe.v": pe_claim(SPEC), "mac.v": mac_claim(SPEC), "mvau.v": mvau_claim(SPEC)}

# Beside those that every search must find: above all, what a unit tells wrongly to those in it.
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
pytestmark = pytest.mark.sim

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


@pytest.mark.parametrize(("module", "number"), assertions(*SAYS))
def test_an_assertion_that_is_negated_fails(
    module: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = CLAIMS[SAYS[module]]
    require_refuted_if_negated(claim, module, number, tmp_path, monkeypatch)


def test_a_flag_where_nothing_is_observed_is_refuted(tmp_path: Path) -> None:
    bug = Bug("pe.v", "assign overflow = 1'b0;", "assign overflow = beat_overflow;")
    (blind,) = (spec for spec in SPECS if not spec.observe)
    evidence = prove(pe_claim(blind), rtl=planted(bug, tmp_path))
    assert evidence.status == Status.REFUTED, evidence.why
