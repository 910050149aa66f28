"""How many examples do the property tests need to find a bug that is planted in the RTL?

Run by the benchmark as a program: writes what it measured as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from explore import ON_RTL, POOL, VECTORS, cases, rtl_answer, toward_the_edge
from hypothesis import HealthCheck, Phase, given, seed, settings
from planted_bugs import BUGS, Bug, planted

from sim import batch
from tb.case import Case

HUNTED = (
    "negative overflow missed",
    "tree node one bit too narrow",
    "carry lost between the halves of a sum",
    "overflow bit of the neighbour",
)
MOST = 1000  # examples


class Found(Exception):
    """The example that was just played shows the bug."""


def explored(number: int, examples: int, look: Callable[[Case], None]) -> None:
    """Run the property that every unit is bit-exact, as the tests do, with this seed."""

    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate, Phase.target],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(cases(ON_RTL.specs, stalls=True, reset=True))
    def search(case: Case) -> None:
        toward_the_edge(case)
        look(case)

    search()


def hunt(bug: Bug, number: int) -> tuple[int, float]:
    """Return how many examples it took to find a bug, and how many seconds, builds included."""
    examples, started = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rtl = planted(bug, Path(folder))

        def look(case: Case) -> None:
            nonlocal examples
            examples += 1
            try:
                rtl_answer(case, rtl)
            except AssertionError:
                raise Found from None

        try:
            explored(number, MOST, look)
        except Found:
            return examples, time.monotonic() - started
    sys.exit(f"not found in {MOST} examples")


def rate(seconds: float) -> float:
    """Return examples a second on the RTL as it is, once its units are built."""
    count, spent = 0, 0.0

    def look(case: Case) -> None:
        nonlocal count
        rtl_answer(case)
        count += 1

    for spec in POOL:
        batch.load(spec)
    number = 0
    while spent < seconds:
        number += 1
        started = time.perf_counter()
        explored(number, 300, look)
        spent += time.perf_counter() - started
    return count / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    examples_per_s = rate(options.seconds)  # first, so that the runtime is built when hunts begin
    bugs = []
    for name in HUNTED:
        found = [hunt(BUGS[name], number) for number in range(options.seeds)]
        examples, seconds = (list(values) for values in zip(*found, strict=True))
        median = statistics.median(examples)
        bugs.append({"name": name, "examples": examples, "median": median, "seconds": seconds})
        print(f"hunted: {name}", flush=True)
    result = {
        "examples_per_s": examples_per_s, "vectors_per_example": VECTORS, "bugs": bugs,
    }  # fmt: skip
    options.json.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
