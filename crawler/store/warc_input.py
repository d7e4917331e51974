"""A WARC file (ISO 28500, versions 1.0 and 1.1) as a list: the URLs of its responses.

A record is a header of `Name: value` lines, an empty line, `Content-Length` bytes and two line
ends. Only headers are held; contents are passed over as they come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crawler.model.errors import EnvironmentFailure
from crawler.store.entry import Entry, SeedOrigin

_HEADER = 65_536  # bytes; usual ones have 500
_START = re.compile(rb"WARC/\d\.\d\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_ANSWERS = frozenset({b"response", b"revisit"})
"""Types of records that stand for an exchange; a revisit is a response whose body is elsewhere."""


def warc_entries(
    blocks: Iterator[bytes], label: str, origin: SeedOrigin | None
) -> Iterator[list[Entry]]:
    """Yield the target URIs of the http and https responses of an unpacked WARC.

    A URL's line is the number of its record, from 1. Raises `EnvironmentFailure`, which names
    `label`, for anything else and for a truncated record, after everything before it.
    """
    number, left, held = 0, 0, b""  # left: bytes of a content still to be passed over
    for block in blocks:
        passed = min(left, len(block))
        left -= passed
        held += block[passed:]
        found: list[Entry] = []
        while not left and (header := _header(held, label)) is not None:
            held = held[header.end() :]
            number += 1
            length, target = _read(header.string[: header.start()].lstrip(), label)
            passed = min(length, len(held))
            held, left = held[passed:], length - passed
            if target:
                found.append(origin.told(target, number, {}) if origin else target)
        yield found
    if left or held.strip():
        raise EnvironmentFailure(f"{label}: ends in the middle of a WARC record; give a whole file")


def _header(held: bytes, label: str) -> re.Match[bytes] | None:
    """Return the match of a header's end in what is held; None if it is not there yet."""
    begin = len(held) - len(held.lstrip(b"\r\n"))
    if begin == len(held) or not (found := _END.search(held, begin)):
        if len(held) > _HEADER or not b"WARC/".startswith(held[begin : begin + 5]):
            raise _no_warc(label)
        return None
    return found


def fields_of(header: bytes) -> dict[bytes, bytes]:
    """Return the fields of a record's header by their names in lower case."""
    return {name.lower(): value for name, value in _FIELD.findall(header)}


def _read(header: bytes, label: str) -> tuple[int, str]:
    """Return the length of a record's content, and its URL if it is a response."""
    fields = fields_of(header)
    length = fields.get(b"content-length", b"")
    if not _START.match(header) or not length.isdigit():
        raise _no_warc(label)
    target = fields.get(b"warc-target-uri", b"").strip(b"<>")
    if fields.get(b"warc-type") not in _ANSWERS or not target.lower().startswith(b"http"):
        return int(length), ""  # dns: and the like were not asked by HTTP
    return int(length), target.decode("utf-8", "surrogateescape")


def _no_warc(label: str) -> EnvironmentFailure:
    return EnvironmentFailure(f"{label}: is not a WARC file, or damaged; see --input-format")
