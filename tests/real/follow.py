"""Crawl the real site from its front page, and find exactly what an independent walk finds.

What is proved, for both engines and both event loops, from the front page without and with a
robots.txt, and from a page that leads to redirects, missing pages and other spellings
(`tests.real.doors`):

- the URLs with a record are those of the walk, each once;
- each ends as it should: page, redirect, failed with that status, skipped by that line of
  robots.txt;
- the server was asked for each once, and once for robots.txt, by as many requests at once as may
  be (`--audit`);
- with one request at a time each is as many clicks away as the walk says. With more, a page that
  answers late may be overtaken by one that lies deeper, so distances are not compared.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.real.command import CrawlCommand, CrawlFailed
from tests.real.records import BrokenOutput, Record, load
from tests.real.site import Site
from tests.real.walk import Visit, Walk

HEADER = ("engine", "loop", "from", "robots", "width", "records", "forbidden", "seconds", "verdict")

_DRIVERS = (("async", "uvloop"), ("async", "asyncio"), ("raw", "uvloop"), ("threaded", "-"))
_WIDTHS = (1, 64)
_AT_LEAST = 8  # in flight at one moment, where 64 may be: the front page alone has 22 links
_SECONDS = 120.0
_ROBOTS = """\
User-agent: other
Disallow: /

User-agent: *
Disallow: /contents.html
Disallow: /genindex
Disallow: /library/
Allow: /library/os
Disallow: /library/os.p*.html$
Disallow: /install/
Disallow: /distutils/
Allow: /distutils/examples.html
"""
_CASES = (("/", None), ("/", _ROBOTS), ("/doors.html", _ROBOTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Where a crawl begins, under which robots.txt, and all that it has to find."""

    start: str
    robots: str | None
    right: Mapping[str, Visit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One finished crawl, and what was wrong with it."""

    case: Case
    engine: str
    loop: str
    width: int
    seconds: float
    wrong: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it was, for a message."""
        robots = "with" if self.case.robots else "without"
        how = f"{self.engine} {self.loop}, {self.width} at once"
        return f"following from {self.case.start} {robots} robots.txt, {how}"

    def row(self) -> tuple[str, ...]:
        """The run as a line of the table."""
        right = self.case.right.values()
        forbidden = sum(1 for visit in right if visit.line)
        verdict = f"WRONG ({len(self.wrong)})" if self.wrong else "equal"
        return (
            *(self.engine, self.loop, self.case.start, "obeyed" if self.case.robots else "none"),
            *(str(self.width), str(len(right)), str(forbidden), f"{self.seconds:.2f}", verdict),
        )


def follow(site: Site, directory: Path) -> Iterator[Followed]:
    """Crawl each case with each driver; yield each run with what is wrong in it."""
    for start, robots in _CASES:
        site.robots(robots)
        right = Walk(site, robots or "").run([site.url(start)])
        case = Case(start=start, robots=robots, right=right)
        for engine, loop in _DRIVERS:
            for width in _WIDTHS:
                yield _crawled(site, directory, case, engine, loop, width)


def _crawled(
    site: Site, directory: Path, case: Case, engine: str, loop: str, width: int
) -> Followed:
    started = time.perf_counter()
    wrong = tuple(_wrong(site, directory, case, engine, loop, width))
    seconds = time.perf_counter() - started
    return Followed(case=case, engine=engine, loop=loop, width=width, seconds=seconds, wrong=wrong)


def _wrong(
    site: Site, directory: Path, case: Case, engine: str, loop: str, width: int
) -> Iterator[str]:
    """Crawl once; yield all that is wrong with it."""
    names = ("follow.txt", "follow.jsonl", "audit.jsonl")
    seeds, output, audit = (directory / name for name in names)
    seeds.write_text(site.url(case.start) + "\n")
    options = ["--follow", "--depth", "0", "--audit", str(audit)]
    options += ["--loop", loop] if engine != "threaded" else []
    command = CrawlCommand(
        urls=seeds,
        output=output,
        engine=engine,
        parse="inline" if width == 1 else "auto",  # alone, a page would wait for no batch to fill
        width=width,
        manners=True,
        options=options,
    )
    try:
        command.run(_SECONDS)
        records = load(output, case.right)
    except (BrokenOutput, CrawlFailed) as error:
        yield str(error)
        return
    for url, right in case.right.items():
        for difference in _differences(records[url], right, exact=width == 1):
            yield f"{url}: {difference}"
    yield from _misasked(audit, case, width)


def _differences(record: Record, right: Visit, *, exact: bool) -> Iterator[str]:
    """How a record differs from the walk's visit."""
    if (record["outcome"], record["status"]) != (right.outcome, right.status):
        found = f"{record['outcome']} {record['status']} ({record['reason']})"
        yield f"{found}, not {right.outcome} {right.status}"
    if right.line and f"robots.txt line {right.line}:" not in (record["reason"] or ""):
        yield f"forbidden by line {right.line}, but {record['reason']}"
    if exact and record["depth"] != right.depth:
        yield f"depth {record['depth']}, not {right.depth}"


def _misasked(audit: Path, case: Case, width: int) -> Iterator[str]:
    """How the server was asked, if not once for each URL and for robots.txt, `width` at a time."""
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    asked = sum(line["requests"] for line in lines)
    wanted = 1 + sum(visit.fetches for visit in case.right.values())
    if asked != wanted:
        yield f"{asked} requests, not {wanted}"
    widest = max((line["most_in_flight"] for line in lines), default=0)
    if not min(width, _AT_LEAST) <= widest <= width:
        yield f"{widest} requests in flight at once, of {width}"
