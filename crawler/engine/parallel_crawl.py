"""A crawl by several partitions, each in a process: starts and watches them, and knows the end.

Each process gets its share of the limits that count for the whole crawl. It ends when this process
does; one that dies alone is started again from its state, while the others go on. Partitions that
do not run at once take turns. The crawl is complete when all partitions say so in two looks, the
second of which was taken after the first had been sent by all (`all_done`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import Protocol

from crawler.core.audit import Totals
from crawler.core.by_hand import Command, CrawlControl, in_force
from crawler.core.collector import Snapshot
from crawler.core.merged import merged, summed_totals
from crawler.engine.partition_handle import PartitionHandle
from crawler.engine.partition_messages import CallEnd, ProgressReport
from crawler.engine.partition_plan import CrawlPlan, Manifest, Wish, all_done
from crawler.engine.ports import LAST_WRITES
from crawler.model.errors import ConfigurationError, CrawlerError, EnvironmentFailure, ExitCode
from crawler.model.event import NO_EVENTS, Event, Events, Level
from crawler.runtime.companion import heard_first

ENDING = 10.0
"""Seconds that partitions have to end after the drain timeout; then they are killed.

As long as they write records of what waits, they have as many again.
"""

_MOST_LEFT = 32 * 2**20
"""Bytes committed and not taken by the reader of the output, above which partitions wait."""

_TICK = 0.1  # seconds between two looks at wishes and time, if nothing is heard


class Forward(Protocol):
    """Takes what partitions have committed while they run, as far as there is room."""

    def take(self, manifest: Manifest) -> None:
        """Take more of a partition's part. Raises `CrawlerError`."""

    def pass_on(self) -> int:
        """Pass on what there is room for; return the bytes that there is none for.

        Raises `CrawlerError`.
        """

    def end_within(self, seconds: float) -> None:
        """Wait at most so long for whoever reads it."""


class ParallelCrawl:
    """All partitions of one run; every method but `run` may be called from any thread.

    announce: told, in one line each, what was decided. forward: given the commits as they come.
    max_time: seconds after which the crawl stops, 0 for none. standard_input: file with what is
    read there. `overdue` is true if the time was up, or a person stopped it, before all was done.
    """

    def __init__(
        self,
        plan: CrawlPlan,
        *,
        announce: Callable[[str], None],
        forward: Forward | None = None,
        max_time: float = 0.0,
        standard_input: str = "",
    ) -> None:
        self._plan = plan
        self._announce = announce
        self._forward = forward
        self._max_time = max_time
        self._standard_input = standard_input
        self._handles = [PartitionHandle(number) for number in range(plan.partitions)]
        self._turns = deque(self._handles)
        self._in_turns = plan.running < plan.partitions
        self._wish = Wish.FINISH if self._in_turns else Wish.GO_ON
        self._lock = threading.Lock()
        self._before: list[ProgressReport] = []
        self._last_turn: list[Manifest] = []
        self._told: set[str] = set()
        self._failure: CrawlerError | None = None
        self._started_at = self._ended_at = 0.0
        self._ends_at = inf
        self._seen_written = 0  # when there was more time to end the last time
        self.overdue = False
        self._events = NO_EVENTS
        self._asked: list[CrawlControl] = []  # that a process which starts has to know of

    def __repr__(self) -> str:
        return f"ParallelCrawl({self._handles!r})"

    # -- what the parent of the run asks

    @property
    def done(self) -> bool:
        """True if every URL has its record."""
        now = self.manifests
        return not self._failure and all_done(now, now)

    @property
    def manifests(self) -> list[Manifest]:
        """What each partition has committed."""
        return [handle.manifest for handle in self._handles]

    @property
    def written(self) -> int:
        """Number of records that this run has written."""
        return sum(each.manifest.records - each.taken.earlier for each in self._handles)

    @property
    def parsing(self) -> str:
        """The executor of the parser, and the reason for it."""
        return next((each.end.parsing for each in self._handles if each.end.parsing), "")

    @property
    def worker_cpu_seconds(self) -> float:
        """CPU time of the parser processes of all partitions."""
        return sum(each.end.parser_seconds for each in self._handles)

    def peak_rss(self) -> int:
        """Return the sum of the partitions' peak memory in bytes, of those that have ended."""
        return sum(each.end.peak_rss for each in self._handles)

    def statistics(self) -> Snapshot:
        """Return the statistics so far."""
        now = self._ended_at or perf_counter()
        elapsed = now - self._started_at if self._started_at else 0.0
        share = max(1, self._plan.options["concurrency"] // self._plan.running)
        return merged([handle.taken for handle in self._handles], elapsed, share)

    def totals(self) -> Totals:
        """Return the totals over all hosts."""
        return summed_totals(handle.end.totals for handle in self._handles)

    def stop(self) -> None:
        """Start nothing more, and let the requests in flight end."""
        drain = self._plan.options["drain_timeout"]
        self._end_within(drain + LAST_WRITES)
        self._ends_at = min(self._ends_at, perf_counter() + drain + ENDING)
        self._want(Wish.STOP)

    def stop_now(self) -> None:
        """End the requests in flight, too."""
        self._end_within(LAST_WRITES)
        self._want(Wish.STOP_NOW)

    def control(self, control: CrawlControl) -> None:
        """Have all partitions do what a person asks."""
        if control.command is Command.STOP:
            self.overdue = True
            self.stop()
            return
        with self._lock:
            self._asked = in_force(self._asked, control)
            for handle in self._running:
                handle.control(control)

    def show_hosts(self) -> None:
        """Do nothing: the partitions show theirs, as the options say."""

    def trace(self, opened: Callable[[], object]) -> None:
        """Do nothing: the partitions trace their visits, as the options say."""

    def partitions(self) -> list[tuple[int, bool, Snapshot]]:
        """Return each partition's number, whether it runs, and its statistics."""
        return [(each.number, each.process is not None, each.taken) for each in self._handles]

    def _end_within(self, seconds: float) -> None:
        if self._forward is not None:
            self._forward.end_within(seconds)

    def tell_events(self, events: Events) -> None:
        """Tell `events` of what happens here and in the partitions; before the run."""
        self._events = events

    # -- the run

    def prepare(self) -> None:
        """Start the first processes: they import what they need while the run is made ready."""
        for handle in self._handles[: self._plan.running]:
            handle.prepare()

    def dismiss(self) -> None:
        """End what was prepared and has not run."""
        for handle in self._handles:
            handle.dismiss()

    def run(self) -> Snapshot:
        """Crawl until nothing is left, or until stopped; blocks. Raises `CrawlerError`."""
        self._started_at = perf_counter()
        try:
            while self._start() or self._running or self._another_turn():
                self._hear()
                self._hold()
                self._look_at_time()
                self._look_at_all()
        finally:
            for handle in self._running:
                handle.kill()
                handle.bury()
            self._ended_at = perf_counter()
        if self._failure is not None:
            raise self._failure
        return self.statistics()

    @property
    def _running(self) -> list[PartitionHandle]:
        return [handle for handle in self._handles if handle.process is not None]

    @property
    def _stopping(self) -> bool:
        return self._wish in (Wish.STOP, Wish.STOP_NOW)

    def _want(self, wish: Wish) -> None:
        with self._lock:
            self._wish = wish
            for handle in self._running:
                handle.wish(wish)

    def _start(self) -> bool:
        """Start as many partitions as may run at once; return whether any was started."""
        started = False
        while self._turns and not self._stopping and len(self._running) < self._plan.running:
            handle = self._turns.popleft()
            with self._lock:
                handle.start(self._plan, self._wish, self._standard_input)
                for control in self._asked:
                    handle.control(control)
            self._events.tell(Level.INFO, "partition_started", partition=handle.number)
            started = True
        return started

    def _another_turn(self) -> bool:
        """Give all partitions another turn if not all is done; return False if there is no use."""
        now = self.manifests
        if self._stopping or self._failure or all_done(now, now) or now == self._last_turn:
            return False
        self._last_turn = now
        self._turns.extend(self._handles)
        return True

    def _hear(self) -> None:
        heard = heard_first([each.process for each in self._running if each.process], _TICK)
        for handle in [each for each in self._running if each.process in heard]:
            match handle.receive():
                case str() as line:
                    self._say(line)
                case ProgressReport():
                    self._pass_on(handle)
                case Event() as event:
                    self._events.receive(event)
                case CallEnd(foreseen=True) as end:
                    self._bury(handle)
                    self._end(handle, end)
                case _:
                    self._lose(handle)

    def _say(self, line: str) -> None:
        """Announce what each partition says, once; of where they parse only the first."""
        what = "parse" if line.startswith("parse:") else line
        if what not in self._told:
            self._told.add(what)
            self._announce(line)

    def _pass_on(self, handle: PartitionHandle) -> None:
        if self._forward is not None:
            self._forward.take(handle.manifest)

    def _hold(self) -> None:
        """Let partitions wait while the reader of the output is behind."""
        if self._forward is None:
            return
        left = self._forward.pass_on()
        if left > _MOST_LEFT or not left:
            with self._lock:
                for each in self._running:
                    each.hold(bool(left), self._wish)

    def _end(self, handle: PartitionHandle, end: CallEnd) -> None:
        self._pass_on(handle)
        if not end.error:
            return
        usage = end.exit_code is ExitCode.USAGE
        kind = ConfigurationError if usage else EnvironmentFailure
        self._failure = self._failure or kind(end.error)
        if usage:  # the others meet the same
            self.stop_now()

    def _lose(self, handle: PartitionHandle) -> None:
        told = handle.died(self._bury(handle))
        if not self._stopping:
            self._announce(told)
            self._events.tell(Level.WARNING, "partition_died", partition=handle.number, reason=told)
        if handle.failed:
            failure = EnvironmentFailure(f"{handle.failed}; the same command goes on")
            self._failure = self._failure or failure
        else:
            self._turns.append(handle)

    def _bury(self, handle: PartitionHandle) -> int:
        with self._lock:
            return handle.bury()

    def _look_at_time(self) -> None:
        late = self._max_time and perf_counter() - self._started_at >= self._max_time
        if late and not self._stopping:
            self.overdue = True
            self._events.tell(Level.WARNING, "overdue", seconds=self._max_time)
            in_flight = self.statistics().in_flight
            time = f"--max-time {self._max_time:g} s is over"
            self._announce(f"{time}: finishing {in_flight:,} in flight")
            self.stop()
        late = self._late_with_ending()
        for handle in self._running if self._stopping else ():
            if late or handle.last is None:  # it is still starting, and has nothing in flight
                handle.kill()

    def _late_with_ending(self) -> bool:
        now = perf_counter()
        if now > self._ends_at and self.written > self._seen_written:
            self._ends_at, self._seen_written = now + ENDING, self.written
        return now > self._ends_at

    def _look_at_all(self) -> None:
        """Let the partitions finish once none has anything left that it could give to another."""
        if self._wish is not Wish.GO_ON:
            return
        now = self._reports()
        if not now:
            return
        before, self._before = self._before, now
        first, second = ([each.manifest for each in looks] for looks in (before, now))
        if self._failure is None:
            done = all_done(second, second)
        else:  # what was sent to a partition that failed is never received
            done = all(each.ended for each in second)
        if done:
            self._want(Wish.FINISH if first == second else Wish.GO_ON)  # or look again at once

    def _reports(self) -> list[ProgressReport]:
        """Return a look at each partition, all begun after the last looks had been sent, or [].

        One that has returned does not change any more.
        """
        found = [handle.last for handle in self._handles if not handle.failed]
        sent = max((each.sent for each in self._before), default=0.0)
        running = {handle.number for handle in self._running}
        now = [
            each
            for each in found
            if each and (each.since >= sent or each.manifest.partition not in running)
        ]
        return now if len(now) == len(found) else []
