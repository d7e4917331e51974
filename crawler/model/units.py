"""Quantities in text form: `30s`, `1h30m`, `10MB`, `1GiB`, `10k`, `100/s`, `5%`.

One reader serves everything that takes a quantity: flags, variables, files, stages and thresholds.
A plain number is in the base unit (seconds, bytes, a share of 1). Suffixes ignore case, so `10mb`
is `10MB` and never millibits. k, M, G and T count in thousands (SI), Ki, Mi, Gi and Ti in 1,024
(IEC 80000-13). The arithmetic is exact until the caller asks for a float.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from crawler.model.value import value

# Digits are bounded: Python reads a number with millions of them slowly, and refuses above
# 4,300. A positive exponent of two digits is more than any option takes; a float may print three.
_NUMBER = (
    r"(?:[0-9][0-9_]{0,39}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE](?:-[0-9]{1,3}|\+?[0-9]{1,2}))?"
)
_PART = re.compile(rf"\s*({_NUMBER})\s*([^\W\d_]+(?:/[^\W\d_]+)?|/[^\W\d_]+|%)?", re.IGNORECASE)

_TIMES: Mapping[str, Fraction] = {
    **dict.fromkeys(("us", "\N{MICRO SIGN}s", "\N{GREEK SMALL LETTER MU}s"), Fraction(1, 10**6)),
    "ms": Fraction(1, 1_000),
    **dict.fromkeys(("s", "sec", "second", "seconds"), Fraction(1)),
    **dict.fromkeys(("m", "min", "minute", "minutes"), Fraction(60)),
    **dict.fromkeys(("h", "hour", "hours"), Fraction(3_600)),
    **dict.fromkeys(("d", "day", "days"), Fraction(86_400)),
}
_THOUSANDS = {letter: Fraction(1_000**n) for n, letter in enumerate("kmgt", 1)}
_SIZES: Mapping[str, Fraction] = {
    **dict.fromkeys(("b", "byte", "bytes"), Fraction(1)),
    **{letter + tail: factor for letter, factor in _THOUSANDS.items() for tail in ("", "b")},
    **{f"{c}i{tail}": Fraction(1_024**n) for n, c in enumerate("kmgt", 1) for tail in ("", "b")},
}
_PER_SECOND = {"": 1, "/s": 1, "/m": 60, "/min": 60, "/h": 3_600}
_RATES: Mapping[str, Fraction] = {
    prefix + per: factor / seconds
    for prefix, factor in {"": Fraction(1), "k": Fraction(1_000)}.items()
    for per, seconds in _PER_SECOND.items()
    if prefix + per
}


@value(frozen=True, slots=True, kw_only=True)
class Unit:
    """The notation of a quantity.

    noun: its name in errors. examples: valid spellings. metavar: for help texts. factors: the
    factor of each suffix, in lower case, to the base unit. compound: allow several parts, as in
    `1h30m`. rounds_up: round a fraction of the base unit up, so that no size becomes 0, which
    often means "any".
    """

    noun: str
    examples: str
    metavar: str
    factors: Mapping[str, Fraction]
    compound: bool = False
    rounds_up: bool = False

    def read(self, text: str) -> Fraction:
        """Return the quantity in the base unit; raises ValueError that names what was expected."""
        digits = text.strip()
        sign = -1 if digits.startswith("-") else 1
        parts = self._parts(digits.removeprefix("-" if sign < 0 else "+"))
        if parts is None:
            raise ValueError(f"{text[:60]!r} is not {self.noun}; expected {self.examples}")
        return sign * sum((number * factor for number, factor in parts), Fraction(0))

    def whole(self, text: str) -> int:
        """Return the quantity as a whole number; raises ValueError that names what was expected."""
        exact = self.read(text)
        if exact.denominator == 1:
            return int(exact)
        if self.rounds_up and not _plain(text):
            return int(-(-exact // 1))
        raise ValueError(f"{text[:60]!r} is not a whole number")

    def _parts(self, text: str) -> list[tuple[Fraction, Fraction]] | None:
        """Return numbers with their factors, the largest first; None if the text is invalid."""
        parts, place = [], 0
        while match := _PART.match(text, place):
            factor = self.factors.get(match[2].lower()) if match[2] else Fraction(1)
            if factor is None:
                return None
            parts.append((Fraction(match[1]), factor, bool(match[2])))
            place = match.end()
        if place < len(text) or not parts:
            return None
        if len(parts) > 1 and not (self.compound and _in_order(parts)):
            return None
        return [(number, factor) for number, factor, _ in parts]

    def scaled(self, base: str, noun: str, examples: str) -> Unit:
        """Return the same unit with another base: minutes, megabytes."""
        size = self.factors[base]
        factors = {name: factor / size for name, factor in self.factors.items()}
        return replace(self, noun=noun, examples=examples, factors=factors)


def _plain(text: str) -> bool:
    return text.strip()[-1:].isdigit() or text.strip().endswith(".")


def _in_order(parts: list[tuple[Fraction, Fraction, bool]]) -> bool:
    """Tell whether each part has a suffix, and a smaller one than the part before."""
    falls = all(first > second for (_, first, _), (_, second, _) in pairwise(parts))
    return falls and all(suffixed for _, _, suffixed in parts)


SECONDS = Unit(
    noun="a duration",
    examples="seconds, or 500ms, 30s, 5m, 1h30m",
    metavar="TIME",
    factors=_TIMES,
    compound=True,
)
MINUTES = SECONDS.scaled("m", "a duration", "minutes, or 30s, 5m, 1h30m")
BYTES = Unit(
    noun="a size",
    examples="bytes, or 500kB, 10MB, 1GiB",
    metavar="SIZE",
    factors=_SIZES,
    rounds_up=True,
)
MEGABYTES = BYTES.scaled("m", "a size", "MB, or 512MB, 1GiB")
NUMBER = Unit(noun="a number", examples="digits, as in 5 or 0.5", metavar="N", factors={})
COUNT = Unit(
    noun="a whole number", examples="digits, or 10k, 1.5M", metavar="N", factors=_THOUSANDS
)
RATE = Unit(noun="a rate", examples="a number, or 100/s, 60/min", metavar="RATE", factors=_RATES)
SHARE = Unit(
    noun="a share",
    examples="0.05 or 5%",
    metavar="SHARE",
    factors={"%": Fraction(1, 100)},
)
