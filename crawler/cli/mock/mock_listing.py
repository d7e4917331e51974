"""`crawler mock urls`, `truth` and `faults`: what there is to be found."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

import orjson
from cyclopts import Parameter

from crawler.cli.crawl_flags import config_file, quantity, switch, with_options
from crawler.cli.layout import explained
from crawler.cli.mock.mock_web import MOCK, settle
from crawler.cli.mock.remote import scenario as scenario_of
from crawler.cli.mock.serve import SCENARIO
from crawler.mock import MockWeb
from crawler.mock.judge import truth as judge
from crawler.mock.reply import CatalogueEntry
from crawler.mock.server.inventory import catalogue
from crawler.model.errors import ConfigurationError, ExitCode
from crawler.model.units import COUNT

URLS_HELP = "Print the URLs that a perfect crawl finds, one per line."
TRUTH_HELP = (
    "Print a JSON line with the truth about every page.\n\n"
    "URL, kind, status, title and more, for a crawl that starts at the first URL, follows links, "
    "obeys robots.txt and rel=nofollow, and requests nothing twice."
)
FAULTS_HELP = "List every fault, trap, form of robots.txt, sitemap and path."

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
        options = settle(scenario, given)
        if not options.port:
            raise ConfigurationError(
                "--port: URLs need the server's own, not 0; --web URL asks for it"
            )
        return options
    if scenario is not None or given:
        extra = MOCK.options[next(iter(given))].flag if given else "--scenario"
        raise ConfigurationError(f"--web: the server has its own options; leave out {extra}")
    return scenario_of(web)


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
    origin = settled.origin_of(0)
    found = (
        (f"{origin}/page/{page}" for page in range(settled.pages))
        if flat
        else (entry.url for entry in judge.entries(settled) if entry.reachable)
    )
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
    settled = meant(web, scenario, options)
    if summary:
        print(orjson.dumps(judge.summary(settled), option=orjson.OPT_INDENT_2).decode())
        return ExitCode.FINISHED
    sys.stdout.flush()
    sys.stdout.buffer.writelines(judge.lines(settled))
    sys.stdout.buffer.flush()
    return ExitCode.FINISHED


def faults(*, json: Annotated[bool, switch("Print JSON lines.")] = False) -> int:
    """Print the catalogue; `FAULTS_HELP` is the help text."""
    entries = list(catalogue())
    if json:
        for entry in entries:
            print(orjson.dumps(entry._asdict()).decode())
        return ExitCode.FINISHED
    for group in dict.fromkeys(entry.group for entry in entries):
        print("\n".join(_section(group, [entry for entry in entries if entry.group == group])))
        print()
    return ExitCode.FINISHED


def _section(group: str, entries: Sequence[CatalogueEntry]) -> Iterator[str]:
    """Yield a heading and the rows; a path that follows from the name is in the heading only."""
    if all(entry.path == f"/fault/{entry.name}" for entry in entries):
        yield f"{group}: /fault/NAME"
        yield from explained([(entry.name, "", entry.help) for entry in entries])
    else:
        yield group
        yield from explained([(entry.name, entry.path, entry.help) for entry in entries])
