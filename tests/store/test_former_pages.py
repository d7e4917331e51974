"""The pages of an earlier output, looked up in a file."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.errors import EnvironmentFailure
from crawler.model.former_page import FormerPage
from crawler.store import former_pages as module
from crawler.store.former_pages import FormerPages, former_pages, indexed
from crawler.store.written import RecordTally, written_record

PAGE: dict[str, Any] = {
    "outcome": "page",
    "status": 200,
    "bytes": {"wire": 5, "decoded": 9},
    "title": "t",
    "body_hash": "00",
}


def written(path: Path, *records: dict[str, Any]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


def opened(folder: Path, *records: dict[str, Any]) -> FormerPages:
    indexed(str(written(folder / "old.jsonl", *records)), folder / "since")
    return FormerPages(folder / "since")


@pytest.mark.parametrize("number", [0, 1, 15, 16, 17, 1_000])
def test_every_page_is_found_and_no_other(tmp_path: Path, number: int) -> None:
    """Whatever the number of buckets: each URL has its own values, unknown ones have none."""
    urls = [f"http://a.example/{n}" for n in range(number)]
    records = [PAGE | {"url": url, "title": f"t {n}"} for n, url in enumerate(urls)]
    found = opened(tmp_path, *records)
    assert len(found) == number
    for n, url in enumerate(urls):
        assert found.get(url) == FormerPage(url, 200, 9, f"t {n}", "00")
    assert found.get("http://a.example/x") is None
    found.close()


def test_urls_with_the_same_fingerprint_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is only where to look; the URL itself decides, and its last record counts."""
    monkeypatch.setattr(module, "fingerprint", lambda _url: 2**63)
    records = [PAGE | {"url": f"http://a.example/{n}", "title": str(n)} for n in range(40)]
    found = opened(tmp_path, *records, PAGE | {"url": "http://a.example/7", "title": "new"})
    titles = [(found.get(f"http://a.example/{n}") or FormerPage("")).title for n in range(40)]
    assert titles == [str(n) if n != 7 else "new" for n in range(40)]
    assert found.get("http://b.example/") is None
    found.close()


def test_what_was_not_fetched_is_left_out(tmp_path: Path) -> None:
    """Failures without a status, redirects and skipped URLs say nothing of a page."""
    records = [
        {"url": "http://a/", "outcome": "failed", "status": None},
        {"url": "http://b/", "outcome": "redirect", "status": 301},
        {"url": "http://c/", "outcome": "skipped"},
        {"url": "http://d/", "outcome": "failed", "status": 404, "final_url": "http://e/"},
        PAGE | {"url": "http://f/", "outcome": "unchanged", "status": 304, "etag": '"x"'},
    ]
    found = opened(tmp_path, *records)
    assert len(found) == 2
    assert found.get("http://d/") == FormerPage("http://e/", 404)
    assert found.get("http://f/") == FormerPage("http://f/", None, None, "t", "00", '"x"')
    found.close()


def test_parts_and_archives_are_read_and_others_refused(tmp_path: Path) -> None:
    """A directory of packed parts is an output; what is none is one line."""
    (tmp_path / "out").mkdir()
    for n in (0, 1):
        line = orjson.dumps(PAGE | {"url": f"http://a/{n}"}) + b"\n"
        (tmp_path / "out" / f"part-{n}.jsonl.gz").write_bytes(gzip.compress(line))
    with former_pages(str(tmp_path / "out"), None, resumed=False) as found:
        assert found is not None and len(found) == 2 and found.get("http://a/1") is not None
    for text, why in (
        ("{", "middle of a record"),
        ('{"a":1}\n', "without `url`"),
        ("x\n", "not a"),
    ):
        (tmp_path / "bad").write_text(text)
        with (
            pytest.raises(EnvironmentFailure, match=why),
            former_pages(str(tmp_path / "bad"), tmp_path, resumed=False),
        ):
            pass
        assert not list(tmp_path.glob("since*"))


def test_records_of_version_1_are_read(tmp_path: Path) -> None:
    """They have no validators and no version; the rest is compared, and summed up."""
    line = orjson.dumps(PAGE | {"url": "http://a/", "kind": None, "attempts": 1}) + b"\n"
    tally = RecordTally()
    tally.add(written_record("old", line))
    assert tally.snapshot().outcomes == {"page": 1}
    (tmp_path / "old").write_bytes(line)
    indexed(str(tmp_path / "old"), tmp_path / "since")
    found = FormerPages(tmp_path / "since")
    assert found.get("http://a/") == FormerPage("http://a/", 200, 9, "t", "00")
    found.close()


def test_a_crawl_that_continues_keeps_what_it_compares_with(tmp_path: Path) -> None:
    """The file of a state stays what it was, although the output has gone."""
    old = written(tmp_path / "old", PAGE | {"url": "http://a/"})
    with former_pages(str(old), tmp_path, resumed=False) as found:
        assert found is not None
    old.unlink()
    with former_pages(str(old), tmp_path, resumed=True) as found:
        assert found is not None and found.get("http://a/") is not None


VALUES = st.none() | st.integers(0, 3)


@given(VALUES, VALUES)
def test_only_what_both_say_can_have_changed(before: int | None, now: int | None) -> None:
    """A missing value on either side is no change; others are compared."""
    changed = FormerPage("http://a/", status=before).changed({"status": now})
    assert changed == (("status",) if None not in (before, now) and before != now else ())


def test_conditions_are_those_of_the_page_itself() -> None:
    """A request for another URL, as one that redirects to the page, is not conditional."""
    page = FormerPage("http://a/", etag='W/"1"', last_modified="Sun, 29 Nov 2026 10:00:00 GMT")
    assert page.conditions("http://b/") == ()
    assert page.conditions("http://a/") == (
        ("If-None-Match", 'W/"1"'),
        ("If-Modified-Since", "Sun, 29 Nov 2026 10:00:00 GMT"),
    )
    assert FormerPage("http://a/").conditions("http://a/") == ()


def test_a_text_may_be_the_same_on_a_changed_page(tmp_path: Path) -> None:
    """Its hash is compared where both crawls have it, and kept if the page is not sent again."""
    old = written(tmp_path / "old", PAGE | {"url": "http://a/", "text_hash": "11"})
    with former_pages(str(old), None, resumed=False) as found:
        page = found.get("http://a/") if found is not None else None
    assert page is not None and orjson.loads(page.document())["text_hash"] == "11"
    assert page.changed({"body_hash": "ff", "text_hash": "11"}) == ("body_hash",)
    assert page.changed({"body_hash": "ff", "text_hash": "22"}) == ("body_hash", "text_hash")
    assert page.changed({"body_hash": page.body_hash}) == ()
