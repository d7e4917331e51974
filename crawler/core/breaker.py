"""Whether one host is there: a circuit breaker (M. Nygard, Release It!, 2007).

    SHUT  ->  OPEN, when the host fails so often in a row    its URLs wait; one probe at a time
    OPEN  ->  SHUT, with the first answer of any kind

The first probe comes after a second, the next after twice as long, up to `breaker_pause`; the last
one when `give_up` seconds have passed. A host that never worked may be dead: it is given up as soon
as the breaker is full, or, where many of its URLs wait, after `NEWCOMER` seconds.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from crawler.core.manners import Manners
from crawler.model.outcome import Failed
from crawler.model.request import Request

FIRST_PROBE = 1.0
"""Seconds: most outages are restarts."""
NEWCOMER = 30.0
"""Seconds that many URLs wait for a host that never answered: time for a restart, no more."""
_DOUBLINGS = 30


class HeldHost(NamedTuple):
    """A failure that would be final, kept until it is known whether its host is there."""

    failure: Failed
    at: float


class Breaker:
    """One host's breaker. `now` is the core's clock.

    `worked` says whether the host ever answered; `silent_since` is when the first request left that
    found silence since it last showed life, inf if none did; `unreached` whether it could not be
    connected to since its last answer, `lost` whether it was given up since. `probe` is the request
    that shows whether an open host is back, while it is in flight.
    """

    __slots__ = (
        "_manners",
        "_probes",
        "failures",
        "held",
        "is_open",
        "lost",
        "opened_at",
        "probe",
        "silent_since",
        "unreached",
        "worked",
    )

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._probes = 0
        self.failures = 0
        self.silent_since = inf
        self.held: list[HeldHost] = []
        self.is_open = False
        self.opened_at = -inf
        self.probe: Request | None = None
        self.unreached = False
        self.lost = False
        self.worked = False

    def __repr__(self) -> str:
        state = "open" if self.is_open else "shut"
        return f"Breaker({state}, failures={self.failures}, held={len(self.held)})"

    @property
    def used(self) -> bool:
        """Whether the options ask for URLs to wait for their hosts."""
        return self._manners.breaker > 0 and self._manners.give_up > 0

    @property
    def full(self) -> bool:
        """Whether so many failures in a row have come that the host is down."""
        return 0 < self._manners.breaker <= self.failures

    def answered(self) -> None:
        """The host answered."""
        self.worked = True
        self.failures = 0
        self.is_open = self.unreached = self.lost = False
        self.probe = None

    def failed(self, *, unreached: bool) -> None:
        """The host failed once more; `unreached`: it could not even be connected to."""
        self.failures += 1
        self.unreached = self.unreached or unreached

    def open(self, now: float) -> float:
        """The host is down; returns when to probe it first."""
        self.is_open = True
        self.opened_at = now
        return self.next_probe(now, inf, first=True)

    def next_probe(self, now: float, deadline: float, *, first: bool) -> float:
        """When to probe next, at the latest at the deadline; `first` begins anew with 1 s."""
        self.probe = None
        self._probes = 0 if first else self._probes
        wait = min(FIRST_PROBE * 2.0 ** min(self._probes, _DOUBLINGS), self._manners.breaker_pause)
        self._probes += 1
        return max(now, min(now + wait, deadline))

    def unprobed(self, request: Request) -> None:
        """A request showed nothing of the host; if it was the probe, the next may follow."""
        if self.probe is request:
            self.probe = None

    def deadline(self, since: float) -> float:
        """When its URLs have waited long enough; time before `since` does not count."""
        return max(self.opened_at, since) + self.patience

    @property
    def patience(self) -> float:
        """Seconds that its URLs wait for it at most."""
        most = self._manners.give_up
        return most if self.worked else min(most, NEWCOMER)

    def given_up(self) -> None:
        """The host has to work anew before anything waits for it again."""
        self.worked = self.is_open = False
        self.lost = True
        self.probe = None

    def doubted(self) -> None:
        """A host that was given up may be asked again: one more failure is enough."""
        self.failures = max(0, self._manners.breaker - 1)
