"""The options of a crawl that only the command line reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from crawler.model.choices import CsvLinks, InputFormat, OutputFormat, Progress, Sync
from crawler.model.config import CrawlConfig
from crawler.model.option import OptionError, group, option
from crawler.model.units import BYTES, COUNT, SECONDS, SHARE
from crawler.model.watching_config import WatchingConfig

_input, _output = partial(option, "Input"), partial(option, "Output")
_MOST_WORKERS = 512


@dataclass(frozen=True, slots=True)
class WorkerCount:
    """The number of processes that crawl at once; 0 is `auto`."""

    number: int = 1

    @classmethod
    def read(cls, value: object) -> Self:
        """Read a number or `auto`; raises ValueError for anything else."""
        if isinstance(value, cls):
            return value
        if value == "auto":
            return cls(0)
        try:
            number = COUNT.whole(str(value)) if not isinstance(value, bool) else 0
        except ValueError:
            number = 0
        if not 1 <= number <= _MOST_WORKERS:
            raise ValueError(f"{value!r} is neither a number from 1 to {_MOST_WORKERS} nor auto")
        return cls(number)

    def __str__(self) -> str:
        return str(self.number or "auto")


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False)
class CommandConfig(CrawlConfig):
    """The options of `crawler crawl`: those of a crawl, of its lists and of what it writes."""

    workers: WorkerCount = option(
        "Engine",
        WorkerCount(),
        "Processes that crawl, each some hosts; auto: one a core for many hosts.",
        metavar="N|auto",
        common=True,
    )
    cluster: str = option(
        "Engine",
        "",
        "Dask cluster that crawls in rounds: local:N, or the scheduler's address (tcp://...).",
        metavar="ADDRESS",
    )
    partitions: int = option(
        "Engine",
        0,
        "Partitions of the hosts with --cluster, fixed when a crawl begins (0: 4 a worker).",
        least=0,
        most=100_000,
    )
    round: float = option(
        "Engine",
        60.0,
        "Duration of a round with --cluster: what a worker that dies may cost at most.",
        least=0.5,
        most=86_400,
        unit=SECONDS,
    )
    lease: float = option(
        "Engine",
        15.0,
        "Silence after which a worker's round is given to another, with --cluster.",
        least=0.5,
        most=3_600,
        unit=SECONDS,
    )
    input_format: InputFormat = _input("auto", "Input format; auto decides by the file's name.")
    url_column: str = _input(
        "url",
        "Column with the URL (CSV, Parquet, SQL): its name; for CSV, a number, too.",
        metavar="NAME",
    )
    url_field: str = _input(
        "url", "JSON lines field with the URL; dots reach into objects.", metavar="NAME"
    )
    keep: tuple[str, ...] = _input(
        (),
        "Columns or JSON fields of the list to copy into each record's source, or all.",
        metavar="COLUMN,...",
    )
    login: str = option(
        "Fetching",
        "",
        "Form to fill in and send once before the crawl, in TOML.",
        metavar="FILE.toml",
    )
    since: str = _input(
        "",
        "Output of an earlier crawl: ask only for what has changed, and say what has.",
        metavar="OLD_OUTPUT",
    )
    fields: tuple[str, ...] = _output(
        (), "Fields of a record to write, in this order (default: all).", metavar="NAME,..."
    )
    format: OutputFormat = _output(
        "jsonl", "Output format where its name does not tell: of a directory's parts, of a pipe."
    )
    flat: bool = _output(False, "Write nested fields of JSON lines with dotted names.")
    csv_links: CsvLinks = _output("count", "Links in CSV: their number, or joined by spaces.")
    state: str = _output(
        "",
        "Directory for the state of a resumable crawl (default: OUT.state; none: keep no state).",
        metavar="DIR|none",
        common=True,
    )
    sync: Sync = _output(
        "full",
        "Protection against power cuts: full syncs every commit, none leaves it to the system.",
    )
    accept_change: bool = _output(False, "Continue although the list or the options have changed.")
    save: str = _output(
        "", "Save the bodies of pages as files below this directory.", metavar="DIR"
    )
    warc_size: int = _output(
        1_000_000_000,
        "Size of a WARC file after which another begins (0: never).",
        least=0,
        unit=BYTES,
    )
    cdxj: bool = _output(
        False, "Write a CDXJ index of a WARC next to it, once the crawl has ended."
    )
    stats: str = _output(
        "", "Write the statistics to this file, as JSON.", metavar="FILE.json", common=True
    )
    fail_on_error: bool = _output(False, "Exit with 1 if any URL failed.")
    fail_above: float = _output(
        1.0, "Exit with 1 if more than this share of the URLs failed.", least=0, most=1, unit=SHARE
    )
    progress: Progress = _output(
        "auto", "Progress display: a redrawn bar, a line a minute, or none.", common=True
    )
    watching: WatchingConfig = group(WatchingConfig)
    quiet: bool = _output(False, "Show no progress and no summary.", short="-q", common=True)

    def lasting(self) -> dict[str, Any]:
        """Return the options that a run has to share with the one that it continues."""
        values = self.values()
        return {name: _plain(values[name]) for name in _LASTING}

    def given(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, as text where they are of a class.

        Without secrets, and without what concerns one run alone: its files and its display.
        """
        values = self.values()
        return {
            name: values[name] if spec.type in _PLAIN or spec.choices else str(values[name])
            for name, spec in self.options().items()
            if spec.shown and name not in _PASSING and values[name] != spec.default
        }

    def secrets_of(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return the options that may hold credentials, as the variables of a process set them."""
        found: dict[str, Any] = {}
        for name, spec in self.options().items():
            text = environment.get(f"CRAWLER_{name.upper()}", "")
            if not spec.shown and text:
                found[name] = text.splitlines() if spec.type == tuple[str, ...] else text
        return found

    def __init__(self, **options: Any) -> None:
        CrawlConfig.__init__(self, **options)
        for name in ("keep", "fields"):
            object.__setattr__(self, name, _separated(name, getattr(self, name)))

    @classmethod
    def over(cls, config: CrawlConfig) -> CommandConfig:
        """Return `config`, with the defaults of the options that it lacks."""
        return config if isinstance(config, CommandConfig) else cls.of(config.values())


def _separated(name: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Split list items at commas and drop repeats."""
    names = [name.strip() for text in texts for name in text.split(",")]
    if "" in names:
        raise OptionError(name, "a name is empty; write NAME,NAME")
    return tuple(dict.fromkeys(names))


_LASTING = (
    *("robots", "follow", "depth", "scope", "include", "exclude", "max_pages", "max_per_host"),
    *("sitemap", "sitemaps", "skip_duplicates", "drop_params", "max_path_depth", "max_repeats"),
    *("max_queries", "max_equal_pages", "max_body", "strict", "accept", "max_redirects"),
    *("user_agent", "parser", "html", "error_pages", "limit", "input_format", "url_column"),
    *("url_field", "keep", "fields", "format", "flat", "csv_links"),
    *("keep_headers", "keep_connection", "since", "save"),
    *("extract", "text", "markdown", "text_engine", "detect_language", "text_hash", "select"),
)
"""What decides which URLs are crawled and what their records hold; never a secret."""
_PASSING = frozenset(
    {
        *("state", "accept_change", "overwrite", "append", "stats", "audit", "repeats", "cdxj"),
        *WatchingConfig.options(),
        *("progress", "quiet", "debug", "max_time", "limit", "cookies", "credentials", "login"),
        *("cluster", "partitions", "round", "lease"),
    }
)
_PLAIN = (bool, int, float, str, tuple[str, ...])


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
