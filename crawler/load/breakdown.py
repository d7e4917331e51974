"""Outcomes of hits by target, and errors by kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from http import HTTPStatus
from typing import Annotated

from msgspec import field

from crawler.measure.histogram import Histogram
from crawler.measure.json_document import Record, told


class ErrorKind(Record, frozen=True, kw_only=True):
    """One kind of error."""

    count: Annotated[int, told("Hits.", ge=1)]
    message: Annotated[str, told("The first of its kind, in a few words.")] = ""
    example: Annotated[str, told("The method and the URL of that one, or empty.")] = ""

    def merge(self, other: ErrorKind) -> ErrorKind:
        """Return both together, with the first message."""
        first = self if self.example or self.message else other
        return ErrorKind(
            count=self.count + other.count, message=first.message, example=first.example
        )


class TargetCounts(Record, frozen=True, kw_only=True):
    """The outcomes of the hits of one target, or of several with the same name."""

    name: Annotated[str, told("Its name, or method and path.")]
    targets: Annotated[int, told("Targets of the list that are counted here.", ge=1)] = 1
    response: Annotated[Histogram, told("From the intended time to the end.")] = field(
        default_factory=Histogram
    )
    statuses: Annotated[Mapping[int, int], told("HTTP status to answers.")] = {}
    errors: Annotated[
        Mapping[str, ErrorKind], told("Kind (timeout, status 500, dropped) to its errors.")
    ] = {}
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

    def merge(self, other: TargetCounts, *, name: str = "", targets: int = 0) -> TargetCounts:
        """Return both together: of two processes, or of two targets as one."""
        response = self.response.copy()
        response.merge(other.response)
        return TargetCounts(
            name=name or self.name,
            targets=targets or self.targets,
            response=response,
            statuses=_added(self.statuses, other.statuses),
            errors=merged_errors((self.errors, other.errors)),
            unfinished=self.unfinished + other.unfinished,
            received=self.received + other.received,
        )


def merged_errors(several: Iterable[Mapping[str, ErrorKind]]) -> dict[str, ErrorKind]:
    """Return the errors of several targets or processes by kind."""
    total: dict[str, ErrorKind] = {}
    for errors in several:
        for kind, found in errors.items():
            total[kind] = total[kind].merge(found) if kind in total else found
    return total


def largest(rows: Iterable[TargetCounts], most: int) -> list[TargetCounts]:
    """Return at most `most` rows, those with the most hits first; the last is all others."""
    ordered = sorted(rows, key=lambda row: -row.attempts)
    if len(ordered) <= most:
        return ordered
    rest = ordered[most - 1 :]
    targets = sum(row.targets for row in rest)
    name = f"{targets:,} other targets"
    merge = lambda one, other: one.merge(other, name=name, targets=targets)  # noqa: E731
    return [*ordered[: most - 1], reduce(merge, rest)]


def phrase(status: int) -> str:
    """Return a status in words (RFC 9110, 15): `Not Found`."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "an unregistered status"


def _added(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    return {status: one.get(status, 0) + other.get(status, 0) for status in {**one, **other}}
