"""One response as a sitemap: URLs, gzip, caps, and every sitemap that the mock web serves."""

from __future__ import annotations

import gzip
import pickle
import tracemalloc
import zlib
from urllib.request import urlopen
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.formats.sitemap_listing import MAX_BYTES, MAX_LOCATIONS, Sitemap, sitemap
from crawler.mock import MockWeb, running
from crawler.mock.graph.node import listed_slice
from crawler.mock.graph.site import answer
from crawler.mock.graph.sitemap_files import PATHS
from crawler.mock.judge.truth import listed
from crawler.mock.reply import Ask
from crawler.model.document import RawResponse
from tests.patience import PATIENCE

URL = "https://a.example/dir/sitemap.xml"
OPTIONS = MockWeb(seed=5, pages=12_000, port=8080)
ORIGIN = "http://127.0.0.1:8080"


def read(body: bytes | str, content_type: str = "", url: str = URL) -> Sitemap:
    body = body.encode() if isinstance(body, str) else body
    return sitemap(RawResponse(url=url, status=200, content_type=content_type, body=body))


def urlset(*locations: str) -> str:
    return f"<urlset>{''.join(f'<url><loc>{text}</loc></url>' for text in locations)}</urlset>"


def served(path: str) -> Sitemap:
    """What is read from the mock web's answer to `path`."""
    reply = answer(Ask(target=path, host="127.0.0.1:8080"), OPTIONS)
    return read(reply.body, dict(reply.headers)["Content-Type"], ORIGIN + path)


def test_locations_become_urls() -> None:
    """Relative ones are resolved, fragments go, spellings are serialised, repeats stay."""
    found = read(urlset("/x", "y#z", "//b.example", " HTTP://B.example:80/a b&amp;c ", "/x"))
    assert found == Sitemap(
        pages=(
            *("https://a.example/x", "https://a.example/dir/y", "https://b.example/"),
            *("http://b.example/a%20b&c", "https://a.example/x"),
        )
    )


def test_what_is_no_url_is_counted() -> None:
    """Other schemes, broken hosts, overlong and damaged locations are counted, not kept."""
    long = "http://a/" + "x" * 70_000
    found = read(urlset("mailto:x", "http://[", long, "http://a/\ufffd", "http://b/"))
    assert found == Sitemap(pages=("http://b/",), invalid=4)
    assert read("http://a/\nNot found\n/x\n") == Sitemap(pages=("http://a/",), invalid=2)


def test_an_index_names_sitemaps() -> None:
    """The locations of an index are sitemaps, and it has no pages."""
    found = read("<sitemapindex><sitemap><loc>/s.xml</loc></sitemap></sitemapindex>")
    assert found == Sitemap(sitemaps=("https://a.example/s.xml",))


def test_the_charset_of_the_header_is_heard() -> None:
    """`charset` of the Content-Type decodes the locations."""
    found = read(urlset("http://a/é").encode("latin-1"), "text/xml; charset=iso-8859-1")
    assert found.pages == ("http://a/%C3%A9",)


@pytest.mark.parametrize("content_type", ["text/html", "", "application/x-gzip", "; charset=nix"])
def test_the_content_says_what_it_is(content_type: str) -> None:
    """A sitemap under a wrong Content-Type is read; a page under a right one is none."""
    assert read(urlset("http://a/"), content_type).pages == ("http://a/",)
    assert (
        read("<!DOCTYPE html><a href='/'>", content_type).problem == "an HTML page, not a sitemap"
    )


@pytest.mark.parametrize(("body", "problem"), [("", "an empty document"), ("<urlset/>", "")])
def test_nothing_at_all(body: str, problem: str) -> None:
    """An empty list is fine, an empty document is not."""
    assert read(body) == Sitemap(problem=problem)


@pytest.mark.parametrize("text", [urlset("http://a/"), "http://a/\n"])
@pytest.mark.parametrize("after", [b"", bytes(600), b"rubbish"])
def test_gzip_is_seen_by_its_mark(text: str, after: bytes) -> None:
    """Whatever name and type say; in several members, and whatever follows them."""
    data = text.encode()
    packed = gzip.compress(data[:5]) + gzip.compress(b"") + gzip.compress(data[5:])
    assert read(packed + after, "text/html") == Sitemap(pages=("http://a/",))


@pytest.mark.slow
def test_a_truncated_archive_gives_what_it_holds() -> None:
    """What was unpacked until then counts, and the problem names the archive."""
    packed = gzip.compress(
        urlset(*(f"http://a/{zlib.crc32(b'%d' % n)}" for n in range(9000))).encode()
    )
    found = read(packed[: len(packed) // 2])
    assert found.problem == "the gzip archive is damaged: it ends too early"
    assert 4_000 < len(found.pages) < 5_000 and not found.truncated


@pytest.mark.slow
def test_a_damaged_archive_gives_what_precedes_the_damage() -> None:
    """All but the last 4 KiB of packed bytes count, and the problem says what is wrong."""
    urls = [f"http://a/{zlib.crc32(b'%d' % n)}" for n in range(9000)]
    packed = gzip.compress(urlset(*urls).encode())
    found = read(packed[:-8] + bytes(8))
    assert found.problem.startswith("the gzip archive is damaged: Error -3")
    assert 8_000 < len(found.pages) < 9_000
    assert list(found.pages) == urls[: len(found.pages)]


@pytest.mark.slow
def test_an_archive_bomb_ends_early() -> None:
    """What unpacks a thousandfold is given up after a megabyte, whatever it would become."""
    packed = gzip.compress(b"http://a/\n" + b"\n" * 300_000_000, 1)
    tracemalloc.start()
    found = read(packed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.pages, found.truncated) == (("http://a/",), True)
    assert found.problem == "packed more than 200 to one"
    assert peak < 4_000_000


def test_members_without_end_are_given_up() -> None:
    """A hundred thousand empty members are as good as a bomb, and end as soon."""
    found = read(gzip.compress(b"") * 100_000)
    assert found.problem == "the gzip archive is damaged: more than 1024 parts"


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["urlset", "sitemapindex"])
def test_the_caps_of_the_protocol(tag: str) -> None:
    """50,000 locations are read of a sitemap or an index, and not one more."""
    item = "url" if tag == "urlset" else "sitemap"
    row = f"<{item}><loc>http://a/</loc></{item}>"
    whole = read(f"<{tag}>{row * MAX_LOCATIONS}</{tag}>")
    assert (len(whole.pages + whole.sitemaps), whole.problem, whole.truncated) == (
        50_000,
        "",
        False,
    )
    more = read(f"<{tag}>{row * (MAX_LOCATIONS + 1)}</{tag}>")
    assert more == Sitemap(
        pages=whole.pages,
        sitemaps=whole.sitemaps,
        problem="more than 50000 locations",
        truncated=True,
    )


@pytest.mark.slow
def test_no_more_than_50_megabytes_are_read() -> None:
    """What stands behind 50 MB does not count."""
    text = b"http://a/\n" + b" " * MAX_BYTES + b"\nhttp://b/"
    found = read(text)
    assert found == Sitemap(
        pages=("http://a/",), problem="longer than 52428800 bytes", truncated=True
    )


def test_the_result_crosses_processes() -> None:
    """A result is a value: it can be pickled and compared."""
    found = read(urlset("/x", "mailto:y"))
    assert pickle.loads(pickle.dumps(found)) == found


# The mock web.


@pytest.mark.slow
def test_the_mocks_index_leads_to_every_listed_page() -> None:
    """Index, plain and gzip parts give exactly what the truth says is listed."""
    index = served("/sitemap.xml")
    assert (len(index.sitemaps), index.pages, index.problem) == (3, (), "")
    parts = [served(url.removeprefix(ORIGIN)) for url in index.sitemaps]
    assert [part.problem for part in parts] == ["", "", ""]
    assert [url for part in parts for url in part.pages] == listed_urls()
    assert served("/sitemap.txt") == Sitemap(pages=tuple(listed_urls()))


def listed_urls() -> list[str]:
    return [url for url, _ in listed(OPTIONS, 0)]


@pytest.mark.slow
def test_the_mocks_feeds_give_the_first_pages() -> None:
    """RSS and Atom give the same pages, each once."""
    first = tuple(url for url, _ in listed_slice(OPTIONS, 0, 0, 500))
    assert served("/sitemap-rss.xml") == served("/sitemap-atom.xml") == Sitemap(pages=first)


def test_the_mocks_broken_sitemaps() -> None:
    """The broken one gives all but its cut end, the loop its sitemaps, the bomb nothing at all."""
    sound = tuple(url for url, _ in listed_slice(OPTIONS, 0, 0, 100))
    broken = served("/sitemap-broken.xml")
    assert (broken.pages, broken.truncated) == ((*sound, f"{ORIGIN}/trap/soft404/"), False)
    assert broken.problem.startswith("broken XML in line ")
    assert broken.problem.endswith(": undefined entity")
    both = (f"{ORIGIN}/sitemap-loop.xml", f"{ORIGIN}/sitemap-loop-back.xml")
    assert served("/sitemap-loop.xml") == Sitemap(sitemaps=both)
    bomb = served("/sitemap-bomb.xml")
    assert bomb == Sitemap(problem="declarations in the document type, which are not read")


def test_the_mocks_sitemaps_over_a_socket() -> None:
    """Read from a server, every form names only that server's URLs."""
    with running(MockWeb(pages=200)) as web:
        for name in PATHS:
            with urlopen(f"{web.url.rstrip('/')}/{name}", timeout=PATIENCE) as reply:
                found = read(reply.read(), reply.headers["Content-Type"], reply.url)
            assert all(url.startswith(web.url) for url in found.pages + found.sitemaps)
            assert found.pages or found.sitemaps or "bomb" in name


# Any bytes.


@pytest.mark.slow
@given(st.binary(max_size=300), st.booleans(), st.text(max_size=20), st.text(max_size=20))
def test_no_bytes_raise(data: bytes, packed: bool, content_type: str, url: str) -> None:
    """Any body, packed or not, any header and any URL give a value."""
    assert isinstance(read(gzip.compress(data) if packed else data, content_type, url), Sitemap)
    assert isinstance(read(b"\x1f\x8b\x08" + data), Sitemap)


@pytest.mark.slow
@given(st.binary(min_size=1), st.integers(0, 10_000), st.booleans())
def test_no_damage_raises(noise: bytes, at: int, packed: bool) -> None:
    """A sitemap with noise somewhere in it never gives more than it held, and does not raise."""
    data = urlset(*(f"http://a/{n}" for n in range(200))).encode()
    data = gzip.compress(data) if packed else data
    at %= len(data)
    found = read(data[:at] + noise + data[at + len(noise) :])
    assert len(found.pages) <= 200 + len(noise)


@pytest.mark.slow
@given(st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)))
def test_what_an_independent_reader_finds(texts: list[str]) -> None:
    """On well-made XML the locations are those that ElementTree finds."""
    root = ET.Element("urlset")
    for text in texts:
        ET.SubElement(ET.SubElement(root, "url"), "loc").text = f"http://a/?{text}"
    data = ET.tostring(root, encoding="utf-8")
    expected = read("\n".join(found.text or "" for found in ET.fromstring(data).iter("loc")))
    assert read(data).pages == expected.pages
