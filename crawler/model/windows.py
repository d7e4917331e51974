"""Stalls and brown-outs of a server, as text.

A stall holds back every answer: `1.4s every 10s`. It stands at the END of each period, from second
8.6 to 10, from 18.6 to 20, ..., so that a server's first seconds are clean.

A brown-out makes answers slower, makes some fail, or both:

    10s..20s latency lognormal:0.5,0.4 errors 0.2 every 60s

from second 10 up to second 20 of each minute; without `every` only once. `latency` is added,
`errors` is the share of answers that are 503. Seconds count from the server's start. Durations and
shares are written as in `crawler.model.units`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self

from crawler.model.distribution import Distribution
from crawler.model.units import SECONDS, SHARE

# Longer than any run, and small enough for a float to keep milliseconds.
_MAX_SECONDS = 1e7

_STALL = "write '1.4s every 10s'"
_BROWNOUT = "write '10s..20s latency DIST errors SHARE every 60s'"


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which all answers are held back. Made by `read`; equal if written alike.

    length, period: seconds; both 0, and false, for a stall that never comes.
    """

    text: str = ""
    length: float = field(default=0.0, compare=False)
    period: float = field(default=0.0, compare=False)

    @classmethod
    def read(cls, value: object) -> Self:
        """Read the form above, or `""` for never; raises ValueError that says what is wrong."""
        if isinstance(value, cls):
            return value
        words = _words(value)
        if not words:
            return cls()
        if len(words) != 3 or words[1] != "every":
            raise ValueError(f"{_brief(words)} is not a stall; {_STALL}")
        length, period = _duration(words[0]), _duration(words[2])
        if not 0 < length < period:
            raise ValueError(
                f"{_brief(words)}: a stall is longer than 0 and shorter than its period"
            )
        return cls(" ".join(words), length, period)

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return self.length > 0

    def left(self, now: float) -> float:
        """Return the seconds left of the stall at `now` (since the start); 0 outside."""
        if not self.length or now < 0:
            return 0.0
        rest = self.period - math.fmod(now, self.period)
        return rest if rest <= self.length else 0.0


@dataclass(frozen=True, slots=True)
class Brownout:
    """A time in which answers are slow or fail. Made by `read`; equal if written alike.

    begin, end: seconds since the start; end is exclusive. every: the period, 0 for once. latency:
    added to each answer, or None. errors: share of 503 answers.
    """

    text: str
    begin: float = field(compare=False)
    end: float = field(compare=False)
    latency: Distribution | None = field(compare=False)
    errors: float = field(compare=False)
    every: float = field(compare=False)

    @classmethod
    def read(cls, value: object) -> Self:
        """Read the form above; raises ValueError that says what is wrong."""
        if isinstance(value, cls):
            return value
        words = _words(value)
        if not words:
            raise ValueError(f"an empty text is not a brown-out; {_BROWNOUT}")
        begin, end = _range(words)
        said = _settings(words)
        latency = Distribution.read(said["latency"], SECONDS) if "latency" in said else None
        errors = _share(said["errors"]) if "errors" in said else 0.0
        every = _duration(said["every"]) if "every" in said else 0.0
        if latency is None and not errors:
            raise ValueError(f"{_brief(words)} changes nothing; {_BROWNOUT}")
        if "every" in said and every <= end - begin:
            raise ValueError(f"{_brief(words)} lasts longer than its period")
        return cls(" ".join(words), begin, end, latency, errors, every)

    def __str__(self) -> str:
        return self.text

    def left(self, now: float) -> float:
        """Return the seconds left if it is on at `now` (since the start), else 0."""
        if now < self.begin:
            return 0.0
        since = now - self.begin
        if self.every:
            since = math.fmod(since, self.every)
        return max(self.end - self.begin - since, 0.0)


def _words(value: object) -> list[str]:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a string")  # noqa: TRY004  as for any text
    return value.split()


def _brief(words: list[str]) -> str:
    return repr(" ".join(words)[:60])


def _range(words: list[str]) -> tuple[float, float]:
    first, dots, last = words[0].partition("..")
    if not dots:
        raise ValueError(f"{_brief(words)} has no time; {_BROWNOUT}")
    begin, end = _duration(first), _duration(last)
    if begin >= end:
        raise ValueError(f"{_brief(words)} ends before it begins")
    return begin, end


def _settings(words: list[str]) -> dict[str, str]:
    names, values = words[1::2], words[2::2]
    wrong = next((name for name in names if name not in ("latency", "errors", "every")), None)
    if wrong is not None:
        raise ValueError(f"{wrong[:40]!r} is not a setting of a brown-out; {_BROWNOUT}")
    if len(names) != len(values):
        raise ValueError(f"{_brief(words)}: {names[-1]} needs a value")
    if len(set(names)) != len(names):
        raise ValueError(f"{_brief(words)} repeats a setting")
    return dict(zip(names, values, strict=True))


def _duration(text: str) -> float:
    seconds = float(SECONDS.read(text))
    if not 0 <= seconds <= _MAX_SECONDS:
        raise ValueError(f"{text[:40]!r} is not 0 to {_MAX_SECONDS:g} seconds")
    return seconds


def _share(text: str) -> float:
    share = float(SHARE.read(text))
    if not 0 < share <= 1:
        raise ValueError(f"errors {text[:40]!r} is not a share above 0 and up to 1")
    return share
