"""What a unit is built from: a folder of ours, of which an edit elsewhere touches nothing, or RTL
of somebody else that answers for itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from golden.integer import InputError
from sim.paths import ROOT, RTL, shown

_READS = re.compile(r"`include\b|\$(?:readmem[bh]|fopen|fread|system)\b")
# Comments and strings; escaped identifiers, which may look like the start of either.
_NO_CODE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|\\\S+", re.DOTALL)


@dataclass(frozen=True)
class Sources:
    """The top module of a build, the files that tools are given, and all that they read."""

    top: str
    files: tuple[Path, ...]
    read: Mapping[str, Path]  # by names that are the same wherever the files lie
    flags: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of a simulator, if any

    def texts(self) -> dict[str, str]:
        """Return what is read, by name; bytes that are no text are kept apart all the same."""
        return {
            name: path.read_text(encoding="utf-8", errors="surrogateescape")
            for name, path in self.read.items()
        }


class Foreign(Protocol):
    """RTL in the place of ours that keeps the streams, and maybe none of our other contracts."""

    @property
    def path(self) -> Path: ...

    def sources(self, unit: str, parameters: Mapping[str, int]) -> Sources: ...

    def digest(self) -> str: ...


Rtl = Path | Foreign  # a folder of files named like their modules, or what answers for itself


def sources(unit: str, parameters: Mapping[str, int], rtl: Rtl) -> Sources:
    """Return what a build of ``unit`` is made of.

    Errors: InputError where there is no such RTL.
    """
    if not isinstance(rtl, Path):
        return rtl.sources(unit, parameters)
    if not any(rtl.glob("*.v")):
        raise InputError(f"rtl must be a folder with Verilog files, got {rtl}")
    files = closure(unit, rtl)
    return Sources(unit, tuple(files), {file.name: file for file in files})


def repro(case: Path, rtl: Rtl = RTL) -> str:
    """Return the command that plays a case file again on this RTL, from where it is told."""
    is_home = Path.cwd() == ROOT

    def name(path: Path) -> str:
        return shown(path) if is_home else str(path.absolute())

    command = f"{'make' if is_home else f'make -C {ROOT}'} repro CASE={name(case)}"
    if not isinstance(rtl, Path):
        return f"{command} DUT={name(rtl.path)}"
    return command if rtl == RTL else f"{command} RTL={name(rtl)}"


def mark(rtl: Rtl) -> str:
    """Return what sets folders of runs on this RTL apart from those on others; nothing for ours."""
    return "" if isinstance(rtl, Path) else f"-{rtl.digest()[:8]}"


def closure(top: str, rtl: Path = RTL) -> list[Path]:
    """Return the files of ``top`` and, in turn, of every module that it names, sorted.

    A module's file has its name. A name in the code counts as an instance, which may be one too
    many and never one too few. Where a file defines macros, all files count.

    Errors: InputError for a file that reads others, of which nobody here would know.
    """
    return closure_of(top, files_by_module(rtl))


def files_by_module(folder: Path) -> dict[str, Path]:
    """Return the Verilog files of a folder by the names of their modules."""
    return {path.stem: path for path in sorted(folder.absolute().glob("*.v"))}


def closure_of(top: str, sources: Mapping[str, Path]) -> list[Path]:
    """Return what ``closure`` does, of modules whose files are given."""
    words = {name: _words(path) for name, path in sources.items()}
    if top not in sources or any("`" in found for found in words.values()):
        return list(sources.values())
    found, left = set(), {top}
    while left:
        found |= left
        left = {name for module in left for name in words[module] & sources.keys()} - found
    return [sources[name] for name in sorted(found)]


def rtl_hash(rtl: Rtl = RTL) -> str:
    """Return a hash of all RTL, which names what a verdict is about."""
    if not isinstance(rtl, Path):
        return rtl.digest()
    digest = hashlib.sha256()
    for source in sorted(rtl.glob("*.v")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def code_of(text: str) -> str:
    """Return Verilog without its comments and strings."""
    return _NO_CODE.sub(_spoken, text)


def _words(path: Path) -> set[str]:
    """Return the identifiers of a file's code; a backtick stands for what may reach other files."""
    code = code_of(path.read_text("utf-8"))
    if found := _READS.search(code):
        raise InputError(
            f"{shown(path)} must not read other files, got {found[0]}: what is built of it is kept "
            "by the text of Verilog files alone"
        )
    code = re.sub(r"`default_nettype\b", " ", code)
    return set(re.findall(r"[A-Za-z_]\w*", code)) | set(re.findall("`", code))


def _spoken(found: re.Match[str]) -> str:
    """Return what is code of something that is none: the name in an escaped identifier."""
    return re.sub(r"\W", " ", found[0]) if found[0].startswith("\\") else " "
