"""How good and how dear the main text is, on the article-extraction benchmark's 181 pages.

    python -m tests.bench.main_text DIR [--engine fast|best]

DIR is a checkout of scrapinghub/article-extraction-benchmark; its own `evaluate.py` judges. The
pages are not part of this project. CPU time is that of `--text` alone: what the parser of a crawl
spends on a page with it, less what it spends without.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

from crawler.formats.page import page
from crawler.model.choices import TextEngine
from crawler.model.content_config import ContentConfig
from crawler.model.document import RawResponse


class Score(NamedTuple):
    """Agreement with the annotators, between 0 and 1, and the milliseconds of a page."""

    f1: float
    precision: float
    recall: float
    milliseconds: float

    def __str__(self) -> str:
        parts = f"precision {self.precision:.3f}, recall {self.recall:.3f}"
        return f"F1 {self.f1:.3f} ({parts}), {self.milliseconds:.2f} ms a page"


def responses(folder: Path) -> Mapping[str, RawResponse]:
    """The pages by their name in the benchmark."""
    return {
        path.name.partition(".")[0]: RawResponse(
            url="http://a.test/",
            status=200,
            content_type="text/html; charset=utf-8",
            body=gzip.decompress(path.read_bytes()),
        )
        for path in sorted((folder / "html").glob("*.html.gz"))
    }


def score(folder: Path, engine: TextEngine) -> Score:
    """What an engine reaches."""
    pages = responses(folder)
    asked = ContentConfig(text=True, text_engine=engine)
    plain = _seconds(pages, ContentConfig())[1]
    found, seconds = _seconds(pages, asked)
    truth = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
    judged = _judge(folder).evaluate(truth, found, 2)
    cost = (seconds - plain) / len(pages) * 1e3
    return Score(judged["f1"], judged["precision"], judged["recall"], cost)


def _seconds(
    pages: Mapping[str, RawResponse], asked: ContentConfig
) -> tuple[dict[str, dict[str, str]], float]:
    page(next(iter(pages.values())), asked=asked)  # imports what it needs
    started = time.process_time()
    found = {name: page(response, asked=asked).fields for name, response in pages.items()}
    seconds = time.process_time() - started
    return {name: {"articleBody": each.get("text") or ""} for name, each in found.items()}, seconds


def _judge(folder: Path) -> Any:
    spec = spec_from_file_location("evaluate", folder / "evaluate.py")
    assert spec is not None and spec.loader is not None
    judge = module_from_spec(spec)
    spec.loader.exec_module(judge)
    return judge


def main() -> None:
    """Print a line for each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=("fast", "best"), action="append")
    given = parser.parse_args()
    for engine in given.engine or ("fast", "best"):
        print(f"{engine}: {score(given.folder, engine)}", flush=True)


if __name__ == "__main__":
    main()
