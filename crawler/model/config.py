"""The options of a crawl, each defined once: name, type, default, range and help.

Options stand in groups, and their names are unique across groups:
`CrawlConfig(concurrency=64, politeness=PolitenessConfig(delay=1))` equals
`CrawlConfig(concurrency=64, delay=1)`. Flags, TOML keys, environment variables
(`CRAWLER_PER_HOST`), `config/default.toml` and the documentation derive from these fields, without
the groups. Times are seconds, sizes bytes; both may be text with a unit (`crawler.model.units`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Unpack

from crawler.model.choices import Client, Engine, Existing, Loop
from crawler.model.content_config import ContentConfig
from crawler.model.errors import ConfigurationError
from crawler.model.following_config import FollowingConfig
from crawler.model.keywords import CrawlKeywords
from crawler.model.network_config import NetworkConfig, header_names
from crawler.model.option import GroupedOptions, group, option
from crawler.model.parsing_config import ParsingConfig
from crawler.model.politeness_config import PolitenessConfig
from crawler.model.units import BYTES, SECONDS

_option, _output = partial(option, "Engine"), partial(option, "Output")
_seconds = partial(_option, least=0, unit=SECONDS)
_CONTENT = ("text", "markdown", "detect_language", "text_hash", "select")


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False)
class CrawlConfig(GroupedOptions):
    """The options of a crawl, validated on construction.

    An option given alone takes precedence over its group's value. Raises `ConfigurationError` with
    the option, its value and the permitted values. Integers are accepted as floats, lists as
    tuples.
    """

    engine: Engine = _option("async", "Run on asyncio or on threads.", common=True)
    loop: Loop = _option(
        "uvloop", "Event loop of the async engine; asyncio's own if uvloop is not installed."
    )
    client: Client = _option(
        "aiohttp", "HTTP client of the async engine; raw is faster, and knows no proxies."
    )
    concurrency: int = _option(
        256, "Maximum requests in flight.", least=1, most=100_000, short="-c", common=True
    )
    memory: int = _option(
        0,
        "Memory limit in bytes (0: a quarter of the container's or machine's).",
        least=0,
        most=2**50,
        unit=BYTES,
    )
    window: int = _option(
        20_000, "Maximum URLs held in memory ahead of their fetch.", least=1, most=10_000_000
    )
    read_ahead: int = _option(
        2_000_000,
        "Maximum URLs of the list kept on disk, in TMPDIR, while their hosts are busy.",
        least=0,
        most=1_000_000_000,
    )
    drain_timeout: float = _seconds(
        8.0,  # containers are killed 10 s after SIGTERM
        "Seconds to finish and write what is in flight after Ctrl-C, SIGTERM or SIGHUP.",
        most=3_600,
    )
    max_time: float = _seconds(
        0.0, "Seconds until the crawl stops as with Ctrl-C (0: no limit).", most=10**8, common=True
    )
    politeness: PolitenessConfig = group(PolitenessConfig)
    following: FollowingConfig = group(FollowingConfig)
    network: NetworkConfig = group(NetworkConfig)
    parsing: ParsingConfig = group(ParsingConfig)
    content: ContentConfig = group(ContentConfig)
    limit: int = option(
        "Input", 0, "Maximum URLs to read from the list (0: all).", least=0, most=2**53, common=True
    )
    overwrite: bool = _output(False, "Replace existing output files.", common=True)
    append: bool = _output(False, "Append to existing output files.", common=True)
    audit: str = _output(
        "",
        "Write the load that each host had to bear to this file, as JSON lines.",
        metavar="FILE.jsonl",
    )
    repeats: str = _output(
        "",
        "Write the URLs that the list holds more than once to this file, as JSON lines.",
        metavar="FILE.jsonl",
    )
    keep_headers: tuple[str, ...] = _output(
        (), "Response headers to write into each record, or all.", metavar="NAME,..."
    )
    keep_connection: bool = _output(
        False, "Write IP address, HTTP version and TLS of each response into its record."
    )
    debug: bool = _output(False, "Show tracebacks and turn on asyncio's debug mode.")

    def __init__(self, **options: Unpack[CrawlKeywords]) -> None:
        self.fill(options)
        self.settle()
        object.__setattr__(self, "keep_headers", header_names("keep_headers", self.keep_headers))
        if self.following.follow and self.parsing.parse == "none":
            raise ConfigurationError("follow and parse: links are found by parsing; leave out none")
        if self.content.fields and self.parsing.parse == "none":
            name = next(name for name in _CONTENT if getattr(self.content, name))
            raise ConfigurationError(f"{name} and parse: content needs parse other than none")
        if self.engine == "threaded" and self.client != "aiohttp":
            raise ConfigurationError(
                f"client and engine: {self.client} needs engine async; threads fetch with urllib3"
            )
        if self.overwrite and self.append:
            raise ConfigurationError("overwrite and append: an output is replaced or added to")

    @property
    def existing(self) -> Existing:
        """The treatment of outputs that already hold data."""
        if self.overwrite:
            return "replace"
        return "add" if self.append else "refuse"
