"""The process of one partition: `python -m crawler.engine.partition_process DESCRIPTOR`.

It talks to its parent over a socket, by pickled values. First comes the `Errand`; then `Sighting`s
and lines for the user go up, and `Wish`es come down; last goes the `Farewell`. Once the parent has
gone the socket is closed, and this process ends at once: its state is good at any moment. Signals
that end a command are blocked here, as they are the parent's to answer.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

from crawler.core.audit import Totals
from crawler.core.collector import Snapshot
from crawler.engine.partition import crawl_partition
from crawler.engine.partition_messages import Errand, Farewell, Sighting
from crawler.engine.partition_plan import Manifest, Wish
from crawler.engine.plugins import Plugins
from crawler.model.errors import CrawlerError, ExitCode
from crawler.model.outcome import Failed, Kind
from crawler.model.request import Request
from crawler.runtime import limits


class ParentLine:
    """The parent, as the partition sees it: a `Watch`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._wish = Wish.GO_ON
        self._since = monotonic()
        self._end = Farewell()

    def __repr__(self) -> str:
        return f"ParentLine({self._wish})"

    def errand(self) -> Errand:
        """Wait for the errand, and follow the parent's wishes from then on."""
        found: Errand = self._connection.recv()
        threading.Thread(target=self._listen, name="partition-parent", daemon=True).start()
        return found

    def look(self, manifest: Manifest, taken: Snapshot) -> Wish:
        """Send the progress; return the parent's wish."""
        since, self._since = self._since, monotonic()
        self.tell(Sighting(manifest=manifest, taken=taken, since=since, sent=self._since))
        return self._wish

    def announce(self, line: str) -> None:
        """Send a line for the user."""
        self.tell(line)

    def sum_up(self, totals: Totals, parsing: str, parser_seconds: float) -> None:
        """Take what goes with the farewell."""
        self._end = Farewell(totals=totals, parsing=parsing, parser_seconds=parser_seconds)

    def leave(self, manifest: Manifest | None, error: Exception | None = None) -> None:
        """Send the end of the call: its result, or its error."""
        end = replace(self._end, manifest=manifest)
        if isinstance(error, CrawlerError):
            end = replace(end, error=str(error), exit_code=error.exit_code)
        elif error is not None:
            end = replace(end, error=f"{type(error).__name__}: {error}", foreseen=False)
        self.tell(end)

    def tell(self, message: Sighting | Farewell | str) -> None:
        """Send a value to the parent."""
        with self._sending:
            self._connection.send(message)

    def _listen(self) -> None:
        try:
            while True:
                self._wish = self._connection.recv()
        except (EOFError, OSError):
            os._exit(ExitCode.ENVIRONMENT)


class Obituarist:
    """A fetcher that ends each URL with the reason why nobody fetches it."""

    def __init__(self, epitaph: str) -> None:
        self._epitaph = epitaph

    def __repr__(self) -> str:
        return f"Obituarist({self._epitaph!r})"

    def fetch(self, request: Request) -> Failed:
        """Return a failure that is not retried."""
        return Failed(request=request, kind=Kind.INTERNAL, reason=self._epitaph)


_UNFETCHED: dict[str, Any] = {
    **dict.fromkeys(("delay", "ip_delay"), 0.0),
    **dict.fromkeys(("parser", "hosts"), ""),
    "robots": "ignore",
    "per_host": 100,
    "adapt": False,
    "retries": 0,
    "extract": (),
    "parse": "inline",
    "accept_change": True,
}
"""The options of a partition that only ends its URLs, as fast as they come."""


def main(descriptor: int) -> int:
    """Run one errand; return the exit code."""
    os.set_inheritable(descriptor, False)
    parent = ParentLine(Connection(descriptor))
    try:
        errand = parent.errand()
    except (EOFError, OSError):  # the parent is gone already
        return ExitCode.ENVIRONMENT
    limits.share(errand.plan.running)
    try:
        parent.leave(_run(errand, parent))
    except Exception as error:
        parent.leave(None, error)
        if errand.plan.options["debug"]:
            raise
        return ExitCode.FAILURES
    return ExitCode.FINISHED


def _run(errand: Errand, parent: ParentLine) -> Manifest:
    plan, plugins = errand.plan, None
    if errand.epitaph:
        plan = replace(plan, options={**plan.options, **_UNFETCHED})
        plugins = Plugins(fetcher=Obituarist(errand.epitaph))
    return crawl_partition(plan, errand.partition, None, watch=parent, plugins=plugins)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
