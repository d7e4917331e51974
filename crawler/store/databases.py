"""SQLite and DuckDB files: the tables `pages` and `links`, a row for each request of a list.

That is a row for each URL, but for lists with methods and bodies: `request` is "" for a GET, else
method and hash of the body (`POST 9f86d0...`). A record replaces what an earlier crawl has left of
its request, with its links. Everything is written in one transaction by one process. In SQLite
nested fields are columns (`timings_total`); DuckDB has them as structures (`timings.total`).
`pages.links` is their number; `links` has one row for each link, with its place on the page.

A file without the column `request`, of an earlier version, gets it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.payload import mark_of
from crawler.store.columns import Column, chosen_schema, columns, is_open
from crawler.store.gathering import CommittedPart
from crawler.store.journal import disk
from crawler.store.packed_file import groups_of
from crawler.store.record import SENT

_LINKS = "links"
_REQUEST = "request TEXT NOT NULL DEFAULT ''"
_LINK_COLUMNS = f"url TEXT, position INTEGER, link TEXT, {_REQUEST}"
_ROWS = "read_json(?, format = 'newline_delimited', columns = ?, maximum_object_size = ?)"
_MARKED = (
    "CASE WHEN coalesce(method, 'GET') <> 'GET' OR sent_hash IS NOT NULL "
    "THEN concat_ws(' ', coalesce(method, 'GET'), sent_hash) ELSE '' END"
)
"""The value of `request` in SQL, as `_request` returns it."""
_SQLITE_TYPES = {"integer": "INTEGER", "number": "REAL", "boolean": "INTEGER"}
_DUCKDB_TYPES = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
_LONGEST = 128 * 2**20
"""Bytes of a line that DuckDB reads."""


class SqlitePacker:
    """Writes the fields in `names`, or all, to SQLite. Raises `ConfigurationError` without url."""

    in_place = True

    def __init__(self, names: Sequence[str] = ()) -> None:
        _check_key(names)
        self._columns = columns(names)
        self._names = [_quoted(each.name.replace(".", "_")) for each in self._columns]
        self._linked = any(each.name == _LINKS for each in self._columns)

    def __repr__(self) -> str:
        return f"SqlitePacker({len(self._columns)} columns)"

    def rows(self, place: Path) -> int:
        """Return the number of pages. Raises `ConfigurationError` if it is another file."""
        try:
            with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as base:
                found = base.execute("SELECT name FROM sqlite_master WHERE name = 'pages'")
                if not found.fetchone():
                    return 0
                return int(base.execute("SELECT count(*) FROM pages").fetchone()[0])
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"{place}: {error}; name another file") from None

    def pack(self, place: Path, parts: Sequence[CommittedPart], _kept: int) -> None:
        """Write all records of the parts. Raises `EnvironmentFailure`."""
        try:
            with closing(sqlite3.connect(place, isolation_level=None)) as base:
                base.execute("PRAGMA legacy_alter_table = ON")  # views keep the names of tables
                base.execute("BEGIN IMMEDIATE")
                self._make(base)
                for lines in groups_of(parts):
                    self._put(base, [orjson.loads(line) for line in lines.splitlines()])
                base.execute("COMMIT")
        except sqlite3.Error as error:
            raise EnvironmentFailure(f"{place}: {error}") from None

    def _make(self, base: sqlite3.Connection) -> None:
        types = [_SQLITE_TYPES.get(_kind(each), "TEXT") for each in self._columns]
        named = [f"{n} {t}" for n, t in zip(self._names, types, strict=True)]
        _table(base, "pages", ", ".join((*named, _REQUEST)), "PRIMARY KEY (url, request)")
        there = {row[1] for row in base.execute("PRAGMA table_info(pages)")}
        for name, column in zip(self._names, named, strict=True):
            if name[1:-1].replace('""', '"') not in there:  # a field that is newer than the table
                base.execute(f"ALTER TABLE pages ADD COLUMN {column}")
        if self._linked:
            key = "PRIMARY KEY (url, request, position)"
            _table(base, _LINKS, _LINK_COLUMNS, key, " WITHOUT ROWID")

    def _put(self, base: sqlite3.Connection, records: Sequence[dict[str, Any]]) -> None:
        marks = ", ".join("?" * (len(self._names) + 1))
        names = ", ".join((*self._names, "request"))
        rows = (
            [*(_cell(each, each.value(r)) for each in self._columns), _request(r)] for r in records
        )
        base.executemany(f"INSERT OR REPLACE INTO pages ({names}) VALUES ({marks})", rows)  # noqa: S608
        if self._linked:
            keys = ([record["url"], _request(record)] for record in records)
            base.executemany("DELETE FROM links WHERE url = ? AND request = ?", keys)
            into = "INSERT OR REPLACE INTO links (url, position, link, request)"
            base.executemany(f"{into} VALUES (?, ?, ?, ?)", _links(records))


def _table(base: sqlite3.Connection, name: str, columns: str, key: str, more: str = "") -> None:
    """Make a table with this key, or give its key to one that an earlier version made."""
    base.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns}, {key}){more}")
    there = [(row[1], row[2]) for row in base.execute(f"PRAGMA table_info({name})")]
    if "request" in (column for column, _ in there):
        return
    used = "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type <> 'table' AND sql <> ''"
    again = [sql for (sql,) in base.execute(used, [name])]  # indexes and triggers of other people
    earlier = ", ".join(_quoted(column) for column, _ in there)
    made = ", ".join((*(f"{_quoted(column)} {kind}" for column, kind in there), _REQUEST))
    base.execute(f"ALTER TABLE {name} RENAME TO {name}_before")
    base.execute(f"CREATE TABLE {name} ({made}, {key}){more}")
    base.execute(f"INSERT INTO {name} ({earlier}) SELECT {earlier} FROM {name}_before")  # noqa: S608
    base.execute(f"DROP TABLE {name}_before")
    for sql in again:
        base.execute(sql)


class DuckdbPacker:
    """Writes the fields in `names`, or all, to DuckDB. Raises `ConfigurationError` without url."""

    in_place = True

    def __init__(self, names: Sequence[str] = ()) -> None:
        _check_key(names)
        self._spec = chosen_schema(names)
        self._types = {name: _duckdb_type(spec) for name, spec in self._spec.items()}
        self._read = dict.fromkeys(SENT, "VARCHAR") | self._types

    def __repr__(self) -> str:
        return f"DuckdbPacker({len(self._types)} columns)"

    def rows(self, place: Path) -> int:
        """Return the number of pages. Raises `ConfigurationError` if it is another file."""
        import duckdb

        try:
            with duckdb.connect(str(place), read_only=True) as base:
                named = "SELECT 1 FROM information_schema.tables WHERE table_name = 'pages'"
                if not base.execute(named).fetchone():
                    return 0
                found = base.execute("SELECT count(*) FROM pages").fetchone()
                return int(found[0]) if found else 0
        except duckdb.Error as error:
            raise ConfigurationError(f"{place}: {_first_line(error)}; name another file") from None

    def pack(self, place: Path, parts: Sequence[CommittedPart], kept: int) -> None:
        """Write all records of the parts. Raises `EnvironmentFailure`."""
        import duckdb

        try:
            with duckdb.connect(str(place)) as base:
                base.execute("SET preserve_insertion_order = true")
                base.execute("BEGIN")
                self._make(base)
                for part in parts:
                    if part.length:
                        self._put(base, part, kept)
                latest = "SELECT max(rowid) FROM pages GROUP BY url, request"
                base.execute(f"DELETE FROM pages WHERE rowid NOT IN ({latest})")  # noqa: S608
                base.execute("COMMIT")
        except duckdb.Error as error:
            raise EnvironmentFailure(f"{place}: {_first_line(error)}") from None

    def _make(self, base: Any) -> None:
        types = {**self._types, **({_LINKS: "BIGINT"} if _LINKS in self._types else {})}
        types["request"] = "VARCHAR DEFAULT ''"
        made = ", ".join(f"{_quoted(name)} {kind}" for name, kind in types.items())
        base.execute(f"CREATE TABLE IF NOT EXISTS pages ({made})")
        for name, kind in types.items():
            base.execute(f"ALTER TABLE pages ADD COLUMN IF NOT EXISTS {_quoted(name)} {kind}")
        if _LINKS in self._types:
            columns = "url VARCHAR, position BIGINT, link VARCHAR, request VARCHAR DEFAULT ''"
            base.execute(f"CREATE TABLE IF NOT EXISTS links ({columns})")
            base.execute("ALTER TABLE links ADD COLUMN IF NOT EXISTS request VARCHAR DEFAULT ''")

    def _put(self, base: Any, part: CommittedPart, kept: int) -> None:
        disk.truncate(part.path, part.length)  # what follows was not committed
        given = [str(part.path), self._read, _LONGEST]
        names = ", ".join((*map(_quoted, self._types), "request"))
        values = ", ".join(
            "len(links)" if name == _LINKS else _quoted(name) for name in self._types
        )
        if _LINKS in self._types:
            if kept:
                again = f"SELECT (url, {_MARKED}) FROM {_ROWS}"  # noqa: S608
                base.execute(f"DELETE FROM links WHERE (url, request) IN ({again})", given)  # noqa: S608
            base.execute(
                "INSERT INTO links (url, position, link, request) "  # noqa: S608
                f"SELECT url, unnest(range(len(links))), unnest(links), {_MARKED} FROM {_ROWS}",
                given,
            )
        base.execute(f"INSERT INTO pages ({names}) SELECT {values}, {_MARKED} FROM {_ROWS}", given)  # noqa: S608


def _check_key(names: Sequence[str]) -> None:
    if names and "url" not in names:
        raise ConfigurationError("fields: a database needs url, by which its rows are replaced")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _kind(column: Column) -> str:
    """Return the type of a column's values in the schema of records; "" for several."""
    if column.name == _LINKS:
        return "integer"
    kinds = column.spec.get("type", "string")
    return next(k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null")


def _cell(column: Column, value: Any) -> Any:
    if column.name == _LINKS and value is not None:
        return len(value)
    if isinstance(value, list | dict) or (value is not None and is_open(column.spec)):
        return orjson.dumps(value).decode()
    return value


def _request(record: dict[str, Any]) -> str:
    return mark_of(record.get("method") or "GET", record.get("sent_hash") or "").strip()


def _links(records: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int, str, str]]:
    for record in records:
        request = _request(record)
        for position, link in enumerate(record.get(_LINKS) or ()):
            yield record["url"], position, link, request


def _duckdb_type(spec: dict[str, Any]) -> str:
    if is_open(spec):
        return "JSON"
    kinds = spec.get("type", "string")
    kind = next(k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null")
    if kind == "array":
        return f"{_duckdb_type(spec.get('items', {}))}[]"
    if kind == "object":
        inside = (f"{_quoted(n)} {_duckdb_type(s)}" for n, s in spec["properties"].items())
        return f"STRUCT({', '.join(inside)})"
    if spec.get("format") == "date-time":
        return "TIMESTAMPTZ"
    return _DUCKDB_TYPES.get(kind, "VARCHAR")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
