"""Whether a run may be believed: what must be so for its figures to be about the server.

A generator that was short of time, ports or descriptors measures itself. Each check compares one
reading with its bound and says in a sentence what it means; a run is valid if every check holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from crawler.load.histogram import Histogram
from crawler.load.measured import Failure, Measured
from crawler.load.options import LoadConfig
from crawler.load.pace import Pace

MOST_CPU = 0.9
"""Of a core: above it work queues in the generator, and the queue is measured along."""
MOST_LOOP_LAG = 0.010
"""Seconds: two time slices of a scheduler. Less than a hit takes is harmless in any case."""
MOST_LATENESS = 0.002
"""Seconds: timers of epoll count in milliseconds, so that one is late by 1 to 2 of them."""
MOST_RESIDUAL = 0.05
"""Of the mean in flight; and `_FEW` hits, as so little is hard to integrate."""
LEAST_ACHIEVED = 0.99
"""Of the rate asked for."""
BEYOND = 10
"""How many values there should be above a quantile that is shown: then its error is a third."""
_FEW = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """Readings of the generator itself, over the measured time.

    `cpu_seconds` are of all its processes, user and system; `cpu_share` is that of the busiest one,
    as a share of a core. `loop_lag` holds how late a timer of the event loop was, `lateness` how
    late the schedule was looked at (nothing in a closed loop): both the generator's doing alone.
    `mean_in_flight` is the mean over time of hits sent and not ended. `listen_overflows` counts
    connections that this machine's listen queues had no room for; None if it cannot be read.
    """

    cpu_seconds: float = 0.0
    cpu_share: float = 0.0
    loop_lag: Histogram = field(default_factory=Histogram)
    lateness: Histogram = field(default_factory=Histogram)
    mean_in_flight: float = 0.0
    listen_overflows: int | None = None

    def merge(self, other: Probes) -> Probes:
        """Both together, as two processes of one run on one machine."""
        loop_lag, lateness = self.loop_lag.copy(), self.lateness.copy()
        loop_lag.merge(other.loop_lag)
        lateness.merge(other.lateness)
        overflows = [n for n in (self.listen_overflows, other.listen_overflows) if n is not None]
        return Probes(
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            cpu_share=max(self.cpu_share, other.cpu_share),
            loop_lag=loop_lag,
            lateness=lateness,
            mean_in_flight=self.mean_in_flight + other.mean_in_flight,
            # A counter of the machine: each process reads the same one.
            listen_overflows=max(overflows, default=None),
        )

    @property
    def json(self) -> dict[str, Any]:
        """Everything, in types of JSON; `of` makes an equal value from it."""
        return {
            "cpu_seconds": self.cpu_seconds,
            "cpu_share": self.cpu_share,
            "loop_lag": self.loop_lag.json,
            "lateness": self.lateness.json,
            "mean_in_flight": self.mean_in_flight,
            "listen_overflows": self.listen_overflows,
        }

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From `json`; raises KeyError, TypeError or ValueError for what it cannot be."""
        overflows = json["listen_overflows"]
        return cls(
            cpu_seconds=float(json["cpu_seconds"]),
            cpu_share=float(json["cpu_share"]),
            loop_lag=Histogram.of(json["loop_lag"]),
            lateness=Histogram.of(json["lateness"]),
            mean_in_flight=float(json["mean_in_flight"]),
            listen_overflows=None if overflows is None else int(overflows),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition: `value` was read, `bound` is what it may be, `why` a sentence on both.

    `value` is None if there was nothing to read; the check then holds.
    """

    name: str
    ok: bool
    value: float | None
    bound: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a run may be believed, and all that was checked for it."""

    valid: bool
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it may not; nothing if it may."""
        return tuple(check.why for check in self.checks if not check.ok)

    @property
    def json(self) -> dict[str, Any]:
        """Everything, in types of JSON; `of` makes an equal value from it."""
        names = ("name", "ok", "value", "bound", "why")
        checks = [{name: getattr(check, name) for name in names} for check in self.checks]
        return {"valid": self.valid, "checks": checks}

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From `json`; raises KeyError or TypeError for what it cannot be."""
        return cls(
            valid=bool(json["valid"]), checks=tuple(Check(**check) for check in json["checks"])
        )


def judge(
    measured: Measured, probes: Probes, config: LoadConfig, *, shown: Sequence[float] = (0.5,)
) -> Verdict:
    """Check all; `shown` are the quantiles (0 to 1) that something hangs on, such as thresholds."""
    checks = [
        _cpu(probes),
        _loop_lag(probes, measured),
        _little(probes, measured),
        _ports(measured),
        _descriptors(measured),
        _listen(probes),
        _samples(measured, shown),
    ]
    if config.open_loop:
        checks[2:2] = [_lateness(probes, measured), _achieved(measured, config)]
    return Verdict(valid=all(check.ok for check in checks), checks=tuple(checks))


def _cpu(probes: Probes) -> Check:
    share = probes.cpu_share
    return Check(
        name="generator CPU",
        ok=share < MOST_CPU,
        value=share,
        bound=MOST_CPU,
        why=f"the busiest generator process used {share:.0%} of a core (under {MOST_CPU:.0%})",
    )


def _loop_lag(probes: Probes, measured: Measured) -> Check:
    bound = max(MOST_LOOP_LAG, measured.service.quantile(0.5))
    return _late("event-loop lag", "timers of the event loop", probes.loop_lag, bound)


def _lateness(probes: Probes, measured: Measured) -> Check:
    bound = max(MOST_LATENESS, measured.service.quantile(0.5))
    return _late("pacer lag", "requests of the schedule", probes.lateness, bound)


def _late(name: str, what: str, histogram: Histogram, bound: float) -> Check:
    value = histogram.quantile(0.99) if histogram.counts else None
    said = "were not timed" if value is None else f"were up to {1e3 * value:.3g} ms late (p99"
    rest = "" if value is None else f"; up to {1e3 * bound:.3g} ms)"
    return Check(
        name=name,
        ok=value is None or value <= bound,
        value=value,
        bound=bound,
        why=f"{what} {said}{rest}",
    )


def _little(probes: Probes, measured: Measured) -> Check:
    """Little, A Proof for the Queuing Formula L = lambda W, 1961: any gap is unaccounted time."""
    expected, found = measured.expected_in_flight, probes.mean_in_flight
    gap = abs(found - expected)
    residual = gap / max(found, expected) if gap else 0.0
    return Check(
        name="Little's law",
        ok=residual <= MOST_RESIDUAL or gap <= _FEW,
        value=residual,
        bound=MOST_RESIDUAL,
        why=f"{found:.3g} requests were in flight on average, and throughput times latency is "
        f"{expected:.3g}: {residual:.1%} apart (up to {MOST_RESIDUAL:.0%})",
    )


def _achieved(measured: Measured, config: LoadConfig) -> Check:
    pace = Pace.read(config)
    asked = pace.due(pace.warmup + measured.elapsed) - pace.due(pace.warmup)
    if config.requests:
        asked = min(asked, config.requests)
    share = measured.sent / asked if asked else 1.0
    # A Poisson count strays by its root; three of those are as good as never by chance.
    chance = 3 * math.sqrt(asked) if config.arrivals == "poisson" else 1.0
    return Check(
        name="achieved rate",
        ok=measured.sent + chance >= LEAST_ACHIEVED * asked,
        value=share,
        bound=LEAST_ACHIEVED,
        why=f"{measured.sent:,} of {asked:,.0f} requests left in time: {share:.1%} "
        f"(at least {LEAST_ACHIEVED:.0%}; more connections may help)",
    )


def _ports(measured: Measured) -> Check:
    count = measured.failures.get(Failure.PORT_SHORTAGE, 0)
    return _none("ports", count, "connections found no free local port")


def _descriptors(measured: Measured) -> Check:
    count = measured.failures.get(Failure.DESCRIPTOR_SHORTAGE, 0)
    return _none("descriptors", count, "connections found no free file descriptor (ulimit -n)")


def _listen(probes: Probes) -> Check:
    return _none(
        "listen queue", probes.listen_overflows, "connections did not fit into a listen queue"
    )


def _none(name: str, count: int | None, what: str) -> Check:
    why = f"whether {what} cannot be read here" if count is None else f"{count:,} {what}"
    return Check(name=name, ok=not count, value=count, bound=0.0, why=why)


def _samples(measured: Measured, shown: Sequence[float]) -> Check:
    highest = max(shown, default=0.5)
    bound = needed(highest)
    count = measured.response.count
    return Check(
        name="samples",
        ok=count >= bound,
        value=count,
        bound=bound,
        why=f"{count:,} requests were timed (p{100 * highest:g} needs {bound:,})",
    )


def needed(quantile: float) -> int:
    """How many values it takes to have `BEYOND` of them above a quantile (0 to 1, without 1)."""
    return math.ceil(BEYOND / (1 - quantile) - 1e-6) if quantile < 1 else 1


def supported(count: int, quantiles: Sequence[float]) -> tuple[float, ...]:
    """Those of the quantiles that so many values can show."""
    return tuple(quantile for quantile in quantiles if needed(quantile) <= count)
