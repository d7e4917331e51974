"""The outcome of a load run as counts, the basis of report, verdict and comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import reduce
from http import HTTPStatus
from typing import Annotated

from msgspec import field
from msgspec.structs import replace

from crawler.load.series import LAG, RESPONSE, SERVICE, Row, halved
from crawler.measure.histogram import Histogram
from crawler.measure.json_document import Record, told, total


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


class ErrorKind(Record, frozen=True, kw_only=True):
    """One kind of error."""

    count: Annotated[int, told("Hits.", ge=1)]
    message: Annotated[str, told("The first of its kind, in a few words.")] = ""
    example: Annotated[str, told("The method and the URL of that one, or empty.")] = ""


BY_KIND = told("Kind (timeout, status 500, dropped) to its errors.")


class TargetCounts(Record, frozen=True, kw_only=True):
    """The outcomes of the hits of one target, or of several with the same name."""

    name: Annotated[str, told("Its name, or method and path.")]
    targets: Annotated[
        int, told("Targets of the list that are counted here.", merged=max, ge=1)
    ] = 1
    response: Annotated[Histogram, RESPONSE] = field(default_factory=Histogram)
    statuses: Annotated[Mapping[int, int], told("HTTP status to answers.")] = {}
    errors: Annotated[Mapping[str, ErrorKind], BY_KIND] = {}
    unfinished: Annotated[int, told("Hits under way at the end.", ge=0)] = 0
    received: Annotated[int, told("Bytes.", ge=0)] = 0

    @property
    def count(self) -> int:
        """Answers, whatever their status."""
        return sum(self.statuses.values())

    @property
    def outcomes(self) -> list[str]:
        """Statuses and kinds of failure with their numbers: `302: 12`, `timeout: 3`."""
        found = [f"{status}: {number:,}" for status, number in sorted(self.statuses.items())]
        return found + [
            f"{kind.replace('_', ' ')}: {error.count:,}"
            for kind, error in sorted(self.errors.items())
            if not kind.startswith("status ")
        ]

    @property
    def failed(self) -> int:
        """Errors of all kinds."""
        return sum(kind.count for kind in self.errors.values())

    @property
    def attempts(self) -> int:
        """All hits whose time had come."""
        unanswered = (k.count for name, k in self.errors.items() if not name.startswith("status "))
        return self.count + sum(unanswered) + self.unfinished

    def rate(self, elapsed: float) -> float:
        """Return the answers a second of a run that took so many seconds."""
        return self.count / elapsed if elapsed else 0.0


class Measured(Record, frozen=True, kw_only=True):
    """The outcome of a run, or of one process's share in it; merges exactly."""

    elapsed: Annotated[float, told("Measured seconds.", merged=max)]
    response: Annotated[Histogram, RESPONSE] = field(default_factory=Histogram)
    service: Annotated[Histogram, SERVICE] = field(default_factory=Histogram)
    lag: Annotated[Histogram, LAG] = field(default_factory=Histogram)
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
        told("The same hits by target, in the order of the list."),
    ] = ()
    row_seconds: Annotated[
        int, told("Seconds of a stretch; the last one may be shorter.", merged=max, ge=1)
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
        """The errors by kind, with the first of each; without targets, failures alone."""
        if self.targets:
            return reduce(total, (target.errors for target in self.targets))
        return {
            kind.value: ErrorKind(count=number, message=self.messages.get(kind, ""))
            for kind, number in self.failures.items()
        }

    @property
    def expected_in_flight(self) -> float:
        """The mean number of hits in flight after Little's law: all their time over the time."""
        time = self.service.mean * self.service.count + self.carried
        return time / self.elapsed if self.elapsed else 0.0

    def failure(self, most_errors: float) -> str:
        """Return why the run has failed: nothing succeeded, or more than `most_errors` did not.

        `most_errors` is a share of all attempts; "" if the run has not failed.
        """
        if not self.succeeded:
            what = f"none of {self.attempts:,} had" if self.attempts else "none was due, or had"
            return f"NO REQUEST SUCCEEDED: {what} an expected answer"
        if self.error_share > most_errors:
            most = f"at most {share(most_errors)} may (--max-errors)"
            return f"{share(self.error_share)} of the requests failed; {most}"
        return ""

    def of_target(self, name: str) -> Measured:
        """Return what was measured of one target, without service latency and lag; or nothing."""
        none = TargetCounts(name=name)
        found = next((each for each in self.targets if each.name == name), none)
        counts = {kind: error.count for kind, error in found.errors.items()}
        return Measured(
            elapsed=self.elapsed,
            response=found.response,
            statuses=found.statuses,
            failures={kind: counts[kind] for kind in Failure if kind in counts},
            dropped=counts.get("dropped", 0),
            unexpected=sum(n for kind, n in counts.items() if kind.startswith("status ")),
            unfinished=found.unfinished,
            received=found.received,
        )

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
        return super(Measured, ours).merge(theirs)

    def _at_least(self, row_seconds: int) -> Measured:
        measured = self
        while measured.row_seconds < row_seconds:
            rows = tuple(halved(measured.rows))
            measured = replace(measured, rows=rows, row_seconds=2 * measured.row_seconds)
        return measured


def largest(rows: Iterable[TargetCounts], most: int) -> list[TargetCounts]:
    """Return at most `most` rows, those with the most hits first; the last is all others."""
    ordered = sorted(rows, key=lambda row: -row.attempts)
    if len(ordered) <= most:
        return ordered
    rest = ordered[most - 1 :]
    targets = sum(row.targets for row in rest)
    others = reduce(TargetCounts.merge, rest)
    return [
        *ordered[: most - 1],
        replace(others, name=f"{targets:,} other targets", targets=targets),
    ]


def phrase(status: int) -> str:
    """Return a status in words (RFC 9110, 15): `Not Found`."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "an unregistered status"


def share(value: float) -> str:
    """Return a share in percent with up to three digits: `1%`, `66.2%`."""
    return f"{100 * value:.3g}%"
