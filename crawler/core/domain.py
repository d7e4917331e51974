"""The registrable domain of a host, by a list of public suffixes that is given to the core.

`crawler.runtime.suffixes` has that of publicsuffix.org, whose private section counts: `a.github.io`
and `b.github.io` are two sites.
"""

from __future__ import annotations

from typing import Protocol


class SuffixList(Protocol):
    """The names below which others register theirs: `com`, `co.uk`, `github.io`."""

    def privatesuffix(self, domain: str) -> str | None:
        """Return the suffix of `domain` and one label more; None where it is a suffix itself."""

    def is_public(self, domain: str) -> bool:
        """Return whether `domain` is a public suffix."""


class TopLevelDomains:
    """The shortest list: every last label is a suffix, and nothing else."""

    def privatesuffix(self, domain: str) -> str | None:
        """Return the last two labels; None where there is one only."""
        return ".".join(domain.split(".")[-2:]) if "." in domain else None

    def is_public(self, domain: str) -> bool:
        """Return whether `domain` is a single label."""
        return "." not in domain


def registrable(host: str, suffixes: SuffixList) -> str:
    """Return the registrable domain of a WHATWG host (punycode, lower case); 1.5 us.

    The host itself where it has none: an IP address, or a public suffix such as `localhost`. A dot
    at the end stays, as in the URL standard (4.1): to a server `a.example.` is another host.
    """
    if host.startswith("[") or is_number(host):
        return host
    dot = "." if host.endswith(".") else ""
    found = suffixes.privatesuffix(host.removesuffix("."))
    return f"{found}{dot}" if found else host


def is_number(host: str) -> bool:
    """Return whether `host` is an IPv4 address: its last label is a number (WHATWG URL, 3.5)."""
    return host[host.rfind(".") + 1 :].isdigit()
