"""A netlist of gates, as Yosys writes it in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

Trace = list[dict[str, int]]  # for each cycle from power-on the values of all ports


class NotProved(Exception):
    """There is no proof and no counterexample; the message says why."""


class Netlist:
    """The gates of a module, sorted from inputs to outputs.

    A bit is a number; 0 and 1 are the constants. What nothing drives is free in each cycle. Errors:
    NotProved if there is more than NOT, AND and registers of one clock, or a loop.
    """

    def __init__(self, module: Mapping[str, Any], clock: str) -> None:
        self.ports = {name: _bits(port["bits"]) for name, port in module["ports"].items()}
        gates: dict[int, tuple[int, ...]] = {}  # what a NOT or an AND is of
        self.registers: dict[int, int] = {}  # the bit and its next
        ticks = self.ports.get(clock)
        for cell in module["cells"].values():
            wires = {name: _bits(bits) for name, bits in cell["connections"].items()}
            if cell["type"] in ("$_AND_", "$_NOT_"):
                gates[wires["Y"][0]] = tuple(wires[name][0] for name in "AB" if name in wires)
            elif cell["type"] == "$_DFF_P_" and wires["C"] == ticks:
                self.registers[wires["Q"][0]] = wires["D"][0]
            elif cell["type"] != "$anyseq":
                raise NotProved(f"it has a {cell['type'].strip('$_')}, of which there is no proof")
        self.starts = dict(_starts(module["netnames"].values()))  # of registers, where it is known
        self.names = {name: net["bits"] for name, net in module["netnames"].items()}
        try:
            order = [bit for bit in TopologicalSorter(gates).static_order() if bit in gates]
        except CycleError:
            raise NotProved("it has a combinational loop, of which there is no proof") from None
        self.gates = [(bit, gates[bit]) for bit in order]
        driven = gates.keys() | self.registers.keys() | {0, 1}
        used = {bit for of in gates.values() for bit in of} | set(self.registers.values())
        ports = {bit for bits in self.ports.values() for bit in bits}
        self.free = sorted((used | ports) - driven)


def _bits(bits: Iterable[int | str]) -> list[int]:
    """Return the bits of a wire as numbers; Yosys numbers those that are no constants from 2."""
    found = list(bits)
    if "x" in found or "z" in found:
        raise NotProved("it has an undefined bit, of which there is no proof")
    return [int(bit) for bit in found]


def _starts(nets: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, bool]]:
    for net in nets:
        init = net["attributes"].get("init", "")
        for bit, value in zip(net["bits"], reversed(init), strict=False):
            if value in "01":
                yield bit, value == "1"
