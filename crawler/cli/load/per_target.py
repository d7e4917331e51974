"""The hits of a load by target, and its errors by kind, as text of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap

from crawler.cli import unit_formats
from crawler.cli.unit_formats import count
from crawler.load.measured import ErrorKind, Measured, TargetCounts, largest

WIDTH = 80
MOST = 20
"""Rows on a screen; the JSON has all that were counted."""
_NAME, _FIGURE = 28, 9
_SHARES = (0.5, 0.9, 0.99)


def rows(measured: Measured) -> Iterator[str]:
    """Yield a row for each target, the largest first; nothing of a run with one."""
    if len(measured.targets) < 2:
        return
    titles = ("requests", "rate/s", "p50 ms", "p90 ms", "p99 ms")
    yield f"{'target':{_NAME}}" + "".join(f"{title:>{_FIGURE}}" for title in titles) + "  status"
    for target in largest(measured.targets, MOST):
        yield from _row(target, measured.elapsed)


def _row(target: TargetCounts, elapsed: float) -> Iterator[str]:
    found = target.outcomes
    figures = [count(target.attempts), f"{target.count / elapsed if elapsed else 0:,.0f}"]
    figures += map(milliseconds, target.response.quantiles(_SHARES))
    only = found[0].partition(":")[0] if len(found) == 1 else "mixed"
    cells = "".join(f"{figure:>{_FIGURE}}" for figure in figures)
    if len(target.name) < _NAME:
        yield f"{target.name:{_NAME}}{cells}  {only:.5}".rstrip()
    else:
        yield shortened(target.name)
        yield f"{'':{_NAME}}{cells}  {only:.5}".rstrip()
    if len(found) > 1 or len(only) > 5:
        indent = " " * 4
        yield from wrap("  ".join(found), WIDTH, initial_indent=indent, subsequent_indent=indent)


def errors(kinds: Mapping[str, ErrorKind]) -> Iterator[str]:
    """Yield the first message of each kind of error, and what that one asked for."""
    for kind, error in sorted(kinds.items()):
        first = f"first {kind.replace('_', ' ')}: {error.message}"
        indent = " " * 10
        if error.message:
            yield from wrap(first, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")
        if error.example:
            yield shortened(f"{indent}  {error.example}")


def milliseconds(seconds: float) -> str:
    """Return three digits, without the unit, which stands at the head of the table."""
    return unit_formats.milliseconds(seconds).removesuffix(" ms")


def shortened(text: str) -> str:
    """Return a line that fits; what is too long for it lacks its middle."""
    if len(text) <= WIDTH:
        return text
    half = WIDTH // 2
    return f"{text[: half - 2]}...{text[-(half - 1) :]}"
