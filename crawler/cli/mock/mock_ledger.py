"""`crawler mock ledger`: how politely a crawler behaved, as the server saw it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import orjson
from cyclopts import Group, Parameter

from crawler.cli.crawl_flags import quantity, switch
from crawler.cli.layout import columns
from crawler.cli.mock.remote import DEFAULT_URL, ask
from crawler.cli.unit_formats import count, milliseconds
from crawler.mock.judge.ledger import LedgerRow, LedgerSnapshot, check
from crawler.model.errors import EnvironmentFailure, ExitCode
from crawler.model.units import COUNT, SECONDS

USAGE = "Usage: crawler mock ledger [URL] [OPTIONS]"
HELP = (
    "Show the requests that a running mock web saw.\n\n"
    "For each host and address: their number, the smallest gap between the starts of two, the most "
    "in flight at once, those in flight now, those sooner than a Retry-After allows (too early), "
    "and those that robots.txt disallows."
)

LIMITS = Group("Limits (exit code 1 beyond any)", sort_key=101)
_HEADINGS = ("requests", "gap", "most", "now", "too early", "forbidden")


def ledger(
    url: Annotated[str, Parameter(name="URL", help="The mock web.")] = DEFAULT_URL,
    /,
    *,
    json: Annotated[bool, switch("Print one JSON object.")] = False,
    assert_: Annotated[
        bool,
        switch(
            "Fail on requests within a Retry-After or disallowed by robots.txt.",
            LIMITS,
            "--assert",
        ),
    ] = False,
    min_gap: Annotated[
        float | None,
        Parameter(
            help="As --assert, and minimum seconds between two requests to a host.",
            group=LIMITS,
            metavar="TIME",
            converter=quantity(SECONDS),
        ),
    ] = None,
    max_in_flight: Annotated[
        int | None,
        Parameter(
            help="As --assert, and maximum requests in flight to a host.",
            group=LIMITS,
            metavar="N",
            converter=quantity(COUNT, whole=True),
        ),
    ] = None,
) -> int:
    """Print the ledger; exit code 1 for a breach. `HELP` is the help text."""
    values = ask(url, "__ledger")
    try:
        snapshot = LedgerSnapshot.of(values)
    except (KeyError, TypeError, AttributeError) as error:
        raise EnvironmentFailure(f"{url}: is a mock web of another version") from error
    asserted = assert_ or min_gap is not None or max_in_flight is not None
    breaches = check(snapshot, max_in_flight=max_in_flight, min_gap=min_gap) if asserted else []
    if json:
        values = {**snapshot.json, "breaches": breaches}
        print(orjson.dumps(values, option=orjson.OPT_INDENT_2).decode())
    else:
        print(_table("host", snapshot.hosts))
        print(_table("address", snapshot.addresses), end="")
        print("".join(f"BEYOND THE LIMIT: {breach}\n" for breach in breaches), end="")
    return ExitCode.FAILURES if breaches else ExitCode.FINISHED


def _table(what: str, rows: Mapping[str, LedgerRow]) -> str:
    return columns([(what, *_HEADINGS), *((name, *_cells(row)) for name, row in rows.items())])


def _cells(row: LedgerRow) -> tuple[str, ...]:
    return (
        count(row.requests),
        milliseconds(row.smallest_gap),
        count(row.largest_in_flight),
        count(row.in_flight),
        count(row.retry_after_violations),
        count(row.robots_violations),
    )
