"""Which partition owns a URL: the same answer in every process and run.

Everything of a site is crawled by one partition, so that its politeness needs no shared lock. A
site is a registrable domain where the port is that of http or https, so that both schemes share an
owner, and else a host and port.

Sites known when a run begins are dealt out by size (`dealt_out`), as a hash deals a few of them
unevenly: of 8 equal sites the larger of two partitions gets 5.0 on average. A hash has the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from crawler.core.domain import SuffixList, registrable
from crawler.model.url import MAX_LENGTH, InvalidUrl, Url, fingerprint

_USUAL_PORTS = frozenset({"80", "443"})
_MOST_KNOWN = 65_536
"""Maximum cached owners; an origin takes some 150 bytes."""
_MOST_DEALT = 1_000
"""Maximum sites that are dealt out: with so many, those left to the hash are spread evenly."""


class Ownership:
    """The owners of URLs among so many partitions, as `own`, one of them, sees them.

    `suffixes` defines domains; `sites` are the partitions of those dealt out. Any thread may ask.
    """

    __slots__ = ("_known", "_sites", "_suffixes", "own", "partitions")

    def __init__(
        self,
        partitions: int,
        own: int,
        suffixes: SuffixList,
        sites: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.partitions = partitions
        self.own = own
        self._suffixes = suffixes
        self._sites = sites
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

        Plain means printable ASCII that begins with an origin as the URL standard writes it: no
        rule of that could find another host in it.
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
            site = site_of(key, self._suffixes)
            owner = self._sites.get(site)
            if owner is None:
                owner = _hashed(site, self.partitions)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = owner
        return owner


def site_of(key: str, suffixes: SuffixList) -> str:
    """Return the site of a host key."""
    authority = key.partition("//")[2]
    host, colon, port = authority.rpartition(":")
    if authority.endswith("]") or not colon:
        return registrable(authority, suffixes)
    return registrable(host, suffixes) if port in _USUAL_PORTS else authority


def dealt_out(sizes: Mapping[str, int], partitions: int) -> dict[str, int]:
    """Return a partition for each of the largest sites, so that all have about the same to crawl.

    The largest goes first, to the partition that has least by then (Graham, "Bounds on
    multiprocessing timing anomalies", 1969). sizes: the number of URLs of each site.
    """
    order = sorted(sizes, key=lambda site: (-sizes[site], site))
    loads = [0] * partitions
    for site in order[_MOST_DEALT:]:
        loads[_hashed(site, partitions)] += sizes[site]
    owners = {}
    for site in order[:_MOST_DEALT]:
        owners[site] = loads.index(min(loads))
        loads[owners[site]] += sizes[site]
    return owners


def _hashed(site: str, partitions: int) -> int:
    return fingerprint(site) % partitions
