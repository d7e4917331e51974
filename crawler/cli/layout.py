"""Plain columns for a terminal or a pipe."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence

# Where nobody says how wide the terminal is, and where text is still good to read.
_WIDTH, _WIDEST, _NARROWEST = 80, 120, 40


def columns(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Align rows as columns; the first `left` are flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(f"{_line(row, widths, left)}\n" for row in rows)


def explained(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Yield lines of name, path and explanation, the latter wrapped to the terminal's width.

    Paths that would leave too little room are on separate lines.
    """
    names = max(len(name) for name, _, _ in rows)
    paths = max(len(path) for _, path, _ in rows)
    beside = _terminal_width() - names - paths - 6 >= _NARROWEST
    for name, path, text in rows:
        head = f"  {name:{names}}  "
        if beside:
            head += f"{path:{paths}}  "
        elif path:
            yield head + path
            head = " " * len(head)
        yield from _wrapped(head, text)


def _wrapped(head: str, text: str) -> list[str]:
    indent = " " * len(head)
    width = _terminal_width()
    return textwrap.wrap(
        text, width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False
    ) or [head.rstrip()]


def _line(row: Sequence[str], widths: Sequence[int], left: int) -> str:
    cells = (
        cell.ljust(width) if index < left else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _terminal_width() -> int:
    return min(shutil.get_terminal_size((_WIDTH, 24)).columns, _WIDEST)
