"""What the core says to do next: a closed set of values, consumed with `match`.

Fetch(request)   make this exchange, then call `finish` with what became of it
WriteRecord(finals)   write these outcomes
Notice(text)     tell the person who watches
Wait(seconds)    nothing may start before then, unless something finishes first
Refill(room)     feed up to `room` further URLs of the list with `admit`, or say `exhausted`
Spill(parts)     keep these outside of memory: for each shelf, behind those kept there before
Recall(parts)    give so many of each shelf back, the oldest first, with `recalled`
BUSY             nothing to start until something finishes or is admitted
DONE             nothing left and nothing in flight
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from crawler.model.outcome import Final
from crawler.model.request import Listed, Request


@dataclass(frozen=True, slots=True)
class Fetch:
    """Make this exchange."""

    request: Request


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """Write these outcomes: each is of a URL that was not asked for."""

    finals: tuple[Final, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """One line for a person: what the crawl waits for, or does no longer."""

    text: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may start for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Refill:
    """There is room for so many further URLs; asked once, until it is answered."""

    room: int


@dataclass(frozen=True, slots=True)
class Spill:
    """There is no room for these; a shelf is named by its host's key, "" where hosts share it."""

    parts: tuple[tuple[str, tuple[Request | Listed, ...]], ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """There is room for so many of what was spilled; asked once, until it is answered.

    `recalled` takes them all at once, in this order.
    """

    parts: tuple[tuple[str, int], ...]


class Idle(Enum):
    """Steps that carry nothing."""

    BUSY = "busy"
    DONE = "done"


BUSY = Idle.BUSY
DONE = Idle.DONE

Step = Fetch | WriteRecord | Notice | Wait | Refill | Spill | Recall | Idle
