"""At which parameters every unit is played: a covering design, the same every time.

All parameters with all others would be more builds than there is time for. So each value, and each
pair of values that belong together, is met at least once, beside values of the others that are as
scattered as they can be; ``tests/test_every_shape.py`` says what that covers, and plays it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import product

import numpy as np
from strategies import BIPOLAR

from golden import bounds
from golden.integer import Format, IntArray, Overflow, bits_for
from golden.spec import MvauSpec
from tb.case import UNROLLED

LARGEST = 64  # MW, MH, and counts of other kinds
WIDEST = 8  # bits of weights, inputs and outputs

# A dimension and a part that divides it: (MW, SIMD), (MH, PE), (CHANNELS, SIMD).
FOLDS = [(n, part) for n in range(1, LARGEST + 1) for part in range(1, n + 1) if n % part == 0]

WEIGHTS = [*(Format(bits, signed=True) for bits in range(1, WIDEST + 1)), BIPOLAR]
INPUTS = [*WEIGHTS, *(Format(bits, signed=False) for bits in range(1, WIDEST + 1))]
WIDTHS = [*product(range(len(WEIGHTS)), range(len(INPUTS)), Overflow)]

# Where P lies: of a product, and of the heaviest row that there is.
FAR, UNDER_PRODUCT, PRODUCT, UNDER_ENOUGH, ENOUGH, AMPLE, WIDE = ROOMS = (
    "far under a product", "one under a product", "a product", "one under enough", "enough",
    "ample", "over 32",
)  # fmt: skip

# Beside the folds where one of PE and SIMD is small: (MW, SIMD, MH, PE) with both large, both one.
BOTH_LARGE = (
    (64, 8, 64, 8), (60, 12, 60, 10), (63, 21, 33, 11), (64, 32, 48, 6), (45, 15, 64, 8),
    (61, 61, 6, 3),
)  # fmt: skip
BOTH_ONE = [(mw, 1, mh, 1) for mw, mh in zip(range(1, 65, 3), range(64, 0, -3), strict=True)][:20]


@dataclass(frozen=True)
class MatrixPoint:
    """A unit that plays cases of a spec."""

    unit: str
    spec: MvauSpec
    seed: int
    registers: tuple[int, ...] | None = None

    def __str__(self) -> str:
        levels = "" if self.registers is None else "-".join(["-r", *map(str, self.registers)])
        return f"{self.unit}-{self.spec.id}{levels}"


@dataclass(frozen=True)
class StreamPoint:
    """A unit that plays stream cases of its parameters."""

    unit: str
    parameters: Mapping[str, int]
    seed: int

    def __str__(self) -> str:
        if self.unit == "mvtu":
            p = self.parameters
            how = "search" if p["SEARCH"] else "parallel"
            sign = "s" if p["SIGNED_OUTPUT"] else "u"
            return f"{self.unit}-{self.spec.id}-b{p['OUTPUT_BITS']}{sign}-{how}"
        return "-".join([self.unit, *(f"{k.lower()}{v}" for k, v in self.parameters.items())])

    @property
    def spec(self) -> MvauSpec:
        """What an mvtu does before its thresholds."""
        return MvauSpec.from_json(
            {f.name: self.parameters[f.name.upper()] for f in fields(MvauSpec)}
        )


def enough(spec: MvauSpec) -> int:
    """Return the smallest P at which no weights and inputs whatever overflow."""
    products = [w * x for w in _ends(spec.weights) for x in _ends(spec.inputs)]
    return max(2, bits_for(spec.mw * min(products), spec.mw * max(products)))


def heaviest_row(spec: MvauSpec) -> IntArray:
    """Return the row (MW,) that needs the most bits of all that there are."""
    rows = np.stack([np.full(spec.mw, end) for end in _ends(spec.weights)])
    return rows[np.argmax(bounds.row_bits(rows, spec.inputs))]


def _ends(form: Format) -> tuple[int, int]:
    return form.minimum, form.maximum


def product_bits(spec: MvauSpec) -> int:
    """Return the smallest P that holds every product."""
    return enough(replace(spec, mw=1, simd=1))


def rooms(spec: MvauSpec) -> set[str]:
    """Return all that is true of a spec's P."""
    whole, one, p = enough(spec), product_bits(spec), spec.acc_bits
    holds = {
        FAR: p < one - 1, UNDER_PRODUCT: p == one - 1, PRODUCT: p == one,
        UNDER_ENOUGH: p == whole - 1, ENOUGH: p == whole, AMPLE: p > whole, WIDE: p > 32,
    }  # fmt: skip
    return {room for room in ROOMS if holds[room]}


def _acc_bits(room: str, spec: MvauSpec, number: int, widest: int) -> int:
    """Return the P of a room, or what is nearest where a spec has no such room."""
    whole, one = enough(spec), product_bits(spec)
    bits = {
        FAR: 2 if number % 2 else one // 2, UNDER_PRODUCT: one - 1, PRODUCT: one,
        UNDER_ENOUGH: whole - 1, ENOUGH: whole, AMPLE: whole + 1 + number % 5,
        WIDE: 33 + number % (widest - 32),
    }[room]  # fmt: skip
    return max(2, bits)


def _scattered(fold: tuple[int, int]) -> tuple[int, int]:
    whole, part = fold
    return part, whole * 29 % 67


def _folded() -> list[tuple[int, int, int, int]]:
    """Return (MW, SIMD, MH, PE): many lanes beside few rows at once, so that units stay small."""
    columns = sorted(FOLDS, key=_scattered)
    pairs = zip(columns, sorted(FOLDS, key=_scattered, reverse=True), strict=True)
    return [*((*column, *row) for column, row in pairs), *BOTH_LARGE, *BOTH_ONE]


def _whole() -> list[tuple[int, int, int, int]]:
    """Return shapes of which all is there at once: each MW beside few rows, each MH beside few."""
    sizes = [
        (n % LARGEST + 1, n * 7 % min(LARGEST, 128 // (n % LARGEST + 1)) + 1) for n in range(150)
    ]
    sizes = [*sizes, *(size[::-1] for size in sizes), (33, 32), (24, 47), (64, 16), (11, 64)]
    return [(mw, mw, mh, mh) for mw, mh in (*sizes, (61, 10), (19, 19))]


def specs(unit: str, widest: int = LARGEST) -> list[MvauSpec]:
    """Return specs of all formats and policies, in all folds, with P in all rooms.

    A fold that would only be met where nothing overflows is given one bit less than is enough.
    """
    every = [*_scattered_specs(unit, widest)]
    for name in ("pe", "simd", "mw", "mh"):
        for value in range(1, LARGEST + 1):
            those = [n for n, spec in enumerate(every) if getattr(spec, name) == value]
            if those and not any(shows_overflow(every[n]) for n in those):
                which = next(n for n in those if enough(every[n]) > 2)
                narrow = enough(every[which]) - 1
                every[which] = replace(every[which], acc_bits=narrow, observe=True)
    return every


def shows_overflow(spec: MvauSpec) -> bool:
    """Whether some weights and inputs leave P, and an overflow bit tells."""
    return spec.observe and spec.acc_bits < enough(spec)


def _scattered_specs(unit: str, widest: int) -> Iterator[MvauSpec]:
    shapes = _whole() if unit == UNROLLED else _folded()
    turn = ("mac", "mvau", "vvau", "mvtu", UNROLLED).index(unit)
    for number, (of_weights, of_inputs, overflow) in enumerate(WIDTHS):
        # 101 and 306 have no common divisor: each shape comes once.
        mw, simd, mh, pe = shapes[(101 * number + 61 * turn) % len(shapes)]
        weights, inputs = WEIGHTS[of_weights], INPUTS[of_inputs]
        spec = MvauSpec(
            mw, mh, 1 if unit == "mac" else pe, 1 if unit == "mac" else simd,
            weights.bits, inputs.bits, 2, inputs.signed, overflow,
            observe=(number + 2 * turn) % 11 != 5,
            bipolar_weight=weights.bipolar, bipolar_input=inputs.bipolar,
        )  # fmt: skip
        room = ROOMS[(of_weights + of_inputs + 3 * (overflow + turn)) % len(ROOMS)]
        yield replace(spec, acc_bits=_acc_bits(room, spec, number, widest))


def matrix_points() -> list[MatrixPoint]:
    """Return the points of the units that play cases."""
    return [
        MatrixPoint(unit, spec, seed, _registers(spec, seed) if unit == UNROLLED else None)
        for unit in ("mac", "mvau", "vvau", UNROLLED)
        for seed, spec in enumerate(specs(unit), start=1)
    ]


def _registers(spec: MvauSpec, number: int) -> tuple[int, ...] | None:
    """Return the levels of the tree that registers follow: some by default, none, all, one."""
    levels = tuple(range((spec.mw - 1).bit_length() + 1))
    return (None, (), levels, levels[number % len(levels) :][:1])[number % 4]


def stream_points() -> list[StreamPoint]:
    """Return the points of the units that play stream cases."""
    return [
        StreamPoint(unit, parameters, seed)
        for unit, every in _STREAM_UNITS.items()
        for seed, parameters in enumerate(every(), start=1)
    ]


Parameters = dict[str, int]


def _skid_buffers() -> Iterator[Parameters]:
    for bits in (*range(1, 18), 31, 32, 33, 63, 64, 65, 72, 127, 128, 129, 511, 512, 1000):
        yield {"DATA_BITS": bits}


def _replay_buffers() -> Iterator[Parameters]:
    for beats in range(1, LARGEST + 1):
        yield {"DATA_BITS": beats * 11 % 73, "BEATS": beats, "COPIES": 1 + beats * 27 % LARGEST}


def _fifos() -> Iterator[Parameters]:
    for depth in range(2, LARGEST + 2):
        yield {"DATA_BITS": 1 + depth * 11 % 72, "DEPTH": depth}


def _width_converters() -> Iterator[Parameters]:
    small = product(range(1, WIDEST + 1), repeat=2)
    large = ((n, 9 + n * 27 % 56) for n in range(9, LARGEST + 1))
    for number, (into, out_of) in enumerate((*small, *large)):
        bits = 1 + number * 3 % WIDEST if number % 7 else 33 + number % 32
        yield {"LANE_BITS": bits, "IN_LANES": into, "OUT_LANES": out_of}


def _weight_roms() -> Iterator[Parameters]:
    for beats, loop in product(range(1, LARGEST + 1), (0, 1)):
        yield {"DATA_BITS": 1 + (2 * beats + loop) * 29 % 200, "BEATS": beats, "LOOP": loop}


def _output_bits(pe: int, turn: int) -> int:
    """Return B: all of them where one row is compared at once, else those of few comparators."""
    most = WIDEST if pe == 1 else max(1, (96 // pe).bit_length() - 1)
    return 1 + turn % most


def _activations(number: int, pe: int) -> Parameters:
    of_four = number % 4
    return {
        "OUTPUT_BITS": _output_bits(pe, number // 4), "SIGNED_OUTPUT": of_four % 2,
        "SEARCH": of_four // 2,
    }  # fmt: skip


def _thresholds() -> Iterator[Parameters]:
    folds = sorted(FOLDS, key=_scattered)
    for number, (mh, pe) in enumerate(folds):
        yield {"MH": mh, "PE": pe, "ACC_BITS": 2 + number * 5 % 62, **_activations(number, pe)}
    large = ((64, 64, 4), (64, 32, 5), (24, 8, 7), (60, 4, 8))
    for (mh, pe, bits), search in product(large, (0, 1)):
        yield {
            "MH": mh, "PE": pe, "ACC_BITS": 8, "OUTPUT_BITS": bits if search else bits - 1,
            "SIGNED_OUTPUT": search, "SEARCH": search,
        }  # fmt: skip


def _matrix_thresholds() -> Iterator[Parameters]:
    for number, spec in enumerate(specs("mvtu", widest=63)):
        yield {**spec.verilog_parameters("mvau"), **_activations(number * 5, spec.pe)}


def taps() -> list[tuple[int, int, int, int]]:
    """Return all (KERNEL, DILATION, PADDING, DEPTHWISE) up to 5, 3 and what makes sense."""
    return [
        (kernel, dilation, padding, depthwise)
        for kernel, dilation in product(range(1, 6), range(1, 4))
        for padding in range((kernel - 1) * dilation + 1)
        for depthwise in (0, 1)
    ]


def _windows() -> Iterator[Parameters]:
    every = taps()
    for number, (channels, simd) in enumerate(sorted(FOLDS, key=_scattered)):
        kernel, dilation, padding, depthwise = every[number * 17 % len(every)]
        least = max(1, (kernel - 1) * dilation + 1 - 2 * padding)
        yield {
            "INPUT_BITS": 1 + number % WIDEST, "CHANNELS": channels, "SIMD": simd,
            "HEIGHT": least + number % 3, "WIDTH": least + number // 3 % 4, "KERNEL": kernel,
            "STRIDE": 1 + number // 4 % 5, "PADDING": padding, "DILATION": dilation,
            "DEPTHWISE": depthwise,
        }  # fmt: skip


_STREAM_UNITS = {
    "skid_buffer": _skid_buffers,
    "replay_buffer": _replay_buffers,
    "fifo": _fifos,
    "width_converter": _width_converters,
    "weight_rom": _weight_roms,
    "threshold": _thresholds,
    "mvtu": _matrix_thresholds,
    "swu": _windows,
}
