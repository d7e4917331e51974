"""Responses on disk: `--cache`, for development and for replays without a network (`--offline`).

A file a response, named by a hash of its URL: a line of JSON, and the body as it came. It appears
as a whole; an unreadable one is as good as none. The cache is private (RFC 9111, 3.5) and keeps one
response for a URL, whoever asked for it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import orjson

from crawler.model.errors import ConfigurationError
from crawler.model.headers import Headers

_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_NOT_STORED = re.compile(r"(?:^|,)\s*no-store\s*(?:,|$)", re.IGNORECASE)
_ASK_FIRST = re.compile(r"(?:^|,)\s*no-cache\s*(?:,|=|$)", re.IGNORECASE)


class CachedResponse(NamedTuple):
    """A response as it came, and when: Unix time."""

    stored_at: float
    status: int
    fields: Sequence[tuple[str, str]]
    body: bytes

    @property
    def values(self) -> Callable[[str], Sequence[str]]:
        """The function that returns all values of a header."""
        return Headers(tuple((name, value) for name, value in self.fields)).getall

    @property
    def storable(self) -> bool:
        """True unless the server forbids it."""
        return not _NOT_STORED.search(self._directives)

    @property
    def conditions(self) -> tuple[tuple[str, str], ...]:
        """The headers that ask whether it is still right."""
        pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
        return tuple((name, found[0]) for name, field in pairs if (found := self.values(field)))

    def fresh(self, now: float) -> bool:
        """Tell whether the server says that it may be used without asking (RFC 9111, 4.2)."""
        if _ASK_FIRST.search(self._directives):
            return False
        age = now - self.stored_at + self._seconds("Age")
        if (most := _MAX_AGE.search(self._directives)) is not None:
            return age < int(most[1])
        expires, date = self._time("Expires"), self._time("Date")
        return expires is not None and date is not None and age < expires - date

    @property
    def _directives(self) -> str:
        return ",".join(self.values("Cache-Control"))

    def _seconds(self, name: str) -> float:
        found = self.values(name)
        return float(found[0]) if found and found[0].isdecimal() else 0.0

    def _time(self, name: str) -> float | None:
        with suppress(ValueError, TypeError, OverflowError, IndexError):
            return parsedate_to_datetime(self.values(name)[0]).timestamp()
        return None


class ResponseCache:
    """The responses in a directory, which is made. Raises `ConfigurationError` if it cannot be."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"cache: {folder} cannot be made: {error.strerror}") from None

    def __repr__(self) -> str:
        return f"ResponseCache({str(self._folder)!r})"

    def get(self, url: str) -> CachedResponse | None:
        """Return the response for a URL without credentials, if there is one; blocks."""
        try:
            head, _, body = self._path(url).read_bytes().partition(b"\n")
            address, stored_at, status, fields = orjson.loads(head)
        except (OSError, ValueError):
            return None
        return CachedResponse(stored_at, status, fields, body) if address == url else None

    def put(self, url: str, response: CachedResponse) -> None:
        """Keep a response; blocks. Where there is no room it is not kept."""
        path = self._path(url)
        head = orjson.dumps([url, response.stored_at, response.status, response.fields])
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            number, draft = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(b"%b\n%b" % (head, response.body))
                os.replace(draft, path)
            except BaseException:
                os.unlink(draft)
                raise

    def _path(self, url: str) -> Path:
        name = blake2b(url.encode(), digest_size=16).hexdigest()
        return self._folder / name[:2] / name[2:]
