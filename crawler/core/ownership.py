"""Which partition owns a URL: the same answer in every process and run.

Everything of a host is crawled by one partition, so that its politeness needs no shared lock. The
key is the registrable domain where the port is that of http or https, so that both schemes of a
site share an owner, and else host and port.
"""

from __future__ import annotations

import re

from crawler.core.domain import SuffixList, registrable
from crawler.model.url import MAX_LENGTH, InvalidUrl, Url, fingerprint

_USUAL_PORTS = frozenset({"80", "443"})
_PLAIN = re.compile(r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?")
_MOST_KNOWN = 65_536
"""Maximum cached owners; an origin takes some 150 bytes."""


class Ownership:
    """The owners of URLs among so many partitions, as `own`, one of them, sees them.

    `suffixes` defines domains. Any thread may ask.
    """

    __slots__ = ("_known", "_suffixes", "own", "partitions")

    def __init__(self, partitions: int, own: int, suffixes: SuffixList) -> None:
        self.partitions = partitions
        self.own = own
        self._suffixes = suffixes
        self._known: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Ownership({self.own} of {self.partitions})"

    @property
    def others(self) -> list[int]:
        """The other partitions."""
        return [each for each in range(self.partitions) if each != self.own]

    def other(self, url: Url) -> int | None:
        """Return the owner of a URL if it is another partition."""
        owner = self.of(url)
        return owner if owner != self.own else None

    def known(self, text: str) -> int | None:
        """Return the owner of a raw entry of a list if it is plain and its origin is known.

        Plain means that no rule of the URL standard could find another host in it.
        """
        end = text.find("/", 8)
        owner = self._known.get(text if end < 0 else text[:end])
        if owner is None or not (text.isascii() and text.isprintable() and len(text) <= MAX_LENGTH):
            return None
        return owner

    def of(self, url: Url | InvalidUrl) -> int:
        """Return the owner of a URL, or of text that is none."""
        if isinstance(url, InvalidUrl):
            return url.fingerprint % self.partitions
        key = url.host_key
        owner = self._known.get(key)
        if owner is None:
            owner = fingerprint(self._named(key)) % self.partitions
            if _PLAIN.fullmatch(key):
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[key] = owner
        return owner

    def _named(self, key: str) -> str:
        """Return what the owner of a host key is named by."""
        authority = key.partition("//")[2]
        host, colon, port = authority.rpartition(":")
        if authority.endswith("]") or not colon:
            return registrable(authority, self._suffixes)
        return registrable(host, self._suffixes) if port in _USUAL_PORTS else authority
