"""The figure that a share of all figures do not exceed."""

from __future__ import annotations

import math
from collections.abc import Sequence

_ROUNDING = 1e-9  # of a product that should be whole


def ranked(ordered: Sequence[float], share: float) -> float:
    """Return the figure of the nearest rank, of ascending figures, at least one."""
    return ordered[max(1, math.ceil(share * len(ordered) - _ROUNDING)) - 1]
