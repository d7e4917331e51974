"""Templates in requests: text with `{{...}}` for the parts that differ between requests.

| written | is |
|---|---|
| `{{seq}}` | the number of the request in the run, from 1 on |
| `{{uuid}}` | a random UUID, another one at each place |
| `{{random 1 100}}` | a whole number, both ends included |
| `{{column}}` | a column of the data; each request of a target takes the next row |
| `{{{{` | a literal `{{` |

A text is compiled once into segments: bytes, and functions of the request's number and its row. The
random values follow from the seed, the request's number and their place alone, so that a run with a
seed sends the same requests in whatever order connections take them.

Values of columns are escaped for where they stand: percent-encoded in a URL, and in a body as its
Content-Type (or a body that is JSON) asks for.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from html import escape
from itertools import count, groupby
from typing import NamedTuple, cast
from urllib.parse import quote, quote_plus
from uuid import UUID

import orjson

from crawler.load.dataset import Dataset

Value = Callable[[int, int], bytes]
"""The bytes of a placeholder in the request of a number that uses a row; both from 0 on."""
Segments = tuple[bytes | Value, ...]
Escape = Callable[[str], str]

_FORM = re.compile(r"\{\{(\{\{)|\{\{(.*?)\}\}", re.DOTALL)
_FUNCTIONS = ("seq", "uuid", "random")
_STRING_ENDS = re.compile(r'\\.|"', re.DOTALL)


class Placeholder(NamedTuple):
    """The inside of `{{...}}`, without the blanks around it."""

    text: str


Pieces = list[str | Placeholder]


def is_template(text: str) -> bool:
    """Tell whether a text has to be compiled."""
    return "{{" in text


def pieces(text: str) -> Pieces:
    """Split a text at its placeholders; ValueError if one is not closed."""
    found: Pieces = []
    at = 0
    for match in _FORM.finditer(text):
        found.append(text[at : match.start()])
        found.append("{{" if match[1] else Placeholder(match[2].strip()))
        at = match.end()
    if is_template(text[at:]):
        raise ValueError("{{ without }}; write {{{{ for a literal {{")
    found.append(text[at:])
    return found


def bare(found: Pieces, mark: Callable[[int], str]) -> str:
    """Return the text with `mark(n)` in place of its n-th placeholder."""
    numbers = count()
    return "".join(p if isinstance(p, str) else mark(next(numbers)) for p in found)


def percent(text: str) -> str:
    """Encode for a path segment or a query (RFC 3986, 2.1)."""
    return quote(text, safe="")


def quoted(text: str) -> str:
    """Escape for the inside of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def scalar(text: str) -> str:
    """Return a number, true, false or null as it stands, and any other text as a JSON string."""
    try:
        known = not isinstance(orjson.loads(text), str)
    except orjson.JSONDecodeError:
        known = False
    return text if known else json.dumps(text, ensure_ascii=False)


_BY_TYPE: Mapping[str, Escape] = {
    "x-www-form-urlencoded": quote_plus,
    "xml": escape,
    "html": escape,
}


def escapes(found: Pieces, content_type: str) -> Iterator[Escape]:
    """Yield the escape of each placeholder of a body."""
    if "json" in content_type or (not content_type and _is_json(found)):
        yield from _json_escapes(found)
        return
    kind = next((each for name, each in _BY_TYPE.items() if name in content_type), str)
    yield from (kind for piece in found if isinstance(piece, Placeholder))


def _is_json(found: Pieces) -> bool:
    try:
        return isinstance(orjson.loads(bare(found, lambda _: "0")), dict | list)
    except orjson.JSONDecodeError:
        return False


def _json_escapes(found: Pieces) -> Iterator[Escape]:
    inside = False
    for piece in found:
        if isinstance(piece, Placeholder):
            yield quoted if inside else scalar
        else:
            inside ^= _STRING_ENDS.findall(piece).count('"') % 2 == 1


class Compiler:
    """Compiles the pieces of one run's requests, over its data and its seed.

    A seed of 0 means other random values in each run.
    """

    def __init__(self, data: Dataset, seed: int) -> None:
        self._data = data
        self._key = blake2b(b"%d" % seed).digest() if seed else os.urandom(64)
        self._encoded: dict[tuple[str, Escape], list[bytes]] = {}

    def segments(self, found: Pieces, kinds: Iterator[Escape], places: Iterator[int]) -> Segments:
        """Compile pieces, with the escape and the place of each placeholder in turn.

        Raises ValueError for an unknown name, and for a value that its escape refuses.
        """
        return tuple(
            piece.encode()
            if isinstance(piece, str)
            else self._value(piece.text, next(kinds), next(places))
            for piece in found
            if piece
        )

    def _value(self, text: str, kind: Escape, place: int) -> Value:
        if text in self._data.columns:
            return self._column(text, kind)
        name, *arguments = text.split() or [""]
        if name == "random":
            return self._random(text, arguments, place)
        if name not in _FUNCTIONS or arguments:
            known = ("seq", "uuid", "random 1 100", *self._data.columns)
            data = "" if self._data.name else "; columns need --data"
            raise ValueError(
                f"unknown template {{{{{text[:40]}}}}}; known: {', '.join(known)}{data}"
            )
        if name == "seq":
            return lambda number, row: b"%d" % (number + 1)
        draw = self._draw
        return lambda number, row: str(UUID(int=draw(number, place), version=4)).encode()

    def _column(self, name: str, kind: Escape) -> Value:
        if (name, kind) not in self._encoded:
            encoded = self._encoded[name, kind] = []
            for line, text in zip(self._data.lines, self._data.columns[name], strict=True):
                try:
                    encoded.append(kind(text).encode())
                except ValueError as error:
                    raise ValueError(f"{self._data.name} line {line}: {error}") from None
        values = self._encoded[name, kind]
        return lambda number, row: values[row % len(values)]

    def _random(self, text: str, arguments: list[str], place: int) -> Value:
        try:
            least, most = map(int, arguments)
        except ValueError:
            least, most = 1, 0
        if most < least:
            raise ValueError(f"{{{{{text[:40]}}}}}: expected two whole numbers, as in random 1 100")
        draw, width = self._draw, most - least + 1
        return lambda number, row: b"%d" % (least + draw(number, place) % width)

    def _draw(self, number: int, place: int) -> int:
        """Return 128 random bits; a remainder of them is uniform for all practical sizes."""
        hashed = blake2b(b"%d %d" % (number, place), digest_size=16, key=self._key)
        return int.from_bytes(hashed.digest(), "big")


def filled(segments: Segments, number: int, row: int) -> bytes:
    """Return the bytes of one request."""
    return b"".join([e if isinstance(e, bytes) else e(number, row) for e in segments])


def merged(segments: Iterable[bytes | Value]) -> Segments:
    """Return the same segments with neighbouring bytes as one."""
    found: list[bytes | Value] = []
    for fixed, group in groupby(segments, key=lambda each: isinstance(each, bytes)):
        several = list(group)
        found += [b"".join(cast("list[bytes]", several))] if fixed else several
    return tuple(found)
