"""The URLs that an earlier run of a crawl left, as they are read while the crawl goes on."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import BinaryIO

from crawler.model.request import LeftEntries
from crawler.model.url import Seed
from crawler.store.journal.lines import waiting_of
from crawler.store.shared_source import SharedSource
from crawler.store.sources import InputProgress, UrlSource


class LeftLines:
    """The lines of URLs that wait, as they are read from the file of a journal.

    The journal may go on behind them, and get another file in its place.
    """

    def __init__(self, lines: Iterable[bytes] = (), file: BinaryIO | None = None) -> None:
        self._file = file
        self._lines = iter(lines)

    def __repr__(self) -> str:
        return f"LeftLines({self._file!r})"

    def take(self, most: int) -> list[bytes]:
        """Return the next lines, up to `most`; [] at the end, and once closed."""
        try:
            lines = list(islice(self._lines, most))
            if len(lines) < most:
                self.close()
            return lines
        except ValueError:
            if self._file is not None and self._file.closed:  # by another thread, in the middle
                return []
            raise

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class ContinuedSource:
    """The URLs that an earlier run left, and then the rest of the list."""

    def __init__(self, left: LeftLines, source: UrlSource | SharedSource) -> None:
        self._left = left
        self._source = source

    def __repr__(self) -> str:
        return f"ContinuedSource({self._source!r})"

    def read(self, most: int) -> list[Seed] | LeftEntries:
        """Return the next entries, at least one and at most `most`; [] at the end."""
        left = LeftEntries(map(waiting_of, self._left.take(most)))
        return left or self._source.read(most)

    def progress(self) -> InputProgress:
        """Return the progress of reading the list."""
        return self._source.progress()

    def close(self) -> None:
        """Close the list, and the journal that it was read from."""
        self._source.close()
        self._left.close()
