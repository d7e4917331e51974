"""The crawl's bottleneck in words that name the option to change."""

from __future__ import annotations

from crawler.cli.unit_formats import counted
from crawler.core.bottleneck import Bound, Limit
from crawler.model.command_config import CommandConfig

UNLIMITED = "--unlimited lifts such limits for a server of your own"

_POLITE = frozenset(
    {Limit.DELAY, Limit.IP_DELAY, Limit.PER_HOST, Limit.PER_IP, Limit.ADAPT, Limit.CRAWL_DELAY}
)


def bound_by(bound: Bound | None, config: CommandConfig) -> str:
    """Return the limit and the rate it allows; empty if there is nothing to report."""
    if bound is None or bound.limit is Limit.SERVERS:
        return ""
    hosts, polite = counted(bound.hosts, "host"), config.politeness
    match bound.limit:
        case Limit.DELAY if polite.hosts.entries:
            return f"the delay of {hosts} (--delay, --hosts)"
        case Limit.DELAY:
            return f"--delay {polite.delay:g} on {hosts}{_rate(bound.hosts, polite.delay)}"
        case Limit.IP_DELAY:
            return f"--ip-delay {polite.ip_delay:g} at an address{_rate(1, polite.ip_delay)}"
        case Limit.CRAWL_DELAY:
            return f"the Crawl-delay in robots.txt of {hosts}"
        case Limit.PAUSE:
            return f"{hosts} left alone for a while, or asked more slowly"
        case Limit.PER_HOST:
            return f"--per-host {polite.per_host} on {hosts}"
        case Limit.ADAPT:
            return f"what {hosts} can bear, as --adapt has learned"
        case _:
            return _WORDS[bound.limit].format(config=config)


def yours(bound: Bound | None, config: CommandConfig) -> bool:
    """Return whether politeness limits a crawl that may reach the user's own servers."""
    own = config.network.allow_private or bool(config.network.allow_network)
    return own and bound is not None and bound.limit in _POLITE


_WORDS = {
    Limit.PER_IP: "--per-ip {config.politeness.per_ip}",
    Limit.CONCURRENCY: "--concurrency {config.concurrency}",
    Limit.MACHINE: "this machine: it is too slow for --concurrency {config.concurrency}",
    Limit.HAND: "whoever paused it",
    Limit.RETRY: "the pauses before retries (--backoff, --retries)",
    Limit.PARSER: "the parser (--parse, --parse-workers)",
    Limit.SINK: "whoever takes the records: the reader of the pipe, or the disk",
    Limit.LIST: "whoever brings the list",
}


def _rate(places: int, delay: float) -> str:
    if not delay:
        return ""
    rate = places / delay
    return f": at most {rate:,.0f} requests/s" if rate >= 10 else f": at most {rate:.2g} requests/s"
