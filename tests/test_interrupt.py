"""Whoever stops a run gets the machine back at once, and can ask again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dask_cluster import soon
from regress_suite import written
from rtl_suite import simulators

pytestmark = pytest.mark.sim


def processes_that_name(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended while we looked
            continue
        if str(folder) in command:
            found.append(command)
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_children(how: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sim.cli", "sim", "--sim", simulators()[-1]]
    env = {**os.environ, "A2Q_BUILD": str(tmp_path)}
    running = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not processes_that_name(tmp_path):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(how)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "a2q: interrupted; what is finished stays in build/"
    assert processes_that_name(tmp_path) == []
    assert not list(tmp_path.glob("runs/.*"))


def importing(process: subprocess.Popen[str]) -> bool:
    return "numpy" in Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")


def starting_workers(process: subprocess.Popen[str]) -> bool:
    tasks = Path(f"/proc/{process.pid}/task")
    with contextlib.suppress(OSError):  # one has ended while we looked
        children = " ".join(each.read_text() for each in tasks.glob("*/children"))
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children.split()]
        return any(b"spawn_main" in command for command in commands)
    return False


@pytest.mark.parametrize(
    ("how", "when"),
    [
        (signal.SIGINT, importing),
        (signal.SIGINT, starting_workers),
        (signal.SIGTERM, starting_workers),
        (signal.SIGKILL, starting_workers),
    ],
)
def test_a_regression_that_is_stopped_early_says_one_sentence_at_most(
    how: signal.Signals, when: Callable[[subprocess.Popen[str]], bool], tmp_path: Path
) -> None:
    asked = ["--suite", "tiny", "--suites", str(written(tmp_path)), "--workers", "2"]
    running = subprocess.Popen(
        [sys.executable, "-m", "sim.cli", "regress", *asked], text=True, start_new_session=True,
        env={**os.environ, "A2Q_BUILD": str(tmp_path / "build")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    soon(lambda: when(running), within_s=60)
    if how is signal.SIGKILL:
        time.sleep(0.5)  # until there is something to clean up
        running.send_signal(how)
    else:
        os.killpg(running.pid, how)  # as a terminal does
    _, err = running.communicate(timeout=60)
    said = [line for line in err.splitlines() if " jobs" not in line]
    if how is signal.SIGKILL:
        assert said == []
    else:
        (sentence,) = said
        assert sentence.startswith("a2q: interrupted; ")
        assert running.returncode == 130
