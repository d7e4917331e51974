"""Every option of a crawl, once: name, type, default, range and help.

Flags, TOML keys, environment variables (`CRAWLER_PER_HOST`), `config/default.toml` and the table in
the README all come from these fields. Times are seconds, sizes bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from crawler.model.errors import ConfigurationError
from crawler.model.option import OptionError, Options, option

Engine = Literal["async", "threaded"]
Loop = Literal["uvloop", "asyncio"]
Parse = Literal["auto", "inline", "thread", "process", "interpreter", "none"]
InputFormat = Literal["auto", "lines", "csv", "jsonl"]
OutputFormat = Literal["jsonl"]

VERSION = "0.1.0"

_INPUT, _OUTPUT = "Input", "Output"
_ENGINE, _FETCHING, _PARSING = "Engine", "Fetching", "Parsing"

_PARSER = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2: token


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlConfig(Options):
    """The options of a crawl; checked when made.

    Raises `ConfigurationError` that names the option, its value and what it may be. Whole numbers
    are taken for fractional ones, and lists for tuples.
    """

    engine: Engine = option(_ENGINE, "async", "What carries the crawl out.")
    loop: Loop = option(
        _ENGINE, "uvloop", "Event loop; asyncio's own where uvloop is not installed."
    )
    concurrency: int = option(_ENGINE, 256, "Requests in flight at once.", least=1, most=100_000)
    per_host: int = option(
        _ENGINE, 8, "Requests in flight to one host at once.", least=1, most=100_000
    )
    delay: float = option(
        _ENGINE,
        0.0,
        "Seconds between the starts of two requests to one host.",
        least=0,
        most=86_400,
    )
    window: int = option(
        _ENGINE, 20_000, "URLs held in memory, ahead of their fetch.", least=1, most=10_000_000
    )
    drain_timeout: float = option(
        _ENGINE, 10.0, "Seconds that Ctrl-C leaves to what is in flight.", least=0, most=3_600
    )
    timeout: float = option(
        _FETCHING, 60.0, "Seconds for one whole exchange.", least=0.01, most=86_400
    )
    connect_timeout: float = option(
        _FETCHING, 10.0, "Seconds for name look-up, connecting and TLS.", least=0.01, most=3_600
    )
    retries: int = option(_FETCHING, 2, "Further attempts at what may pass.", least=0, most=100)
    backoff: float = option(
        _FETCHING, 0.5, "Seconds before the first retry; doubles each time.", least=0, most=3_600
    )
    backoff_max: float = option(
        _FETCHING, 60.0, "Seconds that a retry waits at the most.", least=0, most=86_400
    )
    max_body: int = option(
        _FETCHING, 10_485_760, "Bytes of a body, on the wire and decoded.", least=1, most=2**31
    )
    max_redirects: int = option(_FETCHING, 10, "Redirects followed for one URL.", least=0, most=100)
    user_agent: str = option(
        _FETCHING, f"crawler/{VERSION}", "The User-Agent header.", metavar="TEXT"
    )
    header: tuple[str, ...] = option(
        _FETCHING, (), "A further request header; may be repeated.", metavar="'K: V'", short="-H"
    )
    proxy: str = option(_FETCHING, "", "HTTP proxy for every request.", metavar="URL")
    insecure: bool = option(_FETCHING, False, "Do not verify TLS certificates.")
    dns_ttl: float = option(
        _FETCHING, 300.0, "Seconds that a looked-up name is kept.", least=0, most=86_400
    )
    parse: Parse = option(
        _PARSING, "auto", "Where pages are parsed; auto measures and says what it chose."
    )
    parse_workers: int = option(
        _PARSING, 0, "Parser workers; 0 means one a core.", least=0, most=512
    )
    parse_timeout: float = option(
        _PARSING, 10.0, "Seconds after which a page's parsing is given up.", least=0.01, most=3_600
    )
    parse_batch: int = option(
        _PARSING, 16, "Pages handed to a worker at once.", least=1, most=1_000
    )
    parse_linger: float = option(
        _PARSING, 0.002, "Seconds that a page waits for its batch to fill.", least=0, most=1
    )
    parser: str = option(
        _PARSING,
        "",
        "Parser of your own, a function from response to dict.",
        metavar="MODULE:FUNCTION",
    )
    limit: int = option(
        _INPUT, 0, "Stop after so many URLs of the list; 0 means all.", least=0, most=2**53
    )
    input_format: InputFormat = option(
        _INPUT, "auto", "Form of the input; auto goes by the file's name."
    )
    url_column: str = option(
        _INPUT, "url", "CSV column with the URL: a name, or a number from 1.", metavar="NAME"
    )
    url_field: str = option(
        _INPUT, "url", "JSON lines field with the URL; dots reach inside.", metavar="NAME"
    )
    format: OutputFormat = option(_OUTPUT, "jsonl", "Form of the output.")
    stats: str = option(
        _OUTPUT, "", "Write the statistics to this file, as JSON.", metavar="FILE.json"
    )
    fail_on_error: bool = option(_OUTPUT, False, "Exit with 1 when any URL failed.")
    quiet: bool = option(_OUTPUT, False, "No progress and no summary.", short="-q")
    debug: bool = option(_OUTPUT, False, "Tracebacks and asyncio's debug mode.")

    def __post_init__(self) -> None:
        self.settle()
        for line in self.header:
            split_header(line)
        _check_proxy(self.proxy)
        _check_parser(self.parser, self.parse)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The further request headers as (name, value) pairs."""
        return tuple(split_header(line) for line in self.header)


def split_header(line: str) -> tuple[str, str]:
    """`"Accept: text/html"` as name and value; RFC 9110, 5.1 and 5.5 say what is legal."""
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _FIELD_NAME.fullmatch(name) or any(c in value for c in "\r\n\0"):
        raise OptionError("header", f"{line!r} is no header; write 'Name: value'")
    return name, value


def _check_proxy(proxy: str) -> None:
    if not proxy:
        return
    try:
        parts = urlsplit(proxy)
        legal = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        legal = False
    if not legal:
        raise OptionError("proxy", f"{proxy!r} is no HTTP proxy; write http://host:port")


def _check_parser(parser: str, parse: Parse) -> None:
    if parser and not _PARSER.fullmatch(parser):
        raise OptionError("parser", f"{parser!r} names no function; write package.module:function")
    if parser and parse == "none":
        raise ConfigurationError(
            "parser and parse: a parser of your own needs parse other than none"
        )
