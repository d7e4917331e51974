"""Outcomes of all hits, kept as counts.

A hit has three times: when it should have left (*intended*), when it did (*sent*), when its answer
was whole (*ended*). From them follow three latencies: **response** is ended - intended, what a user
of that schedule would have waited; **service** is ended - sent, what the server took; **lag** is
sent - intended, what the generator or the wait for a free connection added. A generator that counts
from the time sent alone leaves out what a stalled server kept it from sending (coordinated
omission; Tene, "How not to measure latency", 2013): response and service side by side show it.

Hits count from `start` on, by their intended time; those before are warm-up. Failures, and what is
in flight at the end, are in the distributions as lower bounds.

A hit costs an append or three: the recorder counts what came in some 8 ms at once, into the current
row alone, and adds that to the whole when it is over. A closed loop sends when it intends: for such
hits one latency stands for two, and the lag is 0. Only in a run whose hits differ (`Plan.mixed`)
each answer is counted for its target, too; in any other the whole is the one target.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from msgspec.structs import replace

from crawler.load.load_config import EXPECTED, statuses
from crawler.load.measured import ErrorKind, Failure, Measured, TargetCounts, phrase
from crawler.load.plan import Aim, Plan, Planned
from crawler.load.series import MOST_ROWS, Latencies, Row, halved
from crawler.measure.histogram import Histogram

__all__ = ["Failure", "Measured", "Recorder"]

_TICK = 1 / 128
# Latencies of a target are put into buckets so many at once.
_BATCH = 512


@dataclass(slots=True)
class _Stretch:
    """The counts of the current row, or of the whole run.

    exceptions: answers that are errors for their target alone, less those that are not.
    """

    expected: AbstractSet[int]
    punctual: Histogram = field(default_factory=Histogram)
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    lag: Histogram = field(default_factory=Histogram)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[Failure] = field(default_factory=Counter)
    dropped: int = 0
    received: int = 0
    exceptions: int = 0

    @property
    def unexpected(self) -> int:
        """Answers whose status is an error."""
        counts = self.statuses.items()
        return self.exceptions + sum(n for status, n in counts if status not in self.expected)

    def add(self, other: _Stretch) -> None:
        """Count what the other has counted, which is settled."""
        self.response.merge(other.response)
        self.service.merge(other.service)
        self.lag.merge(other.lag)
        self.statuses.update(other.statuses)
        self.failures.update(other.failures)
        self.dropped += other.dropped
        self.received += other.received
        self.exceptions += other.exceptions

    def settle(self) -> None:
        """Give each punctual hit its place in all three distributions."""
        self.service.merge(self.punctual)
        self.response.merge(self.punctual)
        if self.punctual.counts:
            self.lag.counts[0] += self.punctual.count
        self.punctual = Histogram()

    def row(self, at: int) -> Row:
        """Return the stretch as a row that begins `at` seconds."""
        return Row(
            at=at,
            count=sum(self.statuses.values()),
            errors=self.unexpected + self.failures.total() + self.dropped,
            response=Latencies(self.response),
            service=Latencies(self.service),
            lag=Latencies(self.lag),
        )


@dataclass(slots=True)
class _Target:
    """The counts of one aim. firsts: message and request of the first error of each kind."""

    aim: Aim
    latencies: list[float] = field(default_factory=list)
    response: Histogram = field(default_factory=Histogram)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    firsts: dict[str, tuple[str, Planned]] = field(default_factory=dict)
    received: int = 0
    unfinished: int = 0

    def error(self, kind: str, message: str, request: Planned, number: int = 1) -> None:
        """Count errors; the first of their kind is kept."""
        self.errors[kind] += number
        self.firsts.setdefault(kind, (message, request))

    def settle(self) -> None:
        """Put the latencies into buckets."""
        self.response.add_many(self.latencies)
        self.latencies.clear()

    def counts(self, plan: Plan, *, latencies: bool) -> TargetCounts:
        """Return all that was counted, with or without the latencies."""
        self.settle()
        errors = {}
        for kind, (message, request) in self.firsts.items():
            example = f"{request.method} {plan.url(request)}"
            errors[kind] = ErrorKind(count=self.errors[kind], message=message, example=example)
        return TargetCounts(
            name=self.aim.name,
            targets=self.aim.targets,
            response=self.response if latencies else Histogram(),
            statuses=dict(self.statuses),
            errors=errors,
            unfinished=self.unfinished,
            received=self.received,
        )


class Recorder:
    """Counts hits from `start` on (seconds of the clock that all times given are of).

    `seconds_hint` is how long the run will be: rows are then long enough from the beginning.
    `expected` are the statuses that are not errors. With a `plan`, `end` tells targets apart.
    Events are recorded when they happen: one after the end of the current row closes it.
    """

    def __init__(
        self,
        start: float,
        seconds_hint: float = 0.0,
        *,
        expected: AbstractSet[int] | None = None,
        plan: Plan | None = None,
    ) -> None:
        self._start = start
        self._expected = statuses(EXPECTED) if expected is None else expected
        self._plan = plan
        self._targets = {aim.number: _Target(aim) for aim in (plan.aims if plan else ())}
        self._carried = 0.0
        self._unfinished = self._reopened = 0
        self._messages: dict[Failure, str] = {}
        self._total = _Stretch(self._expected)
        self._rows: list[Row] = []
        self._row_seconds = 1
        while self._row_seconds * MOST_ROWS < seconds_hint:
            self._row_seconds *= 2
        self._row = _Stretch(self._expected)
        self._tick_at = start
        # The latencies since the last tick; a punctual hit's service is its response, too.
        self._punctual: list[float] = []
        self._responses: list[float] = []
        self._services: list[float] = []
        self._lags: list[float] = []

    def __repr__(self) -> str:
        count = sum(self._total.statuses.values()) + sum(self._row.statuses.values())
        return f"Recorder({count} answers)"

    def hit(  # noqa: PLR0917  a keyword costs more, and this is called for each hit
        self,
        intended: float,
        sent: float,
        ended: float,
        status: int,
        received: int,
        request: Planned | None = None,
    ) -> None:
        """Record a whole answer of so many bytes. A hit that left early counts as punctual."""
        if ended >= self._tick_at:
            self._tick(ended)
        if intended < self._start:
            self._warm(sent, ended)
            return
        if sent <= intended:
            self._punctual.append(ended - sent)
        else:
            self._services.append(ended - sent)
            self._responses.append(ended - intended)
            self._lags.append(sent - intended)
        row = self._row
        row.statuses[status] += 1
        row.received += received

    def hit_of_target(  # noqa: PLR0917  as above
        self,
        intended: float,
        sent: float,
        ended: float,
        status: int,
        received: int,
        request: Planned,
    ) -> None:
        """Record a whole answer of a run whose hits differ."""
        self.hit(intended, sent, ended, status, received)
        if intended < self._start:
            return
        target, expected = self._targets[request.aim.number], status in request.aim.expected
        target.latencies.append(ended - min(intended, sent))
        if len(target.latencies) >= _BATCH:
            target.settle()
        target.statuses[status] += 1
        target.received += received
        if not expected:
            target.error(f"status {status}", phrase(status), request)
        if expected != (status in self._expected):
            self._row.exceptions += -1 if expected else 1

    def failed(
        self,
        intended: float,
        sent: float | None,
        ended: float,
        kind: Failure,
        why: str = "",
        *,
        request: Planned | None = None,
    ) -> None:
        """Record a hit without an answer, and `why`; `sent` is None if it never left."""
        if self._bound(intended, sent, ended, request):
            self._row.failures[kind] += 1
            if why and kind not in self._messages:
                self._messages[kind] = why if request is None else f"{why} ({request.line})"
            self._error(kind.value, why, request)

    def reopened(self, intended: float) -> None:
        """Record a hit sent again, as its connection had been closed while idle."""
        if intended >= self._start:
            self._reopened += 1

    def unfinished(
        self, intended: float, sent: float | None, now: float, request: Planned | None = None
    ) -> None:
        """Record a hit still under way at the end, or still waiting (`sent` is None)."""
        if self._bound(intended, sent, now, request):
            self._unfinished += 1
            if request is not None and self._targets:
                self._targets[request.aim.number].unfinished += 1

    def dropped(self, intended: float, now: float, request: Planned | None = None) -> None:
        """Record a hit given up, as no connection was free: an error without a latency."""
        if now >= self._tick_at:
            self._tick(now)
        if intended >= self._start:
            self._row.dropped += 1
            self._error("dropped", "no connection was free", request)

    def freeze(self, now: float) -> Measured:
        """Return all that was counted until now; the recorder may go on."""
        self._tick(now)
        self._row.settle()
        total = _Stretch(self._expected)
        row = self._row.row(len(self._rows) * self._row_seconds)
        total.add(self._total)
        total.add(self._row)
        return Measured.taken(
            total,
            elapsed=max(0.0, now - self._start),
            statuses=dict(sorted(total.statuses.items())),
            failures=dict(sorted(total.failures.items())),
            messages=dict(self._messages),
            reopened=self._reopened,
            unfinished=self._unfinished,
            carried=self._carried,
            rows=(*self._rows, row),
            targets=(),
            row_seconds=self._row_seconds,
        )

    def so_far(self, now: float) -> Measured:
        """Return what was counted until now; of targets that differ without their latencies."""
        measured, plan = self.freeze(now), self._plan
        if plan is None or not plan.mixed:
            return measured
        targets = (each.counts(plan, latencies=False) for each in self._targets.values())
        return replace(measured, targets=tuple(targets))

    def end(self, now: float) -> Measured:
        """Return all that was counted in the run, by target, too."""
        measured, plan = self.freeze(now), self._plan
        if plan is None:
            return measured
        if not plan.mixed:
            (target,), first = self._targets.values(), plan.order[0].at(0, 0)
            target.response, target.received = measured.response, measured.received
            target.statuses.update(measured.statuses)
            for status, number in measured.statuses.items():
                if status not in self._expected:
                    target.error(f"status {status}", phrase(status), first, number)
        targets = (each.counts(plan, latencies=True) for each in self._targets.values())
        return replace(measured, targets=tuple(targets))

    def _error(self, kind: str, message: str, request: Planned | None) -> None:
        if request is not None and self._targets:
            self._targets[request.aim.number].error(kind, message, request)

    def _bound(
        self, intended: float, sent: float | None, now: float, request: Planned | None
    ) -> bool:
        """Count latencies of which only a lower bound is known; False in the warm-up."""
        if now >= self._tick_at:
            self._tick(now)
        if intended < self._start:
            if sent is not None:
                self._warm(sent, now)
            return False
        row = self._row
        if sent is None:
            row.lag.add_lower_bound(now - intended)
        else:
            row.lag.add(sent - intended)
            row.service.add_lower_bound(now - sent)
            intended = min(intended, sent)
        row.response.add_lower_bound(now - intended)
        if request is not None and self._targets:
            self._targets[request.aim.number].response.add_lower_bound(now - intended)
        return True

    def _warm(self, sent: float, ended: float) -> None:
        self._carried += max(0.0, ended - max(sent, self._start))

    def _tick(self, now: float) -> None:
        self._count()
        while now >= (end := self._start + (len(self._rows) + 1) * self._row_seconds):
            self._turn()
        self._tick_at = min(max(now, self._start) + _TICK, end)

    def _count(self) -> None:
        row = self._row
        row.service.add_many(self._services)
        row.response.add_many(self._responses)
        row.lag.add_many(self._lags)
        row.punctual.add_many(self._punctual)
        for values in (self._punctual, self._services, self._responses, self._lags):
            values.clear()

    def _turn(self) -> None:
        self._row.settle()
        self._total.add(self._row)
        self._rows.append(self._row.row(len(self._rows) * self._row_seconds))
        self._row = _Stretch(self._expected)
        if len(self._rows) == MOST_ROWS:
            self._rows = halved(self._rows)
            self._row_seconds *= 2
