"""The interfaces of an engine to its surroundings: the source of entries, the sink of outcomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from crawler.model.outcome import Final
from crawler.model.request import Arrivals, LeftEntries
from crawler.model.url import Seed

LAST_WRITES = 0.5
"""Seconds for the reader of the output to take what the end of the drain has left."""


def silent(_line: str) -> None:
    """Announce nothing."""


class Source(Protocol):
    """A list of URLs, read by one thread."""

    def read(self, most: int) -> list[Seed] | LeftEntries | Arrivals:
        """Return up to `most` entries; block for the first, return [] at the end of the list."""

    def close(self) -> None:
        """Close what is open."""


class Sink(Protocol):
    """Takes outcomes.

    `on_room` is called, from any thread, when `has_room` becomes true again or writing has failed.
    """

    on_room: Callable[[], None]

    @property
    def failure(self) -> Exception | None:
        """Why no outcome is kept any more, even if none was refused yet; None if they are kept."""

    @property
    def has_room(self) -> bool:
        """True if the engine may start more; outcomes of requests in flight are always accepted."""

    @property
    def overdue(self) -> bool:
        """True if the time of `end_within` is over, and a reader does not take what there is."""

    def end_within(self, seconds: float) -> None:
        """Wait at most `seconds` for the reader of the outcomes: the crawl was stopped."""

    def put(self, final: Final) -> None:
        """Take one outcome, without blocking. Raises CrawlerError when it cannot be kept."""
