"""Several requests for one URL in a database: a row for each, also in files of earlier versions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.store.test_outputs import asked, counts, packed

URL = "http://a.test/"
FIELDS = ("url", "title", "links")
KINDS = ("sqlite", "duckdb")


def record(title: str, **sent: str) -> dict[str, Any]:
    """A record with a link that is named like its title."""
    return {"url": URL, "title": title, "links": [f"{URL}{title}"], **sent}


GOT = record("got")
POSTED = [record(f"p{n}", method="POST", sent_hash=str(n) * 64) for n in range(3)]
HEADED = record("headed", method="GET")
PUT = record("put", method="PUT")
ROWS = "SELECT request, title, link FROM pages JOIN links USING (url, request) ORDER BY title"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_requests_for_one_url_have_a_row_each(tmp_path: Path, kind: str) -> None:
    """Whatever fields are chosen; the same request replaces its row and links, and no other's."""
    name = f"{kind}:{tmp_path}/x.db"
    packed(tmp_path, name, [GOT, *POSTED, PUT], fields=FIELDS)
    marks = {"got": "", "put": "PUT", **{f"p{n}": f"POST {str(n) * 64}" for n in range(3)}}
    assert asked(name, ROWS) == [(marks[t], t, f"{URL}{t}") for t in sorted(marks)]
    packed(tmp_path, name, [{**POSTED[1], "title": "new", "links": []}, HEADED], "add")
    assert counts(name) == (5, 4)
    assert [row[1] for row in asked(name, ROWS)] == ["headed", "p0", "p2", "put"]
    (new,) = asked(name, "SELECT method, sent_hash FROM pages WHERE title = 'new'")
    assert new == ("POST", "1" * 64)


def earlier(kind: str, path: Path) -> None:
    """Make a database as an earlier version has, with an index and a view of its user's."""
    key = ", PRIMARY KEY (url)" if kind == "sqlite" else ""
    more = (", PRIMARY KEY (url, position)", " WITHOUT ROWID") if kind == "sqlite" else ("", "")
    connect = sqlite3.connect if kind == "sqlite" else duckdb.connect
    with closing(connect(path)) as base:
        base.execute(f"CREATE TABLE pages (url TEXT, title TEXT, own INTEGER{key})")
        base.execute(
            f"CREATE TABLE links (url TEXT, position INTEGER, link TEXT{more[0]}){more[1]}"
        )
        base.execute("CREATE VIEW seen AS SELECT title FROM pages")
        if kind == "sqlite":
            base.execute("CREATE INDEX by_title ON pages (title)")
        base.execute("INSERT INTO pages VALUES ('http://a.test/', 'old', 7), ('http://b/', 'b', 8)")
        base.execute("INSERT INTO links VALUES ('http://a.test/', 0, 'x'), ('http://b/', 0, 'y')")
        base.commit()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_database_of_an_earlier_version_is_added_to(tmp_path: Path, kind: str) -> None:
    """A GET replaces its row, a POST has its own; what its user has made stays."""
    name = f"{kind}:{tmp_path}/x.db"
    earlier(kind, tmp_path / "x.db")
    packed(tmp_path, name, [GOT, POSTED[0]], "add", fields=FIELDS)
    assert asked(name, "SELECT own, title FROM pages ORDER BY title") == [
        (8, "b"),
        (None, "got"),
        (None, "p0"),
    ]
    assert asked(name, "SELECT title FROM seen ORDER BY title") == [("b",), ("got",), ("p0",)]
    assert [row[2] for row in asked(name, ROWS)] == ["y", f"{URL}got", f"{URL}p0"]
    if kind == "sqlite":
        assert asked(name, "SELECT name FROM sqlite_master WHERE type = 'index' AND sql <> ''")
