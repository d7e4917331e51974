"""The outcome of a load run as counts: what a report, a verdict and a comparison are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self, TypeVar

from crawler.load.series import Row, halved, merged_rows
from crawler.measure.histogram import Histogram

_Key = TypeVar("_Key")


class Failure(StrEnum):
    """Why a hit has no answer."""

    CONNECT = "connect"
    DNS = "dns"
    TLS = "tls"
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"
    PROTOCOL = "protocol"
    PORT_SHORTAGE = "port_shortage"
    DESCRIPTOR_SHORTAGE = "descriptor_shortage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The outcome of a run, or of one process's share in it; merges exactly.

    `elapsed` are the seconds measured. `statuses` and `failures` count the hits that ended,
    `unexpected` those of the former whose status is an error, `dropped` those given up because no
    connection was free, `unfinished` those still under way at the end. `messages` tells the first
    failure of each kind; `reopened` counts hits that were sent again, as their connection had been
    closed while idle. `carried` is the time that hits of the warm-up were in flight after the
    start. `rows` are `row_seconds` long each, the last one perhaps less.
    """

    elapsed: float
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    lag: Histogram = field(default_factory=Histogram)
    statuses: Mapping[int, int] = field(default_factory=dict)
    failures: Mapping[Failure, int] = field(default_factory=dict)
    messages: Mapping[Failure, str] = field(default_factory=dict)
    reopened: int = 0
    unexpected: int = 0
    dropped: int = 0
    unfinished: int = 0
    received: int = 0
    carried: float = 0.0
    rows: tuple[Row, ...] = ()
    row_seconds: int = 1

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
    def expected_in_flight(self) -> float:
        """The mean number of hits in flight after Little's law: all their time over the time."""
        time = self.service.mean * self.service.count + self.carried
        return time / self.elapsed if self.elapsed else 0.0

    def row_length(self, row: Row) -> float:
        """The seconds that a row of this run lasted: less than the others for the last one."""
        return max(0.0, min(self.row_seconds, self.elapsed - row.at))

    @property
    def whole_rows(self) -> tuple[Row, ...]:
        """The rows that lasted as long as they should (within 5 %), to be compared."""
        least = 0.95 * self.row_seconds
        return tuple(row for row in self.rows if self.row_length(row) >= least)

    def merge(self, other: Measured) -> Measured:
        """Both together, as two processes that measured side by side."""
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
            row_seconds=ours.row_seconds,
        )

    def _at_least(self, row_seconds: int) -> Measured:
        measured = self
        while measured.row_seconds < row_seconds:
            rows = tuple(halved(measured.rows))
            measured = replace(measured, rows=rows, row_seconds=2 * measured.row_seconds)
        return measured

    @property
    def json(self) -> dict[str, Any]:
        """Everything, in types of JSON; `of` makes an equal value from it."""
        return {
            "elapsed": self.elapsed,
            "response": self.response.json,
            "service": self.service.json,
            "lag": self.lag.json,
            "statuses": {str(status): self.statuses[status] for status in sorted(self.statuses)},
            "failures": {kind.value: self.failures[kind] for kind in sorted(self.failures)},
            "messages": {kind.value: self.messages[kind] for kind in sorted(self.messages)},
            "reopened": self.reopened,
            "unexpected": self.unexpected,
            "dropped": self.dropped,
            "unfinished": self.unfinished,
            "received": self.received,
            "carried": self.carried,
            "rows": [row.json for row in self.rows],
            "row_seconds": self.row_seconds,
        }

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From `json`; raises KeyError, TypeError or ValueError for what it cannot be."""
        return cls(
            elapsed=float(json["elapsed"]),
            response=Histogram.of(json["response"]),
            service=Histogram.of(json["service"]),
            lag=Histogram.of(json["lag"]),
            statuses={int(status): int(count) for status, count in json["statuses"].items()},
            failures={Failure(kind): int(count) for kind, count in json["failures"].items()},
            messages={Failure(kind): str(text) for kind, text in json["messages"].items()},
            reopened=int(json["reopened"]),
            unexpected=int(json["unexpected"]),
            dropped=int(json["dropped"]),
            unfinished=int(json["unfinished"]),
            received=int(json["received"]),
            carried=float(json["carried"]),
            rows=tuple(map(Row.of, json["rows"])),
            row_seconds=int(json["row_seconds"]),
        )


def _sum(one: Histogram, other: Histogram) -> Histogram:
    total = one.copy()
    total.merge(other)
    return total


def _added(one: Mapping[_Key, int], other: Mapping[_Key, int]) -> dict[_Key, int]:
    return dict(Counter(one) + Counter(other))
