"""Divide a crawl's memory, by its options and what the machine has."""

from __future__ import annotations

from collections.abc import Mapping

from crawler.model.choices import Html
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.runtime import limits
from crawler.runtime.shares import LEAST, Shares, shares

_TREE: Mapping[Html, int] = {"frostwork": 36, "lexbor": 48}
"""Bytes of memory per byte of page: measured with paragraphs of 16 bytes each."""


def memory_shares(config: CrawlConfig) -> Shares:
    """Return the division of a crawl's memory; raise `ConfigurationError` if it is too little.

    Only an explicit `memory` is refused: in a small container the default makes do.
    """
    if 0 < config.memory < LEAST:
        raise ConfigurationError(
            f"memory: expected {LEAST // 10**6}MB or more, got {config.memory} bytes"
        )
    memory = config.memory or max(LEAST, limits.default_memory())
    most = config.parsing.parse_memory * 10**6
    workers = wanted_workers(config) if config.parsing.parse in ("auto", "process") else 0
    largest = _TREE[config.parsing.html] * config.network.max_body
    return shares(memory, workers=workers, worker=most, largest=largest)


def wanted_workers(config: CrawlConfig) -> int:
    """Return the number of parser workers, as far as memory allows."""
    return config.parsing.parse_workers or limits.cores()
