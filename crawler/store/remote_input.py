"""Lists that are not files: a query of an SQLite database, an object of a store.

    sqlite:FILE?SELECT url, name FROM pages      s3://bucket/list.csv.gz

The answer to a query has no positions that would hold: it may be another one tomorrow. So such a
list is copied whole before its first URL is crawled, into the state of a crawl that has one and
else into a temporary file, and read from there as any file. A crawl that continues reads its copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.output import dumps
from crawler.model.url import fingerprint
from crawler.store.blocks import BLOCK, told
from crawler.store.journal import disk
from crawler.store.object_store import STORES, opened_object

if TYPE_CHECKING:
    import sqlite3

SQLITE = "sqlite:"
COPIES = "list-"
"""How the names of copies begin; the rest is a hash of the list's name."""

_QUERY = "SELECT url FROM pages"  # of a database without a query, as a crawl writes it
_ROWS = 1_000


def is_remote(name: str) -> bool:
    """Return whether an input's name is that of a query or an object."""
    return name.startswith((SQLITE, *STORES))


def check(name: str, column: str) -> None:
    """Raise `EnvironmentFailure` or `ConfigurationError` for what cannot be read, cheaply."""
    if name.startswith(SQLITE):
        with _database(name) as (database, query):
            names = _names(database.execute(f"SELECT * FROM ({query}) LIMIT 0"))  # noqa: S608
            _url_column(name, names, column)
        return
    with opened_object(name):
        pass


def copied(name: str, column: str, folder: Path) -> Path:
    """Return the local copy of a query or an object, made as a whole unless it is there.

    column: the column of a query with the URL; one that stands alone may have any name. Raises what
    `check` raises, and `EnvironmentFailure` if there is no room.
    """
    path = folder / f"{COPIES}{fingerprint(name):016x}"
    if path.exists():
        return path
    draft = path.with_name(f"{path.name}.new")
    try:
        disk.make_folder(folder)
        with disk.drafted(draft, path), draft.open("wb") as file:
            for block in _blocks(name, column):
                file.write(block)
    except OSError as error:
        raise EnvironmentFailure(f"{path}: cannot be written: {error.strerror}") from None
    return path


def _blocks(name: str, column: str) -> Iterator[bytes]:
    """Yield an object, or the answer to a query as JSON lines with the URL in `column`."""
    if not name.startswith(SQLITE):
        with opened_object(name) as file:
            while block := file.read(BLOCK):
                yield block
        return
    with _database(name) as (database, query):
        cursor = database.execute(query)
        names = _names(cursor)
        names[_url_column(name, names, column)] = column
        while rows := cursor.fetchmany(_ROWS):
            for row in rows:
                yield dumps(dict(zip(names, row, strict=True)), default=str) + b"\n"


def remove_copies(folder: Path) -> None:
    """Remove the copies of lists in a state."""
    for path in folder.glob(f"{COPIES}*"):
        disk.remove(path)


def _names(cursor: sqlite3.Cursor) -> list[str]:
    return [each[0] for each in cursor.description]


def _url_column(name: str, names: list[str], column: str) -> int:
    if column in names:
        return names.index(column)
    if len(names) == 1:
        return 0
    shown = ", ".join(names)[:200]
    raise ConfigurationError(f"{name}: no column {column!r} in {shown}; name one with --url-column")


@contextmanager
def _database(name: str) -> Iterator[tuple[sqlite3.Connection, str]]:
    """Open a database for reading, in one transaction; yield it and the query."""
    import sqlite3

    path, _, query = name.removeprefix(SQLITE).partition("?")
    query = query.strip().rstrip(";") or _QUERY
    with told(f"{SQLITE}{path}"):
        os.stat(path)
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as database:
            yield database, query
    except sqlite3.Error as error:
        raise EnvironmentFailure(f"{name}: cannot be read: {error}") from None


def copies_of(names: Iterable[str], column: str, folder: Path) -> None:
    """Copy the remote ones among `names` before several processes read them."""
    for name in filter(is_remote, names):
        copied(name, column, folder)
