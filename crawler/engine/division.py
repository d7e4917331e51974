"""The options of one partition: what counts for the whole crawl, divided by those that run at once.

A limit per IP address cannot follow the hosts: two partitions may crawl hosts at one address. So
each has its share of `per_ip`, at least 1, and waits so many times `ip_delay`: an address has never
more requests in flight than `per_ip` or the number of partitions, whichever is more, and no more
requests a second than with one partition. Cores and default memory are divided in
`crawler.runtime.limits`; open files are limited for each process by the system itself.
"""

from __future__ import annotations

from typing import Any

from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.runtime.shares import LEAST

_DIVIDED = ("concurrency", "window", "read_ahead", "per_ip", "parse_workers", "memory")
"""Options whose 0 has a meaning of its own, and is kept."""

_LONGEST = 86_400.0  # seconds, of `ip_delay`


def divided(config: CommandConfig, running: int) -> CommandConfig:
    """Return the options of one of `running` partitions; raise `ConfigurationError` for too few."""
    if running == 1:
        return config
    if config.memory and config.memory < running * LEAST:
        raise ConfigurationError(
            f"memory: {running} workers need {running * LEAST // 10**6}MB or more; "
            "give more, or lower --workers"
        )
    values = config.values()
    shares: dict[str, Any] = {
        name: max(1, values[name] // running) for name in _DIVIDED if values[name]
    }
    shares["ip_delay"] = min(values["ip_delay"] * running, _LONGEST)
    return config.updated(shares)
