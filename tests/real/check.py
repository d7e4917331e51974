"""Crawl every real page with every engine and executor, and find no difference.

What is proved, for both engines, the raw client and each executor:

- every URL of the list has exactly one record, and the page was fetched and parsed;
- the records equal those of the first run in everything that no clock measures;
- the links of every record equal those that an independent parser finds in the file that nginx
  served. Without a parser (`--parse none`) only the fetch is compared.

Then the same site is crawled from its front page by following links: see `tests.real.follow`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.real import independent
from tests.real.command import DRIVERS, CrawlCommand, CrawlFailed
from tests.real.debian import Unavailable
from tests.real.follow import HEADER, Followed, follow
from tests.real.records import (
    BrokenOutput,
    Record,
    differences,
    fetched_differences,
    link_differences,
    load,
)
from tests.real.site import DocPage, Site, nginx, pages
from tests.real.table import columns

_SAMPLE = 20  # html5lib checks the independent parser on every 20th page
_SECONDS = 120.0  # no run takes a tenth of this
_SHOWN = 5  # differences printed for one run


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One finished crawl: its name, seconds, records by URL, and what was wrong with it."""

    engine: str
    parse: str
    seconds: float
    records: Mapping[str, Record]
    wrong: tuple[str, ...] = ()

    def row(self) -> tuple[str, ...]:
        """The run as a line of the table."""
        links = sum(len(record.get("links") or ()) for record in self.records.values())
        verdict = f"WRONG ({len(self.wrong)})" if self.wrong else "equal"
        numbers = (str(len(self.records)), str(links), f"{self.seconds:.2f}")
        return (self.engine, self.parse, *numbers, verdict)


def executors() -> tuple[str, ...]:
    """All values of `--parse` that this Python offers, the one to compare with first."""
    new = ("interpreter",) if sys.version_info >= (3, 14) else ()
    return ("inline", "thread", "process", *new, "auto", "none")


def main() -> int:
    """Run everything; print the table and the differences; 0 when there is none."""
    try:
        with nginx() as site, tempfile.TemporaryDirectory(prefix="crawler-real-") as name:
            listed = _report(list(_check(site, Path(name))))
            print()
            return max(listed, _report_followed(list(follow(site, Path(name)))))
    except Unavailable as error:
        print(f"make real: {error}", file=sys.stderr)
        return 1


def _check(site: Site, directory: Path) -> Iterator[Run]:
    """Crawl with each engine and executor; yield each run with what is wrong in it."""
    by_url = {site.url(page.path): page for page in pages()}
    right = independent_links(by_url)
    urls = directory / "list.txt"
    urls.write_text("".join(f"{url}\n" for url in by_url))
    first: Mapping[str, Record] = {}
    for engine in DRIVERS:
        for parse in executors():
            run = _crawl(urls, directory, engine, parse, list(by_url))
            first = first or run.records
            yield _judged(run, first, right)


def independent_links(by_url: Mapping[str, DocPage]) -> dict[str, list[str]]:
    """The links of each page by the independent parser, itself checked on a sample."""
    bodies = {url: page.file().read_bytes() for url, page in by_url.items()}
    right = {url: independent.links(body, url) for url, body in bodies.items()}
    for url in list(right)[::_SAMPLE]:
        if independent.reference_links(bodies[url], url) != right[url]:
            raise AssertionError(f"turbohtml and html5lib disagree on the links of {url}")
    return right


def _crawl(urls: Path, directory: Path, engine: str, parse: str, expected: list[str]) -> Run:
    """One crawl by the command line; a failure becomes a run with what was wrong."""
    output = directory / f"{engine}-{parse}.jsonl"
    command = CrawlCommand(urls=urls, output=output, engine=engine, parse=parse)
    started = time.perf_counter()
    wrong: tuple[str, ...] = ()
    records: Mapping[str, Record] = {}
    try:
        command.run(_SECONDS)
        records = load(output, expected)
    except (BrokenOutput, CrawlFailed) as error:
        wrong = (str(error),)
    seconds = time.perf_counter() - started
    return Run(engine=engine, parse=parse, seconds=seconds, records=records, wrong=wrong)


def _judged(run: Run, first: Mapping[str, Record], right: Mapping[str, list[str]]) -> Run:
    """The run with every difference to the first run and to the right links."""
    if run.wrong:
        return run
    wrong = tuple(
        f"{url}: {difference}"
        for url, record in run.records.items()
        for difference in _record_is_wrong(run.parse, record, first[url], right[url])
    )
    return Run(
        engine=run.engine, parse=run.parse, seconds=run.seconds, records=run.records, wrong=wrong
    )


def _record_is_wrong(parse: str, record: Record, first: Record, right: list[str]) -> Iterator[str]:
    """All that is wrong with one record."""
    if record.get("status") != 200:
        yield f"status {record.get('status')}, {record.get('outcome')}, {record.get('reason')}"
    if parse == "none":
        yield from fetched_differences(first, record)
        return
    yield from differences(first, record)
    yield from link_differences(list(record.get("links") or ()), right)


def _report(runs: list[Run]) -> int:
    """Print the table and what was wrong; the exit code."""
    header = ("engine", "parse", "records", "links", "seconds", "verdict")
    print(columns(header, [run.row() for run in runs]))
    return _complain({f"{run.engine} {run.parse}": run.wrong for run in runs})


def _report_followed(runs: list[Followed]) -> int:
    """The same for crawls that followed links."""
    print(columns(HEADER, [run.row() for run in runs]))
    return _complain({run.name: run.wrong for run in runs})


def _complain(wrong: Mapping[str, tuple[str, ...]]) -> int:
    """Print the first of all that was wrong with each run; the exit code."""
    for name, lines in wrong.items():
        for line in lines[:_SHOWN]:
            print(f"{name}: {line}", file=sys.stderr)
        if len(lines) > _SHOWN:
            print(f"... and {len(lines) - _SHOWN} more", file=sys.stderr)
    return 1 if any(wrong.values()) else 0
