"""Figures: the nearest rank, and their form for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_ROUNDING = 1e-9  # of a product that should be whole
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def quantity(value: float, unit: str) -> str:
    """Return three digits and the unit that suits: `1.23 ms`, `31.0 MB`, `1,250`; "-" for nan."""
    if not math.isfinite(value):
        return "-"
    if unit == "s":
        return latency(value)
    return size(value) if unit == "B" else plain(value)


def latency(seconds: float) -> str:
    """Return three digits and the unit that suits: `1.23 ms`."""
    if not seconds:
        return "0"
    unit, name = next((u for u in _UNITS if seconds >= u[0] * 0.9995), _UNITS[-1])
    return f"{number(seconds / unit)} {name}"


def size(value: float) -> str:
    """Return bytes with the unit that suits."""
    for unit, name in _SIZES:
        if value >= unit * 0.9995:
            return f"{number(value / unit)} {name}"
    return f"{value:.0f} B"


def plain(value: float) -> str:
    """Return three digits, and none after the point for whole numbers."""
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if value == int(value) else number(value)


def number(value: float) -> str:
    """Return three digits: `1.07`, `21.3`, `1,250`."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.3g}"


def ranked(ordered: Sequence[float], share: float) -> float:
    """Return the figure that a share of ascending figures, at least one, do not exceed."""
    return ordered[max(1, math.ceil(share * len(ordered) - _ROUNDING)) - 1]
