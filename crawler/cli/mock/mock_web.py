"""The mock web's options on the command line, and the errors of its address."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from crawler.cli import toml
from crawler.cli.spelling import Spelling
from crawler.mock import MockWeb, Served, running
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.option import OptionError

MOCK = Spelling(
    config=MockWeb,
    table="mock",
    prefix="CRAWLER_MOCK_",
    use="crawler mock --scenario FILE",
    example="page_bytes",
    # In a program a free port is right; a person wants one to remember.
    defaults={"port": 8080},
    lead=("Scenario",),
)


def settle(scenario: str | None, given: Mapping[str, object]) -> MockWeb:
    """Return the options: flags over the file over the defaults. Raises ConfigurationError."""
    return toml.settle(MOCK, scenario, given)


@contextmanager
def running_web(pages: int) -> Iterator[Served]:
    """Run a mock web of `pages` pages on a free port as long as the block."""
    try:
        options = MockWeb(pages=pages)
    except OptionError as error:
        raise ConfigurationError(f"--mock: {error.problem}") from error
    with ExitStack() as stack:
        try:
            web = stack.enter_context(running(options))
        except OSError as error:
            raise unlistenable(options, error) from error
        yield web


def unlistenable(options: MockWeb, error: OSError) -> EnvironmentFailure:
    """Return the error for an address that the mock web cannot listen on."""
    number = error.errno or 0  # a failed look-up has a negative one
    reason = os.strerror(number) if number > 0 else error
    place = error.filename or f"{options.host}, port {options.port}"
    return EnvironmentFailure(f"cannot listen on {place}: {reason}")
