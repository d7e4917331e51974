"""Find the locations in sitemaps by sitemaps.org, and in the feeds that it allows.

| form | root, or first line | where the locations stand |
|---|---|---|
| `sitemapindex` | `<sitemapindex>` | `sitemap/loc`; these are sitemaps, all others are pages |
| `urlset` | `<urlset>` | `url/loc` |
| `rss` | `<rss>` (0.9x, 2.0) | `channel/item/link`, else its `guid` if that is a permanent link |
| `rdf` | `<rdf:RDF>` (RSS 0.9, 1.0) | `item/link` |
| `atom` | `<feed>` | `entry/link` with `rel` alternate or none: its `href` |
| `text` | `http://...`, `https://...` | one a line |

An element is recognised by its place and its prefix, which must be its parent's. This excludes
`image:loc`, `atom:link` and `xhtml:link`, and no namespace need be declared.

Broken XML is read on as intended (`crawler.formats.broken_xml`); the last part reports the problem.
Excessive cost (declarations, depth, size) ends the reading.

`locations` reads ahead by at most 16 KiB and yields findings at once. At most `MAX_LENGTH` + 1
characters of a location are kept, by which its reader sees that it is too long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, Literal, NamedTuple

from crawler.formats import sitemap_text
from crawler.formats.broken_xml import BrokenXml
from crawler.formats.xml import MAX_DEPTH, Misplaced, RefusedXml, Xml
from crawler.model.url import MAX_LENGTH

MAX_BYTES: Final = 52_428_800
"""Maximum bytes of a sitemap, uncompressed: the 50 MB of sitemaps.org."""

Form = Literal["unknown", "sitemapindex", "urlset", "rss", "rdf", "atom", "text"]

BARREN: Final = 2_000_000
"""Maximum elements without a location; as in 50 MB of images and their captions."""

PER_LOCATION: Final = 40
"""Elements that each location adds to those; a feed's item has some 10, a news page 20."""

_DEARER: Final = 8  # factor of the cost of an element of broken XML
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
_NO_SITEMAP: Final = "an HTML page, not a sitemap"
_WEB = re.compile(r"https?://", re.IGNORECASE)
_PROLOG = re.compile(r"(?:\s++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_ROOT = re.compile(r"<(?:[\w.\-]+:)?(?:sitemapindex|urlset|rss|RDF|feed)[\s/>]")
_PLAIN = re.compile(rf"{_ROOT.pattern}|<!|\Z")
_BEGIN = re.compile(rf"<\?xml\s|{_ROOT.pattern}")
_LINE = re.compile(r"^https?://", re.IGNORECASE | re.MULTILINE)
_IN_FRONT: Final = "text in front of the document"


class SitemapPart(NamedTuple):
    """Some locations of a document, as spelled there but without surrounding whitespace.

    `problem` says what is wrong with the document, or why reading ended early; no part follows.
    """

    form: Form
    locations: list[str]
    problem: str = ""


def locations(chunks: Iterable[bytes], charset: str = "") -> Iterator[SitemapPart]:
    """Yield the locations in `chunks`, in order; only the last part may be empty.

    `charset` is that of the Content-Type header, which precedes the XML declaration (RFC 7303, 3),
    but not a byte order mark or text that is UTF-8. Never raises for any bytes; an empty document
    has no parts.
    """
    texts = sitemap_text.texts(chunks, charset)
    head = next(texts, "")
    before = _before(head)
    texts = chain((head[before:],), texts)
    if _HTML.match(head):
        yield SitemapPart("unknown", [], _NO_SITEMAP)
    elif head.startswith("<", before):
        yield from _markup(texts, _IN_FRONT if before else "")
    elif _WEB.match(head, before):
        yield from _lines(texts, _IN_FRONT if before else "")
    elif head:
        yield SitemapPart("unknown", [], "neither XML nor a list of URLs")


def _before(head: str) -> int:
    """Count the characters before the document: warnings, or other output of its program."""
    prolog = _PROLOG.match(head)
    if _WEB.match(head) or (prolog and _PLAIN.match(head, prolog.end())):
        return 0
    found = _BEGIN.search(head) or (None if head.startswith("<") else _LINE.search(head))
    return found.start() if found else 0


def _lines(texts: Iterable[str], problem: str) -> Iterator[SitemapPart]:
    rest = ""
    for text in chain(texts, ("\n",)):
        *whole, rest = (rest + text).replace("\r", "\n").split("\n")
        rest = rest[: MAX_LENGTH + 1]
        if found := [line for line in map(str.strip, whole) if line]:
            yield SitemapPart("text", found)
    if problem:
        yield SitemapPart("text", [], problem)


def _markup(texts: Iterable[str], problem: str) -> Iterator[SitemapPart]:
    items = _Items()
    for text in chain(texts, ("",)):
        last = not text
        ends = items.xml.feed(text, last)
        if ends and items.broken:
            problem = problem or ends
            ends = items.read_on(last)
        if items.found or ends or last:
            yield SitemapPart(items.form, items.take(), (problem or ends) if ends or last else "")
        if ends:
            return


class _SitemapShape(NamedTuple):
    """The place of a form's items, and the names of the elements to read in them."""

    form: Form
    level: int
    item: str
    leaves: tuple[str, ...]


_SHAPES: Final = {
    "sitemapindex": _SitemapShape("sitemapindex", 2, "sitemap", ("loc",)),
    "urlset": _SitemapShape("urlset", 2, "url", ("loc",)),
    "rss": _SitemapShape("rss", 3, "item", ("link", "guid")),
    "RDF": _SitemapShape("rdf", 2, "item", ("link",)),
    "feed": _SitemapShape("atom", 2, "entry", ("link",)),
}
_NO_SHAPE: Final = _SitemapShape("unknown", -9, "", ())


class _Items:
    """Hears of elements and text, and keeps the locations.

    `_leaves` has the full names to read in the current item (empty outside of one), `_leaf` the one
    that is open.
    """

    def __init__(self) -> None:
        self.xml: Xml | BrokenXml = Xml(self._start, self._end)
        self._whole = self.xml
        self.found: list[str] = []
        self._shape = _NO_SHAPE
        self._allowed = BARREN
        self._depth = 0
        self._leaves: tuple[str, ...] = ()
        self._leaf = ""
        self._text: list[str] = []
        self._size = 0
        self._item = ""
        self._kept = self._given = 0  # locations of this item; those to skip, as already given
        self._guid = ""

    @property
    def broken(self) -> bool:
        """Tell whether the XML broke, and is not yet read on."""
        return self.xml is self._whole and self._whole.broken

    @property
    def form(self) -> Form:
        return self._shape.form

    def take(self) -> list[str]:
        found, self.found = self.found, []
        return found

    def read_on(self, last: bool) -> str:
        """Read on from the current item where the XML broke; yield nothing of it twice."""
        self._given = self._kept if self._whole.marked else 0
        self._allowed //= _DEARER
        self._depth = max(0, self._shape.level - 1)
        self._leaves, self._leaf, self._guid = (), "", ""
        self.xml = BrokenXml(self._start, self._end, self._nesting, self._depth)
        return self.xml.feed(self._whole.rest(), last)

    def _nesting(self, name: str) -> int | None:
        """Return how many elements have to be open where `name` starts, for `BrokenXml`."""
        if self._shape is _NO_SHAPE:
            return 0
        if name.rpartition(":")[2] == self._shape.item:
            return self._shape.level - 1
        return self._shape.level if self._leaf or name in self._leaves else None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._allowed -= 1
        above = self._depth - self._shape.level
        # Only items and the leaves in them matter; any other element just counts.
        if above == 1:
            if name in self._leaves:
                self._open(name, attributes)
            elif self._leaves and name == self._item:
                raise Misplaced(f"<{name[:40]}> inside <{name[:40]}>")
        elif above == 0:
            self._enter(name)
        elif self._depth == 1:
            self._shape = _root(name)
        elif self._depth > MAX_DEPTH:
            raise RefusedXml(f"elements nested more than {MAX_DEPTH} deep")
        if self._allowed < 0:
            raise RefusedXml(f"more than {BARREN} elements without a location")

    def _end(self, name: str) -> None:
        above = self._depth - self._shape.level
        self._depth -= 1
        # A leaf ends before its item, which gives its guid if no link was kept.
        if above == 1 and self._leaf:
            self._close()
        elif above == 0:
            self._leave()

    def _enter(self, name: str) -> None:
        prefix, colon, local = name.rpartition(":")
        if local == self._shape.item:
            self._whole.mark()
            self._leaves = tuple([prefix + colon + leaf for leaf in self._shape.leaves])
            self._item, self._kept, self._guid = name, 0, ""

    def _leave(self) -> None:
        self._whole.release()
        self._leaves = ()
        if self._guid and not self._kept:
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
            self._kept += 1
            if self._given:
                self._given -= 1
                return
            self.found.append(text)
            self._allowed += PER_LOCATION


def _root(name: str) -> _SitemapShape:
    local = name.rpartition(":")[2]
    if local in _SHAPES:
        return _SHAPES[local]
    if local.lower() == "html":
        raise RefusedXml(_NO_SITEMAP)
    raise RefusedXml(f"the root element <{name[:40]}> is not that of a sitemap or a feed")
