"""A cookie of a redirect chain; it lives as long as the chain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Cookie:
    """One cookie by RFC 6265, 5.3. `expires` is Unix time; infinity for a session cookie.

    `domain` is the host that set it if `host_only`, else its Domain attribute. The value may be a
    secret and is left out of the `repr`.
    """

    name: str
    value: str
    domain: str
    path: str
    host_only: bool
    secure: bool
    expires: float

    def __repr__(self) -> str:
        return f"Cookie({self.name[:40]!r}, {self.domain!r}, {self.path[:40]!r})"
