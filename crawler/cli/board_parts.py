"""The parts of a live page, as the page's script takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from crawler.cli.unit_formats import count

Cell = str | Mapping[str, object]
"""Text, or `text` with the `number` to sort by."""

_LONG_COLUMNS = frozenset(
    {"Host", "URL", "Reason", "Usual reason", "Why it waits", "Details", "Target", "First message"}
)


def table(
    id: str, title: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[Cell]]]
) -> dict[str, object]:
    """Return a table; each row has a key that stays its own, and a cell for each column."""
    made = [{"key": key, "cells": cells} for key, cells in rows]
    numeric = [
        any(isinstance(row["cells"][n], Mapping) for row in made) for n in range(len(columns))
    ]
    heads = [
        {"name": name, "number": number, "long": name in _LONG_COLUMNS}
        for name, number in zip(columns, numeric, strict=True)
    ]
    return {"id": id, "title": title, "columns": heads, "rows": made}


def amount(number: int) -> Cell:
    """Return the cell of a number, by which the page can sort."""
    return {"text": count(number), "number": number}
