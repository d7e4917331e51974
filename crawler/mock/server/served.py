"""A listening mock web, as its starter sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Protocol

from crawler.mock.judge.ledger import LedgerSnapshot
from crawler.mock.scenario import MockWeb
from crawler.mock.server.responder import Statistics


class ServerProcesses(Protocol):
    """The interface to the serving processes, one or several."""

    @property
    def options(self) -> MockWeb:
        """The options in force."""

    def statistics(self) -> Statistics:
        """Return the counters of all processes."""

    def recent(self) -> tuple[str, ...]:
        """Return the last targets of all processes."""

    def ledger(self) -> LedgerSnapshot:
        """Return the ledger of all processes."""


class Served:
    """A listening mock web.

    options: those in force, with the actual `port`. url: of host 0's listener. ca_pem: the
    authority to trust with the option `tls`, otherwise empty.
    """

    def __init__(
        self,
        options: MockWeb,
        crew: ServerProcesses,
        ca_pem: bytes = b"",
        ended: Future[None] | None = None,
    ) -> None:
        host = f"[{options.host}]" if ":" in options.host else options.host
        self.port = options.port
        self.url = f"{options.scheme}://{host}:{options.port}"
        self.ca_pem = ca_pem
        self._crew = crew
        self._ended = ended

    def __repr__(self) -> str:
        return f"Served({self.url!r})"

    @property
    def options(self) -> MockWeb:
        """The options in force."""
        return self._crew.options

    def urls(self, count: int | None = None) -> Iterator[str]:
        """Return the URLs of the first `count` flat pages, by default all; may raise ValueError."""
        there = self.options.pages
        wanted = there if count is None else count
        if not 0 <= wanted <= there:
            raise ValueError(f"this mock web has {there} pages, not {wanted}")
        return (f"{self.url}/page/{number}" for number in range(wanted))

    def statistics(self) -> Statistics:
        """Return the counters; from any thread.

        Several processes are asked for theirs, and summed, peaks included; raises
        `EnvironmentFailure` if one has died.
        """
        return self._crew.statistics()

    def recent(self) -> tuple[str, ...]:
        """Return the targets (path and query) of a process's last 4,096 requests, oldest first.

        Several processes follow one after the other; raises as `statistics`.
        """
        return self._crew.recent()

    def ledger(self) -> LedgerSnapshot:
        """Return gaps, width and violations for each host and address; from any thread.

        The event logs of several processes are merged, while it serves; raises as `statistics`.
        """
        return self._crew.ledger()

    def call_at_end(self, act: Callable[[], None]) -> None:
        """Call `act`, on any thread, when the serving processes have ended, if there are several.

        They all end early if one of them dies.
        """
        if self._ended is not None:
            self._ended.add_done_callback(lambda _: act())
