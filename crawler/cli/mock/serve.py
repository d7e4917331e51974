"""`crawler mock` itself: serve until a signal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated

from cyclopts import Parameter

from crawler.cli import toml
from crawler.cli.crawl_flags import config_file, switch, with_options
from crawler.cli.mock.mock_web import MOCK, settle, unlistenable
from crawler.mock import Served, main_loop
from crawler.model.errors import ConfigurationError, ExitCode
from crawler.model.option import closest

_TITLE = "Every option of a mock web, with its value."
COMMANDS = ("urls", "truth", "score", "ledger", "faults", "set")
SCENARIO = MOCK.group("Scenario")


@with_options(MOCK)
def serve(
    *words: Annotated[str, Parameter(show=False)],
    scenario: Annotated[str | None, config_file(MOCK, SCENARIO)] = None,
    print_scenario: Annotated[
        bool, switch("Print the configuration as TOML and exit.", SCENARIO)
    ] = False,
    metrics: Annotated[
        int | None,
        Parameter(
            help="Serve Prometheus metrics on this port of 127.0.0.1; 0 takes a free one.",
            group=SCENARIO,
            metavar="PORT",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, switch("Do not print the address.", SCENARIO, "--quiet", "-q")] = False,
    **options: object,
) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP; print the base URL to stdout once the port accepts.

    If the access log goes to stdout, the URL goes to stderr: a log's reader expects only JSON.
    """
    if words:
        meant = closest(words[0], COMMANDS) or f"; there are {', '.join(COMMANDS)}"
        raise ConfigurationError(f"mock: {words[0]!r} is not a command{meant}")
    settled = settle(scenario, options)
    if print_scenario:
        print(toml.write(MOCK, settled, _TITLE), end="")
        return ExitCode.FINISHED
    place = sys.stderr if settled.access_log == "-" else sys.stdout

    def announce(url: str) -> None:
        if not quiet:
            print(url, file=place, flush=True)

    try:
        with ExitStack() as stack:
            begun = None
            if metrics is not None:
                begun = _measured(stack, metrics, quiet=quiet)
            main_loop(settled, announce, begun=begun)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unlistenable(settled, error) from error
    return ExitCode.FINISHED


def _measured(stack: ExitStack, port: int, *, quiet: bool) -> Callable[[Served], None]:
    """Serve metrics until `stack` ends; return what is told of the web once it is there."""
    from crawler.measure.exposition_server import serving_metrics
    from crawler.mock.server.exposition_of_web import WebExposition

    exposition = WebExposition()
    address = stack.enter_context(serving_metrics(port, exposition, process=True))
    if not quiet:
        print(f"metrics: {address}", file=sys.stderr)

    def begun(web: Served) -> None:
        exposition.statistics = web.statistics

    return begun
