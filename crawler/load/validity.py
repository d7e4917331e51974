"""The verdict on a run: the conditions for its figures to be about the server.

A generator that was short of time, ports or descriptors measures itself. Each check compares one
reading with its bound and says in a sentence what it means. A run is valid if every check holds
that matters; one on which nothing rests, such as the number of samples where no percentile is
claimed, is a note.

What is claimed are the thresholds. Lag only ever makes a measured latency longer, so it spoils a
claim no more than it could change the answer: 2 ms of it do not matter to `p99<200ms`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import field
from msgspec.structs import replace

from crawler.load.load_config import LoadConfig
from crawler.load.measured import Failure, Measured
from crawler.load.pace import Pace
from crawler.load.threshold import Threshold
from crawler.measure.histogram import Histogram
from crawler.measure.json_document import Record, highest, told

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
RETRANSMISSION = 0.9
"""Seconds: a connection that found a full listen queue is tried again after 1 s (RFC 6298, 2.1)."""


class Probes(Record, frozen=True, kw_only=True):
    """Readings of the generator itself, over the measured time."""

    cpu_seconds: Annotated[float, told("CPU of all its processes, user and system.")] = 0.0
    cpu_share: Annotated[
        float, told("CPU of its busiest process, as a share of a core.", merged=max)
    ] = 0.0
    loop_lag: Annotated[Histogram, told("Lateness of the event loop's timers, in seconds.")] = (
        field(default_factory=Histogram)
    )
    lateness: Annotated[
        Histogram, told("Lateness of the schedule, in seconds; empty in a closed loop.")
    ] = field(default_factory=Histogram)
    mean_in_flight: Annotated[float, told("Hits sent and not ended: their mean over time.")] = 0.0
    # Counters of the machine: each process reads the same ones.
    listen_overflows: Annotated[
        int | None,
        told(
            "Connections that listen queues had no room for; null if it cannot be read.",
            merged=highest,
        ),
    ] = None
    machine_cpu: Annotated[
        float | None,
        told("CPU seconds of all programs of the machine; null if unknown.", merged=highest),
    ] = None
    cores: Annotated[int, told("Cores of the machine, for whomever.", merged=max, ge=0)] = 0

    def over(self, seconds: float, whole: float) -> Probes:
        """Return the readings of a process that measured for `seconds` of a `whole` run."""
        share = seconds / whole if whole else 1.0
        return replace(self, mean_in_flight=self.mean_in_flight * share)


class Check(Record, frozen=True, kw_only=True):
    """One condition; one that does not hold and does not matter is a note."""

    name: Annotated[str, told("Name of the check.")]
    ok: Annotated[bool, told("True if it held.")]
    value: Annotated[float | None, told("The reading; null if there was none.")]
    bound: Annotated[float, told("The bound of the reading.")]
    why: Annotated[str, told("A sentence on both.")]
    matters: Annotated[bool, told("True if the verdict rests on it; else it is a note.")] = True


class Verdict(Record, frozen=True, kw_only=True):
    """The verdict on a run, with all checks behind it."""

    valid: Annotated[bool, told("True if every check that matters held.")]
    checks: Annotated[tuple[Check, ...], told("All that were made.")]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons against the run; empty if it may be believed."""
        return tuple(check.why for check in self.failed)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that the run cannot be believed for."""
        return tuple(check for check in self.checks if not check.ok and check.matters)

    @property
    def notes(self) -> tuple[Check, ...]:
        """The checks that did not hold, and that nothing rests on."""
        return tuple(check for check in self.checks if not (check.ok or check.matters))


def judge(
    measured: Measured, probes: Probes, config: LoadConfig, *, claims: Sequence[Threshold] = ()
) -> Verdict:
    """Check all that the figures, and above all the `claims` made about them, rest on."""
    checks = tuple(_checks(measured, probes, config, claims))
    return Verdict(valid=all(check.ok or not check.matters for check in checks), checks=checks)


def _checks(
    measured: Measured, probes: Probes, config: LoadConfig, claims: Sequence[Threshold]
) -> Iterator[Check]:
    share = probes.cpu_share
    yield Check(
        name="generator CPU",
        ok=share < MOST_CPU,
        value=share,
        bound=MOST_CPU,
        why=f"the busiest generator process used {share:.0%} of a core (under {MOST_CPU:.0%})",
    )
    busy = _advice(probes, measured.elapsed)
    timers, schedule = "timers of the event loop", "requests of the schedule"
    bound = _lag_allowed(MOST_LOOP_LAG, measured, claims)
    yield _late("event-loop lag", timers, probes.loop_lag, bound, busy)
    if config.open_loop:  # a closed loop has no schedule to be late for
        bound = _lag_allowed(MOST_LATENESS, measured, claims)
        yield _late("pacer lag", schedule, probes.lateness, bound, busy)
        yield _achieved(measured, config)
    yield _little(probes, measured)
    ports = measured.failures.get(Failure.PORT_SHORTAGE, 0)
    yield _none("ports", ports, "connections found no free local port")
    descriptors = measured.failures.get(Failure.DESCRIPTOR_SHORTAGE, 0)
    what = "connections found no free file descriptor (ulimit -n)"
    yield _none("descriptors", descriptors, what)
    # The kernel counts for all servers, so a hit must be late, too.
    held_up = measured.service.largest >= RETRANSMISSION or Failure.CONNECT in measured.failures
    what = "connections did not fit into a listen queue of this machine (of any server on it)"
    yield _none("listen queue", probes.listen_overflows, what, matters=held_up)
    # A note where no percentile is claimed, unless there are no samples at all.
    claimed = [
        (claim.quantile, claim.about(measured).response.count)
        for claim in claims
        if claim.quantile is not None
    ]
    # The one that its samples suffice for the least.
    highest, count = min(
        claimed,
        key=lambda claim: claim[1] / needed(claim[0]),
        default=(0.5, measured.response.count),
    )
    yield Check(
        name="samples",
        ok=count >= needed(highest),
        value=float(count),
        bound=float(needed(highest)),
        why=f"{count:,} requests were timed (p{100 * highest:g} needs {needed(highest):,})",
        matters=bool(claimed) or not count,
    )


def _lag_allowed(least: float, measured: Measured, claims: Sequence[Threshold]) -> float:
    """Return the lag allowed: as long as a hit takes, or as the tightest claim has room for."""
    rooms = (_room(c, measured) for c in claims if c.latency in ("response", "service"))
    return max(least, measured.service.quantile(0.5), min(rooms, default=0.0))


def _room(claim: Threshold, measured: Measured) -> float:
    """Return the lag that cannot have changed the answer to a claim about a latency.

    The true latency is the one measured or shorter. So a claim to be fast that is met, and one to
    be slow that is missed, are so without any lag, too; else it takes more than the gap.
    """
    fast = claim.met(measured) == claim.upper
    return claim.bound if fast else abs(claim.value(measured) - claim.bound)


def _late(name: str, what: str, histogram: Histogram, bound: float, advice: str) -> Check:
    value = histogram.quantile(0.99) if histogram.counts else None
    if value is None:
        return Check(name=name, ok=True, value=None, bound=bound, why=f"{what} were not timed")
    why = f"{what} were up to {1e3 * value:.3g} ms late (p99; up to {1e3 * bound:.3g} ms)"
    if value > bound:
        why += f"{advice}; latencies below {1e3 * value:.3g} ms cannot be believed"
    return Check(name=name, ok=value <= bound, value=value, bound=bound, why=why)


def _advice(probes: Probes, seconds: float) -> str:
    if probes.machine_cpu is None or seconds <= 0:
        return ""
    others = max(0.0, probes.machine_cpu - probes.cpu_seconds) / seconds
    return f": other programs used {others:.1f} of {probes.cores} cores"


def _little(probes: Probes, measured: Measured) -> Check:
    """Check Little's law (A Proof for the Queuing Formula L = lambda W, 1961)."""
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


def _none(name: str, count: int | None, what: str, *, matters: bool = True) -> Check:
    why = f"whether {what} cannot be read here" if count is None else f"{count:,} {what}"
    value = None if count is None else float(count)
    return Check(name=name, ok=not count, value=value, bound=0.0, why=why, matters=matters)


def needed(quantile: float) -> int:
    """Return the values needed to have `BEYOND` above a quantile (0 to 1, without 1)."""
    return math.ceil(BEYOND / (1 - quantile) - 1e-6) if quantile < 1 else 1
