"""Determine the encoding of a response and decode it.

The order is the HTML standard's (13.2.3.2, "determining the character encoding"): byte order mark,
`charset` of the Content-Type header, prescan of the first 1,024 bytes for a `<meta>` (or an XML
declaration), and only then a guess: bytes above 0x7F that are valid UTF-8 are UTF-8, others go to a
detector, and the default is windows-1252. Labels and names are those of the WHATWG Encoding
standard, so `iso-8859-1` means windows-1252 and `gb2312` means gbk; names are in lower case here.

The detector runs only on undeclared text that is not UTF-8, and sees at most 4 KiB, cut from around
non-ASCII bytes. cchardet was the most accurate and the fastest on real pages put into legacy
encodings, before chardet and charset-normalizer.

Decoding never raises. Python's codecs differ from the standard in the bytes that a code page leaves
undefined; those of 0x80 to 0x9F become C1 controls as the standard wants, others U+FFFD. Of the
multi-byte encodings, euc-jp lacks NEC's row 13 in Python and big5 a few characters; the HTML
library has its own tables, and `page` uses those.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Final

import cchardet
from webencodings.labels import LABELS

from crawler.model import media

PRESCAN: Final = 1024
"""Bytes searched for a `<meta>`, by the HTML standard."""

DEFAULT: Final = "windows-1252"
"""The encoding of undeclared text if nothing else is known; also of pure ASCII."""

_SAMPLE: Final = 4096
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
_SPACES: Final = "\t\n\f\r "
_CONTENT = re.compile(
    rb"charset[\t\n\f\r ]*=[\t\n\f\r ]*"
    rb"(?:\"([^\"]*)\"|'([^']*)'|(?![\"'])([^\t\n\f\r ;]*))",
    re.IGNORECASE,
)
_MARKUP = re.compile(rb"<(?:(!--)|(meta)[\t\n\f\r /]|(/?[a-z])|[!/?])", re.IGNORECASE)
_NAME_END = re.compile(rb"[\t\n\f\r >]")
_ATTRIBUTE = re.compile(
    rb"[\t\n\f\r /]*([^\t\n\f\r />][^\t\n\f\r />=]*)"
    rb"(?:[\t\n\f\r ]*=[\t\n\f\r ]*"
    rb"(?:\"([^\"]*)\"|'([^']*)'|([\"'])|([^\t\n\f\r >]*)))?"
)  # group 4 is an unclosed quote
_XML = re.compile(rb"<\?xml[^>]*?encoding[\x00- ]*=[\x00- ]*([\"'])([^>]*?)\1")
_TELLING = re.compile(rb"[\x80-\xff][^<>]{0,64}")
_PYTHON: Final = {
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp_ext",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
}
_SINGLE: Final = {
    "iso-8859-8-i": "iso8859-8",
    "x-mac-cyrillic": "mac-cyrillic",
    "macintosh": "mac-roman",
    "windows-874": "cp874",
}
_DIFFERENT: Final[dict[str, dict[int, str]]] = {
    "koi8-u": {0xAE: "\u045e", 0xBE: "\u040e"},
    "windows-1255": {0xCA: "\u05ba"},
}


class _Cut(Exception):  # a signal inside the prescan, never seen outside
    """Raised where the prescan runs out of bytes."""


def lookup(label: str) -> str | None:
    """Return the lower-case WHATWG name for a label, or None for an unknown one."""
    name: str | None = LABELS.get(label.strip(_SPACES).lower())
    return name


def detect(body: bytes, content_type: str = "") -> str:
    """Return the lower-case WHATWG name of the encoding of `body`. Never raises."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return name
    return declared(content_type) or prescan(body[:PRESCAN]) or _guess(body)


def text(body: bytes, name: str) -> str:
    """Decode `body` from `name`, with U+FFFD for malformed bytes and no byte order mark."""
    for mark, marked in _BOMS:
        if name == marked and body.startswith(mark):
            body = body[len(mark) :]
    if name == "utf-8":
        return body.decode("utf-8", "replace")
    if name == "replacement":
        return "\ufffd" if body else ""
    if name in _PYTHON:
        return body.decode(_PYTHON[name], "replace")
    return codecs.charmap_decode(body, "replace", _table(name))[0]


def declared(content_type: str) -> str | None:
    """Return the encoding that a Content-Type header names, or None."""
    label = media.read(content_type).parameters.get("charset")
    return lookup(label) if label else None


def prescan(head: bytes) -> str | None:
    """Run the HTML standard's "prescan a byte stream to determine its encoding" over `head`."""
    lowered = head.lower()
    if b"charset" in lowered:
        try:
            return _meta(head) or _xml(head)
        except _Cut:
            return _xml(head)
    return _xml(head)


def _meta(head: bytes) -> str | None:
    position = 0
    while (found := _MARKUP.search(head, position)) is not None:
        if found[1]:
            position = _after(head, b"-->", found.start() + 2)
        elif found[2]:
            attributes, position = _attributes(head, found.end() - 1)
            if name := _named(attributes):
                return name
        elif found[3]:
            position = _tag(head, found.end())
        else:
            position = _after(head, b">", found.end() - 1)
    return None


def _after(head: bytes, mark: bytes, start: int) -> int:
    at = head.find(mark, start)
    if at < 0:
        raise _Cut
    return at + len(mark)


def _tag(head: bytes, position: int) -> int:
    """Return the end of a tag other than `<meta>`."""
    end = _NAME_END.search(head, position)
    if end is None:
        raise _Cut
    return _attributes(head, end.start())[1]


def _attributes(head: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    """Return the attributes from `position`, first of a name wins, and their end."""
    found: dict[bytes, bytes] = {}
    while (attribute := _ATTRIBUTE.match(head, position)) is not None:
        name, double, single, unended, bare = attribute.groups()
        if unended:
            raise _Cut
        position = attribute.end()
        found.setdefault(name.lower(), (double or single or bare or b"").lower())
    if position >= len(head):
        raise _Cut
    return found, position


def _named(attributes: dict[bytes, bytes]) -> str | None:
    """Return the encoding that a `<meta>` declares: `charset`, else `content` with `http-equiv`."""
    label = attributes.get(b"charset")
    if label is None:
        if attributes.get(b"http-equiv") != b"content-type":
            return None
        content = _CONTENT.search(attributes.get(b"content", b""))
        if content is None:
            return None
        label = content[1] or content[2] or content[3] or b""
    return _ascii_compatible(lookup(label.decode("latin-1")))


def _ascii_compatible(name: str | None) -> str | None:
    # Bytes in which an ASCII declaration could be read are not UTF-16, whatever they claim.
    if name in ("utf-16be", "utf-16le"):
        return "utf-8"
    return DEFAULT if name == "x-user-defined" else name


def _xml(head: bytes) -> str | None:
    """Return the encoding of an XML declaration ("get an XML encoding"); UTF-16 by its shape."""
    if not head.startswith((b"<?x", b"<\0?\0x\0", b"\0<\0?\0x")):
        return None
    if b"\0" in head[:2]:
        return "utf-16le" if head[0] else "utf-16be"
    found = _XML.match(head)
    if found is None or min(found[2], default=0) <= 0x20:
        return None
    name = lookup(found[2].decode("latin-1"))
    return "utf-8" if name in ("utf-16be", "utf-16le") else name


def _guess(body: bytes) -> str:
    if body.isascii():
        return DEFAULT
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        # A body cut by a size limit may end inside a character.
        if error.reason == "unexpected end of data":
            return "utf-8"
        return _detector(body)
    return "utf-8"


def _detector(body: bytes) -> str:
    sample = bytearray()
    for found in _TELLING.finditer(body):
        sample += found[0] + b"\n"
        if len(sample) >= _SAMPLE:
            break
    guessed = cchardet.detect(bytes(sample))["encoding"]
    name = lookup(guessed) if guessed else None
    # The detector saw no NUL-padded text and no proof of UTF-8; such answers are noise.
    return DEFAULT if name in (None, "utf-8", "utf-16be", "utf-16le", "replacement") else name


@lru_cache(maxsize=64)
def _table(name: str) -> str:
    """Return the 256 characters of a single-byte encoding, U+FFFD for undefined bytes."""
    if name == "x-user-defined":
        return "".join(chr(byte if byte < 0x80 else 0xF700 + byte) for byte in range(256))
    different = _DIFFERENT.get(name, {})
    codec = _SINGLE.get(name, name)
    return "".join(different.get(byte) or _character(codec, byte) for byte in range(256))


def _character(codec: str, byte: int) -> str:
    try:
        return bytes([byte]).decode(codec)
    except UnicodeDecodeError:
        return chr(byte) if 0x80 <= byte < 0xA0 else "\ufffd"
