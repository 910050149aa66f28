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


def print_plan(
    question: Question, planned: Sequence[Planned], without_simulator: int, console: Console
) -> None:
    """Say what will run and why, and what was left out and why."""
    told = "; ".join(tools(planned).values())
    console.print(
        f"{question.suite}: {len(planned)} jobs; seed {question.seed}; {told}", soft_wrap=True
    )
    if without_simulator:
        console.print(f"left out: {without_simulator} jobs on another simulator, as asked for")
    believed = [each for each in planned if each.known]
    if believed:
        units = ", ".join(sorted({each.job.unit for each in believed}))
        console.print(
            f"left out: {len(believed)} jobs of {units}: "
            "they passed, and nothing that they are made of has changed",
            soft_wrap=True,
        )
    reasons = Counter(each.reason for each in planned if not each.known)
    for reason, count in reasons.most_common(MOST_REASONS):
        console.print(f"to run: {count} jobs: {reason}", soft_wrap=True)
    if (more := sum(reasons.values()) - sum(n for _, n in reasons.most_common(MOST_REASONS))) > 0:
        console.print(f"to run: {more} jobs more, for other reasons")


def print_regression(regression: Regression, console: Console) -> None:
    """Print failures first, then what was done, what changed, and the verdict."""
    console.print()
    for bucket in regression.buckets[:MOST_BUCKETS]:
        _print_bucket(bucket, console)
    if (more := len(regression.buckets) - MOST_BUCKETS) > 0:
        console.print(f"... and {more} more groups of failures: see the page\n")
    console.print(_units(regression))
    if units := per_unit(regression):
        console.print()
        print_coverage(units, console, MOST_HOLES)
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
    told = (
        f"  {len(regression.outcomes)} jobs, {ran} of them now{failed}; "
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
        "mutants": regression.score
        and {
            "killed": regression.score.killed,
            "survived": regression.score.survived,
            "equivalent": regression.score.equivalent,
        },
        "jobs": [_job_json(outcome) for outcome in regression.outcomes],
    }


def per_unit(regression: Regression) -> list[UnitCoverage]:
    """Return the coverage of each unit; nothing if no job looked."""
    return regression.coverage.per_unit() if regression.coverage else []


def change_lines(changes: Changes) -> list[str]:
    """Return what changed since the last good run, a line each, the worst first."""
    return [
        *(f"broke: {name}" for name in changes.broke),
        *(f"not covered any more: {what}" for what in changes.uncovered),
        *([f"mutation score: {changes.score[0]:.1f} % -> {changes.score[1]:.1f} %"]
          if changes.score else []),
        *(f"cycles: {name}: {before:,} -> {now:,} ({now / before - 1:+.1%})"
          for name, before, now in changes.cycles),
        *(f"time: {name}: {before:.1f} s -> {now:.1f} s" for name, before, now in changes.seconds),
        *(f"new: {name}" for name in changes.new),
        *(f"gone: {name}" for name in changes.gone),
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
    return f"{count} {unit}{'s' if count != 1 else ''} ago"


def _print_bucket(bucket: Bucket, console: Console) -> None:
    first, count = bucket.first, len(bucket.outcomes)
    console.print(Text(f"{count} x  {bucket.signature}", style="bold red"), soft_wrap=True)
    names = [each.job.name for each in bucket.outcomes][:MOST_NAMES]
    more = f", and {count - len(names)} more" if count > len(names) else ""
    console.print(f"  jobs      {'; '.join(names)}{more}", soft_wrap=True)
    lines = first.result.report.splitlines()
    for line in lines[:MOST_LINES]:
        console.print(f"  {line}", soft_wrap=True)
    if len(lines) > MOST_LINES:
        console.print(f"  ... {len(lines) - MOST_LINES} more lines: see the page")
    console.print(f"  replay    {first.result.replay}\n", soft_wrap=True)


def _units(regression: Regression) -> Table:
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    table.add_column("unit")
    for heading in ("jobs", "failed", "results compared", "partial sums"):
        table.add_column(heading, justify="right")
    for unit in sorted({each.job.unit for each in regression.outcomes}):
        mine = [each for each in regression.outcomes if each.job.unit == unit]
        failed = sum(not each.passed for each in mine)
        table.add_row(
            unit, f"{len(mine):,}", Text(f"{failed:,}", style="red" if failed else "green"),
            *(f"{sum(each.result.counts.get(count, 0) for each in mine):,}"
              for count in ("results", "partial_sums")),
        )  # fmt: skip
    return table


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
    lines = change_lines(changes)
    head = f"since the last good run, {ago(changes.since)}:"
    if lines:
        _print_list(head, lines, console)
    else:
        console.print(f"{head} nothing changed")


def _print_list(head: str, lines: Sequence[str], console: Console) -> None:
    console.print(head)
    for line in lines[:MOST_LINES]:
        console.print(f"  {line}", soft_wrap=True)
    if len(lines) > MOST_LINES:
        console.print(f"  ... and {len(lines) - MOST_LINES} more: see the page")


def _changes_json(changes: Changes) -> dict[str, Any]:
    return {
        "since": changes.since,
        "broke": list(changes.broke),
        "new": list(changes.new),
        "gone": list(changes.gone),
        "cycles": [{"job": n, "before": a, "now": b} for n, a, b in changes.cycles],
        "seconds": [{"job": n, "before": a, "now": b} for n, a, b in changes.seconds],
        "not_covered_any_more": list(changes.uncovered),
        "mutation_score": changes.score and {"before": changes.score[0], "now": changes.score[1]},
    }


def _coverage_json(unit: UnitCoverage) -> dict[str, Any]:
    def share(value: Share | None) -> dict[str, int] | None:
        return None if value is None else {"hit": value.hit, "all": value.all}

    return {
        "bins": share(unit.bins), "code": share(unit.blocks), "toggles": share(unit.toggles),
        "missed_bins": list(unit.missed_bins), "code_holes": list(unit.code_holes),
        "unreachable_bins": dict(unit.unreachable),
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
