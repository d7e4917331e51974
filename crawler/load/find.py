"""The search for the highest rate that keeps every threshold.

The rate is raised until one breaks a threshold (or lowered until one keeps them all), then the gap
between the highest kept and the lowest broken rate is halved, by ratio, until it is narrower than
`precision`. Near its limit a server keeps a threshold at one time and breaks it at another, so the
rate found is tried again at the end; if it does not keep them then, it counts as broken, and the
search goes on below it. It takes `MOST_TRIALS` trials at most, the last of which confirms.

It is arithmetic alone: `rate` says what to try next, `tell` takes its outcome. A trial that
cannot be judged, because the generator did not keep up, ends the search: no rate above it could be
judged either, and what came before it stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

LEAST_RATE = 1.0
"""Requests/s under which no search goes: a server that cannot do one a second keeps nothing."""

MOST_TRIALS = 12
"""From 100/s to 25,600/s are five steps; five halvings narrow the gap to 5 %; one confirms."""

# Steps are long where trials are cheap, and shorter where one too far would overload the generator.
_LONG, _SHORT, _CAUTIOUS_FROM = 4.0, 2.0, 10_000.0

Limit = Literal["", "threshold", "generator", "most"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A rate that was tried, and whether it kept the thresholds, whose figures had the `values`.

    doubt: why it cannot be judged, if the generator itself did not keep up; else "".
    """

    rate: float
    kept: bool
    values: tuple[float, ...] = ()
    doubt: str = ""


@dataclass(slots=True, kw_only=True)
class Search:
    """One search: `rate` is None at its end, and `found` then the answer.

    first: where to begin. most: the highest rate to try. precision: how far the lowest broken rate
    may be above the highest kept, as a share of it. trials: all so far, in their order. kept: the
    rates that kept every threshold, rising, all under `broken`, the lowest that did not; None if
    none did. confirmed: the rate found kept every threshold twice.
    """

    first: float
    most: float
    precision: float = 0.05
    trials: list[Trial] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    broken: float | None = None
    confirmed: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.most:
            raise ValueError(
                f"a search cannot begin at {self.first:g}/s and end at {self.most:g}/s"
            )

    @property
    def found(self) -> float | None:
        """The highest rate that kept every threshold; None if there is none (yet)."""
        return self.kept[-1] if self.kept else None

    @property
    def unjudged(self) -> Trial | None:
        """The trial that could not be judged, and ended the search."""
        return self.trials[-1] if self.trials and self.trials[-1].doubt else None

    @property
    def limited_by(self) -> Limit:
        """The reason that the answer is not higher."""
        if self.unjudged is not None:
            return "generator"
        if self.kept and self.kept[-1] >= self.most:
            return "most"
        return "" if self.broken is None else "threshold"

    @property
    def rate(self) -> float | None:
        """Requests/s to try next, with three digits; None when the search has ended."""
        if len(self.trials) >= MOST_TRIALS or self.unjudged is not None:
            return None
        rate = self._next()
        return None if rate is None else min(float(f"{rate:.3g}"), self.most)

    def _next(self) -> float | None:
        if not self.kept:  # begin, or go down until a rate keeps them
            if self.broken is None:
                return max(self.first, LEAST_RATE)
            return max(self.broken / _LONG, LEAST_RATE) if self.broken > LEAST_RATE else None
        highest = self.kept[-1]
        # The last trial confirms the rate found, however wide the gap still is.
        narrow = self.broken is not None and self.broken <= highest * (1 + self.precision)
        if narrow or highest >= self.most or len(self.trials) == MOST_TRIALS - 1:
            return None if self.confirmed else highest
        if self.broken is None:
            return highest * (_SHORT if highest * _LONG > _CAUTIOUS_FROM else _LONG)
        return math.sqrt(highest * self.broken)  # halves the gap by ratio

    def tell(self, trial: Trial) -> None:
        """Take the outcome of the rate that was asked for last."""
        self.trials.append(trial)
        if trial.doubt:
            return
        if trial.kept:
            self.confirmed = trial.rate in self.kept
            if not self.confirmed:
                self.kept.append(trial.rate)
            return
        self.broken = trial.rate
        self.kept = [rate for rate in self.kept if rate < trial.rate]
        self.confirmed = False
