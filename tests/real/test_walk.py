"""The walk that `make real` compares with, on a site of a few files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real import site
from tests.real.walk import Rules, Visit, Walk

ORIGIN = "http://h"
ROBOTS = "User-agent: a\nDisallow: /\n\nUser-agent: *\nDisallow: /x\nAllow: /x/y\nDisallow: /*.z$\n"


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """Over a front page, a directory with an index, one without, and a page that only it has."""
    monkeypatch.setattr(site, "DOCS", tmp_path)
    for name in ("d", "empty"):
        (tmp_path / name).mkdir()
    front = "<a href=d>1</a><a href=empty/>2</a><a href=none>3</a><a href=far rel=nofollow>4</a>"
    (tmp_path / "index.html").write_text(front + "<a href=http://other/>5</a><a href=x.html>6</a>")
    (tmp_path / "d" / "index.html").write_text("<a href=/d/>1</a><a href=in.html#a>2</a>")
    (tmp_path / "d" / "in.html").write_text("<a href='/'>1</a>")
    (tmp_path / "x.html").write_text("<a href=hidden.html>1</a>")
    return Walk(site.Site(origin=ORIGIN, pid=0, made=tmp_path), ROBOTS)


def test_the_walk_ends_each_url_as_nginx_would(walk: Walk) -> None:
    """A redirect stands for its target, and what only a forbidden page leads to is not found."""
    assert walk.run([f"{ORIGIN}/"]) == {
        f"{ORIGIN}/": Visit(outcome="page", status=200, depth=0),
        f"{ORIGIN}/d": Visit(outcome="page", status=200, depth=1, fetches=2),
        f"{ORIGIN}/empty/": Visit(outcome="failed", status=403, depth=1),
        f"{ORIGIN}/none": Visit(outcome="failed", status=404, depth=1),
        f"{ORIGIN}/x.html": Visit(outcome="skipped", status=None, depth=1, line=5, fetches=0),
        f"{ORIGIN}/d/in.html": Visit(outcome="page", status=200, depth=2),
    }


@pytest.mark.parametrize(
    ("path", "line"),
    [("/", 0), ("/x", 5), ("/%78", 5), ("/x/y", 0), ("/x/y.z", 7), ("/a.z", 7), ("/a.z?q", 0)],
)
def test_the_longest_rule_decides(path: str, line: int) -> None:
    """Wildcards, ends and escapes count; of equally long rules the one that allows."""
    assert Rules(ROBOTS).forbidding(ORIGIN + path) == line
