"""Claims about the units that move beats and do not change them: no beat lost, doubled, reordered.

Each is proved for the parameters it is asked about, with registers and memory of that size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from formal.claim import Claim
from formal.design import Design

_SOURCE = (
    "a beat on offer to the unit stays until it is taken; only the rules of the output need it"
)

# Unit, parameters: powers of two and not, the least of each, and what a layer that is shipped has.
SHAPES: tuple[tuple[str, dict[str, int]], ...] = (
    ("skid_buffer", {"DATA_BITS": 1}),
    ("skid_buffer", {"DATA_BITS": 86}),
    ("fifo", {"DATA_BITS": 2, "DEPTH": 2}),
    ("fifo", {"DATA_BITS": 2, "DEPTH": 3}),
    ("fifo", {"DATA_BITS": 8, "DEPTH": 4}),
    ("replay_buffer", {"DATA_BITS": 2, "BEATS": 1, "COPIES": 1}),
    ("replay_buffer", {"DATA_BITS": 2, "BEATS": 3, "COPIES": 1}),
    ("replay_buffer", {"DATA_BITS": 2, "BEATS": 1, "COPIES": 3}),
    ("replay_buffer", {"DATA_BITS": 2, "BEATS": 3, "COPIES": 2}),
    ("replay_buffer", {"DATA_BITS": 2, "BEATS": 2, "COPIES": 3}),
    ("replay_buffer", {"DATA_BITS": 64, "BEATS": 8, "COPIES": 2}),
)


def claims(shapes: Iterable[tuple[str, dict[str, int]]] = SHAPES) -> list[Claim]:
    """Return all claims about units of these parameters."""
    by_unit: dict[str, Callable[..., list[Claim]]] = {
        "skid_buffer": skid_buffer,
        "fifo": fifo,
        "replay_buffer": replay_buffer,
    }
    return [
        claim
        for unit, parameters in shapes
        for claim in by_unit[unit](**{name.lower(): value for name, value in parameters.items()})
    ]


def skid_buffer(data_bits: int) -> list[Claim]:
    """Return what is claimed about a skid buffer."""
    return [
        Claim(
            f"skid_buffer DATA_BITS={data_bits}",
            "a skid_buffer sends every beat once, unchanged, in order, a cycle after it came or as "
            "soon as those before it left; it takes one whenever less than two are in",
            Design("prove_skid_buffer", {"DATA_BITS": data_bits}),
        )
    ]


def fifo(data_bits: int, depth: int) -> list[Claim]:
    """Return what is claimed about a fifo."""
    return [
        Claim(
            f"fifo DATA_BITS={data_bits} DEPTH={depth}",
            "a fifo sends every beat once, unchanged, in order, a cycle after it came or as soon "
            "as those before it left; it takes one whenever less than DEPTH are in",
            Design("prove_fifo", {"DATA_BITS": data_bits, "DEPTH": depth}),
            depth=2 * depth + 4,
        )
    ]


def replay_buffer(data_bits: int, beats: int, copies: int) -> list[Claim]:
    """Return what is claimed about a replay buffer."""
    return [
        Claim(
            f"replay_buffer DATA_BITS={data_bits} BEATS={beats} COPIES={copies}",
            "a replay_buffer sends every vector COPIES times, each beat unchanged, in its place, "
            "with tlast and tuser where they belong; a beat moves in every cycle in which the "
            "output is taken and, in the first copy, one is on offer",
            Design(
                "prove_replay_buffer", {"DATA_BITS": data_bits, "BEATS": beats, "COPIES": copies}
            ),
            assumes=(_SOURCE,),
            depth=beats * copies + 4,
        )
    ]
