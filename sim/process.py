"""Child processes that end when they must: at their time limit, or with the process that asked."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# What a tool may take, which is many times what it needs: a loop without an end in somebody's edit
# would eat all memory of the machine. Of data alone: Yosys reserves addresses that it never uses.
MEMORY_KIB = 4 << 20
BRIEF_MEMORY_KIB, BRIEF_CPU_S = 1 << 20, 20

_living: set[int] = set()  # process groups
_ending = threading.Event()
_starting = threading.Lock()

# Becomes the command, and leaves behind one process of its group that reads from us. Its read comes
# back when we are no more, kill -9 included, and then the group goes. It is an orphan, so that a
# command that waits for all of its children does not wait for this one.
_WITH_US = (
    f"ulimit -d {MEMORY_KIB}; "
    'exec 3<&0 </dev/null; ( { read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & ); exec "$@" 3<&-'
)


def run_briefly(command: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a tool that ends at once, unless what it reads makes it go round for ever."""
    limits = f'ulimit -d {BRIEF_MEMORY_KIB}; ulimit -t {BRIEF_CPU_S}; exec "$@"'
    return subprocess.run(
        ["/bin/sh", "-c", limits, "sh", *command], capture_output=True, text=True, env=env,
        check=False,
    )  # fmt: skip


def run_logged(
    command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path, limit_s: float
) -> int | None:
    """Run a command with all its output in ``log``; return its exit status, None past the limit.

    The whole process group goes, whichever way this function is left, and also when this process
    is killed. Errors: FileNotFoundError if there is no such command.
    """
    if shutil.which(command[0], path=env.get("PATH")) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    with log.open("wb") as stream:
        with _starting:
            if _ending.is_set():
                raise RuntimeError("no new process: all are being ended")
            child = subprocess.Popen(
                ["/bin/sh", "-c", _WITH_US, "sh", *command], stdin=subprocess.PIPE, stdout=stream,
                stderr=subprocess.STDOUT, env=dict(env), cwd=cwd, start_new_session=True,
            )  # fmt: skip
            _living.add(child.pid)
        try:
            return child.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _kill(child.pid)
            child.wait()
            assert child.stdin is not None
            child.stdin.close()
            _living.discard(child.pid)


@contextlib.contextmanager
def ending_children() -> Iterator[None]:
    """End all children of all threads; until this is left, no other one starts."""
    with _starting:
        _ending.set()
    try:
        for group in list(_living):
            _kill(group)
        yield
    finally:
        _ending.clear()


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
