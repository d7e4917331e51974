"""The process of one partition: `python -m crawler.engine.partition_process DESCRIPTOR`.

It talks to its parent over a line (`crawler.runtime.companion`). First comes the `PartitionCall`;
then `ProgressReport`s and lines for the user go up, and `Wish`es come down; last goes the
`CallEnd`. Once the parent has gone this process ends at once, as its state is good at any moment.
Signals that end a command are blocked here: they are the parent's to answer.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

from crawler.core.audit import Totals
from crawler.core.by_hand import CrawlControl
from crawler.core.collector import Snapshot
from crawler.engine.partition import crawl_partition
from crawler.engine.partition_messages import CallEnd, PartitionCall, ProgressReport
from crawler.engine.partition_plan import Manifest, Wish
from crawler.engine.plugins import Plugins
from crawler.model.errors import CrawlerError, ExitCode
from crawler.model.event import Event
from crawler.model.outcome import Failed, Kind
from crawler.model.request import Request
from crawler.runtime import limits
from crawler.runtime.collecting import collect_rarely
from crawler.runtime.companion import ProcessLine


class ParentWatch:
    """The parent, as the partition sees it: a `PartitionWatch`."""

    def __init__(self, line: ProcessLine) -> None:
        self._line = line
        self._wish = Wish.GO_ON
        self._attend: Callable[[], None] | None = None
        self._end = CallEnd()
        self._obeying = threading.Lock()
        self._act: Callable[[CrawlControl], None] | None = None
        self._asked: list[CrawlControl] = []

    def __repr__(self) -> str:
        return f"ParentWatch({self._wish})"

    def call(self) -> PartitionCall | None:
        """Wait for the call, and follow the parent's wishes from then on; None without one."""
        found: PartitionCall | None = self._line.hear()
        threading.Thread(target=self._listen, name="partition-parent", daemon=True).start()
        return found

    def attend(self, call: Callable[[], None]) -> None:
        """Call `call` for each wish, whether or not it is another one."""
        self._attend = call
        if self._wish is not Wish.GO_ON:
            call()

    def obey(self, act: Callable[[CrawlControl], None]) -> None:
        """Call `act` with what a person asks, and has asked already."""
        with self._obeying:
            self._act = act
            for control in self._asked:
                act(control)

    def look(self, manifest: Manifest, taken: Snapshot, since: float) -> Wish:
        """Send the progress; return the parent's wish."""
        report = ProgressReport(manifest=manifest, taken=taken, since=since, sent=monotonic())
        self._line.tell(report)
        return self._wish

    def announce(self, line: str) -> None:
        """Send a line for the user."""
        self._line.tell(line)

    def tell(self, event: Event) -> None:
        """Send an event."""
        self._line.tell(event)

    def sum_up(self, totals: Totals, parsing: str, parser_seconds: float) -> None:
        """Take what goes with the end."""
        self._end = CallEnd(totals=totals, parsing=parsing, parser_seconds=parser_seconds)

    def leave(self, manifest: Manifest | None, error: Exception | None = None) -> None:
        """Send the end of the call: its result, or its error."""
        end = replace(self._end, manifest=manifest, peak_rss=_peak_rss())
        if isinstance(error, CrawlerError):
            end = replace(end, error=str(error), exit_code=error.exit_code)
        elif error is not None:
            end = replace(end, error=f"{type(error).__name__}: {error}", foreseen=False)
        self._line.tell(end)

    def _follow(self) -> None:
        """Follow the parent's wishes until it has gone."""
        while (heard := self._line.hear()) is not None:
            if isinstance(heard, CrawlControl):
                self._obeyed(heard)
                continue
            self._wish = heard
            if self._attend is not None:
                self._attend()

    def _obeyed(self, control: CrawlControl) -> None:
        with self._obeying:
            if self._act is None:
                self._asked.append(control)
            else:
                self._act(control)

    def _listen(self) -> None:
        self._follow()
        os._exit(ExitCode.ENVIRONMENT)


def _peak_rss() -> int:
    """Return the peak memory in bytes; `ru_maxrss` is in KB except on macOS (getrusage(2))."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class GivenUpFetcher:
    """A fetcher that ends each URL with the reason why nobody fetches it."""

    def __init__(self, given_up: str) -> None:
        self._given_up = given_up

    def __repr__(self) -> str:
        return f"GivenUpFetcher({self._given_up!r})"

    def fetch(self, request: Request) -> Failed:
        """Return a failure that is not retried."""
        return Failed(request=request, kind=Kind.INTERNAL, reason=self._given_up)


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
    """Run one call; return the exit code."""
    collect_rarely()
    parent = ParentWatch(ProcessLine.to_parent())
    call = parent.call()
    if call is None:
        return ExitCode.ENVIRONMENT
    if call.standard_input:
        with open(call.standard_input, "rb") as file:
            os.dup2(file.fileno(), 0)
    limits.share(call.plan.running)
    try:
        parent.leave(_run(call, parent))
    except Exception as error:
        parent.leave(None, error)
        if call.plan.options["debug"]:
            raise
        return ExitCode.FAILURES
    return ExitCode.FINISHED


def _run(call: PartitionCall, parent: ParentWatch) -> Manifest:
    plan, plugins = call.plan, None
    if call.given_up:
        plan = replace(plan, options={**plan.options, **_UNFETCHED})
        plugins = Plugins(fetcher=GivenUpFetcher(call.given_up))
    return crawl_partition(plan, call.partition, None, watch=parent, plugins=plugins)


if __name__ == "__main__":
    sys.exit(main())
