"""Decode a sitemap to text, in pieces of one size.

The input is cut anew, so that the result does not depend on how the bytes arrive.
"""

from __future__ import annotations

import re
from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import webencodings

PIECE: Final = 16_384
"""Bytes read at once."""

_BLANK: Final = "\ufeff\t\n\v\f\r "
_SEVEN_BITS: Final = "iso-2022-jp"  # is UTF-8 by its octets
_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe": "utf-16le",
    b"\xfe\xff": "utf-16be",
    b"<\0": "utf-16le",  # XML 1.0, appendix F
    b"\0<": "utf-16be",
}
_DECLARED = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")


def texts(chunks: Iterable[bytes], charset: str) -> Iterator[str]:
    """Yield the text without byte order mark and leading whitespace; never ""."""
    pieces = _pieces(chunks)
    head = next(pieces, b"")
    decoder = _decoder(head, charset)
    begun = False
    for piece in chain((head,), pieces):
        text = decoder.decode(piece)
        if not begun:
            text = text.lstrip(_BLANK)
            begun = text != ""
        if text:
            yield text
    if text := decoder.decode(b"", True):
        yield text


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    yield bytes(held)


def _decoder(head: bytes, charset: str) -> IncrementalDecoder | _Declared:
    """Choose a decoder by WHATWG label; UTF-16 is recognised by its marks alone, not by a label."""
    name = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "")
    if name:
        return _made(name)
    declared = _DECLARED.match(head)
    label = charset or (declared[1].decode("ascii", "replace") if declared else "")
    found = webencodings.lookup(label)
    name = found.name if found and not found.name.startswith("utf-16") else "utf-8"
    return _made(name) if name == _SEVEN_BITS else _Declared(_made(name))


def _made(name: str) -> IncrementalDecoder:
    made: IncrementalDecoder = webencodings.lookup(name).codec_info.incrementaldecoder("replace")
    return made


class _Declared:
    """Decodes as UTF-8, which sitemaps should be, and as declared after the first error.

    Many declare their author's encoding and are UTF-8; no other text of any length is valid UTF-8.
    """

    def __init__(self, other: IncrementalDecoder) -> None:
        self._utf8: IncrementalDecoder | None = getincrementaldecoder("utf-8")("strict")
        self._other = other

    def decode(self, data: bytes, final: bool = False) -> str:
        if self._utf8 is None:
            return self._other.decode(data, final)
        try:
            return self._utf8.decode(data, final)
        except UnicodeDecodeError as error:
            self._utf8 = None
            sound, rest = error.object[: error.start], error.object[error.start :]
            return sound.decode() + self._other.decode(rest, final)
