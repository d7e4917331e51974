"""Media types: the Content-Type header as browsers read it, and patterns for types.

A type is parsed by the WHATWG MIME Sniffing standard (section 4.4), its parameters by RFC 9110
(5.6.6), quotes included, and several types by the Fetch standard: the last valid one counts. An
invalid type (`text/html charset=utf-8`, without its semicolon) is ""; then the body decides
(`crawler.formats.sniff`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_SPACES = "\t\n\r "
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_PART = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\Z))+', re.DOTALL)
_PARAMETER = re.compile(
    r'[\t\n\r ]*([^;=]*)(?:=(?:"((?:[^"\\]|\\.)*)(?:"|\Z|\\\Z)[^;]*|([^;]*)))?(?:;|\Z)', re.DOTALL
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PATTERN = re.compile(rf"(?:{_TOKEN.pattern})/(?:{_TOKEN.pattern})")


class MediaType(NamedTuple):
    """A type such as `text/html`, in lower case ("" if invalid), and its parameters."""

    essence: str
    parameters: dict[str, str]


@lru_cache(maxsize=256)
def read(header: str) -> MediaType:
    """Return the type that a Content-Type header names. Never raises."""
    found = MediaType("", {})
    for part in _PART.findall(header):
        here = _read_one(part)
        # Fetch, "extract a MIME type": an invalid part changes nothing, and an equal type without a
        # charset keeps that of the part before.
        if here.essence in ("", "*/*"):
            found = found if found.essence else here._replace(essence="")
        elif here.essence == found.essence and "charset" not in here.parameters:
            charset = {k: v for k, v in found.parameters.items() if k == "charset"}
            found = here._replace(parameters=here.parameters | charset)
        else:
            found = here
    return found


def _read_one(text: str) -> MediaType:
    essence, _, rest = text.partition(";")
    essence = essence.strip(_SPACES).lower()
    parameters: dict[str, str] = {}
    for name, value in _parameters(rest):
        parameters.setdefault(name, value)
    return MediaType(essence if _PATTERN.fullmatch(essence) else "", parameters)


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text) and (found := _PARAMETER.match(text, position)):
        position = max(found.end(), position + 1)
        name, quoted, bare = found.groups()
        value = (bare or "").rstrip(_SPACES) if quoted is None else _ESCAPE.sub(r"\1", quoted)
        if _TOKEN.fullmatch(name) and _VALUE.fullmatch(value) and (value or quoted is not None):
            yield name.lower(), value


class MediaTypes:
    """Patterns for media types, one of which has to match: `text/html`, `image/*`, `*/*+xml`.

    Raises `ValueError` for an invalid pattern. An empty set matches every type.
    """

    def __init__(self, text: str) -> None:
        patterns = [each.strip(_SPACES).lower() for each in text.split(",")]
        self.patterns = tuple(dict.fromkeys(each for each in patterns if each))
        for pattern in self.patterns:
            if not _PATTERN.fullmatch(pattern):
                raise ValueError(f"{pattern!r} is not a media type; write 'text/html' or 'image/*'")
        globs = "|".join(re.escape(each).replace(r"\*", "[^/]*") for each in self.patterns)
        self._expression = re.compile(globs)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def __repr__(self) -> str:
        return f"MediaTypes({', '.join(self.patterns)!r})"

    def match(self, essence: str) -> bool:
        """Tell whether a lower-case type without parameters matches."""
        return not self.patterns or self._expression.fullmatch(essence) is not None
