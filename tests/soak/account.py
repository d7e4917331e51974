"""Every URL that was handed to the crawl, and the records that came back: a byte a URL.

The list is a function from a number to a URL, and each URL tells its number. So neither the list
nor the records are ever held, and both can go on for hours.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

_SHOWN = 3  # examples of what is wrong
_MOST = 255  # records counted for one URL


class Account:
    """What was fed and what was recorded; the feeder and the reader share it.

    `url` is the list, `number` its inverse (None for what cannot be of the list). No more than
    `backlog` URLs are fed and not yet recorded.
    """

    def __init__(
        self, url: Callable[[int], str], number: Callable[[str], int | None], backlog: int
    ) -> None:
        self._url, self._number, self._backlog = url, number, backlog
        self._records = bytearray()
        self._foreign: list[str] = []
        self._changed = threading.Condition()
        self._closed = False
        self.recorded = 0
        self.kinds: Counter[str] = Counter()

    @property
    def fed(self) -> int:
        """How many URLs were handed out."""
        return len(self._records)

    def feed(self) -> Iterator[str]:
        """Yield URLs of the list, waiting for room, until `close`."""
        while True:
            with self._changed:
                self._changed.wait_for(self._has_room)
                if self._closed:
                    return
                self._records.append(0)
                number = len(self._records) - 1
            yield self._url(number)

    def close(self) -> None:
        """End `feed`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def record(self, url: str, kind: str) -> None:
        """Count a record of the crawl."""
        number = self._number(url)
        with self._changed:
            self.recorded += 1
            self.kinds[kind] += 1
            if number is None or number >= self.fed or self._url(number) != url:
                self._foreign = [*self._foreign, url][:_SHOWN]
            else:
                self._records[number] = min(self._records[number] + 1, _MOST)
            self._changed.notify_all()

    def wrong(self) -> list[str]:
        """Return a line for each way in which the records are not one a URL."""
        lost = self._records.count(0)
        once = self._records.count(1)
        twice = self.fed - lost - once
        lines = []
        if lost:
            lines.append(f"{lost} of {self.fed} URLs lost: {self._examples(lambda n: not n)}")
        if twice:
            examples = self._examples(lambda n: n > 1)
            lines.append(f"{twice} of {self.fed} URLs recorded twice or more: {examples}")
        if self._foreign:
            lines.append(f"records of URLs that were not listed: {', '.join(self._foreign)}")
        return lines

    def _has_room(self) -> bool:
        return self._closed or self.fed - self.recorded < self._backlog

    def _examples(self, chosen: Callable[[int], bool]) -> str:
        found = (self._url(n) for n, count in enumerate(self._records) if chosen(count))
        return ", ".join(url for url, _ in zip(found, range(_SHOWN), strict=False))
