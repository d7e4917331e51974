"""Whether this machine's own network is there, told from hosts that are down by who falls silent.

Every exchange ends with a sign. An answer of any kind is LIFE, a refused connection and a name that
does not exist among them: a router or a name server said so. SILENCE is a name server that does not
answer and a network that is unreachable, and, of a host that worked before, anything that just does
not come. The rest says nothing: a host that never worked may be dead by itself.

Signs are ordered by when their request left, not by when it ended: timeouts of dead hosts come in
long after the good answers to what was asked at the same time, and mean nothing. The network is
gone when `FEW` hosts that worked, or `FEW` at all where nothing ever answered, or `MANY` in any
case, have fallen silent after the last sign of life. Then nothing starts but one probe at a time,
after 1 s, 2 s, ... 60 s, whichever host's turn it is. Any sign of life ends the pause; so do
`patience` seconds, after which no silence counts until there is life again.
"""

from __future__ import annotations

from enum import Enum
from math import inf

from crawler.core.rules import Ended
from crawler.model.outcome import Failed, Kind, Lost, Resolved
from crawler.model.request import Request

FEW, MANY = 3, 8
"""Names of hosts. A site has two or three names; eight dead ones in a row are no accident."""
LONGEST_PAUSE = 60.0
"""Seconds between two probes."""

_LATE = frozenset({Kind.CONNECT_TIMEOUT, Kind.TIMEOUT})
_ANSWERED = frozenset({Kind.CONNECT, Kind.DISCONNECTED, Kind.TLS, Kind.DNS, Kind.PROTOCOL})


class Sign(Enum):
    """What one exchange says of the network."""

    LIFE = "life"
    SILENCE = "silence"
    NOTHING = "nothing"


def sign(outcome: Ended, *, worked: bool, lived: bool) -> Sign:
    """The sign of an exchange with a host that `worked` before, or not.

    `lived` says whether anything ever answered: a proxy that never worked is a mistake.
    """
    if not isinstance(outcome, Failed):  # an address may come from a file, or from memory
        return Sign.NOTHING if isinstance(outcome, Resolved) else Sign.LIFE
    if outcome.status is not None:
        return Sign.LIFE
    if outcome.kind is Kind.PROXY:
        return Sign.SILENCE if lived and outcome.lost else Sign.NOTHING
    if outcome.lost is Lost.NETWORK:  # of an IPv6 address: many machines have IPv4 alone
        return Sign.NOTHING if "//[" in outcome.request.url.host_key else Sign.SILENCE
    if outcome.lost is Lost.HOST or outcome.kind in _LATE:
        return Sign.SILENCE if worked else Sign.NOTHING
    if outcome.kind is Kind.DNS_TEMPORARY:
        return Sign.SILENCE
    return Sign.LIFE if outcome.kind in _ANSWERED else Sign.NOTHING


class Network:
    """The state of the network. `patience`: seconds that a pause may take; 0: there is none.

    Times are the core's clock. `life_at` is when the latest request left that showed life.
    `notices` are lines for a person, oldest first.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._silent: dict[str, tuple[float, bool]] = {}  # by name: since when, and if it worked
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

    def __repr__(self) -> str:
        state = "gone" if self.gone else "given up" if self.given_up else "there"
        return f"Network({state}, silent={len(self._silent)})"

    def wait(self, now: float) -> float | None:
        """Seconds until something may start; 0 for now, None while a probe is in flight."""
        if not self.gone:
            return 0.0
        return max(0.0, self._probe_at - now) if self._probe is None else None

    def started(self, request: Request) -> None:
        """A request starts; while the network is gone it is a probe."""
        if self.gone:
            self._probe = request

    def lives(self, started: float, ended: float, now: float) -> None:
        """A sign of life, of a request that left at `started`; its exchange ended at `ended`."""
        self.given_up = False
        if started > self.life_at:
            self.life_at = started
            if self._silent:
                later = {n: s for n, s in self._silent.items() if s[0] > started}
                self._silent = later
        if self.gone and ended >= self.gone_at:
            self._end(now)
            self.notices.append(
                f"the network is back after {now - self.gone_at:,.0f} s: the crawl goes on"
            )

    def silent(self, failure: Failed, since: float, now: float, *, worked: bool) -> None:
        """A host has been silent for the requests that left from `since` on."""
        if self.gone or self.given_up or not self._patience or since <= self.life_at:
            return
        self._silent[_name(failure.request.url.host_key)] = since, worked
        if not self._convinced():
            return
        self._silent.clear()
        self.gone, self.gone_at, self._probes, self._probe = True, now, 0, None
        self.pauses += 1
        self._probe_at = self._next_probe(now)
        self.notices.append(
            f"no host can be reached ({failure.reason}): the network seems to be gone; "
            f"the crawl pauses until it is back, for {self._patience:,.0f} s at most"
        )

    def probed(self, request: Request, now: float, *, silent: bool) -> None:
        """A request ended without a sign of life while the network was gone."""
        if request is not self._probe:
            return
        self._probe = None
        if now >= self.gone_at + self._patience:
            self._end(now)
            self.given_up = True
            self.notices.append(
                f"the network is not back after {now - self.gone_at:,.0f} s: the crawl goes on "
                "without it, and what cannot be reached fails"
            )
        elif silent:
            self._probe_at = self._next_probe(now)

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


def _name(key: str) -> str:
    """The host's name in its key: the ports and schemes of one machine fall silent together."""
    host = key.partition("//")[2]
    return host[: host.index("]") + 1] if host.startswith("[") else host.partition(":")[0]
