"""URLs by the WHATWG URL standard.

A `Url` is always absolute, http or https, serialised, and without a fragment, so that two spellings
of one address are equal. What is none becomes an `InvalidUrl` with a reason: a value, because a bad
line in a list is nothing exceptional.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import ada_url

MAX_LENGTH = 65_536
"""Characters a URL may have; browsers and servers stop well below."""

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):")
_HOST_AND_PORT = re.compile(r"[^/?#:@\\]+:\d+(?:[/?#\\]|$)")
_NO_HOSTS = frozenset(
    {"about", "blob", "data", "file", "ftp", "javascript", "mailto", "sms", "tel", "urn", "ws"}
)  # schemes that a list really holds; `tel:5` is no host with a port
_STRIPPED = "".join(map(chr, range(0x21)))  # C0 controls and space, WHATWG URL 4.4


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http(s) URL: `href` is its WHATWG serialisation without fragment."""

    href: str

    @property
    def host_key(self) -> str:
        """Scheme, host and port (`https://example.com`, `http://[::1]:8080`); no credentials."""
        start = self.href.index("//") + 2
        end = self.href.find("/", start)
        at = self.href.rfind("@", start, end)
        return self.href[:start] + self.href[at + 1 : end] if at > 0 else self.href[:end]

    @property
    def fingerprint(self) -> int:
        """64 bits of BLAKE2b: the same in every process and run.

        Among n URLs two share one with a chance of about n^2 / 2^65: 3 in a million at 10 million.
        """
        return fingerprint(self.href)


@dataclass(frozen=True, slots=True)
class InvalidUrl:
    """Text that is no URL for a crawler, and why."""

    text: str
    reason: str
    unsupported_scheme: bool = False

    @property
    def fingerprint(self) -> int:
        """64 bits of BLAKE2b over the text."""
        return fingerprint(self.text)


class Seed(NamedTuple):
    """One entry of a URL list: the text as it was given, and what it was read as."""

    input: str
    url: Url | InvalidUrl

    @classmethod
    def read(cls, text: str) -> Seed:
        """Read one line (already stripped of its line end)."""
        return cls(text, parse(text))


def fingerprint(text: str) -> int:
    """The first 64 bits of BLAKE2b over `text` in UTF-8."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def parse(text: str) -> Url | InvalidUrl:
    """Read `text` as a person writes URLs: a host without a scheme means `https://`."""
    text = text.strip(_STRIPPED)
    scheme = _SCHEME.match(text)
    name = scheme[1].lower() if scheme else ""
    if scheme is None or (name not in _NO_HOSTS and _HOST_AND_PORT.match(text)):
        return _absolute(f"https:{text}" if text.startswith("//") else f"https://{text}", text)
    if name not in ("http", "https"):
        return InvalidUrl(text, f"unsupported scheme {name[:32]!r}", True)
    return _absolute(text, text)


def join(base: Url, reference: str) -> Url | InvalidUrl:
    """Resolve `reference` (a `Location`, a link) against `base`."""
    if len(reference) > MAX_LENGTH:
        return InvalidUrl(reference[:256], f"longer than {MAX_LENGTH} characters")
    try:
        href: str = ada_url.join_url(base.href, reference)
    except (ValueError, UnicodeError):
        return InvalidUrl(reference, "not a valid URL")
    return _supported(href, reference)


def _absolute(candidate: str, text: str) -> Url | InvalidUrl:
    if len(text) > MAX_LENGTH:
        return InvalidUrl(text[:256], f"longer than {MAX_LENGTH} characters")
    try:
        href: str = ada_url.normalize_url(candidate)
    except (ValueError, UnicodeError):
        return InvalidUrl(text, "not a valid URL")
    return _supported(href, text)


def _supported(href: str, text: str) -> Url | InvalidUrl:
    if not href.startswith(("http://", "https://")):
        return InvalidUrl(text, f"unsupported scheme {href.partition(':')[0][:32]!r}", True)
    return Url(href.partition("#")[0])
