"""Sitemaps and feeds as local lists of URLs."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.url import InvalidUrl, Seed
from crawler.store.sources import UrlSource


def wrote(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def urlset(*locations: str) -> str:
    return f"<urlset>{''.join(f'<url><loc>{text}</loc></url>' for text in locations)}</urlset>"


def read(path: Path, **options: object) -> list[Seed]:
    source = UrlSource([], [str(path)], CommandConfig(**options))  # type: ignore[arg-type]
    return [seed for part in iter(lambda: source.read(100), []) for seed in part]


def texts(seeds: list[Seed]) -> list[str]:
    return [f"! {s.url.reason}" if isinstance(s.url, InvalidUrl) else s.input for s in seeds]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xml", urlset("http://a/")),
        ("A.RSS", "<rss><channel><item><link>http://a/</link></item></channel></rss>"),
        ("a.atom", "<feed><entry><link href='http://a/'/></entry></feed>"),
        ("a.xml", "http://a/\n"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_the_name_says_that_it_is_one(tmp_path: Path, name: str, text: str, pack: object) -> None:
    """`.xml`, `.rss` and `.atom` are sitemaps, packed ones as well."""
    suffix = {bytes: "", gzip.compress: ".gz", zstandard.compress: ".zst"}[pack]  # type: ignore[index]
    path = wrote(tmp_path / (name + suffix), pack(text.encode()))  # type: ignore[operator]
    assert texts(read(path)) == ["http://a/"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_the_form_may_be_told(tmp_path: Path, encoding: str) -> None:
    """`input_format` goes before the name, and the XML says its encoding."""
    path = wrote(tmp_path / "list", urlset("http://a/ü").encode(encoding))
    assert texts(read(path, input_format="sitemap")) == ["http://a/ü"]
    assert read(wrote(tmp_path / "a.xml", "http://a/\n#\n"), input_format="lines")


def test_nothing_is_lost(tmp_path: Path) -> None:
    """A location that is no whole URL is an entry with a reason."""
    whole = urlset(
        "/x", "//b/", "ftp://c/", "http://d/" + "x" * 70_000, "http://e/\ufffd", "http://f/"
    )
    seeds = read(wrote(tmp_path / "a.xml", whole))
    relative = "! relative, and a file has no URL that it could be relative to"
    assert texts(seeds) == [
        relative,
        relative,
        "! unsupported scheme 'ftp'",
        "! longer than 65536 characters",
        "! not in the encoding that the sitemap declares",
        "http://f/",
    ]
    assert len(seeds[3].input) == 256


def test_an_index_is_refused_before_the_crawl(tmp_path: Path) -> None:
    """An index names no pages; one line says what to do with it."""
    text = "<sitemapindex><sitemap><loc>http://a/s.xml</loc></sitemap></sitemapindex>"
    path = wrote(tmp_path / "a.xml.gz", gzip.compress(text.encode()))
    with pytest.raises(ConfigurationError, match=r"a\.xml\.gz: is an index of .* --sitemap$"):
        UrlSource([], [str(path)], CommandConfig())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!doctype html><p>", "an HTML page, not a sitemap"),
        ("<a/>", "the root element <a> is not that of a sitemap or a feed"),
        ("a.example\n", "neither XML nor a list of URLs"),
        (b"\x89PNG\r\n\0", "neither XML nor a list of URLs"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><urlset/>", "declarations in the document type"),
    ],
)
def test_what_is_no_sitemap_is_refused_before_the_crawl(
    tmp_path: Path, text: str | bytes, problem: str
) -> None:
    """A file that is none by its first bytes ends the crawl before it begins."""
    with pytest.raises(EnvironmentFailure, match=rf"a\.xml: {problem}.*; give a whole sitemap"):
        UrlSource([], [str(wrote(tmp_path / "a.xml", text))], CommandConfig())


def test_a_truncated_one_is_an_error_after_its_entries(tmp_path: Path) -> None:
    """Whole locations come first, then one error that names the file; the next input is read."""
    urls = [f"http://a/{n}" for n in range(3000)]
    path = wrote(tmp_path / "a.xml", urlset(*urls).removesuffix("</urlset>"))
    other = wrote(tmp_path / "other", "http://b/\n")
    source = UrlSource([], [str(path), str(other)], CommandConfig())
    found: list[Seed] = []
    with pytest.raises(EnvironmentFailure, match=r"a\.xml: broken XML in line 1: no element found"):
        found.extend(seed for part in iter(lambda: source.read(100), []) for seed in part)
    assert texts(found) == urls
    assert texts(source.read(100)) == ["http://b/"]


@pytest.mark.parametrize("text", ["", "\n", "<urlset/>"])
def test_an_empty_one_holds_no_urls(tmp_path: Path, text: str) -> None:
    """An empty file is fine and holds nothing."""
    assert read(wrote(tmp_path / "a.xml", text)) == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    """A sitemap of 20 MB, beyond what the protocol allows, is read in about two megabytes."""
    path = wrote(
        tmp_path / "a.xml", urlset(*(f"http://a.example/{n:0100}" for n in range(150_000)))
    )
    assert os.path.getsize(path) > 20_000_000
    tracemalloc.start()
    source = UrlSource([], [str(path)], CommandConfig())
    entries = 0
    while part := source.read(500):
        entries += len(part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert entries == 150_000
    assert source.progress().share == 1.0
    assert peak < 3_000_000
