"""A pool of lanes: takes batches of pages, answers each page exactly once, mends what breaks.

`submit` is thread-safe, never blocks and hands a batch to the least busy lane. A lane holds two
batches at most, one at work and one that is already across when the first ends; the rest waits
here, bounded by the crawl's limit of requests in flight.

One thread, the keeper, does all that may take time: it starts lanes, kills a lane whose page is
overdue, judges what was on a lane that broke (`crawler.workers.recovery`) and starts another. So
recovery is sequential, and the callers' threads only ever move values. `tend` is one round of it;
a test calls it with a clock of its own and lanes that are no threads. A lane that broke is replaced
while there is work for it: at the end of a crawl nobody waits for a start that nobody needs.

`close` ends within `CLOSING` and `WINDING_UP` seconds: a lane that is still being started is left
to the keeper, which ends it as soon as it has it.

A lane's life: starting -> ready -> (closed | broken -> replaced). Three failed starts in a row,
with no lane left, end the pool: each page then fails at once with the reason.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from functools import partial
from typing import Any, Final, NamedTuple

from crawler.model.outcome import Kind, Parsed, ParseFault
from crawler.workers.failure_reason import one_line, overrun_reason
from crawler.workers.lanes import Lane, LaneProgress
from crawler.workers.recovery import Batch, BatchOrder, Ruling, rule, unfit
from crawler.workers.work import Exhausted, Packed
from crawler.workers.worker_answer import MalformedAnswer, results

DEPTH: Final = 2  # batches on a lane: one at work, one that waits right behind it
START_LIMIT: Final = 60.0  # seconds for a worker to import the parser, or to take up a batch
CLOSING: Final = 1.5  # seconds for the keeper and idle workers to end by themselves
WINDING_UP: Final = 0.5  # seconds more for the executors' threads to give back what they hold
_START_FAILURES: Final = 3  # in a row
_LOOK: Final = 1.0  # seconds between two looks while a page is at work, so that a stop is noticed
_STOPPED: Final = 0.5  # seconds that a look is late after a stop
_REMEMBERED: Final = 8  # lanes that were killed last; those before have wound up long ago
_KEEPER_LIMIT: Final = 1.0  # seconds of `CLOSING` for the keeper, which may be starting a lane


class PoolStatistics(NamedTuple):
    """A pool at one moment: lanes that work, batches that wait, lanes that broke so far."""

    lanes: int
    waiting: int
    broken: int


class _Seat:
    """A lane in the pool, with the batches on it by serial."""

    __slots__ = ("gone", "lane", "outstanding", "serial", "since")

    def __init__(self, lane: Lane, now: float) -> None:
        self.lane = lane
        self.outstanding: dict[int, Batch] = {}
        self.serial = 0
        self.since = now  # of its start or of the last sign of life
        self.gone = False


class Pool:
    """Parses batches on `lanes` workers; `timeout` is the limit of one page in seconds."""

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
        """Ends when the first lane is ready; raises what kept all of them from it."""

    def start(self) -> None:
        """Start the keeper, which starts the lanes."""
        self._keeper = threading.Thread(target=self._keep, name="crawler-pool", daemon=True)
        self._keeper.start()

    def submit(self, pages: Sequence[Packed]) -> Future[list[Parsed]]:
        """Parse `pages`, at least one; the future has one result for each, in their order."""
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
        """A snapshot."""
        with self._lock:
            return PoolStatistics(len(self._ready), len(self._pending), self._breaks)

    def cpu_seconds(self) -> float:
        """CPU time of the worker processes, those that were replaced included, until the close."""
        with self._lock:
            return self._spent + sum(seat.lane.cpu_seconds() for seat in self._ready)

    # -- handing out ------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        while (handed := self._assign()) is not None:
            seat, serial, batch = handed
            try:
                future = seat.lane.submit(serial, batch.pages())
            except Exception:  # broken or shut down; what is on it waits for its recovery
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
        try:
            parsed = results(future.result(), self._pages_of(seat, serial))
        except (BrokenExecutor, CancelledError):
            self._report(seat)
            return
        except (Exhausted, MalformedAnswer) as error:
            self._retire(seat, serial, str(error))
            return
        except BaseException as error:  # the answers themselves could not be sent
            self._unsent(seat, serial, error)
        else:
            self._record(seat, serial, parsed)
        self._dispatch()

    def _pages_of(self, seat: _Seat, serial: int) -> int:
        """Return how many pages a batch has; 0 if it was judged already and runs elsewhere."""
        with self._lock:
            batch = seat.outstanding.get(serial)
            return len(batch.picks) if batch is not None else 0

    def _record(self, seat: _Seat, serial: int, results: list[Parsed]) -> None:
        with self._lock:
            if seat.gone or (batch := seat.outstanding.pop(serial, None)) is None:
                return  # judged already; its pages run elsewhere
            seat.since = self._clock()
            ends = [batch.order.record(*pair) for pair in zip(batch.picks, results, strict=True)]
        if any(ends):
            batch.order.resolve()

    def _unsent(self, seat: _Seat, serial: int, error: BaseException) -> None:
        with self._lock:
            batch = None if seat.gone else seat.outstanding.get(serial)
            if batch is not None and len(batch.picks) > 1:
                del seat.outstanding[serial]
                self._pending.extendleft(reversed(batch.singles()))
                return
        if batch is not None:
            self._record(seat, serial, [ParseFault(kind=Kind.PARSE, reason=one_line(error))])

    def _report(self, seat: _Seat) -> None:
        with self._lock:
            self._lose(seat)
        self._wake.set()

    def _lose(self, seat: _Seat) -> None:
        """Hand nothing more to a seat, and have it recovered; under the lock."""
        if not seat.gone:
            seat.gone = True
            if seat in self._ready:
                self._ready.remove(seat)
            self._broken.append(seat)

    def _retire(self, seat: _Seat, serial: int, reason: str) -> None:
        """Judge what is on a seat whose worker is fit for nothing more, and have it replaced."""
        with self._lock:
            if seat.gone:
                return
            ended = self._carry_out(seat, unfit(seat.outstanding, serial, reason))
            self._lose(seat)
        for order in ended:
            order.resolve()
        self._wake.set()

    def _carry_out(self, seat: _Seat, ruling: Ruling) -> list[BatchOrder]:
        """Set what has failed and queue what runs again; the orders that end. Under the lock."""
        seat.outstanding = {}
        self._pending.extendleft(reversed(ruling.again))
        return [v.order for v in ruling.failed if v.order.record(v.page, v.fault)]

    # -- keeping ----------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._closed:
            delay = self.tend(self._clock())
            if self._at_work():
                delay = min(delay, _LOOK)
            due = self._clock() + delay
            self._wake.wait(delay)
            self._wake.clear()
            self.woken(due, self._clock())
        self._cancel_pending()  # what was judged while the pool was closed

    def _at_work(self) -> bool:
        with self._lock:
            return bool(self._starting) or any(seat.outstanding for seat in self._ready)

    def woken(self, due: float, now: float) -> None:
        """Take note of a stop (Ctrl-Z): its time is no page's, so that all limits begin anew."""
        if now - due > _STOPPED:
            self._resumed = now

    def tend(self, now: float) -> float:
        """Recover, watch and build once; returns the seconds after which to call it again."""
        while self._broken:
            self._recover(self._broken.popleft(), None)
        delay = self._watch(now)
        while not self._closed and self._lacks_lane():
            self._build(now)
        self._give_up()
        self._dispatch()
        return delay

    def _recover(self, seat: _Seat, overdue: LaneProgress | None) -> None:
        """Judge what was on `seat`, which is no longer handed anything."""
        self._spent += seat.lane.cpu_seconds()
        seat.lane.kill()
        self._killed.append(seat.lane)
        at_work = seat.lane.progress()
        hung = self._hung if overdue is not None and at_work == overdue else None
        with self._lock:
            self._breaks += 1
            ended = self._carry_out(seat, rule(seat.outstanding, at_work, hung))
        for order in ended:
            order.resolve()

    def _watch(self, now: float) -> float:
        """Take down lanes that are overdue; returns the seconds until the next may be."""
        with self._lock:
            ready, starting = list(self._ready), list(self._starting)
        next_due = self._limit
        for seat in ready:
            overdue, due = self._due(seat)
            if due > now:
                next_due = min(next_due, due - now)
            elif self._take(seat):
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

    def _take(self, seat: _Seat) -> bool:
        """Claim a ready seat for recovery; False if somebody reported it first."""
        with self._lock:
            if seat.gone:
                return False
            seat.gone = True
            self._ready.remove(seat)
            return True

    # -- building ---------------------------------------------------------------------------------

    def _lacks_lane(self) -> bool:
        """Whether there is to be one more: all at first, and after a break as many as have work."""
        with self._lock:
            present = len(self._ready) + len(self._starting)
            wanted = min(self._lanes, self._batches()) if self._breaks else self._lanes
            return present < wanted and self._failures < _START_FAILURES

    def _batches(self) -> int:
        """Return how many batches are on a lane or wait for one; under the lock."""
        return len(self._pending) + sum(len(seat.outstanding) for seat in self._ready)

    def _build(self, now: float) -> None:
        seat = None
        try:
            seat = _Seat(self._make_lane(), now)
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
        with self._lock:
            if seat is not None:
                if seat.gone:
                    return
                seat.gone = True
                if seat in self._starting:
                    self._starting.remove(seat)
            self._failures += 1
            self._failure = error
        if seat is not None:
            seat.lane.kill()
            self._killed.append(seat.lane)
        self._wake.set()

    def _give_up(self) -> None:
        """End the pool when it has no lane and gets none."""
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
        for batch in batches:
            with self._lock:
                ends = [batch.order.record(index, fault) for index in batch.picks]
            if any(ends):
                batch.order.resolve()

    # -- ending -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End all workers, busy ones at once; what is unfinished is cancelled. Bounded."""
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
        self._end_lanes(idle, [seat for seat in seats if seat not in idle], deadline)

    def _cancel_pending(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, deque()
        for batch in pending:
            batch.order.future.cancel()

    def _end_lanes(self, idle: list[_Seat], others: list[_Seat], deadline: float) -> None:
        """Let idle lanes end by themselves until `deadline`, and the others at once."""
        for seat in idle:
            seat.lane.close()
        for seat in others:
            seat.lane.kill()
        for seat in idle:
            seat.lane.join(deadline)
        for lane in [*self._killed, *(seat.lane for seat in [*others, *idle])]:
            lane.settle(deadline + WINDING_UP)
