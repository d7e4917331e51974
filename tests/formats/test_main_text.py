"""Main text against annotators: the article-extraction benchmark, where its pages are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crawler.model.choices import TextEngine
from tests.bench.main_text import score

_PLACE = Path(__file__).parents[3] / "shared" / "conformance" / "article-extraction-benchmark"
PAGES = Path(os.environ.get("ARTICLE_BENCHMARK", _PLACE))


@pytest.mark.slow
@pytest.mark.skipif(not PAGES.is_dir(), reason=f"no pages in {PAGES.name} nor ARTICLE_BENCHMARK")
@pytest.mark.parametrize(("engine", "least"), [("fast", 0.87), ("best", 0.955)])
def test_the_text_is_what_people_marked(engine: TextEngine, least: float) -> None:
    """Mean F1 over the shingles of 181 pages, by the benchmark's own judge."""
    assert score(PAGES, engine).f1 >= least
