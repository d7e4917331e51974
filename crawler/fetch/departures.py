"""Requests that must not be repeated are noted before they leave, whoever sends them."""

from __future__ import annotations

from collections.abc import Callable

from crawler.model.config import CrawlConfig
from crawler.model.errors import EnvironmentFailure
from crawler.model.fault import Fault
from crawler.model.outcome import Kind
from crawler.model.request import Request

Sends = Callable[[Request], bool]
"""Notes that a request leaves; returns False if an earlier run of the crawl has noted it."""

_UNCERTAIN = (
    "sent before the crawl was killed, and no answer was recorded; --repeat-unsafe sends it again"
)


class Departures:
    """Notes requests with `sends`, if the crawl has a state."""

    def __init__(self, sends: Sends | None, config: CrawlConfig) -> None:
        self._sends = sends if not config.network.repeat_unsafe else None

    def __repr__(self) -> str:
        return f"Departures({self._sends!r})"

    def needs(self, request: Request) -> bool:
        """Tell whether a request has to be noted before it leaves."""
        return self._sends is not None and request.once

    def note(self, request: Request) -> None:
        """Note one that leaves, which waits for the disk; raise `Fault` if it must not leave."""
        try:
            new = self._sends is None or self._sends(request)
        except EnvironmentFailure as error:
            raise Fault(Kind.CANCELLED, str(error)) from None  # it waits for the next run
        if not new:
            raise Fault(Kind.UNCERTAIN, _UNCERTAIN)
