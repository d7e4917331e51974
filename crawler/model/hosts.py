"""Limits of single hosts: `example.com: per_host=1, delay=5; *.example.org: delay=2`.

In TOML they are tables: `[crawl.hosts."example.com"]`. A name stands for that host on every port,
`*.name` for every host below it, `name:port` for that port alone. The most specific entry applies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from crawler.model.units import COUNT, SECONDS

_LIMITS = {"per_host": (1, 100_000, COUNT), "delay": (0, 86_400, SECONDS)}


@dataclass(frozen=True, slots=True)
class HostTable:
    """Limits by host, as pairs of a name and its `per_host` and `delay`."""

    entries: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()

    @classmethod
    def read(cls, value: object) -> Self:
        """Read text or a mapping of mappings; raises ValueError for an invalid one."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(tuple(_entry(part) for part in value.split(";") if part.strip()))
        if isinstance(value, Mapping):
            return cls(tuple(_checked(str(name), limits) for name, limits in value.items()))
        raise ValueError(f"{value!r} is not a table of hosts")

    def __str__(self) -> str:
        return "; ".join(
            f"{name}: {', '.join(f'{key}={number:g}' for key, number in limits)}"
            for name, limits in self.entries
        )

    def limits(self, key: str) -> dict[str, float]:
        """Return the limits set for a host key (`https://example.com:8443`); empty if none."""
        if not self.entries:
            return {}
        known = dict(self.entries)
        for name in _names(key.partition("//")[2]):
            if name in known:
                return dict(known[name])
        return {}


def _names(host: str) -> Iterator[str]:
    """Yield the names that a host's entry may have, the most specific first."""
    yield host
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    yield name
    while "." in name:
        name = name.partition(".")[2]
        yield f"*.{name}"


def _entry(text: str) -> tuple[str, tuple[tuple[str, float], ...]]:
    name, colon, rest = text.strip().rpartition(": ")
    if not colon:
        raise ValueError(
            f"{text.strip()!r} is not a limit; write 'example.com: per_host=1, delay=5'"
        )
    pairs = [part.partition("=")[::2] for part in rest.split(",")]
    return _checked(name, {key.strip(): number.strip() for key, number in pairs})


def _checked(name: str, limits: object) -> tuple[str, tuple[tuple[str, float], ...]]:
    if not isinstance(limits, Mapping) or not limits:
        raise ValueError(f"{name}: needs per_host or delay")
    return name.strip().lower(), tuple(
        (str(key), _number(name, str(key), number)) for key, number in limits.items()
    )


def _number(name: str, key: str, value: object) -> float:
    if key not in _LIMITS:
        raise ValueError(f"{name}: unknown limit {key!r}; expected {' or '.join(_LIMITS)}")
    least, most, unit = _LIMITS[key]
    try:
        number = float(unit.read(str(value)))
    except ValueError as error:
        raise ValueError(f"{name}: {key}: {error}") from None
    if not least <= number <= most or (key == "per_host" and number != int(number)):
        raise ValueError(f"{name}: {key}: {value} is not from {least} to {most}")
    return number
