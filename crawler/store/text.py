"""Decodes bytes to lines of text, a whole block at a time.

UTF-8 with or without a byte order mark; UTF-16 and UTF-32 with one. A line ends with LF, CRLF or
CR. An invalid byte becomes a lone surrogate (PEP 383): only its line is refused later, once it is
known if the byte is within the URL.

Memory is bounded: only the head of a line above the limit is kept, as an `Overlong`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from crawler.model.errors import EnvironmentFailure
from crawler.store.archive import settle

_MARKS = {  # longest first: UTF-32's little-endian mark starts with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}

_FORMS = {
    b"ARROW1\0": "an Arrow file",
    b"Obj\x01": "an Avro file",
    b"PK\x03\x04": "a zip archive, as spreadsheets are",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"%PDF-": "a PDF document",
    b"{\\rtf": "an RTF document",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!\x1a": "a RAR archive",
}

_MARKUP = {
    **dict.fromkeys(
        (b"<!doctype html", b"<html"), "an HTML page, not a list; crawl its URL with --follow"
    ),
    **dict.fromkeys((b"<?xml", b"<urlset", b"<rss"), "XML; say --input-format sitemap"),
    b"par1\x15": "Parquet; say --input-format parquet",
    b"warc/1.": "a WARC; say --input-format warc",
    b"sqlite format 3\0": "an SQLite database; say -i 'sqlite:FILE?SELECT url FROM ...'",
}

LONGEST = 8_388_608
"""Bytes of a CSV or JSON line, whose other fields may be long (whole pages)."""

SHOWN = 256
"""Characters kept of a line that is too long."""


class Overlong(str):
    """The first 256 characters of a line that is too long to be held."""

    __slots__ = ()


def utf8(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Yield `blocks` as UTF-8 without a byte order mark.

    Raises `EnvironmentFailure` if the first block is not text.
    """
    head = settle(blocks, tuple(_MARKS))
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    head = head[len(mark) :]
    encoding = _MARKS.get(mark, "utf-8")
    if encoding == "utf-8":
        _refuse_binary(head, name)
        yield head
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    yield _recoded(decoder, head)
    for block in blocks:
        yield _recoded(decoder, block)
    if decoder.getstate()[0]:
        yield b"\xff"  # half a character at the end: its line becomes invalid UTF-8


def lines(blocks: Iterable[bytes], most: int) -> Iterator[list[str]]:
    """Yield the lines of `blocks`, without their ends, as they become complete.

    A line above `most` bytes that is not complete within its block becomes an `Overlong`.
    """
    rest, skipping = b"", False
    for block in blocks:
        if skipping and not rest.endswith(b"\r"):
            block = _from_line_end(block)
        block = rest + block
        end = _whole(block)
        found, rest = _split(block[:end]), block[end:]
        if skipping and found:
            found[0], skipping = Overlong(found[0][:SHOWN]), False
        if len(rest) > most:
            rest, skipping = rest[: 4 * SHOWN], True  # its head; the rest is dropped as it comes
        yield found
    if rest:
        found = _split(rest + b"\n")
        yield [Overlong(found[0][:SHOWN])] if skipping else found


def _recoded(decoder: codecs.IncrementalDecoder, block: bytes) -> bytes:
    return decoder.decode(block).encode("utf-8", "surrogatepass")


def _whole(block: bytes) -> int:
    """Return the bytes up to the last line end; a CR at the very end may be half of a CRLF."""
    newline = block.rfind(b"\n")
    return max(newline, block.rfind(b"\r", newline + 1, len(block) - 1)) + 1


def _from_line_end(block: bytes) -> bytes:
    """Return everything from the first line end on; b"" without one."""
    ends = [at for at in (block.find(b"\n"), block.find(b"\r")) if at >= 0]
    return block[min(ends) :] if ends else b""


def _split(whole: bytes) -> list[str]:
    text = whole.decode("utf-8", "surrogateescape")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = text.split("\n")  # not splitlines(), which also ends a line at U+2028 and others
    found.pop()
    return found


def _refuse_binary(head: bytes, name: str) -> None:
    """Refuse what is not a list, as opposed to a list with damaged lines.

    Known formats and markup are recognized by their first bytes. Otherwise text without a NUL is
    accepted. With one it is binary if a tenth of the bytes are NULs (UTF-16 without its mark has
    half of them), or if most of its lines are not UTF-8 either (images, programs, random bytes).
    """
    for mark, form in _FORMS.items():
        if head.startswith(mark):
            raise EnvironmentFailure(
                f"{name}: is {form}, not a list; export it as CSV, JSON lines or plain lines"
            )
    for opening, cure in _MARKUP.items():
        if head[:64].lstrip().lower().startswith(opening):
            raise EnvironmentFailure(f"{name}: is {cure}")
    nuls = head.count(0)
    if nuls * 10 < len(head) and (not nuls or _is_utf8(head) or not _mostly_damaged(head)):
        return
    if head:
        raise EnvironmentFailure(
            f"{name}: is not text; give a list of URLs in UTF-8 (UTF-16 needs its byte order mark)"
        )


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # its last character may be cut
    except UnicodeDecodeError:
        return False
    return True


def _mostly_damaged(head: bytes) -> bool:
    found = head.split(b"\n")
    damaged = sum(b"\0" in line or not _is_utf8(line) for line in found)
    return damaged * 2 > len(found)
