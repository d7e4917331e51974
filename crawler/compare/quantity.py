"""Figures as a person would say them."""

from __future__ import annotations

import math

from crawler.compare.judgement import number
from crawler.load.report import latency

_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def quantity(value: float, unit: str) -> str:
    """Three digits and the unit that suits: `1.23 ms`, `31.0 MB`, `1,250`; a dash for nan."""
    if not math.isfinite(value):
        return "-"
    if unit == "s":
        return latency(value)
    return size(value) if unit == "B" else plain(value)


def size(value: float) -> str:
    """Bytes."""
    for unit, name in _SIZES:
        if value >= unit * 0.9995:
            return f"{number(value / unit)} {name}"
    return f"{value:.0f} B"


def plain(value: float) -> str:
    """Three digits, and none for what is whole."""
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if value == int(value) else number(value)
