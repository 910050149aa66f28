"""The stream units on their own: nothing lost, nothing twice, nothing out of order."""

from __future__ import annotations

from pathlib import Path

import pytest
from rtl_suite import simulators

from sim.paths import RTL
from sim.run import buffer_tests, play_buffer
from sim.tools import simulator

pytestmark = pytest.mark.sim

SHAPES = [
    ("skid_buffer", {"DATA_BITS": 1}),
    ("skid_buffer", {"DATA_BITS": 40}),
    ("replay_buffer", {"DATA_BITS": 8, "BEATS": 1, "COPIES": 1}),
    ("replay_buffer", {"DATA_BITS": 9, "BEATS": 5, "COPIES": 1}),
    ("replay_buffer", {"DATA_BITS": 33, "BEATS": 1, "COPIES": 3}),
    ("replay_buffer", {"DATA_BITS": 16, "BEATS": 6, "COPIES": 5}),
    ("replay_buffer", {"DATA_BITS": 16, "BEATS": 8, "COPIES": 2}),
]


@pytest.mark.parametrize("sim", simulators())
@pytest.mark.parametrize(("unit", "parameters"), SHAPES, ids=lambda value: str(value))
def test_buffer_passes_beats(unit: str, parameters: dict, sim: str) -> None:
    assert play_buffer(unit, parameters, simulator(sim), seed=1) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("m_axis_tvalid = out_valid_q;", "m_axis_tvalid = out_valid_q & m_axis_tready;"),
        ("advance = m_axis_tready | ~out_valid_q", "advance = m_axis_tready"),
        ("s_axis_tready = ~skid_valid_q;", "s_axis_tready = ~out_valid_q | m_axis_tready;"),
    ],
    ids=["valid waits for ready", "first beat waits for ready", "ready follows ready"],
)
def test_a_buffer_that_waits_is_found(right: str, wrong: str, tmp_path: Path) -> None:
    text = (RTL / "skid_buffer.v").read_text()
    assert text.count(right) == 1
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "skid_buffer.v").write_text(text.replace(right, wrong))
    sim = simulator(simulators()[-1])
    faults = play_buffer("skid_buffer", {"DATA_BITS": 4}, sim, seed=1, rtl=tmp_path / "rtl")
    assert any(fault.startswith("waits_for_nobody: ") for fault in faults)


def test_all_tests_are_due() -> None:
    """The list of what must run is made by hand; here it meets cocotb's own names."""
    assert len(buffer_tests()) == len(set(buffer_tests())) == 10
