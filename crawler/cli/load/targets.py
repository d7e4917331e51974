"""The URLs of a load: those of the command line, then those of lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.url import Seed, Url
from crawler.store.sources import UrlSource

MOST = 1_000_000
"""A list is kept in memory, as requests; a million are some 200 MB in each process."""

_AT_ONCE = 10_000


def targets(words: Sequence[str], lists: Sequence[str]) -> list[str]:
    """All URLs, in their order, as the WHATWG standard writes them.

    A scheme has to be there: a crawl means https by a bare host, a load hardly ever does. Raises
    `ConfigurationError` for what is no URL, for none at all and for more than `MOST`, and
    `EnvironmentFailure` for a list that cannot be read.
    """
    found: list[str] = []
    for seed in _seeds(words, lists):
        found.append(_href(seed))
        if len(found) > MOST:
            raise ConfigurationError(f"input: more than {MOST:,} URLs; give a part of the list")
    if not found:
        raise ConfigurationError("nothing to load: give a URL, or a list with -i FILE")
    return found


def _seeds(words: Sequence[str], lists: Sequence[str]) -> Iterator[Seed]:
    source = UrlSource(list(words), lists, CommandConfig())
    try:
        while block := source.read(_AT_ONCE):
            yield from block
    finally:
        source.close()


def _href(seed: Seed) -> str:
    text = seed.input.strip()
    if not text.lower().startswith(("http://", "https://")):
        raise ConfigurationError(f"{text[:80]!r} is no URL; write http:// or https:// before it")
    if not isinstance(seed.url, Url):
        raise ConfigurationError(f"{text[:80]!r} is no URL: {seed.url.reason}")
    return seed.url.href
