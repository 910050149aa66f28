"""Where the Verilog of a case's unit lies: in ``rtl``, or in a folder that is generated for it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from golden.spec import MvauSpec
from sim.build import contents
from sim.cache import kept
from sim.paths import RTL
from sim.rtl import Rtl, closure
from tb.case import UNROLLED, Case


def verilog_of(case: Case, rtl: Rtl = RTL) -> Rtl:
    """Return what to build the case's unit from; it is written if it is not there.

    A folder that has a file of the unit is taken as it is, and so is RTL of somebody else.
    """
    if case.unit != UNROLLED or not isinstance(rtl, Path) or (rtl / f"{UNROLLED}.v").exists():
        return rtl
    files = {
        f"{UNROLLED}.v": _unrolled(case.spec, case.weights.tobytes(), case.registers),
        **contents(closure("skid_buffer", rtl)),
    }

    def write(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")

    return kept(f"verilog-{UNROLLED}", files, write)


@lru_cache(maxsize=32)
def _unrolled(spec: MvauSpec, weights: bytes, registers: tuple[int, ...] | None) -> str:
    from sim.generate.unrolled import unrolled  # it brings pyverilog, which the others do without

    rows = np.frombuffer(weights, np.int64).reshape(spec.mh, spec.mw)
    return unrolled(rows, spec, registers).text
