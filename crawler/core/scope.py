"""The scope: the rule of which found URLs belong to this crawl.

| mode | a URL belongs if a seed has |
|---|---|
| host | the same host, on any port and scheme |
| domain | the same registrable domain (`www.example.co.uk` and `example.co.uk`) |
| prefix | a path that leads to it, up to the last slash, on the same host and port |
| any | - |

A site that moves from http to https stays in scope. In addition, no `exclude` pattern may match
and, if there are any `include` patterns, one has to.

A seed leaves one 64-bit fingerprint (12 to 24 bytes), so millions of seeds fit; a URL's hosts or
directories are looked up in the same way. The last `_KNOWN` answers are cached: links of a page
share few places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from crawler.core.domain import SuffixList, registrable
from crawler.core.refusal import Refusal
from crawler.core.seen import FingerprintSet
from crawler.model.glob import Globs
from crawler.model.url import Url, fingerprint, respelled

Mode = Literal["host", "domain", "prefix", "any"]

_KNOWN = 8_192
"""Maximum cached answers; a place is as long as a host or a directory."""
_LONGEST_KNOWN = 512


class Scope:
    """Decides by mode and patterns; `suffixes` defines domains."""

    def __init__(
        self,
        mode: Mode,
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        suffixes: SuffixList,
    ) -> None:
        self._mode = mode
        self._include = Globs(include)
        self._exclude = Globs(exclude)
        self._suffixes = suffixes
        self._seeds = FingerprintSet()
        self._depths = 0  # bit n: a seed's directory has n slashes
        self._known: dict[str, bool] = {}

    def __repr__(self) -> str:
        return (
            f"Scope({self._mode}, seeds={len(self._seeds)}, "
            f"include={self._include!r}, exclude={self._exclude!r})"
        )

    def add_seed(self, url: Url) -> bool:
        """Add the place of `url` to the crawl; return whether it is new."""
        if self._mode == "any":
            return False
        place = self._place(url)
        if self._mode == "domain":
            place = registrable(place, self._suffixes)
        self._depths |= 1 << place.count("/")
        if not self._seeds.add(fingerprint(place)):
            return False
        self._known.clear()
        return True

    def refusal(self, url: Url) -> Refusal | None:
        """Return why `url` does not belong to the crawl, or None."""
        if self._mode != "any" and not self._within(self._place(url)):
            return Refusal.OUT_OF_SCOPE
        if self._exclude and self._exclude.match(url):
            return Refusal.EXCLUDED
        if self._include and not self._include.match(url):
            return Refusal.NOT_INCLUDED
        return None

    def _place(self, url: Url) -> str:
        """Return the host of `url`, or in prefix mode host, port and directory."""
        if self._mode == "prefix":
            return _directory(url)
        return url.host

    def _within(self, place: str) -> bool:
        known = self._known.get(place)
        if known is None:
            known = any(fingerprint(above) in self._seeds for above in self._above(place))
            if len(self._known) >= _KNOWN:
                self._known.clear()
            if len(place) <= _LONGEST_KNOWN:
                self._known[place] = known
        return known

    def _above(self, place: str) -> Iterator[str]:
        """Yield the places of seeds to which `place` would belong."""
        if self._mode == "host":
            yield place
        elif self._mode == "domain":
            yield registrable(place, self._suffixes)
        else:
            yield from self._directories(place)

    def _directories(self, directory: str) -> Iterator[str]:
        """Yield `directory` and those above it, from the top, as deep as seeds' directories are."""
        at, slashes = directory.find("/"), 1
        while at >= 0 and self._depths >> slashes:
            if self._depths >> slashes & 1:
                yield directory[: at + 1]
            at, slashes = directory.find("/", at + 1), slashes + 1


def _directory(url: Url) -> str:
    href = url.href
    path = href.index("/", href.index("/") + 2)
    query = href.find("?", path)
    last = href.rindex("/", path, query if query > 0 else None)
    return url.authority + respelled(href[path : last + 1])
