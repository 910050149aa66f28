"""Worker processes do every task, count their ticks, and end however the run ends.

Tasks are calls of the standard library: a worker without torch begins in no time.
"""

from __future__ import annotations

import multiprocessing
import os
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
