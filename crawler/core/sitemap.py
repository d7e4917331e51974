"""Where pages and further sitemaps are named: sitemaps by sitemaps.org, and the feeds it allows.

| form | root, or first line | where the locations stand |
|---|---|---|
| `sitemapindex` | `<sitemapindex>` | `sitemap/loc`; these are sitemaps, all others are pages |
| `urlset` | `<urlset>` | `url/loc` |
| `rss` | `<rss>` (0.9x, 2.0) | `channel/item/link`, else its `guid` if that is a permanent link |
| `rdf` | `<rdf:RDF>` (RSS 0.9, 1.0) | `item/link` |
| `atom` | `<feed>` | `entry/link` with `rel` alternate or none: its `href` |
| `text` | `http://...`, `https://...` | one a line |

What is read is known by its place and by its name's prefix, which must be its parent's. So
`image:loc`, `atom:link` and `xhtml:link` are not meant, and no namespace need be declared.

`locations` reads ahead by 16 KiB at the most and hands on what it finds at once. It cuts its input
into pieces of its own size, so that however the bytes come, the result is the same. Of a location
at most `MAX_LENGTH` + 1 characters are kept, by which its reader sees that it is too long.
"""

from __future__ import annotations

import re
from codecs import IncrementalDecoder
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, Literal, NamedTuple

import webencodings

from crawler.core.xml import MAX_DEPTH, Refused, Xml
from crawler.model.url import MAX_LENGTH

MAX_BYTES: Final = 52_428_800
"""Bytes of a sitemap, uncompressed: the 50 MB of sitemaps.org."""

Form = Literal["unknown", "sitemapindex", "urlset", "rss", "rdf", "atom", "text"]

PIECE: Final = 16_384
"""Bytes read at once."""

BARREN: Final = 2_000_000
"""Elements that a document may have beside its locations; 50 MB of images and their captions."""

PER_LOCATION: Final = 40
"""Elements that a location adds to those; a feed's item has some 10, a page listed with news 20."""

_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
_NO_SITEMAP: Final = "an HTML page, no sitemap"
_WEB = re.compile(r"https?://", re.IGNORECASE)
_BLANK: Final = "\ufeff\t\n\v\f\r "
_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe": "utf-16le",
    b"\xfe\xff": "utf-16be",
    b"<\0": "utf-16le",  # XML 1.0, appendix F
    b"\0<": "utf-16be",
}
_DECLARED = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")


class Part(NamedTuple):
    """Some locations of a document, as they are spelled in it but for whitespace around.

    `problem` says why reading ended before the document did; then no part follows.
    """

    form: Form
    locations: list[str]
    problem: str = ""


def locations(chunks: Iterable[bytes], charset: str = "") -> Iterator[Part]:
    """The locations in `chunks`, in their order; only the last part may have none.

    `charset` is what a Content-Type header says, which goes before the XML declaration (RFC 7303,
    3) and behind a byte order mark. Never raises for any bytes; an empty document has no parts.
    """
    texts = _texts(chunks, charset)
    head = next(texts, "")
    texts = chain((head,), texts)
    if _HTML.match(head):
        yield Part("unknown", [], _NO_SITEMAP)
    elif head.startswith("<"):
        yield from _markup(texts)
    elif _WEB.match(head):
        yield from _lines(texts)
    elif head:
        yield Part("unknown", [], "neither XML nor a list of URLs")


# Bytes to text.


def _texts(chunks: Iterable[bytes], charset: str) -> Iterator[str]:
    """The text without its byte order mark and the whitespace in front; never ""."""
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


def _decoder(head: bytes, charset: str) -> IncrementalDecoder:
    """By the Encoding standard's labels; UTF-16 is believed to its marks alone, not to a label."""
    name = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "")
    if not name:
        declared = _DECLARED.match(head)
        label = charset or (declared[1].decode("ascii", "replace") if declared else "")
        found = webencodings.lookup(label)
        name = found.name if found and not found.name.startswith("utf-16") else "utf-8"
    made: IncrementalDecoder = webencodings.lookup(name).codec_info.incrementaldecoder("replace")
    return made


# Text to locations.


def _lines(texts: Iterable[str]) -> Iterator[Part]:
    rest = ""
    for text in chain(texts, ("\n",)):
        *whole, rest = (rest + text).replace("\r", "\n").split("\n")
        rest = rest[: MAX_LENGTH + 1]
        if found := [line for line in map(str.strip, whole) if line]:
            yield Part("text", found)


def _markup(texts: Iterable[str]) -> Iterator[Part]:
    items = _Items()
    xml = items.xml
    for text in texts:
        problem = xml.feed(text)
        if items.found or problem:
            yield Part(items.form, items.take(), problem)
        if problem:
            return
    problem = xml.feed("", last=True)
    yield Part(items.form, items.take(), problem)


class _Shape(NamedTuple):
    """Where a form has its items, and the names of what in them is read."""

    form: Form
    level: int
    item: str
    leaves: tuple[str, ...]


_SHAPES: Final = {
    "sitemapindex": _Shape("sitemapindex", 2, "sitemap", ("loc",)),
    "urlset": _Shape("urlset", 2, "url", ("loc",)),
    "rss": _Shape("rss", 3, "item", ("link", "guid")),
    "RDF": _Shape("rdf", 2, "item", ("link",)),
    "feed": _Shape("atom", 2, "entry", ("link",)),
}
_NO_SHAPE: Final = _Shape("unknown", -9, "", ())


class _Items:
    """Hears of elements and text, and keeps what stands where a location should.

    `_leaves` has the full names of what is read in the item at hand (it is empty outside of one),
    `_leaf` the one that is open.
    """

    __slots__ = (
        *("_allowed", "_depth", "_guid", "_leaf", "_leaves", "_linked", "_shape", "_size", "_text"),
        *("found", "xml"),
    )

    def __init__(self) -> None:
        self.xml = Xml(self._start, self._end)
        self.found: list[str] = []
        self._shape = _NO_SHAPE
        self._allowed = BARREN
        self._depth = 0
        self._leaves: tuple[str, ...] = ()
        self._leaf = ""
        self._text: list[str] = []
        self._size = 0
        self._linked = False
        self._guid = ""

    @property
    def form(self) -> Form:
        return self._shape.form

    def take(self) -> list[str]:
        """What was found since the last time."""
        found, self.found = self.found, []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._allowed -= 1
        above = self._depth - self._shape.level
        if above == 1:
            if name in self._leaves:
                self._open(name, attributes)
        elif above == 0:
            self._enter(name)
        elif self._depth == 1:
            self._shape = _root(name)
        elif self._depth > MAX_DEPTH:
            raise Refused(f"elements nested more than {MAX_DEPTH} deep")
        if self._allowed < 0:
            raise Refused(f"more than {BARREN} elements that name nothing")

    def _end(self, name: str) -> None:
        above = self._depth - self._shape.level
        self._depth -= 1
        if above == 1 and self._leaf:
            self._close()
        elif above == 0:
            self._leave()

    def _enter(self, name: str) -> None:
        prefix, colon, local = name.rpartition(":")
        if local == self._shape.item:
            self._leaves = tuple([prefix + colon + leaf for leaf in self._shape.leaves])
            self._linked, self._guid = False, ""

    def _leave(self) -> None:
        self._leaves = ()
        if self._guid and not self._linked:
            self._keep(self._guid)
        self._guid = ""

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        if self._shape.form == "atom":
            if attributes.get("rel", "alternate") == "alternate":
                self._keep(attributes.get("href", ""))
            return
        if name.endswith("guid") and attributes.get("isPermaLink", "true") != "true":
            return
        self._leaf, self._text, self._size = name, [], 0
        self.xml.listen(self._characters)

    def _characters(self, text: str) -> None:
        if self._size <= MAX_LENGTH:
            self._text.append(text)
            self._size += len(text)

    def _close(self) -> None:
        self.xml.listen(None)
        text = "".join(self._text)
        if not self._leaf.endswith("guid"):
            self._keep(text)
        elif _WEB.match(text := text.strip()):
            self._guid = text
        self._leaf = ""

    def _keep(self, text: str) -> None:
        if text := text.strip()[: MAX_LENGTH + 1]:
            self.found.append(text)
            self._linked = True
            self._allowed += PER_LOCATION


def _root(name: str) -> _Shape:
    local = name.rpartition(":")[2]
    if local in _SHAPES:
        return _SHAPES[local]
    if local.lower() == "html":
        raise Refused(_NO_SITEMAP)
    raise Refused(f"the root element <{name[:40]}> is of no sitemap and no feed")
