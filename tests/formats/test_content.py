"""The content of pages: main text, Markdown, language, hash and selected fields."""

from __future__ import annotations

from typing import Any

import pytest

from crawler.formats import caps, content
from crawler.formats.page import page
from crawler.model.content_config import ContentConfig
from crawler.model.document import RawResponse
from crawler.model.errors import ConfigurationError

WORDS = "a sentence of a certain length, with commas, so that it counts as prose and not as a menu."
ARTICLE = f"""<!doctype html><html lang=en><title>T</title><base href=/b/><body>
<nav><a href=/>home</a></nav><article><h1>News</h1><p>The first is {WORDS}</p>
<p>The second has <a href=x?y=1>a link</a> and <code>x = 1</code>, and is {WORDS}</p>
<ul><li>one<li>two</ul><table><tr><th>k<th>v</tr><tr><td>1<td>2</tr></table>
<pre>def f():
    pass</pre><img src=data:image/png;base64,AAAA><p>The last is {WORDS}</p></article>
<footer>imprint</footer>"""
ALL: dict[str, Any] = {
    **dict.fromkeys(("text", "markdown", "detect_language", "text_hash"), True),
    "select": ("title=css:title",),
}
FIELDS = ("text", "markdown", "text_language", "text_hash", "selected")
DEEP = 100_000
HOSTILE = {
    "empty": "",
    "nothing but tags": "<div><p></p></div>",
    "deep": "<div>" * DEEP,
    "deep inline": "<b>" * DEEP + "</i>" * 1_000,
    "deep prose": f"<blockquote><p>{WORDS} " * 2_000,
    "a tag without an end": "<a " + "x=1 " * 10_000,
    "no characters": "\0\0\0",
    "no markup": "x" * 100_000,
    "selects": "<select><option>" * 10_000,
    "templates": "<template>" * 10_000,
}


def response(
    body: str | bytes, content_type: str = "text/html; charset=utf-8", url: str = "http://a.test/"
) -> RawResponse:
    data = body.encode() if isinstance(body, str) else body
    return RawResponse(url=url, status=200, content_type=content_type, body=data)


def found(body: str | bytes, content_type: str = "text/html; charset=utf-8", **options: Any) -> Any:
    """The record's fields of the page."""
    return page(response(body, content_type), asked=ContentConfig(**options)).fields


def selected(body: str, *selectors: str) -> dict[str, Any]:
    """What the selectors find."""
    return found(body, select=selectors)["selected"]  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["fast", "best"])
def test_the_main_text_is_what_a_visitor_came_for(engine: str) -> None:
    """It holds the article and neither navigation nor footer, with either engine."""
    text = found(ARTICLE, text=True, text_engine=engine)["text"]
    assert all(part in text for part in ("The first is", "a link", "one", "def f():", "The last"))
    assert "home" not in text and "imprint" not in text


@pytest.mark.parametrize("engine", ["fast", "best"])
def test_markdown_keeps_the_structure(engine: str) -> None:
    """Headings, lists, tables, code and links, these absolute by the page's base."""
    markdown = found(ARTICLE, markdown=True, text_engine=engine)["markdown"]
    parts = ("# News", "[a link](http://a.test/b/x?y=1)", "`x = 1`", "- one\n- two", "| 1 | 2 |")
    assert all(part in markdown for part in parts)
    assert "```\ndef f():\n    pass\n```" in markdown
    assert "base64" not in markdown


def test_only_what_is_asked_for_is_there() -> None:
    """Without an option the record is as it was; each option adds its field."""
    plain = found(ARTICLE)
    assert not set(FIELDS) & set(plain)
    for option, name in zip(ALL, FIELDS, strict=True):
        assert set(found(ARTICLE, **{option: ALL[option]})) - set(plain) == {name}


def test_a_page_without_an_article_gives_its_body() -> None:
    """Not null, but what is left without navigation and the like."""
    body = "<nav>menu</nav><div>Only <b>a few</b> words</div><script>no()</script>"
    assert found(body, text=True)["text"] == "Only a few words"


@pytest.mark.parametrize("deep", [False, True])
def test_a_page_that_is_nested_too_deep_gives_its_body(
    monkeypatch: pytest.MonkeyPatch, deep: bool
) -> None:
    """Looking for the best part takes the square of the depth; the text of the body does not."""
    monkeypatch.setattr(caps, "SHALLOW", 0)
    around = "<i>" * (caps.DEPTH - 2 + deep)  # html and body are the first two
    body = f"<p>Lead</p><div><p>The first is {WORDS}</p><p>The last is {WORDS}</p></div>{around}"
    assert ("Lead" in found(body, text=True)["text"]) is deep


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (WORDS, "en"),
        ("Dies ist ein deutscher Satz, der lang genug ist, damit man seine Sprache erkennt.", "de"),
        ("これは日本語の文章です。言語がわかります。", "ja"),
        ("12 34", None),
    ],
)
def test_the_language_is_that_of_the_text(text: str, language: str | None) -> None:
    """Whatever `lang` says; by its short code, null where there is nothing to go by."""
    fields = found(f"<html lang=fr><p>{text}</p>", detect_language=True)
    assert fields["text_language"] == language


def test_the_hash_is_that_of_the_words() -> None:
    """Layout and what surrounds the text do not change it; a word does."""
    one, other, changed = (
        found(body, text_hash=True)["text_hash"]
        for body in (
            ARTICLE,
            ARTICLE.replace("first is", "first\n  is").replace("imprint", "another"),
            ARTICLE.replace("first is", "first was"),
        )
    )
    assert len(one) == 64 and one == other != changed


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("engine", ["fast", "best"])
def test_no_page_is_too_strange(body: str, engine: str) -> None:
    """Each field is there, null if there is nothing, and none raises."""
    fields = found(body, **ALL, text_engine=engine)
    assert set(FIELDS) <= set(fields)


@pytest.mark.parametrize("kind", ["application/pdf", "text/plain", "image/png"])
def test_what_is_no_page_has_null(kind: str) -> None:
    """As its other fields."""
    fields = found("%PDF-1.4 " + WORDS, kind, **ALL)
    assert [fields[name] for name in FIELDS] == [None] * len(FIELDS)


def test_a_broken_charset_breaks_nothing() -> None:
    """Bytes that cannot be decoded become U+FFFD."""
    fields = found(
        b"<p>\xff\xfe\xfa broken, \xc3( and so on, for a while, " + WORDS.encode(), text=True
    )
    assert "\ufffd" in fields["text"] and WORDS in fields["text"]


def test_the_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may be endless, a record may not; the hash is that of the whole text."""
    monkeypatch.setattr(content.caps, "TEXT", 20)
    options = {"text": True, "markdown": True, "text_hash": True}
    one, other = (found(f"<p>{WORDS} {end}</p>", **options) for end in ("one", "other"))
    assert len(one["text"]) == len(one["markdown"]) == 20 and one["text"][-1] == "…"
    assert one["text"] == other["text"] and one["text_hash"] != other["text_hash"]


@pytest.mark.parametrize("engine", ["fast", "best"])
def test_a_long_base_does_not_multiply(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links stay as they are written where resolving them would make the page too long."""
    monkeypatch.setattr(content.caps, "RESOLVED", 100)
    markdown = found(ARTICLE, markdown=True, text_engine=engine)["markdown"]
    assert "[a link](x?y=1)" in markdown


SHOP = (
    "<div class=item data-sku=7><b class=price>12 <i>EUR</i></b></div>"
    "<div class=item data-sku=8><b class=price>\n 13 </b><a href=/x>more</a></div>"
)


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        ("css:.price::text", ["12 EUR", "13"]),
        ("css:.price", ["12 EUR", "13"]),
        ("css:a::attr(href)", "/x"),
        ("css:a::html", '<a href="/x">more</a>'),
        ("css:.item[data-sku='8'] .price, .none", "13"),
        ("css:a::attr(title)", None),
        ("css:h1", None),
        ("xpath://@data-sku", ["7", "8"]),
        ("xpath://a/text()", "more"),
        ("xpath://a", "more"),
        ("xpath:count(//a)", 1),
        ("xpath:count(//a) div 2", 0.5),
        ("xpath:0 div 0", None),
        ("xpath://a = 'more'", True),
    ],
)
def test_a_field_is_null_a_value_or_a_list(selector: str, value: object) -> None:
    """As often as its selector matches: never, once, or several times."""
    assert selected(SHOP, f"it={selector}") == {"it": value}


def test_fields_are_in_the_order_of_the_selectors() -> None:
    """Each has its name; the text, which changes the tree, is found after them."""
    fields = found(SHOP, select=("b-2=css:a", "a=css:nav a"), text=True, markdown=True)
    assert list(fields["selected"]) == ["b-2", "a"]


def test_the_values_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of nested elements grows with the square of their depth."""
    monkeypatch.setattr(content.caps, "SELECTED", 1_000)
    values = selected("<div>" * 500 + "x" * 100, "nested=css:div")["nested"]
    assert len(values) == 10
    monkeypatch.setattr(content.caps, "VALUES", 5)
    assert len(selected("<p>x" * 500, "many=css:p")["many"]) == 5


@pytest.mark.parametrize(
    ("selectors", "said"),
    [
        (["price"], "select: expected NAME=css:SELECTOR or NAME=xpath:EXPRESSION, got 'price'"),
        (["a.b=css:p"], "select: expected NAME=css:SELECTOR"),
        (["a=css:"], "select: expected NAME=css:SELECTOR"),
        (["a=css:p", "a=css:b"], "select: a is there twice"),
        (["a=css:p >"], "select a: invalid CSS selector"),
        (["a=css:p::first"], "select a: invalid CSS selector"),
        (["a=xpath://p["], "select a: expected a node test"),
        (["a=xpath:nope()"], "select a: xpath: unknown function"),
    ],
)
def test_a_wrong_selector_is_named(selectors: list[str], said: str) -> None:
    """Before any page is fetched."""
    with pytest.raises(ConfigurationError) as raised:
        content.check(ContentConfig(select=selectors))
    assert str(raised.value).startswith(said)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it, and only if its engine is asked for."""
    monkeypatch.setattr(content, "find_spec", lambda _name: None)
    content.check(ContentConfig(text=True))
    with pytest.raises(ConfigurationError, match=r"trafilatura is not installed; pip .*trafila"):
        content.check(ContentConfig(markdown=True, text_engine="best"))
