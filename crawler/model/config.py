"""Every option of a crawl, once: name, type, default, range and help.

The options stand in groups, and have names that are unique in all of them:
`CrawlConfig(concurrency=64, politeness=PolitenessConfig(delay=1))` is `CrawlConfig(concurrency=64,
delay=1)`. Flags, TOML keys, environment variables (`CRAWLER_PER_HOST`), `config/default.toml` and
the documentation all come from these fields, without the groups. Times are seconds, sizes bytes;
both may be given as text with a unit (`crawler.model.units`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

from crawler.model.choices import Engine, Existing, Loop
from crawler.model.errors import ConfigurationError
from crawler.model.following_config import FollowingConfig
from crawler.model.keywords import CrawlKeywords
from crawler.model.network_config import NetworkConfig
from crawler.model.option import GroupedOptions, group, option
from crawler.model.parsing_config import ParsingConfig
from crawler.model.politeness_config import PolitenessConfig
from crawler.model.units import BYTES, SECONDS

_ENGINE, _INPUT, _OUTPUT = "Engine", "Input", "Output"


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False)
class CrawlConfig(GroupedOptions):
    """The options of a crawl; checked when made.

    An option of a group may be given alone, and then counts before the group's. Raises
    `ConfigurationError` that names the option, its value and what it may be. Whole numbers are
    taken for fractional ones, and lists for tuples.
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
    politeness: PolitenessConfig = group(PolitenessConfig)
    following: FollowingConfig = group(FollowingConfig)
    network: NetworkConfig = group(NetworkConfig)
    parsing: ParsingConfig = group(ParsingConfig)
    limit: int = option(
        _INPUT, 0, "Stop after so many URLs of the list; 0 means all.", least=0, most=2**53
    )
    overwrite: bool = option(_OUTPUT, False, "Replace outputs that hold something.")
    append: bool = option(_OUTPUT, False, "Add to outputs that hold something.")
    audit: str = option(
        _OUTPUT, "", "Write what each host had to bear to this file.", metavar="FILE.jsonl"
    )
    repeats: str = option(
        _OUTPUT, "", "Write what the list has more than once to this file.", metavar="FILE.jsonl"
    )
    debug: bool = option(_OUTPUT, False, "Tracebacks and asyncio's debug mode.")

    def __init__(self, **options: Unpack[CrawlKeywords]) -> None:
        self.fill(options)
        self.settle()
        if self.following.follow and self.parsing.parse == "none":
            raise ConfigurationError("follow and parse: links are found by parsing; leave out none")
        if self.overwrite and self.append:
            raise ConfigurationError("overwrite and append: an output is replaced or added to")

    @property
    def existing(self) -> Existing:
        """What to do with an output that holds something."""
        if self.overwrite:
            return "replace"
        return "add" if self.append else "refuse"
