"""Folders kept by the content of everything that goes into them; nothing is ever made twice."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from sim.paths import CACHE


class SimulationError(Exception):
    """A build or a run did not come to a result; the message says why and where its log is."""


def kept(name: str, content: object, make: Callable[[Path], None]) -> Path:
    """Return the folder that ``content`` (JSON) describes; ``make`` fills it if there is none.

    Safe when several processes ask for the same at once: one makes it, the others wait. What was
    interrupted is made again.
    """
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    folder = CACHE / f"{name}-{key}"
    complete = folder / "complete"
    if complete.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            complete.touch()
    return folder
