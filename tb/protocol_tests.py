"""Runs inside the simulator: hypothesis looks for stalls and resets that a unit minds.

One simulation plays all examples, also while a failure shrinks. An example is a case, so that what
is left of a failure can be played again from its file alone.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.task import bridge, resume
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from golden import mvau
from golden.archive import whole_file
from golden.integer import IntArray
from golden.spec import MvauSpec
from tb.case import DEPTHWISE, Case, Stimulus
from tb.env import Cut, MvauEnv
from tb.scoreboard import Scoreboard
from tb.stalls import STREAMS
from tb.stimulus import adverse_layer

HOME = Path(os.environ["A2Q_HOME"])
UNIT = os.environ["A2Q_UNIT"]
SPEC = MvauSpec.from_json(json.loads(os.environ["A2Q_SPEC"]))
EXAMPLES = int(os.environ["A2Q_EXAMPLES"])
SEED = int(os.environ["A2Q_SEED"])

LAYERS = 4
DUE = (*(f"stalls on {stream}" for stream in STREAMS), "resets", "results")


@dataclass(frozen=True)
class Example:
    """A case, and the resets that cut it off before its own; few failures need any of those."""

    case: Case
    cuts: tuple[Cut, ...]

    def __str__(self) -> str:
        """Say all of it in words: ``2 vectors; input stands 01 over and over; ...``."""
        case, families = self.case, Counter(self.case.families)
        vectors = ", ".join(f"{count} of {family}" for family, count in families.items())
        stalls = [f"{on} stalls {how}" for on, how in case.stalls.items() if how != "never"]
        own = () if case.reset_after is None else (Cut(case.reset_after),)
        resets = [
            f"reset after {cut.after} cycles for {cut.cycles}, "
            f"{'nothing' if cut.calm else 'operands'} on offer"
            for cut in (*self.cuts, *own)
        ]
        return "; ".join([f"vectors: {vectors}", *(stalls or ["no stalls"]), *resets])


@cache
def layer(number: int) -> tuple[IntArray, list[Stimulus]]:
    """Return weights, and vectors one by one, the simplest first."""
    weights, stimuli = adverse_layer(SPEC, np.random.default_rng(number), UNIT == DEPTHWISE)
    simplest_first = sorted(stimuli, key=lambda stimulus: stimulus.family != "corners")
    return weights, [
        Stimulus(stimulus.family, vector[None])
        for stimulus in simplest_first
        for vector in stimulus.vectors
    ]


def _by_cycles(bits: list[bool]) -> str:
    return f"cycles-{''.join(map(str, map(int, bits)))}0" if any(bits) else "never"


# Any cycle may stand; or a stream starts late; or gaps follow as many beats as a vector has.
patterns = (
    st.lists(st.booleans(), max_size=11).map(_by_cycles)
    | st.integers(1, 24).map("late-{}".format)
    | st.builds(
        "bursts-{}-{}".format, st.sampled_from((SPEC.sf, SPEC.total_fold)), st.integers(1, 9)
    )
)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    number = draw(st.integers(0, LAYERS - 1))
    weights, pool = layer(number)
    vectors = draw(st.lists(st.sampled_from(range(len(pool))), min_size=1, max_size=4))
    stalls = {stream: draw(patterns) for stream in STREAMS}

    def before_the_end(vectors_back: int, offset: int, cycles: int, calm: bool) -> Cut:
        """Cut so that it stays where it is in its vector when others before are shrunk away."""
        whole = max(0, len(vectors) - 1 - vectors_back)
        return Cut(whole * SPEC.total_fold + offset, cycles, calm)

    cut = st.builds(
        before_the_end, st.integers(0, 3), st.integers(0, 30), st.integers(1, 3), st.booleans()
    )
    cuts = draw(st.lists(cut, max_size=3))
    own = cuts.pop().after if cuts and cuts[-1] == Cut(cuts[-1].after) else None
    stimuli = tuple(pool[i] for i in vectors)
    return Example(Case(UNIT, SPEC, "adverse", weights, stimuli, stalls, number, own), tuple(cuts))


class Search:
    """Plays examples one after the other in one simulation, each from the same start.

    ``failure`` is the one that was played last, which is the smallest: hypothesis ends with it.
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.env: MvauEnv | None = None
        self.settled = False  # what power-on leaves is no part of an example either
        self.playing: Example | None = None
        self.examples = 0
        self.needed = 0  # examples until the first failure
        self.seen = Counter(dict.fromkeys(DUE, 0))
        self.failure = ""
        self.is_a_case = False  # the failure is in case.json, whole

    async def play(self, example: Example) -> str:
        """Return what is wrong, in sentences; nothing if nothing is."""
        case = self._start(example)
        if self.env is None:
            self.env = MvauEnv(self.dut, case)
        if not self.settled:
            await self.env.settle()
        self.env.take(case)
        with contextlib.suppress(AssertionError):
            await self.env.run(example.cuts)
            self.env.close()
        report = self.env.scoreboard.report or _doubt(self.env.scoreboard)
        self.seen["results"] += sum(t.results for t in self.env.scoreboard.tallies.values())
        self.settled = not report
        if report:
            self._fail(example, report)
        self.playing = None
        return report

    def _start(self, example: Example) -> Case:
        case = example.case
        self.playing = example
        self.examples += 1
        self.seen.update(f"stalls on {on}" for on, how in case.stalls.items() if how != "never")
        self.seen["resets"] += len(example.cuts) + (case.reset_after is not None)
        return case

    def _fail(self, example: Example, report: str) -> None:
        self.needed = self.needed or self.examples
        self.failure, self.is_a_case = f"{example}\n\n{report}", not example.cuts
        example.case.save(HOME / "case.json")

    def require_all(self) -> None:
        """Refuse a search that tried too little."""
        missing = [name for name in DUE if not self.seen[name]]
        assert self.examples >= EXAMPLES, f"only {self.examples} of {EXAMPLES} examples were played"
        assert not missing, f"{self.examples} examples had no {', no '.join(missing)}"

    def write(self) -> None:
        """Leave what was found for the process that started the simulation."""
        if self.playing and self.env:  # a driver stumbled; what was seen until then says why
            self._fail(self.playing, self.env.scoreboard.report)
        names = ("examples", "needed", "seen", "failure", "is_a_case")
        with whole_file(HOME / "found.json") as partial:
            found = {name: getattr(self, name) for name in names}
            partial.write_text(json.dumps(found), encoding="utf-8")


def _doubt(seen: Scoreboard) -> str:
    """Say so if results are right for what crossed the streams, but that was not the case's own."""
    case = seen.case
    due = mvau.outcome(SPEC, case.weights, case.vectors, case.depthwise)
    same = np.array_equal(seen.out, due.out)
    same &= np.array_equal(seen.overflow, due.overflow & SPEC.observe)
    return "" if same else "the results are not those of the case's own vectors"


@cocotb.test()
async def explores(dut: Any) -> None:
    """However streams stall and wherever resets cut in: all results, in order, each once, right.

    Time-outs are those of the cases; one around the search would leave its thread behind.
    """
    search = Search(dut)
    play = resume(search.play)

    # Time is the simulator's; with a seed and without a database a run can be repeated.
    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=(HealthCheck.too_slow,),
        verbosity=Verbosity.quiet,
    )
    @given(examples())
    def every_example_passes(example: Example) -> None:
        assert not play(example)

    try:
        await bridge(every_example_passes)()
        search.require_all()
    except Exception as error:
        if not search.failure:
            raise
        doubt = "" if type(error) is AssertionError else f" ({type(error).__name__})"
        raise AssertionError(f"found after {search.needed} examples{doubt}") from None
    finally:
        search.write()
