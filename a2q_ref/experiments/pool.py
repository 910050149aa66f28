"""Worker processes for tasks that keep their results themselves; nothing here needs torch.

Workers compute on one thread each, do not see Ctrl-C, and end with the process that started them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class WorkerError(RuntimeError):
    """A task failed, or its worker died; the message says which and why."""


def run(
    function: Callable[[T], object], tasks: Sequence[T], workers: int, done: Callable[[T], object]
) -> None:
    """Call ``function`` on each task in worker processes, and ``done`` here whenever one is done.

    With one worker or one task, all happens in this process. Whatever ends this early ends the
    workers too. Errors: WorkerError.
    """
    if workers == 1 or len(tasks) < 2:
        for task in tasks:
            with _named(task):
                function(task)
            done(task)
        return
    others = set(multiprocessing.active_children())
    count, spawn = min(workers, len(tasks)), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, spawn, initializer=_begin) as pool:
        try:
            with _interrupts_blocked():  # the children inherit it
                futures = {pool.submit(function, task): task for task in tasks}
            for future in as_completed(futures):
                with _named(futures[future]):
                    future.result()
                done(futures[future])
        except BaseException:
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()  # which the pool notices and waits for
            raise


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


def _begin() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
    parent = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
