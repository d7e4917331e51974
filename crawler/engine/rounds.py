"""A crawl in rounds, by whatever executor: plans the rounds, hands them out, and knows the end.

Each partition goes from round to round by itself; there is no barrier between them. A round's plan
is created once, and so is its manifest: what the driver knows is what the manifests say. So it may
be killed and started again with the same command, on any machine that sees the place, and finds
rounds that run on meanwhile. Two drivers at the same time are wasteful, and no worse.

A round is handed out again if its process died, or if its heartbeat has stood still for a lease;
which of several attempts may crawl is settled between these (`crawler.engine.lease`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Protocol

from crawler.core.audit import Totals
from crawler.core.by_hand import Command, CrawlControl
from crawler.core.collector import Snapshot
from crawler.core.merged import merged, summed_totals
from crawler.engine.lease import attempts_among
from crawler.engine.parallel_crawl import ENDING
from crawler.engine.partition_plan import Manifest, Wish, all_done
from crawler.engine.round_attempt import WISH, RoundCall, RoundEnd
from crawler.engine.round_files import MANIFEST
from crawler.engine.round_handle import RoundHandle, plan_of, with_work
from crawler.engine.round_news import RoundNews, live_offer
from crawler.engine.round_output import adopted_journal, gathered_part, tidied
from crawler.engine.round_process import crawl_round
from crawler.engine.round_state import (
    PLAN,
    RoundManifest,
    encoded,
    last_manifest,
    stored_at,
)
from crawler.model.errors import ConfigurationError, CrawlerError, EnvironmentFailure, ExitCode
from crawler.model.event import NO_EVENTS, Events, Level
from crawler.store.forms import OutputTarget
from crawler.store.round_place import RoundPlace
from crawler.store.run_folder import part_name

_TICK = 0.1  # seconds between two looks at wishes and time, if nothing is heard
_BEGINNING = 4
"""Leases that an attempt may take to begin: a worker that takes tasks may do none of them."""
_DEATHS = 3
"""Attempts that may fail before a partition comes further; after another one it is given up."""


Wait = Callable[[list[Future[RoundEnd]], float, str], object]
"""Waits for futures, for so many seconds, until what the last word says (`FIRST_COMPLETED`)."""


class Workers(Protocol):
    """Who crawls."""

    @property
    def slots(self) -> int:
        """Number of rounds at once, 1 or more."""

    @property
    def sharing(self) -> int:
        """Number of those on one machine."""

    def executor(self) -> Executor:
        """Return what takes calls; another one if the last was lost. Raises `CrawlerError`."""

    def close(self) -> None:
        """Give it up, with what runs there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsOrder:
    """The order for all rounds of a run.

    state: the directory in which the parts are put together in the end. targets: what each
    partition writes. Durations in seconds: of a round, of a lease, of the drain of requests in
    flight, and of all (0: no limit). concurrency: of one partition. sizes: the entries that the
    list was seen to have for a partition; those not known are 0. exchanging: those that run
    take what others find meanwhile.
    """

    partitions: int
    state: Path
    targets: Sequence[OutputTarget]
    seconds: float
    lease: float
    drain: float = 30.0
    max_time: float = 0.0
    concurrency: int = 1
    sizes: Mapping[int, int] = field(default_factory=dict)
    exchanging: bool = False


class RoundsCrawl:
    """All rounds of one run; every method but `run` may be called from any thread.

    announce: told, in one line each, what was decided. `overdue`: the time was up before all was
    done. clock: seconds. wait_for: waits as `concurrent.futures.wait` does.
    """

    def __init__(
        self,
        place: RoundPlace,
        workers: Workers,
        order: RoundsOrder,
        announce: Callable[[str], None],
        *,
        clock: Callable[[], float] = perf_counter,
        wait_for: Wait = wait,
    ) -> None:
        self._place = place
        self._clock = clock
        self._wait_for = wait_for
        self._workers = workers
        self._order = order
        self._announce = announce
        self._handles = [
            RoundHandle(number, last_manifest(place, number), order.sizes.get(number, 0))
            for number in range(order.partitions)
        ]
        self._news = RoundNews(place) if order.exchanging else None
        self._events = NO_EVENTS
        self._wish = Wish.FINISH
        self._failure: CrawlerError | None = None
        self._looked_at = -inf
        self._started_at = self._ended_at = 0.0
        self._ends_at = inf
        self._lock = threading.Lock()
        self.overdue = False

    def __repr__(self) -> str:
        return f"RoundsCrawl({self._handles!r})"

    # -- what the owner of the run asks

    @property
    def done(self) -> bool:
        """True if every URL has its record."""
        now = self.manifests
        return not self._failure and all_done(now, now)

    @property
    def manifests(self) -> list[Manifest]:
        """What each partition has committed."""
        return [handle.progress for handle in self._handles]

    @property
    def written(self) -> int:
        """Number of records that this run has written."""
        return sum(each.progress.records - each.taken.earlier for each in self._handles)

    @property
    def parsing(self) -> str:
        """The executor of the parser, and the reason for it."""
        return next((each.parsing for each in self._ran if each.parsing), "")

    @property
    def worker_cpu_seconds(self) -> float:
        """CPU time of the parser processes."""
        return sum(each.parser_seconds for each in self._ran)

    @property
    def _ran(self) -> list[RoundManifest]:
        return [each for handle in self._handles for each in handle.ran]

    def peak_rss(self) -> int:
        """Return 0: the memory is that of other machines."""
        return 0

    def statistics(self) -> Snapshot:
        """Return the statistics so far."""
        now = self._ended_at or self._clock()
        elapsed = now - self._started_at if self._started_at else 0.0
        return merged([handle.taken for handle in self._handles], elapsed, self._order.concurrency)

    def totals(self) -> Totals:
        """Return the totals over all hosts of each round."""
        return summed_totals(each.totals for each in self._ran)

    def stop(self) -> None:
        """Start nothing more, and let the requests in flight end."""
        self._ends_at = min(
            self._ends_at, self._clock() + self._order.drain + self._order.lease + ENDING
        )
        self._want(Wish.STOP)

    def stop_now(self) -> None:
        """End the requests in flight, too."""
        self._want(Wish.STOP_NOW)

    def control(self, control: CrawlControl) -> None:
        """Stop, if that is what a person asks; raise ValueError, as the rest reaches no cluster."""
        if control.command is Command.STOP:
            self.overdue = True
            self.stop()
        else:
            raise ValueError(f"a cluster cannot be told to {control.command}; stop it, and go on")

    def show_hosts(self) -> None:
        """Do nothing: hosts are shown where they are crawled."""

    def trace(self, opened: Callable[[], object]) -> None:
        """Do nothing: the partitions trace their visits, as the options say."""

    def partitions(self) -> list[tuple[int, bool, Snapshot]]:
        """Return each partition's number, whether it runs, and its statistics."""
        return [(each.number, bool(each.attempts), each.taken) for each in self._handles]

    def tell_events(self, events: Events) -> None:
        """Tell `events` of rounds, and of what comes of them; before the run."""
        self._events = events

    def prepare(self) -> None:
        """Do nothing: the workers are there."""

    def dismiss(self) -> None:
        """Give the workers up."""
        self._workers.close()

    # -- the run

    def run(self) -> Snapshot:
        """Crawl until nothing is left, or until stopped; blocks. Raises `CrawlerError`."""
        self._started_at = self._clock()
        try:
            self._want(Wish.GO_ON if self._in_step else Wish.FINISH)
            while self._hand_out() or self._running or self._waiting:
                self._hear()
                self._look()
                self._look_at_time()
            if self.done:
                self._put_together()
        finally:
            self._ended_at = self._clock()
            self._workers.close()
        if self._failure is not None:
            raise self._failure
        return self.statistics()

    @property
    def _running(self) -> list[RoundHandle]:
        return [handle for handle in self._handles if handle.attempts]

    @property
    def _waiting(self) -> list[RoundHandle]:
        """The partitions with work that nobody is at: perhaps no worker is free for them yet."""
        if self._stopping:
            return []
        return [each for each in with_work(self._handles) if not each.attempts]

    @property
    def _next(self) -> list[RoundHandle]:
        """The partitions to hand out; who could read what others find is there for it."""
        if self._in_step and self._running and self._wish is Wish.GO_ON:
            return [each for each in self._handles if not each.attempts]
        return self._waiting

    @property
    def _in_step(self) -> bool:
        """True if every partition has a worker, and may wait for what others find."""
        return self._news is not None and len(self._handles) <= self._workers.slots

    @property
    def _stopping(self) -> bool:
        return self._wish in (Wish.STOP, Wish.STOP_NOW)

    def _want(self, wish: Wish) -> None:
        with self._lock:
            if self._stopping and wish not in (Wish.STOP, Wish.STOP_NOW):
                return
            self._wish = wish
            self._place.write(WISH, wish.value.encode())

    def _hand_out(self) -> bool:
        """Hand out rounds while there are workers for them; return whether any was."""
        free = self._workers.slots - sum(len(handle.tasks) for handle in self._handles)
        if self._stopping or free <= 0:
            return False
        handed_out = False
        for handle in sorted(self._next, key=lambda each: each.turn)[:free]:
            self._plan(handle)
            if not self._submit(handle):
                break
            handed_out = True
        return handed_out

    def _plan(self, handle: RoundHandle) -> None:
        """Create the plan of the next round, unless an earlier driver has."""
        plan = encoded(plan_of(handle, self._handles))
        self._place.create(f"{handle.folder}/{PLAN}", plan)

    def _submit(self, handle: RoundHandle) -> bool:
        call = RoundCall(
            place=self._place.name,
            partition=handle.number,
            round=handle.round,
            seconds=self._order.seconds,
            lease=self._order.lease,
            running=min(self._workers.slots, len(self._handles)),
            sharing=self._workers.sharing,
        )
        try:
            handle.tasks[self._workers.executor().submit(crawl_round, call)] = call
        except CrawlerError as error:
            self._fail(error)
            self.stop()
            return False
        self._tell(handle, Level.DEBUG, "round_handed_out")
        return True

    def _tell(self, handle: RoundHandle, level: Level, name: str, **fields: object) -> None:
        self._events.tell(level, name, partition=handle.number, round=handle.round, **fields)

    def _hear(self) -> None:
        """Wait for a round's end, and take what has ended."""
        futures = [task for handle in self._handles for task in handle.tasks]
        self._wait_for(futures, _TICK, FIRST_COMPLETED)
        for handle in self._handles:
            for task in [task for task in handle.tasks if task.done()]:
                self._take(handle, task, handle.tasks.pop(task))

    def _take(self, handle: RoundHandle, task: Future[RoundEnd], call: RoundCall) -> None:
        error = None if task.cancelled() else task.exception()
        end = task.result() if error is None and not task.cancelled() else None
        if call.round != handle.round:
            return  # another attempt has ended that round
        if end is None or end.error:
            self._failed(handle, end, str(error) if error is not None else "was cancelled")
        elif end.manifest is not None:
            self._finish(handle, end.manifest)

    def _failed(self, handle: RoundHandle, end: RoundEnd | None, error: str) -> None:
        """Take note of an attempt without a manifest; the next one goes on."""
        why = end.error if end is not None else error
        if end is not None and end.exit_code is ExitCode.USAGE:
            self._fail(ConfigurationError(why))
            self.stop_now()  # the others meet the same
            return
        self._tell(handle, Level.WARNING, "round_failed", reason=why)
        handle.deaths += 1
        if self._stopping:
            return
        told = f"partition {handle.number}, round {handle.round}"
        if handle.deaths > _DEATHS:
            self._fail(EnvironmentFailure(f"{told}: {why}; the same command goes on"))
            self.stop()
        else:
            self._announce(f"{told} is handed out again: {why}")

    def _fail(self, error: CrawlerError) -> None:
        self._failure = self._failure or error

    def _finish(self, handle: RoundHandle, manifest: RoundManifest) -> None:
        taken = manifest.taken
        self._tell(
            handle, Level.INFO, "round_ended", records=taken.records, left=manifest.progress.left
        )
        former = handle.last
        handle.ended(manifest)
        if former is not None:
            tidied(self._place, former, manifest)

    def _look(self) -> None:
        """Look at manifests and heartbeats: a worker that hangs does not say what it has done."""
        now = self._clock()
        if now - self._looked_at < min(1.0, self._order.lease / 5):
            return
        self._looked_at = now
        for handle in self._running:
            there = self._place.names(handle.folder)
            if MANIFEST in there:
                manifest = stored_at(self._place, f"{handle.folder}/{MANIFEST}", RoundManifest)
                if manifest is not None:
                    self._finish(handle, manifest)
            elif self._silent(handle, there, now) and not self._stopping:
                self._take_over(handle)
        self._exchange()

    def _exchange(self) -> None:
        """Tell rounds that run of what others have for them, and whether to wait for more."""
        if self._news is not None and not self._stopping:
            self._news.tell(self._handles)
            waiting = bool(self._waiting) and not self._in_step
            wish = self._news.wish(self._handles, waiting)
            if wish is not self._wish:
                self._want(wish)

    def _silent(self, handle: RoundHandle, there: Sequence[str], now: float) -> bool:
        """Return whether nobody is at a round any more, as far as can be seen from here."""
        begun = attempts_among(there)
        beat, patience = b"", _BEGINNING
        if begun:
            beat = self._place.read(f"{handle.folder}/beat-{begun[-1]}") or b""
            patience = _BEGINNING if f"over-{begun[-1]}" in there else 1
            if self._news is not None:
                handle.offer = live_offer(self._place, handle, begun[-1]) or handle.offer
        return handle.silent_for(beat, now) > patience * self._order.lease

    def _take_over(self, handle: RoundHandle) -> None:
        """Hand a round out again whose heartbeat stands still, if a worker is free for it."""
        busy = sum(len(each.tasks) for each in self._handles)
        if busy - handle.attempts < self._workers.slots and handle.attempts < 2:
            told = f"partition {handle.number}, round {handle.round}"
            self._announce(f"{told} is handed out again: silent for {self._order.lease:g} s")
            self._submit(handle)

    def _look_at_time(self) -> None:
        late = self._order.max_time and self._clock() - self._started_at >= self._order.max_time
        if late and not self._stopping:
            self.overdue = True
            self._announce(
                f"--max-time {self._order.max_time:g} s is over: finishing what is in flight"
            )
            self.stop()
        if self._clock() > self._ends_at:
            for handle in self._running:
                handle.tasks.clear()

    def _put_together(self) -> None:
        """Lay out the state of a run whose partitions have all ended, as on one machine."""
        for handle in self._handles:
            folder = self._order.state / f"p{handle.number}"
            folder.mkdir(mode=0o700, exist_ok=True)
            if handle.last is None:
                continue
            for number, target in enumerate(self._order.targets):
                path = folder / f"{part_name(number)}{target.form.suffix}"
                gathered_part(self._place, handle.last, path)
            adopted_journal(self._place, handle.last, folder / "journal")
