"""The kinds of jobs: a module each, with what runs a job and what it is made of.

``run(job, rtl, explain)`` checks one thing on the Verilog in ``rtl``; with ``explain`` a failure is
made small and kept to be replayed. A kind may also have ``modules(job)``, the Verilog modules that
a job is about where that is not its unit alone; ``data(job)``, the files that it reads beyond
Verilog and Python; ``engines(job)`` where that is not its simulator alone; ``INSIDE``, the Python
modules that it starts by name, which no import shows; ``PACKAGES``, those beyond its engines' that
its verdict hangs on.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from golden.integer import InputError
from sim.cache import CompilerError, SimulationError
from sim.paths import RTL
from sim.regress.job import Job, Result, failed


def modules(job: Job) -> list[str]:
    """Return the Verilog modules that a job is about."""
    found: list[str] = getattr(_kind(job.kind), "modules", lambda job: [job.unit])(job)
    return found


def data(job: Job) -> list[Path]:
    """Return the files that a job reads beyond Verilog and Python."""
    found: list[Path] = getattr(_kind(job.kind), "data", lambda job: [])(job)
    return found


def engines(job: Job) -> list[str]:
    """Return the engines that a job runs on."""
    own = getattr(_kind(job.kind), "engines", lambda job: [job.settings["simulator"]])
    found: list[str] = own(job)
    return found


def packages(name: str) -> tuple[str, ...]:
    """Return the packages beyond its engines' that the verdicts of a kind of job hang on."""
    found: tuple[str, ...] = getattr(_kind(name), "PACKAGES", ())
    return found


def python(name: str) -> tuple[str, ...]:
    """Return the Python modules that a kind of job begins with."""
    return (f"{__name__}.{name}", *getattr(_kind(name), "INSIDE", ()))


def run(job: Job, rtl: Path = RTL, explain: bool = True) -> Result:
    """Run a job; what does not build is a failure of the job."""
    started = time.monotonic()
    try:
        result: Result = _kind(job.kind).run(job, rtl, explain)
    except CompilerError:
        raise
    except (SimulationError, InputError) as error:  # the latter of RTL that has other parameters
        result = failed(job, str(error))
    return replace(result, seconds=time.monotonic() - started)


def _kind(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}")
