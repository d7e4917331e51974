"""From a response to its record fields."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.formats.found import tamed
from crawler.formats.page import page
from crawler.formats.sniff import is_html
from crawler.model.choices import Html
from crawler.model.document import Document, RawResponse
from tests.formats.agreement import reference

URL = "http://example.test/a/b.html"
KEYS = [
    *("charset", "title", "description", "canonical"),
    *("language", "robots", "refresh", "links", "body_hash"),
]
HTML_TAGS = re.findall(
    r"\w+",
    """a area div p span b table tr td th tbody caption option textarea title script style noscript
    iframe ul li h1 form button head body html meta link base noframes xmp noembed object img br
    hr pre desc input col colgroup dl dd optgroup ruby rt nobr font em center""",
)
SCRAPS = [
    *("x", " ", "\n", "\x00", "é", "<!--c-->", "<!-->", "<!--", "-->", "--!>", "<![CDATA[", "]]>"),
    *("<?x>", "</", "<", "<1", "</>", "&amp;", "<!doctype html>", '<p x="', '">', "'", "/>"),
    *("<a href='&amp;&lt&notin;&copy=1'>", "<a href=x.html><a href=y>"),
]


LIBRARIES: list[Html] = ["frostwork", "lexbor"]
_LIBRARY: list[Html] = []


@pytest.fixture(scope="module", autouse=True, params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Iterator[Html]:
    """Each HTML library in turn: what is found does not depend on it."""
    _LIBRARY.append(request.param)
    yield request.param
    _LIBRARY.pop()


def response(body: bytes | str, content_type: str = "text/html; charset=utf-8") -> RawResponse:
    """A response of the test's page."""
    data = body.encode() if isinstance(body, str) else body
    return RawResponse(url=URL, status=200, content_type=content_type, body=data)


def fields(body: bytes | str, content_type: str = "text/html; charset=utf-8") -> dict[str, Any]:
    """The record fields of a body."""
    return page(response(body, content_type), library=_LIBRARY[-1]).fields


def test_a_whole_page() -> None:
    """Every field of an ordinary page is found, as the schema names it, in the schema's order."""
    found = fields(
        """<!doctype html><html lang=" de-AT "><head><title>
        A &amp;\tB </title><meta name=Description content=" about\n it ">
        <meta name=ROBOTS content="NoIndex, nofollow,">
        <meta name=robots content="Noarchive,NOINDEX">
        <link rel="alternate Canonical" href="../c#top"><base href="/q/"><base href="/r/"></head>
        <a href="x.html#1">x</a><a href="x.html#2">x</a><map><area href="//e.org"></map>
        <noscript><a href=n></a></noscript><a href="mailto:a@b.c">m</a><a name=x>""",
    )
    assert list(found) == KEYS
    assert found == {
        "charset": "utf-8",
        "title": "A & B",
        "description": "about it",
        "canonical": "http://example.test/c",
        "language": "de-AT",
        "robots": ["noindex", "nofollow", "noarchive"],
        "refresh": None,
        "links": [
            *("http://example.test/c", "http://example.test/q/x.html"),
            *("http://e.org/", "http://example.test/q/n"),
        ],
        "body_hash": found["body_hash"],
    }


def test_an_empty_page_has_every_key() -> None:
    """Absent fields are null or empty, never missing."""
    found = fields("")
    assert list(found) == KEYS
    assert found | {"body_hash": ""} == {
        **dict.fromkeys(KEYS),
        "charset": "utf-8",
        "robots": [],
        "links": [],
        "body_hash": "",
    }


def test_what_is_no_html_is_only_hashed() -> None:
    """A PDF has a hash of its decoded bytes (FIPS 180-4's example), and nothing else."""
    found = fields(b"abc", "application/pdf")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    nothing = dict.fromkeys(KEYS)
    assert found == {**nothing, "robots": [], "links": [], "body_hash": digest}


def test_a_type_that_cannot_be_parsed_is_none() -> None:
    """Without its semicolon a Content-Type says nothing, and the page shows (node-crawler#193)."""
    found = fields("<!DOCTYPE html><title>x</title><a href=/a>a</a>", "text/html charset=utf-8")
    assert (found["title"], len(found["links"])) == ("x", 1)


def test_charset_in_a_quoted_parameter_is_no_charset() -> None:
    """Parameters are parsed, quotes and all (RFC 9110, 5.6.6)."""
    told = 'text/html; note="a;charset=utf-8"; charset=iso-8859-2'
    found = fields("<title>\u0141</title>".encode("iso-8859-2"), told)
    assert (found["title"], found["charset"]) == ("\u0141", "iso-8859-2")


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/html", b"", True),
        ("TEXT/HTML ;charset=x", b"\x89PNG", True),
        ("application/xhtml+xml", b"", True),
        ("text/plain", b"<html>", False),
        ("image/png", b"<html>", False),
        ("", b"", False),
        ("", b"\n <!DOCTYPE HTML>", True),
        ("", b"<p>", True),
        ("", b"<pre>", False),
        ("", b"<!-- x", True),
        ("", b"%PDF-1.4 <html>", False),
        ("application/octet-stream", b"<html lang=x>", True),
        ("", "\ufeff<html>".encode("utf-16-le"), True),
        ("", b"\xef\xbb\xbf<html>", True),
        ("", b'{"a": "<html>"}', False),
    ],
)
def test_is_html(content_type: str, body: bytes, expected: bool) -> None:
    """The header decides, and the first bytes only where it says nothing."""
    assert is_html(content_type, body) is expected


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ("/q/", "http://example.test/q/x"),
        ("c/d", "http://example.test/a/c/x"),
        ("https://e.org", "https://e.org/x"),
        ("javascript:1", "http://example.test/a/x"),
        ("http://", "http://example.test/a/x"),
        ("", "http://example.test/a/x"),
    ],
)
def test_base(base: str, link: str) -> None:
    """The first `<base href>` counts where it is http(s), even behind the link."""
    assert fields(f"<a href=x></a><base href='{base}'><base href=/no/>")["links"] == [link]


@pytest.mark.parametrize(
    ("markup", "title"),
    [
        ("<title>one</title><title>two</title>", "one"),
        ("<title> \n\t </title>", None),
        ("<title>a\xa0\xa0b</title>", "a\xa0\xa0b"),
        ("<title><b>x</b></title>", "<b>x</b>"),
        ("<body><p><title>late</title>", "late"),
        ("<svg><title>icon</title></svg>", None),
        ("<body><svg><title>icon</title></svg><title>page</title>", "page"),
        ("<body><svg><title>t</title></svg><title>t</title>", "t"),
        ("<template><title>t</title></template>", None),
        ("<title>never closed", "never closed"),
    ],
)
def test_title(markup: str, title: str | None) -> None:
    """The title is the document's, its ASCII whitespace collapsed; an icon's is no page's."""
    assert fields(markup)["title"] == title


@pytest.mark.parametrize(
    ("markup", "language"),
    [
        ("Warning: x\n<!DOCTYPE html><html lang=de><title>t</title>", "de"),
        ("<!-- c --><HTML LANG=de>", "de"),
        ("<p>x</p><br><html class=a lang='de'>", "de"),
        ("<html><body><html lang=de>", "de"),
        ("<html lang=en><body>x<html lang=de>", "en"),
        ("<html lang=''><body>x<html lang=de>", None),
        ("x<html><html lang=de><html lang=en>", "de"),
        ("<table><html lang=de>", "de"),
        (
            "x<!--<html lang=de>--><script>'<html lang=fr>'</script><title><html lang=it></title>",
            None,
        ),
        ("<template><html lang=de></template><svg><html lang=fr></svg>", None),
        ("<body lang=de><p lang=fr>x", None),
        ("x<html xml:lang=de>", None),
        ("<html data-lang=de>x", None),
    ],
)
def test_language(markup: str, language: str | None) -> None:
    """`lang` of the first `<html>` that has one, wherever it stands (WHATWG HTML, 13.2.6.4.7)."""
    for encoding in ("utf-8", "utf-16le"):
        body = markup.encode("utf-16-le" if encoding == "utf-16le" else encoding)
        assert fields(body, f"text/html; charset={encoding}")["language"] == language


@pytest.mark.parametrize(
    ("markup", "field", "values"),
    [
        ("x<html <html lang=de>", "language", (None, "de")),
        ("<template><meta name=description content=x></template>", "description", ("x", None)),
        ("<a href=1><frameset><frame src=2></frameset>", "links", (["1", "2"], ["2"])),
    ],
)
def test_what_the_libraries_differ_in(
    library: Html, markup: str, field: str, values: tuple[Any, Any]
) -> None:
    """Where frostwork, which builds no tree, cannot know what the standard's tree has."""
    found = fields(markup)[field]
    if field == "links":
        found = [link.rpartition("/")[2] for link in found]
    assert found == values[LIBRARIES.index(library)]


@pytest.mark.parametrize(
    ("markup", "paths"),
    [
        ("<template><a href=1></a></template><a href=2>", "2"),
        ("<template><a href=1></a><template><a href=2></template></template><a href=1>", "1"),
        ("<template><link href=1></template><a href=1>", "1"),
        ("<template></template><a href=1>", "1"),
        ("<svg><a href=1></a><a xlink:href=2></a></svg><a xlink:href=3>", "1 2"),
        ("<frameset><frame src=1><frameset><frame src=2></frameset></frameset>", "1 2"),
        (
            "<a href=1><iframe src=2></iframe><embed src=3><object data=4></object><a href=5>",
            "1 2 3 4 5",
        ),
        ("<embed src=1 type=Image/png><object data=2 type=video/mp4></object>", ""),
        ("<embed src=1 type=text/html><object data=2 type=application/pdf></object>", "1 2"),
        ("<template><iframe src=1></iframe><object data=2></object></template><iframe src=2>", "2"),
        ("<iframe src=javascript:1></iframe><iframe src=about:blank></iframe><iframe>", ""),
        ("<a href=1><link rel=next href=2><link rel='PREV x' href=3>", "2 3 1"),
        (
            "<link rel=alternate hreflang=de href=1><link rel=alternate type=text/html href=2>",
            "1 2",
        ),
        ("<link rel=alternate type=application/rss+xml href=1><link rel=next>", ""),
        ("<link rel='alternate stylesheet' href=1><link rel=icon href=2><link href=3>", ""),
        ("<form action=1><input formaction=2></form><img src=3 longdesc=4><video src=5>", ""),
        ("<select><a href=1></select>", "1"),
        ("<head><noscript><a href=1></noscript>", "1"),
        ("<script>'<a href=1>'</script><style><a href=2></style><a href=3>", "3"),
        ("<script><!--<script></script><a href=1>--></script><a href=2>", "2"),
        ("<textarea><a href=1></textarea><iframe><a href=2></iframe><a href=3>", "3"),
        ("<!-- --!><a href=1><!--><a href=2>", "1 2"),
        ("<table><a href=1><tr><a href=2>", "1 2"),
        ("<a href=1 HREF=2><A HREF = 3>", "1 3"),
        ("<a href=1", ""),
        ("<a href='1", ""),
    ],
)
def test_which_links_a_document_has(markup: str, paths: str) -> None:
    """Links are those of the document that a parser without scripting would build."""
    found = fields(markup)["links"]
    assert found == [f"http://example.test/a/{path}" for path in paths.split()]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("shift_jis", "日本㈱①"),
        ("euc-jp", "日本語"),
        ("iso-2022-jp", "日本語"),
        ("gb18030", "汉字𠀀"),
        ("big5", "漢字"),
        ("euc-kr", "한국어"),
        ("windows-1252", "naïve €"),
        ("koi8-r", "привет"),
        ("utf-16", "naïve 日本𠀀"),
    ],
)
def test_titles_and_links_in_other_encodings(encoding: str, text: str) -> None:
    """A page in each family of encodings gives its title, and its links in UTF-8."""
    python = {"shift_jis": "cp932"}.get(encoding, encoding)
    body = f"<title>{text}</title><a href='x?#{text}'><a href='/{text}'>".encode(python)
    found = fields(body, f"text/html; charset={encoding}")
    same = fields(f"<title>{text}</title><a href='x?#{text}'><a href='/{text}'>")
    assert (found["title"], found["links"]) == (text, same["links"])


@pytest.mark.parametrize("charset", ["utf-8", "windows-1252", "shift_jis", "utf-16le"])
def test_nul_becomes_a_replacement_character(charset: str) -> None:
    """NUL in names and values is U+FFFD, as the standard's tokeniser has it."""
    markup = "<title>a\0b</title><a href='x\0y'>"
    body = markup.encode("utf-16-le" if charset == "utf-16le" else "ascii")
    found = fields(body, f"text/html; charset={charset}")
    assert (found["title"], found["links"]) == (
        "a\ufffdb",
        ["http://example.test/a/x%EF%BF%BDy"],
    )


def _piece(draw: st.DrawFn) -> str:
    tag = draw(st.sampled_from(HTML_TAGS))
    target = f"L{draw(st.integers(0, 99))}"
    forms = [f"<{tag}>", f"</{tag}>", f"<a href={target}>", f"<iframe src={target}>"]
    forms += [f"<link rel=next href={target}>", f"<embed src={target}>", f"<object data={target}>"]
    return draw(st.sampled_from([*forms, draw(st.sampled_from(SCRAPS))]))


@st.composite
def heaps(draw: st.DrawFn) -> str:
    """Tags and scraps of markup in no order, nothing closed but by chance."""
    return "".join(_piece(draw) for _ in range(draw(st.integers(1, 9))))


@pytest.mark.slow
@settings(max_examples=100)
@given(heaps())
def test_malformed_html_has_the_links_of_the_standards_tree(markup: str) -> None:
    """For any heap of HTML tags the links are those in html5lib's tree."""
    # html5lib keeps a NUL in text that the standard drops, and both make U+FFFD of one in a value.
    links, _ = reference(markup.replace("\0", "\ufffd"), URL)
    assert set(fields(markup)["links"]) == set(links)


@pytest.mark.slow
@given(
    st.one_of(st.binary(max_size=200), heaps().map(str.encode)),
    st.sampled_from(["", "text/html", "text/html; charset=big5", "text/html; charset=utf-16be"]),
)
def test_never_raises(body: bytes, content_type: str) -> None:
    """Any bytes give every key, and JSON in valid UTF-8."""
    document = page(response(body, content_type), library=_LIBRARY[-1])
    assert list(document.fields) == KEYS
    document.json.decode("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "links"),
    [
        (b"".join(b'<p><a href="/x/%d">x</a>' % n for n in range(20_000)), 10_000),
        (b"<div>" * 300_000 + b"<a href=x>", 1),
        (b"<svg>" * 300_000 + b"<a href=x>", 1),
        (b"<a href=x><div>" * 100_000, 1),
        (b"<table><tr><td>" * 50_000 + b"<a href=x>", 1),
        (b"<template><a href=x>" * 5_000, 0),
        (b'<a href="' + b"x" * 5_000_000 + b'"><a href=x>', 1),
        (b"<a href=x>" + b"\0" * 300_000, 1),
        (b"<a href=x>" + b"<" * 300_000, 1),
        (b"<a href=x>" + b"<!--" * 100_000, 1),
        (b"<a href=x><title>" + b"&amp;" * 100_000, 1),
        (b"<a href=x>" + b"<b>" * 50_000 + b"</i>" * 50_000, 1),
        (b"<a href=x>" + b"<frameset>" * 50_000, 1),
        (b"<a href=x>" + b"<html " * 100_000 + b"lang", 1),
        (b"<a href=x>" + b"<link rel=next href=y><iframe src=z>" * 20_000, 3),
    ],
)
def test_hostile_pages(body: bytes, links: int) -> None:
    """Depth, breadth and size break nothing, and the links are still found, up to the caps."""
    assert len(fields(body)["links"]) == links


def test_a_tag_with_very_many_attributes(library: Html) -> None:
    """Frostwork reads it; lexbor takes long, and only processes parse for it (`test_lexbor`)."""
    many = 200_000 if library == "frostwork" else 2_000
    body = b"<a " + b"".join(b"a%d " % number for number in range(many)) + b"href=x>"
    assert len(fields(body)["links"]) == 1


def test_taming_leaves_no_tag_that_could_stay_open() -> None:
    """In a page of very many tags those that matter stay, and all others become void elements."""
    body = b"<B x='1'></b\n><svg/><A href='1'></A><abbr><x-title><title>t</title><td>" * 10_000
    tame = b"<br x='1'><br\n><br/><A href='1'></A><br><br><title>t</title><br>" * 10_000
    assert tamed(body) == tame


def test_taming_waits_for_very_many_tags() -> None:
    """An ordinary page is scanned as it came."""
    body = b"<p><b>x</b>" * 10_000
    assert tamed(body) is body


def test_page_can_be_handed_to_any_executor() -> None:
    """The function, its argument and its result survive pickling."""
    function, argument = pickle.loads(pickle.dumps((page, response("<title>x"))))
    document = pickle.loads(pickle.dumps(function(argument)))
    assert isinstance(document, Document)
    assert document.fields["title"] == "x"
