"""Distributions of numbers, read from text and drawn from by a quantile function.

| written | is |
|---|---|
| `0.2` | always 0.2 |
| `uniform:A,B` | even between A and B |
| `lognormal:MEDIAN,SIGMA` | its logarithm is normal around log MEDIAN with deviation SIGMA |
| `exponential:MEAN` | memoryless |
| `pareto:LEAST,ALPHA` | a power law from LEAST on; P(X > x) = (LEAST / x) ** ALPHA |
| `file:PATH` | one of the numbers in a file, one a line, each as likely |

Numbers take the option's unit: `lognormal:100ms,0.5`, `pareto:3kB,1.4`.

`quantile(u)` with u in (0, 1) makes a draw (inverse transform sampling; Devroye, Non-Uniform Random
Variate Generation, 1986, II.2), so that one u always gives one value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Self

from crawler.model.units import NUMBER, Unit

_STANDARD = NormalDist()
# Every process holds a file's numbers in memory.
_MAX_VALUES = 1_000_000


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of non-negative numbers. Made by `read`; equal if written alike."""

    text: str
    shape: str = field(repr=False, compare=False)
    parameters: tuple[float, ...] = field(repr=False, compare=False)

    @classmethod
    def read(cls, value: object, unit: Unit = NUMBER) -> Self:
        """Read a number or one of the forms above, in `unit`; raises ValueError."""
        if isinstance(value, cls):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"{value!r} is not a distribution")  # noqa: TRY004  as for any text
        if not isinstance(value, str):
            return cls(f"{value:g}", "fixed", (_number(repr(value), unit),))
        shape, colon, rest = value.strip().partition(":")
        if not colon:
            return cls(value.strip(), "fixed", (_number(shape, unit),))
        if shape == "file":
            return cls(value.strip(), shape, _values(rest, unit))
        return cls(value.strip(), shape, _checked(shape, rest, unit))

    def __str__(self) -> str:
        return self.text

    @property
    def fixed(self) -> float | None:
        """The constant value, or None."""
        return self.parameters[0] if self.shape == "fixed" else None

    @property
    def mean(self) -> float:
        """The mean; infinite for a power law with ALPHA of 1 or less."""
        return _SHAPES[self.shape].mean(self.parameters)

    def quantile(self, share: float) -> float:
        """Return the value below which a `share` (between 0 and 1, exclusive) of all draws lies."""
        return _SHAPES[self.shape].quantile(self.parameters, share)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    form: str
    legal: Callable[[tuple[float, ...]], bool]
    mean: Callable[[tuple[float, ...]], float]
    quantile: Callable[[tuple[float, ...], float], float]


def _pareto_mean(parameters: tuple[float, ...]) -> float:
    least, alpha = parameters
    return least * alpha / (alpha - 1) if alpha > 1 else math.inf


_SHAPES: Mapping[str, _Shape] = {
    "fixed": _Shape(
        form="NUMBER",
        legal=lambda _: True,
        mean=lambda p: p[0],
        quantile=lambda p, share: p[0],
    ),
    "uniform": _Shape(
        form="uniform:A,B with A up to B",
        legal=lambda p: len(p) == 2 and p[0] <= p[1],
        mean=lambda p: (p[0] + p[1]) / 2,
        quantile=lambda p, share: p[0] + (p[1] - p[0]) * share,
    ),
    "lognormal": _Shape(
        form="lognormal:MEDIAN,SIGMA with SIGMA up to 10",
        legal=lambda p: len(p) == 2 and p[1] <= 10,
        mean=lambda p: p[0] * math.exp(p[1] ** 2 / 2),
        quantile=lambda p, share: p[0] * math.exp(p[1] * _STANDARD.inv_cdf(share)),
    ),
    "exponential": _Shape(
        form="exponential:MEAN",
        legal=lambda p: len(p) == 1,
        mean=lambda p: p[0],
        quantile=lambda p, share: -p[0] * math.log1p(-share),
    ),
    "pareto": _Shape(
        form="pareto:LEAST,ALPHA with ALPHA from 0.1",
        legal=lambda p: len(p) == 2 and p[1] >= 0.1,
        mean=_pareto_mean,
        quantile=lambda p, share: p[0] * (1 - share) ** (-1 / p[1]),
    ),
    "file": _Shape(
        form="file:PATH",
        legal=bool,
        mean=lambda p: math.fsum(p) / len(p),
        quantile=lambda p, share: p[int(share * len(p))],
    ),
}


def _number(text: str, unit: Unit) -> float:
    try:
        value = float(unit.read(text))
    except ValueError:
        value = -1.0
    if value < 0:
        raise ValueError(f"{text.strip()[:40]!r} is neither {unit.noun} from 0 nor a distribution")
    return value


def _checked(shape: str, rest: str, unit: Unit) -> tuple[float, ...]:
    if shape not in _SHAPES or shape == "fixed":
        known = ", ".join(name for name in _SHAPES if name != "fixed")
        raise ValueError(f"{shape[:40]!r} is not a distribution; expected one of {known}")
    parameters = tuple(_number(text, unit) for text in rest.split(","))
    if not _SHAPES[shape].legal(parameters):
        raise ValueError(f"{shape}:{rest[:40]} is invalid; write {_SHAPES[shape].form}")
    return parameters


def _values(path: str, unit: Unit) -> tuple[float, ...]:
    try:
        with Path(path).open(encoding="utf-8") as lines:
            values = tuple(_number(line, unit) for line in lines if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ValueError(f"{path}: cannot be read: {reason}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not 0 < len(values) <= _MAX_VALUES:
        raise ValueError(f"{path}: {len(values)} numbers; expected 1 to {_MAX_VALUES:,}")
    return values
