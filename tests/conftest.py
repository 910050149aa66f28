"""How hard hypothesis searches, and a loud line where a simulator could not be tested.

HYPOTHESIS_PROFILE is dev, ci (repeatable) or nightly.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Before sim.paths is read: what tests play is not mixed with what the user asked; builds are.
os.environ.setdefault("A2Q_BUILD", str(Path(__file__).resolve().parents[1] / "build" / "tests"))
os.environ.setdefault("A2Q_CACHE", str(Path(__file__).resolve().parents[1] / "build" / "sim"))
# A process per core is at work already: threads of torch and numpy would only stand in the way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from dask_cluster import Running, scheduler
from hypothesis import settings
from rtl_suite import missing_simulators

# Of what is started in the background shells take Ctrl-C away, and tests send it to their children.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("nightly", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, why in missing_simulators().items():
        terminalreporter.write_line(f"NOT TESTED ON {name.upper()}: {why}", red=True, bold=True)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A Dask scheduler of its own process, without workers yet."""
    with scheduler(tmp_path) as running:
        yield running
