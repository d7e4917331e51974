"""JSON lines: each an object with a URL in a field, or a string."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from crawler.model.url import Seed
from crawler.store.entry import Entry, SeedOrigin, refused
from crawler.store.text import LONGEST, Overlong

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class JsonLines:
    """Reads lines of JSON; `field` names the URL's, dots reach into objects."""

    field: str
    origin: SeedOrigin | None

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
            value = looked_up(value, self.field)
            if value is None:
                return refused(line, f"no field {self.field!r}")
            if not isinstance(value, str):
                return refused(line, f"field {self.field!r} is not text")
        if not isinstance(value, str):
            return refused(line, "neither a JSON object nor text")
        return refused(line, "not UTF-8") if _spoilt(value, line) else value

    def _columns(self, value: Any, origin: SeedOrigin) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {}
        if origin.everything:
            return {name: item for name, item in value.items() if name != self.field}
        return {name: looked_up(value, name) for name in origin.names}


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
        return refused(str(line), f"a line longer than {LONGEST} bytes")
    try:
        return orjson.loads(line if line.isascii() else _mended(line))
    except orjson.JSONDecodeError as error:
        damaged = _SURROGATE.search(line)
        return refused(line, "not UTF-8" if damaged else f"not JSON: {error.msg}")


def _mended(line: str) -> str:
    """Remove a byte order mark (of concatenated files), and replace invalid UTF-8 by U+FFFD."""
    return _SURROGATE.sub("\ufffd", line.removeprefix("\ufeff"))


def _spoilt(url: str, line: str) -> bool:
    return "\ufffd" in url and _SURROGATE.search(line) is not None
