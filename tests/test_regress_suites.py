"""What specs and streams of the suites are there for: a bug each, that nothing simpler shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_bugs import Bug, planted

from sim.regress import kinds, suites
from sim.regress.job import Job, Verdict

pytestmark = pytest.mark.sim

RESTARTS = """reg [8:0] beats_q;

    always @(posedge clk)
        if (rst | (beat & last))
            beats_q <= 9'd0;
        else if (beat)
            beats_q <= beats_q + 1'b1;

    always @(posedge clk)
        if (rst)
            first_q <= 1'b1;
        else if (beat)
            first_q <= last | (beats_q == 9'd200);"""
GIVES_UP = """reg [7:0] age_q;

    always @(posedge clk)
        age_q <= (rst | m_axis_tready) ? 8'd0 : age_q + (age_q != 8'd255);

    assign m_axis_tvalid = out_valid_q & (age_q < 8'd200)"""

# What shows a bug that "shipped" does not show.
BUGS = {
    "long rows": Bug(
        "pe.v",
        "always @(posedge clk)\n        if (rst)\n            first_q <= 1'b1;\n"
        "        else if (beat)\n            first_q <= last;",
        RESTARTS,
    ),
    "many rows": Bug(
        "replay_buffer.v", "$clog2(COPIES) : 1", "(COPIES > 64 ? 6 : $clog2(COPIES)) : 1"
    ),
    "saturating past a machine word": Bug(
        "dot.v", "(fits || OVERFLOW == 0)", "(fits || OVERFLOW == 0 || ACC_BITS > 33)"
    ),
    "signed, saturating, P a product": Bug(
        "dot.v", "lane < SIMD; lane = lane + 2", "lane < (SIMD > 16 ? 16 : SIMD); lane = lane + 2"
    ),
    "nobody watches, signed, saturating": Bug(
        "pe.v", ".OVERFLOW(OVERFLOW)", ".OVERFLOW(OBSERVE == 0 ? 0 : OVERFLOW)"
    ),
    "wide tree, binary inputs": Bug(
        "dot.v", "SIGNED_INPUT == 1)\n                x = x >>>",
        "SIGNED_INPUT == 1 || (INPUT_BITS == 1 && SIMD >= 24))\n                x = x >>>",
    ),
    "bipolar weights": Bug("dot.v", "if (BIPOLAR_WEIGHT == 1)", "if (BIPOLAR_WEIGHT > 1)"),
    "bipolar inputs": Bug("dot.v", "x = ~(x << 1);", "x = ~(x << (1 - WEIGHT_BITS / 4));"),
    "bipolar weights and inputs": Bug(
        "dot.v", "if (BIPOLAR_INPUT == 1)", "if (BIPOLAR_INPUT == 1 && BIPOLAR_WEIGHT == 0)"
    ),
    "narrowest": Bug("dot.v", "x = x >> (EXACT_BITS-INPUT_BITS)",
                     "x = x >> (EXACT_BITS-INPUT_BITS-(INPUT_BITS == 1))"),
    "one by one": Bug("replay_buffer.v", "assign m_axis_tlast = beat_q ==",
                      "assign m_axis_tlast = (BEATS > 1 || COPIES > 1) & beat_q =="),
}  # fmt: skip


def plays(spec: str) -> Job:
    (found,) = (
        job
        for job in suites.suite("quick").jobs
        if job.name.startswith(f"mvau, {spec}, calm") and job.settings["simulator"] == "batch"
    )
    return found


@pytest.mark.parametrize("spec", BUGS)
def test_a_spec_shows_what_the_shipped_one_does_not(spec: str, tmp_path: Path) -> None:
    rtl = planted(BUGS[spec], tmp_path)
    assert kinds.run(plays("shipped"), rtl, explain=False).verdict is Verdict.PASSED
    came = kinds.run(plays(spec), rtl, explain=False)
    assert came.verdict is Verdict.FAILED
    assert "MISMATCH" in came.report or "no end within" in came.report, came.report


FORGETS = """reg [4:0] idle_q;

    always @(posedge clk)
        idle_q <= (rst | beat) ? 5'd0 : idle_q + (idle_q != 5'd31);

    always @(posedge clk)
        if (rst)
            first_q <= 1'b1;
        else if (beat)
            first_q <= last;
        else if (idle_q == 5'd30)
            first_q <= 1'b1;"""


def test_a_dot_product_that_pauses_for_long_must_not_be_forgotten(tmp_path: Path) -> None:
    rtl = planted(BUGS["long rows"]._replace(wrong=FORGETS), tmp_path)
    came = kinds.run(plays("one lane, folds only"), rtl, explain=False)
    assert came.verdict is Verdict.FAILED
    assert "MISMATCH" in came.report


def test_an_output_that_is_left_waiting_for_long_must_not_give_up(tmp_path: Path) -> None:
    rtl = planted(Bug("skid_buffer.v", "assign m_axis_tvalid = out_valid_q", GIVES_UP), tmp_path)
    came = kinds.run(plays("no folds"), rtl, explain=False)
    assert came.verdict is Verdict.FAILED
    assert "tvalid must hold until the beat is taken, but it fell" in came.report
