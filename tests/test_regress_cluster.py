"""Workers die, schedulers go, people press Ctrl-C: nothing is lost, hangs, or stays behind."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from dask_cluster import TESTS, Running, living, soon

from golden.integer import InputError
from sim import process
from sim.cache import SimulationError
from sim.process import run_logged
from sim.regress import cluster
from sim.regress.cluster import Died, Outcome, WorkerError, outcomes

# What workers do: they import it from here


def square(number: int) -> int:
    return number * number


def trouble(number: int) -> object:
    match number:
        case 0:
            raise SimulationError("it does not build")
        case 1:
            sys.exit(3)
        case 2:
            return lambda: "nobody can send this"
        case 3:
            raise _TwoArgumentsError("one", "two")
    return number


class _TwoArgumentsError(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def kills(item: tuple[str, int]) -> int:
    """Kill the worker for item 3 always, for item 5 the first time; take a moment for others."""
    folder, number = item
    begun = Path(folder) / f"{number}"
    first = not begun.exists()
    begun.touch()
    if number == 3 or (number == 5 and first):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return number


def waits(item: tuple[str, int]) -> int:
    """Wait until somebody says go."""
    folder, number = item
    (Path(folder) / "began").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)
    return number


def sleeps(folder: str) -> None:
    """Run a process that has children, and say its group."""
    command = ["sh", "-c", "sleep 600 & echo $$; sleep 600"]
    run_logged(command, Path(folder) / "log", os.environ, Path(folder), 600)


def said_in(folder: Path) -> str:
    log = folder / "log"
    return log.read_text(encoding="utf-8") if log.exists() else ""


def by_number(found: list[Outcome[tuple[str, int], int]]) -> dict[int, object]:
    assert len({outcome.item for outcome in found}) == len(found)
    return {outcome.item[1]: outcome.value for outcome in found}


# On this machine


def test_what_comes_of_items() -> None:
    found = list(outcomes(square, range(5), workers=2))
    assert sorted(outcome.item for outcome in found) == list(range(5))
    assert all(outcome.value == outcome.item**2 for outcome in found)
    assert all(outcome.host for outcome in found)
    assert list(outcomes(square, [])) == []


def test_what_is_raised_ends_nothing_else() -> None:
    found = {each.item: each.value for each in outcomes(trouble, range(5), workers=1)}
    assert isinstance(found[0], SimulationError)
    assert str(found[0]) == "it does not build"
    assert {number: str(value) for number, value in found.items()}[1] == "exit status 3"
    for number in (2, 3):
        assert isinstance(found[number], RuntimeError)
        assert "can not be sent" in str(found[number])
    assert found[4] == 4


def test_a_killer_is_named_and_nobody_else(tmp_path: Path) -> None:
    found = by_number(list(outcomes(kills, [(str(tmp_path), i) for i in range(8)], workers=2)))
    died = found.pop(3)
    assert isinstance(died, Died)
    assert died.deaths == 3
    assert died.worker.startswith("tcp://")
    assert found == {number: number for number in range(8) if number != 3}


INTERRUPTED = """
import sys
sys.path.insert(0, sys.argv[1])
from test_regress_cluster import sleeps
from sim.regress.cluster import outcomes
if __name__ == "__main__":
    try:
        list(outcomes(sleeps, [sys.argv[2]], workers=2))
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_stays(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(INTERRUPTED, encoding="utf-8")
    pipe = subprocess.PIPE
    one = subprocess.Popen(
        [sys.executable, script, TESTS, tmp_path], stdout=pipe, stderr=pipe, start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)}, text=True,
    )  # fmt: skip
    soon(lambda: said_in(tmp_path).endswith("\n"))
    group = int(said_in(tmp_path))
    assert len(living(group)) == 4  # two that sleep, their shell, and what ends them with it
    if how == signal.SIGINT:
        os.killpg(one.pid, how)  # as a terminal does
    else:
        one.send_signal(how)
    out, err = one.communicate(timeout=20)
    if how == signal.SIGINT:
        assert (out, err) == ("interrupted\n", "")
    soon(lambda: not living(group) and not living(one.pid))
    if how == signal.SIGINT:
        assert not list(tmp_path.glob("a2q-*"))


QUIET = """
import logging, sys
sys.path.insert(0, sys.argv[1])
from test_regress_cluster import square
from sim.regress.cluster import outcomes
if __name__ == "__main__":
    list(outcomes(square, [1], workers=1))
    print([logging.getLogger(f"{name}.x").isEnabledFor(logging.ERROR) for name in sys.argv[2:]])
"""


def test_dask_says_nothing_of_its_own_even_when_it_ends(tmp_path: Path) -> None:
    """Its import gives its loggers levels, which it goes back to when its cluster is closed."""
    (tmp_path / "main.py").write_text(QUIET, encoding="utf-8")
    command = [sys.executable, tmp_path / "main.py", TESTS, "distributed", "distributed.client"]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert (told.stdout, told.stderr) == ("[False, False]\n", "")


def test_closing_early_ends_the_workers() -> None:
    coming = outcomes(square, range(10**4), workers=2)
    assert next(coming).value is not None
    assert len(local_workers()) == 2
    coming.close()
    assert local_workers() == []


def local_workers() -> list[str]:
    """Return the children of this process that multiprocessing started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (path / "stat").read_text(encoding="utf-8", errors="replace")
            command = (path / "cmdline").read_text(encoding="utf-8", errors="replace")
            if int(line.rpartition(")")[2].split()[1]) == os.getpid() and "spawn_main" in command:
                found.append(command)
    return found


class Deaths(cluster.Watch[tuple[str, int]]):
    """Keeps what was at work, and what was tried again."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.tried_again: list[int] = []

    def at_work(self, items: Sequence[tuple[str, int]]) -> None:
        self.seen |= {number for _, number in items}

    def again(self, item: tuple[str, int]) -> None:
        self.tried_again.append(item[1])


def test_who_watches_knows_what_is_at_work_and_what_dies(tmp_path: Path) -> None:
    watch, items = Deaths(), [(str(tmp_path), i) for i in (3, 4, 5, 6)]
    list(outcomes(kills, items, None, 1, watch))
    assert watch.seen == {3, 4, 5, 6}
    assert sorted(watch.tried_again) == [3, 3, 5]  # the third death of 3 is its last


# On a running cluster


def test_a_worker_that_goes_is_told_of_whoever_tries_again(
    running: Running, tmp_path: Path
) -> None:
    """The scheduler gives what it had at work to another, and says nothing."""
    worker, watch = running.add_worker(), Deaths()
    coming = outcomes(waits, [(str(tmp_path), 1)], running.address, None, watch)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        came = pool.submit(next, coming)
        soon((tmp_path / "began").exists)
        time.sleep(2.5)  # it has been seen at work
        os.killpg(worker.pid, signal.SIGKILL)
        soon(lambda: watch.tried_again)
        (tmp_path / "go").touch()
        running.add_worker()
        assert came.result(timeout=60).value == 1
    assert watch.tried_again == [1]


def test_workers_that_die_and_workers_that_join(running: Running, tmp_path: Path) -> None:
    workers = [running.add_worker() for _ in range(2)]
    items = [(str(tmp_path), i) for i in range(40) if i not in (3, 5)]
    coming = outcomes(kills, items, running.address)
    found = [next(coming)]
    workers[0].kill()
    found += [next(coming) for _ in range(5)]
    running.add_worker()
    workers[1].kill()
    found += coming
    assert by_number(found) == {number: number for _, number in items}


def test_a_killer_on_a_running_cluster(running: Running, tmp_path: Path) -> None:
    """Its scheduler lets four workers die at a time; only the last try is of one item alone."""
    for _ in range(2):
        running.workers.append(
            running.start(
                "worker", running.address, "--nthreads", "2", "--local-directory", str(tmp_path)
            )
        )
    found = by_number(
        list(outcomes(kills, [(str(tmp_path), i) for i in range(8)], running.address))
    )
    died = found.pop(3)
    assert isinstance(died, Died)
    assert died.deaths >= cluster.DEATHS
    assert found == {number: number for number in range(8) if number != 3}


def test_a_scheduler_that_dies(running: Running, tmp_path: Path) -> None:
    running.add_worker()
    coming = outcomes(kills, [(str(tmp_path), i) for i in range(10, 500)], running.address)
    assert next(coming).value == 10
    assert running.scheduler is not None
    running.scheduler.kill()
    with pytest.raises(InputError, match=r"^the scheduler tcp://.* went away; what is finished is"):
        list(coming)


def test_no_workers_at_all(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "GONE_S", 1)
    with pytest.raises(InputError, match=r"^tcp://.* had no workers for 1 s; what is finished is"):
        list(outcomes(square, [1], running.address))


def test_a_worker_of_another_checkout(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.add_worker()
    ours = {**cluster.fingerprint(), "sim": "edited"}
    monkeypatch.setattr(cluster, "fingerprint", functools.partial(dict, ours))
    (outcome,) = outcomes(square, [1], running.address)
    assert isinstance(outcome.value, WorkerError)
    assert "sees another sim than the one that asked" in str(outcome.value)


def test_a_worker_that_can_not_import_the_function(running: Running) -> None:
    running.add_worker(PYTHONPATH="")
    (outcome,) = outcomes(square, [1], running.address)
    assert isinstance(outcome.value, WorkerError)
    assert "No module named 'test_regress_cluster'" in str(outcome.value)


@pytest.mark.parametrize(
    ("scheduler", "sentence"),
    [
        ("tcp://127.0.0.1:1", r"^there is no Dask scheduler at tcp://127\.0\.0\.1:1: Timed out"),
        *(
            (wrong, r"^SCHEDULER must be tcp://HOST:PORT, got ")
            for wrong in (
                "",
                "host:1",
                "http://host:80",
                "tcp://host",
                "tcp://host:0",
                "tcp://h:99999",
                "tcp://a..b:1",
            )
        ),
    ],
)
def test_no_scheduler(scheduler: str, sentence: str) -> None:
    for items in ([1], []):
        started = time.monotonic()
        with pytest.raises(InputError, match=sentence):
            list(outcomes(square, items, scheduler))
        assert time.monotonic() - started < 10


# Processes that workers start


ASKER = """
import os, sys
from pathlib import Path
from sim.process import run_logged
folder = Path(sys.argv[1])
run_logged(["sh", "-c", "sleep 600 & echo $$; sleep 600"], folder / "log", os.environ, folder, 600)
"""


def test_who_is_killed_takes_all_along(tmp_path: Path) -> None:
    one = subprocess.Popen([sys.executable, "-c", ASKER, tmp_path])
    soon(lambda: said_in(tmp_path).endswith("\n"))
    group = int(said_in(tmp_path))
    assert living(group)
    one.kill()
    one.wait()
    soon(lambda: not living(group), within_s=3)


def test_a_command_that_waits_for_all_its_children_ends(tmp_path: Path) -> None:
    script = "import os\ntry:\n    while True: os.wait()\nexcept ChildProcessError: print('none')"
    command = [sys.executable, "-c", script]
    assert process.run_logged(command, tmp_path / "log", os.environ, tmp_path, 10) == 0
    assert said_in(tmp_path) == "none\n"


def test_there_is_no_such_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-tool"):
        run_logged(["no-such-tool"], tmp_path / "log", os.environ, tmp_path, 10)
