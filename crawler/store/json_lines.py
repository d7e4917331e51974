"""JSON lines: each an object with a URL in a field, or a string.

An object with the URL in the field `url` may also have the method, headers and body of its request
(`crawler.model.payload`), unless it is a record of an earlier crawl.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from crawler.model.payload import SENT, Payload
from crawler.model.url import Seed, Url
from crawler.model.value import value
from crawler.store.entry import Entry, SeedOrigin, refused, seed
from crawler.store.text import LONGEST, Overlong
from crawler.store.withheld import column_withheld, withheld

_SURROGATE = re.compile("[\ud800-\udfff]")
_SENT = frozenset(SENT)


@value(frozen=True)
class JsonLines:
    """Reads lines of JSON; `field` names the URL's, dots reach into objects.

    folder: where the files of bodies are; None if objects have nothing but URLs.
    """

    field: str
    origin: SeedOrigin | None
    folder: Path | None = None

    def entries(self, blocks: Iterator[list[str]]) -> Iterator[list[Entry]]:
        """Yield the entries of the lines in `blocks`, without blank ones."""
        number = 0
        for block in blocks:
            yield [
                self._entry(line, at)
                for at, line in enumerate(block, number + 1)
                if line and not line.isspace()
            ]
            number += len(block)

    def _entry(self, line: str, number: int) -> Entry:
        value = _value(line)
        entry = value if isinstance(value, Seed) else self._url(value, line)
        if self.origin is None:
            return entry
        return self.origin.told(entry, number, self._columns(value, self.origin))

    def _url(self, value: Any, line: str) -> str | Seed:
        if isinstance(value, dict):
            given = value
            value = looked_up(value, self.field)
            if value is None:
                return _unusable(line, f"no field {self.field!r}")
            if not isinstance(value, str):
                return _unusable(line, f"field {self.field!r} is not text")
            if self.folder is not None and not _SENT.isdisjoint(given):
                return _request(given, value, line, self.folder)
        if not isinstance(value, str):
            return _unusable(line, "neither a JSON object nor text")
        return _unusable(line, "not UTF-8") if _spoilt(value, line) else value

    def _columns(self, value: Any, origin: SeedOrigin) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {}
        if origin.everything:
            found = {name: item for name, item in value.items() if name != self.field}
        else:
            found = {name: looked_up(value, name) for name in origin.names}
        if self.folder is None:
            return found
        return {name: column_withheld(name, item) for name, item in found.items()}


def _request(given: dict[str, Any], url: str, line: str, folder: Path) -> str | Seed:
    if "outcome" in given:  # a record: its headers are those of a response
        if given.get("method", "GET") != "GET" or given.get("sent_hash"):
            return _unusable(line, "a record has no body to send; give the list of its crawl")
        return url
    found = seed(url)
    if not isinstance(found.url, Url):
        return found
    if _SURROGATE.search(line):
        return _unusable(line, "not UTF-8")
    try:
        return found._replace(payload=Payload.read(given, folder))
    except ValueError as error:
        return _unusable(line, str(error))


def _unusable(line: str, reason: str) -> Seed:
    return refused(withheld(line), reason)


def looked_up(value: dict[str, Any], path: str) -> Any:
    """Return the field at `path`, as one name or else step by step; None if missing."""
    if path in value:
        return value[path]
    found: Any = value
    for key in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def _value(line: str) -> Any:
    """Return the line's value; invalid UTF-8 matters only within the URL."""
    if isinstance(line, Overlong):
        return _unusable(str(line), f"a line longer than {LONGEST} bytes")
    try:
        return orjson.loads(line if line.isascii() else _mended(line))
    except orjson.JSONDecodeError as error:
        damaged = _SURROGATE.search(line)
        return _unusable(line, "not UTF-8" if damaged else f"not JSON: {error.msg}")


def _mended(line: str) -> str:
    """Remove a byte order mark (of concatenated files), and replace invalid UTF-8 by U+FFFD."""
    return _SURROGATE.sub("\ufffd", line.removeprefix("\ufeff"))


def _spoilt(url: str, line: str) -> bool:
    return "\ufffd" in url and _SURROGATE.search(line) is not None
