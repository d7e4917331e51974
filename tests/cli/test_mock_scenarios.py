"""The scenarios in `config/` are webs that a crawl comes through."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.cli import main
from crawler.cli.mock.mock_web import settle
from crawler.mock import running
from crawler.mock.judge.truth import entries
from crawler.model.errors import ExitCode
from tests.unmannered import MANNERS_OFF, WORDS

LOCAL: dict[str, Any] = MANNERS_OFF | {"allow_private": True, "parse": "inline"}
SCENARIOS = sorted((Path(__file__).parents[2] / "config").glob("mock-*.toml"))


@pytest.mark.slow
@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_every_page_of_a_shipped_scenario_has_one_record(file: Path) -> None:
    """Slow, hostile or strict: each URL to find ends in one outcome, many of them pages."""
    with running(settle(str(file), {"port": 0, "pages": 60})) as web:
        urls = [entry.url for entry in entries(web.options) if entry.reachable]
        outcomes = list(crawler.run(urls, per_host=64, timeout=4.0, retries=0, **LOCAL))
    assert Counter(outcome.url for outcome in outcomes) == Counter(urls)
    assert sum(isinstance(outcome, crawler.Page) for outcome in outcomes) > len(urls) / 3


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_this_projects_crawl_has_a_perfect_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    """Listed by `urls`, crawled by `crawl`, compared by `score`: nothing lost, nothing wrong."""
    listed, records = tmp_path / "list.txt", str(tmp_path / "out.jsonl.zst")
    with running(settle(None, {"port": 0, "pages": 300, "hosts": 3, "seed": 5})) as web:
        assert main(["mock", "urls", "--web", web.url]) == ExitCode.FINISHED
        listed.write_text(capsys.readouterr().out)
        words = ["-i", str(listed), "-o", records, "--engine", engine, "--retries", "2"]
        words += ["--backoff", "0.01", "-q"]
        assert main(["crawl", *WORDS, *words]) == ExitCode.FINISHED
        assert main(["mock", "score", records, "--web", web.url]) == ExitCode.FINISHED
