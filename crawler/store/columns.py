"""Records as rows: the fields of the schema as columns, nested ones with dotted names.

A field with parts of its own (`timings`) becomes a column for each (`timings.total`). What holds
several values, or what the schema leaves open (`parsed`), stays one column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from crawler.model.choices import CsvLinks
from crawler.model.output import dumps
from crawler.model.value import value
from crawler.store.record import OPTIONAL, schema

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n?")


@value(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its name, where its value is in a record, and its part of the schema."""

    name: str
    path: tuple[str, ...]
    spec: Mapping[str, Any]

    def value(self, record: Mapping[str, Any]) -> Any:
        """Return its value in a record; None without one."""
        value: Any = record
        for name in self.path:
            if not isinstance(value, Mapping):
                return None
            value = value.get(name)
        return value


def columns(names: Sequence[str] = ()) -> list[Column]:
    """Return the columns of records with the fields in `names`, as `--fields` has them, or all."""
    fields = schema()["properties"]
    found: dict[str, Column] = {}
    for name in names or fields:
        path = tuple(name.split("."))
        spec: Mapping[str, Any] = {"properties": fields}
        for part in path:  # below what the schema leaves open, anything is
            spec = spec.get("properties", {}).get(part, {})
        found |= {each.name: each for each in _leaves(path, spec)}
    return list(found.values())


def chosen_schema(names: Sequence[str] = ()) -> dict[str, Any]:
    """Return the schema of the fields of records with those in `names`, or all."""
    fields: dict[str, Any] = schema()["properties"]
    found: dict[str, Any] = {}
    for name in names:
        _choose(fields, name.split("."), found)
    return found or fields


def _choose(fields: Mapping[str, Any], path: Sequence[str], into: dict[str, Any]) -> None:
    name, *rest = path
    spec = fields[name]
    if rest and "properties" in spec:
        inside = into.setdefault(name, {**spec, "properties": {}})
        _choose(spec["properties"], rest, inside["properties"])
    else:
        into[name] = spec


def is_open(spec: Mapping[str, Any]) -> bool:
    """Return whether the schema of records leaves the form of a field open."""
    kinds = spec.get("type", () if "enum" in spec else ("object",))
    return "object" in ([kinds] if isinstance(kinds, str) else kinds) and "properties" not in spec


def _leaves(path: tuple[str, ...], spec: Mapping[str, Any]) -> list[Column]:
    inside = spec.get("properties")
    if not inside:
        return [Column(name=".".join(path), path=path, spec=spec)]
    return [leaf for name, part in inside.items() for leaf in _leaves((*path, name), part)]


class FlatLine:
    """Turns a record into one line of JSON with dotted names; optional fields may be missing."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._columns = columns(names)

    def __call__(self, record: Mapping[str, Any]) -> bytes:
        """Return the line of a record."""
        row = {
            column.name: column.value(record)
            for column in self._columns
            if column.path[0] not in OPTIONAL or column.path[0] in record
        }
        return dumps(row) + b"\n"


class CsvLine:
    """Turns a record into one row of CSV (RFC 4180, but with LF line ends).

    Numbers and `true` or `false` are plain, null is empty, what holds several values is JSON. Links
    are counted, or joined by spaces, which no URL contains. Control characters but tabs and line
    feeds become U+FFFD.
    """

    def __init__(self, names: Sequence[str] = (), links: CsvLinks = "count") -> None:
        self._columns = columns(names)
        self._joined = links == "join"
        self.head = _row([column.name for column in self._columns])

    def __call__(self, record: Mapping[str, Any]) -> bytes:
        """Return the row of a record."""
        return _row([self._cell(column, column.value(record)) for column in self._columns])

    def _cell(self, column: Column, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if column.path == ("links",):
            return " ".join(value) if self._joined else str(len(value))
        if isinstance(value, list | dict):
            return dumps(value).decode()
        return _clean(value) if isinstance(value, str) else str(value)


def _clean(text: str) -> str:
    if text.isprintable():
        return text
    return _CONTROLS.sub("\ufffd", _LINE_ENDS.sub("\n", text))


def _row(cells: Sequence[str]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(cells)
    return file.getvalue().encode()
