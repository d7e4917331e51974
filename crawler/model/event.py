"""What happens during a crawl, for those who watch it: a log, a page, a command to notify.

An event has a name, a level, and plain fields. It holds nothing of a page, and no credentials: a
URL is told without its query and its user (`told_url`). `Events` passes on what somebody wants to
know, and drops the rest before it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from crawler.model.url import masked


class Level(IntEnum):
    """The importance of an event, with the numbers of `logging`."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    OFF = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event at Unix time `at`; the fields are numbers, text and truths."""

    name: str
    level: Level
    at: float = 0.0
    fields: Mapping[str, object] = field(default_factory=dict)


def no_time() -> float:
    """Return 0: nobody asks when."""
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """The way to whoever watches. `receive` may be called from any thread, and does not block.

    `clock` returns Unix times. `common` are fields of every event.
    """

    level: Level = Level.OFF
    receive: Callable[[Event], None] = lambda _event: None
    clock: Callable[[], float] = no_time
    common: Mapping[str, object] = field(default_factory=dict)

    def tell(self, level: Level, name: str, **fields: object) -> None:
        """Tell of an event, if anybody wants to know of such."""
        if level >= self.level:
            fields = {**fields, **self.common}
            self.receive(Event(name=name, level=level, at=self.clock(), fields=fields))


NO_EVENTS = Events()


def told_url(href: str) -> str:
    """Return a URL fit for a log: without user, password and query, which may be secrets."""
    path, mark, _ = masked(href).partition("?")
    return f"{path}{mark}..." if mark else path
