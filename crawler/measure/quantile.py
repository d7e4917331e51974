"""The figure that a share of all figures do not exceed."""

from __future__ import annotations

import math
from collections.abc import Sequence

_ROUNDING = 1e-9  # of a product that should be whole


def ranked(ordered: Sequence[float], share: float) -> float:
    """By nearest rank, of figures in ascending order, at least one: 0.5 is the median."""
    return ordered[max(1, math.ceil(share * len(ordered) - _ROUNDING)) - 1]
