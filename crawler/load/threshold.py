"""Thresholds of a run, as a person writes them: `p99<50ms`, `errors<0.1%`, `rate>=5000`.

| written | is |
|---|---|
| `p50`, `p99.9`, ... | a percentile, from 0 to 100 |
| `mean`, `stdev`, `min`, `max` | of the latencies |
| `errors` | failures, drops and unexpected statuses, of all requests; `0.1%` or `0.001` |
| `rate` | answers a second |

Latencies are responses; `service.p99`, `lag.p99` are of the others. Times are in us, ms, s or m:
without a unit they are refused, as 50 may mean either. The comparison is <, <=, > or >=.

`checkout:p99<50ms` is about the target of that name alone, of which responses, errors and rate are
counted; the last colon before the figure ends the name.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Self

from crawler.load.measured import Measured
from crawler.measure.histogram import Histogram
from crawler.model.errors import ConfigurationError
from crawler.model.units import RATE, SECONDS, SHARE, Unit

_FORM = re.compile(
    r"(?:(?P<target>.+):\s*)?(?:(?P<latency>[a-z]+)\.)?(?P<figure>[a-z]+|p[\d.]+)\s*(?P<sign><=|>=|<|>)\s*"
    r"(?P<bound>\d.*)",
    re.IGNORECASE,
)
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LATENCIES = ("response", "service", "lag")
_OF_LATENCIES: Mapping[str, Callable[[Histogram], float]] = {
    "mean": lambda histogram: histogram.mean,
    "stdev": lambda histogram: histogram.stdev,
    "min": lambda histogram: histogram.smallest,
    "max": lambda histogram: histogram.largest,
}
_OF_ALL: Mapping[str, tuple[Unit, Callable[[Measured], float]]] = {
    "errors": (SHARE, lambda measured: measured.error_share),
    "rate": (RATE, lambda measured: measured.rate),
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition on what was measured, of one target or ("") of all.

    `bound` is in seconds, a share, or requests/s.
    """

    text: str
    target: str
    latency: str
    figure: str
    sign: str
    bound: float

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a text of the table above; raise ValueError with what is wrong in it."""
        match = _FORM.fullmatch(text.strip())
        if not match:
            raise ValueError(f"{text[:40]!r} is not a threshold; expected p99<50ms or errors<0.1%")
        target = (match["target"] or "").strip()
        latency, figure = (match["latency"] or "").lower(), match["figure"].lower()
        if figure in _OF_ALL:
            if latency:
                raise ValueError(f"{text!r}: {figure} is of the whole run; leave out '{latency}.'")
            unit = _OF_ALL[figure][0]
        else:
            latency, unit = latency or "response", SECONDS
            _check(text, latency, _LATENCIES)
            if target and latency != "response":
                raise ValueError(f"{text!r}: {latency} is of the whole run; leave out the target")
            if _percentile(figure) is None:
                if re.fullmatch(r"p[\d.]+", figure):
                    raise ValueError(f"{text!r}: {figure} is not a percentile; expected p0 to p100")
                _check(text, figure, ("p50", "p99", *_OF_LATENCIES, *_OF_ALL))
        bound = _bound(text, unit, match["bound"].strip())
        return cls(text.strip(), target, latency, figure, match["sign"], bound)

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The name of the figure: `p99`, `service.p50`, `checkout:errors`."""
        latency = "" if self.latency in ("", "response") else f"{self.latency}."
        return f"{self.target}:" * bool(self.target) + latency + self.figure

    @property
    def about_errors(self) -> bool:
        """True if the threshold itself sets the errors allowed."""
        return self.figure == "errors"

    @property
    def upper(self) -> bool:
        """True if the figure has to stay below the bound."""
        return self.sign in ("<", "<=")

    @property
    def quantile(self) -> float | None:
        """The quantile (0 to 1) that the threshold is about, if it is about one."""
        return _percentile(self.figure) if self.latency else None

    def check_target(self, names: Sequence[str]) -> None:
        """Raise `ConfigurationError` if the target is not among those that are counted apart."""
        if self.target:
            try:
                _check(self.text, self.target, names)
            except ValueError as error:
                raise ConfigurationError(f"no such target: {error}") from None

    def about(self, measured: Measured) -> Measured:
        """Return the part of what was measured that the threshold is about."""
        return measured.of_target(self.target) if self.target else measured

    def value(self, measured: Measured) -> float:
        """Return the measured figure, in the unit of `bound`."""
        measured = self.about(measured)
        if not self.latency:
            return _OF_ALL[self.figure][1](measured)
        histogram: Histogram = getattr(measured, self.latency)
        quantile = self.quantile
        if quantile is not None:
            return histogram.quantile(quantile)
        return _OF_LATENCIES[self.figure](histogram)

    def met(self, measured: Measured) -> bool:
        """Tell whether the run kept it; a run without a single attempt keeps none."""
        kept = _COMPARISONS[self.sign](self.value(measured), self.bound)
        return kept and self.about(measured).attempts > 0


def _bound(text: str, unit: Unit, written: str) -> float:
    """Return the quantity after the sign; a latency has to name its unit."""
    if unit is SECONDS and written[-1].isdigit():
        raise ValueError(f"{text[:60]!r}: a latency needs a unit, as in 50ms or 2s")
    try:
        return float(unit.read(written))
    except ValueError as error:
        raise ValueError(f"{text[:60]!r}: {error}") from error


def _percentile(figure: str) -> float | None:
    try:
        percent = float(figure[1:]) if figure.startswith("p") else -1.0
    except ValueError:
        return None
    # 99.9 / 100 is 0.9990000000000001, and would ask for one rank more.
    return float(f"{percent / 100:.12g}") if 0 <= percent <= 100 else None


def _check(text: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        near = get_close_matches(name, known, 1, 0.5)
        meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known[:8])}"
        raise ValueError(f"{text!r}: {name!r} is unknown{meant}")
