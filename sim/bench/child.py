"""Work of other processes: a folder for it, and its answer."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.cache import SimulationError
from sim.paths import BUILD, ROOT, shown
from sim.process import run_logged

_LIMIT_S = 7200


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield an empty folder below build/bench that goes when it is left."""
    place = BUILD / "bench"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def answer(
    name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Any:
    """Run this Python with arguments and ``--json FILE``; return what it wrote there.

    ``environment`` is added to this process's. Errors: SimulationError if it ends with another
    status than 0, or without an answer.
    """
    with scratch() as folder:
        file, log = folder / "answer.json", BUILD / "bench" / f"{name}.log"
        command = [sys.executable, *arguments, "--json", str(file)]
        status = run_logged(command, log, {**os.environ, **(environment or {})}, ROOT, _LIMIT_S)
        if status != 0:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            reason = said[-1] if said else "it said nothing"
            raise SimulationError(
                f"{name} ended with status {status}: {reason}; its log is {shown(log)}"
            )
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SimulationError(f"{name} left no answer: {error}") from None


def reply(work: Callable[[list[str]], object]) -> None:
    """Be the other side of ``answer``: hand the arguments to ``work``, write what it returns."""
    *arguments, _, file = sys.argv[1:]
    Path(file).write_text(json.dumps(work(arguments)), encoding="utf-8")
