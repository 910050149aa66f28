"""Files of integer arrays: a .npz with a JSON header, read without ever unpickling anything.

A file is one header (format name, version, fields) and a fixed set of integer arrays. What is
damaged, foreign or incomplete is refused in one sentence before any of it is used.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.integer import Format, InputError, IntArray

LARGEST = 1 << 30  # bytes that a file may inflate to

_HEADER = "header"


def writable_file(name: str) -> Path | None:
    """Return the path of a regular file that can be written, None where there can be none.

    What a link points to is replaced, not the link.
    """
    path = Path(name).resolve()
    place = path if path.exists() else path.parent
    regular = path.is_file() if path.exists() else place.is_dir()
    return path if regular and os.access(place, os.W_OK) else None


def writable_folder(name: str) -> Path | None:
    """Return the path of a folder that is there or can be made, None where there can be none."""
    path = Path(name)
    above = (path, *path.absolute().parents)
    nearest = next(place for place in above if place.exists() or place.is_symlink())
    return path if nearest.is_dir() and os.access(nearest, os.W_OK) else None


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; the file takes its place at ``path`` only if nothing went wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write(
    path: Path,
    format_name: str,
    version: int,
    header: dict[str, Any],
    arrays: Mapping[str, IntArray],
) -> None:
    """Write the file whole or not at all; equal content gives equal bytes."""
    text = json.dumps({"format": format_name, "version": version, **header}, sort_keys=True)
    small = {name: array.astype(_narrowest_type(array)) for name, array in arrays.items()}
    with whole_file(path) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **{_HEADER: np.array(text)}, **small)


def read(
    path: Path,
    format_name: str,
    version: int,
    names: tuple[str, ...] | Callable[[dict[str, Any]], tuple[str, ...]],
) -> tuple[dict[str, Any], dict[str, IntArray]]:
    """Return the header and the arrays, all as int64; their names may depend on the header.

    Errors: InputError if the file is missing, damaged, of another format or version, or incomplete.
    """
    try:
        arrays = _arrays(path)
    except FileNotFoundError as error:
        raise InputError(
            f"{path} must be an {format_name} file, but there is no such file"
        ) from error
    except Exception as error:  # a damaged file makes zipfile, zlib and numpy raise almost anything
        raise InputError(
            f"{path} must be an {format_name} file, but it is damaged or of another kind"
        ) from error
    header = _header(path, arrays.pop(_HEADER, None), format_name, version)
    if callable(names):
        try:
            names = names(header)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    if set(arrays) != set(names):
        raise InputError(
            f"{path} must hold exactly the arrays {', '.join(names)}, "
            f"got {', '.join(sorted(arrays)) or 'none'}"
        )
    for name, array in arrays.items():
        if array.dtype.kind not in "iu" or not np.can_cast(array.dtype, np.int64):
            raise InputError(
                f"{name} in {path} must be integers of at most 64 signed bits, got {array.dtype}"
            )
    return header, {name: array.astype(np.int64) for name, array in arrays.items()}


def input_format(header: dict[str, Any]) -> Format:
    """Return the input format that a header names; InputError if it names none."""
    return _format(header, "input", widest=16)


def output_format(header: dict[str, Any]) -> Format | None:
    """Return the output format that a header names, None for null; InputError for all else."""
    if header["output_bits"] is None and header["signed_output"] is None:
        return None
    return _format(header, "output", widest=8)


def origin(header: dict[str, Any]) -> dict[str, Any]:
    """Return who made the file and how; InputError if the header does not say."""
    story = header.get("origin")
    if not isinstance(story, dict):
        raise InputError(f"origin must be a JSON object, got {story!r}")
    return story


def _format(header: dict[str, Any], side: str, widest: int) -> Format:
    bits, signed = header.get(f"{side}_bits"), header.get(f"signed_{side}")
    if type(bits) is not int or type(signed) is not bool or not 1 <= bits <= widest:
        raise InputError(
            f"{side}_bits must be 1 to {widest} and signed_{side} true or false, "
            f"got {bits!r}, {signed!r}"
        )
    bipolar = header.get(f"bipolar_{side}", False)  # files of before there were any
    if type(bipolar) is not bool:
        raise InputError(f"bipolar_{side} must be true or false, got {bipolar!r}")
    return Format(bits, signed, bipolar)


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not path.is_file():
        raise FileNotFoundError(path)
    with zipfile.ZipFile(path) as members:
        if sum(member.file_size for member in members.infolist()) > LARGEST:
            raise ValueError("the arrays are larger than any layer")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("a member of the archive is no array")
    return arrays


def _header(path: Path, raw: Any, format_name: str, version: int) -> dict[str, Any]:
    try:
        # Only text decodes; numpy would spell out an array of any other kind.
        header = json.loads(raw.item()) if raw is not None and raw.dtype.kind == "U" else None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != format_name:
        raise InputError(f"{path} must be an {format_name} file, but its header does not say so")
    given = header.get("version")
    if type(given) is not int or given != version:
        raise InputError(f"{path} must be version {version} of {format_name}, got {given!r}")
    return header


def _narrowest_type(array: IntArray) -> np.dtype[Any]:
    """Return the smallest signed type that holds every element of ``array``."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    return np.min_scalar_type(min(low, ~high))
