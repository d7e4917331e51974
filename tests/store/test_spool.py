"""Requests outside of memory: whole, in their order, in few files, and not lost on a full disk."""

from __future__ import annotations

import errno
import os
import tracemalloc
from dataclasses import fields, replace
from math import inf

import pytest

from crawler.model.errors import EnvironmentFailure
from crawler.model.payload import Payload
from crawler.model.request import Cookie, Hop, Listed, Purpose, Request
from crawler.model.url import Seed, Url
from crawler.store import spool
from crawler.store.request_line import lined, request_of
from crawler.store.spool import Spool


def request(href: str, **values: object) -> Request:
    return Request(url=Url(href), seed=href, input=href, **values)  # type: ignore[arg-type]


def numbered(host: str, numbers: range) -> tuple[str, list[Request]]:
    return host, [request(f"{host}/{number}") for number in numbers]


def hrefs(back: list[Request]) -> list[str]:
    return [each.url.href for each in back]


PLAIN = request("https://a.example/")
COOKIE = Cookie(
    name="sid", value="\udcff\u00e4", domain="a.example", path="/", host_only=True, secure=False,
    expires=inf,
)  # fmt: skip
FULL = Request(
    url=Url("http://a.example/x"),
    seed="https://a.example/x",
    input="a.example/x#\u00e4\n",
    hops=(Hop(url="https://a.example/x", status=0), Hop(url="http://b/", status=302, cookies=7)),
    attempt=2,
    attempts=3,
    doubtful=1,
    admitted_at=12.5,
    purpose=Purpose.SITEMAP,
    depth=4,
    found_on="https://a.example/",
    owner="https://a.example",
    origin="https://b.example",
    source=b'{"file":"a.csv","line":7,"columns":{"id":"\xc3\xa4"}}',
    payload=Payload("POST", (("X-Run", "1"),), b"\x00\xff\n"),
    cookies=(COOKIE, replace(COOKIE, expires=1e9, value="plain")),
)


def test_a_request_comes_back_with_all_that_it_carries() -> None:
    """No field is left out, be it one that nobody has thought of here: it must differ in `FULL`."""
    for given in (FULL, PLAIN, request("https://a.example/", source=b"{}", depth=2)):
        back = request_of(lined(given))
        for field in fields(Request):
            assert getattr(back, field.name) == getattr(given, field.name), field.name
    for field in fields(Request):
        assert getattr(FULL, field.name) != getattr(PLAIN, field.name), f"{field.name} is untested"


@pytest.mark.parametrize(
    "seed",
    [
        Seed.read("https://a.example/x?y=[1]"),
        Seed.read("a.example/\u00e4"),
        Seed.read("https://a.example/")._replace(source=b'{"line":7}'),
    ],
)
def test_an_entry_of_the_list_comes_back_as_its_request(seed: Seed) -> None:
    """What was spilled before it was a request is the one that it would have been in memory."""
    assert isinstance(seed.url, Url)
    listed = Listed(seed.url, seed, 1234.567891234)
    line, expected = lined(listed), listed.request()
    back = request_of(line)
    for field in fields(Request):
        assert getattr(back, field.name) == getattr(expected, field.name), field.name
    assert line.count(b"\n") == 1 and len(line) <= len(seed.url.href) + len(seed.input) + 60


def test_a_line_is_short() -> None:
    """A URL of a list takes its text and up to 30 bytes more, its place included 80."""
    href = "https://example.com/some/page.html"
    assert len(lined(request(href, admitted_at=1234.567891234))) <= len(href) + 30
    placed = request(href, admitted_at=1.0, source=b'{"file":"list.csv","line":1000}')
    assert len(lined(placed)) <= len(href) + 80


@pytest.mark.parametrize("buffer", [1, 700, 2**20])
def test_each_shelf_is_a_queue(monkeypatch: pytest.MonkeyPatch, buffer: int) -> None:
    """Whatever lies on disk or in memory, a shelf gives back what it was given first."""
    monkeypatch.setattr(spool, "BUFFER", buffer)
    monkeypatch.setattr(spool, "SEGMENT", 2_000)
    kept, back = Spool(), dict[str, list[str]](a=[], b=[])
    for start in range(0, 1_000, 50):
        kept.keep([numbered("http://a", range(start, start + 50))])
        kept.keep([numbered("http://b", range(start, start + 5))])
        back["a"] += hrefs(kept.take([("http://a", 31)]))
        back["b"] += hrefs(kept.take([("http://b", 2)]))
    while more := kept.take([("http://a", 100), ("http://b", 1)]):
        for href in hrefs(more):
            back[href[7]].append(href)
    assert back["a"] == [f"http://a/{number}" for number in range(1_000)]
    expected = (number for start in range(0, 1_000, 50) for number in range(start, start + 5))
    assert back["b"] == [f"http://b/{number}" for number in expected]
    assert kept.files == 0
    kept.close()


def test_runs_of_one_shelf_are_one_within_a_file_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long queue that fills several files is read back over their borders."""
    monkeypatch.setattr(spool, "BUFFER", 900)
    monkeypatch.setattr(spool, "SEGMENT", 2_000)
    kept = Spool()
    for start in range(0, 1_000, 10):
        kept.keep([numbered("http://a", range(start, start + 10))])
    assert kept.files > 5
    back = [href for _ in range(10) for href in hrefs(kept.take([("http://a", 100)]))]
    assert back == [f"http://a/{number}" for number in range(1_000)]


def test_a_long_line_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """URLs of 64 KB come back, among short ones."""
    monkeypatch.setattr(spool, "BUFFER", 1)
    kept = Spool()
    long = f"http://a/{'x' * 65_000}"
    kept.keep([("a", [request("http://a/1"), request(long), request("http://a/2")])])
    assert hrefs(kept.take([("a", 1)])) == ["http://a/1"]
    assert hrefs(kept.take([("a", 9)])) == [long, "http://a/2"]


@pytest.mark.slow
def test_files_and_memory_are_bounded() -> None:
    """A million bytes in memory, some 40 files, and 16 bytes a run, for one host or for many."""
    descriptors = len(os.listdir("/dev/fd"))
    kept = Spool()
    one = [request(f"http://a.example/some/longer/path/{number}") for number in range(500)]
    tracemalloc.start()
    try:
        for _ in range(200):
            kept.keep([("a", one)])
        for number in range(200):
            kept.keep([("", [request(f"http://h{number}-{n}/") for n in range(100)])])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * spool.BUFFER
    assert 0 < kept.files <= 40
    assert len(os.listdir("/dev/fd")) - descriptors == kept.files
    assert sum(len(kept.take([("a", 5_000)])) for _ in range(20)) == 100_000
    assert len(kept.take([("", 100_000)])) == 20_000
    assert kept.files == 0


def test_nothing_is_lost_on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what failed, where, and what to do; all that was kept can still be taken."""
    monkeypatch.setattr(spool, "BUFFER", 1)
    kept = Spool()
    kept.keep([numbered("http://a", range(10))])
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(file: int, data: bytes, offset: int) -> int:
        if offset % 2:
            raise full
        return pwrite(file, data[:1], offset)

    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", write)
    for start in (10, 20):
        with pytest.raises(
            EnvironmentFailure, match=r"No space left.*TMPDIR.*--read-ahead"
        ) as said:
            kept.keep([numbered("http://a", range(start, start + 10))])
        assert "\n" not in str(said.value)
    assert hrefs(kept.take([("http://a", 99)])) == [f"http://a/{number}" for number in range(30)]
