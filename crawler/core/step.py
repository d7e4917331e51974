"""What the core says to do next: a closed set of values, consumed with `match`.

Fetch(request)  make this exchange, then call `finish` with what became of it
Wait(seconds)   nothing may start before then, unless something finishes first
Refill(room)    feed up to `room` further URLs with `admit`, or say `exhausted`
BUSY            nothing to start until something finishes or is admitted
DONE            nothing left and nothing in flight
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from crawler.model.request import Request


@dataclass(frozen=True, slots=True)
class Fetch:
    """Make this exchange."""

    request: Request


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may start for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Refill:
    """There is room for so many further URLs; asked once, until it is answered."""

    room: int


class Idle(Enum):
    """Steps that carry nothing."""

    BUSY = "busy"
    DONE = "done"


BUSY = Idle.BUSY
DONE = Idle.DONE

Step = Fetch | Wait | Refill | Idle
