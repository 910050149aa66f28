"""Stall patterns do what their names say, and no other names are taken."""

from __future__ import annotations

from itertools import islice, takewhile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.integer import InputError
from tb.stalls import StallPattern

PATTERNS = (
    st.just("never")
    | st.integers(2, 40).map("every-{}".format)
    | st.builds("bursts-{}-{}".format, st.integers(1, 20), st.integers(0, 20))
    | st.integers(0, 90).map("random-{}".format)
    | st.integers(0, 200).map("late-{}".format)
    | st.from_regex(r"cycles-(?=1*0)[01]{1,16}", fullmatch=True)
)


def stalls(name: str, cycles: int, seed: int = 1) -> list[bool]:
    pattern = StallPattern.parse(name)
    return list(islice(pattern.cycles(np.random.default_rng(seed)), cycles))


def drawn(name: str, cycles: int) -> str:
    """Return a picture of the pattern: ``x`` stands still, ``.`` moves."""
    return "".join("x" if stalled else "." for stalled in stalls(name, cycles))


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("never", "............"),
        ("every-2", "x.x.x.x.x.x."),
        ("every-3", "x..x..x..x.."),
        ("bursts-1-3", ".xxx.xxx.xxx"),
        ("bursts-4-2", "....xx....xx"),
        ("bursts-2-0", "............"),
        ("random-0", "............"),
        ("late-5", "xxxxx......."),
        ("late-0", "............"),
        ("cycles-0", "............"),
        ("cycles-10", "x.x.x.x.x.x."),
        ("cycles-00110", "..xx...xx..."),
        ("cycles-0111111111111111", ".xxxxxxxxxxx"),
    ],
)
def test_picture(name: str, picture: str) -> None:
    assert drawn(name, 12) == picture


@given(PATTERNS, st.integers(1, 5000))
def test_a_sample_is_the_first_cycles(name: str, cycles: int) -> None:
    pattern, rng = StallPattern.parse(name), np.random.default_rng(1)
    assert pattern.sample(cycles, rng).tolist() == stalls(name, cycles)


@given(PATTERNS)
def test_slowdown_is_cycles_per_beat_in_the_long_run(name: str) -> None:
    pattern = StallPattern.parse(name)
    cycles = 200 + 40 * 39 * 20
    moved = cycles - sum(stalls(name, cycles)[200:]) - 200
    tolerance = 0.15 if pattern.kind == "random" else 0.02
    assert (cycles - 200) / moved == pytest.approx(float(pattern.slowdown), rel=tolerance)


@given(PATTERNS)
def test_delay_covers_the_cycles_before_the_first_beat(name: str) -> None:
    pattern = StallPattern.parse(name)
    waited = len(list(takewhile(bool, stalls(name, 1000))))
    if pattern.kind in ("every", "random"):
        assert pattern.delay == 0  # their first beats are slow, not late
    else:
        assert waited <= pattern.delay
    if pattern.kind == "late":
        assert waited == pattern.delay


@pytest.mark.parametrize("percent", [1, 10, 50, 90])
def test_random_stands_still_in_its_share_of_cycles(percent: int) -> None:
    assert sum(stalls(f"random-{percent}", 100_000)) == pytest.approx(percent * 1000, abs=600)


def test_random_depends_on_its_seed() -> None:
    assert stalls("random-50", 3000, seed=1) == stalls("random-50", 3000, seed=1)
    assert stalls("random-50", 3000, seed=1) != stalls("random-50", 3000, seed=2)


def test_random_does_not_repeat_itself() -> None:
    cycles = stalls("random-50", 4096)
    assert cycles[:1024] != cycles[1024:2048] != cycles[2048:3072]


@given(PATTERNS)
def test_the_name_is_kept(name: str) -> None:
    assert StallPattern.parse(name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "Never", "never ", "never\n", "always", "every", "every-", "every-0", "every-1",
        "every--2", "every-1.5", "every-3-4", "every-10000", "every-\uff12", "bursts-3",
        "bursts-0-3", "bursts-3-", "bursts-3-4-5", "random", "random-91", "random-100",
        "random-0.3", "random-\u0663\u0660", "late", "late-", "late--1", "late-10000",
        "cycles", "cycles-", "cycles-1", "cycles-111", "cycles-012", "cycles-01-1", "cycles-0 1",
        "cycles-00000000000000000", "cycles-\u0660",
    ],
)  # fmt: skip
def test_refuses(name: str) -> None:
    with pytest.raises(InputError, match="a stall pattern must be never, every-N") as caught:
        StallPattern.parse(name)
    assert str(caught.value).endswith(f"got {name!r}")
