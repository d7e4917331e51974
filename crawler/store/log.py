"""JSON lines that a crawl writes next to its records; their failure does not end it."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Self

from crawler.model.choices import Existing
from crawler.model.errors import CrawlerError
from crawler.store.claim import unwritable
from crawler.store.outlet import Outlet

_GROUP = 262_144  # bytes that are worth a write: a host takes 130


class LineLog:
    """Writes lines to `path`. The constructor raises what `Outlet` raises.

    A failing disk costs only this file: the crawl goes on, and `close` reports the failure. Called
    by one thread at a time.
    """

    def __init__(self, path: str, existing: Existing = "refuse") -> None:
        self._path = path
        self._outlet = Outlet(path, existing)
        self._lines: list[bytes] = []
        self._size = 0
        self._failure: OSError | None = None

    def add(self, line: bytes) -> None:
        """Add a line, with its end."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _GROUP:
            self._flush()

    def close(self, *, whole: bool = True) -> None:
        """Write the rest; `whole` if the crawl came to its end."""
        self._flush()
        try:
            if self._failure is None:
                self._outlet.end(whole=whole)
            self._outlet.close()
        except OSError as error:
            self._failure = self._failure or error
        if self._failure is not None:
            raise unwritable(self._path, self._failure)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; an exception of the block takes precedence over a failure to write."""
        if kind is None:
            self.close()
            return
        with suppress(CrawlerError):
            self.close(whole=False)

    def _flush(self) -> None:
        lines, self._lines, self._size = self._lines, [], 0
        if not lines or self._failure is not None:
            return
        try:
            self._outlet.write(b"".join(lines))
        except OSError as error:
            self._failure = error
