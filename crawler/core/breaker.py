"""The circuit breaker of one host (M. Nygard, Release It!, 2007).

    SHUT  ->  OPEN, after enough consecutive failures    its URLs wait; one probe at a time
    OPEN  ->  SHUT, with the first answer of any kind

The first probe comes after a second, the next after twice as long, up to `breaker_pause`; the last
one when `give_up` seconds have passed. A host that never worked may be dead: it is given up as soon
as the breaker is full, or, if many of its URLs wait, after `NEWCOMER` seconds.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from crawler.core.host_state import BreakerState
from crawler.model.outcome import Failed
from crawler.model.politeness_config import PolitenessConfig
from crawler.model.request import Request

FIRST_PROBE = 1.0
"""Seconds: most outages are restarts."""
NEWCOMER = 30.0
"""Seconds that many URLs wait for a host that never answered: enough for a restart."""
_DOUBLINGS = 30


class HeldHost(NamedTuple):
    """A final failure that is held until the state of its host is known."""

    failure: Failed
    at: float


class Breaker:
    """The breaker of one host. `now` is the core's clock.

    `worked` tells whether the host ever answered; `silent_since` is the start of the first request
    without an answer since the last sign of life, or inf; `unreached` tells whether a connection
    failed since its last answer, `lost` whether it was given up since. `probe` is the request in
    flight that tests an open host.
    """

    __slots__ = (
        "_politeness",
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

    def __init__(self, politeness: PolitenessConfig) -> None:
        self._politeness = politeness
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

    def state(self, now: float) -> BreakerState:
        """Return what is to be remembered."""
        return BreakerState(
            worked=self.worked,
            failures=self.failures,
            probes=self._probes,
            unreached=self.unreached,
            lost=self.lost,
            open_for=now - self.opened_at if self.is_open else inf,
        )

    def restore(self, state: BreakerState, now: float) -> None:
        """Continue from a state: an open breaker stays open, unless the options have none."""
        self.worked, self.failures, self._probes = state.worked, state.failures, state.probes
        self.unreached, self.lost = state.unreached, state.lost
        if self.used and state.open_for < inf:
            self.is_open = True
            self.opened_at = now - state.open_for

    @property
    def used(self) -> bool:
        """Tell whether the options let URLs wait for their hosts."""
        return self._politeness.breaker > 0 and self._politeness.breaker_give_up > 0

    @property
    def full(self) -> bool:
        """Tell whether enough consecutive failures have come to call the host down."""
        return 0 < self._politeness.breaker <= self.failures

    def answered(self) -> None:
        """Reset the breaker after an answer of the host."""
        self.worked = True
        self.failures = 0
        self.is_open = self.unreached = self.lost = False
        self.probe = None

    def failed(self, *, unreached: bool) -> None:
        """Count a failure of the host; `unreached`: the connection failed."""
        self.failures += 1
        self.unreached = self.unreached or unreached

    def open(self, now: float) -> float:
        """Open the breaker of a host that is down; return the time of the first probe."""
        self.is_open = True
        self.opened_at = now
        return self.next_probe(now, inf, first=True)

    def next_probe(self, now: float, deadline: float, *, first: bool) -> float:
        """Return the time of the next probe, up to the deadline; `first` restarts at 1 s."""
        self.probe = None
        self._probes = 0 if first else self._probes
        wait = min(
            FIRST_PROBE * 2.0 ** min(self._probes, _DOUBLINGS), self._politeness.breaker_pause
        )
        self._probes += 1
        return max(now, min(now + wait, deadline))

    def unprobed(self, request: Request) -> None:
        """Forget the probe if it was `request`, which showed nothing of the host."""
        if self.probe is request:
            self.probe = None

    def deadline(self, since: float) -> float:
        """Return when its URLs have waited long enough; time before `since` does not count."""
        return max(self.opened_at, since) + self.patience

    @property
    def patience(self) -> float:
        """The maximum seconds that its URLs wait."""
        most = self._politeness.breaker_give_up
        return most if self.worked else min(most, NEWCOMER)

    def given_up(self) -> None:
        """Let nothing wait for the host until it has worked again."""
        self.worked = self.is_open = False
        self.lost = True
        self.probe = None

    def doubted(self) -> None:
        """Allow another attempt at a host that was given up: one more failure is enough."""
        self.failures = max(0, self._politeness.breaker - 1)
