"""Where things are."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RTL = ROOT / "rtl"
LAYERS = ROOT / "a2q_ref" / "layers" / "digits"
NETWORKS = ROOT / "a2q_ref" / "networks"
KEPT_CASES = ROOT / "tests" / "cases"
BUILD = Path(os.environ.get("A2Q_BUILD", ROOT / "build")).absolute()
CACHE = Path(os.environ.get("A2Q_CACHE", BUILD / "sim")).absolute()


def shown(path: Path) -> str:
    """Return a path as short as it can be typed from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
