"""Bin: a row of the tables of functional coverage, whatever kind of case it looks at."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

Looked = TypeVar("Looked")  # what can be told of a case that was played


@dataclass(frozen=True)
class Bin(Generic[Looked]):
    """Something that should happen; ``happens`` tells where, or how often, it did in a case.

    What can not happen has the ``reason`` in its place.
    """

    unit: str
    name: str
    happens: Callable[[Looked], npt.ArrayLike] | None
    reason: str = ""


def hit(bins: Iterable[Bin[Any]], units: Container[str], seen: Any) -> dict[str, dict[str, int]]:
    """Return how often a case hit each bin of some units, by unit and name; those hit alone."""
    found: dict[str, dict[str, int]] = {}
    for one in bins:
        if one.happens and one.unit in units and (count := int(np.sum(one.happens(seen)))):
            found.setdefault(one.unit, {})[one.name] = count
    return found
