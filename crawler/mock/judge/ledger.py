"""The behaviour of clients towards each host and each address: evidence of a crawler's politeness.

| field | meaning |
|---|---|
| requests | requests that began |
| smallest_gap | minimum seconds between the starts of two consecutive requests |
| largest_in_flight | maximum requests in flight at one time |
| in_flight | requests in flight now |
| retry_after_violations | requests that began within a Retry-After of this host |
| robots_violations | requests that the host's robots.txt forbids that user agent |

The time of a request is that of its arrival, so a request that crosses a `Retry-After` on its way
counts as a violation: a client with several requests in flight to a host may get one for each.
`Retry-After` is kept by host only, as it says nothing about an address.

Memory is bounded: 100,000 hosts and as many addresses; later ones share one row, `(others)`, that
counts requests only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any, Self

MAX_ROWS = 100_000
OTHERS = "(others)"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One host or one address; the module describes the fields.

    smallest_gap is None before a second request.
    """

    requests: int = 0
    smallest_gap: float | None = None
    largest_in_flight: int = 0
    in_flight: int = 0
    retry_after_violations: int = 0
    robots_violations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSnapshot:
    """A snapshot of a ledger, rows in the order in which they were first seen.

    truncated: the event log was full or could not be written; later events are missing.
    """

    hosts: Mapping[str, LedgerRow] = field(default_factory=dict)
    addresses: Mapping[str, LedgerRow] = field(default_factory=dict)
    truncated: bool = False

    @property
    def json(self) -> dict[str, Any]:
        """`{"hosts": {name: {field: value}}, "addresses": {...}, "truncated": false}`."""
        return asdict(self)

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """Return the snapshot that `json` was made from; raise KeyError or TypeError if invalid."""
        return cls(
            hosts={name: LedgerRow(**row) for name, row in json["hosts"].items()},
            addresses={name: LedgerRow(**row) for name, row in json["addresses"].items()},
            truncated=bool(json["truncated"]),
        )


@dataclass(slots=True)
class _Count:
    """A growing row, with the state to compute it."""

    requests: int = 0
    smallest_gap: float = inf
    largest_in_flight: int = 0
    in_flight: int = 0
    retry_after_violations: int = 0
    robots_violations: int = 0
    last: float = -inf
    until: float = -inf

    def row(self) -> LedgerRow:
        found = LedgerRow(**{name: getattr(self, name) for name in LedgerRow.__slots__})
        return found if self.smallest_gap < inf else replace(found, smallest_gap=None)


class Ledger:
    """The ledger of one process; it needs every request, in the order of time (in seconds).

    A reset also forgets requests in flight; if one of them ends afterwards while others to its host
    run, `in_flight` is one too small from then on.
    """

    def __init__(self) -> None:
        self.truncated = False
        self.reset()

    def __repr__(self) -> str:
        return f"Ledger(hosts={len(self._hosts)}, addresses={len(self._addresses)})"

    def begin(self, host: str, address: str, now: float, *, forbidden: bool) -> None:
        """Record the arrival of a request; forbidden: by robots.txt."""
        # Written out for both rows: calls would cost too much in the server's hottest path.
        row = self._hosts.get(host) or _new(self._hosts, host)
        row.requests += 1
        row.in_flight += 1
        if row.in_flight > row.largest_in_flight:  # noqa: PLR1730  max() is a call
            row.largest_in_flight = row.in_flight
        if now - row.last < row.smallest_gap:  # noqa: PLR1730  min() is a call
            row.smallest_gap = now - row.last
        row.last = now
        if now < row.until:
            row.retry_after_violations += 1
        there = self._addresses.get(address) or _new(self._addresses, address)
        there.requests += 1
        there.in_flight += 1
        if there.in_flight > there.largest_in_flight:  # noqa: PLR1730  max() is a call
            there.largest_in_flight = there.in_flight
        if now - there.last < there.smallest_gap:  # noqa: PLR1730  min() is a call
            there.smallest_gap = now - there.last
        there.last = now
        if forbidden:
            row.robots_violations += 1
            there.robots_violations += 1

    def end(self, host: str, address: str, now: float, retry_after: float | None) -> None:
        """Record the end of a request; retry_after: seconds that the answer asked for."""
        row = self._hosts.get(host) or self._hosts.get(OTHERS)
        if row is not None and row.in_flight:
            row.in_flight -= 1
        there = self._addresses.get(address) or self._addresses.get(OTHERS)
        if there is not None and there.in_flight:
            there.in_flight -= 1
        if retry_after is not None and row is not None and now + retry_after > row.until:
            row.until = now + retry_after

    def reset(self) -> None:
        """Forget everything, best with no request in flight."""
        self._hosts: dict[str, _Count] = {}
        self._addresses: dict[str, _Count] = {}

    def snapshot(self) -> LedgerSnapshot:
        """Return a snapshot."""
        return LedgerSnapshot(
            hosts=_rows(self._hosts), addresses=_rows(self._addresses), truncated=self.truncated
        )


def _new(rows: dict[str, _Count], name: str) -> _Count:
    if len(rows) >= MAX_ROWS:
        name = OTHERS
    return rows.setdefault(name, _Count())


def _rows(counts: Mapping[str, _Count]) -> dict[str, LedgerRow]:
    return {
        name: LedgerRow(requests=count.requests) if name == OTHERS else count.row()
        for name, count in counts.items()
    }


def check(
    snapshot: LedgerSnapshot, *, max_in_flight: int | None = None, min_gap: float | None = None
) -> list[str]:
    """Return the violations of politeness, one line for each host and kind.

    These are requests within a Retry-After or forbidden by robots.txt and, with limits, more than
    `max_in_flight` requests at once or less than `min_gap` seconds between two, by host. A
    truncated ledger proves nothing, so it is a line as well.
    """
    found = ["the ledger is truncated: its log was full"] if snapshot.truncated else []
    for host, row in snapshot.hosts.items():
        if host == OTHERS:
            found.append(f"{OTHERS}: {row.requests} requests to more hosts than the ledger holds")
        if row.retry_after_violations:
            found.append(f"{host}: {row.retry_after_violations} requests within a Retry-After")
        if row.robots_violations:
            found.append(f"{host}: {row.robots_violations} requests that robots.txt forbids")
        if max_in_flight is not None and row.largest_in_flight > max_in_flight:
            found.append(f"{host}: {row.largest_in_flight} in flight, more than {max_in_flight}")
        if min_gap is not None and row.smallest_gap is not None and row.smallest_gap < min_gap:
            found.append(f"{host}: a gap of {row.smallest_gap:.6f} s, less than {min_gap:g} s")
    return found
