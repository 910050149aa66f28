"""The files that a description names: which there are, and that every tool can take them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from golden.integer import InputError
from sim.dut.interface import among
from sim.paths import shown

MOST_INCLUDED = 1000
SUFFIXES = (".v", ".sv", ".vh", ".svh")


def found_files(folder: Path, patterns: list[str]) -> tuple[Path, ...]:
    """Return the files of some patterns, in the order in which they are named, each once."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = _glob(folder, pattern)
        if not matches:
            near = (folder / pattern).parent
            there = [path.name for path in near.glob("*") if path.suffix in SUFFIXES]
            where = "beside the description are" if near == folder else f"{shown(near)} has"
            raise InputError(
                f"sources must be files, but there is no {pattern}; "
                f"{where} {among(Path(pattern).name, there)}"
            )
        found |= dict.fromkeys(matches)
    if not found:
        raise InputError("sources must name a file, got none")
    for path in found:
        require_verilog("sources", path)
    return tuple(found)


def require_verilog(what: str, path: Path) -> None:
    """InputError for a file that tools do not take for Verilog, or can not be told of."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{what} must be Verilog files ({', '.join(SUFFIXES)}), got {path.name!r}")
    _require_plain(what, path)


def _require_plain(what: str, path: Path) -> None:
    """Makefiles, shells and JSON stand before the simulators, and each has quotes of its own."""
    if not re.fullmatch(r"[\w /.,:+@=~-]+", str(path), re.ASCII):
        raise InputError(
            f"{what} must have paths of letters, digits, blanks and _ / . , : + @ = ~ -, "
            f"got {str(path)!r}"
        )


def _glob(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a pattern, sorted; none for what is no pattern."""
    if Path(pattern).is_absolute():
        folder, pattern = Path(Path(pattern).anchor), str(Path(*Path(pattern).parts[1:]))
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_file())
    except (ValueError, IndexError, RecursionError):  # "", ".", "a**.v", "../" without an end
        return []


def found_folders(folder: Path, names: list[str]) -> tuple[Path, ...]:
    found = [folder / name for name in names]
    for name, path in zip(names, found, strict=True):
        if not path.is_dir():
            raise InputError(f"include must be folders, but there is no {name}")
        _require_plain("include", path)
        if len(below(path)) > MOST_INCLUDED:
            raise InputError(
                f"include must be folders of at most {MOST_INCLUDED} files, since a build is kept "
                f"by all of them, got {name}"
            )
    return tuple(found)


def below(folder: Path) -> list[Path]:
    """Return the files below a folder, hidden ones left out; no more than tell that it is large."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        paths = (Path(place, each) for each in sorted(files) if not each.startswith("."))
        found += [path for path in paths if path.is_file()]  # neither pipes nor links to nothing
        if len(found) > MOST_INCLUDED:
            break
    return found
