"""Content is found where pages are parsed: by every executor, in both engines, in partitions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.mock import MockWeb, running
from crawler.model.config import CrawlConfig
from crawler.model.document import Document, RawResponse
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Kind, ParseFault
from crawler.workers.hand_over import AsyncParsing, ThreadedParsing
from crawler.workers.parsing import Parsing

GOOD = b"<title>A page</title><nav>menu</nav><p>Only a few words</p><i id=x>7</i>"
WIDE = b"<p>x</p>" * 100_000
QUADRATIC = "far=xpath://p[count(following::p) < 0]"  # it takes time, and no memory


def response(body: bytes = GOOD) -> RawResponse:
    return RawResponse(url="http://a.test/", status=200, content_type="text/html", body=body)


def config(**options: Any) -> CrawlConfig:
    return CrawlConfig(parse_workers=1, **options)


@pytest.mark.slow
@pytest.mark.parametrize("parse", ["inline", "thread", "process"])
async def test_every_executor_finds_it(parse: str) -> None:
    """The options travel with the work, and the fields come back with the others."""
    options = {"text": True, "text_hash": True, "select": ("x=css:#x",)}
    async with AsyncParsing(config(parse=parse, **options)) as parsing:
        parsed = parsing.parse_nowait(response()) or await parsing.parse(response())
    assert isinstance(parsed, Document)
    assert parsed.fields["text"].split() == ["Only", "a", "few", "words", "7"]
    assert parsed.fields["selected"] == {"x": "7"} and len(parsed.fields["text_hash"]) == 64


@pytest.mark.slow
def test_an_expression_that_takes_too_long_costs_its_page_alone() -> None:
    """With `auto` processes parse every page, so that the quadratic one meets its deadline."""
    with ThreadedParsing(config(parse_timeout=8.0, select=(QUADRATIC,))) as parsing:
        wide, good = parsing.parse(response(WIDE)), parsing.parse(response())
        assert parsing.describe().startswith("auto: process (1 worker), as XPath can take long")
    assert isinstance(wide, ParseFault) and wide.kind is Kind.PARSE_TIMEOUT
    assert isinstance(good, Document) and good.fields["selected"] == {"far": None}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"text": True}, ""),
        ({"select": ("x=css:p",)}, ""),
        ({"select": ("x=xpath://p",)}, "as XPath can take long"),
        ({"text_engine": "best"}, ""),
        ({"text_hash": True, "text_engine": "best"}, "as trafilatura can take long"),
        ({"extract": ("metadata",)}, "for extractors"),
    ],
)
def test_auto_measures_what_cannot_hang(options: dict[str, Any], reason: str) -> None:
    """And leaves the rest to processes, with the reason."""
    assert Parsing(config(**options))._apart == reason


def test_the_metadata_extractor_needs_no_distribution() -> None:
    """It is there by its name, next to those that are installed."""
    parsed = Parsing(config(parse="inline", extract=["metadata"]))._parse_here(response())
    assert isinstance(parsed, Document)
    assert parsed.fields["extracted"]["metadata"]["author"] is None


@pytest.mark.parametrize("name", ["text", "markdown", "detect_language", "text_hash"])
def test_content_needs_a_parser(name: str) -> None:
    """Where nothing is parsed there is none."""
    with pytest.raises(ConfigurationError, match=f"{name} and parse: content needs"):
        CrawlConfig(parse="none", **{name: True})  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_an_outcome_has_its_text(engine: Any) -> None:
    """As an attribute; None if it was not asked for."""
    with running(MockWeb(pages=1)) as web:
        options: Any = {"engine": engine, "allow_private": True}
        asked = crawler.fetch_one(f"{web.url}/page/0", text=True, markdown=True, **options)
        plain = crawler.fetch_one(f"{web.url}/page/0", **options)
    assert isinstance(asked, crawler.Page) and isinstance(plain, crawler.Page)
    assert asked.text and asked.text == asked.record()["text"]
    assert asked.markdown == asked.record()["markdown"]
    assert plain.text is None and plain.markdown is None


@pytest.mark.slow
def test_partitions_find_it_too(tmp_path: Path) -> None:
    """A crawl of several processes has the fields in every record."""
    output = tmp_path / "out.jsonl"
    words = ["--text", "--select", "title=css:title", "--workers", "2", "--delay", "0"]
    with running(MockWeb(pages=4, hosts=2)) as web:
        seeds = [f"{web.url}/page/{number}" for number in range(4)]
        seeds += [seed.replace("127.0.0.1", "127.0.0.2") for seed in seeds]
        command = [sys.executable, "-m", "crawler", "crawl", "--allow-private", "-q", *words]
        subprocess.run([*command, "-o", str(output), *seeds], check=True, timeout=300)
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(records) == 8
    assert all(record["text"] and record["selected"]["title"] for record in records)
