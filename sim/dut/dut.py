"""Dut: foreign RTL as its description has it, in the place of one of our units."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from golden.integer import InputError
from sim.cache import kept
from sim.dut.description import Description, numbers_of, sources_of
from sim.dut.expression import Expression
from sim.dut.interface import Interface, interface
from sim.dut.wrapper import require_ports, wrapper
from sim.paths import shown
from sim.rtl import Sources


class Dut(Description):
    """Foreign RTL that a folder of ours may be replaced by; see ``sim.rtl.Foreign``."""

    def elaborated(self, parameters: Mapping[str, int]) -> tuple[Interface, dict[str, int]]:
        """Return what the top has at these parameters of our unit, and the numbers they make.

        Errors: InputError for what the description says and the RTL does not have.
        """
        numbers = numbers_of(self.unit, parameters)
        given = {name: each.value(numbers) for name, each in self.parameters.items()}
        try:
            _require_integers(given)
            found = interface(self._sources(), given)
            require_ports(self, found, numbers)
        except InputError as error:
            raise InputError(f"{shown(self.path)}: {error}") from None
        return found, numbers

    @property
    def followed(self) -> set[str]:
        """Numbers of the spec that a parameter, a tie or a packing follows."""
        packings = [stream.packing for stream in self.streams.values()]
        said = [*self.parameters.values(), *self.ties.values()]
        said += [each for packing in packings for each in (packing.bits, packing.lane_bits) if each]
        return {name for each in said if isinstance(each, Expression) for name in each.names}

    def sources(self, unit: str, parameters: Mapping[str, int]) -> Sources:
        """Return what our unit is built from: theirs, and a wrapper that has our ports."""
        if unit != self.unit:
            raise InputError(f"{shown(self.path)} must stand for the {unit}, got {self.unit}")
        found, numbers = self.elaborated(parameters)
        top = f"a2q_{unit}"
        text = wrapper(self, top, parameters, numbers, found)

        def make(folder: Path) -> None:
            (folder / f"{top}.v").write_text(text, encoding="utf-8")

        file = kept("wrapper", text, make) / f"{top}.v"
        theirs = self._sources()
        return Sources(
            top, (*theirs.files, file), {**theirs.read, "the wrapper": file}, theirs.flags
        )

    def digest(self) -> str:
        """Return a hash of all that they wrote, the description included."""
        digest = hashlib.sha256(self.path.read_bytes())
        for name, path in sorted(self._sources().read.items()):
            digest.update(f"{name}\0".encode() + path.read_bytes())
        return digest.hexdigest()

    def _sources(self) -> Sources:
        """Return what the unit itself is made of."""
        return sources_of(self.top, self.path.parent, self.files, self.include, self.defines)


def _require_integers(given: Mapping[str, int]) -> None:
    for name, value in given.items():
        if not -(1 << 31) <= value < 1 << 31:  # simulators cut what is longer, and say nothing
            raise InputError(f"[parameters] {name} must be an integer of 32 bits, got {value}")
