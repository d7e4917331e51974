"""Detect the type of a body by its first bytes, if the response names none that can be parsed.

Implements section 7.1 of the WHATWG MIME Sniffing standard, "rules for identifying an unknown MIME
type": markup first, then PDF and PostScript, byte order marks, images, sound and film, archives;
the rest is text unless it has a binary data byte (section 3). Only `HEADER` bytes are read, so the
answer is known before the body is complete.
"""

from __future__ import annotations

import re
from typing import Final

from crawler.model import media

HEADER: Final = 1_445
"""Maximum bytes read (section 5.2, "resource header")."""

UNKNOWN: Final = ("", "unknown/unknown", "application/unknown", "*/*")
"""Types by which a server says that it does not know (section 7)."""

_PAGES: Final = ("text/html", "application/xhtml+xml")
_UNTOLD: Final = (*UNKNOWN, "application/octet-stream")
_HTML = re.compile(
    rb"[\t\n\f\r ]*<(?:!--|(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title"
    rb"|b|body|br|p)[ >])",
    re.IGNORECASE,
)
_XML = re.compile(rb"[\t\n\f\r ]*<\?xml")
_ROOT = re.compile(rb"<html[\t\n\f\r >]")
_MARKS: Final = (b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf")
_SIGNATURES: Final = tuple(
    (re.compile(pattern, re.DOTALL), found)
    for pattern, found in (
        (rb"%PDF-", "application/pdf"),
        (rb"%!PS-Adobe-", "application/postscript"),
        (rb"\xfe\xff|\xff\xfe|\xef\xbb\xbf", "text/plain"),
        (rb"\0\0[\x01\x02]\0", "image/x-icon"),
        (rb"BM", "image/bmp"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF.{4}WEBPVP", "image/webp"),
        (rb"\x89PNG\r\n\x1a\n", "image/png"),
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"FORM.{4}AIFF", "audio/aiff"),
        (rb"ID3", "audio/mpeg"),
        (rb"OggS\0", "application/ogg"),
        (rb"MThd\0\0\0\x06", "audio/midi"),
        (rb"RIFF.{4}AVI ", "video/avi"),
        (rb"RIFF.{4}WAVE", "audio/wave"),
        (rb".{4}ftyp(?:.{0,248})mp4|.{4}ftypmp4", "video/mp4"),
        (rb"\x1aE\xdf\xa3.{0,38}\x42\x82.webm", "video/webm"),
        (rb"\x1f\x8b\x08", "application/x-gzip"),
        (rb"PK\x03\x04", "application/zip"),
        (rb"Rar \x1a\x07\0", "application/x-rar-compressed"),
    )
)
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def is_html(content_type: str, body: bytes) -> bool:
    """Tell whether the header says HTML or, if it says nothing, the first bytes do.

    XML without a type is a page if its root is `html`: browsers go by the namespace.
    """
    kind = media.read(content_type).essence
    if kind not in _UNTOLD:
        return kind in _PAGES
    found = sniff(body)
    xhtml = found == "text/xml" and _ROOT.search(_readable(body[:HEADER])) is not None
    return xhtml or found == "text/html"


def sniff(body: bytes) -> str:
    """Return the type, such as `text/html`, that a body without one seems to have. Never raises."""
    head = body[:HEADER]
    if _HTML.match(_readable(head)):
        return "text/html"
    if _XML.match(_readable(head)):
        return "text/xml"
    for signature, found in _SIGNATURES:
        if signature.match(head):
            return found
    return "application/octet-stream" if is_binary(head) else "text/plain"


def is_binary(body: bytes) -> bool:
    """Tell whether a body is binary, whatever its type; UTF-16 and 32 need a byte order mark."""
    head = body[:HEADER]
    return not head.startswith(_MARKS) and _BINARY.search(head) is not None


def _readable(head: bytes) -> bytes:
    """Return the bytes without their byte order mark, and as UTF-8.

    The standard sees `text/plain` in all of them. On the web, pages without a type that begin with
    a mark occur, and nothing else begins so.
    """
    if head.startswith(_MARKS[2]):
        return head[3:]
    if head.startswith(_MARKS[:2]):
        return head.decode("utf-16", "replace").encode()
    return head
