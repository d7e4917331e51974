"""How good the main text is on the test pages of two projects that find it.

    python -m tests.bench.marked_text DIR [--engine fast|best]

DIR is a checkout of mozilla/readability, whose pages have the text that it is to find, or of
adbar/trafilatura, whose pages have segments that the text is to have and others that it is not to
have. Neither is part of this project. Of the former F1 is the mean over the pages, by runs of four
words (as in the article-extraction benchmark); of the latter it is that of all segments.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import lxml.html

from crawler.formats.page import page
from crawler.model.choices import TextEngine
from crawler.model.content_config import ContentConfig
from crawler.model.document import RawResponse

_WORD = re.compile(r"\w+")
_RUN = 4  # words


def text_of(path: Path, engine: TextEngine) -> str:
    """Return the main text of a page."""
    response = RawResponse(
        url="http://a.test/", status=200, content_type="text/html", body=path.read_bytes()
    )
    return page(response, asked=ContentConfig(text=True, text_engine=engine)).fields["text"] or ""


def harmonic(hits: int, found: int, wanted: int) -> float:
    """Return F1."""
    return 2 * hits / (found + wanted) if found + wanted else 1.0


def runs(text: str) -> Counter[tuple[str, ...]]:
    """Return the runs of words of a text; a shorter text is one."""
    words = _WORD.findall(text)
    ends = range(max(1, len(words) - _RUN + 1))
    return Counter(tuple(words[at : at + _RUN]) for at in ends if words)


def of_readability(folder: Path, engine: TextEngine) -> Iterator[float]:
    """Yield F1 of each page."""
    for place in sorted((folder / "test" / "test-pages").iterdir()):
        tree = lxml.html.fromstring((place / "expected.html").read_text(encoding="utf-8"))
        wanted = runs(" ".join(tree.itertext()))
        found = runs(text_of(place / "source.html", engine))
        yield harmonic((wanted & found).total(), found.total(), wanted.total())


def of_trafilatura(folder: Path, engine: TextEngine) -> tuple[float, int]:
    """Return F1 over the segments, and the number of pages."""
    marked = json.loads((folder / "tests" / "evaldata.json").read_text(encoding="utf-8"))
    hits = wrong = wanted = pages = 0
    for each in marked.values():
        places = (folder / "tests" / name / each["file"] for name in ("cache", "eval"))
        path = next(filter(Path.is_file, places), None)
        if path is None:
            continue
        text = _plain(text_of(path, engine))
        hits += sum(_plain(segment) in text for segment in each["with"])
        wrong += sum(_plain(segment) in text for segment in each["without"])
        wanted += len(each["with"])
        pages += 1
    return harmonic(hits, hits + wrong, wanted), pages


def _plain(text: str) -> str:
    return " ".join(text.split())


def line(folder: Path, engine: TextEngine) -> str:
    """Return what an engine reaches on the pages of a folder."""
    if (folder / "test" / "test-pages").is_dir():
        scores = list(of_readability(folder, engine))
        return f"{engine}: F1 {mean(scores):.3f} on {len(scores)} pages of readability"
    score, pages = of_trafilatura(folder, engine)
    return f"{engine}: F1 {score:.3f} on {pages} pages of trafilatura"


def main() -> None:
    """Print a line for each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=("fast", "best"), action="append")
    given = parser.parse_args()
    for engine in given.engine or ("fast", "best"):
        print(line(given.folder, engine), flush=True)


if __name__ == "__main__":
    main()
