"""Learn from a host's answers how many requests at once, and how often, it may get.

Width, by additive increase and multiplicative decrease (Chiu and Jain, 1989; as in TCP, RFC 5681):
it starts at a few, grows by one with each answer until the first trouble, then by one with each
round of answers, and is halved by trouble: a failure to connect or to answer, a 429, a 5xx, or a
disproportionate latency. Requests made before the last cut cut nothing again. The width never
exceeds `per_host`.

Pauses: a 429, and a 503 with a Retry-After, stop the whole host: until then or, without one, for
`throttle` seconds, doubled each time, with jitter, and reset after a quiet time. After a 429 the
spacing is wider, and shrinks with answers. A host that answers nothing else is given up once
`pauses` of them, or `patience` seconds, are used up.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from crawler.core.host_state import ThrottleState
from crawler.model.outcome import Failed, Kind
from crawler.model.politeness_config import PolitenessConfig
from crawler.model.transfer import Exchange

_FIRST_WIDTH = 4.0
_LEAST_SPACING = 0.1  # seconds: the first interval after a 429 where the configuration has none
_MOST_SPACING = 30.0
_SHRINK = 0.97  # of the extra interval, with each answer: a tenth is left after 76
_SMOOTHING = 1 / 8  # of the mean latency, as for round trips in RFC 6298
_FORGETTING = 1 / 1024  # of the best latency, which may be long ago
_SLOW_FACTOR, _SLOW_SECONDS = 4.0, 0.5  # beyond both a host has become slow
_JITTER = 0.1  # a pause named by the server is extended by at most this share

_TROUBLE = frozenset(
    {
        Kind.DNS_TEMPORARY,
        Kind.CONNECT,
        Kind.CONNECT_TIMEOUT,
        Kind.TLS,
        Kind.DISCONNECTED,
        Kind.TIMEOUT,
        Kind.UNAVAILABLE,
    }
)
"""Failures that are explained by a host's state, not by the single page."""


def is_trouble(failure: Failed) -> bool:
    """Tell whether a failure says something of its host.

    A host that sends without end, or closes before it has sent everything, is there: a site whose
    every page has a wrong length is not down.
    """
    cut = failure.kind is Kind.DISCONNECTED and failure.kept is not None
    return failure.kind in _TROUBLE and not failure.hopeless and not cut


def asks_for_later(failure: Failed) -> bool:
    """Tell whether the host asks for a pause: 429, or 503 with a Retry-After."""
    return failure.status == 429 or (failure.status == 503 and failure.retry_after is not None)


class Throttle:
    """The state learned of one host: the `width` and the `spacing` of its requests.

    `named`: the last pause was as long as the server said (Retry-After). `now` is the core's clock.
    `random` returns a float in [0, 1), for jitter.
    """

    __slots__ = (
        "_asked_since",
        "_best",
        "_ceiling",
        "_cut_at",
        "_paused_at",
        "_pauses",
        "_politeness",
        "_random",
        "_smooth",
        "_strikes",
        "_width",
        "named",
        "spacing",
        "width",
    )

    def __init__(self, politeness: PolitenessConfig, random: Callable[[], float]) -> None:
        self._politeness = politeness
        self._random = random
        widest = float(politeness.per_host)
        learning = politeness.adapt and widest > _FIRST_WIDTH
        self._width = _FIRST_WIDTH if learning else widest
        self.width = int(self._width)
        self._ceiling = widest  # below it the width still doubles with each round
        self.spacing = 0.0
        self.named = False
        self._strikes = 0
        self._pauses = 0  # consecutive
        self._asked_since = 0.0  # start of the first of them
        self._paused_at = self._cut_at = -inf
        self._best = inf
        self._smooth = 0.0

    def __repr__(self) -> str:
        return (
            f"Throttle(width={self._width:.1f}, spacing={self.spacing:.2f}, "
            f"strikes={self._strikes}, pauses={self._pauses})"
        )

    @property
    def latency(self) -> float:
        """The recent seconds to the first byte; 0 if none came, or without `adapt`."""
        return self._smooth

    def state(self, now: float) -> ThrottleState:
        """Return what is to be remembered."""
        return ThrottleState(
            width=self._width,
            ceiling=self._ceiling,
            spacing=self.spacing,
            strikes=self._strikes,
            pauses=self._pauses,
            asked_for=now - self._asked_since if self._pauses else 0.0,
            paused_for=now - self._paused_at,
        )

    def restore(self, state: ThrottleState, now: float) -> None:
        """Continue from a state; the options of now bound what was learned."""
        widest = float(self._politeness.per_host)
        if self._politeness.adapt:
            self._set(max(1.0, min(state.width, widest)))
            self._ceiling = min(state.ceiling, widest)
        self.spacing = state.spacing
        self._strikes, self._pauses = state.strikes, state.pauses
        self._asked_since = now - state.asked_for
        self._paused_at = now - state.paused_for

    def answered(self, exchange: Exchange, now: float) -> None:
        """Take in a response without trouble, whatever it says of the page."""
        self._pauses = 0
        if self.spacing:
            self.spacing = self.spacing * _SHRINK if self.spacing > _LEAST_SPACING / 10 else 0.0
        if self._politeness.adapt:
            self._adapt(exchange, now)

    def failed(self, failure: Failed, now: float) -> float:
        """Take in a failure that is trouble; return the seconds to leave the host alone."""
        started_at = failure.exchange.started_at if failure.exchange else now
        self._cut(started_at, now)
        if failure.status == 429:
            self._space(started_at)
        if asks_for_later(failure):
            return self._pause(failure.retry_after, started_at, now)
        return 0.0

    def exhausted(self, pause: float, now: float) -> str:
        """Return why a host is not waited for if it asks for another `pause`; "" if it is."""
        pauses, patience = self._politeness.host_pauses, self._politeness.host_patience
        if 0 < pauses < self._pauses:
            return f"its host asked for {pauses} pauses in a row, and then for one more"
        held = now + pause - self._asked_since
        if 0 < patience < held:
            return f"its host would have held its URLs by pauses alone for {held:,.0f} s"
        return ""

    def probing(self) -> None:
        """Ask one at a time: the host is down, and each request tests whether it is back."""
        self._set(1.0)

    def back(self) -> None:
        """Widen again after `probing`, at once if the width is not learned."""
        if not self._politeness.adapt:
            self._set(float(self._politeness.per_host))

    def _set(self, width: float) -> None:
        self._width = width
        self.width = int(width)

    def _adapt(self, exchange: Exchange, now: float) -> None:
        latency = exchange.first_byte or 0.0
        self._smooth += (latency - self._smooth) * (_SMOOTHING if self._smooth else 1.0)
        # The best latency drifts to the present one, so that a site that moved is not slow forever.
        drifted = self._best + (latency - self._best) * _FORGETTING if self._best < inf else inf
        self._best = min(latency, drifted)
        if self._smooth > _SLOW_FACTOR * self._best + _SLOW_SECONDS:
            self._cut(exchange.started_at, now)
        elif self._width < self._politeness.per_host:
            step = 1.0 if self._width < self._ceiling else 1 / self._width
            self._set(min(self._width + step, float(self._politeness.per_host)))

    def _cut(self, started_at: float, now: float) -> None:
        """Halve the width, once for all requests made before."""
        if self._politeness.adapt and started_at >= self._cut_at:
            self._cut_at = now
            self._ceiling = max(1.0, self._width / 2)
            self._set(self._ceiling)

    def _space(self, started_at: float) -> None:
        """Double the spacing, once for all requests made before."""
        if started_at >= self._paused_at:
            least = max(_LEAST_SPACING, self._politeness.delay)
            self.spacing = min(max(2 * self.spacing, least), _MOST_SPACING)

    def _pause(self, asked: float | None, started_at: float, now: float) -> float:
        if started_at >= self._paused_at:  # else one more answer of the same burst
            if now - self._paused_at > self._politeness.forgive:
                self._strikes = 0
            self._strikes += 1
            self._pauses += 1
            if self._pauses == 1:
                self._asked_since = now
        self._paused_at = now
        self.named = asked is not None
        if asked is not None:
            return asked * (1 + _JITTER * self._random())
        doubled = self._politeness.throttle * 2.0 ** min(self._strikes - 1, 30)
        return min(doubled, self._politeness.throttle_max) * (0.5 + 0.5 * self._random())
