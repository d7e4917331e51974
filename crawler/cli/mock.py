"""`crawler mock`: serve a deterministic web on loopback."""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from crawler.model.errors import ConfigurationError, EnvironmentFailure, ExitCode

if TYPE_CHECKING:
    from crawler.mock import MockWeb


HELP = (
    "Serve a mock web on loopback until Ctrl-C; prints its address on stdout when it listens.\n\n"
    "The same options give the same bytes, anywhere and always.\n\n"
    "For example:\n\n"
    "  crawler mock --latency 0.1\n"
    "  crawler mock --port 0 --pages 100000 --page-bytes 80000 --links 200\n"
)


def _number(help: str, metavar: str = "N") -> Parameter:
    return Parameter(help=help, metavar=metavar, allow_leading_hyphen=True)


def mock(
    *,
    port: Annotated[int, _number("Port to listen on; 0 takes a free one.")] = 8080,
    host: Annotated[str, Parameter(help="Loopback address.", metavar="ADDRESS")] = "127.0.0.1",
    seed: Annotated[int, _number("Another seed is another web.")] = 0,
    pages: Annotated[int, _number("/page/0 to /page/N-1 exist.")] = 1000,
    page_bytes: Annotated[int, _number("Size of a page.", "BYTES")] = 8192,
    links: Annotated[int, _number("Links on a page.")] = 20,
    latency: Annotated[float, _number("Seconds before every answer.", "S")] = 0.0,
) -> int:
    """Serve until SIGINT or SIGTERM. What it says to a person is `HELP`."""
    options = make(
        port=port,
        host=host,
        seed=seed,
        pages=pages,
        page_bytes=page_bytes,
        links=links,
        latency=latency,
    )
    from crawler.mock import main_loop

    try:
        main_loop(options, lambda url: print(url, flush=True))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unlistenable(options, error) from error
    return ExitCode.FINISHED


def unlistenable(web: MockWeb, error: OSError) -> EnvironmentFailure:
    """Why the mock web's address cannot be had; event loops put it in many words of their own."""
    number = error.errno or 0  # a failed look-up has a negative one
    reason = os.strerror(number) if number > 0 else error
    return EnvironmentFailure(f"cannot listen on {web.host}, port {web.port}: {reason}")


def make(*, host: str = "127.0.0.1", **options: float) -> MockWeb:
    """The mock web's options, checked; ConfigurationError for what cannot be."""
    try:
        from crawler.mock import MockWeb
    except ModuleNotFoundError as error:
        hint = "pip install 'crawler[mock]'"
        raise EnvironmentFailure(f"the mock web needs {error.name}: {hint}") from error
    _check_host(host)
    try:
        return MockWeb(host=host, **options)  # type: ignore[arg-type]
    except ValueError as error:
        name, problem = str(error).split(" ", 1)  # MockWeb names its option first
        raise ConfigurationError(f"--{name.replace('_', '-')} {problem}") from error


def _check_host(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigurationError(f"--host: {host!r} is no loopback address; use 127.0.0.1 or ::1")
