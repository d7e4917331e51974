"""Every option of a crawl, once: name, type, default, range and help.

Flags, TOML keys, environment variables (`CRAWLER_PER_HOST`), `config/default.toml` and the
documentation all come from these fields. Times are seconds, sizes bytes; both may be given as text
with a unit (`crawler.model.units`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from crawler.model.address import PORTS, AddressPolicy, policy, read_network, read_ports
from crawler.model.errors import ConfigurationError
from crawler.model.glob import Globs
from crawler.model.hosts import HostTable
from crawler.model.media import MediaTypes
from crawler.model.option import OptionError, Options, option, secret
from crawler.model.proxies import DIRECT, Proxy
from crawler.model.secrets import hidden, is_secret
from crawler.model.units import BYTES, MEGABYTES, SECONDS, SHARE
from crawler.model.url import TRACKING_PARAMETERS, InvalidUrl, Tracking, parse

Engine = Literal["async", "threaded"]
Loop = Literal["uvloop", "asyncio"]
Parse = Literal["auto", "inline", "thread", "process", "interpreter", "none"]
Html = Literal["frostwork", "lexbor"]
InputFormat = Literal["auto", "lines", "csv", "jsonl", "sitemap"]
OutputFormat = Literal["jsonl"]
Existing = Literal["refuse", "replace", "add"]  # what becomes of an output that holds something
Robots = Literal["obey", "ignore"]
Progress = Literal["auto", "bar", "line", "none"]
ScopeMode = Literal["host", "domain", "prefix", "any"]

VERSION = "0.1.0"

_INPUT, _OUTPUT = "Input", "Output"
_ENGINE, _FETCHING, _PARSING, _SAFETY = "Engine", "Fetching", "Parsing", "Safety"
_MANNERS, _FOLLOWING, _TRAPS = "Manners", "Following", "Traps"

_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_PARSER = re.compile(rf"({_DOTTED}|[^\x00-\x1f]+\.py):{_DOTTED}")
_NAME_START = re.compile(r"[^\s:=]{0,40}")
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
    concurrency: int = option(
        _ENGINE, 256, "Requests in flight at once.", least=1, most=100_000, short="-c"
    )
    memory: int = option(
        _ENGINE,
        0,
        "Memory that the crawl may take, all its processes together; 0: a quarter of what the "
        "container or the machine has.",
        least=0,
        most=2**50,
        unit=BYTES,
    )
    window: int = option(
        _ENGINE, 20_000, "URLs held in memory, ahead of their fetch.", least=1, most=10_000_000
    )
    read_ahead: int = option(
        _ENGINE,
        2_000_000,
        "URLs of the list kept on disk, in TMPDIR, while their hosts are busy.",
        least=0,
        most=1_000_000_000,
    )
    drain_timeout: float = option(
        _ENGINE,
        8.0,  # containers are killed 10 s after SIGTERM
        "Seconds that Ctrl-C, SIGTERM or SIGHUP leave to what is in flight, and to its writing.",
        least=0,
        most=3_600,
        unit=SECONDS,
    )
    max_time: float = option(
        _ENGINE,
        0.0,
        "Seconds after which the crawl ends as with Ctrl-C; 0: none.",
        least=0,
        most=10**8,
        unit=SECONDS,
    )
    robots: Robots = option(_MANNERS, "obey", "What robots.txt is to the crawl.")
    per_host: int = option(
        _MANNERS, 4, "Requests in flight to one host at once.", least=1, most=100_000
    )
    delay: float = option(
        _MANNERS,
        0.25,
        "Seconds between the starts of two requests to one host.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    per_ip: int = option(
        _MANNERS, 16, "In flight to one IP address; 0 does not count.", least=0, most=100_000
    )
    ip_delay: float = option(
        _MANNERS, 0.05, "The delay for one IP address.", least=0, most=86_400, unit=SECONDS
    )
    hosts: HostTable = option(
        _MANNERS,
        HostTable(),
        "Limits of one host, 'example.com: per_host=1, delay=5'; in TOML a table.",
        metavar="TEXT",
    )
    adapt: bool = option(
        _MANNERS, True, "Begin with few requests at once, more while the host bears it."
    )
    throttle: float = option(
        _MANNERS,
        60.0,
        "Seconds to leave a host alone after a 429; doubles each time.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    throttle_max: float = option(
        _MANNERS, 3_600.0, "The longest of these pauses.", least=0, most=86_400, unit=SECONDS
    )
    forgive: float = option(
        _MANNERS,
        600.0,
        "Seconds without a 429 that let them begin anew.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    retry_after_max: float = option(
        _MANNERS,
        3_600.0,
        "The longest Retry-After that is waited for; else the host is left.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    host_patience: float = option(
        _MANNERS,
        1_800.0,
        "Seconds that a host may hold its URLs by 429 and 503 pauses alone; 0: any time.",
        least=0,
        most=10**7,
        unit=SECONDS,
    )
    host_pauses: int = option(
        _MANNERS,
        8,
        "Such pauses in a row before its URLs end as throttled; 0: any number.",
        least=0,
        most=10**6,
    )
    breaker: int = option(
        _MANNERS,
        20,
        "Failures in a row after which a host's URLs wait until it answers; 0: none.",
        least=0,
        most=10**6,
    )
    breaker_pause: float = option(
        _MANNERS,
        300.0,
        "Longest pause between two probes of a host that is down; the first comes after 1 s.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    breaker_give_up: float = option(
        _MANNERS,
        900.0,
        "Seconds that URLs wait for a host, or the network, that was there; 0: not at all.",
        least=0,
        most=10**7,
        unit=SECONDS,
    )
    follow: bool = option(_FOLLOWING, False, "Crawl what pages link to, too.")
    depth: int = option(
        _FOLLOWING, 5, "Clicks from the list that are followed; 0: any.", least=0, most=10_000
    )
    scope: ScopeMode = option(
        _FOLLOWING, "host", "What is followed: same host, domain, path prefix, all."
    )
    include: tuple[str, ...] = option(
        _FOLLOWING,
        (),
        "Follow only what this matches, as */docs/*; may be repeated.",
        metavar="GLOB",
    )
    exclude: tuple[str, ...] = option(
        _FOLLOWING,
        (),
        "Follow nothing that this matches, as *.pdf; may be repeated.",
        metavar="GLOB",
    )
    max_pages: int = option(
        _FOLLOWING, 0, "URLs taken up by following, in all; 0: any number.", least=0, most=2**53
    )
    max_per_host: int = option(_FOLLOWING, 0, "The same for one host.", least=0, most=2**53)
    sitemap: tuple[str, ...] = option(
        _FOLLOWING, (), "Crawl what this sitemap lists; may be repeated.", metavar="URL"
    )
    sitemaps: bool = option(_FOLLOWING, False, "Crawl the sitemaps that robots.txt names.")
    skip_duplicates: bool = option(
        _FOLLOWING, False, "Follow no links of pages that nearly equal an earlier one."
    )
    drop_params: tuple[str, ...] = option(
        _FOLLOWING,
        TRACKING_PARAMETERS,
        "Query parameters that make no other URL; * at the end.",
        metavar="NAME",
    )
    max_path_depth: int = option(
        _TRAPS, 20, "Path segments of a URL that is followed.", least=1, most=10_000
    )
    max_repeats: int = option(
        _TRAPS, 2, "Times that a path may have the same segment.", least=1, most=10_000
    )
    max_queries: int = option(_TRAPS, 1_000, "Different queries of one path.", least=1, most=10**9)
    max_equal_pages: int = option(
        _TRAPS, 100, "Pages of equal content whose links are followed.", least=1, most=10**9
    )
    timeout: float = option(
        _FETCHING, 60.0, "Seconds for one whole exchange.", least=0.01, most=86_400, unit=SECONDS
    )
    connect_timeout: float = option(
        _FETCHING,
        10.0,
        "Seconds for name look-up, connecting and TLS.",
        least=0.01,
        most=3_600,
        unit=SECONDS,
    )
    retries: int = option(_FETCHING, 2, "Further attempts at what may pass.", least=0, most=100)
    backoff: float = option(
        _FETCHING,
        0.5,
        "Seconds before the first retry; doubles each time.",
        least=0,
        most=3_600,
        unit=SECONDS,
    )
    backoff_max: float = option(
        _FETCHING,
        60.0,
        "Seconds that a retry waits at the most.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    max_body: int = option(
        _FETCHING,
        10_485_760,
        "Bytes read of a body, on the wire and decoded; it is cut there.",
        least=1,
        most=2**31,
        unit=BYTES,
    )
    strict: bool = option(
        _FETCHING, False, "Fail pages whose body was cut; by default what came of it is kept."
    )
    accept: tuple[str, ...] = option(
        _FETCHING,
        (),
        "Media types to read, 'text/html,image/*'; any other fails before its body is read.",
        metavar="TYPE",
    )
    max_redirects: int = option(_FETCHING, 10, "Redirects followed for one URL.", least=0, most=100)
    user_agent: str = option(
        _FETCHING, f"crawler/{VERSION}", "The User-Agent header.", metavar="TEXT"
    )
    header: tuple[str, ...] = secret(
        option(
            _FETCHING,
            (),
            "A further request header; may be repeated. One named like a credential goes to the "
            "origins of the list alone.",
            metavar="'K: V'",
            short="-H",
        )
    )
    header_everywhere: tuple[str, ...] = secret(
        option(
            _FETCHING,
            (),
            "A further request header for every server, whatever its name; may be repeated.",
            metavar="'K: V'",
        )
    )
    proxy: tuple[str, ...] = secret(
        option(
            _FETCHING,
            (),
            "Proxy for every request: http, https, socks5, socks5h (looks names up). Of several, "
            "each host keeps one; none: not that of the environment.",
            metavar="URL",
        )
    )
    insecure: bool = option(_FETCHING, False, "Do not verify TLS certificates.")
    dns_ttl: float = option(
        _FETCHING,
        300.0,
        "Seconds that a looked-up name is kept.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    allow_private: bool = option(
        _SAFETY, False, "Connect to any address and port: loopback, private networks and all."
    )
    allow_network: tuple[str, ...] = option(
        _SAFETY,
        (),
        "Connect to this network, on any port; may be repeated.",
        metavar="CIDR",
    )
    allow_port: tuple[str, ...] = option(
        _SAFETY,
        (),
        f"A further port, or range, beside {', '.join(map(str, PORTS))}; may be repeated.",
        metavar="PORT",
    )
    parse: Parse = option(
        _PARSING, "auto", "Where pages are parsed; auto measures and says what it chose."
    )
    parse_workers: int = option(
        _PARSING, 0, "Parser workers; 0 means one a core.", least=0, most=512
    )
    parse_timeout: float = option(
        _PARSING,
        10.0,
        "Seconds after which a page's parsing is given up.",
        least=0.01,
        most=3_600,
        unit=SECONDS,
    )
    parse_memory: int = option(
        _PARSING,
        1_024,
        "MB that a parser process may take; 0: any.",
        least=0,
        most=10**6,
        unit=MEGABYTES,
    )
    parse_batch: int = option(
        _PARSING, 16, "Pages handed to a worker at once.", least=1, most=1_000
    )
    parse_linger: float = option(
        _PARSING,
        0.002,
        "Seconds that a page waits for its batch to fill.",
        least=0,
        most=1,
        unit=SECONDS,
    )
    parser: str = option(
        _PARSING,
        "",
        "Parser of your own, a function from response to dict.",
        metavar="MODULE:FUNCTION",
    )
    html: Html = option(
        _PARSING,
        "frostwork",
        "Library that reads HTML: frostwork is faster; lexbor needs the extra of that name.",
    )
    error_pages: bool = option(_PARSING, False, "Parse the bodies of 4xx and 5xx responses, too.")
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
    keep: tuple[str, ...] = option(
        _INPUT,
        (),
        "Columns or JSON fields of the list that go into each record's source; or all.",
        metavar="COLUMN,...",
    )
    fields: tuple[str, ...] = option(
        _OUTPUT,
        (),
        "Fields of a record, in this order; all without.",
        metavar="NAME,...",
    )
    format: OutputFormat = option(_OUTPUT, "jsonl", "Form of the output.")
    overwrite: bool = option(_OUTPUT, False, "Replace outputs that hold something.")
    append: bool = option(_OUTPUT, False, "Add to outputs that hold something.")
    stats: str = option(
        _OUTPUT, "", "Write the statistics to this file, as JSON.", metavar="FILE.json"
    )
    audit: str = option(
        _OUTPUT, "", "Write what each host had to bear to this file.", metavar="FILE.jsonl"
    )
    repeats: str = option(
        _OUTPUT, "", "Write what the list has more than once to this file.", metavar="FILE.jsonl"
    )
    fail_on_error: bool = option(_OUTPUT, False, "Exit with 1 when any URL failed.")
    fail_above: float = option(
        _OUTPUT,
        1.0,
        "Exit with 1 when more than this share of the URLs failed.",
        least=0,
        most=1,
        unit=SHARE,
    )
    progress: Progress = option(
        _OUTPUT, "auto", "How progress is shown: redrawn, a line a minute, or not at all."
    )
    quiet: bool = option(_OUTPUT, False, "No progress and no summary.", short="-q")
    debug: bool = option(_OUTPUT, False, "Tracebacks and asyncio's debug mode.")

    def __post_init__(self) -> None:
        one: object = self.proxy  # as it was written before there could be several
        if isinstance(one, str):
            object.__setattr__(self, "proxy", (one,) if one else ())
        self.settle()
        for name in ("keep", "fields"):
            object.__setattr__(self, name, _separated(name, getattr(self, name)))
        for name in ("header", "header_everywhere"):
            for line in getattr(self, name):
                split_header(line, name)
                _check_sendable(name, line)
        _check_sendable("user_agent", self.user_agent)
        _check_each("allow_network", self.allow_network, read_network)
        _check_each("allow_port", self.allow_port, read_ports)
        _check_each("proxy", set(self.proxy) - DIRECT, Proxy.read)
        _check_parser(self.parser, self.parse)
        _check_following(self)
        if self.overwrite and self.append:
            raise ConfigurationError("overwrite and append: an output is replaced or added to")
        object.__setattr__(self, "sitemap", tuple(map(_sitemap, self.sitemap)))
        object.__setattr__(self, "accept", _accepted(self.accept))

    @property
    def headers_for_seeds(self) -> tuple[tuple[str, str], ...]:
        """The further headers, as (name, value), that are for the origins of the list alone."""
        return tuple(pair for pair in map(split_header, self.header) if is_secret(pair[0]))

    @property
    def headers_for_all(self) -> tuple[tuple[str, str], ...]:
        """The further headers that go with every request."""
        own = (pair for pair in map(split_header, self.header) if not is_secret(pair[0]))
        return (*own, *map(split_header, self.header_everywhere))

    @property
    def existing(self) -> Existing:
        """What becomes of an output that holds something."""
        if self.overwrite:
            return "replace"
        return "add" if self.append else "refuse"

    @property
    def addresses(self) -> AddressPolicy:
        """What may be connected to."""
        return policy(
            everything=self.allow_private, networks=self.allow_network, ports=self.allow_port
        )


def _separated(name: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Names of a list whose items may hold several, with commas between them."""
    names = [name.strip() for text in texts for name in text.split(",")]
    if "" in names:
        raise OptionError(name, "a name is empty; write NAME,NAME")
    return tuple(dict.fromkeys(names))


def _check_each(name: str, texts: Iterable[str], read: Callable[[str], object]) -> None:
    for text in texts:
        try:
            read(text)
        except ValueError as error:
            raise OptionError(name, str(error)) from None


def split_header(line: str, option: str = "header") -> tuple[str, str]:
    """`"Accept: text/html"` as name and value; RFC 9110, 5.1 and 5.5 say what is legal."""
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _FIELD_NAME.fullmatch(name) or any(c in value for c in "\r\n\0"):
        start = _NAME_START.match(line)  # what follows may be a secret
        raise OptionError(option, f"{start and start[0]!r} is no header; write 'Name: value'")
    return name, value


def _check_sendable(name: str, text: str) -> None:
    """Refuse bytes of the command line that are not UTF-8: headers are sent as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise OptionError(name, f"{hidden(text)!r} is not valid UTF-8") from None


def _check_following(config: CrawlConfig) -> None:
    if config.follow and config.parse == "none":
        raise ConfigurationError("follow and parse: links are found by parsing; leave out none")
    checks: dict[str, Callable[[tuple[str, ...]], object]]
    checks = {"include": Globs, "exclude": Globs, "drop_params": Tracking}
    for name, read in checks.items():
        try:
            read(getattr(config, name))
        except ConfigurationError as error:
            raise OptionError(name, str(error)) from error


def _sitemap(text: str) -> str:
    url = parse(text)
    if isinstance(url, InvalidUrl):
        raise OptionError("sitemap", f"{text[:200]!r}: {url.reason}")
    return url.href


def _accepted(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns, one for each, of options that may hold several with commas."""
    try:
        return MediaTypes(",".join(texts)).patterns
    except ValueError as error:
        raise OptionError("accept", str(error)) from None


def _check_parser(parser: str, parse: Parse) -> None:
    if parser and not _PARSER.fullmatch(parser):
        raise OptionError(
            "parser",
            f"{parser!r} names no function; write package.module:function or file.py:function",
        )
    if parser and parse == "none":
        raise ConfigurationError(
            "parser and parse: a parser of your own needs parse other than none"
        )
