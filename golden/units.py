"""Units that are no matrix units: their parameters, and which values of them make sense.

A rule is a sentence that a static assert in ``rtl/`` has as its name. The units that calculate have
theirs in ``golden.spec``; ``mvtu`` is one of those with a ``threshold`` behind it, and has both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from golden.integer import InputError
from golden.spec import RULES as SPEC_RULES
from golden.spec import UNIT_PARAMETERS, Rule

Parameters = Mapping[str, int]  # by their Verilog names


def _about(name: str, sentence: str, holds: Callable[[int], bool]) -> Rule:
    return Rule(f"{name} must {sentence}", (name,), lambda p: holds(getattr(p, name)))


def _positive(*names: str) -> list[Rule]:
    return [_about(name, "be positive", lambda value: value >= 1) for name in names]


def _switch(*names: str) -> list[Rule]:
    return [_about(name, "be 0 or 1", lambda value: value in (0, 1)) for name in names]


def _reach(p: Any) -> int:
    """Return the pixels from the first to the last tap of a window."""
    return int((p.KERNEL - 1) * p.DILATION + 1)


_ACTIVATION = (
    _about("ACC_BITS", "be 2 to 63", lambda bits: 2 <= bits <= 63),
    _about("OUTPUT_BITS", "be 1 to 8", lambda bits: 1 <= bits <= 8),
    *_switch("SIGNED_OUTPUT", "SEARCH"),
)


def _of_spec(rule: Rule) -> Rule:
    """Return a rule of specs as one of Verilog names."""

    def holds(p: Any) -> bool:
        return rule.holds(SimpleNamespace(**{name.lower(): v for name, v in vars(p).items()}))

    return Rule(rule.sentence, tuple(name.upper() for name in rule.about), holds)


# The rules of each unit, about its parameters by name; earlier ones make sense of later ones.
UNITS: dict[str, tuple[Rule, ...]] = {
    "skid_buffer": (*_positive("DATA_BITS"),),
    "replay_buffer": (*_positive("DATA_BITS", "BEATS", "COPIES"),),
    "fifo": (
        *_positive("DATA_BITS"),
        _about("DEPTH", "be at least 2", lambda beats: beats >= 2),
    ),
    "width_converter": (*_positive("LANE_BITS", "IN_LANES", "OUT_LANES"),),
    "weight_rom": (*_positive("DATA_BITS", "BEATS"), *_switch("LOOP")),
    "threshold": (
        _about("MH", "be 1 to 65536", lambda rows: 1 <= rows <= 65536),
        *_positive("PE"),
        Rule("PE must divide MH", ("PE", "MH"), lambda p: p.MH % p.PE == 0),
        *_ACTIVATION,
    ),
    "swu": (
        *_positive(
            "INPUT_BITS", "CHANNELS", "SIMD", "HEIGHT", "WIDTH", "KERNEL", "STRIDE", "DILATION"
        ),
        Rule("SIMD must divide CHANNELS", ("SIMD", "CHANNELS"), lambda p: p.CHANNELS % p.SIMD == 0),
        _about("PADDING", "not be negative", lambda zeros: zeros >= 0),
        Rule(
            "Each window must meet the image", ("PADDING", "KERNEL", "DILATION"),
            lambda p: _reach(p) > p.PADDING,
        ),
        Rule(
            "Window must fit the height", ("HEIGHT", "PADDING", "KERNEL", "DILATION"),
            lambda p: _reach(p) <= p.HEIGHT + 2 * p.PADDING,
        ),
        Rule(
            "Window must fit the width", ("WIDTH", "PADDING", "KERNEL", "DILATION"),
            lambda p: _reach(p) <= p.WIDTH + 2 * p.PADDING,
        ),
        *_switch("DEPTHWISE"),
    ),
    "mvtu": (*(_of_spec(rule) for rule in SPEC_RULES), *_ACTIVATION),
}  # fmt: skip

# In the order of the Verilog; WORDS of a weight_rom, which may be any, is not among them.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "skid_buffer": ("DATA_BITS",),
    "replay_buffer": ("DATA_BITS", "BEATS", "COPIES"),
    "fifo": ("DATA_BITS", "DEPTH"),
    "width_converter": ("LANE_BITS", "IN_LANES", "OUT_LANES"),
    "weight_rom": ("DATA_BITS", "BEATS", "LOOP"),
    "threshold": ("MH", "PE", "ACC_BITS", "OUTPUT_BITS", "SIGNED_OUTPUT", "SEARCH"),
    "swu": (
        "INPUT_BITS", "CHANNELS", "SIMD", "HEIGHT", "WIDTH", "KERNEL", "STRIDE", "PADDING",
        "DILATION", "DEPTHWISE",
    ),
    "mvtu": (
        *(name.upper() for name in UNIT_PARAMETERS["mvau"]),
        "OUTPUT_BITS", "SIGNED_OUTPUT", "SEARCH",
    ),
}  # fmt: skip


def broken_rule(unit: str, parameters: Parameters) -> Rule | None:
    """Return the first rule that parameters break, None if they make sense."""
    given = SimpleNamespace(**parameters)
    return next((rule for rule in UNITS[unit] if not rule.holds(given)), None)


def require(unit: str, parameters: Parameters) -> None:
    """Refuse parameters that make no sense, in the words of the static assert that stops them.

    Errors: InputError for an unknown unit, a parameter that is missing, and a broken rule.

    >>> require("fifo", {"DATA_BITS": 8, "DEPTH": 1})
    Traceback (most recent call last):
    golden.integer.InputError: DEPTH must be at least 2, got DEPTH=1
    """
    if unit not in UNITS:
        raise InputError(f"unit must be one of {', '.join(UNITS)}, got {unit!r}")
    for name in PARAMETERS[unit]:
        if type(parameters.get(name)) is not int:
            raise InputError(f"{name} of a {unit} must be an integer, got {parameters.get(name)!r}")
    if rule := broken_rule(unit, parameters):
        given = " ".join(f"{name}={parameters[name]}" for name in rule.about)
        raise InputError(f"{rule.sentence}, got {given}")
