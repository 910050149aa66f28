"""Bins of the units that move beats and calculate nothing: buffers, memories, windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import gcd
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from golden.integer import BoolArray, IntArray
from golden.streams import output_size
from sim.coverage.stream_cases import Bin, Seen, of_streams, reset

Moved = Mapping[str, int]
ROOM_OF_A_SKID_BUFFER = 2


class Filled(NamedTuple):
    """How full a buffer is, cycle by cycle."""

    held: IntArray  # beats, before what moves in that cycle
    offered: BoolArray  # is a beat on offer to it?
    takes: BoolArray
    gives: BoolArray


def filled(seen: Seen, room: int) -> Filled:
    """Return how full a buffer with room for so many beats was in each cycle of a case.

    It takes a beat where one is on offer and there is room, and gives one where it is asked for and
    there is one, so that it hangs on nothing but the stalls.
    """
    cycles = seen.cycles
    stands = seen.case.played_stalls(cycles)
    calm = np.zeros(cycles, bool)
    source, sink = (stands.get(name, calm).tolist() for name in ("s_axis", "m_axis"))
    left, held, offered = len(seen.streams["s_axis"]), 0, False
    rows = []
    for cycle in range(cycles):
        offered = offered or (left > 0 and not source[cycle])
        takes, gives = offered and held < room, held > 0 and not sink[cycle]
        rows.append((held, offered, takes, gives))
        held += takes - gives
        left -= takes
        offered = offered and not takes
    table = np.array(rows, np.int64).reshape(-1, 4)
    return Filled(table[:, 0], *(column.astype(bool) for column in table.T[1:]))


def _buffer(unit: str, name: str, happens: Callable[[Seen, Filled, int], npt.ArrayLike]) -> Bin:
    def told(seen: Seen) -> npt.ArrayLike:
        room = seen.p.get("DEPTH", ROOM_OF_A_SKID_BUFFER)
        return happens(seen, filled(seen, room), room)

    return Bin(unit, name, told)


def _buffers(unit: str) -> list[Bin]:
    return [
        _buffer(unit, "full", lambda s, f, room: f.held == room),
        _buffer(unit, "empty again", lambda s, f, room: (f.held[1:] == 0) & (f.held[:-1] > 0)),
        _buffer(unit, "a beat comes while one leaves", lambda s, f, room: f.takes & f.gives),
        Bin(
            unit, "a beat comes while one leaves a full one", None,
            "ready hangs on what is held alone, so that no path leads through it",
        ),
    ]  # fmt: skip


def _wraps(name: str, is_meant: Callable[[int], bool]) -> Bin:
    def happens(seen: Seen) -> int:
        depth = seen.p["DEPTH"]
        return len(seen.streams["m_axis"]) // depth * is_meant(depth)

    return Bin("fifo", name, happens)


def _is_power_of_two(number: int) -> bool:
    return number.bit_count() == 1


def _inside(moved: Moved) -> int:
    return moved["s_axis"] - moved["m_axis"]


# Converters


def _lanes(name: str, is_meant: Callable[[int, int], bool]) -> Bin:
    def happens(seen: Seen) -> bool:
        return is_meant(seen.p["IN_LANES"], seen.p["OUT_LANES"])

    return Bin("width_converter", name, happens)


def _lanes_left(seen: Seen, moved: Moved) -> int:
    """Return how many lanes are inside that fill no beat."""
    return (moved["s_axis"] * seen.p["IN_LANES"]) % seen.p["OUT_LANES"]


def _is_in_part(seen: Seen, moved: Moved) -> bool:
    inside = moved["s_axis"] * seen.p["IN_LANES"] - moved["m_axis"] * seen.p["OUT_LANES"]
    return 0 < inside < seen.p["OUT_LANES"]


# Windows


def _span(seen: Seen) -> int:
    """Return the pixels from the first tap of a window to its last."""
    return (seen.p["KERNEL"] - 1) * seen.p["DILATION"]


def _last_tap(seen: Seen, edge: str) -> int:
    """Return where the last tap of the last window is, down or across."""
    p = seen.p
    count = output_size(p[edge], p["KERNEL"], p["STRIDE"], p["PADDING"], p["DILATION"])
    return (count - 1) * p["STRIDE"] - p["PADDING"] + _span(seen)


def _beats_of_image(seen: Seen) -> tuple[int, int]:
    """Return how many beats an image has, and its windows."""
    p = seen.p
    per_image = p["HEIGHT"] * p["WIDTH"] * p["CHANNELS"] // p["SIMD"]
    images = len(seen.streams["s_axis"]) // per_image
    return per_image, len(seen.streams["m_axis"]) // images


def _waits_for_room(seen: Seen) -> int:
    """Return for how many cycles all rows are full, from the start, as nobody asks for a beat."""
    p = seen.p
    rows = min(_span(seen) + 1, p["HEIGHT"]) + p["STRIDE"]
    room = rows * p["WIDTH"] * p["CHANNELS"] // p["SIMD"]
    stands = seen.case.played_stalls(seen.cycles)
    asked = np.flatnonzero(~stands.get("m_axis", np.zeros(seen.cycles, bool)))
    comes_freely = "s_axis" not in stands and len(seen.streams["s_axis"]) > room
    return max(0, int(asked[0]) - room) if comes_freely and len(asked) else 0


def _padded(edge: str, happens: Callable[[Seen], bool]) -> Bin:
    return Bin("swu", f"padding at the {edge}", happens)


def _channels(name: str, depthwise: int) -> Bin:
    return Bin(
        "swu", f"{name}, several beats a pixel",
        lambda s: s.p["DEPTHWISE"] == depthwise and s.p["CHANNELS"] > s.p["SIMD"],
    )  # fmt: skip


def _next_image_comes(seen: Seen, moved: Moved) -> bool:
    into, out = _beats_of_image(seen)
    return moved["s_axis"] > into * (moved["m_axis"] // out + 1)


BINS: tuple[Bin, ...] = (
    *of_streams("skid_buffer", "s_axis", "m_axis"),
    *_buffers("skid_buffer"),
    _buffer(
        "skid_buffer", "a beat offered while it is full",
        lambda s, f, room: f.offered & (f.held == room),
    ),
    *of_streams("replay_buffer", "s_axis", "m_axis"),
    *of_streams("fifo", "s_axis", "m_axis"),
    *_buffers("fifo"),
    _buffer(
        "fifo", "a beat offered while it is full", lambda s, f, room: f.offered & (f.held == room)
    ),
    _wraps("pointers wrap, DEPTH a power of two", _is_power_of_two),
    _wraps("pointers wrap, DEPTH no power of two", lambda depth: not _is_power_of_two(depth)),
    reset("fifo", "with no beat in it", lambda s, m: m["m_axis"] > 0 == _inside(m)),
    reset("fifo", "with beats in it", lambda s, m: 0 < _inside(m) < s.p["DEPTH"]),
    reset("fifo", "while it is full", lambda s, m: _inside(m) == s.p["DEPTH"]),
    *of_streams("width_converter", "s_axis", "m_axis"),
    _lanes("as many lanes", lambda i, o: i == o),
    _lanes("a multiple of the lanes", lambda i, o: o > i and o % i == 0),
    _lanes("a part of the lanes", lambda i, o: o < i and i % o == 0),
    _lanes("more lanes, no common divisor", lambda i, o: o > i > gcd(i, o) == 1),
    _lanes("fewer lanes, no common divisor", lambda i, o: i > o > gcd(i, o) == 1),
    _lanes("a common divisor, and no multiple", lambda i, o: min(i, o) > gcd(i, o) > 1),
    Bin(
        "width_converter", "lanes that fill no beat are left",
        lambda s: _lanes_left(s, {"s_axis": len(s.streams["s_axis"])}),
    ),
    reset("width_converter", "with lanes in it that fill no beat", _is_in_part),
    *of_streams("weight_rom", "m_axis"),
    Bin("weight_rom", "starts over", lambda s: s.p["LOOP"] * (s.p["BEATS"] > 1)),
    Bin("weight_rom", "one word, over and over", lambda s: s.p["LOOP"] * (s.p["BEATS"] == 1)),
    Bin("weight_rom", "all words once, then silence", lambda s: s.p["LOOP"] == 0),
    reset("weight_rom", "inside a set of words", lambda s, m: m["m_axis"] % s.p["BEATS"] > 0),
    reset("weight_rom", "in silence",
          lambda s, m: s.p["LOOP"] == 0 and m["m_axis"] == s.p["BEATS"]),
    *of_streams("swu", "s_axis", "m_axis"),
    _padded("top", lambda s: s.p["PADDING"] > 0),
    _padded("bottom", lambda s: _last_tap(s, "HEIGHT") >= s.p["HEIGHT"]),
    _padded("left", lambda s: s.p["PADDING"] > 0),
    _padded("right", lambda s: _last_tap(s, "WIDTH") >= s.p["WIDTH"]),
    Bin("swu", "no padding", lambda s: s.p["PADDING"] == 0),
    Bin("swu", "a window of one pixel", lambda s: s.p["KERNEL"] == 1),
    Bin("swu", "windows overlap", lambda s: s.p["STRIDE"] <= _span(s)),
    Bin("swu", "stride over 1", lambda s: s.p["STRIDE"] > 1),
    Bin("swu", "dilation over 1", lambda s: s.p["DILATION"] > 1 < s.p["KERNEL"]),
    Bin("swu", "rows that no window looks at",
        lambda s: _last_tap(s, "HEIGHT") < s.p["HEIGHT"] - 1 or s.p["STRIDE"] > _span(s) + 1),
    Bin("swu", "one beat a pixel", lambda s: s.p["CHANNELS"] == s.p["SIMD"]),
    _channels("depthwise", 1),
    _channels("channels inside of taps", 0),
    Bin("swu", "an image right after another",
        lambda s: s.at_full_speed * (len(s.streams["s_axis"]) // _beats_of_image(s)[0] - 1)),
    Bin("swu", "no room for another row", _waits_for_room),
    reset("swu", "inside of an image", lambda s, m: m["s_axis"] % _beats_of_image(s)[0] > 0),
    reset("swu", "while the next image comes", _next_image_comes),
)  # fmt: skip
