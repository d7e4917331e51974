"""Counts of the hits of each target of a list, next to those of the whole run.

Only for runs whose hits differ (`Plan.mixed`): in any other the whole is the one target.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet

from crawler.load.breakdown import ErrorKind, TargetCounts, phrase
from crawler.load.hit import Recorder
from crawler.load.measured import Failure, Measured
from crawler.load.plan import Aim, Plan, Planned
from crawler.measure.histogram import Histogram

# Latencies are put into buckets so many at once.
_BATCH = 512
_DROPPED = "no connection was free"


class _Row:
    """The counts of one aim."""

    __slots__ = (
        "aim",
        "errors",
        "firsts",
        "latencies",
        "received",
        "response",
        "statuses",
        "unfinished",
    )

    def __init__(self, aim: Aim) -> None:
        self.aim = aim
        self.latencies: list[float] = []
        self.response = Histogram()
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.firsts: dict[str, tuple[str, Planned]] = {}
        self.received = self.unfinished = 0

    def error(self, kind: str, message: str, request: Planned) -> None:
        """Count an error; the first of its kind is kept."""
        self.errors[kind] += 1
        if kind not in self.firsts:
            self.firsts[kind] = message, request

    def settle(self) -> None:
        self.response.add_many(self.latencies)
        self.latencies.clear()

    def counts(self, plan: Plan) -> TargetCounts:
        self.settle()
        return TargetCounts(
            name=self.aim.name,
            targets=self.aim.targets,
            response=self.response.copy(),
            statuses=dict(self.statuses),
            errors={kind: self._error(kind, plan) for kind in self.errors},
            unfinished=self.unfinished,
            received=self.received,
        )

    def _error(self, kind: str, plan: Plan) -> ErrorKind:
        message, request = self.firsts[kind]
        return ErrorKind(count=self.errors[kind], message=message, example=told(plan, request))


class TargetRecorder(Recorder):
    """A recorder that knows which target each hit is of."""

    __slots__ = ("_aims", "_plan")

    def __init__(
        self, plan: Plan, start: float, seconds: float, *, expected: AbstractSet[int]
    ) -> None:
        super().__init__(start, seconds, expected=expected)
        self._plan = plan
        self._aims = {aim.number: _Row(aim) for aim in plan.aims}

    def hit(  # noqa: PLR0917  a keyword costs more, and this is called for each hit
        self,
        intended: float,
        sent: float,
        ended: float,
        status: int,
        received: int,
        request: Planned | None = None,
    ) -> None:
        """Record a whole answer."""
        super().hit(intended, sent, ended, status, received)
        if request is None or intended < self._start:
            return
        row, expected = self._aims[request.aim.number], status in request.aim.expected
        row.latencies.append(ended - min(intended, sent))
        if len(row.latencies) >= _BATCH:
            row.settle()
        row.statuses[status] += 1
        row.received += received
        if not expected:
            row.error(f"status {status}", phrase(status), request)
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
        """Record a hit without an answer."""
        super().failed(intended, sent, ended, kind, why, request=request)
        if request is not None and intended >= self._start:
            row = self._aims[request.aim.number]
            row.response.add_lower_bound(ended - _left(intended, sent))
            row.error(kind.value, why, request)

    def unfinished(
        self, intended: float, sent: float | None, now: float, request: Planned | None = None
    ) -> None:
        """Record a hit that is still under way, or waiting, at the end."""
        super().unfinished(intended, sent, now)
        if request is not None and intended >= self._start:
            row = self._aims[request.aim.number]
            row.response.add_lower_bound(now - _left(intended, sent))
            row.unfinished += 1

    def dropped(self, intended: float, now: float, request: Planned | None = None) -> None:
        """Record a hit that was given up."""
        super().dropped(intended, now)
        if request is not None and intended >= self._start:
            row = self._aims[request.aim.number]
            row.error("dropped", _DROPPED, request)

    def targets(self) -> tuple[TargetCounts, ...]:
        """Return the counts of each aim, in their order."""
        return tuple(row.counts(self._plan) for row in self._aims.values())


def _left(intended: float, sent: float | None) -> float:
    return intended if sent is None else min(intended, sent)


def told(plan: Plan, request: Planned) -> str:
    """Return a request's method and whole URL."""
    return f"{request.method} {plan.url(request)}"


def whole(plan: Plan, measured: Measured) -> TargetCounts:
    """Return the counts of a run whose hits are all of one kind."""
    (aim,), first = plan.aims, plan.order[0].at(0, 0)
    example, path = told(plan, first), f" ({first.line})"
    found: list[tuple[str, int, str]] = [
        (kind.value, count, measured.messages.get(kind, "").removesuffix(path))
        for kind, count in measured.failures.items()
    ]
    found += [
        (f"status {status}", count, phrase(status))
        for status, count in measured.statuses.items()
        if status not in aim.expected
    ]
    if measured.dropped:
        found.append(("dropped", measured.dropped, _DROPPED))
    return TargetCounts(
        name=aim.name,
        targets=aim.targets,
        response=measured.response,
        statuses=measured.statuses,
        errors={
            kind: ErrorKind(count=count, message=message, example=example)
            for kind, count, message in found
        },
        unfinished=measured.unfinished,
        received=measured.received,
    )
