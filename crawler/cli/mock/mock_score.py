"""`crawler mock score`: compares a crawl with the truth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import orjson
from cyclopts import Group, Parameter

from crawler.cli.crawl_flags import config_file, quantity, switch, with_options
from crawler.cli.mock.mock_ledger import LIMITS
from crawler.cli.mock.mock_listing import Web, meant
from crawler.cli.mock.mock_web import MOCK
from crawler.cli.mock.serve import SCENARIO
from crawler.cli.unit_formats import count
from crawler.mock.judge.score import Score, ScoreResult
from crawler.model.errors import EnvironmentFailure, ExitCode
from crawler.model.units import COUNT, SHARE
from crawler.store.archive import unpacked
from crawler.store.blocks import Input
from crawler.store.text import Overlong, lines, utf8

USAGE = "Usage: crawler mock score OUT.jsonl|- [OPTIONS]"
HELP = (
    "Compare a crawl's records with the truth: recall, precision, repeats, violations.\n\n"
    "Takes the JSON lines of any crawler that have a url; status, title, final_url and redirects "
    "are compared if present. Exit code 1 unless the crawl was perfect, or within the limits."
)

# A record of a page of ten million bytes of links is longer than the page.
_MAX_LINE = 64 * 1024 * 1024

_CRAWL = Group("Scope of the crawl", sort_key=100)


def _least(help: str) -> Parameter:
    return Parameter(help=help, group=LIMITS, metavar="SHARE", converter=quantity(SHARE))


def _most(help: str) -> Parameter:
    read = quantity(COUNT, whole=True)
    return Parameter(help=help, group=LIMITS, metavar="N", converter=read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a score. By default only a perfect crawl passes.

    Traps are not limited by default: a crawler cannot know them at first sight.
    """

    min_recall: Annotated[float, _least("Minimum share of the expected pages that were found.")] = (
        1.0
    )
    min_precision: Annotated[
        float, _least("Minimum share of the fetched URLs that are pages, without traps.")
    ] = 1.0
    max_repeats: Annotated[int, _most("Maximum repeated records.")] = 0
    max_robots: Annotated[int, _most("Maximum fetched pages that robots.txt disallows.")] = 0
    max_wrong: Annotated[int, _most("Maximum records with a wrong status or title.")] = 0
    max_traps: Annotated[
        int | None, _most("Maximum fetched URLs of traps (default: no limit).")
    ] = None

    def breaches(self, result: ScoreResult) -> list[str]:
        """Return a line for each limit that the score exceeds."""
        wrong = result.wrong_status + result.wrong_title
        facts: list[tuple[str, float, float | None, Literal["under", "over"]]] = [
            ("recall", result.recall, self.min_recall, "under"),
            ("precision", result.precision, self.min_precision, "under"),
            ("repeats", result.repeats, self.max_repeats, "over"),
            ("robots violations", result.robots_violations, self.max_robots, "over"),
            ("wrong records", wrong, self.max_wrong, "over"),
            ("trap pages", result.trap_pages, self.max_traps, "over"),
        ]
        return [
            f"{name}: {_number(value)} is {sense} {limit:g}"
            for name, value, limit, sense in facts
            if limit is not None and (value < limit if sense == "under" else value > limit)
        ]


@with_options(MOCK, show=False)
def score(
    records: Annotated[
        str,
        Parameter(
            name="OUT.jsonl",
            help="The crawl's JSON lines, each with a url, .gz and .zst too; - for stdin.",
            allow_leading_hyphen=True,
        ),
    ],
    /,
    *,
    scenario: Annotated[str | None, config_file(MOCK, SCENARIO)] = None,
    web: Web = None,
    json: Annotated[bool, switch("Print one JSON object.", SCENARIO)] = False,
    with_sitemaps: Annotated[
        bool, switch("Include pages listed only in sitemaps.", _CRAWL)
    ] = False,
    with_nofollow: Annotated[
        bool, switch("Include pages linked only with nofollow.", _CRAWL)
    ] = False,
    on_host: Annotated[
        tuple[int, ...],
        Parameter(
            help="Only pages of host N, from 0; repeatable.",
            group=_CRAWL,
            metavar="N",
            negative="",
            show_default=False,
        ),
    ] = (),
    limits: Annotated[Limits, Parameter(name="*")] = Limits(),
    **options: object,
) -> int:
    """Print the score; exit code 1 beyond a limit. `HELP` is the help text."""
    settled = meant(web, scenario, options)
    tally = Score(settled, sitemaps=with_sitemaps, nofollow=with_nofollow, hosts=on_host or None)
    for number, record in _records(records):
        try:
            tally.add(record)
        except ValueError as error:
            raise _unreadable(records, number, str(error)) from error
    result = tally.result()
    breaches = limits.breaches(result)
    print(_as_json(result, breaches) if json else _as_text(result, breaches), end="")
    return ExitCode.FAILURES if breaches else ExitCode.FINISHED


def _records(name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield every record with its line number; raises EnvironmentFailure for an invalid line."""
    source, number = Input(name), 0
    text = utf8(unpacked(source.blocks(lambda _: None, lambda: False), source.label), source.label)
    for found in lines(text, _MAX_LINE):
        for line in found:
            number += 1
            if line and not line.isspace():
                yield number, _record(name, number, line)


def _record(name: str, number: int, line: str) -> Mapping[str, Any]:
    if isinstance(line, Overlong):
        raise _unreadable(name, number, f"longer than {_MAX_LINE} bytes")
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _unreadable(name, number, f"not JSON: {error.msg}") from error
    if not isinstance(record, dict):
        raise _unreadable(name, number, "not a JSON object")
    return record


def _unreadable(name: str, number: int, problem: str) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"{'standard input' if name == '-' else name}, line {number}: {problem}"
    )


def _as_json(result: ScoreResult, breaches: list[str]) -> str:
    values = {**asdict(result), "breaches": breaches}
    return orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _as_text(result: ScoreResult, breaches: list[str]) -> str:
    recalled = f"{count(result.found)} of {count(result.wanted)} pages"
    counted = (
        ("records", "records", f"{count(result.skipped)} of them skipped"),
        ("repeats", "repeats", "records too many for their URL"),
        ("robots violations", "robots_violations", "pages that robots.txt forbids"),
        ("trap pages", "trap_pages", "URLs under /trap/"),
        ("strangers", "strangers", "URLs that are not pages of this web"),
        ("wrong status", "wrong_status", "records that tell another"),
        ("wrong title", "wrong_title", "records that tell another"),
        ("duplicates", "duplicates", "pages with the content of another"),
        ("only nofollow", "nofollow_pages", "pages that other links do not lead to"),
        ("only sitemaps", "sitemap_pages", "pages that no link leads to"),
    )
    rows = [
        ("recall", _number(result.recall), recalled),
        ("precision", _number(result.precision), "of the fetched URLs are pages; traps aside"),
        *((name, count(getattr(result, field)), note) for name, field, note in counted),
    ]
    width, digits = (max(len(row[at]) for row in rows) for at in (0, 1))
    table = [f"{name:{width}}  {value:>{digits}}  {note}" for name, value, note in rows]
    missing = [f"missing: {url}" for url in result.missing]
    unexpected = [f"unexpected: {url}" for url in result.unexpected]
    beyond = [f"BEYOND THE LIMIT: {breach}" for breach in breaches]
    return "".join(f"{line}\n" for line in [*table, *missing, *unexpected, *beyond])


def _number(value: float) -> str:
    """Format whole numbers whole, and shares with four digits, rounded down so that only 1 is 1."""
    if isinstance(value, int):
        return count(value)
    return "1" if value >= 1 else f"{math.floor(value * 10_000) / 10_000:.4f}"
