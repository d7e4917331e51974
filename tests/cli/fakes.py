"""A crawl without network: what `crawler.cli.crawl_run` drives, under the test's control."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from crawler.cli.crawl_run import Opener, Order, Parts
from crawler.core.audit import Totals
from crawler.core.collector import Snapshot
from crawler.core.durations import DurationHistogram
from crawler.model.errors import CrawlerError
from tests.patience import PATIENCE


def measured(*seconds: float) -> DurationHistogram:
    """A histogram of these durations."""
    histogram = DurationHistogram()
    for value in seconds:
        histogram.add(value)
    return histogram


SNAPSHOT = Snapshot(
    elapsed=2.0,
    read=1000,
    repeats=2,
    records=998,
    failed=7,
    skipped=1,
    retries=3,
    redirects=40,
    in_flight=0,
    wire_bytes=16_000_000,
    body_bytes=20_000_000,
    outcomes={"page": 990, "dns": 2, "client_error": 5, "invalid_url": 1},
    latency=measured(*[0.012] * 98, 0.080, 0.2).freeze(),
    loop_lag=measured(0.0001, 0.0023).freeze(),
)

TOTALS = Totals(hosts=1, requests=1001, smallest_gap=0.2512, most_in_flight=4, pauses=2)


def happens(event: threading.Event) -> bool:
    """Wait, in the main thread, for what a signal brings about; False if it never does.

    In short steps: a signal that comes just before the interpreter goes to sleep on a lock does not
    wake it, and its handler runs with the next bytecode only.
    """
    return any(event.wait(0.02) for _ in range(50 * PATIENCE))


@dataclass
class FakeProgress:
    """A list of a known length."""

    expected: int | None = 1000


class FakeSource:
    """A list that was read."""

    def __init__(self) -> None:
        self.closed = False

    def progress(self) -> FakeProgress:
        """Its length."""
        return FakeProgress()

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class FakeSink:
    """An output that may fail at its end."""

    def __init__(self, failure: CrawlerError | None = None) -> None:
        self.closed = False
        self.failure = failure
        self.written = SNAPSHOT.records

    def close(self, *, whole: bool = True) -> None:
        """Remember it, and fail if it should."""
        self.closed = True
        if self.failure is not None:
            raise self.failure


class FakeSession:
    """A crawl that ends at once, or when it is told to: `ends_on` is `stop` or `stop_now`."""

    def __init__(
        self,
        snapshot: Snapshot = SNAPSHOT,
        *,
        failure: Exception | None = None,
        ends_on: str = "",
        running: Callable[[], None] = lambda: None,
    ) -> None:
        self.snapshot = snapshot
        self.failure = failure
        self.began = False
        self.calls: list[str] = []
        self.parsing = "inline: 0.31 ms a page"
        self.worker_cpu_seconds = 0.0
        self.overdue = False
        self._ends_on = ends_on
        self._running = running
        self._ended = threading.Event()

    def run(self) -> Snapshot:
        """Run to the end."""
        self.began = True
        self._running()
        if self._ends_on:
            assert happens(self._ended)
        if self.failure is not None:
            raise self.failure
        return self.snapshot

    def stop(self) -> None:
        """Told to stop."""
        self._told("stop")

    def stop_now(self) -> None:
        """Told to end."""
        self._told("stop_now")

    def statistics(self) -> Snapshot:
        """The snapshot, always the same."""
        return self.snapshot

    def totals(self) -> Totals:
        """What was done to a host, always the same."""
        return TOTALS

    def _told(self, call: str) -> None:
        self.calls.append(call)
        if call == self._ends_on:
            self._ended.set()


def opening(session: FakeSession, sink: FakeSink, source: FakeSource) -> Opener:
    """What `run` opens in place of a real crawl."""

    def open_parts(_order: Order, _announce: Callable[[str], None]) -> Parts:
        return Parts(session=session, source=source, sink=sink)

    return open_parts
