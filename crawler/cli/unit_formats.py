"""Numbers for a person: counts, sizes, durations."""

from __future__ import annotations


def count(number: int) -> str:
    """Format 1234567 as `1,234,567`."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Return `1 record`, `2 records`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def megabytes(size: float) -> str:
    """Format bytes as `8.0 MB` or `130 MB`, a million bytes each."""
    value = size / 1e6
    return f"{value:,.0f} MB" if value >= 100 else f"{value:,.1f} MB"


def milliseconds(seconds: float | None) -> str:
    """Format seconds as `12.3 ms`, with three digits."""
    if seconds is None:
        return "-"
    value = seconds * 1e3
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def duration(seconds: float) -> str:
    """Format seconds as `0:07`, `12:34` or `1:02:03`."""
    minutes, second = divmod(int(seconds + 0.5), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:,}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
