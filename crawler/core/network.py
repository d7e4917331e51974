"""Detect that this machine's network is gone, as opposed to hosts that are down.

Every exchange ends with a sign. LIFE is an answer of any kind, a refused connection and a
nonexistent name included: a router or a name server said so. SILENCE is a name server that does not
answer, an unreachable network, and, of a host that worked before, any missing answer. The rest says
nothing: a host that never worked may be dead itself.

Signs are ordered by the start of their request, not by its end: timeouts of dead hosts come long
after the good answers to requests of the same time, and mean nothing. The network is gone when
`FEW` hosts that worked, or `FEW` at all if nothing ever answered, or `MANY` in any case, are silent
after the last sign of life. Then only one probe at a time starts, after 1 s, 2 s, ... 60 s,
at any host. Any sign of life ends the pause; so do `patience` seconds, after which silence is
ignored until the next sign of life.
"""

from __future__ import annotations

from enum import Enum
from math import inf

from crawler.model.event import NO_EVENTS, Level
from crawler.model.outcome import Failed, Kind, Lost
from crawler.model.request import Request

FEW, MANY = 3, 8
"""Numbers of host names. A site has two or three; eight dead ones in a row are not an accident."""
LONGEST_PAUSE = 60.0
"""Seconds between two probes."""

_LATE = frozenset({Kind.CONNECT_TIMEOUT, Kind.TIMEOUT})
_ANSWERED = frozenset({Kind.CONNECT, Kind.DISCONNECTED, Kind.TLS, Kind.DNS, Kind.PROTOCOL})


class Sign(Enum):
    """The meaning of an exchange for the network."""

    LIFE = "life"
    SILENCE = "silence"
    NOTHING = "nothing"


def sign(failure: Failed, *, worked: bool, lived: bool) -> Sign:
    """Return the sign of a failed exchange; `worked`: its host had answered before.

    `lived`: anything ever answered; a proxy that never worked is misconfigured.
    """
    if failure.status is not None:
        return Sign.LIFE
    if failure.kind is Kind.PROXY:
        return Sign.SILENCE if lived and failure.lost else Sign.NOTHING
    if failure.lost is Lost.NETWORK:  # of an IPv6 address: many machines have IPv4 alone
        return Sign.NOTHING if "//[" in failure.request.url.host_key else Sign.SILENCE
    if failure.lost is Lost.HOST or failure.kind in _LATE:
        return Sign.SILENCE if worked else Sign.NOTHING
    if failure.kind is Kind.DNS_TEMPORARY:
        return Sign.SILENCE
    return Sign.LIFE if failure.kind in _ANSWERED else Sign.NOTHING


class Network:
    """The state of the network. `patience`: maximum seconds of a pause; 0 disables pauses.

    Times are the core's clock. `life_at` is the start of the latest request that showed life.
    `notices` are lines for the user, oldest first.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._silent: dict[str, tuple[float, bool]] = {}  # by name: start, and whether it worked
        self._probes = 0
        self._probe: Request | None = None
        self._probe_at = -inf
        self.life_at = -inf
        self.gone = False
        self.gone_at = -inf
        self.back_at = -inf
        self.given_up = False
        self.pauses = 0
        self.paused = 0.0
        self.notices: list[str] = []
        self.events = NO_EVENTS

    def __repr__(self) -> str:
        state = "gone" if self.gone else "given up" if self.given_up else "there"
        return f"Network({state}, silent={len(self._silent)})"

    def wait(self, now: float) -> float | None:
        """Return the seconds until something may start; None while a probe is in flight."""
        if not self.gone:
            return 0.0
        return max(0.0, self._probe_at - now) if self._probe is None else None

    def started(self, request: Request) -> None:
        """Take note of a request that starts; while the network is gone it is a probe."""
        if self.gone:
            self._probe = request

    def lives(self, started: float, ended: float, now: float) -> None:
        """Take in a sign of life; its request left at `started`, its exchange ended at `ended`."""
        self.given_up = False
        if started > self.life_at:
            self.life_at = started
            if self._silent:
                later = {n: s for n, s in self._silent.items() if s[0] > started}
                self._silent = later
        if self.gone and ended >= self.gone_at:
            self._end(now)
            self._tell("network_back", now)
            self.notices.append(
                f"the network is back after {now - self.gone_at:,.0f} s: the crawl goes on"
            )

    def silent(self, failure: Failed, since: float, now: float, *, worked: bool) -> None:
        """Take in the silence of a host for requests that left from `since` on."""
        if self.gone or self.given_up or not self._patience or since <= self.life_at:
            return
        # By name: the ports and schemes of one machine fall silent together.
        self._silent[failure.request.url.host] = since, worked
        if not self._convinced():
            return
        self._silent.clear()
        self.gone, self.gone_at, self._probes, self._probe = True, now, 0, None
        self.pauses += 1
        self._probe_at = self._next_probe(now)
        self.events.tell(Level.WARNING, "network_lost", reason=failure.reason)
        self.notices.append(
            f"no host can be reached ({failure.reason}): the network seems to be gone; "
            f"the crawl pauses until it is back, for {self._patience:,.0f} s at most"
        )

    def probed(self, request: Request, now: float, *, silent: bool) -> None:
        """Take in a request without a sign of life while the network was gone."""
        if request is not self._probe:
            return
        self._probe = None
        if now >= self.gone_at + self._patience:
            self._end(now)
            self.given_up = True
            self._tell("network_given_up", now)
            self.notices.append(
                f"the network is not back after {now - self.gone_at:,.0f} s: the crawl goes on "
                "without it, and what cannot be reached fails"
            )
        elif silent:
            self._probe_at = self._next_probe(now)

    def _tell(self, name: str, now: float) -> None:
        self.events.tell(Level.WARNING, name, seconds=round(now - self.gone_at, 3))

    def _convinced(self) -> bool:
        needed = FEW if self.life_at == -inf else MANY
        worked = sum(worked for _, worked in self._silent.values())
        return worked >= FEW or len(self._silent) >= needed

    def _next_probe(self, now: float) -> float:
        wait = min(2.0 ** min(self._probes, 30), LONGEST_PAUSE)
        self._probes += 1
        return max(now, min(now + wait, self.gone_at + self._patience))

    def _end(self, now: float) -> None:
        self.gone = False
        self.back_at = now
        self.paused += now - self.gone_at
        self._probe = None
