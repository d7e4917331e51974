"""The second HTML library: chosen by an option, and run where nothing can hang with it."""

from __future__ import annotations

import sys

import pytest

from crawler.formats import html
from crawler.model.choices import Html
from crawler.model.config import CrawlConfig
from crawler.model.document import Document, RawResponse
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Kind, ParseFault
from crawler.workers.hand_over import AsyncParsing, ThreadedParsing

BOTH: tuple[Html, Html] = ("frostwork", "lexbor")
GOOD = b"<!doctype html><title>A page</title><a href=/x>x</a>"
BOMB = b"<a " + b"a%d " * 400_000 % (*range(400_000),) + b"href=x>"


def response(body: bytes) -> RawResponse:
    return RawResponse(url="http://a.test/", status=200, content_type="text/html", body=body)


def config(**options: object) -> CrawlConfig:
    return CrawlConfig(html="lexbor", parse_workers=1, **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_page_that_takes_lexbor_too_long_costs_itself_alone() -> None:
    """With `auto` processes parse every page, so that the bomb meets its deadline."""
    with ThreadedParsing(config(parse_timeout=1.0)) as parsing:
        bomb, good = parsing.parse(response(BOMB)), parsing.parse(response(GOOD))
        assert parsing.describe().startswith("auto: process (1 worker), as lexbor can take long")
    assert isinstance(bomb, ParseFault) and bomb.kind is Kind.PARSE_TIMEOUT
    assert isinstance(good, Document) and good.fields["title"] == "A page"


@pytest.mark.parametrize("parse", ["inline", "thread", "process"])
async def test_every_executor_runs_it(parse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever parses, it is lexbor that reads: `lang` behind other content is the standard's."""
    body = b"x<html <html lang=de>"
    async with AsyncParsing(config(parse=parse)) as parsing:
        parsed = parsing.parse_nowait(response(body)) or await parsing.parse(response(body))
    assert isinstance(parsed, Document) and parsed.fields["language"] == "de"


def test_frostwork_can_be_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it installed, lexbor reads all the same, and asking for it is an error in a line."""
    monkeypatch.setitem(sys.modules, "frostwork", None)
    monkeypatch.delitem(sys.modules, "crawler.formats.by_frostwork", raising=False)
    assert html.find(GOOD, "utf-8", library="lexbor").titles == ["A page"]
    monkeypatch.setattr(html, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="html: frostwork is not installed; pip install"):
        html.check("frostwork")
    with pytest.raises(ConfigurationError, match=r"lexbor is not installed; pip .*\[lexbor\]"):
        html.check("lexbor")


@pytest.mark.parametrize(
    "markup",
    [
        "<title>t &amp; u</title><p>one<script>no</script>two<style>no</style><a>l<b>m</b></a>",
        "<a rel='x NoFollow' href=1>a</a><a href=2><area rel=nofollow href=3><a rel=nofollow>b</a>",
        "<meta name=Crawler content='nofollow'><meta name=robots content=all><textarea>x",
        "<svg><a xlink:href=1 rel=nofollow>s</a></svg><noscript>n<a href=2>m</a></noscript>",
        "<meta http-equiv=refresh content='0;1'><noscript><meta http-equiv=Refresh content=5;2>",
        "<!-- c --><ul><li>a<li>b</ul>tail",
        "",
    ],
)
def test_what_following_needs_is_the_same(markup: str) -> None:
    """Both libraries find the same values, and the same texts in the same order."""
    one, other = (
        html.find(markup.encode(), "utf-8", token="crawler", library=name) for name in BOTH
    )
    assert tuple(map(list, one)) == tuple(map(list, other))
