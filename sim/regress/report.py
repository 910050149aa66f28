"""A regression for people (terminal) and for programs (JSON)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.coverage import Share, UnitCoverage, print_coverage
from sim.regress.job import Result
from sim.regress.outcome import Bucket, Changes, Outcome, Regression
from sim.regress.run import Planned, Question, tools

MOST_BUCKETS = 10  # groups of failures that are printed; the page has all
MOST_NAMES = 3  # of a bucket that are printed; the page has all
MOST_LINES = 12  # of a report, of a list of changes
MOST_HOLES = 4  # of a unit
MOST_REASONS = 6
_OF_PLAYS = {"cases", "results", "partial_sums", "overflows", "cycles"}
_OF_MUTANTS = {"hunters"}


def many(number: int, thing: str) -> str:
    """Return so many of a thing in words.

    >>> many(1, "job"), many(1200, "job")
    ('1 job', '1,200 jobs')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def print_plan(
    question: Question, planned: Sequence[Planned], without_simulator: int, console: Console
) -> None:
    """Say what will run and why, and what was left out and why."""
    told = "; ".join(tools(planned).values())
    console.print(
        f"{question.suite}: {many(len(planned), 'job')}; seed {question.seed}; {told}",
        soft_wrap=True,
    )
    if without_simulator:
        left_out = many(without_simulator, "job")
        console.print(f"left out: {left_out} on another simulator, as asked for")
    believed = [each for each in planned if each.known]
    if believed:
        units = ", ".join(sorted({each.job.unit for each in believed}))
        console.print(
            f"left out: {many(len(believed), 'job')} of {units}: "
            "they passed, and nothing that they are made of has changed",
            soft_wrap=True,
        )
    reasons = Counter(each.reason for each in planned if not each.known)
    for reason, count in reasons.most_common(MOST_REASONS):
        console.print(f"to run: {many(count, 'job')}: {reason}", soft_wrap=True)
    if (more := sum(reasons.values()) - sum(n for _, n in reasons.most_common(MOST_REASONS))) > 0:
        console.print(f"to run: {many(more, 'job')} for other reasons")


def print_regression(regression: Regression, console: Console) -> None:
    """Print failures first, then what was done, what changed, and the verdict."""
    console.print()
    if regression.uncovered:
        _print_uncovered(regression.uncovered, console)
    for bucket in regression.buckets[:MOST_BUCKETS]:
        _print_bucket(bucket, console)
    if (more := len(regression.buckets) - MOST_BUCKETS) > 0:
        console.print(f"... and {many(more, 'more group')} of failures: see the page\n")
    console.print(_units(regression))
    units, unseen = per_unit(regression), unseen_line(regression)
    if units or unseen:
        console.print()
    if unseen:
        console.print(unseen)
    if units:
        print_coverage(units, console, MOST_HOLES if regression.covers and not unseen else 0)
    if score := regression.score:
        console.print()
        console.print(_hunts(regression))
        console.print(
            f"\nmutants: {score.killed} killed, {score.survived} survived, {score.equivalent} "
            f"proved equivalent: {score.percent:.1f} % of those that can be noticed"
        )
    console.print()
    _print_changes(regression, console)
    ran = sum(not each.believed for each in regression.outcomes)
    word, style = ("PASSED", "bold green") if regression.passed else ("FAILED", "bold red")
    failed = f", {len(regression.failures)} failed" if regression.failures else ""
    missed = many(len(regression.uncovered), "bin")
    uncovered = f"; {missed} not covered" if regression.uncovered else ""
    gone = len(regression.changes.gone) if regression.changes else 0
    fewer = f"; {many(gone, 'job')} gone since the last good run" if gone else ""
    told = (
        f"  {many(len(regression.outcomes), 'job')}, {ran} of them now{failed}{uncovered}{fewer}; "
        f"{regression.seconds:.0f} s; seed {regression.seed}"
    )
    console.print(Text.assemble((word, style), told))


def to_json(regression: Regression) -> dict[str, Any]:
    """Return the regression as JSON values."""
    changes = regression.changes
    return {
        "suite": regression.suite,
        "passed": regression.passed,
        "seed": regression.seed,
        "started": regression.started,
        "seconds": round(regression.seconds, 3),
        "rtl_sha256": regression.rtl_hash,
        "tools": dict(regression.tools),
        "buckets": [
            {"signature": bucket.signature, "jobs": [each.job.name for each in bucket.outcomes]}
            for bucket in regression.buckets
        ],
        "changes": changes and _changes_json(changes),
        "coverage": {unit.unit: _coverage_json(unit) for unit in per_unit(regression)},
        "coverage_without": [each.job.name for each in regression.unseen],
        "must_cover_all_bins": regression.covers,
        "not_covered": regression.uncovered,
        "mutants": regression.score
        and {
            "killed": regression.score.killed,
            "survived": regression.score.survived,
            "equivalent": regression.score.equivalent,
        },
        "jobs": [_job_json(outcome) for outcome in regression.outcomes],
    }


def per_unit(regression: Regression) -> list[UnitCoverage]:
    """Return the coverage of each unit; nothing if no job that looks at it passed.

    Of a part of a suite, of those units that were met.
    """
    units = regression.coverage.per_unit() if regression.coverage else []
    return [unit for unit in units if regression.covers or unit.bins.hit or not unit.bins.all]


def unseen_line(regression: Regression) -> str:
    """Say what the coverage lacks for failures; empty if nothing."""
    if not regression.unseen:
        return ""
    if regression.coverage is None:
        return "no coverage: no job that looks at it passed"
    failed = many(len(regression.unseen), "job")
    return f"{failed} that would look at coverage failed: this is what the others covered"


def change_lines(regression: Regression) -> list[str]:
    """Return what changed since the last good run, the worst first; what broke in its groups."""
    changes = regression.changes
    if changes is None:
        return []
    broke = set(changes.broke)
    groups = [
        (sum(each.job.name in broke for each in bucket.outcomes), bucket.signature)
        for bucket in regression.buckets
    ]
    return [
        *(f"broke: {many(count, 'job')}: {signature}" for count, signature in groups if count),
        *(f"not covered any more: {what}"
          for what in changes.uncovered if what not in regression.uncovered),
        *([f"mutation score: {changes.score[0]:.1f} % -> {changes.score[1]:.1f} %"]
          if changes.score else []),
        *(f"cycles: {name}: {before:,} -> {now:,} ({now / before - 1:+.1%})"
          for name, before, now in changes.cycles),
        *(["time of all jobs that ran and passed, added up, builds and all: "
           f"{changes.seconds[0]:.0f} s -> {changes.seconds[1]:.0f} s"] if changes.seconds else []),
        *(f"{word}: {many(len(names), 'job')}: {_first(names)}"
          for word, names in (("new", changes.new), ("gone", changes.gone)) if names),
    ]  # fmt: skip


def ago(moment: str) -> str:
    """Return how long ago a moment (UTC, ISO 8601) was.

    >>> ago("2000-01-01T00:00:00+00:00").split()[1:]
    ['days', 'ago']
    """
    minutes = int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()) // 60
    count, unit = (minutes, "minute")
    if minutes >= 2880:
        count, unit = minutes // 1440, "day"
    elif minutes >= 120:
        count, unit = minutes // 60, "hour"
    return f"{many(count, unit)} ago"


def _first(names: Sequence[str]) -> str:
    more = f"; and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return "; ".join(names[:MOST_NAMES]) + more


def _print_uncovered(names: Sequence[str], console: Console) -> None:
    head = f"{many(len(names), 'functional bin')} not covered, and this suite covers all"
    console.print(Text(head, style="bold red"))
    _print_lines([f"not covered: {name}" for name in names], console)
    console.print("  add a job that hits it, or the reason why none can, in BINS\n")


def _print_bucket(bucket: Bucket, console: Console) -> None:
    first, count = bucket.first, len(bucket.outcomes)
    console.print(Text(f"{count} x  {bucket.signature}", style="bold red"), soft_wrap=True)
    others = [each.job.name for each in bucket.outcomes if each is not first]
    names = _first([first.job.name, *others])
    console.print(f"  jobs      {names}", soft_wrap=True)
    _print_lines(first.result.report.splitlines(), console)
    console.print(f"  replay    {first.result.replay}\n", soft_wrap=True)


def _units(regression: Regression) -> Table:
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    table.add_column("unit")
    for heading in ("jobs", "failed", "results compared", "partial sums", "other checks"):
        table.add_column(heading, justify="right")
    for unit in sorted({each.job.unit for each in regression.outcomes}):
        mine = [each for each in regression.outcomes if each.job.unit == unit]
        failed = sum(not each.passed for each in mine)
        table.add_row(
            unit, f"{len(mine):,}", Text(f"{failed:,}", style="red" if failed else "green"),
            *(f"{sum(numbers):,}" if any(numbers) else "-" for numbers in zip(
                *(counted(each) for each in mine), strict=True)),
        )  # fmt: skip
    return table


def counted(outcome: Outcome) -> tuple[int, int, int]:
    """Return how many results, partial sums, and other things a job held to something."""
    counts = outcome.result.counts
    others = counts.keys() - _OF_PLAYS - _OF_MUTANTS
    return (
        counts.get("results", 0),
        counts.get("partial_sums", 0),
        sum(counts[name] for name in others),
    )


def _hunts(regression: Regression) -> Table:
    kinds = sorted({kind for hunt in regression.hunts for kind in hunt.by})
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    table.add_column("unit")
    for heading in ("mutants", "survived", "equivalent", *(f"killed by {kind}" for kind in kinds)):
        table.add_column(heading, justify="right")
    for hunt in regression.hunts:
        score = hunt.score
        table.add_row(
            hunt.unit, str(score.killed + score.survived + score.equivalent),
            Text(str(score.survived), style="red" if score.survived else "green"),
            str(score.equivalent), *(str(hunt.by.get(kind, 0)) for kind in kinds),
        )  # fmt: skip
    return table


def _print_changes(regression: Regression, console: Console) -> None:
    changes = regression.changes
    if changes is None:
        console.print("no earlier good run of this suite to compare with")
        return
    lines = change_lines(regression)
    head = f"since the last good run, {ago(changes.since)}:"
    if lines:
        console.print(head)
        _print_lines(lines, console)
    else:
        console.print(f"{head} nothing changed")


def _print_lines(lines: Sequence[str], console: Console) -> None:
    for line in lines[:MOST_LINES]:
        console.print(f"  {line}", soft_wrap=True)
    if (more := len(lines) - MOST_LINES) > 0:
        console.print(f"  ... and {many(more, 'more line')}: see the page")


def _changes_json(changes: Changes) -> dict[str, Any]:
    return {
        "since": changes.since,
        "broke": list(changes.broke),
        "new": list(changes.new),
        "gone": list(changes.gone),
        "cycles": [{"job": n, "before": a, "now": b} for n, a, b in changes.cycles],
        "seconds": changes.seconds and {"before": changes.seconds[0], "now": changes.seconds[1]},
        "not_covered_any_more": list(changes.uncovered),
        "mutation_score": changes.score and {"before": changes.score[0], "now": changes.score[1]},
    }


def _coverage_json(unit: UnitCoverage) -> dict[str, Any]:
    def share(value: Share | None) -> dict[str, int] | None:
        return None if value is None else {"hit": value.hit, "all": value.all}

    return {
        "bins": share(unit.bins), "code": share(unit.blocks), "toggles": share(unit.toggles),
        "missed_bins": list(unit.missed_bins), "code_holes": list(unit.code_holes),
        "unreachable": dict(unit.unreachable),
    }  # fmt: skip


def _job_json(outcome: Outcome) -> dict[str, Any]:
    result: Result = outcome.result
    details = {name: value for name, value in result.details.items() if name != "coverage"}
    return {
        "name": outcome.job.name, "kind": outcome.job.kind, "unit": outcome.job.unit,
        "why": outcome.job.why, "settings": json.loads(json.dumps(dict(outcome.job.settings))),
        "verdict": result.verdict.value, "believed": outcome.believed, "reason": outcome.reason,
        "seconds": round(result.seconds, 3), "signature": result.signature,
        "report": result.report, "replay": result.replay, "counts": dict(result.counts),
        "details": details,
    }  # fmt: skip
