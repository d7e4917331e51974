"""The rows that templates take their columns from: a CSV file with a header, or JSON lines.

All rows are kept in memory, as text. A JSON value other than a string is its JSON text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import orjson

from crawler.model.errors import EnvironmentFailure
from crawler.model.option import OptionError

_JSON_LINES = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Columns by name, each with a value for every row; `lines` are the rows' first lines."""

    name: str
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]

    @classmethod
    def read(cls, path: str) -> Dataset:
        """Read a file; "" has no columns.

        Raises `EnvironmentFailure` for an unreadable file, `OptionError` for a bad row.
        """
        if not path:
            return cls("", {}, ())
        text = _text(path)
        rows = _json_rows(text) if path.lower().endswith(_JSON_LINES) else _csv_rows(text, path)
        try:
            return cls(path, *_columns(rows))
        except (ValueError, csv.Error) as error:
            raise OptionError("data", f"{path}{error}") from None


def _text(path: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise EnvironmentFailure(f"cannot read the data {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise OptionError("data", f"{path}: not UTF-8") from None


def _csv_rows(text: str, path: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(
        StringIO(text, newline=""), "excel-tab" if path.endswith(".tsv") else "excel"
    )
    names = next(reader, [])
    if len({*names}) < len(names):
        raise ValueError(": two columns have the same name")
    before = reader.line_num
    for cells in reader:
        line, before = before + 1, reader.line_num
        if not cells:
            continue
        if len(cells) != len(names):
            raise ValueError(f" line {line}: expected {len(names)} columns, got {len(cells)}")
        yield line, dict(zip(names, cells, strict=True))


def _json_rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            values = orjson.loads(row)
        except orjson.JSONDecodeError as error:
            raise ValueError(f" line {line}: invalid JSON: {error}") from None
        if not isinstance(values, dict):
            raise ValueError(f" line {line}: expected a JSON object")  # noqa: TRY004  bad data
        yield line, {name: _cell(value) for name, value in values.items()}


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _columns(
    rows: Iterator[tuple[int, dict[str, str]]],
) -> tuple[dict[str, list[str]], list[int]]:
    columns: dict[str, list[str]] = {}
    lines: list[int] = []
    for line, row in rows:
        columns = columns or {name: [] for name in row}
        for name, values in columns.items():
            if name not in row:
                raise ValueError(f" line {line}: no {name!r}, which the first row has")
            values.append(row[name])
        lines.append(line)
    if not lines:
        raise ValueError(": no rows; expected a header line and at least one row")
    return columns, lines
