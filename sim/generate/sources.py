"""Where the Verilog of a case's unit lies: in ``rtl``, or in a folder that is generated for it."""

from __future__ import annotations

from pathlib import Path

from sim.build import contents
from sim.cache import kept
from sim.paths import RTL
from sim.rtl import closure
from tb.case import UNROLLED, Case


def verilog_of(case: Case, rtl: Path = RTL) -> Path:
    """Return the folder to build the case's unit from; it is written if it is not there.

    An ``rtl`` that has a file of the unit is taken as it is. Errors: InputError for registers that
    the unit has no room for.
    """
    if case.unit != UNROLLED or (rtl / f"{UNROLLED}.v").exists():
        return rtl
    from sim.generate.unrolled import unrolled  # it brings pyverilog, which the others do without

    files = {
        f"{UNROLLED}.v": unrolled(case.weights, case.spec, case.registers).text,
        **contents(closure("skid_buffer", rtl)),
    }

    def write(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")

    return kept(f"verilog-{UNROLLED}", files, write)
