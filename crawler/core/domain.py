"""The registrable domain of a host, by a given list of public suffixes.

`crawler.runtime.suffixes` provides that of publicsuffix.org with its private section:
`a.github.io` and `b.github.io` are two sites.
"""

from __future__ import annotations

from typing import Protocol


class SuffixList(Protocol):
    """The names below which others register their own: `com`, `co.uk`, `github.io`."""

    def privatesuffix(self, domain: str) -> str | None:
        """Return the suffix of `domain` with one more label; None for a suffix itself."""

    def is_public(self, domain: str) -> bool:
        """Tell whether `domain` is a public suffix."""


def registrable(host: str, suffixes: SuffixList) -> str:
    """Return the registrable domain of a WHATWG host (punycode, lower case).

    A host without one is returned itself: an IP address, or a public suffix such as `localhost`. A
    trailing dot stays, as in the URL standard (4.1): to a server `a.example.` is another host.
    """
    if host.startswith("[") or is_number(host):
        return host
    dot = "." if host.endswith(".") else ""
    found = suffixes.privatesuffix(host.removesuffix("."))
    return f"{found}{dot}" if found else host


def is_number(host: str) -> bool:
    """Tell whether `host` is an IPv4 address: its last label is a number (WHATWG URL, 3.5)."""
    return host[host.rfind(".") + 1 :].isdigit()
