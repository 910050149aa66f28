"""The kinds of jobs: a module each, with what runs a job and what it is made of.

``run(job, rtl, explain)`` checks one thing on the Verilog in ``rtl``; with ``explain`` a failure is
made small and kept to be replayed. ``INSIDE`` names modules that it starts by name in another
process, which no import shows.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

from golden.integer import InputError
from sim.cache import SimulationError
from sim.paths import RTL
from sim.regress.job import Job, Result, failed


class Kind(Protocol):
    """What a module of this package has."""

    INSIDE: tuple[str, ...]

    def run(self, job: Job, rtl: Path, explain: bool) -> Result:
        """Check one thing."""

    def modules(self, job: Job) -> list[str]:
        """Return the Verilog modules that the job is about."""

    def data(self, job: Job) -> list[Path]:
        """Return files that it reads beyond Verilog and Python."""


def kind(name: str) -> Kind:
    """Return the module of a kind."""
    return cast(Kind, importlib.import_module(f"{__name__}.{name}"))


def run(job: Job, rtl: Path = RTL, explain: bool = True) -> Result:
    """Run a job; what does not build is a failure of the job."""
    started = time.monotonic()
    try:
        result = kind(job.kind).run(job, rtl, explain)
    except (SimulationError, InputError) as error:  # the latter of RTL that has other parameters
        result = failed(job, str(error))
    return replace(result, seconds=time.monotonic() - started)
