"""The share of one partition in a list that every partition reads by itself."""

from __future__ import annotations

from typing import Any

from crawler.core.ownership import Ownership
from crawler.model.request import LeftEntries, ListShare
from crawler.model.url import Seed, Url
from crawler.store.entry import Entry, Told, checksum_of, seed
from crawler.store.sources import InputProgress, UrlSource

_LEAST = 64
"""Entries that are taken together at the least."""
_MOST_SCANNED = 20_000
"""Entries of others that are passed in one call: 10 ms."""


class SharedSource:
    """Entries of a list that belong to the own partition; the others are skipped.

    `exhausted` once the end was read; `cursor` is the number of entries of the whole list up to
    here. widens: return the URLs of the other entries, too, as they widen the scope.
    """

    def __init__(self, source: UrlSource, ownership: Ownership, *, widens: bool) -> None:
        self._source = source
        self._ownership = ownership
        self.widens = widens
        self.cursor = 0
        self._entries = 0
        self.exhausted = False

    def __repr__(self) -> str:
        return f"SharedSource({self._ownership!r}, {self._source!r})"

    def skip(self, number: int) -> int:
        """Skip entries of the whole list; return the checksum of those that there were."""
        self._entries = self._source.skip(number)
        self.cursor = number
        return self._entries

    def rewind(self) -> None:
        """Start again with the first entry."""
        self._source.rewind()
        self.cursor = self._entries = 0

    def read(self, most: int) -> list[Seed] | LeftEntries:
        """Return the next entries of this partition, about `most`; a plain [] at the end.

        There may be none in a long stretch of the list; then the share only moves the cursor on.
        """
        share = ListShare()
        scanned = 0
        while len(share) < most and scanned < _MOST_SCANNED:
            part = self._source.take(max(_LEAST, most - len(share)))
            if not part:
                break
            scanned += len(part)
            self._entries = checksum_of(part, self._entries)
            for entry in part:
                self._sort(entry, share)
        self.cursor += scanned
        share.cursor, share.entries = self.cursor, self._entries
        self.exhausted = not scanned
        return share if scanned else []

    def _sort(self, entry: Entry, share: ListShare) -> None:
        """Add an entry to the share if it is this partition's."""
        owner = self._ownership.known(_text(entry))
        if owner is not None and owner != self._ownership.own and not self.widens:
            return  # nearly all of a long list: decided without a look at more than its host
        given = seed(entry)
        if owner is None:
            owner = self._ownership.of(given.url)
        if owner == self._ownership.own:
            share.append(given)
        elif self.widens and isinstance(given.url, Url):
            share.places.append(given.url)

    def inputs(self) -> list[dict[str, Any]]:
        """Return what tells the files of the list apart."""
        return self._source.inputs()

    def progress(self) -> InputProgress:
        """Return the progress of reading the whole list."""
        return self._source.progress()

    def close(self) -> None:
        """Close the list."""
        self._source.close()


def _text(entry: Entry) -> str:
    """Return the raw text of an entry; "" for one that is not a URL."""
    text = entry.entry if isinstance(entry, Told) else entry
    return "" if isinstance(text, Seed) else text
