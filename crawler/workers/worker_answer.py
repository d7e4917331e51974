"""What a parser worker sends back: its form, and the check that it has that form.

A worker runs other people's parsers, and what it sends is unpickled here. That is not a wall
against malice: who controls a worker can run code in the crawler by what is unpickled, and is the
same user anyway. It is one against accidents: a worker in disorder fails its page and is replaced,
and nothing of an unexpected type, count or size goes on to the core or into the output.
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
"""(JSON, seconds, leads) of a page that was parsed, or (kind, reason, None) of another."""

MAX_JSON: Final = 64 * 2**20
"""Bytes of one page's fields; more is a parser gone wild, and would be held several times over."""

MAX_MESSAGE: Final = 2**30
"""Bytes of the answers to one batch, pickled: 16 pages of the most, which is a batch by default."""

_KINDS: Final[Mapping[Any, Kind]] = {
    kind.value: kind for kind in (Kind.PARSE, Kind.PARSE_TIMEOUT, Kind.PARSE_CRASH)
}
_LEADS: Final = 8 * (caps.LINKS + 1_000)  # bytes; a page's refreshes come on top of its links
_LONGEST_REASON: Final = 2 * MAX_REASON  # with file and line


class MalformedAnswer(Exception):
    """An answer that is not what a worker sends; the text says what came, and what was expected."""


def results(answers: object, pages: int) -> list[Parsed]:
    """Return the results of a batch of so many pages. Raises `MalformedAnswer`."""
    if type(answers) is not list or len(answers) != pages:
        came = f"{len(answers)} answers" if type(answers) is list else _kind(answers)
        raise MalformedAnswer(f"the parser's worker sent {came}, expected answers to {pages} pages")
    return [_result(answer) for answer in answers]


def _result(answer: object) -> Parsed:
    if type(answer) is not tuple or len(answer) != 3:
        raise MalformedAnswer(
            f"the parser's worker sent {_kind(answer)}, expected a tuple of three"
        )
    first, second, third = answer
    if type(first) is bytes:
        return Document(json=_json(first), seconds=_seconds(second), leads=_leads(third))
    if type(first) is not str or first not in _KINDS or third is not None:
        raise MalformedAnswer(
            f"the parser's worker sent {_kind(first)}, expected JSON or a failure"
        )
    return ParseFault(kind=_KINDS[first], reason=_text(second, _LONGEST_REASON))


def _json(json: bytes) -> bytes:
    """Return the fields of a record: an object, and no line end, which would begin another."""
    if len(json) > MAX_JSON:
        raise MalformedAnswer(f"the fields have {len(json)} bytes, {MAX_JSON} are allowed")
    if json[:1] != b"{" or json[-1:] != b"}" or b"\n" in json:
        raise MalformedAnswer("the parser's worker sent bytes, expected a JSON object in one line")
    return json


def _seconds(seconds: object) -> float:
    if type(seconds) is not float or not math.isfinite(seconds) or seconds < 0:
        raise MalformedAnswer(f"the parser's worker sent {_kind(seconds)}, expected its seconds")
    return seconds


def _leads(leads: object) -> Leads | None:
    if leads is None:
        return None
    if type(leads) is not tuple or len(leads) != len(Leads._fields):
        raise MalformedAnswer(f"the parser's worker sent {_kind(leads)}, expected a page's leads")
    links, *numbers, refresh = leads
    if type(links) is not bytes or len(links) % 8 or len(links) > _LEADS:
        raise MalformedAnswer(
            f"the parser's worker sent {_kind(links)}, expected links of 8 bytes each"
        )
    if any(type(each) is not int or each < 0 or each.bit_length() > 64 for each in numbers):
        raise MalformedAnswer("the parser's worker sent other leads, expected numbers of 64 bits")
    simhash, digest, skeleton = numbers
    return Leads(links, simhash, digest, skeleton, _text(refresh, caps.URL))


def _text(text: object, most: int) -> str:
    """Return a text of at most so many characters that JSON can hold: no lone surrogates."""
    if type(text) is not str or len(text) > most or not _is_unicode(text):
        raise MalformedAnswer(
            f"the parser's worker sent {_kind(text)}, expected a text of up to {most}"
        )
    return text


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _kind(value: object) -> str:
    """Return what a value is, in a few words, and nothing of what it says."""
    size = f" of {len(value)}" if type(value) in (bytes, str, list, tuple, dict) else ""  # type: ignore[arg-type]
    return f"{type(value).__name__[:64]}{size}"
