"""What a job depends on: the Verilog and Python that it is made of, its data, its tools.

A result is believed again while none of this has changed. Told file by file, so that a run can say
what was edited.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import signal
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from golden.integer import InputError
from sim.paths import ROOT, RTL
from sim.regress import kinds
from sim.regress.job import Job, Result
from sim.rtl import closure
from sim.tools import compiler, simulator

MOST_CPU_S = 120  # of a job in its worker; what it starts ends by limits of its own

_COCOTB = ("cocotb", "cocotbext-axi")

Content = dict[str, dict[str, str]]  # part -> what -> hash or version


class ContentError(InputError):
    """A file is not, or no longer, what the job was planned for."""


def content(job: Job, rtl: Path = RTL) -> Content:
    """Return what a job depends on, beyond its own settings."""
    verilog = {path for module in kinds.modules(job) for path in closure(module, rtl)}
    python = imported(kinds.python(job.kind))
    return {
        "rtl": {path.name: _sha256(path) for path in sorted(verilog)},
        "files": {
            path.relative_to(ROOT).as_posix(): _sha256(path)
            for path in sorted([*python, *kinds.data(job)])
        },
        "tools": tools(job),
    }


def execute(job: Job, key: str, rtl: Path = RTL) -> Result:
    """Run a job that was planned under ``key``, on whatever machine this is.

    Errors: ContentError if the files here are others, or were edited while it ran.
    """
    _require_same(job, key, rtl, f"on {platform.node()} ")
    # A unit that never ends takes its worker along: as a job whose workers die it is reported.
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)
    try:
        result = kinds.run(job, rtl)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    _require_same(job, key, rtl, "")
    return result


def _require_same(job: Job, key: str, rtl: Path, where: str) -> None:
    if job.key(content(job, rtl)) != key:
        raise ContentError(
            f"{where}{job.name!r} is made of other files than when it was planned: run again once "
            "nobody edits them"
        )


def changed(before: Content, now: Content) -> list[str]:
    """Return what differs, in words: an edited file, another version of a tool."""
    found = []
    for part in ("rtl", "files", "tools"):
        old, new = before.get(part, {}), now.get(part, {})
        for what in sorted(old.keys() | new.keys()):
            if old.get(what) == new.get(what):
                continue
            if part == "tools":
                found.append(f"{old.get(what, 'none')} -> {new.get(what, 'none')}")
            else:
                found.append(f"rtl/{what}" if part == "rtl" else what)
    return found


def tools(job: Job) -> dict[str, str]:
    """Return the versions of all that a job runs on."""
    engines = kinds.engines(job)
    used = sorted({"verilator" if engine == "batch" else engine for engine in engines})
    packages = ["numpy", *(_COCOTB if set(engines) - {"batch"} else ()), *kinds.packages(job.kind)]
    return {
        **{name: simulator(name).version for name in used},
        **({"g++": compiler()} if "verilator" in used else {}),
        "python": f"Python {platform.python_version()}",
        **{package: f"{package} {version(package)}" for package in packages},
    }


@cache
def imported(modules: tuple[str, ...]) -> frozenset[Path]:
    """Return the files of modules of this project and of all that they import, in turn.

    With them what lies beside them that is no Python: templates, C++.
    """
    found: set[Path] = set()
    left = set(modules)
    seen: set[str] = set()
    while left:
        name = left.pop()
        seen.add(name)
        if (path := _file(name)) is None:
            continue
        found.add(path)
        if path.name == "__init__.py":
            found |= {other for end in ("*.h", "*.cpp") for other in path.parent.glob(end)}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        left |= {part for whole in _names(tree) for part in _parents(whole)} - seen
    return frozenset(found)


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _parents(name: str) -> Iterator[str]:
    """A module is imported with the packages that it is in."""
    parts = name.split(".")
    return (".".join(parts[: i + 1]) for i in range(len(parts)))


def _file(module: str) -> Path | None:
    """Return the file of a module of this project; None for all others."""
    if module.split(".")[0] not in ("golden", "sim", "tb"):
        return None
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _sha256(path: Path) -> str:
    stat = path.stat()
    return _hash_of(path, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)


@cache
def _hash_of(path: Path, mtime_ns: int, ctime_ns: int, size: int, inode: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
