"""Claims about threshold.v and its insides: as many thresholds as a row reaches, each output once.

The unit that searches is proved with stages that may be anything which keeps its promise; that
threshold_stage.v keeps it is a claim of its own, for each stage.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from formal.claim import Claim
from formal.design import Design

_ASCENDING = "the thresholds of a row ascend, as they come; equal ones may follow each other"
_PROMISE = "stage_promise"


class Shape(NamedTuple):
    """Parameters of threshold.v."""

    mh: int
    pe: int
    acc_bits: int
    output_bits: int
    signed_output: int
    search: int


# One row, and rows that are no power of two; one, two, three at once; outputs of one bit and more.
SHAPES = (
    Shape(mh=1, pe=1, acc_bits=3, output_bits=1, signed_output=0, search=0),
    Shape(mh=3, pe=1, acc_bits=3, output_bits=2, signed_output=1, search=0),
    Shape(mh=6, pe=2, acc_bits=2, output_bits=1, signed_output=1, search=0),
    Shape(mh=3, pe=3, acc_bits=2, output_bits=1, signed_output=0, search=0),
    Shape(mh=1, pe=1, acc_bits=3, output_bits=1, signed_output=1, search=1),
    Shape(mh=3, pe=1, acc_bits=3, output_bits=2, signed_output=0, search=1),
    Shape(mh=4, pe=2, acc_bits=3, output_bits=2, signed_output=1, search=1),
)


def claims(shapes: Iterable[Shape] = SHAPES) -> list[Claim]:
    """Return all claims about units of these parameters, each once."""
    found = {}
    for shape in shapes:
        for claim in (threshold(shape), *stages(shape)):
            found[claim.name] = claim
    return list(found.values())


def threshold(shape: Shape) -> Claim:
    """Return what is claimed about the unit; covers need two whole sets, and a vector behind each.

    >>> threshold(SHAPES[-1]).assumes[1]
    'stage_promise'
    """
    steps = 2**shape.output_bits - 1
    parameters = {name.upper(): value for name, value in shape._asdict().items()}
    return Claim(
        f"threshold {_text(parameters)}",
        "a threshold counts, of the last whole set before a vector, how many thresholds of its row "
        "each accumulator reaches; each beat once, in order, with its tlast and tuser; no input "
        "before a whole set, nor while a new one waits between two vectors, which then counts from "
        "the next one on; nothing else waits but for room, and for no longer than the stages take",
        Design(
            "prove_threshold",
            parameters,
            replaced={"threshold_stage": "free_stage"} if shape.search else {},
        ),
        assumes=(_ASCENDING, _PROMISE) if shape.search else (),
        depth=2 * shape.mh * steps + shape.mh // shape.pe + shape.output_bits * shape.search + 5,
    )


def stages(shape: Shape) -> list[Claim]:
    """Return what is claimed about each of the stages of a unit; of one that searches not: none."""
    if not shape.search:
        return []
    folds = shape.mh // shape.pe
    return [
        Claim(
            f"threshold_stage {_text(parameters)}",
            "a threshold_stage hands on fold and acc, and of the count one bit more: whether the "
            "threshold in the middle of those that are left is reached, as it was written last",
            Design("prove_stage", parameters),
            assumes=("what is written has a row and a position, which the unit is proved to keep",),
            guarantees=(_PROMISE,),
            depth=folds * (2**shape.output_bits - 1) + 3,
        )
        for stage in range(shape.output_bits)
        for parameters in (
            {
                "STAGE": stage,
                "FOLDS": folds,
                "ACC_BITS": shape.acc_bits,
                "OUTPUT_BITS": shape.output_bits,
            },
        )
    ]


def _text(parameters: dict[str, int]) -> str:
    return " ".join(f"{name}={value}" for name, value in parameters.items())
