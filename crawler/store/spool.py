"""URLs that were found and have no room in memory: a queue in a file without a name.

The file is in the directory for temporary files (`TMPDIR`); it is gone with the process, however
that ends. A request takes a line of JSON, some 100 to 200 bytes. The file is emptied whenever all
of it was taken back, and otherwise grows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import IO

import orjson

from crawler.model.errors import EnvironmentFailure
from crawler.model.request import Purpose, Request
from crawler.model.url import Url


class Spool:
    """First in, first out. Raises `EnvironmentFailure` where the disk gives way."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._read_at = 0
        self._count = 0

    def __repr__(self) -> str:
        return f"Spool({self._count} requests)"

    def __len__(self) -> int:
        return self._count

    def keep(self, requests: Iterable[Request]) -> None:
        """Put these behind all that is kept."""
        lines = [_line(request) for request in requests]
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="crawler-spool-")  # noqa: SIM115
            self._file.seek(0, 2)
            self._file.writelines(lines)
        except OSError as error:
            place = tempfile.gettempdir()
            raise EnvironmentFailure(
                f"cannot keep found URLs in {place}: {error.strerror}; TMPDIR names another place"
            ) from error
        self._count += len(lines)

    def take(self, most: int) -> list[Request]:
        """The oldest, up to `most`."""
        number = min(most, self._count)
        if self._file is None or not number:
            return []
        try:
            self._file.seek(self._read_at)
            lines = [self._file.readline() for _ in range(number)]
            self._read_at = self._file.tell()
            self._count -= number
            if not self._count:
                self._file.truncate(0)
                self._read_at = 0
        except OSError as error:
            raise EnvironmentFailure(f"cannot read found URLs back: {error.strerror}") from error
        return [_request(line) for line in lines]

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()


def _line(request: Request) -> bytes:
    values = [request.url.href, request.purpose.value, request.depth, request.found_on]
    return (
        orjson.dumps([*values, request.origin, request.admitted_at, request.source.decode()])
        + b"\n"
    )


def _request(line: bytes) -> Request:
    href, purpose, depth, found_on, origin, admitted_at, source = orjson.loads(line)
    return Request(
        url=Url(href),
        seed=href,
        input=href,
        admitted_at=admitted_at,
        purpose=Purpose(purpose),
        depth=depth,
        found_on=found_on,
        origin=origin,
        source=source.encode(),
    )
