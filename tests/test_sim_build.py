"""Builds are kept by content: made once, made anew for any change, never taken half done."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from one_flop import RTL, one_flop
from rtl_suite import simulators

from sim import build as builds
from sim import cache
from sim.build import Build
from sim.cache import SimulationError
from sim.runtime import cocotb_header, runtime
from sim.tools import Simulator, simulator

ICARUS = Simulator("icarus", "Icarus Verilog version 11.0")
VERILATOR = Simulator("verilator", "Verilator 5.048")
PARAMETERS = {"WIDTH": 8}


@dataclass
class Worker:
    """Stands in for cocotb's runner: leaves what a build leaves, and counts."""

    status: int | None = 0
    jobs: list[Mapping[str, Any]] = field(default_factory=list)
    during: Callable[[Path], None] = lambda folder: None

    def __call__(
        self, job: Mapping[str, Any], simulator: Simulator, folder: Path, log: Path,
        limit_s: float, env: Mapping[str, str],
    ) -> int | None:  # fmt: skip
        self.jobs.append(job)
        log.write_text("it was built\n", encoding="utf-8")
        (folder / "model").touch()
        self.during(folder)
        return self.status


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    worker = Worker()
    monkeypatch.setattr(cache, "CACHE", tmp_path / "build")
    monkeypatch.setattr(builds, "work", worker)
    monkeypatch.setattr(builds, "runtime", lambda simulator, waves: compiled(tmp_path, waves))
    monkeypatch.setattr(Simulator, "writes_fst", lambda simulator: True)
    return worker


def compiled(folder: Path, waves: str) -> Path:
    """Return a folder that looks like a runtime's."""
    runtime = folder / f"runtime{waves}"
    runtime.mkdir(exist_ok=True)
    (runtime / "verilated.o").write_text(f"compiled for {waves}", encoding="utf-8")
    return runtime


@pytest.fixture
def rtl(tmp_path: Path) -> Path:
    """Return a folder with a copy of the sources, to be changed."""
    folder = tmp_path / "rtl"
    folder.mkdir()
    for source in RTL.glob("*.v"):
        (folder / source.name).write_bytes(source.read_bytes())
    return folder


def built(rtl: Path = RTL, simulator: Simulator = ICARUS, **changed: Any) -> Build:
    arguments = {"top": "one_flop", "parameters": PARAMETERS, "waves": False} | changed
    return builds.build(simulator=simulator, rtl=rtl, **arguments)


def test_the_same_build_is_made_once(worker: Worker, rtl: Path) -> None:
    first = built(rtl)
    touched = (first.folder / "model").stat().st_mtime_ns
    assert built(rtl) == first
    assert built(rtl, parameters=dict(PARAMETERS)) == first
    assert len(worker.jobs) == 1
    assert (first.folder / "model").stat().st_mtime_ns == touched


def test_where_the_sources_lie_does_not_matter(worker: Worker, rtl: Path) -> None:
    assert built(rtl).folder == built(RTL).folder


def test_what_the_runner_is_asked_for(worker: Worker, rtl: Path) -> None:
    build = built(rtl)
    (job,) = worker.jobs
    assert job["arguments"]["sources"] == [str(rtl / "one_flop.v")]
    assert job["arguments"]["parameters"] == {name: f"'h{n:x}" for name, n in PARAMETERS.items()}
    fresh = Path(job["arguments"]["build_dir"])
    assert fresh.is_absolute()
    assert fresh.parent == build.folder.parent
    assert not fresh.exists()


def edit(rtl: Path) -> None:
    (rtl / "one_flop.v").write_text("// another", encoding="utf-8")


def rename(rtl: Path) -> None:
    (rtl / "one_flop.v").rename(rtl / "flop.v")


def test_a_file_that_the_unit_does_not_name_is_no_part_of_it(worker: Worker, rtl: Path) -> None:
    first = built(rtl)
    (rtl / "more.v").write_text("module more; endmodule\n", encoding="utf-8")
    assert built(rtl).folder == first.folder
    assert len(worker.jobs) == 1


def test_sources_that_are_edited_while_they_are_built_are_not_kept(
    worker: Worker, rtl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = builds.work

    def edits(*arguments: object) -> object:
        (rtl / "one_flop.v").write_text("// saved in the middle", encoding="utf-8")
        return quiet(*arguments)

    monkeypatch.setattr(builds, "work", edits)
    with pytest.raises(SimulationError, match="edited while they were built"):
        built(rtl)


@pytest.mark.parametrize("change", [edit, rename])
def test_other_sources_are_another_build(
    worker: Worker, rtl: Path, change: Callable[[Path], None]
) -> None:
    first = built(rtl)
    change(rtl)
    assert built(rtl).folder != first.folder
    assert len(worker.jobs) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"parameters": {"WIDTH": 9}},
        {"parameters": {}},
        {"top": "flop"},
        {"waves": True},
        {"simulator": replace(ICARUS, version="Icarus Verilog version 12.0")},
        {"simulator": VERILATOR},
    ],
    ids=["parameter", "no parameters", "top", "waves", "version", "simulator"],
)
def test_another_request_is_another_build(worker: Worker, changed: dict[str, Any]) -> None:
    assert built(**changed).folder != built().folder
    assert len(worker.jobs) == 2


def test_other_flags_are_another_build(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built()
    monkeypatch.setitem(builds.FLAGS, "icarus", ["-g2012"])
    assert built().folder != first.folder


@pytest.mark.parametrize("package", ["cocotb", "python"])
def test_other_tools_are_another_build(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    first = built()
    if package == "cocotb":
        monkeypatch.setattr(builds, "version", lambda name: "2.99")
    else:
        monkeypatch.setattr(sys, "version", "3.99")
    assert built().folder != first.folder


@pytest.mark.parametrize(
    ("simulator", "can_fst", "waves"),
    [(ICARUS, True, "waves.fst"), (VERILATOR, True, "waves.fst"), (VERILATOR, False, "waves.vcd")],
    ids=["icarus", "verilator", "verilator without headers"],
)
def test_waves(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, simulator: Simulator, can_fst: bool, waves: str
) -> None:
    monkeypatch.setattr(Simulator, "writes_fst", lambda simulator: can_fst)
    assert built(simulator=simulator).waves == ""
    assert built(simulator=simulator, waves=True).waves == waves
    flags = worker.jobs[1]["arguments"]["build_args"]
    assert ("--trace-fst" in flags) == (simulator is VERILATOR and can_fst)


def test_an_interrupted_build_is_made_again(worker: Worker) -> None:
    build = built()
    (build.folder / "complete").unlink()
    (build.folder / "half").touch()
    assert built() == build
    assert len(worker.jobs) == 2
    assert (build.folder / "complete").exists()
    assert not (build.folder / "half").exists()


def test_an_interrupt_leaves_no_complete_build(worker: Worker) -> None:
    def interrupt(folder: Path) -> None:
        raise KeyboardInterrupt

    worker.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        built()
    worker.during = lambda folder: None
    assert (built().folder / "complete").exists()
    assert len(worker.jobs) == 2


@pytest.mark.parametrize("status", [1, -9, None])
def test_a_build_that_fails_names_its_log(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int | None
) -> None:
    monkeypatch.chdir(tmp_path)
    worker.status = status
    with pytest.raises(SimulationError, match=r"^one_flop does not build; the log is build/") as no:
        built(simulator=VERILATOR)
    log = Path(str(no.value).rpartition(" ")[2])
    assert log.read_text(encoding="utf-8") == "it was built\n"
    assert not (log.parent / "complete").exists()
    worker.status = 0
    assert (built(simulator=VERILATOR).folder / "complete").exists()
    assert len(worker.jobs) == 2


def test_a_full_disk_leaves_nothing_that_looks_whole(worker: Worker, tmp_path: Path) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "model"))

    worker.during = full
    with pytest.raises(OSError, match="No space left"):
        built()
    assert [path.suffix for path in (tmp_path / "build").iterdir()] == [".lock"]


def test_what_a_killed_build_still_writes_reaches_no_other(worker: Worker) -> None:
    """Its compiler may live on for a moment: it has another folder than who builds next."""
    left = []

    def killed(folder: Path) -> None:
        left.append(folder)
        raise SimulationError("leaves its folder, as a kill does")

    worker.during = killed
    with pytest.raises(SimulationError):
        built()
    assert left[0].exists()
    worker.during = lambda folder: None
    folder = built().folder
    assert left[0] != folder
    assert not left[0].exists()
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("waves", [False, True])
def test_the_runtime_is_taken_as_it_is(worker: Worker, waves: bool) -> None:
    build = built(simulator=VERILATOR, waves=waves)
    objects = build.folder / "verilated.o"
    assert objects.read_text(encoding="utf-8") == f"compiled for {build.waves}"
    assert objects.stat().st_mtime > (build.folder / "model").stat().st_mtime + 10**9
    assert not (built(simulator=ICARUS, waves=waves).folder / "verilated.o").exists()


def test_only_ports_are_public(worker: Worker) -> None:
    build = built(simulator=VERILATOR)
    (job,) = worker.jobs
    (control,) = [Path(file) for file in job["arguments"]["sources"] if file.endswith(".vlt")]
    assert str(control.parent) == job["arguments"]["build_dir"]
    text = (build.folder / control.name).read_text(encoding="utf-8")
    assert '-module "one_flop" -port "*"' in text
    assert "--no-public-flat-rw" in job["arguments"]["build_args"]


def test_the_worker_runs_in_a_clean_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    def run_logged(command: object, log: Path, env: Mapping[str, str], *rest: object) -> int:
        seen.update(env)
        return 0

    monkeypatch.setattr(builds, "run_logged", run_logged)
    for name in ("WAVES", "COCOTB_TEST_FILTER", "PYTEST_CURRENT_TEST", "MINE"):
        monkeypatch.setenv(name, "1")
    builds.work({"action": "test"}, ICARUS, tmp_path, tmp_path / "log", 1, {"COCOTB_OURS": "1"})
    assert {"MINE", "COCOTB_OURS"} <= set(seen)
    assert not {"WAVES", "COCOTB_TEST_FILTER", "PYTEST_CURRENT_TEST"} & set(seen)


# With real simulators

ASK_AT_ONCE = """
import sys
from pathlib import Path
from sim import build as builds
from sim.tools import simulator

work = builds.work

def counted(*arguments):
    print("building", flush=True)
    return work(*arguments)

builds.work = counted
tool = simulator(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
print(builds.build("one_flop", {"WIDTH": 4}, tool, rtl=Path(sys.argv[1])).folder)
"""


@pytest.mark.sim
def test_two_processes_that_ask_at_once_build_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASK_AT_ONCE, str(RTL), simulators()[-1]]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    env = {**os.environ, "A2Q_BUILD": str(tmp_path), "A2Q_CACHE": str(tmp_path)}
    askers = [subprocess.Popen(command, env=env, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for asker in askers:
        assert asker.stdout.readline() == "ready\n"
    for asker in askers:
        asker.stdin.write("go\n")
        asker.stdin.flush()
    said = [asker.communicate()[0].splitlines() for asker in askers]
    assert sorted(len(lines) for lines in said) == [1, 2]
    assert said[0][-1] == said[1][-1]
    assert Path(said[0][-1]).is_relative_to(tmp_path)


@pytest.mark.sim
@pytest.mark.parametrize("name", simulators())
def test_sources_that_do_not_build(
    name: str, rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rtl / "one_flop.v").write_text("module one_flop (", encoding="utf-8")
    monkeypatch.setattr(cache, "CACHE", tmp_path / "build")
    monkeypatch.setattr(builds, "runtime", lambda simulator, waves: compiled(tmp_path, waves))
    with pytest.raises(
        SimulationError, match=r"one_flop does not build: .*one_flop.v:\d+:.* error.*; the"
    ) as caught:
        built(rtl, simulator(name))
    log = Path(str(caught.value).rpartition(" ")[2])
    assert "syntax error" in log.read_text(encoding="utf-8")
    assert not list((tmp_path / "build").rglob("complete"))


@pytest.mark.sim
def test_make_does_not_compile_the_runtime() -> None:
    log = one_flop("verilator", 5).folder / "build.log"
    compiled = [line for line in log.read_text(encoding="utf-8").splitlines() if " -c -o " in line]
    assert compiled
    assert not [line for line in compiled if "verilated" in line.partition(" -c -o ")[2]]


@pytest.mark.sim
def test_the_compiler_takes_the_precompiled_header() -> None:
    verilator = simulator("verilator")
    header = cocotb_header(runtime(verilator))
    assert header.with_name(f"{header.name}.gch").is_file()
    log = (one_flop("verilator", 5).folder / "build.log").read_text(encoding="utf-8")
    compiled = [line for line in log.splitlines() if line.startswith("c++") and " -c " in line]
    assert compiled
    assert all(f"-include {header} " in line for line in compiled)
    assert "[-Winvalid-pch]" not in log
