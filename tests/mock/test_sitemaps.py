"""Sitemaps: what other XML readers find in them, and what breaks them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from itertools import islice
from xml.etree import ElementTree as ET

import pytest

from crawler.mock import MockWeb
from crawler.mock.graph import sitemap_files
from crawler.mock.graph.node import listed_slice
from crawler.mock.graph.site import answer
from crawler.mock.graph.sitemap_files import MAX_URLS, PART, PATHS
from crawler.mock.judge.truth import listed
from crawler.mock.reply import Answer, Ask, Lazy

SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
ATOM = "{http://www.w3.org/2005/Atom}"
OPTIONS = MockWeb(seed=5, pages=12_000, port=8080)
ORIGIN = "http://127.0.0.1:8080"


def served(path: str, options: MockWeb = OPTIONS, host: str = "127.0.0.1:8080") -> Answer:
    return answer(Ask(target=path, host=host), options)


def locations(body: bytes) -> list[str]:
    """The text of every <loc>."""
    return [found.text or "" for found in ET.fromstring(body).iter(f"{SITEMAP}loc")]


def unpacked(reply: Answer) -> bytes:
    packed = dict(reply.headers)["Content-Type"] == "application/gzip"
    return gzip.decompress(reply.body) if packed else reply.body


def from_index(options: MockWeb, host: str) -> list[str]:
    """Every URL of every part that the index names."""
    parts = locations(served("/sitemap.xml", options, host).body)
    paths = [f"/{part.split('/', 3)[3]}" for part in parts]
    return [url for path in paths for url in locations(unpacked(served(path, options, host)))]


@pytest.mark.slow
def test_the_index_leads_to_every_listed_page() -> None:
    """Plain and gzip parts in turn hold exactly what the truth says is listed, each once."""
    parts = locations(served("/sitemap.xml").body)
    assert parts == [f"{ORIGIN}/sitemap-{n}.xml{'.gz' * (n % 2)}" for n in range(3)]
    found = from_index(OPTIONS, "127.0.0.1:8080")
    assert found == [url for url, _ in listed(OPTIONS, 0)]
    assert len(set(found)) == len(found) > 9000


@pytest.mark.parametrize("pages", [1, 2, 3, 1000])
def test_a_small_host_has_a_gzip_part_too(pages: int) -> None:
    """Two pages are enough for a plain and a gzip part, and nothing is lost between the two."""
    options = MockWeb(seed=5, pages=pages, port=8080)
    parts = locations(served("/sitemap.xml", options).body)
    names = [f"{ORIGIN}/sitemap-0.xml", f"{ORIGIN}/sitemap-1.xml.gz"]
    assert parts == names[: min(pages, 2)]
    found = from_index(options, "127.0.0.1:8080")
    assert found == [url for url, _ in listed(options, 0)]


def test_every_host_lists_its_own() -> None:
    """A host's sitemaps hold URLs of that host alone; all together hold all."""
    options = MockWeb(pages=300, hosts=4, authority="names", domain="x.test", port=8080)
    for number in range(4):
        host = f"h{number}.x.test:8080"
        found = from_index(options, host)
        assert found == [url for url, _ in listed(options, number)]
        assert all(url.startswith(f"http://{host}/") for url in found)


def test_a_host_without_pages() -> None:
    """More hosts than pages: the last have an index of nothing."""
    options = MockWeb(pages=2, hosts=5, authority="names", domain="x.test", port=8080)
    assert locations(served("/sitemap.xml", options, "h4.x.test:8080").body) == []
    assert served("/sitemap.txt", options, "h4.x.test:8080").body == b""
    for name in PATHS:
        assert served(f"/{name}", options, "h4.x.test:8080").status == 200


@pytest.mark.slow
def test_the_text() -> None:
    """One URL a line, the same as in the XML."""
    lines = served("/sitemap.txt").body.decode().splitlines()
    assert lines == from_index(OPTIONS, "127.0.0.1:8080")


def test_rss_and_atom() -> None:
    """Both feeds hold the first pages, with dates that can be read."""
    rss = ET.fromstring(served("/sitemap-rss.xml").body)
    atom = ET.fromstring(served("/sitemap-atom.xml").body)
    links = [found.text for found in rss.findall("channel/item/link")]
    assert links == [found.get("href") for found in atom.iter(f"{ATOM}link")]
    assert links == [url for url, _ in listed_slice(OPTIONS, 0, 0, 500)]
    dates = [parsedate_to_datetime(found.text or "") for found in rss.iter("pubDate")]
    assert dates[0].isoformat() == atom.findtext(f"{ATOM}entry/{ATOM}updated")


def test_broken() -> None:
    """It is no XML, but what stands before the break is sound."""
    body = served("/sitemap-broken.xml").body
    with pytest.raises(ET.ParseError):
        ET.fromstring(body)
    sound = body[: body.rindex(b"<url><loc>", 0, body.index(b"&nbsp;"))] + b"</urlset>"
    assert locations(sound) == [url for url, _ in listed_slice(OPTIONS, 0, 0, 100)]


def test_loop() -> None:
    """Both indexes name themselves and each other."""
    both = [f"{ORIGIN}/sitemap-loop.xml", f"{ORIGIN}/sitemap-loop-back.xml"]
    for path in ("/sitemap-loop.xml", "/sitemap-loop-back.xml"):
        assert locations(served(path).body) == both


def test_bomb() -> None:
    """A kilobyte that is ten billion characters by the rules of XML; nobody here expands it."""
    body = served("/sitemap-bomb.xml").body
    assert len(body) < 2000
    assert body.count(b"<!ENTITY") == 10
    assert b"&e9;</loc>" in body


@pytest.mark.parametrize(
    "path",
    [
        "/sitemap-0.xml.gz",
        "/sitemap-1.xml",
        "/sitemap-3.xml.gz",
        "/sitemap-00.xml",
        "/sitemap-x.xml",
    ],
)
def test_what_no_index_names_is_missing(path: str) -> None:
    """A part has one name only, and there are as many as the index says."""
    assert served(path).status == 404


def test_escaping(monkeypatch: pytest.MonkeyPatch) -> None:
    """What means something in XML is escaped."""

    def listed_slice(
        options: MockWeb, host: int, start: int, stop: int
    ) -> Iterator[tuple[str, str]]:
        yield f"{ORIGIN}/a?b=1&c='<\">", "2025-01-02"

    monkeypatch.setattr(sitemap_files, "listed_slice", listed_slice)
    monkeypatch.setattr(sitemap_files, "local_pages", lambda options, host: 1)
    assert locations(served("/sitemap-0.xml").body) == [f"{ORIGIN}/a?b=1&c='<\">"]
    assert f"{ORIGIN}/a?b=1&c='<\">".encode() in served("/sitemap.txt").body
    for name in ("rss", "atom"):
        assert b"c=&#x27;&lt;&quot;&gt;" in served(f"/sitemap-{name}.xml").body


@pytest.mark.slow
def test_a_large_host_costs_nothing_until_it_is_read() -> None:
    """A billion pages: the index keeps the protocol's limit, and a part comes piece by piece."""
    options = MockWeb(pages=1_000_000_000, port=8080)
    parts = locations(served("/sitemap.xml", options).body)
    assert 1 < len(parts) <= MAX_URLS
    assert len(parts) * MAX_URLS >= 1_000_000_000 // 50
    reply = served("/sitemap-49998.xml", options)
    assert isinstance(reply.pieces, Lazy)
    assert b"".join(islice(reply.pieces, 3)).count(b"<loc>") > 100


@pytest.mark.slow
def test_bytes_are_the_same_every_time() -> None:
    """Parts, packed ones included, are the same bytes at each request, and may be kept."""
    for path in ("/sitemap.xml", "/sitemap-0.xml", "/sitemap-1.xml.gz"):
        assert served(path).body == served(path).body
        ask = Ask(target=path)
        answer(ask, OPTIONS)
        assert ask.settled


@pytest.mark.slow
def test_no_part_is_over_the_limits() -> None:
    """At most 50,000 URLs and 50 MB in a file, as the protocol wants."""
    assert PART <= MAX_URLS
    assert len(served("/sitemap-0.xml").body) < 50 * 1024 * 1024


def test_nothing_is_below_a_sitemap() -> None:
    """A further segment is a 400."""
    assert served("/sitemap.xml/x").status == 400
