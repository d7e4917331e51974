"""The registrable domain of a host, by the public suffix list (publicsuffix.org).

The list comes with the library `publicsuffixlist`, which is released with each change of the list,
needs nothing else and downloads nothing. Its private section counts: `a.github.io` and
`b.github.io` are two sites. Loading takes 30 ms, once, when the first host is asked for.

`tldextract` was the other choice: it needs `requests` and `filelock`, and downloads by default.
"""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


def registrable(host: str) -> str:
    """The registrable domain of a WHATWG host (punycode, lower case); 1.5 us.

    The host itself where it has none: an IP address, or a public suffix such as `localhost`. A dot
    at the end stays, as in the URL standard (4.1): to a server `a.example.` is another host.
    """
    if host.startswith("[") or is_number(host):
        return host
    dot = "." if host.endswith(".") else ""
    found = _suffixes().privatesuffix(host.removesuffix("."))
    return f"{found}{dot}" if found else host


def is_public_suffix(host: str) -> bool:
    """Return whether others register names below `host`: `co.uk`, `github.io`, any single label."""
    return _suffixes().is_public(host)


def is_number(host: str) -> bool:
    """Return whether `host` is an IPv4 address: its last label is a number (WHATWG URL, 3.5)."""
    return host[host.rfind(".") + 1 :].isdigit()


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
