"""Folders kept by the content of everything that goes into them; nothing is ever made twice."""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from sim.paths import CACHE

_COMPLETE = "complete"


class SimulationError(Exception):
    """A build or a run did not come to a result; the message says why and where its log is."""


class CompilerError(SimulationError):
    """A C++ compiler failed, which says nothing of the Verilog: it is missing, or out of room."""


def kept(name: str, content: object, make: Callable[[Path], None]) -> Path:
    """Return the folder that ``content`` (JSON) describes; ``make`` fills it if there is none.

    ``make`` gets a fresh folder, which takes its place when it is whole: what is made must not know
    where it lies. Safe when several processes ask for the same at once: one makes it, the others
    wait. What was interrupted or damaged is made again; of what a SimulationError ended the logs
    stay, until somebody asks again.
    """
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    folder = CACHE / f"{name}-{key}"
    if _is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_whole(folder):
            # We hold the lock: whoever made these failed, or was killed.
            for left in folder.parent.glob(f".{folder.name}-*"):
                shutil.rmtree(left, ignore_errors=True)
            fresh = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
            fresh.mkdir()
            try:
                make(fresh)
                sizes = {
                    path.name: path.stat().st_size for path in fresh.iterdir() if path.is_file()
                }
                (fresh / _COMPLETE).write_text(json.dumps(sizes), encoding="utf-8")
                shutil.rmtree(folder, ignore_errors=True)
                fresh.rename(folder)
            except SimulationError:
                for item in fresh.iterdir():
                    if item.is_dir():
                        shutil.rmtree(item, ignore_errors=True)
                    elif item.suffix != ".log":
                        item.unlink()
                raise
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise
    return folder


def _is_whole(folder: Path) -> bool:
    """Whether ``make`` came to its end there, and all that it left still has its size."""
    try:
        sizes = json.loads((folder / _COMPLETE).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):  # AttributeError: other JSON
        return False
