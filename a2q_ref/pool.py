"""Worker processes for tasks that keep their results themselves; nothing here needs torch.

Workers compute on one thread each, do not see Ctrl-C, and end with the process that started them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from typing import TypeVar

T = TypeVar("T")
Tick = Callable[[], None]

_LOOK = 0.2  # seconds between two looks at the ticks


class WorkerError(RuntimeError):
    """A task failed, or its worker died; the message says which and why."""


def run(
    function: Callable[[T, Tick], object],
    tasks: Sequence[T],
    workers: int,
    done: Callable[[T], object],
    ticked: Callable[[int], object] = lambda ticks: None,
) -> None:
    """Call ``function`` on each task in worker processes, and ``done`` here whenever one is done.

    ``function`` also gets a tick to call as it moves on; ``ticked`` hears of all of them together.
    With one worker or one task, all happens in this process. Whatever ends this early ends the
    workers too. Errors: WorkerError.
    """
    if workers == 1 or len(tasks) < 2:
        _run_here(function, tasks, done, ticked)
        return
    others = set(multiprocessing.active_children())
    count, spawn = min(workers, len(tasks)), multiprocessing.get_context("spawn")
    ticks = spawn.Value("q", 0)
    with ProcessPoolExecutor(count, spawn, initializer=_begin, initargs=(ticks,)) as pool:
        try:
            with _interrupts_blocked():  # the children inherit it
                futures = {pool.submit(_call, function, task): task for task in tasks}
            pending = set(futures)
            while pending:
                finished, pending = wait(pending, _LOOK, FIRST_COMPLETED)
                ticked(ticks.value)
                for future in finished:
                    with _named(futures[future]):
                        future.result()
                    done(futures[future])
        except BaseException:
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()  # which the pool notices and waits for
            raise


def _run_here(
    function: Callable[[T, Tick], object],
    tasks: Sequence[T],
    done: Callable[[T], object],
    ticked: Callable[[int], object],
) -> None:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        ticked(ticks)

    for task in tasks:
        with _named(task):
            function(task, tick)
        done(task)


@contextmanager
def _named(task: object) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise WorkerError(f"{task} failed: {error}") from error


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# Inside a worker: what all of them count in together.
_ticks: Synchronized[int]


def _begin(ticks: Synchronized[int]) -> None:
    global _ticks
    _ticks = ticks
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
    parent = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _call(function: Callable[[T, Tick], object], task: T) -> None:
    function(task, _tick)


def _tick() -> None:
    with _ticks.get_lock():
        _ticks.value += 1
