"""Plain text tables, for terminals and logs alike."""

from __future__ import annotations

from collections.abc import Sequence


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align `rows` under `header`: columns of bare numbers to the right, all others to the left."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(header))]
    right = [all(_is_number(row[at]) for row in rows) for at in range(len(header))]
    rule = ["-" * width for width in widths]
    return "\n".join(_line(line, widths, right) for line in [lines[0], rule, *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    aligned = (
        cell.rjust(width) if number else cell.ljust(width)
        for cell, width, number in zip(cells, widths, right, strict=True)
    )
    return "  ".join(aligned).rstrip()


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace(",", "").isdigit()
