"""A pool of lanes: parse batches of pages, answer each page exactly once, replace broken lanes.

`submit` is thread-safe, never blocks and hands a batch to the least busy lane. A lane holds two
batches at most, so that the second is already there when the first ends; the rest waits here,
bounded by the crawl's limit of requests in flight.

One thread, the keeper, does all that may take time: it starts lanes, kills a lane whose page is
overdue, judges the pages of a broken lane (`crawler.workers.recovery`) and starts another. So
recovery is sequential, and the callers' threads only move values. `tend` is one round of the
keeper; tests call it with a fake clock and fake lanes. A broken lane is replaced only while there
is work for it.

`close` ends within `CLOSING` plus `WINDING_UP` seconds: a lane that is still starting is left to
the keeper, which ends it afterwards.

A lane's life: starting -> ready -> (closed | broken -> replaced). Three failed starts in a row,
with no lane left, end the pool: each page then fails at once with the reason.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from crawler.model.outcome import Kind, Parsed, ParseFault
from crawler.workers.failure_reason import one_line, overrun_reason
from crawler.workers.recovery import (
    Batch,
    BatchOrder,
    Break,
    LaneProgress,
    PageResult,
    Ruling,
    rule,
    unfit,
)
from crawler.workers.work import Exhausted, Packed
from crawler.workers.worker_answer import MalformedAnswer, results

if TYPE_CHECKING:
    from crawler.workers.lanes import Lane

DEPTH: Final = 2  # batches on a lane: one being parsed, one right behind it
START_LIMIT: Final = 60.0  # seconds for a worker to import the parser, or to begin a batch
CLOSING: Final = 1.5  # seconds for the keeper and idle workers to end by themselves
WINDING_UP: Final = 0.5  # further seconds for the executors' threads to release their resources
_START_FAILURES: Final = 3  # in a row
_LOOK: Final = 1.0  # seconds between checks while a page is being parsed, to notice a stop
_STOPPED: Final = 0.5  # seconds of delay of a check that mean a stop (Ctrl-Z)
_REMEMBERED: Final = 8  # lanes that were killed last; earlier ones have wound up long ago
_KEEPER_LIMIT: Final = 1.0  # seconds of `CLOSING` for the keeper, which may be starting a lane


class PoolStatistics(NamedTuple):
    """A snapshot of a pool: ready lanes, waiting batches, lanes broken so far."""

    lanes: int
    waiting: int
    broken: int


@dataclass(slots=True, eq=False)
class _Seat:
    """A lane in the pool; `since` is the time of its start or of the last sign of life."""

    lane: Lane
    since: float
    before: int = 0  # breaks of the pool when it was made
    outstanding: dict[int, Batch] = field(default_factory=dict)  # by serial
    serial: int = 0
    gone: bool = False


class Pool:
    """Parses batches on `lanes` workers; `timeout` is the limit for one page in seconds."""

    def __init__(
        self,
        make_lane: Callable[[], Lane],
        *,
        lanes: int,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_lane, self._lanes, self._clock = make_lane, lanes, clock
        self._limit = timeout + min(1.0, 0.25 + timeout / 10)  # the worker's own alarm comes first
        self._hung = ParseFault(kind=Kind.PARSE_TIMEOUT, reason=overrun_reason(timeout))
        self._lock = threading.Lock()
        self._ready: list[_Seat] = []
        self._starting: list[_Seat] = []
        self._broken: deque[_Seat] = deque()
        self._killed: deque[Lane] = deque(maxlen=_REMEMBERED)
        self._pending: deque[Batch] = deque()
        self._breaks = self._failures = 0
        self._spent = 0.0
        self._failure: BaseException | None = None
        self._end: str | None = None
        self._resumed = float("-inf")
        self._closed = False
        self._wake = threading.Event()
        self._keeper: threading.Thread | None = None
        self.started: Future[None] = Future()
        """Done when the first lane is ready; raises the error if all of them fail to start."""

    def start(self) -> None:
        """Start the keeper, which starts the lanes."""
        self._keeper = threading.Thread(target=self._keep, name="crawler-pool", daemon=True)
        self._keeper.start()

    def submit(self, pages: Sequence[Packed]) -> Future[list[Parsed]]:
        """Parse one or more `pages`; the future's result has one entry for each, in order."""
        order = BatchOrder(pages)
        batch = Batch(order, range(len(pages)))
        with self._lock:
            closed, ended = self._closed, self._end is not None
            if not (closed or ended):
                self._pending.append(batch)
        if closed:
            order.future.cancel()
        elif ended:
            self._refuse([batch])
        else:
            self._dispatch()
            if self._lacks_lane():
                self._wake.set()
        return order.future

    def statistics(self) -> PoolStatistics:
        """Return a snapshot."""
        with self._lock:
            return PoolStatistics(len(self._ready), len(self._pending), self._breaks)

    def cpu_seconds(self) -> float:
        """Return the CPU time of the worker processes so far, replaced ones included."""
        with self._lock:
            return self._spent + sum(seat.lane.cpu_seconds() for seat in self._ready)

    # -- handing out ------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        while (handed := self._assign()) is not None:
            seat, serial, batch = handed
            try:
                future = seat.lane.submit(serial, batch.pages())
            except Exception:  # broken or shut down; its batches wait for recovery
                self._report(seat)
            else:
                future.add_done_callback(partial(self._done, seat, serial))

    def _assign(self) -> tuple[_Seat, int, Batch] | None:
        with self._lock:
            if not self._pending or not self._ready:
                return None
            seat = min(self._ready, key=lambda seat: len(seat.outstanding))
            if len(seat.outstanding) >= DEPTH:
                return None
            if not seat.outstanding:
                seat.since = self._clock()
            batch, seat.serial = self._pending.popleft(), seat.serial + 1
            seat.outstanding[seat.serial] = batch
            return seat, seat.serial, batch

    def _done(self, seat: _Seat, serial: int, future: Future[Any]) -> None:
        with self._lock:
            batch = seat.outstanding.get(serial)
        try:
            # Without a batch it was judged already, and its pages run elsewhere.
            parsed = results(future.result(), len(batch.picks) if batch is not None else 0)
        except (BrokenExecutor, CancelledError):
            self._report(seat)
            return
        except (Exhausted, MalformedAnswer) as error:
            self._retire(seat, serial, str(error))
            return
        except BaseException as error:  # the worker could not pickle or send its answers
            self._unsent(seat, serial, error)
        else:
            self._record(seat, serial, parsed)
        self._dispatch()

    def _record(self, seat: _Seat, serial: int, results: list[Parsed]) -> None:
        with self._lock:
            if seat.gone or (batch := seat.outstanding.pop(serial, None)) is None:
                return  # judged already; its pages run elsewhere
            seat.since = self._clock()
        self._settle(
            PageResult(batch.order, *pair) for pair in zip(batch.picks, results, strict=True)
        )

    def _settle(self, results: Iterable[PageResult]) -> None:
        """Set pages' results, and resolve the orders that end by that."""
        with self._lock:
            ended = [order for order, page, parsed in results if order.record(page, parsed)]
        for order in ended:
            order.resolve()

    def _unsent(self, seat: _Seat, serial: int, error: BaseException) -> None:
        with self._lock:
            batch = None if seat.gone else seat.outstanding.get(serial)
            if batch is not None and len(batch.picks) > 1:  # find the page that cannot be sent
                del seat.outstanding[serial]
                self._pending.extendleft(reversed(batch.singles()))
                return
        if batch is not None:
            self._record(seat, serial, [ParseFault(kind=Kind.PARSE, reason=one_line(error))])

    def _report(self, seat: _Seat) -> None:
        """Queue a seat for recovery."""
        if self._lose(seat):
            self._broken.append(seat)
        self._wake.set()

    def _lose(self, seat: _Seat) -> bool:
        """Hand nothing more to a seat; return False if it was lost before."""
        with self._lock:
            lost, seat.gone = not seat.gone, True
            for seats in (self._ready, self._starting):
                if seat in seats:
                    seats.remove(seat)
            return lost

    def _retire(self, seat: _Seat, serial: int, reason: str) -> None:
        """Judge the batches of a seat whose worker is unusable, and queue it for replacement."""
        if self._lose(seat):
            self._judge(
                seat, unfit(seat.outstanding, serial, reason, Break(self._breaks + 1, seat.before))
            )
            self._broken.append(seat)
            self._wake.set()

    def _judge(self, seat: _Seat, ruling: Ruling) -> None:
        """Record the failures of a lost seat, and queue what runs again."""
        with self._lock:
            seat.outstanding = {}
            self._pending.extendleft(reversed(ruling.again))
        self._settle(ruling.failed)

    # -- keeping ----------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._closed:
            delay = self.tend(self._clock())
            with self._lock:
                if self._starting or any(seat.outstanding for seat in self._ready):
                    delay = min(delay, _LOOK)
            due = self._clock() + delay
            self._wake.wait(delay)
            self._wake.clear()
            self.woken(due, self._clock())
        self._cancel_pending()  # batches that were judged while the pool was closing

    def woken(self, due: float, now: float) -> None:
        """Notice a stop (Ctrl-Z) and restart all limits, as its time must not count for a page."""
        if now - due > _STOPPED:
            self._resumed = now

    def tend(self, now: float) -> float:
        """Recover, watch and build once; return the seconds until the next call is due."""
        while self._broken:
            self._recover(self._broken.popleft(), None)
        delay = self._watch(now)
        while not self._closed and self._lacks_lane():
            self._build(now)
        self._give_up()
        self._dispatch()
        return delay

    def _recover(self, seat: _Seat, overdue: LaneProgress | None) -> None:
        self._spent += seat.lane.cpu_seconds()
        seat.lane.kill()
        self._killed.append(seat.lane)
        at_work = seat.lane.progress()
        # The page may have ended between the look and the kill.
        hung = self._hung if overdue is not None and at_work == overdue else None
        self._breaks += 1
        self._judge(seat, rule(seat.outstanding, at_work, hung, Break(self._breaks, seat.before)))

    def _watch(self, now: float) -> float:
        """Recover overdue lanes; return the seconds until the next can be overdue."""
        with self._lock:
            ready, starting = list(self._ready), list(self._starting)
        next_due = self._limit
        for seat in ready:
            overdue, due = self._due(seat)
            if due > now:
                next_due = min(next_due, due - now)
            elif self._lose(seat):
                self._recover(seat, overdue)
        for seat in starting:
            if now - max(seat.since, self._resumed) > START_LIMIT:
                self._start_failed(seat, TimeoutError(f"no sign of life in {START_LIMIT:g} s"))
        return next_due

    def _due(self, seat: _Seat) -> tuple[LaneProgress | None, float]:
        if not seat.outstanding:
            return None, float("inf")
        if (progress := seat.lane.progress()) is None:
            return None, max(seat.since, self._resumed) + START_LIMIT
        return progress, max(progress.since, self._resumed) + self._limit

    # -- building ---------------------------------------------------------------------------------

    def _lacks_lane(self) -> bool:
        """Return True if a lane should be started: after a break only if there is work for it."""
        with self._lock:
            batches = len(self._pending) + sum(len(seat.outstanding) for seat in self._ready)
            wanted = min(self._lanes, batches) if self._breaks else self._lanes
            present = len(self._ready) + len(self._starting)
            return present < wanted and self._failures < _START_FAILURES

    def _build(self, now: float) -> None:
        seat = None  # unless the lane can be made
        try:
            seat = _Seat(self._make_lane(), now, self._breaks)
            started = seat.lane.start()
        except Exception as error:
            self._start_failed(seat, error)
            return
        with self._lock:
            if not (late := self._closed):
                self._starting.append(seat)
        if late:
            seat.lane.kill()
            seat.lane.settle(self._clock() + WINDING_UP)
        else:
            started.add_done_callback(partial(self._start_ended, seat))

    def _start_ended(self, seat: _Seat, started: Future[Any]) -> None:
        error = CancelledError() if started.cancelled() else started.exception()
        if error is not None:
            self._start_failed(seat, error)
            return
        with self._lock:
            if seat.gone or self._closed:
                return
            self._starting.remove(seat)
            self._ready.append(seat)
            self._failures = 0
        if not self.started.done():
            self.started.set_result(None)
        self._dispatch()

    def _start_failed(self, seat: _Seat | None, error: BaseException) -> None:
        if seat is not None and not self._lose(seat):
            return
        with self._lock:
            self._failures += 1
            self._failure = error
        if seat is not None:
            seat.lane.kill()
            self._killed.append(seat.lane)
        self._wake.set()

    def _give_up(self) -> None:
        """End the pool when no lane is left and none can be started."""
        with self._lock:
            alive = self._ready or self._starting or self._broken
            if alive or self._failure is None or self._failures < _START_FAILURES or self._end:
                return
            self._end = f"no parser worker starts: {one_line(self._failure)}"
            refused, self._pending = list(self._pending), deque()
        if not self.started.done():
            self.started.set_exception(self._failure)
        self._refuse(refused)

    def _refuse(self, batches: list[Batch]) -> None:
        fault = ParseFault(kind=Kind.PARSE_CRASH, reason=self._end or "")
        self._settle(PageResult(b.order, page, fault) for b in batches for page in b.picks)

    # -- ending -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End all workers within a bounded time, busy ones at once; cancel unfinished batches."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        deadline = self._clock() + CLOSING
        self._wake.set()
        if self._keeper is not None:
            self._keeper.join(_KEEPER_LIMIT)
        with self._lock:
            idle = [seat for seat in self._ready if not seat.outstanding]
            seats = [*self._ready, *self._starting, *self._broken]
            for seat in seats:
                seat.gone = True
                self._spent += seat.lane.cpu_seconds()
                self._pending.extend(seat.outstanding.values())
            self._ready, self._starting = [], []
        self._cancel_pending()
        # Idle lanes end by themselves until the deadline, the others at once.
        others = [seat for seat in seats if seat not in idle]
        for seat in idle:
            seat.lane.close()
        for seat in others:
            seat.lane.kill()
        for seat in idle:
            seat.lane.join(deadline)
        for lane in [*self._killed, *(seat.lane for seat in [*others, *idle])]:
            lane.settle(deadline + WINDING_UP)

    def _cancel_pending(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, deque()
        for batch in pending:
            batch.order.future.cancel()
