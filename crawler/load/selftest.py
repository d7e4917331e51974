"""Loads with a known outcome, which `crawler load selftest` measures a server with.

Each case names the options of a mock web, a load, and what theory says must come out:

- A server that stalls for `L` of every `P` seconds, asked on schedule over few connections. Of the
  hits due in a stall the one due `t` after its start waits `L - t`, so a share `(L - x) / P` of all
  waits longer than `x`: the response latency's quantile `q` is `L - (1 - q) * P`. The few requests
  that were sent and held back are too rare to show in the service latency's p99. A generator that
  counts from when it came to send (coordinated omission) reports the second figure alone.
- A queue kept full: `n` connections without pause at `c` workers that take `S` each get `c / S`
  answers/s, of `n * S / c` each (Little's law).
- A queue with chance arrivals, M/D/1: the mean is `S + r * S / (2 * (1 - r))` at utilisation `r`
  (Pollaczek and Khinchine). It is right only if gaps are exponential and all hits leave in time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crawler.load.load_config import LoadConfig
from crawler.load.measured import Measured

# The stall's share of a second's hits that waits is 25 %; those sent and held are 4 of 2,000.
_STALL, _PERIOD, _STALLS = 0.5, 2.0, 2
_STALL_RATE, _STALL_CONNECTIONS = 1000.0, 4
_WORKERS, _SERVICE, _BUSY = 4, 0.01, 16
_CHANCE_SERVICE, _CHANCE_RATE = 0.004, 125.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """A figure and the bounds that theory gives it, in seconds or requests/s."""

    name: str
    value: float
    least: float
    most: float
    unit: str = "s"

    @property
    def ok(self) -> bool:
        """True if the figure is within its bounds."""
        return self.least <= self.value <= self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A mock web's options by name, a load, and what the outcome must be."""

    name: str
    web: Mapping[str, str]
    load: LoadConfig
    findings: Callable[[Measured], Sequence[Expectation]]


def _near(name: str, value: float, expected: float, share: float, unit: str = "s") -> Expectation:
    """Return an expectation with a tolerance of `share` either way."""
    return Expectation(name, value, expected * (1 - share), expected * (1 + share), unit)


def _stalled(measured: Measured) -> Sequence[Expectation]:
    shown, service = _STALL - 0.01 * _PERIOD, measured.service
    # Under 20 %: a stall that the run's end cuts in two shows less of itself.
    return (
        _near("response p99 shows the stall", measured.response.quantile(0.99), shown, 0.2),
        Expectation("service p99 does not", service.quantile(0.99), 0.0, shown / 5),
        Expectation("service max is a stall", service.largest, _STALL * 0.5, _STALL * 1.2),
    )


def _full(measured: Measured) -> Sequence[Expectation]:
    latency, rate = _BUSY * _SERVICE / _WORKERS, measured.service.count / measured.elapsed
    return (
        _near("service p50 of a full queue", measured.service.quantile(0.5), latency, 0.1),
        _near("rate of a full queue", rate, _WORKERS / _SERVICE, 0.1, "/s"),
    )


def _chance(measured: Measured) -> Sequence[Expectation]:
    used = _CHANCE_RATE * _CHANCE_SERVICE
    mean = _CHANCE_SERVICE * (1 + used / (2 * (1 - used)))
    # A busy period is some 10 ms, so 6 s hold several hundred: 25 % is beyond three deviations.
    return (_near("response mean at half load", measured.response.mean, mean, 0.25),)


CASES: Sequence[Case] = (
    Case(
        name="known stall",
        web={"stall": f"{_STALL}s every {_PERIOD}s"},
        load=LoadConfig(
            rate=_STALL_RATE, connections=_STALL_CONNECTIONS, duration=_STALLS * _PERIOD
        ),
        findings=_stalled,
    ),
    Case(
        name="known queue, full",
        web={"workers": str(_WORKERS), "service": str(_SERVICE)},
        load=LoadConfig(connections=_BUSY, duration=3.0, warmup=0.5),
        findings=_full,
    ),
    Case(
        name="known queue, by chance",
        web={"workers": "1", "service": str(_CHANCE_SERVICE)},
        load=LoadConfig(
            rate=_CHANCE_RATE, arrivals="poisson", connections=64, duration=6.0, seed=1
        ),
        findings=_chance,
    ),
)
"""All of them; together they take some 14 seconds."""
