"""The process of one partition: `python -m crawler.engine.partition_process DESCRIPTOR`.

It talks to its parent over a line (`crawler.runtime.companion`). First comes the `Errand`; then
`Sighting`s and lines for the user go up, and `Wish`es come down; last goes the `Farewell`. Once the
parent has gone this process ends at once, as its state is good at any moment. Signals that end a
command are blocked here: they are the parent's to answer.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from dataclasses import replace
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
from crawler.runtime.companion import ProcessLine


class ParentWatch:
    """The parent, as the partition sees it: a `PartitionWatch`."""

    def __init__(self, line: ProcessLine) -> None:
        self._line = line
        self._wish = Wish.GO_ON
        self._since = monotonic()
        self._end = Farewell()

    def __repr__(self) -> str:
        return f"ParentWatch({self._wish})"

    def errand(self) -> Errand | None:
        """Wait for the errand, and follow the parent's wishes from then on; None without one."""
        found: Errand | None = self._line.hear()
        threading.Thread(target=self._listen, name="partition-parent", daemon=True).start()
        return found

    def look(self, manifest: Manifest, taken: Snapshot) -> Wish:
        """Send the progress; return the parent's wish."""
        since, self._since = self._since, monotonic()
        self._line.tell(Sighting(manifest=manifest, taken=taken, since=since, sent=self._since))
        return self._wish

    def announce(self, line: str) -> None:
        """Send a line for the user."""
        self._line.tell(line)

    def sum_up(self, totals: Totals, parsing: str, parser_seconds: float) -> None:
        """Take what goes with the farewell."""
        self._end = Farewell(totals=totals, parsing=parsing, parser_seconds=parser_seconds)

    def leave(self, manifest: Manifest | None, error: Exception | None = None) -> None:
        """Send the end of the call: its result, or its error."""
        end = replace(self._end, manifest=manifest, peak_rss=_peak_rss())
        if isinstance(error, CrawlerError):
            end = replace(end, error=str(error), exit_code=error.exit_code)
        elif error is not None:
            end = replace(end, error=f"{type(error).__name__}: {error}", foreseen=False)
        self._line.tell(end)

    def _listen(self) -> None:
        while (wish := self._line.hear()) is not None:
            self._wish = wish
        os._exit(ExitCode.ENVIRONMENT)


def _peak_rss() -> int:
    """Return the peak memory in bytes; `ru_maxrss` is in KB except on macOS (getrusage(2))."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


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


def main() -> int:
    """Run one errand; return the exit code."""
    parent = ParentWatch(ProcessLine.to_parent())
    errand = parent.errand()
    if errand is None:
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


def _run(errand: Errand, parent: ParentWatch) -> Manifest:
    plan, plugins = errand.plan, None
    if errand.epitaph:
        plan = replace(plan, options={**plan.options, **_UNFETCHED})
        plugins = Plugins(fetcher=Obituarist(errand.epitaph))
    return crawl_partition(plan, errand.partition, None, watch=parent, plugins=plugins)


if __name__ == "__main__":
    sys.exit(main())
