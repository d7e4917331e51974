"""Extractors: named by an entry point, several at once, each result under its name."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

import crawler
from crawler.mock import MockWeb, running
from crawler.model.document import Document, RawResponse
from crawler.model.outcome import ParseFault
from crawler.workers.parsing import Parsing

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "crawler-prices"
PAGE = RawResponse(url="http://a.test/", status=200, content_type="text/html", body=b"<p>one two")


def words(response: crawler.Response) -> int:
    """An extractor; its result need not be a dict."""
    return len(response.text.split())


def broken(response: crawler.Response) -> None:
    """An extractor that fails."""
    raise ValueError(response.url)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions above, as if a distribution had them."""

    def points(*, group: str) -> list[EntryPoint]:
        named = {"words": "words", "size": "words [fast]", "broken": "broken"}
        return [
            EntryPoint(n, f"tests.workers.test_extractors:{f}", group) for n, f in named.items()
        ]

    monkeypatch.setattr(importlib.metadata, "entry_points", points)


def parsed(**options: Any) -> Document | ParseFault:
    """What is made of the page here."""
    parsing = Parsing(crawler.CrawlConfig(parse="inline", **options))
    return parsing._parse_here(PAGE)


def test_each_result_stands_under_its_name() -> None:
    """Whatever it is; a name that is given twice counts once."""
    found = parsed(extract=["words", "size", "words"])
    assert isinstance(found, Document)
    assert found.fields["extracted"] == {"words": 2, "size": 2}
    assert "parsed" not in found.fields


def test_a_failure_names_the_extractor() -> None:
    """The page fails with the reason, as with a parser of one's own."""
    found = parsed(extract=["words", "broken"])
    assert isinstance(found, ParseFault)
    assert found.reason.startswith("extract broken: ValueError: http://a.test/")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"extract": ["wrds"]}, "extract: no extractor 'wrds' is installed; did you mean words"),
        ({"extract": ["x"]}, "extract: no extractor 'x' is installed; installed: broken, metadata"),
        ({"extract": ["words"], "parse": "none"}, "extractors need parse other than none"),
    ],
)
def test_what_is_not_there_is_refused(options: dict[str, Any], said: str) -> None:
    """With what was probably meant, or what there is."""
    with pytest.raises(crawler.ConfigurationError, match=said):
        Parsing(crawler.CrawlConfig(**options))


@pytest.mark.slow
def test_the_example_distribution_works(tmp_path: Path) -> None:
    """Once it is built and installed, a crawl from the shell runs its extractors in processes."""
    sources, site = tmp_path / "sources", tmp_path / "site"
    shutil.copytree(EXAMPLE, sources)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=sources, capture_output=True, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    ZipFile(wheel).extractall(site)  # as installers do; there is not always pip
    words = ["crawl", "--extract", "prices", "--extract", "headings", "--allow-private", "-q"]
    with running(MockWeb(pages=2)) as web:
        done = subprocess.run(
            [sys.executable, "-m", "crawler", *words, "--parse", "process", web.url],
            env=os.environ | {"PYTHONPATH": str(site)},
            capture_output=True,
            check=True,
            timeout=300,
        )
    extracted = json.loads(done.stdout)["extracted"]
    assert set(extracted) == {"prices", "headings"}
    assert extracted["headings"]["count"] >= 1
