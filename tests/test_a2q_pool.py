"""Worker processes do every task, count their ticks, and end however the run ends.

Tasks are calls of the standard library: a worker without torch begins in no time.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from a2q_ref import pool


def call(task: Callable[[], object], tick: pool.Tick) -> None:
    tick()
    task()
    tick()


@pytest.mark.parametrize("workers", [1, 2])
def test_all_tasks_are_done_and_all_ticks_counted(workers: int, tmp_path: Path) -> None:
    tasks = [partial(os.mkdir, tmp_path / str(i)) for i in range(5)]
    done: list[object] = []
    ticks: list[int] = []
    pool.run(call, tasks, workers, done.append, ticks.append)
    assert sorted(map(tasks.index, done)) == [0, 1, 2, 3, 4]
    assert len(list(tmp_path.iterdir())) == 5
    assert ticks == sorted(ticks)
    assert ticks[-1] == 10
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (partial(os._exit, 3), "failed: A process in the process pool was terminated abruptly"),
        (partial(os.rmdir, "/no/where"), "failed: .*No such file or directory: '/no/where'"),
    ],
)
def test_a_failure_ends_the_run(tmp_path: Path, last: partial, reason: str) -> None:
    tasks = [partial(os.mkdir, tmp_path / "done"), partial(time.sleep, 600), last]
    with pytest.raises(pool.WorkerError, match=reason):
        pool.run(call, tasks, 2, lambda task: None)
    assert (tmp_path / "done").is_dir()
    assert multiprocessing.active_children() == []


def test_an_interrupt_ends_the_workers(tmp_path: Path) -> None:
    def interrupt(task: object) -> None:
        raise KeyboardInterrupt

    tasks = [partial(os.mkdir, tmp_path / "done"), partial(time.sleep, 600)]
    with pytest.raises(KeyboardInterrupt):
        pool.run(call, tasks, 2, interrupt)
    assert multiprocessing.active_children() == []


def is_blocked() -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def describe(file: Path, tick: pool.Tick) -> None:
    file.write_text(json.dumps([is_blocked(), os.environ["OMP_NUM_THREADS"]]), encoding="utf-8")


def test_workers_do_not_see_an_interrupt_and_compute_on_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    files = [tmp_path / "a", tmp_path / "b"]
    blocked_here: list[bool] = []
    pool.run(describe, files, 2, lambda file: blocked_here.append(is_blocked()))
    assert [json.loads(file.read_text(encoding="utf-8")) for file in files] == [[True, "1"]] * 2
    assert blocked_here == [False, False]
    assert os.environ["OMP_NUM_THREADS"] == "2"


def sign_in_and_sleep(folder: Path, tick: pool.Tick) -> None:
    (folder / str(os.getpid())).mkdir()
    time.sleep(600)


def is_alive(pid: str) -> bool:
    """A zombie is not: who adopts it may never ask how it ended."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
sys.path[:] = {sys.path!r}
from {__name__} import pool, sign_in_and_sleep
pool.run(sign_in_and_sleep, [Path({str(tmp_path)!r})] * 2, 2, print)
"""
    parent = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    try:
        while len(list(tmp_path.iterdir())) < 2:
            assert parent.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        workers = [entry.name for entry in tmp_path.iterdir()]
        assert all(map(is_alive, workers))
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 10
        while any(map(is_alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_alive, workers))
    finally:
        parent.kill()
        parent.wait()
        for entry in tmp_path.iterdir():
            if is_alive(entry.name):
                os.kill(int(entry.name), signal.SIGKILL)
