"""A Dask scheduler and its workers, in processes of their own, to be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parent
DASK = Path(sys.executable).with_name("dask")


def living(group: int) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            line = path.read_text(encoding="utf-8", errors="replace")
            state, _, its_group = line.rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(line)
    return found


def soon(what: Callable[[], object], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@dataclass
class Running:
    """A scheduler, and its workers with one thread each, in processes of their own."""

    folder: Path
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        with (self.folder / "dask.log").open("ab") as log:
            return subprocess.Popen(
                [DASK, *arguments, "--no-dashboard"], cwd=self.folder, stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}", **env},
                start_new_session=True,
            )  # fmt: skip

    def add_worker(self, *more: str, **env: str) -> subprocess.Popen[bytes]:
        # Without a nanny: who is dead stays dead.
        options = ["--no-nanny", "--nthreads", "1", "--local-directory", str(self.folder), *more]
        self.workers.append(self.start("worker", self.address, *options, **env))
        return self.workers[-1]

    def end(self) -> None:
        for one in [*self.workers, self.scheduler]:
            if one is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(one.pid, signal.SIGKILL)
                one.wait()


@contextlib.contextmanager
def scheduler(folder: Path) -> Iterator[Running]:
    running = Running(folder)
    file = folder / "scheduler.json"
    running.scheduler = running.start(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)
    )
    try:
        soon(file.exists)
        soon(lambda: file.read_text(encoding="utf-8").strip().endswith("}"))
        running.address = json.loads(file.read_text(encoding="utf-8"))["address"]
        yield running
    finally:
        running.end()
