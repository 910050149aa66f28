"""What a run came to: every job with its result, failures in buckets, changes since a good run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sim.coverage import Coverage
from sim.regress.job import Job, Result, Verdict
from sim.regress.store import Run

_SLOWER = (2, 20)  # times and seconds: less is noise of the machine


@dataclass(frozen=True)
class Outcome:
    """A job and what came of it, now or in an earlier run of the very same."""

    job: Job
    result: Result
    believed: bool  # it did not run again
    reason: str  # why it ran, or why not

    @property
    def passed(self) -> bool:
        return self.result.verdict is Verdict.PASSED


@dataclass(frozen=True)
class Bucket:
    """Failures with one signature, which mostly have one cause."""

    signature: str
    outcomes: tuple[Outcome, ...]

    @property
    def first(self) -> Outcome:
        """The one to look at: with the shortest report, which is of the smallest case."""
        return min(self.outcomes, key=lambda each: (len(each.result.report), each.job.name))


@dataclass(frozen=True)
class Changes:
    """What is different from the last good run; a list is empty where nothing is."""

    since: str  # when that run began, UTC
    broke: Sequence[str]
    new: Sequence[str]  # jobs that it did not have
    gone: Sequence[str]  # jobs that it had
    cycles: Sequence[tuple[str, int, int]]  # job, before, now
    seconds: tuple[float, float] | None  # of all that ran and passed, if it is much different
    uncovered: Sequence[str]  # bins and points that it covered and this one does not
    score: tuple[float, float] | None  # of the mutants, where it changed

    @property
    def any(self) -> bool:
        return any(
            (self.broke, self.new, self.gone, self.cycles, self.seconds, self.uncovered, self.score)
        )


@dataclass(frozen=True)
class Score:
    """How many mutants the suite noticed."""

    killed: int
    survived: int
    equivalent: int

    @property
    def percent(self) -> float:
        """Of all that are not proved equivalent."""
        judged = self.killed + self.survived
        return 100 * self.killed / judged if judged else 100.0


@dataclass(frozen=True)
class Hunt:
    """The mutants of one unit, and which kinds of jobs noticed how many of them."""

    unit: str
    score: Score
    by: Mapping[str, int]


@dataclass(frozen=True)
class Regression:
    """A run of a suite, come to its end."""

    suite: str
    seed: int
    tools: Mapping[str, str]
    rtl_hash: str
    started: str  # UTC
    seconds: float
    outcomes: tuple[Outcome, ...]
    before: Run | None  # the last good run
    covers: bool = False  # every functional bin must be hit

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not outcome.passed]

    @property
    def passed(self) -> bool:
        return bool(self.outcomes) and not self.failures and not self.uncovered

    @cached_property
    def buckets(self) -> list[Bucket]:
        """The failures by signature, the largest bucket first."""
        groups = defaultdict(list)
        for outcome in self.failures:
            groups[outcome.result.signature].append(outcome)
        buckets = [Bucket(signature, tuple(group)) for signature, group in groups.items()]
        return sorted(buckets, key=lambda each: (-len(each.outcomes), each.signature))

    @cached_property
    def coverage(self) -> Coverage | None:
        """What all jobs together covered; None if none of them looked, or none that did passed."""
        return merged(outcome.result for outcome in self.outcomes)

    @cached_property
    def unseen(self) -> list[Outcome]:
        """The failures whose jobs look at coverage: what they covered, nobody knows."""
        return [
            outcome
            for outcome in self.failures
            if outcome.job.kind in ("play", "streams")
            and outcome.job.settings.get("simulator") == "batch"
        ]

    @cached_property
    def uncovered(self) -> list[str]:
        """What must be hit and was not; nothing where jobs that look at it failed."""
        if not self.covers or self.unseen:
            return []
        if self.coverage is None:
            return ["all bins: no job looks at them"]
        return [
            f"{unit.unit}: {name}" for unit in self.coverage.per_unit() for name in unit.missed_bins
        ]

    @cached_property
    def score(self) -> Score | None:
        """The mutation score; None if no mutant was hunted."""
        return score(outcome.result for outcome in self.outcomes)

    @cached_property
    def hunts(self) -> list[Hunt]:
        """What became of the mutants of each unit."""
        mutants = [each for each in self.outcomes if "fate" in each.result.details]
        hunts = []
        for unit in sorted({each.job.unit for each in mutants}):
            mine = [each.result for each in mutants if each.job.unit == unit]
            killed = [result for result in mine if result.details["fate"] == "killed"]
            kinds = Counter(str(result.details["kind"]) for result in killed)
            total = score(mine)
            assert total is not None
            hunts.append(Hunt(unit, total, kinds))
        return hunts

    @cached_property
    def changes(self) -> Changes | None:
        """What is different from the last good run; None if there was none."""
        if self.before is None:
            return None
        then = {name: stored.result for name, stored in self.before.results.items()}
        now = {outcome.job.name: outcome for outcome in self.outcomes}
        both = [(name, then[name], now[name]) for name in now if name in then]
        ran = [(name, old, new.result) for name, old, new in both if not new.believed]
        passed = [(old, new) for _, old, new in ran if new.verdict is Verdict.PASSED]
        spent = sum(old.seconds for old, _ in passed), sum(new.seconds for _, new in passed)
        return Changes(
            since=self.before.started,
            broke=[name for name, _, new in both if not new.passed],
            new=[name for name in now if name not in then],
            gone=[name for name in then if name not in now],
            cycles=[
                (name, old.counts["cycles"], new.counts["cycles"])
                for name, old, new in ran
                if "cycles" in old.counts.keys() & new.counts.keys()
                and old.counts["cycles"] != new.counts["cycles"]
                and self.before.summary["seed"] == self.seed  # it decides when streams stand
            ],
            seconds=spent if _differ(*spent) else None,
            uncovered=[] if self.unseen else lost(merged(then.values()), self.coverage),
            score=_changed(score(then.values()), self.score),
        )


def merged(results: Iterable[Result]) -> Coverage | None:
    """Return what results covered together."""
    found = [
        Coverage.from_json(result.details["coverage"])
        for result in results
        if "coverage" in result.details
    ]
    return Coverage.merged(found) if found else None


def lost(before: Coverage | None, now: Coverage | None) -> list[str]:
    """Return what was covered and is not any more: bins by name, code by its share."""
    if before is None or now is None:
        return []
    then = {unit.unit: unit for unit in before.per_unit()}
    found = []
    for unit in now.per_unit():
        if (old := then.get(unit.unit)) is None:
            continue
        missed = set(unit.missed_bins) - set(old.missed_bins)
        found += [f"{unit.unit}: {name}" for name in sorted(missed)]
        for what, was, share in (
            ("code", old.blocks, unit.blocks), ("toggles", old.toggles, unit.toggles)
        ):  # fmt: skip
            if was and share and (share.percent or 0) < (was.percent or 0):
                found.append(f"{unit.unit}: {what} {was} -> {share}")
    return found


def score(results: Iterable[Result]) -> Score | None:
    """Return the score of the mutants among some results."""
    fates = [str(result.details["fate"]) for result in results if "fate" in result.details]
    counts = [fates.count(fate) for fate in ("killed", "survived", "equivalent")]
    return Score(*counts) if fates else None


def _changed(before: Score | None, now: Score | None) -> tuple[float, float] | None:
    if before is None or now is None or before.percent == now.percent:
        return None
    return before.percent, now.percent


def _differ(before: float, now: float) -> bool:
    times, seconds = _SLOWER
    fast, slow = sorted((before, now))
    return slow >= times * fast and slow - fast >= seconds
