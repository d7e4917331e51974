"""`crawler fetch`: one page, with everything that a crawl would know about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from crawler.cli import toml
from crawler.cli.crawl_flags import config_file, switch, with_options
from crawler.cli.crawl_spelling import CRAWL
from crawler.cli.telling import complain
from crawler.cli.unit_formats import count, milliseconds
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, ExitCode
from crawler.model.output import dumps, printable

if TYPE_CHECKING:
    from crawler.formats.robots import RobotsRules, RobotsVerdict
    from crawler.model.outcome import Final, Outcome

USAGE = "Usage: crawler fetch URL [--json|--body] [OPTIONS]"
HELP = (
    "Fetch one page, and show its headers, timings, robots.txt verdict and extracted fields.\n\n"
    "Takes every option of crawler crawl that concerns a single page: --header, --proxy, "
    "--timeout, --allow-private, --robots, --parser, --extract, --config, and so on.\n\n"
    "Exit codes: 0 fetched; 1 failed, or robots.txt disallows it; 2 invalid usage; 3 "
    "environment (disk, input).\n\n"
    "For example:\n\n"
    "  crawler fetch example.com\n"
    "  crawler fetch https://example.com/ --json | jq .timings\n"
    "  crawler fetch https://example.com/ --parser words.py:parse\n"
    "  crawler fetch https://example.com/ --body >page.html\n"
)
_INPUT, _OUTPUT = CRAWL.group("Input"), CRAWL.group("Output")
_LINKS, _WIDEST = 10, 30
_PAGE = (
    *("title", "description", "canonical", "language", "charset", "robots", "refresh"),
    *("text_language", "text_hash"),
)
_ALONE = {
    "follow": False,
    "sitemaps": False,
    "sitemap": (),
    "limit": 0,
    "engine": "async",
    "concurrency": 1,
    "audit": "",
    "repeats": "",
    "skip_duplicates": False,
}
"""The options that make a crawl of one page, whatever a file or the environment says."""
_INLINE = {"parser": "", "extract": (), "parse": "inline", "strict": False}


@with_options(CRAWL, show=False)
def fetch(
    url: Annotated[str, Parameter(name="URL", help="Page to fetch.", group=_INPUT)],
    *,
    json: Annotated[
        bool, switch("Print the record, headers and verdict as JSON.", _OUTPUT)
    ] = False,
    body: Annotated[bool, switch("Print the decoded body alone.", _OUTPUT)] = False,
    config: Annotated[str | None, config_file(CRAWL, _INPUT, "; or a preset")] = None,
    **options: object,
) -> int:
    """Fetch and return the exit code; `HELP` is the help text."""
    if json and body:
        raise ConfigurationError("--json and --body: give one of them")
    settled = toml.settle(CRAWL, config, options).updated(_ALONE)
    return _print_body(url, settled) if body else _print_page(url, settled, json=json)


def _print_body(url: str, config: CommandConfig) -> int:
    outcome, found = _with_body(url, config)
    if found is not None:
        sys.stdout.buffer.write(found)
        sys.stdout.flush()
    return _ended(outcome)


def _with_body(url: str, config: CommandConfig) -> tuple[Final, bytes | None]:
    """Fetch a URL and return its outcome with the decoded body, of any media type."""
    from crawler.api import fetch_one

    bodies: list[bytes] = []

    def keep(response: Any) -> dict[str, Any]:
        bodies.append(response.body)
        return {}

    outcome = fetch_one(url, config.updated(_INLINE), parser=keep)
    return outcome, bodies[-1] if bodies else None


def _print_page(url: str, config: CommandConfig, *, json: bool) -> int:
    from crawler.api import Crawl
    from crawler.formats.robots import DISALLOW_ALL

    crawl = Crawl([url], config)
    (outcome,) = crawl.outcomes()
    _check(outcome)
    obeyed = config.politeness.robots == "obey"
    rules = crawl.robots(outcome.url) if obeyed else _rules(outcome.url, config)
    report = PageReport(outcome, (rules or DISALLOW_ALL).verdict(outcome.url))
    if json:
        sys.stdout.write(f"{dumps(report.values()).decode()}\n")
    else:
        sys.stdout.writelines(f"{printable(line)}\n" for line in report.lines())
    sys.stdout.flush()
    return _ended(outcome)


def _check(outcome: Outcome) -> None:
    from crawler.model.outcome import Kind, Skipped
    from crawler.model.url import masked

    invalid = (Kind.INVALID_URL, Kind.UNSUPPORTED_SCHEME)
    if isinstance(outcome, Skipped) and outcome.kind in invalid:
        raise ConfigurationError(f"{masked(outcome.input)}: {outcome.reason}")


def _ended(outcome: Outcome) -> int:
    from crawler.model.outcome import Failed, Skipped

    _check(outcome)
    if isinstance(outcome, Failed | Skipped):
        complain(f"{outcome.url}: {outcome.kind}: {outcome.reason}")
        return ExitCode.FAILURES
    return ExitCode.FINISHED


def _rules(url: str, config: CommandConfig) -> RobotsRules | None:
    """Fetch the robots.txt that was not obeyed; return None if it cannot be had."""
    from crawler.core.rules import allowed_by
    from crawler.formats.robots import RobotsRules
    from crawler.model.outcome import Failed
    from crawler.model.url import Url

    options = {"accept": (), "error_pages": False, "max_redirects": 5}
    outcome, body = _with_body(f"{Url(url).host_key}/robots.txt", config.updated(options))
    if body is not None:
        return RobotsRules.parse(body, config.network.user_agent)
    return allowed_by(outcome) if isinstance(outcome, Failed) else None


@dataclass(frozen=True, slots=True)
class PageReport:
    """The record, headers and robots.txt verdict of one page."""

    outcome: Outcome
    verdict: RobotsVerdict

    def values(self) -> dict[str, Any]:
        """Return the record with all headers, as `--keep-headers all` has them, and the verdict."""
        headers = {name: self.outcome.headers.getall(name) for name in self.outcome.headers}
        verdict = {"allowed": self.verdict.allowed, "reason": self.verdict.reason}
        return {**self.outcome.record(), "headers": headers, "robots_txt": verdict}

    def lines(self) -> Iterator[str]:
        """Yield the lines for a person."""
        record = self.outcome.record()
        for hop in record["redirects"]:
            yield f"{hop['status'] or 'http'} {hop['url']}"
        yield f"{record['status'] or record['outcome']} {record['final_url'] or record['url']}"
        yield from _section("headers", self.outcome.headers.fields)
        yield from _section("exchange", _exchange(record))
        said = "allowed" if self.verdict.allowed else "disallowed"
        yield from _section("robots.txt", [(said, self.verdict.reason or "no rule matches")])
        if record["body_hash"] is not None:
            yield from _section("page", _page(record))
            yield from _section("links", _links(record["links"]))
        for name in ("text", "markdown"):
            if record.get(name):
                yield from ("", name, *(f"  {line}" for line in record[name].splitlines()))
        for name in ("selected", "parsed", "extracted"):
            if record.get(name):
                yield from _section(name, ((k, _plain(v)) for k, v in record[name].items()))


def _section(title: str, rows: Any) -> Iterator[str]:
    found = list(rows)
    if found:
        yield ""
        yield title
    width = min(max((len(name) for name, _ in found), default=0), _WIDEST)
    for name, value in found:
        yield f"  {name:<{width}}  {value}".rstrip()


def _exchange(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if record["status"] is None:
        return
    sizes = record["bytes"]
    cut = ", truncated" if record["truncated"] else ""
    yield "body", f"{count(sizes['decoded'])} bytes, {count(sizes['wire'])} on the wire{cut}"
    timings = record["timings"]
    yield "connect", milliseconds(timings["connect"]) if timings["connect"] else "reused"
    for name in ("first_byte", "total", "parse"):
        yield name.replace("_", " "), milliseconds(timings[name])
    yield "attempts", str(record["attempts"])


def _page(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _PAGE:
        if record.get(name):
            yield name.replace("_", " "), _plain(record[name])


def _links(links: list[str]) -> Iterator[tuple[str, str]]:
    yield "found", count(len(links))
    yield from (("", link) for link in links[:_LINKS])
    if len(links) > _LINKS:
        yield "", "..."


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value).decode()
