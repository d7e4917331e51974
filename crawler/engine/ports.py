"""What an engine needs from outside: where entries come from and where outcomes go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from crawler.model.outcome import Final
from crawler.model.request import LeftEntries
from crawler.model.url import Seed


def silent(_line: str) -> None:
    """Announce nothing."""


class Source(Protocol):
    """A list of URLs, read by one thread."""

    def read(self, most: int) -> list[Seed] | LeftEntries:
        """Up to `most` entries; blocks for the first, returns [] at the end of the list."""

    def close(self) -> None:
        """Give back what is open."""


class Sink(Protocol):
    """Where outcomes go.

    `on_room` is called, from any thread, when `has_room` became true again or writing failed.
    """

    on_room: Callable[[], None]

    @property
    def has_room(self) -> bool:
        """Whether the engine may start more; what is under way is taken in any case."""

    def end_within(self, seconds: float) -> None:
        """The crawl was stopped: wait no longer than that for whoever takes the outcomes."""

    def put(self, final: Final) -> None:
        """Take one outcome, without blocking. Raises CrawlerError when it cannot be kept."""
