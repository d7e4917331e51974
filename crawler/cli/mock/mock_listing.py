"""`crawler mock urls` and `crawler mock truth`: what there is to find."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

import orjson
from cyclopts import Parameter

from crawler.cli.crawl_flags import quantity, with_options
from crawler.cli.mock.mock_web import MOCK, settle
from crawler.cli.mock.remote import scenario as scenario_of
from crawler.cli.mock.serve import SCENARIO, file_parameter, switch
from crawler.mock import MockWeb
from crawler.model.errors import ConfigurationError, ExitCode
from crawler.model.units import COUNT

URLS_HELP = "Print the URLs that a perfect crawl finds, one a line."
TRUTH_HELP = (
    "Print the truth about every page as a JSON line: URL, kind, status, title and more.\n\n"
    "It holds for a crawl that starts at the first URL, follows links, obeys robots.txt and "
    "rel=nofollow, and asks for nothing twice."
)

Web = Annotated[
    str | None, Parameter(help="Ask a running mock web.", group=SCENARIO, metavar="URL")
]
Number = Annotated[
    int | None,
    Parameter(
        name=["--number", "-n"],
        help="So many and no more.",
        group=SCENARIO,
        metavar="N",
        converter=quantity(COUNT, whole=True),
    ),
]


def meant(web: str | None, scenario: str | None, given: Mapping[str, Any]) -> MockWeb:
    """The options that a command is about: those of a running mock web, or those given."""
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
    scenario: Annotated[str | None, file_parameter()] = None,
    web: Web = None,
    number: Number = None,
    flat: Annotated[bool, switch("The flat pages, /page/0 to /page/N-1.")] = False,
    **options: object,
) -> int:
    """Write URLs to stdout; what it says to a person is `URLS_HELP`."""
    settled = meant(web, scenario, options)
    if number is not None and number < 0:
        raise ConfigurationError(f"--number: {number} is too small; the least is 0")
    found = _flat(settled) if flat else _reachable(settled)
    for url in islice(found, number):
        sys.stdout.write(f"{url}\n")
    return ExitCode.FINISHED


@with_options(MOCK, show=False)
def truth(
    *,
    scenario: Annotated[str | None, file_parameter()] = None,
    web: Web = None,
    summary: Annotated[bool, switch("One object with the counts.")] = False,
    **options: object,
) -> int:
    """Write JSON lines to stdout; what it says to a person is `TRUTH_HELP`."""
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
