"""The extractor `metadata`: what pages say about themselves to programs."""

from __future__ import annotations

from typing import Any

import pytest

from crawler.formats import caps
from crawler.formats.metadata import metadata
from crawler.formats.response import Response
from crawler.model.output import dumps

ARTICLE = """<!doctype html><html lang=en><head><title>T</title><base href=/d/>
<meta name=author content="Ann Author"><meta name=keywords content="a, b">
<meta property="article:published_time" content="2024-03-01T10:00:00Z">
<meta property="article:modified_time" content="2024-03-02"><meta property=og:type content=article>
<meta property="og:site_name" content="The Site"><meta property="og:image" content="og.png">
<link rel=alternate hreflang=de href=/de><link rel=alternate hreflang=x-default href=/>
<link rel=alternate type="application/rss+xml" href=/feed title=News>
<script type="application/ld+json">{"@type": "Article", "headline": "H"}</script></head>
<body itemscope itemtype="http://schema.org/Product"><b itemprop=name>N</b>
<a itemprop=url href=p>p</a><img src=i.png><img src=i.png><img src=/j.png></body></html>"""


def found(body: str, content_type: str = "text/html; charset=utf-8") -> Any:
    """What the extractor returns, once it is JSON."""
    data = metadata(
        Response(url="http://a.test/x", status=200, content_type=content_type, body=body.encode())
    )
    dumps(data)
    return data


def json_ld(text: str) -> Any:
    return found(f'<script type="application/ld+json">{text}</script>')


def test_a_page_says_all_of_it() -> None:
    """Each kind of statement has its place; URLs are absolute by the page's base."""
    assert found(ARTICLE) == {
        "author": "Ann Author",
        "date": "2024-03-01T10:00:00Z",
        "modified": "2024-03-02",
        "site": "The Site",
        "keywords": ["a", "b"],
        "image": "http://a.test/d/og.png",
        "images": ["http://a.test/d/i.png", "http://a.test/j.png"],
        "feeds": [{"url": "http://a.test/feed", "type": "application/rss+xml", "title": "News"}],
        "hreflang": [
            {"url": "http://a.test/de", "hreflang": "de"},
            {"url": "http://a.test/", "hreflang": "x-default"},
        ],
        "opengraph": {
            "og:type": "article",
            "og:site_name": "The Site",
            "og:image": "http://a.test/d/og.png",
        },
        "json_ld": [{"@type": "Article", "headline": "H"}],
        "microdata": [
            {
                "type": "http://schema.org/Product",
                "id": None,
                "properties": {"name": ["N"], "url": ["http://a.test/d/p"]},
            }
        ],
    }


@pytest.mark.parametrize(
    "author", ['"Bob"', '{"name": "Bob"}', '[{"name": "Bob"}, {"name": "Eve"}]']
)
def test_json_ld_fills_in(author: str) -> None:
    """In its `@graph`, too, where the page has no element for it."""
    item = f'{{"author": {author}, "datePublished": "2023-01-01", "publisher": {{"name": "P"}}}}'
    for text in (item, f'{{"@graph": [{{"@type": "WebSite"}}, {item}]}}', f"[{item}]"):
        data = json_ld(text)
        assert (data["author"], data["date"], data["site"]) == ("Bob", "2023-01-01", "P")


def test_a_page_without_any_has_nulls() -> None:
    """The same keys, null or empty; what is no page has nothing."""
    empty = found("")
    assert list(empty) == list(found(ARTICLE))
    assert not any(empty.values())
    assert found(ARTICLE, "text/plain") is None


@pytest.mark.parametrize(
    "text",
    [
        "{broken",
        "[" * 100_000,
        '{"a":' * 400 + "1" + "}" * 400,
        '{"n": 1' + "0" * 5_000 + ', "m": -100000000000000000000}',
        r'{"s": "\ud800", "\udfff": 1}',
        '{"author": [], "publisher": 3, "datePublished": {}}',
        "[[[]]]",
        "null",
    ],
)
def test_strange_json_ld_is_written(text: str) -> None:
    """Whatever it holds, the result is JSON, and nothing raises."""
    assert json_ld(text)["author"] is None


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be too long is null, the rest is there."""
    monkeypatch.setattr(caps, "STRUCTURED", 30)
    data = found(ARTICLE)
    assert data["microdata"] is None and data["opengraph"] is None
    assert data["author"] == "Ann Author"
    monkeypatch.setattr(caps, "ALTERNATES", 1)
    assert len(found(ARTICLE)["hreflang"]) == 1
