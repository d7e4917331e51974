"""The search for the highest rate that keeps a threshold.

The rate is doubled until one breaks the threshold (or halved until one keeps it), then the gap
between the highest kept and the lowest broken rate is halved, by ratio, until it is narrower than
`precision`. Near its limit a server keeps a threshold at one time and breaks it at another, so the
rate found must keep it twice; one that does not counts as broken, and the search goes on below it.

It is arithmetic alone: `rate` says what to try next, `tell` takes what came of it. A trial that
cannot be believed because the generator did not keep up counts as broken, too; `limited_by` then
says that the limit found is the generator's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LEAST_RATE = 1.0
"""Requests/s under which no search goes: a server that cannot do one a second keeps nothing."""

MOST_TRIALS = 40
"""From 1 to 1,000,000/s are 20 doublings; 5 % need 4 halvings, and each confirmation one more."""

Limit = Literal["", "threshold", "generator", "most"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A rate that was tried, and whether it kept the threshold, which then had the `value`.

    believed: false if the generator itself did not keep up, so that the server was not at fault.
    """

    rate: float
    kept: bool
    value: float
    believed: bool = True


class Search:
    """One search: `rate` is None at its end, and `found` then the answer.

    first: where to begin. most: the highest rate to try. precision: how far the lowest broken rate
    may be above the highest kept, as a share of it.
    """

    def __init__(self, *, first: float, most: float, precision: float = 0.05) -> None:
        if not 0 < first <= most:
            raise ValueError(f"a search cannot begin at {first:g}/s and end at {most:g}/s")
        self._first = max(first, LEAST_RATE)
        self._most = most
        self._precision = precision
        self._kept: list[float] = []  # rising; all under `_broken`
        self._broken = math.inf
        self._confirmed = False
        self._trials: list[Trial] = []

    @property
    def trials(self) -> Sequence[Trial]:
        """All so far, in their order."""
        return tuple(self._trials)

    @property
    def found(self) -> float | None:
        """The highest rate that kept the threshold twice; None if there is none (yet)."""
        return self._kept[-1] if self._confirmed else None

    @property
    def broken(self) -> float | None:
        """The lowest rate that broke it; None if none did."""
        return None if math.isinf(self._broken) else self._broken

    @property
    def limited_by(self) -> Limit:
        """What kept the answer from being higher."""
        if self._kept and self._kept[-1] >= self._most:
            return "most"
        at_fault = [trial for trial in self._trials if trial.rate == self._broken]
        if not at_fault:
            return ""
        return "threshold" if any(t.believed and not t.kept for t in at_fault) else "generator"

    @property
    def rate(self) -> float | None:
        """Requests/s to try next, with three digits; None when the search has ended."""
        if len(self._trials) >= MOST_TRIALS:
            return None
        rate = self._next()
        return None if rate is None else min(float(f"{rate:.3g}"), self._most)

    def _next(self) -> float | None:
        if not self._kept:
            if math.isinf(self._broken):
                return self._first
            return max(self._broken / 2, LEAST_RATE) if self._broken > LEAST_RATE else None
        highest = self._kept[-1]
        if math.isinf(self._broken) and highest < self._most:
            return highest * 2
        if self._broken > highest * (1 + self._precision) and highest < self._most:
            return math.sqrt(highest * self._broken)
        return None if self._confirmed else highest

    def tell(self, trial: Trial) -> None:
        """Take what came of the rate that was asked for last."""
        self._trials.append(trial)
        if trial.kept and trial.believed:
            self._confirmed = trial.rate in self._kept
            if not self._confirmed:
                self._kept.append(trial.rate)
            return
        self._broken = trial.rate
        self._kept = [rate for rate in self._kept if rate < trial.rate]
        self._confirmed = False
