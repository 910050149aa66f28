"""The shapes at which units that are no matrix units are linted, played and hunted.

Small ones: each meets its generate branches, counts of one, of two powers and of none, and words
wider than a machine's. The sharpest comes first: mutants are hunted in this order.
"""

from __future__ import annotations

from collections.abc import Mapping

from golden.units import PARAMETERS

Shape = Mapping[str, int]


def _shapes(unit: str, *values: tuple[int, ...]) -> tuple[Shape, ...]:
    return tuple(dict(zip(PARAMETERS[unit], each, strict=True)) for each in values)


SHAPES: dict[str, tuple[Shape, ...]] = {
    "skid_buffer": _shapes("skid_buffer", (1,), (72,)),
    "replay_buffer": _shapes(
        "replay_buffer", (16, 6, 5), (8, 1, 1), (9, 5, 1), (33, 1, 3), (65, 8, 2)
    ),
    "fifo": _shapes("fifo", (65, 5), (1, 2), (8, 8)),
    "width_converter": _shapes(
        "width_converter",
        (5, 5, 3),
        (8, 1, 1),
        (2, 1, 4),
        (9, 6, 1),
        (3, 4, 6),
        (7, 3, 5),
        (64, 5, 2),
    ),
    "weight_rom": _shapes("weight_rom", (65, 5, 1), (8, 4, 0), (1, 1, 1), (1, 2, 0)),
    "threshold": _shapes(
        "threshold",
        (6, 2, 9, 2, 1, 0),
        (6, 3, 8, 3, 0, 1),
        (1, 1, 2, 1, 0, 0),
        (1, 1, 2, 1, 0, 1),
        (4, 1, 63, 2, 1, 1),
        (5, 5, 16, 4, 0, 0),
    ),
    "swu": _shapes(
        "swu",
        (4, 6, 2, 5, 5, 3, 2, 1, 1, 1),
        (4, 2, 1, 5, 4, 3, 1, 1, 1, 0),
        (1, 1, 1, 1, 1, 1, 1, 0, 1, 0),
        (9, 2, 2, 6, 7, 2, 2, 2, 3, 0),
        (1, 3, 1, 4, 4, 2, 3, 0, 1, 1),
    ),
    "mvtu": _shapes(
        "mvtu",
        # MW MH PE SIMD, M bipolar, N signed bipolar, P saturates observes, B signed search
        (6, 4, 2, 3, 4, 0, 4, 0, 0, 8, 0, 1, 2, 0, 0),
        (5, 3, 1, 5, 3, 0, 3, 1, 0, 5, 1, 1, 3, 1, 1),
        (8, 2, 2, 4, 1, 1, 1, 1, 1, 4, 0, 1, 1, 0, 0),
        (4, 6, 3, 2, 8, 0, 8, 0, 0, 63, 0, 0, 4, 0, 1),
    ),
}

# Of those the ones that count lines and toggles as they play; to build them takes twice as long, so
# as few as show it all.
COVERS_CODE: dict[str, tuple[Shape, ...]] = {
    "skid_buffer": _shapes("skid_buffer", (72,)),
    "replay_buffer": _shapes("replay_buffer", (65, 8, 2)),
    "fifo": _shapes("fifo", (65, 5)),
    "width_converter": _shapes("width_converter", (64, 5, 2)),
    "weight_rom": _shapes("weight_rom", (65, 5, 1), (8, 4, 0)),
    "threshold": _shapes("threshold", (6, 2, 9, 2, 1, 0), (6, 3, 8, 3, 0, 1)),
    "swu": _shapes("swu", (4, 6, 2, 5, 5, 3, 2, 1, 1, 1), (9, 2, 2, 6, 7, 2, 2, 2, 3, 0)),
    "mvtu": _shapes("mvtu", (6, 4, 2, 3, 4, 0, 4, 0, 0, 8, 0, 1, 2, 0, 0)),
}

# Parts of those above: never alone, but linted alone.
_WINDOW = ("FOLD", "HEIGHT", "WIDTH", "KERNEL", "STRIDE", "PADDING", "DILATION", "DEPTHWISE",
           "ROWS", "ROW_BITS", "COLUMN_BITS", "ADDRESS_BITS")  # fmt: skip
_COMPARED = ("FOLDS", "FOLD_BITS", "ACC_BITS", "OUTPUT_BITS")
PARTS: dict[str, tuple[Shape, ...]] = {
    "window_cursor": (
        dict(zip(_WINDOW, (2, 8, 8, 3, 1, 1, 1, 0, 4, 6, 8, 6), strict=True)),
        dict(zip(_WINDOW, (1, 6, 7, 2, 2, 2, 3, 1, 6, 6, 7, 6), strict=True)),
    ),
    "threshold_parallel": (
        dict(zip(_COMPARED, (1, 1, 2, 1), strict=True)),
        dict(zip(_COMPARED, (3, 2, 9, 3), strict=True)),
    ),
    "threshold_search": (
        dict(zip(_COMPARED, (1, 1, 2, 1), strict=True)),
        dict(zip(_COMPARED, (3, 2, 9, 3), strict=True)),
    ),
    "threshold_stage": (
        {"STAGE": 0, **dict(zip(_COMPARED, (1, 1, 2, 1), strict=True))},
        {"STAGE": 2, **dict(zip(_COMPARED, (3, 2, 9, 3), strict=True))},
    ),
}  # fmt: skip


def named(unit: str) -> dict[str, Shape]:
    """Return the shapes of a unit, or of a part of one, by names that say them."""
    return {
        "-".join(f"{name.lower()}{value}" for name, value in shape.items()): shape
        for shape in (SHAPES | PARTS)[unit]
    }
