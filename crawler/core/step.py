"""Steps that the core asks for: a closed set of values, consumed with `match`."""

from __future__ import annotations

from enum import Enum

from crawler.model.outcome import Final
from crawler.model.request import Listed, Request
from crawler.model.value import value


@value(frozen=True, slots=True)
class Fetch:
    """Make this exchange, then call `finish` with its outcome."""

    request: Request


@value(frozen=True, slots=True)
class WriteRecord:
    """Write these outcomes, each of a URL that was not requested."""

    finals: tuple[Final, ...]


@value(frozen=True, slots=True)
class Notice:
    """One line for the user: what the crawl waits for, or no longer does."""

    text: str


@value(frozen=True, slots=True)
class Wait:
    """Start nothing for so many seconds, unless something finishes first."""

    seconds: float


@value(frozen=True, slots=True)
class Refill:
    """Feed up to `room` URLs with `admit`, or say `exhausted`; asked once, until answered."""

    room: int


@value(frozen=True, slots=True)
class Spill:
    """Keep these outside of memory, for each shelf behind those kept before.

    A shelf has its host's key, or "" if shared.
    """

    parts: tuple[tuple[str, tuple[Request | Listed, ...]], ...]


@value(frozen=True, slots=True)
class Recall:
    """Return so many spilled URLs of each shelf, the oldest first; asked once, until answered.

    `recalled` takes them all at once, in this order.
    """

    parts: tuple[tuple[str, int], ...]


class Idle(Enum):
    """Steps without data."""

    BUSY = "busy"  # nothing to start until something finishes or is admitted
    DONE = "done"  # nothing left and nothing in flight


BUSY = Idle.BUSY
DONE = Idle.DONE

Step = Fetch | WriteRecord | Notice | Wait | Refill | Spill | Recall | Idle
