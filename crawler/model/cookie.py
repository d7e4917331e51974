"""A cookie, as far as a crawl knows any: it lives as long as the redirect chain that set it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Cookie:
    """One cookie by RFC 6265, 5.3. `expires` is Unix time, infinity for a session's.

    `domain` is the host that set it where it is `host_only`, else its Domain attribute. Its value
    may be a secret, so that no log shows it.
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
