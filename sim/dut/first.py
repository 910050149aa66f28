"""A first description of foreign RTL: what its names and widths say, and questions for the rest."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from golden.integer import InputError
from golden.spec import UNIT_PARAMETERS
from sim.cache import SimulationError
from sim.dut.description import BIPOLAR, STREAM_SIGNALS, sources_of, stream_signals
from sim.dut.interface import Interface, interface, modules

# What parameters are usually called, without their underscores.
_NAMES = {
    "mw": ("mw", "matrixw", "columns", "cols", "k", "infeatures"),
    "mh": ("mh", "matrixh", "rows", "r", "outfeatures"),
    "pe": ("pe", "pes", "atonce"),
    "simd": ("simd", "lanes"),
    "weight_bits": ("weightbits", "weightwidth", "wbits", "wwidth", "wb", "ww", "w", "wgtwidth"),
    "input_bits": (
        "inputbits", "inputwidth", "activationwidth", "activationbits", "actwidth", "actbits",
        "xbits", "xwidth", "xb", "xw", "x", "inwidth", "inbits", "awidth",
    ),
    "bipolar_weight": ("bipolarweight", "bipolarweights"),
    "signed_input": (
        "signedinput", "signedactivations", "signed", "signedx", "sx", "xs", "issigned",
    ),
    "acc_bits": (
        "accbits", "accuwidth", "accubits", "accwidth", "accumulatorwidth", "accw", "acc", "ab",
    ),
    "bipolar_input": ("bipolarinput", "bipolaractivations"),
    "overflow": ("overflow", "saturate", "saturating"),
    "observe": ("observe",),
}  # fmt: skip
# At these numbers no two ways of padding make words of the same width.
_TRIED = {
    "mw": 9, "mh": 6, "pe": 3, "simd": 3, "weight_bits": 3, "input_bits": 5, "acc_bits": 13,
}  # fmt: skip
_ROLES = {
    "data": "data", "valid": "valid", "vld": "valid", "ready": "ready", "rdy": "ready",
    "last": "last", "overflow": "overflow", "ovf": "overflow", "user": "overflow",
    "addr": "address", "address": "address", "en": "enable", "we": "enable", "enable": "enable",
}  # fmt: skip
_WORDS = "|".join(sorted(_ROLES, key=len, reverse=True))
_SIGNAL = re.compile(rf"(.*?)(?:_?t?({_WORDS})|_([dvr]))(_n|_b)?", re.I)
_LETTERS = {"d": "data", "v": "valid", "r": "ready"}
_LOW = re.compile(r"(_n|_ni|_b|_l|rstn|resetn)$|^n_?(rst|reset)", re.I)
_LANES = {"input": ("simd",), "weight": ("pe", "simd"), "output": ("pe",)}
_VALUE = {"input": "input_bits", "weight": "weight_bits", "output": "acc_bits"}


@dataclass
class _Group:
    """Ports of the same prefix, by what they seem to be for."""

    prefix: str
    signals: dict[str, str] = field(default_factory=dict)


def first(files: Sequence[Path], include: Sequence[Path], top: str, beside: Path) -> str:
    """Return a description, to lie in the folder ``beside``; what is not known is a question in it.

    Errors: InputError if there is no such module; SimulationError if it does not elaborate.
    """
    files, include = ([path.absolute() for path in paths] for paths in (files, include))
    made_of = sources_of(top, beside.absolute(), files, include, {})
    found = interface(made_of, {})
    if not found.ports:
        raise InputError(f"{top} must have ports, and has none")
    roles = {role: name for name in found.parameters if (role := _role(name))}
    try:
        tried = {name: _TRIED[role] for role, name in roles.items() if role in _TRIED}
        widths = interface(made_of, tried)
    except (InputError, SimulationError):  # it does not take these numbers: then nobody knows
        widths = None
    unit = "mvau" if roles.keys() & {"mw", "mh", "pe", "simd"} else "mac"
    lines = [
        "# A line that begins with # and has no question mark says what holds without it.",
        f'unit = "{unit}"',
        f"sources = [{', '.join(_quoted(each, beside) for each in files)}]",
        *([f"include = [{', '.join(_quoted(each, beside) for each in include)}]"] * bool(include)),
        f'top = "{top}"',
        *_lines(unit, found, roles, widths),
    ]
    return "\n".join(lines) + "\n"


def _quoted(path: Path, beside: Path) -> str:
    return f'"{os.path.relpath(path, beside.absolute())}"'


def top_of(files: Sequence[Path]) -> str:
    """Return the module that no other one names; InputError if there are several."""
    words = {name: set(re.findall(r"\w+", text)) for name, text in modules(files).items()}
    users = Counter(word for found in words.values() for word in found)
    tops = [name for name, found in words.items() if users[name] == (name in found)]
    if not words:
        raise InputError(f"FILE must hold a module, but there is none in {files[0]}")
    if len(tops) != 1:
        raise InputError(
            f"--top must name the module to test, one of {', '.join(tops or words)}, got nothing"
        )
    return tops[0]


def _role(parameter: str) -> str:
    plain = parameter.lower().replace("_", "")
    return next((role for role, names in _NAMES.items() if plain in names), "")


def _signal(name: str) -> str:
    return f'"~{name}"' if _LOW.search(name) else f'"{name}"'


def _lines(
    unit: str, found: Interface, roles: Mapping[str, str], widths: Interface | None
) -> Iterator[str]:
    single = [name for name, port in found.ports.items() if port.is_input and port.bits == 1]
    clocks = [name for name in single if re.search(r"clk|clock", name, re.I)]
    resets = [name for name in single if re.search(r"rst|reset", name, re.I)]
    yield f'clock = "{clocks[0]}"' if clocks else "# clock = ?  # which port is the clock?"
    if resets:
        yield f'reset = {_signal(resets[0])}  # "~" before it: active low, a guess from its name'
    else:
        yield "# reset = ?  # which port resets it?"
    yield "# reset_cycles = 1  # that the reset must last"
    yield "# cycles_per_beat = 1  # at most, where nobody stalls it"
    if "overflow" in roles:
        yield 'overflow = "parameter"'
    else:
        yield '# overflow = "saturate"  # does it saturate? without this line it wraps'
    streams = _streams(found, {*clocks[:1], *resets[:1]})
    taken = {name for group in streams.values() for name in group.signals.values()}
    left = [
        name
        for name, port in found.ports.items()
        if port.is_input and name not in {*taken, *clocks[:1], *resets[:1]}
    ]
    if left:
        yield from ("", "[tie]")
    for name in left:
        yield f'{name} = "clock"' if name in clocks else f"# {name} = ?  # what is it driven with?"
    yield from ("", "[parameters]")
    known = {name: role for role, name in roles.items()}
    for name in found.parameters:
        if name in known and (known[name] in UNIT_PARAMETERS[unit]):
            is_named_so = known[name].replace("_", "") == name.replace("_", "").lower()
            guess = "" if is_named_so else "  # a guess, from its name"
            yield f'{name} = "{known[name]}"{guess}'
        else:
            yield f"# {name} = ?  # which number, or which of the spec? without it, its default"
    for stream, group in streams.items():
        yield from ("", f"[{stream}]")
        yield from _stream(unit, stream, group, found, taken, roles, widths)
        yield '# first_lane = "lsb"  # or "msb": where lane 0 lies'
        if stream == "weight":
            yield '# order = "pe-simd"  # or "simd-pe": what counts fastest comes last'
    said = {*roles, "overflow", "observe", *BIPOLAR}
    fixed = [name for name in UNIT_PARAMETERS[unit] if name not in said]
    if fixed:
        yield from ("", "[limits]")
        yield from (f"# {name} = ?  # no parameter sets it: what does it take?" for name in fixed)


def _streams(found: Interface, taken: set[str]) -> dict[str, _Group]:
    """Return the ports of each stream, as far as their names tell."""
    groups: dict[str, _Group] = {}
    for name in found.ports:
        match = _SIGNAL.fullmatch(name)
        if match and name not in taken:
            prefix, role = match[1], (_ROLES | _LETTERS)[(match[2] or match[3]).lower()]
            groups.setdefault(prefix, _Group(prefix)).signals.setdefault(role, name)
    for prefix, group in groups.items():
        if "data" not in group.signals and prefix in found.ports:
            group.signals["data"] = prefix
    streams = {name: _Group("") for name in STREAM_SIGNALS}
    for group in groups.values():
        data = group.signals.get("data")
        if data is None:
            continue
        is_weight = re.search(r"weight|wgt|(^|_)w(r|t)?($|_)", group.prefix, re.I)
        kind = "weight" if is_weight else "input"
        streams[kind if found.ports[data].is_input else "output"] = group
    return streams


def _stream(
    unit: str, stream: str, group: _Group, found: Interface, taken: set[str],
    roles: Mapping[str, str], widths: Interface | None,
) -> Iterator[str]:  # fmt: skip
    required, optional = stream_signals(unit, stream, is_memory="address" in group.signals)
    for role in required:
        if role in group.signals:
            yield f"{role} = {_signal(group.signals[role])}"
        else:
            yield f"# {role} = ?  # which port is it?"
    for role in optional:
        if role in group.signals:
            yield f"{role} = {_signal(group.signals[role])}"
    outputs = {name for name, port in found.ports.items() if not port.is_input}
    if stream == "output" and "overflow" not in group.signals and outputs - taken:
        yield f"# overflow = ?  # does it tell of overflow: {', '.join(sorted(outputs - taken))}?"
    if "data" in group.signals and widths is not None:
        yield from _packing(stream, widths.ports[group.signals["data"]].bits, unit, roles)


def _packing(stream: str, bits: int, unit: str, roles: Mapping[str, str]) -> Iterator[str]:
    """Yield how a word of so many bits is packed, if it is not as ours would be."""
    value, counts = _VALUE[stream], _LANES[stream] if unit == "mvau" else ()
    if not {value, *counts} <= roles.keys():
        yield f"# bits = ?  # the word has {bits} bits: how is it packed?"
        return
    lanes, lane = prod(_TRIED[name] for name in counts), _TRIED[value]
    if bits == lanes * lane:
        return
    if bits == lanes * _bytes(lane):
        yield f'lane_bits = "({value} + 7)/8*8"'
        if stream != "output":
            yield '# pad = "zero"  # or "sign": what a lane is filled with'
    elif bits == _bytes(lanes * lane):
        word = "*".join((*counts, value))
        yield f'bits = "({word} + 7)/8*8"'
    else:
        yield f"# bits = ?  # the word has {bits} bits, {lanes * lane} would do: which are used?"


def _bytes(bits: int) -> int:
    return (bits + 7) // 8 * 8
