"""How a crawl's memory is divided, by its options and what there is."""

from __future__ import annotations

from collections.abc import Mapping

from crawler.model.choices import Html
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.runtime import limits
from crawler.runtime.shares import LEAST, Shares, shares

_TREE: Mapping[Html, int] = {"frostwork": 36, "lexbor": 48}
"""Bytes that one of a page takes of its process: seen with paragraphs of 16 bytes each."""


def memory_shares(config: CrawlConfig) -> Shares:
    """Return how a crawl's memory is divided; raises `ConfigurationError` if it is too little.

    What nobody has asked for is not refused: a small container is used as far as it goes.
    """
    if 0 < config.memory < LEAST:
        raise ConfigurationError(
            f"memory: {config.memory} bytes are too little, a crawl needs {LEAST // 10**6}MB"
        )
    memory = config.memory or max(LEAST, limits.default_memory())
    most = config.parsing.parse_memory * 10**6
    workers = wanted_workers(config) if config.parsing.parse in ("auto", "process") else 0
    largest = _TREE[config.parsing.html] * config.network.max_body
    return shares(memory, workers=workers, worker=most, largest=largest)


def wanted_workers(config: CrawlConfig) -> int:
    """Return how many workers parse, where there is memory for them."""
    return config.parsing.parse_workers or limits.cores()
