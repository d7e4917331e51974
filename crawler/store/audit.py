"""What was really done to each host, as JSON lines: `--audit FILE`.

A host has its line when it is forgotten, which the last 10,000 are at the end. One that comes again
after that has another line: the gap between the two is in neither.
"""

from __future__ import annotations

from typing import IO

import orjson

from crawler.core.audit import Audit
from crawler.store.outlet import unwritable


class AuditLog:
    """Writes the lines to `path`. Raises `EnvironmentFailure` that names it, when opened or closed.

    In between a disk that gives way costs the audit alone: the crawl goes on, and it is told at the
    end.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._failure: OSError | None = None
        try:
            self._file: IO[bytes] = open(path, "wb", buffering=1 << 18)  # noqa: SIM115
        except (OSError, ValueError) as error:
            raise unwritable(path, error) from None

    def put(self, audit: Audit) -> None:
        """Add a host; a write once in 2,000."""
        if self._failure is None:
            try:
                self._file.write(orjson.dumps(audit.json) + b"\n")
            except OSError as error:
                self._failure = error

    def close(self) -> None:
        """Write what is left."""
        try:
            self._file.close()
        except OSError as error:
            self._failure = self._failure or error
        if self._failure is not None:
            raise unwritable(self._path, self._failure)
