"""The send times of an open loop's hits: arithmetic, without a clock (as vegeta's `Pacer`).

The expected number of hits until t, the integral of the rate, is H(t). Hit n of a constant pace
leaves when H(t) is n. Poisson arrivals leave when H(t) is the sum of n + 1 exponential gaps of mean
1 (time rescaling; Cinlar, Introduction to Stochastic Processes, 1975, 4.7), so that one code serves
stages, too. Times count from the start of the warm-up, which runs at the first rate.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice, pairwise
from random import Random
from typing import Self

from crawler.load.load_config import MAX_RATE, Arrivals, LoadConfig
from crawler.model.option import OptionError
from crawler.model.units import RATE, SECONDS

_MAX_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of the schedule: so many seconds, in which the rate goes evenly to `rate`."""

    seconds: float
    rate: float

    @classmethod
    def read_all(cls, text: str) -> tuple[Self, ...]:
        """Read stages such as '10s:1000,30s:5000' (ms, s, m or h); raise `OptionError`."""
        stages = tuple(cls._read(part.strip()) for part in text.split(","))
        if sum(stage.seconds for stage in stages) > _MAX_SECONDS:
            raise OptionError("stages", f"{text!r} takes more than a day")
        if not any(stage.seconds and stage.rate for stage in stages):
            raise OptionError("stages", f"{text!r} sends nothing")
        return stages

    @classmethod
    def _read(cls, text: str) -> Self:
        time, colon, number = text.partition(":")
        try:
            seconds, rate = float(SECONDS.read(time)), float(RATE.read(number))
        except ValueError as error:
            form = " is not a stage; expected SECONDS:RATE, as in 10s:1000"
            problem = f": {error}" if colon else form
            raise OptionError("stages", f"{text[:60]!r}{problem}") from error
        if seconds < 0 or rate < 0:
            raise OptionError("stages", f"{text!r}: neither time nor rate can be below 0")
        if rate > MAX_RATE:
            raise OptionError("stages", f"{text!r}: at most {MAX_RATE:,} requests/s")
        return cls(seconds, rate)


@dataclass(frozen=True, slots=True)
class _Ramp:
    """From `start` on the rate goes from `first` to `last`; `before` hits were due until then."""

    start: float
    seconds: float
    first: float
    last: float
    before: float

    def due(self, moment: float) -> float:
        gone = min(moment - self.start, self.seconds)
        slope = (self.last - self.first) / self.seconds
        return self.before + gone * (self.first + slope * gone / 2)

    def reached(self, due: float) -> float:
        due -= self.before
        if self.first == self.last:
            return self.start + due / self.first
        slope = (self.last - self.first) / self.seconds
        # The form of the quadratic's solution that also serves a rate that begins at 0.
        root = math.sqrt(max(0.0, self.first**2 + 2 * slope * due))
        return self.start + (2 * due / (self.first + root) if due else 0.0)


@dataclass(slots=True)
class Pace:
    """The schedule of a run. Equal arguments give the same times in every process.

    The first stage is constant at its rate; each further one goes evenly from the rate before to
    its own, or jumps if it takes 0 seconds. `warmup` seconds at the first rate come ahead. After
    `most` hits of the measurement (0: any number), or when the time is up, the schedule has ended.
    """

    stages: Sequence[Stage]
    arrivals: Arrivals = field(default="constant", kw_only=True)
    warmup: float = field(default=0.0, kw_only=True)
    most: int = field(default=0, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    seconds: float = field(init=False)
    _ramps: Sequence[_Ramp] = field(init=False, repr=False)
    _starts: Sequence[float] = field(init=False, repr=False)
    _total: float = field(init=False, repr=False)
    _end: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.seconds = self.warmup + math.fsum(stage.seconds for stage in self.stages)
        self._ramps = tuple(_ramps(self.stages, self.warmup))
        self._starts = [ramp.before for ramp in self._ramps]
        self._total = self.due(self.seconds)
        # A hit that would leave in the very moment of the end, but for rounding, does not.
        self._end = self._total * (1 - 1e-12) - 1e-9
        if self.most:
            self._end = min(self._end, math.ceil(self.due(self.warmup) - 1e-9) + self.most)

    @classmethod
    def read(cls, config: LoadConfig) -> Self:
        """Read the options; raise `OptionError` for impossible stages, or a closed loop."""
        if config.stages:
            stages = Stage.read_all(config.stages)
        elif config.rate:
            stages = (Stage(config.duration, config.rate),)
        else:
            raise OptionError("rate", "an open loop needs a rate or stages")
        return cls(
            stages,
            arrivals=config.arrivals,
            warmup=config.warmup,
            most=config.requests,
            seed=config.seed,
        )

    def due(self, moment: float) -> float:
        """Return the expected number of hits in the first `moment` seconds."""
        reached = [ramp for ramp in self._ramps if ramp.start < moment]
        return reached[-1].due(moment) if reached else 0.0

    def times(self, first: int = 0, step: int = 1) -> Iterator[float]:
        """Yield the times of hits first, first + step, ...: one of `step` processes has these."""
        if self.arrivals == "poisson":
            yield from islice(self._poisson(), first, None, step)
            return
        for number in count(first, step):
            if number >= self._end:
                return
            yield self._reached(number)

    def _reached(self, due: float) -> float:
        return self._ramps[bisect_right(self._starts, due) - 1].reached(due)

    def _poisson(self) -> Iterator[float]:
        draw = Random(self.seed).random  # noqa: S311  a schedule is not a secret
        due, measured = 0.0, 0
        while True:
            due -= math.log1p(-draw())
            if due >= self._total:
                return
            moment = self._reached(due)
            measured += moment >= self.warmup
            if self.most and measured > self.most:
                return
            yield moment


def _ramps(stages: Sequence[Stage], warmup: float) -> Iterator[_Ramp]:
    first = stages[0]
    start, before = 0.0, 0.0
    flat = Stage(warmup + first.seconds, first.rate)
    for last, stage in pairwise((Stage(0.0, first.rate), flat, *stages[1:])):
        if not stage.seconds:
            continue
        ramp = _Ramp(start, stage.seconds, last.rate, stage.rate, before)
        # Where nothing is sent no hit can fall; the next one begins with as many due.
        if ramp.first or ramp.last:
            yield ramp
        start += stage.seconds
        before = ramp.due(start)
