"""`crawler mock urls` and `crawler mock truth`: the URLs and pages to be found."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

import orjson
from cyclopts import Parameter

from crawler.cli.crawl_flags import config_file, quantity, switch, with_options
from crawler.cli.mock.mock_web import MOCK, settle
from crawler.cli.mock.remote import scenario as scenario_of
from crawler.cli.mock.serve import SCENARIO
from crawler.mock import MockWeb
from crawler.model.errors import ConfigurationError, ExitCode
from crawler.model.units import COUNT

URLS_HELP = "Print the URLs that a perfect crawl finds, one per line."
TRUTH_HELP = (
    "Print a JSON line with the truth about every page.\n\n"
    "URL, kind, status, title and more, for a crawl that starts at the first URL, follows links, "
    "obeys robots.txt and rel=nofollow, and requests nothing twice."
)

Web = Annotated[
    str | None, Parameter(help="Ask a running mock web.", group=SCENARIO, metavar="URL")
]
Number = Annotated[
    int | None,
    Parameter(
        name=["--number", "-n"],
        help="Maximum number of URLs.",
        group=SCENARIO,
        metavar="N",
        converter=quantity(COUNT, whole=True),
    ),
]


def meant(web: str | None, scenario: str | None, given: Mapping[str, Any]) -> MockWeb:
    """Return the options of the running mock web at `web`, or those given."""
    if web is None:
        return _with_port(settle(scenario, given))
    if scenario is not None or given:
        extra = MOCK.options[next(iter(given))].flag if given else "--scenario"
        raise ConfigurationError(f"--web: the server has its own options; leave out {extra}")
    return scenario_of(web)


def _with_port(options: MockWeb) -> MockWeb:
    if not options.port:
        raise ConfigurationError("--port: URLs need the server's own, not 0; --web URL asks for it")
    return options


@with_options(MOCK, show=False)
def urls(
    *,
    scenario: Annotated[str | None, config_file(MOCK, SCENARIO)] = None,
    web: Web = None,
    number: Number = None,
    flat: Annotated[bool, switch("Print the flat pages, /page/0 to /page/N-1.", SCENARIO)] = False,
    **options: object,
) -> int:
    """Write URLs to stdout; `URLS_HELP` is the help text."""
    settled = meant(web, scenario, options)
    if number is not None and number < 0:
        raise ConfigurationError(f"--number: {number} is too small; the minimum is 0")
    found = _flat(settled) if flat else _reachable(settled)
    for url in islice(found, number):
        sys.stdout.write(f"{url}\n")
    return ExitCode.FINISHED


@with_options(MOCK, show=False)
def truth(
    *,
    scenario: Annotated[str | None, config_file(MOCK, SCENARIO)] = None,
    web: Web = None,
    summary: Annotated[bool, switch("Print one object with the counts.", SCENARIO)] = False,
    **options: object,
) -> int:
    """Write JSON lines to stdout; `TRUTH_HELP` is the help text."""
    from crawler.mock.judge import truth as graph

    settled = meant(web, scenario, options)
    if summary:
        print(orjson.dumps(graph.summary(settled), option=orjson.OPT_INDENT_2).decode())
        return ExitCode.FINISHED
    sys.stdout.flush()
    for line in graph.lines(settled):
        sys.stdout.buffer.write(line if line.endswith(b"\n") else line + b"\n")
    sys.stdout.buffer.flush()
    return ExitCode.FINISHED


def _flat(options: MockWeb) -> Iterator[str]:
    origin = options.origin_of(0)
    return (f"{origin}/page/{number}" for number in range(options.pages))


def _reachable(options: MockWeb) -> Iterator[str]:
    from crawler.mock.judge.truth import entries

    return (entry.url for entry in entries(options) if entry.reachable)
