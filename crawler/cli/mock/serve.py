"""`crawler mock` itself: serve until a signal."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from crawler.cli import toml
from crawler.cli.crawl_flags import with_options
from crawler.cli.mock.mock_web import MOCK, settle, unlistenable
from crawler.mock import main_loop
from crawler.model.errors import ConfigurationError, ExitCode
from crawler.model.option import closest

_TITLE = "Every option of a mock web, with its value."
COMMANDS = ("urls", "truth", "score", "ledger", "faults", "set")
SCENARIO = MOCK.group("Scenario")


def switch(help: str, *names: str) -> Parameter:
    """A flag that is off unless given."""
    return Parameter(name=names or None, help=help, group=SCENARIO, negative="", show_default=False)


def file_parameter() -> Parameter:
    """The flag that names a scenario, the same for all commands."""
    return Parameter(help="TOML file with options below [mock].", group=SCENARIO, metavar="FILE")


@with_options(MOCK)
def serve(
    *words: Annotated[str, Parameter(show=False)],
    scenario: Annotated[str | None, file_parameter()] = None,
    print_scenario: Annotated[bool, switch("Print the options as TOML and leave.")] = False,
    quiet: Annotated[bool, switch("Do not print the address.", "--quiet", "-q")] = False,
    **options: object,
) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP; the base URL goes to stdout when the port accepts.

    With the access log on stdout it goes to stderr, as a log's reader wants JSON alone.
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
        main_loop(settled, announce)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unlistenable(settled, error) from error
    return ExitCode.FINISHED
