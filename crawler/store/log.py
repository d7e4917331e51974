"""JSON lines that a crawl writes next to its records; their failure does not end it.

`--audit FILE` has the requests made to each host. A host's line is written when the host is
evicted; the last 10,000 are written at the end. A host that returns later has another line: the gap
between the two is in neither.

`--repeats FILE` has the entries that a list repeats. The record of a URL gives the position of its
first entry; every other entry has a line here: `url`, `input`, and its position (`file`, `line`,
`columns`). So each line of a list is in one of the two.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Self

import orjson

from crawler.core.audit import Audit
from crawler.model.choices import Existing
from crawler.model.errors import CrawlerError
from crawler.model.output import dumps
from crawler.model.url import Seed, Url
from crawler.store.claim import unwritable
from crawler.store.outlet import Outlet

_GROUP = 262_144  # bytes that are worth a write: a host takes 130

_NOWHERE = dumps({"file": None, "line": None, "columns": None})


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
        """Add a line, or several, with their ends."""
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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
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


class AuditLog(LineLog):
    """Writes the audit."""

    def put(self, audit: Audit) -> None:
        """Add a host."""
        self.add(orjson.dumps(audit.json) + b"\n")


class RepeatLog(LineLog):
    """The file of the repeats."""

    def put(self, seed: Seed) -> None:
        """Add an entry whose URL the crawl has already."""
        url = seed.url.href if isinstance(seed.url, Url) else seed.url.text
        place = seed.source or _NOWHERE
        self.add(b"%b,%b\n" % (dumps({"url": url, "input": seed.input})[:-1], place[1:]))
