"""Header fields of a response by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Headers(Mapping[str, str]):
    """A response's header fields by case-insensitive name; repeated values are joined by commas.

    `getall` keeps them apart, which Set-Cookie needs (RFC 9110, 5.3).
    """

    def __init__(self, fields: tuple[tuple[str, str], ...]) -> None:
        self.fields = fields
        self._values: dict[str, list[str]] = {}
        for name, value in fields:
            self._values.setdefault(name.lower(), []).append(value)

    def __repr__(self) -> str:
        return f"Headers({self.fields!r})"

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getall(self, name: str) -> list[str]:
        """Return all values of a name in order; empty if it was not sent."""
        return list(self._values.get(name.lower(), ()))
