"""MvauSpec: the one place where shapes, widths, signs, folding and legality of the units live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from golden.integer import Format, InputError, Overflow

_WIDTHS = (
    "weight_bits", "bipolar_weight", "input_bits", "signed_input", "bipolar_input", "acc_bits",
    "overflow",
)  # fmt: skip
_SHAPES = ("mw", "mh", "pe", "simd")

# The parameters that each Verilog unit takes: spec fields, upper-cased.
UNIT_PARAMETERS: dict[str, tuple[str, ...]] = {
    "dot": ("simd", *_WIDTHS),
    "pe": ("simd", *_WIDTHS, "observe"),
    "mac": (*_WIDTHS, "observe"),
    "mvau": (*_SHAPES, *_WIDTHS, "observe"),
    "vvau": (*_SHAPES, *_WIDTHS, "observe"),
    "unrolled": (),  # generated; all of it is wired in
}

# Fields that specs in files may lack: those of before there were any bipolar operands.
_MAY_LACK: dict[str, Any] = {"bipolar_weight": 0, "bipolar_input": 0}


@dataclass(frozen=True)
class MvauSpec:
    """Shape, formats, folding and overflow policy of a matrix-vector unit.

    The field names are the Verilog parameters in lower case. Errors: InputError for a set of values
    that does not make sense, in the words of the static assert that stops it in ``rtl/``.

    >>> MvauSpec(mw=8, mh=4, pe=2, simd=4, weight_bits=4, input_bits=8, acc_bits=16).id
    'mw8-mh4-pe2-simd4-m4-n8u-p16-wrap'
    """

    mw: int  # input features (matrix width, the K of the papers)
    mh: int  # output channels (matrix height)
    pe: int  # output channels computed in parallel
    simd: int  # input features per beat
    weight_bits: int  # M, always signed
    input_bits: int  # N
    acc_bits: int  # P, always signed
    signed_input: bool = False
    overflow: Overflow = Overflow.WRAP
    observe: bool = True  # overflow bits on the output stream
    bipolar_weight: bool = False  # a weight is -1 or +1, on the wires 0 or 1
    bipolar_input: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or (isinstance(value, bool) and field.type != "bool"):
                raise InputError(f"{field.name.upper()} must be an integer, got {value!r}")
        for rule in RULES:
            if not rule.holds(self):
                given = " ".join(
                    f"{name.upper()}={int(getattr(self, name))}" for name in rule.about
                )
                raise InputError(f"{rule.sentence}, got {given}")
        object.__setattr__(self, "overflow", Overflow(self.overflow))
        for name in ("signed_input", "observe", "bipolar_weight", "bipolar_input"):
            object.__setattr__(self, name, bool(getattr(self, name)))

    @property
    def sf(self) -> int:
        """Synapse fold: beats per pass over the inputs."""
        return self.mw // self.simd

    @property
    def nf(self) -> int:
        """Neuron fold: passes over the inputs per vector."""
        return self.mh // self.pe

    @property
    def total_fold(self) -> int:
        """Beats per vector."""
        return self.sf * self.nf

    @cached_property
    def weights(self) -> Format:
        return Format(self.weight_bits, signed=True, bipolar=self.bipolar_weight)

    @cached_property
    def inputs(self) -> Format:
        return Format(self.input_bits, self.signed_input, self.bipolar_input)

    @cached_property
    def acc(self) -> Format:
        return Format(self.acc_bits, signed=True)

    @property
    def input_beat_bits(self) -> int:
        return self.simd * self.input_bits

    @property
    def weight_beat_bits(self) -> int:
        return self.pe * self.simd * self.weight_bits

    @property
    def output_beat_bits(self) -> int:
        return self.pe * self.acc_bits

    @property
    def id(self) -> str:
        """A name that says everything, for test ids, folders and reports."""
        sign = "b" if self.bipolar_input else "s" if self.signed_input else "u"
        bipolar = "b" if self.bipolar_weight else ""
        blind = "" if self.observe else "-blind"
        return (
            f"mw{self.mw}-mh{self.mh}-pe{self.pe}-simd{self.simd}-m{self.weight_bits}{bipolar}"
            f"-n{self.input_bits}{sign}-p{self.acc_bits}-{self.overflow.word}{blind}"
        )

    def verilog_parameters(self, unit: str) -> dict[str, int]:
        """Return the parameters of ``unit`` by their Verilog names."""
        return {name.upper(): int(getattr(self, name)) for name in UNIT_PARAMETERS[unit]}

    def to_json(self) -> dict[str, int]:
        return {field.name: int(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, data: object) -> MvauSpec:
        """Read back ``to_json``; InputError if a field is missing, unknown or not an integer."""
        names = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or set(data) | set(_MAY_LACK) != names:
            raise InputError(f"a spec must have exactly the fields {', '.join(sorted(names))}")
        return cls(**_MAY_LACK | data)


@dataclass(frozen=True)
class Rule:
    """A rule of legality; ``rtl/`` has a static assert of the same name."""

    sentence: str
    about: tuple[str, ...]
    holds: Callable[[Any], bool]

    @property
    def static_assert(self) -> str:
        return self.sentence.upper().replace(" ", "_")


RULES = (
    Rule("MW must be 1 to 65536", ("mw",), lambda s: 1 <= s.mw <= 65536),
    Rule("MH must be 1 to 65536", ("mh",), lambda s: 1 <= s.mh <= 65536),
    Rule("SIMD must be positive", ("simd",), lambda s: s.simd >= 1),
    Rule("PE must be positive", ("pe",), lambda s: s.pe >= 1),
    Rule("SIMD must divide MW", ("simd", "mw"), lambda s: s.mw % s.simd == 0),
    Rule("PE must divide MH", ("pe", "mh"), lambda s: s.mh % s.pe == 0),
    Rule("WEIGHT_BITS must be 1 to 16", ("weight_bits",), lambda s: 1 <= s.weight_bits <= 16),
    Rule("INPUT_BITS must be 1 to 16", ("input_bits",), lambda s: 1 <= s.input_bits <= 16),
    Rule("ACC_BITS must be 2 to 64", ("acc_bits",), lambda s: 2 <= s.acc_bits <= 64),
    Rule("SIGNED_INPUT must be 0 or 1", ("signed_input",), lambda s: s.signed_input in (0, 1)),
    Rule("OVERFLOW must be 0 or 1", ("overflow",), lambda s: s.overflow in (0, 1)),
    Rule("OBSERVE must be 0 or 1", ("observe",), lambda s: s.observe in (0, 1)),
    Rule(
        "BIPOLAR_WEIGHT must be 0 or 1", ("bipolar_weight",), lambda s: s.bipolar_weight in (0, 1)
    ),
    Rule("BIPOLAR_INPUT must be 0 or 1", ("bipolar_input",), lambda s: s.bipolar_input in (0, 1)),
    Rule(
        "BIPOLAR_WEIGHT must have WEIGHT_BITS 1",
        ("bipolar_weight", "weight_bits"),
        lambda s: not s.bipolar_weight or s.weight_bits == 1,
    ),
    Rule(
        "BIPOLAR_INPUT must have INPUT_BITS 1",
        ("bipolar_input", "input_bits"),
        lambda s: not s.bipolar_input or s.input_bits == 1,
    ),
    Rule(
        "BIPOLAR_INPUT must have SIGNED_INPUT 1",
        ("bipolar_input", "signed_input"),
        lambda s: not s.bipolar_input or s.signed_input == 1,
    ),
)
