"""``a2q regress`` as people run it: edited under, killed midway, asked again, asked wrong."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from dask_cluster import Running
from regress_suite import MANY, TINY, written

from sim.paths import CACHE, ROOT
from sim.regress import store, suites

pytestmark = pytest.mark.sim

KILLS = 6
SENTENCE_LIMIT_S = 120


def a2q(*arguments: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``a2q regress`` to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, cwd=cwd,
        env={**os.environ, **env}, timeout=600,
    )  # fmt: skip


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sim.cli", "regress", *arguments]


def rows(folder: Path) -> list[tuple[str, str, str]]:
    """Return name, key and verdict of the newest result of each job."""
    with sqlite3.connect(folder / store.NAME) as database:
        found = database.execute("SELECT name, key, verdict, max(id) FROM results GROUP BY key")
        return sorted((name, key, verdict) for name, key, verdict, _ in found)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project, to edit."""
    for part in ("golden", "rtl", "sim", "tb"):
        shutil.copytree(ROOT / part, tmp_path / "copy" / part)
    layers = Path("a2q_ref/layers/digits")
    shutil.copytree(ROOT / layers, tmp_path / "copy" / layers)
    return tmp_path / "copy"


def test_an_edit_runs_what_it_touches_and_leaves_out_the_rest(copy: Path) -> None:
    suite = written(copy, TINY.replace("seeds = [1, 2]", "seeds = [1]"))
    jobs = suites.suite("tiny", suite).jobs
    env = {"PYTHONPATH": str(copy), "A2Q_BUILD": str(copy / "build"), "A2Q_CACHE": str(CACHE)}
    asked = ("--suite", "tiny", "--suites", str(suite))
    first = a2q(*asked, cwd=copy, **env)
    assert first.returncode == 0, first.stderr
    assert f"to run: {len(jobs)} jobs: never run" in first.stdout

    nothing = a2q(*asked, cwd=copy, **env)
    assert f"left out: {len(jobs)} jobs of dot, mac, mvau, replay_buffer, skid_buffer" in (
        nothing.stdout
    )
    assert "to run" not in nothing.stdout
    assert f"PASSED  {len(jobs)} jobs, 0 of them now" in nothing.stdout
    assert "nothing changed" in nothing.stdout

    edited = copy / "rtl" / "skid_buffer.v"
    text = edited.read_text()
    edited.write_text(text.replace("~skid_valid_q;", "~skid_valid_q; // room", 1))
    harmless = a2q(*asked, cwd=copy, **env)
    touched = sum(job.unit in {"mac", "mvau", "vvau", "skid_buffer"} for job in jobs)
    assert harmless.returncode == 0, harmless.stdout
    assert f"to run: {touched} jobs: rtl/skid_buffer.v" in harmless.stdout
    assert f"left out: {len(jobs) - touched} jobs of dot, replay_buffer: they passed" in (
        harmless.stdout
    )

    edited.write_text(text.replace("m_axis_tdata  = out_q", "m_axis_tdata  = ~out_q", 1))
    broken = a2q(*asked, cwd=copy, **env)
    assert broken.returncode == 1
    assert re.search(r"broke: [0-9]+ jobs?: m", broken.stdout)
    assert "make repro CASE=" in broken.stdout
    place = copy / "build" / "regress" / "tiny"
    told = json.loads((place / "report.json").read_text())
    failed = [job for job in told["jobs"] if job["verdict"] == "failed"]
    assert failed
    assert {job["unit"] for job in failed} <= {"mac", "mvau", "vvau"}
    root = ElementTree.parse(place / "junit.xml").getroot()
    assert root.get("failures") == str(len(failed))
    assert failed[0]["name"] in (place / "page.html").read_text()

    edited.write_text(text)  # back again: what passed then is believed
    back = a2q(*asked, cwd=copy, **env)
    assert back.returncode == 0
    assert "0 of them now" in back.stdout


def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path) -> None:
    suite = written(tmp_path, MANY)
    asked = ["--suite", "many", "--suites", str(suite), "--into"]
    env = {"A2Q_BUILD": str(tmp_path / "build"), "A2Q_CACHE": str(CACHE)}
    whole = a2q(*asked, str(tmp_path / "whole"), **env)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    due = rows(tmp_path / "whole")
    assert len(due) == len(suites.suite("many", suite).jobs)

    chance, into = random.Random(1), tmp_path / "killed"
    kept = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            command(*asked, str(into)), env={**os.environ, **env}, cwd=ROOT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        # From its start on, or from when it has one result more.
        if chance.random() < 0.7:
            wait_for(lambda least=kept: len(rows_or_none(into)) > least)
        time.sleep(chance.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        before, kept = kept, len(rows_or_none(into))
        assert kept >= before, "a result was lost"
        if kept == len(due):
            break
    assert kept > 0
    resumed = a2q(*asked, str(into), **env)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert f"left out: {kept} jobs" in resumed.stdout
    assert rows(into) == due


def rows_or_none(folder: Path) -> list[tuple[str, str, str]]:
    if not (folder / store.NAME).exists():
        return []
    try:
        return rows(folder)
    except sqlite3.OperationalError:  # it was killed before there was a table
        return []


def wait_for(condition: Callable[[], object], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_two_at_once_come_to_the_same(tmp_path: Path) -> None:
    suite = written(tmp_path)
    env = {**os.environ, "A2Q_BUILD": str(tmp_path / "build"), "A2Q_CACHE": str(CACHE)}
    asked = command("--suite", "tiny", "--suites", str(suite), "--into", str(tmp_path / "both"))
    both = [
        subprocess.Popen(
            asked, env=env, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert len(rows(tmp_path / "both")) == len(suites.suite("tiny", suite).jobs)
    with sqlite3.connect(tmp_path / "both" / store.NAME) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_worker_that_is_killed_costs_nothing(running: Running, tmp_path: Path) -> None:
    suite, into = written(tmp_path, MANY), tmp_path / "spread"
    env = {"A2Q_BUILD": str(tmp_path / "build"), "A2Q_CACHE": str(CACHE)}
    for _ in range(3):
        running.add_worker(**env)
    asked = command("--suite", "many", "--suites", str(suite), "--into", str(into))
    process = subprocess.Popen(
        [*asked, "--scheduler", running.address], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: len(rows_or_none(into)) > 2)
    os.killpg(running.workers[0].pid, signal.SIGKILL)
    told, errors = process.communicate(timeout=300)
    assert process.returncode == 0, told + errors
    jobs = suites.suite("many", suite).jobs
    assert [(name, verdict) for name, _, verdict in rows(into)] == sorted(
        (job.name, "passed") for job in jobs
    )


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


WRONG = {
    "suite": (["--suite", "smok"], "SUITE must be full, mutants, nightly, quick or smoke"),
    "scheduler": (["--scheduler", f"tcp://127.0.0.1:{closed_port()}"], "no Dask scheduler at tcp:"),
    "address": (["--scheduler", "localhost"], "SCHEDULER must be tcp://HOST:PORT, got 'localhost'"),
    "seed": (["--seed", "-1"], "SEED must be an integer from 0"),
    "simulator": (["--sim", "modelsim"], "SIM must be verilator or icarus, got 'modelsim'"),
    "only": (["--only", "no such job"], "no job of suite tiny has 'no such job' in it"),
    "all": (["--all", "maybe"], "ALL must be 0 or 1, got 'maybe'"),
    "workers": (["--workers", "0"], "WORKERS must be an integer from 1"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_makes_no_sense_is_one_sentence(what: str, tmp_path: Path) -> None:
    arguments, says = WRONG[what]
    suite = [] if what == "suite" else ["--suite", "tiny", "--suites", str(written(tmp_path))]
    ran = a2q(*suite, *arguments, "--into", str(tmp_path / "results"))
    assert ran.returncode == 2
    assert says in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_a_folder_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ran = a2q("--into", str(tmp_path / "file" / "results"))
    assert ran.returncode == 2
    assert len(ran.stderr.strip().splitlines()) == 1
    assert "must be a folder that can be written" in ran.stderr


def test_a_damaged_store_is_set_aside_and_named(tmp_path: Path) -> None:
    suite = written(tmp_path, TINY.replace("seeds = [1, 2]", "seeds = [1]"))
    into = tmp_path / "results"
    into.mkdir()
    (into / store.NAME).write_bytes(b"SQLite format 3\0" + b"?" * 5000)
    ran = a2q("--suite", "tiny", "--suites", str(suite), "--into", str(into))
    assert ran.returncode == 0, ran.stderr
    assert "is damaged" in ran.stderr
    (aside,) = into.glob("results.aside-*.sqlite")
    assert aside.read_bytes().endswith(b"?" * 5000)
    assert rows(into)


def test_the_workflow_asks_for_what_there_is() -> None:
    """What runs on a pull request is spelled as the Makefile and the reports spell it."""
    workflow = (ROOT / ".github" / "workflows" / "regress.yml").read_text()
    assert "make regress SUITE=$SUITE SEED=" in workflow
    assert "report_paths: build/regress/${{ env.SUITE }}/junit.xml" in workflow
    assert "pull_request:" in workflow
    for name in ("nightly", "smoke"):
        assert f"'{name}'" in workflow
        suites.suite(name)
