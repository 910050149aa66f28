"""Which Verilog files a module is made of, so that an edit elsewhere touches nothing of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from golden.integer import InputError
from sim.paths import RTL, shown

_READS = re.compile(r"`include\b|\$(?:readmem[bh]|fopen|fread|system)\b")
# Comments and strings; escaped identifiers, which may look like the start of either.
_NO_CODE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|\\\S+", re.DOTALL)


def closure(top: str, rtl: Path = RTL) -> list[Path]:
    """Return the files of ``top`` and, in turn, of every module that it names, sorted.

    A module's file has its name. A name in the code counts as an instance, which may be one too
    many and never one too few. Where a file defines macros, all files count.

    Errors: InputError for a file that reads others, of which nobody here would know.
    """
    sources = {path.stem: path for path in sorted(rtl.absolute().glob("*.v"))}
    words = {name: _words(path) for name, path in sources.items()}
    if top not in sources or any("`" in found for found in words.values()):
        return list(sources.values())
    found, left = set(), {top}
    while left:
        found |= left
        left = {name for module in left for name in words[module] & sources.keys()} - found
    return [sources[name] for name in sorted(found)]


def rtl_hash(rtl: Path = RTL) -> str:
    """Return a hash of all RTL, which names what a verdict is about."""
    digest = hashlib.sha256()
    for source in sorted(rtl.glob("*.v")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def _words(path: Path) -> set[str]:
    """Return the identifiers of a file's code; a backtick stands for what may reach other files."""
    code = _NO_CODE.sub(_spoken, path.read_text("utf-8"))
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
