"""Euclidean projections of rows onto what a norm bound allows.

The search for the threshold is that of Duchi et al., ICML 2008, figure 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def onto_l1_ball(rows: Tensor, radius: Tensor) -> Tensor:
    """Return the nearest point to each row with an L1 norm of at most its radius.

    rows (R, K), radius (R,) > 0 -> (R, K). A row outside its ball loses the same amount from every
    magnitude, down to zero.
    """
    magnitudes = rows.abs()
    lost = _threshold(magnitudes, radius).clamp(min=0)
    return rows.sign() * (magnitudes - lost).clamp(min=0)


def onto_balanced_l1_ball(rows: Tensor, radius: Tensor) -> Tensor:
    """Return the nearest point that also sums to zero, as ``onto_l1_ball``.

    Its positive and its negative part each sum to half of the radius, unless the row without its
    mean is inside already: two thresholds, each of its own side.
    """
    centred = rows - rows.mean(dim=1, keepdim=True)
    above = (rows - _threshold(rows, radius / 2)).clamp(min=0)
    below = (-rows - _threshold(-rows, radius / 2)).clamp(min=0)
    inside = centred.abs().sum(dim=1) <= radius
    return torch.where(inside[:, None], centred, above - below)


def _threshold(values: Tensor, total: Tensor) -> Tensor:
    """Return the a (R, 1) of each row at which the values' excesses over it add up to ``total``."""
    descending = values.sort(dim=1, descending=True).values
    excess = descending.cumsum(dim=1) - total[:, None]
    rank = torch.arange(1, values.shape[1] + 1, dtype=values.dtype, device=values.device)
    survivors = (descending * rank > excess).sum(dim=1, keepdim=True).clamp(min=1)
    return excess.gather(1, survivors - 1) / survivors
