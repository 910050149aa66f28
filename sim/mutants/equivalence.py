"""Is an edited module still the same? A proof for all inputs and all times, by Yosys and z3.

Yosys makes a miter of gates: both modules side by side with the same inputs, and one bit that is
high where their outputs differ. z3 looks for a way to it: bounded first, for a counterexample, then
with Spacer, which proves that there is none, however long one waits.

What can be meant by "the same" is chosen so that a simulator could never tell a difference:

- Registers and memories start from any value, and one that both copies have from the same in both:
  whatever the edited one does from some power-on state, the original does from one, too. What an
  ``initial`` block fills starts as it says. Reset is high in the first cycle and may come again;
  outputs count from the cycle after it on.
- A part that is never used alone (``WITHIN``) is compared inside of the unit that it belongs to.
- Of a stream (named by its ``X_tvalid``) data, user and last count while valid is high.
- What Verilog leaves undefined may be anything, each copy for itself: nothing is equal by luck.
- A module without ``clk`` is compared for all inputs.
- An edited static assert is never equal: what may be built is not what gates can show.

The proof holds at the shapes that it lists, which are small. It says nothing of others.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from golden.integer import InputError
from sim.mutants.edits import static_asserts
from sim.mutants.gates import Netlist, NotProved, Trace
from sim.paths import BUILD, RTL
from sim.process import run_logged
from sim.rtl import closure
from sim.tools import ToolError
from sim.yosys import YosysError, yosys

Shape = Mapping[str, int]  # the parameters of a module
Ports = dict[str, tuple[str, int]]  # name: direction, width

CLOCK, RESET = "clk", "rst"


class Fate(StrEnum):
    """What is known of an edited module."""

    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    NOT_PROVED = "not proved"


@dataclass(frozen=True)
class Proof:
    """What came of a comparison, in a sentence; of a difference, the inputs that show it."""

    fate: Fate
    sentence: str
    example: tuple[str, ...] = ()  # one line a cycle, from power-on; what is not named is 0


def _widths(**values: int) -> dict[str, int]:
    return {name.upper(): value for name, value in values.items()}


def _dot(
    simd: int, m: int, n: int, signed: int, p: int, overflow: int, *, bipolar: str = ""
) -> dict[str, int]:
    return _widths(
        simd=simd, weight_bits=m, input_bits=n, signed_input=signed, acc_bits=p, overflow=overflow,
        bipolar_weight=int("w" in bipolar), bipolar_input=int("x" in bipolar),
    )  # fmt: skip


def _pe(*dot: int, observe: int, bipolar: str = "") -> dict[str, int]:
    return {**_dot(*dot, bipolar=bipolar), "OBSERVE": observe}


def _mac(*dot: int, observe: int, bipolar: str = "") -> dict[str, int]:
    of_a_pe = _pe(1, *dot, observe=observe, bipolar=bipolar)
    return {name: value for name, value in of_a_pe.items() if name != "SIMD"}


def _mvau(mw: int, mh: int, pe: int, *dot: int, observe: int, bipolar: str = "") -> dict[str, int]:
    return {**_widths(mw=mw, mh=mh, pe=pe), **_pe(*dot, observe=observe, bipolar=bipolar)}


_WINDOW = (
    "INPUT_BITS", "CHANNELS", "SIMD", "HEIGHT", "WIDTH", "KERNEL", "STRIDE", "PADDING", "DILATION",
    "DEPTHWISE",
)  # fmt: skip

# Where modules are compared. Each meets all of its generate branches, both overflow policies, both
# signs, bipolar weights (w) and inputs (x), and counts that are one, two, no power of two, and more
# than that.
SHAPES: dict[str, tuple[Shape, ...]] = {
    "dot": (
        _dot(3, 2, 2, 1, 3, 1),  # an odd one out; products wider than the accumulator
        _dot(5, 2, 1, 0, 4, 0),  # two levels on which one is left over
        _dot(2, 2, 3, 0, 6, 1),  # products narrower
        _dot(1, 3, 2, 1, 5, 0),  # a single lane; products as wide as the accumulator
        _dot(4, 1, 2, 1, 2, 1),  # a full tree; the narrowest of all
        _dot(6, 1, 1, 1, 2, 0),
        _dot(3, 1, 1, 1, 3, 1, bipolar="wx"),
        _dot(2, 1, 2, 0, 3, 0, bipolar="w"),
        _dot(2, 2, 1, 1, 2, 1, bipolar="x"),
    ),
    "pe": (
        _pe(2, 2, 2, 1, 3, 1, observe=1),
        _pe(1, 2, 1, 0, 4, 0, observe=0),
        _pe(3, 1, 2, 0, 2, 0, observe=1),
        _pe(2, 1, 2, 0, 3, 0, observe=1, bipolar="w"),
        _pe(2, 2, 1, 1, 3, 1, observe=1, bipolar="x"),
    ),
    "mac": (
        _mac(2, 2, 1, 3, 1, observe=1),
        _mac(2, 1, 0, 4, 0, observe=0),
        _mac(1, 2, 0, 2, 0, observe=1),
        _mac(1, 2, 0, 3, 0, observe=1, bipolar="w"),
        _mac(2, 1, 1, 3, 1, observe=1, bipolar="x"),
    ),
    "replay_buffer": tuple(
        _widths(data_bits=bits, beats=beats, copies=copies)
        for bits, beats, copies in (
            (2, 3, 3),  # no power of two
            (1, 1, 1),  # no counter counts
            (2, 1, 2),  # one word of memory
            (1, 2, 1),
            (1, 4, 2),  # powers of two
            (1, 2, 4),
            (1, 5, 2),  # three bits of counter
            (1, 2, 5),
        )
    ),
    "skid_buffer": (_widths(data_bits=1), _widths(data_bits=2), _widths(data_bits=3)),
    "mvau": (
        _mvau(2, 2, 1, 1, 2, 2, 1, 3, 1, observe=1),  # folded both ways
        _mvau(2, 2, 2, 2, 1, 2, 0, 3, 0, observe=1),  # not folded
        _mvau(3, 3, 1, 1, 1, 1, 0, 2, 0, observe=0),  # no power of two
        _mvau(4, 4, 2, 2, 1, 1, 1, 2, 1, observe=1),  # several lanes of several units
        _mvau(2, 2, 1, 1, 1, 2, 0, 3, 0, observe=1, bipolar="w"),
        _mvau(2, 2, 1, 1, 2, 1, 1, 3, 1, observe=1, bipolar="x"),
    ),
}
SHAPES["vvau"] = SHAPES["mvau"]  # it has the same parameters, and folds as much
SHAPES |= {
    "fifo": tuple(
        _widths(data_bits=bits, depth=depth)
        for bits, depth in (
            (1, 2),  # the least
            (2, 3),  # no power of two
            (1, 4),  # three bits of counter
        )
    ),
    "width_converter": tuple(
        _widths(lane_bits=bits, in_lanes=come, out_lanes=leave)
        for bits, come, leave in (
            (2, 1, 1),
            (1, 1, 3),  # gathered, and cut
            (1, 3, 1),
            (1, 2, 3),  # neither divides the other
            (1, 3, 2),
            (1, 2, 4),  # groups of two lanes
            (1, 4, 2),
        )
    ),
    "weight_rom": tuple(
        _widths(data_bits=bits, beats=beats, loop=loop, words=words)
        for bits, beats, loop, words in (
            (1, 1, 1, 0b1),
            (2, 1, 0, 0b01),
            (1, 2, 0, 0b01),
            (2, 3, 1, 0b10_11_01),  # no power of two
            (1, 4, 1, 0b0010),
            (1, 5, 0, 0b10110),  # three bits of counter
        )
    ),
    "threshold": tuple(
        _widths(mh=mh, pe=pe, acc_bits=p, output_bits=b, signed_output=signed, search=search)
        for search in (0, 1)
        for mh, pe, p, b, signed in (
            (1, 1, 2, 1, 0),  # one threshold
            (2, 1, 2, 2, 1),  # three of each of two rows
            (3, 1, 2, 1, 1),  # no power of two rows, one after the other
            (2, 2, 3, 1, 0),  # two at once
        )
    ),
    "swu": tuple(
        dict(zip(_WINDOW, values, strict=True))
        for values in (
            (1, 1, 1, 1, 1, 1, 1, 0, 1, 0),  # a pixel
            (1, 1, 1, 2, 1, 2, 1, 1, 1, 0),  # padding, three rows in the ring
            (2, 2, 2, 2, 2, 1, 2, 0, 1, 0),  # strides over rows; lanes of two channels
            (1, 2, 1, 2, 2, 2, 1, 0, 1, 1),  # two beats a pixel, outside of the taps
            (1, 2, 1, 1, 2, 2, 1, 1, 1, 0),  # ... and inside
            (1, 1, 1, 3, 2, 2, 1, 1, 2, 0),  # dilation, over a ring of a power of two
        )
    ),
    # Of two units that have shapes of their own; what it adds are wires between them.
    "mvtu": (
        {
            **_mvau(1, 1, 1, 1, 1, 1, 0, 2, 0, observe=1),
            **_widths(output_bits=1, signed_output=0, search=0),
        },
        {
            **_mvau(2, 2, 2, 1, 1, 1, 1, 2, 1, observe=0),
            **_widths(output_bits=1, signed_output=1, search=1),
        },
    ),
}
SHAPES["window_cursor"] = SHAPES["swu"]
for _part, _search in (("parallel", 0), ("search", 1), ("stage", 1)):
    SHAPES[f"threshold_{_part}"] = tuple(
        shape for shape in SHAPES["threshold"] if shape["SEARCH"] == _search
    )

# Parts that are nothing alone, for others give them their numbers and hide what is not reset yet:
# they are compared inside of the unit that they are part of, at shapes of it.
WITHIN = {
    "threshold_parallel": "threshold",
    "threshold_search": "threshold",
    "threshold_stage": "threshold",
    "window_cursor": "swu",
}


def prove(
    module: str,
    mutated: str,
    rtl: Path = RTL,
    shapes: Sequence[Shape] | None = None,
    limit_s: float = 120,
) -> Proof:
    """Compare a module of ``rtl`` with its edited source, at each shape (default: ``SHAPES``).

    "Equivalent" is only said after a proof at all of them. What takes longer than ``limit_s`` for a
    shape, or lacks a tool, is not proved.
    """
    chosen = SHAPES.get(module, ()) if shapes is None else shapes
    if not chosen:
        return Proof(Fate.NOT_PROVED, f"{module} has no shapes in sim.mutants.equivalence.SHAPES")
    if missing := missing_tools():
        return Proof(Fate.NOT_PROVED, f"missing: {', '.join(missing)}")
    try:
        original = (rtl / f"{module}.v").read_text(encoding="utf-8")
        if static_asserts(mutated) != static_asserts(original):
            return Proof(Fate.NOT_PROVED, "a static assert is edited, which no gate can show")
        scratch = BUILD / "proofs"
        scratch.mkdir(parents=True, exist_ok=True)
        for shape in chosen:
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                comparison = _Comparison(
                    module, WITHIN.get(module, module), mutated, rtl, shape, Path(folder), limit_s
                )
                if (difference := comparison.difference()) is not None:
                    return difference
    except (NotProved, InputError) as reason:
        return Proof(Fate.NOT_PROVED, str(reason))
    places = "; ".join(map(_shown, chosen))
    return Proof(
        Fate.EQUIVALENT,
        "the same outputs for all inputs, at all times after a reset, from any power-on state, at "
        f"each of {len(chosen)} shapes and no others: {places}",
    )


@cache
def missing_tools() -> tuple[str, ...]:
    """Return what is missing for a proof; prepares Yosys, which takes a minute, once."""
    missing = ["z3"] if importlib.util.find_spec("z3") is None else []
    if shutil.which("iverilog") is None:
        missing.append("iverilog")
    try:
        yosys()
    except ToolError:
        missing.append("yosys")
    return tuple(missing)


def _shown(shape: Shape) -> str:
    return " ".join(f"{name}={value}" for name, value in shape.items())


# ---- the miter -----------------------------------------------------------------------------------

# No step before the last "setundef" may take an undefined value for one that suits it: that is what
# -noopt and -keepdc are for. From there on, each undefined bit is an input of its own.
_ELABORATE = """
design -reset
read_verilog -noopt {files}
hierarchy -check -top {module} {parameters}
proc -noopt
opt_expr -keepdc
memory_collect
memory_map
flatten
setundef -undriven -anyseq
opt_expr -keepdc
opt_clean
rename -top {name}
write_json {name}.json
write_rtlil {name}.il
"""
_GATES = """
read_rtlil original.il
read_rtlil mutated.il
read_verilog miter.v
hierarchy -check -top miter
proc -noopt
flatten
opt_expr -keepdc
opt_clean
techmap
setundef -undriven -anyseq
opt_expr -keepdc
opt_clean
dffunmap
simplemap
aigmap
opt_merge
opt_clean -purge
write_json gates.json
"""
_RESIZED = r"Resizing cell port (\S+) from (\d+) bits to (\d+) bits"
_DIVISIONS = {"$div", "$mod", "$divfloor", "$modfloor", "$pow"}
_SIDES = ("original", "mutated")


@dataclass(frozen=True)
class _Comparison:
    module: str
    top: str
    mutated: str
    rtl: Path
    shape: Shape
    folder: Path
    limit_s: float

    def difference(self) -> Proof | None:
        """Return the proof of a difference; None if there is none. Errors: NotProved."""
        files = self._sources()
        if not self._elaborates(files["mutated"]):
            return self._different("it does not elaborate")
        self._yosys("".join(self._elaborate(name, files[name]) for name in _SIDES))
        ports, changed = (self._ports(name) for name in _SIDES)
        for name in sorted(ports.keys() | changed.keys()):
            if ports.get(name) != changed.get(name):
                was, now = (
                    " ".join(map(str, side.get(name, ("none",)))) for side in (ports, changed)
                )
                return self._different(f"port {name} is {now} and not {was}")
        (self.folder / "miter.v").write_text(_miter(ports), encoding="utf-8")
        self._yosys(_GATES)
        from sim.mutants.reach import Search  # imports z3

        gates = json.loads((self.folder / "gates.json").read_text(encoding="utf-8"))
        netlist = Netlist(gates["modules"]["miter"], CLOCK)
        trace = Search(netlist, "bad", self.limit_s, _pairs(netlist)).trace()
        if trace is None:
            return None
        return self._different(_finding(trace[-1], ports), _example(trace, ports))

    def _different(self, what: str, example: tuple[str, ...] = ()) -> Proof:
        return Proof(Fate.DIFFERENT, f"{what}, at {_shown(self.shape)}", example)

    def _sources(self) -> dict[str, list[str]]:
        """Put the sources into the folder; return the names of the files of both sides."""
        names = []
        for path in closure(self.top, self.rtl):
            shutil.copyfile(path, self.folder / path.name)
            names.append(path.name)
        (self.folder / "edited.v").write_text(self.mutated, encoding="utf-8")
        own = f"{self.module}.v"
        edited = [name if name != own else "edited.v" for name in names]
        return {"original": names, "mutated": edited}

    def _elaborates(self, files: list[str]) -> bool:
        """Whether Icarus takes it: Yosys has no objection to the zeroes of a static assert."""
        overrides = (f"-P{self.top}.{name}={value}" for name, value in self.shape.items())
        status = self._run(["iverilog", "-g2005", "-tnull", "-s", self.top, *overrides, *files])
        return status == 0

    def _elaborate(self, name: str, files: list[str]) -> str:
        return _ELABORATE.format(
            name=name,
            files=" ".join(files),
            module=self.top,
            parameters=" ".join(f"-chparam {key} {value}" for key, value in self.shape.items()),
        )

    def _ports(self, name: str) -> Ports:
        text = (self.folder / f"{name}.json").read_text(encoding="utf-8")
        module = json.loads(text)["modules"][name]
        if any(cell["type"] in _DIVISIONS for cell in module["cells"].values()):
            raise NotProved("it divides, and what a division by zero gives is not defined")
        ports = module["ports"].items()
        return {port: (found["direction"], len(found["bits"])) for port, found in ports}

    def _yosys(self, script: str) -> None:
        try:
            log = yosys().run(script, self.folder, self.limit_s)
        except YosysError as error:
            raise NotProved(f"{error}, at {_shown(self.shape)}") from None
        for port, given, wanted in re.findall(_RESIZED, log):
            if int(given) < int(wanted):
                raise NotProved(
                    f"{port} has {wanted} bits and is given {given}, which simulators pad "
                    f"differently, at {_shown(self.shape)}"
                )

    def _run(self, command: Sequence[str]) -> int:
        status = run_logged(
            command, self.folder / "log", os.environ, self.folder, limit_s=self.limit_s
        )
        if status is None:
            raise NotProved(
                f"{command[0]} took more than {self.limit_s:g} s, at {_shown(self.shape)}"
            )
        return status


def _miter(ports: Ports) -> str:
    """Return a module that is ``bad`` where the two sides differ after a reset."""
    outputs = {name: width for name, (direction, width) in ports.items() if direction == "output"}
    inputs = {name: width for name, (direction, width) in ports.items() if direction == "input"}
    heads = [f"input [{width - 1}:0] {name}" for name, width in inputs.items()]
    heads += [
        f"output [{width - 1}:0] {side}_{name}"
        for side in _SIDES
        for name, width in outputs.items()
    ]
    body = []
    if CLOCK in inputs:
        body.append(f"reg after_q = 0; always @(posedge {CLOCK}) after_q <= 1'b1;")
    else:
        body.append("wire after_q = 1'b1;")
    reset = {RESET: f"{RESET} | ~after_q"} if CLOCK in inputs else {}
    for side in _SIDES:
        wires = [f".{name}({reset.get(name, name)})" for name in inputs]
        wires += [f".{name}({side}_{name})" for name in outputs]
        body.append(f"{side} u_{side} ({', '.join(wires)});")
    terms = [_differs(name, outputs) for name in outputs]
    body.append(f"assign bad = after_q & ({' | '.join(terms)});")
    return "\n".join([f"module miter ({', '.join([*heads, 'output bad'])});", *body, "endmodule\n"])


def _pairs(netlist: Netlist) -> Iterator[tuple[int, int]]:
    """Yield the bits that have the same name on both sides."""
    for name, bits in netlist.names.items():
        if match := re.fullmatch(r"(u_)?original([._].*)", name):
            other = f"{match[1] or ''}mutated{match[2]}"
            yield from zip(bits, netlist.names.get(other, ()), strict=False)


def _differs(name: str, outputs: Iterable[str]) -> str:
    differs = f"(original_{name} != mutated_{name})"
    payload = re.fullmatch(r"(.*_)t(?!valid$|ready$)\w+", name)
    if payload and f"{payload[1]}tvalid" in outputs:
        return f"(original_{payload[1]}tvalid & {differs})"
    return differs


def _finding(cycle: Mapping[str, int], ports: Ports) -> str:
    """Return which output differs, and how."""
    for name, (direction, _) in ports.items():
        before, after = (cycle.get(f"{side}_{name}") for side in _SIDES)
        if direction == "output" and before != after:
            return f"{name} is {after} and not {before}"
    raise AssertionError("a difference must show in an output")


def _example(trace: Trace, ports: Ports) -> tuple[str, ...]:
    """Return the inputs of each cycle that are not 0."""
    inputs = [name for name, (way, _) in ports.items() if way == "input" and name != CLOCK]
    first = {RESET: 1} if RESET in inputs else {}
    return tuple(
        f"cycle {number}: " + " ".join(f"{name}={cycle[name]}" for name in inputs if cycle[name])
        for number, cycle in enumerate([{**trace[0], **first}, *trace[1:]])
    )
