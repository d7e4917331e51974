"""The mock web's options as the command line has them, and what can go wrong with its address."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from crawler.cli import toml
from crawler.cli.crawl_flags import Spelling, resolve
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
    """The options: what was given, over the file, over the defaults. ConfigurationError else."""
    file = toml.read(MOCK, scenario) if scenario is not None else {}
    return resolve(MOCK, file, given, lambda key: toml.place(MOCK, str(scenario), key))


@contextmanager
def running_web(pages: int) -> Iterator[Served]:
    """A mock web with so many pages, on a free port, that runs as long as the block."""
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
    """Why an address of the mock web cannot be had, and which one."""
    number = error.errno or 0  # a failed look-up has a negative one
    reason = os.strerror(number) if number > 0 else error
    place = error.filename or f"{options.host}, port {options.port}"
    return EnvironmentFailure(f"cannot listen on {place}: {reason}")
