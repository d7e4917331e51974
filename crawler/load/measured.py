"""The outcome of a load run as counts, the basis of report, verdict and comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, TypeVar

from msgspec import field
from msgspec.structs import replace

from crawler.load.breakdown import ErrorKind, TargetCounts, merged_errors
from crawler.load.series import Row, halved, merged_rows
from crawler.measure.histogram import Histogram
from crawler.measure.json_document import Record, told


class Failure(StrEnum):
    """The reasons that a hit has no answer."""

    CONNECT = "connect"
    DNS = "dns"
    TLS = "tls"
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"
    PROTOCOL = "protocol"
    PORT_SHORTAGE = "port_shortage"
    DESCRIPTOR_SHORTAGE = "descriptor_shortage"


_Key = TypeVar("_Key", int, Failure)


class Measured(Record, frozen=True, kw_only=True):
    """The outcome of a run, or of one process's share in it; merges exactly."""

    elapsed: Annotated[float, told("Measured seconds.")]
    response: Annotated[Histogram, told("From the intended time to the end.")] = field(
        default_factory=Histogram
    )
    service: Annotated[Histogram, told("From sending to the end.")] = field(
        default_factory=Histogram
    )
    lag: Annotated[Histogram, told("From the intended time to sending.")] = field(
        default_factory=Histogram
    )
    statuses: Annotated[Mapping[int, int], told("HTTP status to answers.")] = {}
    failures: Annotated[Mapping[Failure, int], told("Kind of failure to hits.")] = {}
    messages: Annotated[Mapping[Failure, str], told("Kind of failure to the first message.")] = {}
    reopened: Annotated[
        int, told("Hits sent again, as their connection was closed while idle.", ge=0)
    ] = 0
    unexpected: Annotated[int, told("Answers with an unexpected status.", ge=0)] = 0
    dropped: Annotated[int, told("Hits given up, as no connection was free.", ge=0)] = 0
    unfinished: Annotated[int, told("Hits under way at the end.", ge=0)] = 0
    received: Annotated[int, told("Bytes.", ge=0)] = 0
    carried: Annotated[
        float, told("Time that hits of the warm-up were in flight after the start.")
    ] = 0.0
    rows: Annotated[
        tuple[Row, ...], told("The hits that ended in each stretch of the run, in turn.")
    ] = ()
    targets: Annotated[
        tuple[TargetCounts, ...],
        told("The same hits by target, in the order of the list; nothing before the end."),
    ] = ()
    row_seconds: Annotated[
        int, told("Seconds of a stretch; the last one may be shorter.", ge=1)
    ] = 1

    @property
    def count(self) -> int:
        """Answers, whatever their status."""
        return sum(self.statuses.values())

    @property
    def attempts(self) -> int:
        """All hits whose time had come: answered, failed, dropped, or unfinished."""
        return self.count + sum(self.failures.values()) + self.dropped + self.unfinished

    @property
    def sent(self) -> int:
        """The hits that left."""
        return self.lag.count - self.lag.lower_bounds

    @property
    def errors(self) -> int:
        """Hits that failed or were dropped, and answers with an unexpected status."""
        return self.unexpected + sum(self.failures.values()) + self.dropped

    @property
    def succeeded(self) -> int:
        """Answers with an expected status."""
        return self.count - self.unexpected

    @property
    def error_share(self) -> float:
        """Errors among all attempts, from 0 to 1; 0 of nothing."""
        return self.errors / self.attempts if self.attempts else 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.count / self.elapsed if self.elapsed else 0.0

    @property
    def kinds(self) -> Mapping[str, ErrorKind]:
        """The errors by kind, with the first of each; before the end, failures alone."""
        if self.targets:
            return merged_errors(target.errors for target in self.targets)
        return {
            kind.value: ErrorKind(count=number, message=self.messages.get(kind, ""))
            for kind, number in self.failures.items()
        }

    @property
    def expected_in_flight(self) -> float:
        """The mean number of hits in flight after Little's law: all their time over the time."""
        time = self.service.mean * self.service.count + self.carried
        return time / self.elapsed if self.elapsed else 0.0

    def row_length(self, row: Row) -> float:
        """Return the seconds that a row of this run lasted; the last may be shorter."""
        return max(0.0, min(self.row_seconds, self.elapsed - row.at))

    @property
    def whole_rows(self) -> tuple[Row, ...]:
        """The rows that lasted as long as they should (within 5 %), to be compared."""
        least = 0.95 * self.row_seconds
        return tuple(row for row in self.rows if self.row_length(row) >= least)

    def merge(self, other: Measured) -> Measured:
        """Return both together, as two processes that measured side by side."""
        ours, theirs = self._at_least(other.row_seconds), other._at_least(self.row_seconds)
        return Measured(
            elapsed=max(self.elapsed, other.elapsed),
            response=_sum(self.response, other.response),
            service=_sum(self.service, other.service),
            lag=_sum(self.lag, other.lag),
            statuses=_added(self.statuses, other.statuses),
            failures=_added(self.failures, other.failures),
            messages={**other.messages, **self.messages},
            reopened=self.reopened + other.reopened,
            unexpected=self.unexpected + other.unexpected,
            dropped=self.dropped + other.dropped,
            unfinished=self.unfinished + other.unfinished,
            received=self.received + other.received,
            carried=self.carried + other.carried,
            rows=tuple(merged_rows(ours.rows, theirs.rows)),
            targets=_beside(self.targets, other.targets),
            row_seconds=ours.row_seconds,
        )

    def _at_least(self, row_seconds: int) -> Measured:
        measured = self
        while measured.row_seconds < row_seconds:
            rows = tuple(halved(measured.rows))
            measured = replace(measured, rows=rows, row_seconds=2 * measured.row_seconds)
        return measured


def _beside(
    ours: tuple[TargetCounts, ...], theirs: tuple[TargetCounts, ...]
) -> tuple[TargetCounts, ...]:
    """Return the counts of two processes with the same targets in the same order."""
    if not (ours and theirs):
        return ours or theirs
    return tuple(one.merge(other) for one, other in zip(ours, theirs, strict=True))


def _sum(one: Histogram, other: Histogram) -> Histogram:
    total = one.copy()
    total.merge(other)
    return total


def _added(one: Mapping[_Key, int], other: Mapping[_Key, int]) -> dict[_Key, int]:
    both = Counter(one) + Counter(other)
    return {key: both[key] for key in sorted(both)}
