"""What a journal has to know of a crawl, so that it can go on after it was killed.

The core tells of every change to what waits and to what was seen, in the order in which they
happen. The changes of one call of the core become visible together (`publish`), before the outcomes
that the call returns are written. So whatever prefix of these changes a journal has kept, no URL in
it was seen without waiting, and none has ended without its links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from crawler.core.seen import FingerprintSet
from crawler.model.request import Listed, Request
from crawler.model.url import Seed, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What earlier runs of a crawl left: counts, what was seen, and what widened the scope.

    `read`, `repeats`, `found` and `records` are those of `Snapshot`; what they leave open is handed
    back by the source.
    """

    read: int = 0
    repeats: int = 0
    found: int = 0
    records: int = 0
    seen: FingerprintSet = field(default_factory=FingerprintSet)
    places: Sequence[Url] = ()


class Changes(Protocol):
    """Told of what changes, within one call of the core."""

    def read(self, seeds: Sequence[Seed], repeats: int) -> None:
        """Entries were taken from the list, so many of them seen before."""

    def found(self, number: int) -> None:
        """So many URLs were found and taken up."""

    def waits(self, request: Request | Listed) -> None:
        """A URL waits: a new one, or one that was redirected or failed and is tried again."""

    def unusable(self, seed: Seed) -> None:
        """An entry of the list that is not a URL waits for its record."""

    def seen(self, key: int) -> None:
        """A URL with this fingerprint was taken up."""

    def widened(self, url: Url) -> None:
        """The scope has become wider by a URL."""

    def publish(self) -> None:
        """The changes since the last call belong together and are complete."""


class Unkept:
    """Keeps nothing: a crawl without a journal."""

    def read(self, seeds: Sequence[Seed], repeats: int) -> None:
        """Keep nothing."""

    def found(self, number: int) -> None:
        """Keep nothing."""

    def waits(self, request: Request | Listed) -> None:
        """Keep nothing."""

    def unusable(self, seed: Seed) -> None:
        """Keep nothing."""

    def seen(self, key: int) -> None:
        """Keep nothing."""

    def widened(self, url: Url) -> None:
        """Keep nothing."""

    def publish(self) -> None:
        """Keep nothing."""


class Lasting(NamedTuple):
    """What a crawl that lasts is built with: who is told of its changes, and what was before."""

    changes: Changes
    earlier: Earlier
