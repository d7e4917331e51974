"""Check the answers of parser workers.

A worker runs other people's parsers, and its answers are unpickled here. This check does not
protect against malice: whoever controls a worker can run code in the crawler, and is the same user
anyway. It protects against accidents: a worker in disorder fails its page and is replaced, and no
unexpected type, count or size reaches the core or the output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from crawler.formats import caps
from crawler.model.document import Document, Leads
from crawler.model.outcome import Kind, Parsed, ParseFault
from crawler.workers.failure_reason import MAX_REASON

Answer = tuple[bytes, float, tuple[bytes, int, int, int, str] | None] | tuple[str, str, None]
"""(JSON, seconds, leads) for a parsed page, or (kind, reason, None) for a failed one."""

MAX_JSON: Final = 64 * 2**20
"""Maximum bytes of one page's fields, which are held in memory several times."""

MAX_MESSAGE: Final = 2**30
"""Maximum bytes of the pickled answers to one batch: 16 pages (the default) of the largest size."""

_KINDS: Final[Mapping[Any, Kind]] = {
    kind.value: kind for kind in (Kind.PARSE, Kind.PARSE_TIMEOUT, Kind.PARSE_CRASH)
}
_LEADS: Final = 8 * (caps.LINKS + 1_000)  # bytes; a page's refreshes come on top of its links
_LONGEST_REASON: Final = 2 * MAX_REASON  # with file and line


class MalformedAnswer(Exception):
    """A malformed answer: what came, and what was expected."""

    def __init__(self, came: object, expected: str) -> None:
        super().__init__(f"the parser's worker sent {_kind(came)}, expected {expected}")


def results(answers: object, pages: int) -> list[Parsed]:
    """Return the results of a batch of `pages` pages; raise `MalformedAnswer`."""
    if type(answers) is not list or len(answers) != pages:
        raise MalformedAnswer(answers, f"answers to {pages} pages")
    return [_result(answer) for answer in answers]


def _result(answer: object) -> Parsed:
    if type(answer) is not tuple or len(answer) != 3:
        raise MalformedAnswer(answer, "a tuple of three")
    first, second, third = answer
    if type(first) is bytes:
        return Document(json=_json(first), seconds=_seconds(second), leads=_leads(third))
    if type(first) is not str or first not in _KINDS or third is not None:
        raise MalformedAnswer(first, "JSON or a failure")
    return ParseFault(kind=_KINDS[first], reason=_text(second, _LONGEST_REASON))


def _json(json: bytes) -> bytes:
    """Return a page's fields, checked to be an object on one line: one record."""
    if len(json) > MAX_JSON:
        raise MalformedAnswer(json, f"fields of at most {MAX_JSON}")
    if json[:1] != b"{" or json[-1:] != b"}" or b"\n" in json:
        raise MalformedAnswer(json, "a JSON object in one line")
    return json


def _seconds(seconds: object) -> float:
    if type(seconds) is not float or not math.isfinite(seconds) or seconds < 0:
        raise MalformedAnswer(seconds, "its seconds")
    return seconds


def _leads(leads: object) -> Leads | None:
    if leads is None:
        return None
    if type(leads) is not tuple or len(leads) != len(Leads._fields):
        raise MalformedAnswer(leads, "a page's leads")
    links, *numbers, refresh = leads
    if type(links) is not bytes or len(links) % 8 or len(links) > _LEADS:
        raise MalformedAnswer(links, "links of 8 bytes each")
    if any(type(each) is not int or each < 0 or each.bit_length() > 64 for each in numbers):
        raise MalformedAnswer(numbers, "numbers of 64 bits")
    simhash, digest, skeleton = numbers
    return Leads(links, simhash, digest, skeleton, _text(refresh, caps.URL))


def _text(text: object, most: int) -> str:
    """Return a text, checked for its length and for lone surrogates, which JSON cannot hold."""
    if type(text) is not str or len(text) > most or not _is_unicode(text):
        raise MalformedAnswer(text, f"a text of up to {most}")
    return text


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _kind(value: object) -> str:
    """Return a value's type and size, without its content."""
    size = f" of {len(value)}" if type(value) in (bytes, str, list, tuple, dict) else ""  # type: ignore[arg-type]
    return f"{type(value).__name__[:64]}{size}"
