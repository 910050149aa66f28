"""Functional coverage: what a case made happen in each unit, counted in named bins.

A bin belongs to the unit in which it happens, and counts for every unit that has it inside: a case
for an mvau fills bins of dot as well. What happens is told from the case, from every partial sum of
the golden model, and from the beats that had moved when a reset cut in; of a large case only the
first vectors are looked at, MOST_PARTIALS partial sums.

Cases of beats fill bins of their own unit alone. What those look at, and their tables, are in
``stream_cases.py``, ``movers.py`` and ``activations.py``.

``BINS`` is all of it. A new unit adds its rows to one of the tables, and what they look at to its
``Seen``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from golden import mvau
from golden.integer import BoolArray, Format, IntArray, Overflow
from sim.batch.model import Trace, played_stalls
from sim.coverage import activations, bins, movers, stream_cases
from sim.rtl import closure
from tb.case import Case
from tb.stalls import STREAMS, StallPattern
from tb.streams import StreamCase

MOST_PARTIALS = 1 << 18  # of one case that are looked at; one vector at least

# Exact values, from far under the lower end of the accumulator's range to far over its upper end.
BANDS = (
    "far below the lower end", "one below the lower end", "the lower end",
    "between 1/2 and the lower end", "between 1/4 and 1/2 of the lower end",
    "up to 1/4 of the lower end", "zero", "up to 1/4 of the upper end",
    "between 1/4 and 1/2 of the upper end", "between 1/2 and the upper end",
    "the upper end", "one above the upper end", "far above the upper end",
)  # fmt: skip
OUTSIDE = (*BANDS[:2], *BANDS[-2:])
KINDS = ("never", "every", "bursts", "random", "late", "cycles")  # of stall patterns
PLACES = ("first", "middle", "last")
SUMS = ("product", "tree node", "accumulated sum")


def bands(values: IntArray, acc: Format) -> IntArray:
    """Return how many of ``values`` lie in each of BANDS."""
    low, high = acc.minimum, acc.maximum
    starts = [
        low - 1, low, low + 1, -(-low // 2), -(-low // 4), 0, 1, high // 4 + 1, high // 2 + 1,
        high, high + 1, high + 2,
    ]  # fmt: skip
    reach = np.iinfo(np.int64)
    held = [max(start, reach.min) for start in starts if start <= reach.max]
    places = np.searchsorted(held, values.ravel(), side="right")
    return np.bincount(places, minlength=len(BANDS))


@dataclass(frozen=True)
class AtReset:
    """What a unit was about when a reset cut in."""

    fresh: bool  # it had taken no beat
    beat: str  # the next one of the synapse fold: first, middle, last
    copy: str  # the neuron fold, likewise
    waiting: int  # results made and not taken
    taken: int  # results
    overflowed: bool  # an open dot product already had


class Seen:
    """What can be told of a case that was played."""

    def __init__(self, case: Case, trace: Trace) -> None:
        spec = case.spec
        self.case, self.trace, self.spec = case, trace, spec
        looked_at = max(1, MOST_PARTIALS // (2 * spec.mh * spec.mw))
        self.vectors: IntArray = case.vectors[:looked_at]

    @cached_property
    def golden(self) -> mvau.Trace:
        return mvau.run(self.spec, self.case.weights, self.vectors, self.case.depthwise)

    @cached_property
    def sums(self) -> dict[str, IntArray]:
        """Exact values of each of SUMS before the accumulator's width, (V, MH, SF, as many)."""
        simd, held = self.spec.simd, self.golden.partials
        by_beat = (-1, self.spec.sf, simd)
        inputs = self.vectors.reshape(len(self.vectors), *by_beat)  # of all rows, or of each row
        products = inputs * self.case.weights.reshape(by_beat)
        level, nodes, done = held[..., :simd], [], simd
        while (count := level.shape[-1]) > 1:
            nodes.append(level[..., :-1:2] + level[..., 1::2])
            pairs = held[..., done : done + count // 2]
            level = np.concatenate([pairs, level[..., count & ~1 :]], axis=-1)
            done += count // 2
        tree: IntArray = np.concatenate([held[..., :0], *nodes], axis=-1)
        accumulated = level.copy()
        accumulated[:, :, 1:] += held[:, :, :-1, -1:]
        return dict(zip(SUMS, (products, tree, accumulated), strict=True))

    @cached_property
    def bands(self) -> dict[str, IntArray]:
        return {name: bands(values, self.spec.acc) for name, values in self.sums.items()}

    @cached_property
    def spills(self) -> dict[str, BoolArray]:
        """Whether one of each of SUMS overflows in a beat, (V, MH, SF)."""
        acc = self.spec.acc
        return {
            name: np.asarray(((sums < acc.minimum) | (sums > acc.maximum)).any(axis=-1))
            for name, sums in self.sums.items()
        }

    @cached_property
    def beats(self) -> BoolArray:
        """Whether a result overflows in a beat, (V, MH, SF)."""
        return np.asarray(np.logical_or.reduce(list(self.spills.values())))

    @cached_property
    def upward(self) -> BoolArray:
        """(V, MH) some partial sum of the result is over the upper end."""
        return self._beyond(lambda sums: sums > self.spec.acc.maximum)

    @cached_property
    def downward(self) -> BoolArray:
        return self._beyond(lambda sums: sums < self.spec.acc.minimum)

    @property
    def at_full_speed(self) -> bool:
        """One beat in every cycle, from the first to the last."""
        return self.trace.cycles == self.case.vector_count * self.spec.total_fold + 1

    @cached_property
    def flags(self) -> BoolArray:
        """The overflow bits in the order in which each PE makes them, (V * NF, PE)."""
        return self.golden.overflow.reshape(-1, self.spec.pe)

    @cached_property
    def stalled(self) -> dict[str, int]:
        """In how many cycles a pattern stopped each stream."""
        stands = played_stalls(self.case, self.trace.cycles)
        return {stream: int(stands[stream].sum()) if stream in stands else 0 for stream in STREAMS}

    @cached_property
    def reset(self) -> AtReset | None:
        """What the unit was about when the reset cut in; None without one."""
        if self.trace.at_reset is None:
            return None
        spec, (_, weights, outputs) = self.spec, self.trace.at_reset
        turn, beat = divmod(weights, spec.sf)
        copy = turn % spec.nf
        rows = self.beats[turn // spec.nf :][:1, copy * spec.pe : (copy + 1) * spec.pe]
        return AtReset(
            weights == 0, _place(beat, spec.sf), _place(copy, spec.nf), turn - outputs, outputs,
            bool(rows[..., :beat].any()),
        )  # fmt: skip

    def _beyond(self, is_beyond: Callable[[IntArray], BoolArray]) -> BoolArray:
        found = [is_beyond(sums).any(axis=(2, 3)) for sums in self.sums.values()]
        return np.asarray(np.logical_or.reduce(found))


Bin = bins.Bin[Seen]


def hits(case: Case, trace: Trace) -> dict[str, dict[str, int]]:
    """Return how often a case that was played hit each bin, by unit and name; those hit alone."""
    return bins.hit(OF_CASES, _units(case.unit), Seen(case, trace))


def hits_of_streams(
    case: StreamCase, cycles: int, at_reset: Mapping[str, int] | None = None
) -> dict[str, dict[str, int]]:
    """Return the same of beats that were played in so many cycles.

    ``at_reset`` are the beats of each stream that had moved when a reset cut in.
    """
    seen = _SEEN.get(case.unit, stream_cases.Seen)(case, cycles, at_reset)
    return bins.hit(OF_STREAMS, {case.unit}, seen)


@cache
def _units(top: str) -> frozenset[str]:
    return frozenset(path.stem for path in closure(top))


def _place(index: int, of: int) -> str:
    return "first" if index == 0 else "last" if index == of - 1 else "middle"


def _sums(sums: str) -> list[Bin]:
    def inside(band: int) -> Bin:
        return Bin("dot", f"{sums}: {BANDS[band]}", lambda s: s.bands[sums][band])

    def outside(band: int, policy: Overflow) -> Bin:
        name = f"{sums}: {BANDS[band]}, {policy.word}"
        return Bin("dot", name, lambda s: s.bands[sums][band] * (s.spec.overflow is policy))

    others = [other for other in SUMS if other != sums]
    return [
        *(inside(band) for band in range(2, len(BANDS) - 2)),
        *(outside(band, policy) for policy in Overflow for band in (0, 1, -2, -1)),
        Bin(
            "dot", f"{sums}: overflows, and no other in that beat",
            lambda s: s.beats & ~np.logical_or(*(s.spills[other] for other in others)),
        ),
    ]  # fmt: skip


def _inputs(word: str) -> list[Bin]:
    def extreme(end: str, value: Callable[[Format], int]) -> Bin:
        return Bin(
            "dot", f"{word} input: {end}",
            lambda s: (s.vectors == value(s.spec.inputs)) & (_word(s.spec.inputs) == word),
        )  # fmt: skip

    return [extreme("lowest", lambda f: f.minimum), extreme("highest", lambda f: f.maximum)]


def _word(form: Format) -> str:
    return "bipolar" if form.bipolar else "signed" if form.signed else "unsigned"


def _lowest_products(seen: Seen) -> int:
    is_signed = _word(seen.spec.inputs) == "signed"
    return _products(seen, seen.spec.weights.minimum, seen.spec.inputs.minimum) * is_signed


def _products(seen: Seen, weight: int, value: int) -> int:
    """Return how often a weight meets an input."""
    weights = (seen.case.weights == weight).reshape(-1, seen.vectors.shape[1]).sum(axis=0)
    return int(weights @ (seen.vectors == value).sum(axis=0))


def _bipolar_product(weight: int, value: int) -> Bin:
    def happens(seen: Seen) -> int:
        both = seen.spec.bipolar_weight and seen.spec.bipolar_input
        return _products(seen, weight, value) if both else 0

    return Bin("dot", f"bipolar product: {weight:+} times {value:+}", happens)


def _overflows(policy: Overflow) -> list[Bin]:
    def bin_of(name: str, where: Callable[[Seen], BoolArray]) -> Bin:
        return Bin(
            "pe", f"{name}, {policy.word}", lambda s: where(s) & (s.spec.overflow is policy)
        )  # fmt: skip

    return [
        bin_of("transient overflow upward", lambda s: s.golden.transient & s.upward),
        bin_of("transient overflow downward", lambda s: s.golden.transient & s.downward),
        bin_of("persistent overflow upward", lambda s: s.golden.exact > s.spec.acc.maximum),
        bin_of("persistent overflow downward", lambda s: s.golden.exact < s.spec.acc.minimum),
        bin_of("overflow both ways in one result", lambda s: s.upward & s.downward),
    ]


def _first_overflow(place: str) -> Bin:
    def happens(seen: Seen) -> BoolArray:
        sf, first = seen.spec.sf, seen.golden.first_overflow
        beats = {"first": first == 0, "middle": (first > 0) & (first < sf - 1)}
        return np.asarray(beats.get(place, first == sf - 1) & (sf > 1))

    return Bin("pe", f"first overflow in the {place} beat of several", happens)


def _overflow_in_fold(unit: str, place: str) -> Bin:
    def happens(seen: Seen) -> npt.ArrayLike:
        nf = seen.spec.nf
        rows = seen.golden.overflow.reshape(-1, nf, seen.spec.pe)
        return [rows[:, fold].sum() for fold in range(nf) if nf > 1 and _place(fold, nf) == place]

    return Bin(unit, f"overflow in the {place} neuron fold of several", happens)


def _reset(unit: str, name: str, condition: Callable[[AtReset], bool]) -> Bin:
    return Bin(unit, f"reset {name}", lambda s: s.reset is not None and condition(s.reset))


def _reset_of_copy(beat: str, copy: str) -> Bin:
    name = f"before the {beat} beat of the {copy} copy"
    return _reset("replay_buffer", name, lambda r: (r.beat, r.copy) == (beat, copy))


def _streams(unit: str) -> list[Bin]:
    """Return the bins of every unit that plays cases."""

    def stalls(stream: str, kind: str) -> Bin:
        def happens(seen: Seen) -> int:
            is_kind = StallPattern.parse(seen.case.stalls[stream]).kind == kind
            return is_kind * (seen.trace.cycles if kind == "never" else seen.stalled[stream])

        return Bin(unit, f"{stream} stream stalls: {kind}", happens)

    return [
        *(stalls(stream, kind) for stream in STREAMS for kind in KINDS),
        Bin(unit, "all streams stall", lambda s: min(s.stalled.values())),
        Bin(unit, "a beat in every cycle", lambda s: s.trace.cycles * s.at_full_speed),
        _reset(unit, "before the first beat", lambda r: r.fresh),
        _reset(unit, "after the first result was taken", lambda r: r.taken > 0),
    ]


def _folded(unit: str) -> list[Bin]:
    """Return the bins of every unit that folds, and has several PEs."""
    return [
        *(_overflow_in_fold(unit, place) for place in PLACES),
        Bin(unit, "overflow in the first PE of several", lambda s: s.flags[:, 0] & (s.spec.pe > 1)),
        Bin(unit, "overflow in the last PE of several", lambda s: s.flags[:, -1] & (s.spec.pe > 1)),
        Bin(
            unit, "overflow in one PE and not in its neighbour",
            lambda s: s.flags[:, :-1] ^ s.flags[:, 1:],
        ),
    ]  # fmt: skip


OF_CASES: tuple[Bin, ...] = (
    *(one for sums in SUMS for one in _sums(sums)),
    Bin("dot", "weight: lowest", lambda s: s.case.weights == s.spec.weights.minimum),
    Bin("dot", "weight: highest", lambda s: s.case.weights == s.spec.weights.maximum),
    *(one for word in ("unsigned", "signed", "bipolar") for one in _inputs(word)),
    *(_bipolar_product(weight, value) for weight in (-1, 1) for value in (-1, 1)),
    Bin("dot", "bipolar weight times an input of several bits",
        lambda s: s.vectors.size * s.spec.bipolar_weight * (s.spec.input_bits > 1)),
    Bin("dot", "weight of several bits times a bipolar input",
        lambda s: s.vectors.size * s.spec.bipolar_input * (s.spec.weight_bits > 1)),
    Bin("dot", "lowest weight times lowest signed input", _lowest_products),
    Bin("dot", "tree: one lane", lambda s: s.spec.simd == 1),
    Bin("dot", "tree: a power of two of lanes", lambda s: s.spec.simd in (2, 4, 8, 16, 32, 64)),
    Bin("dot", "tree: an odd one out", lambda s: s.spec.simd.bit_count() > 1),
    Bin("pe", "no overflow", lambda s: ~s.golden.overflow),
    *(one for policy in Overflow for one in _overflows(policy)),
    *(_first_overflow(place) for place in PLACES),
    Bin("pe", "overflow in the only beat", lambda s: s.golden.overflow & (s.spec.sf == 1)),
    Bin(
        "pe", "flag kept from an earlier beat",
        lambda s: s.golden.overflow & ~s.beats[..., -1] & s.spec.observe,
    ),
    Bin("pe", "flag cleared by the next result", lambda s: s.flags[:-1] & ~s.flags[1:]),
    Bin(
        "pe", "overflow that OBSERVE=0 does not report",
        lambda s: s.golden.overflow & (not s.spec.observe),
    ),
    _reset("pe", "between two dot products", lambda r: r.beat == "first" and not r.fresh),
    _reset("pe", "inside a dot product", lambda r: r.beat != "first"),
    _reset("pe", "inside a dot product that had overflowed", lambda r: r.overflowed),
    *(_reset_of_copy(beat, copy) for copy in PLACES for beat in PLACES),
    Bin("replay_buffer", "COPIES=1", lambda s: s.spec.nf == 1 < s.spec.sf),
    Bin("replay_buffer", "BEATS=1", lambda s: s.spec.sf == 1 < s.spec.nf),
    Bin("replay_buffer", "COPIES=1 BEATS=1", lambda s: s.spec.sf == s.spec.nf == 1),
    Bin(
        "replay_buffer", "a vector in the cycle after another",
        lambda s: (s.case.vector_count - 1) * s.at_full_speed,
    ),
    _reset("skid_buffer", "with no beat in it", lambda r: r.waiting == 0),
    _reset("skid_buffer", "with 1 beat in it", lambda r: r.waiting == 1),
    _reset("skid_buffer", "with 2 beats in it", lambda r: r.waiting == 2),
    *_streams("mac"),
    *_streams("mvau"),
    *_streams("vvau"),
    *_folded("mvau"),
    *_folded("vvau"),
)  # fmt: skip

OF_STREAMS: tuple[bins.Bin[Any], ...] = (*movers.BINS, *activations.BINS)
_SEEN = {"threshold": activations.SeenThresholds, "mvtu": activations.SeenActivations}

BINS: tuple[bins.Bin[Any], ...] = (*OF_CASES, *OF_STREAMS)
