"""Sitemaps by the protocol of sitemaps.org, and some that break it.

Part K is a range of local page numbers, in plain XML for even K and gzipped for odd K. Parts are
made while they are sent, from the graph alone: a host of ten million pages costs no memory.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from functools import partial
from html import escape
from itertools import chain

from crawler.mock.graph.node import listed_slice, local_pages
from crawler.mock.reply import Answer, Ask, Headers, Lazy, PathError, content, notice
from crawler.mock.scenario import MockWeb

Path = Callable[[Sequence[str], Ask, MockWeb], Answer]
Make = Callable[[MockWeb, int], Answer]
"""Makes a sitemap of a host."""

PART = 5_000
# The protocol's own limit, for the URLs of a text and for the parts of an index.
MAX_URLS = 50_000
FEED = 500
# Pages looked up between two pieces; more would keep other requests waiting.
_BATCH = 100

_XML = "application/xml; charset=utf-8"
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_ATOM = 'xmlns="http://www.w3.org/2005/Atom"'
_NAME = re.compile(r"sitemap-(0|[1-9][0-9]{0,5})\.xml(\.gz)?")
_BOMB_LEVELS = 9

Item = tuple[str, str]


def find(segment: str) -> Path | None:
    """Return the function for a path's first segment, None unless it names a sitemap."""
    found = _NAME.fullmatch(segment)
    make = partial(_part, int(found[1]), found[2] is not None) if found else PATHS.get(segment)
    if make is None:
        return None

    def answer(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
        if arguments:
            raise PathError("expected no path below a sitemap")
        return make(options, options.host_number(ask.host) or 0)  # an unknown host is host 0

    return answer


def _index(options: MockWeb, host: int) -> Answer:
    return _index_of(options, host, *map(_name, range(_parts(options, host))))


def _part(number: int, packed: bool, options: MockWeb, host: int) -> Answer:
    if number >= _parts(options, host) or packed != bool(number % 2):
        return notice(404, f"sitemap-{number}.xml{'.gz' if packed else ''} does not exist")
    size = _size(options, host)

    def make() -> Iterator[bytes]:
        return _urlset(_items(options, host, number * size, (number + 1) * size))

    if packed:
        return _lazy(lambda: _gzipped(make()), "application/gzip")
    return _lazy(make, _XML)


def _text(options: MockWeb, host: int) -> Answer:

    def make() -> Iterator[bytes]:
        for batch in _items(options, host, 0, MAX_URLS):
            yield "".join(f"{url}\n" for url, _ in batch).encode()

    return _lazy(make, "text/plain; charset=utf-8")


def _rss(options: MockWeb, host: int) -> Answer:
    origin = escape(options.origin_of(host))
    text = "".join(
        f"<item><title>page</title><link>{escape(url)}</link><guid>{escape(url)}</guid>"
        f"<pubDate>{format_datetime(_moment(day), usegmt=True)}</pubDate></item>\n"
        for batch in _items(options, host, 0, FEED)
        for url, day in batch
    )
    head = f"<title>mock</title><link>{origin}/</link><description>mock</description>"
    body = f'<rss version="2.0">\n<channel>{head}\n{text}</channel>\n</rss>\n'
    return content(_DECLARATION + body.encode(), "application/rss+xml; charset=utf-8")


def _atom(options: MockWeb, host: int) -> Answer:
    origin = escape(options.origin_of(host))
    items = [item for batch in _items(options, host, 0, FEED) for item in batch]
    text = "".join(
        f'<entry><title>page</title><id>{escape(url)}</id><link href="{escape(url)}"/>'
        f"<updated>{_moment(day).isoformat()}</updated></entry>\n"
        for url, day in items
    )
    latest = max((day for _, day in items), default="2024-01-01")
    head = (
        f"<title>mock</title><id>{origin}/</id><author><name>mock</name></author>"
        f"<updated>{_moment(latest).isoformat()}</updated>"
    )
    body = f"<feed {_ATOM}>{head}\n{text}</feed>\n"
    return content(_DECLARATION + body.encode(), "application/atom+xml; charset=utf-8")


def _broken(options: MockWeb, host: int) -> Answer:
    """Answer with a file that is valid up to an error; a careful reader keeps that part."""
    whole = b"".join(_urlset(_items(options, host, 0, _BATCH)))
    sound = whole.removesuffix(_END)
    origin = escape(options.origin_of(host))
    rest = f"<url><loc>{origin}/trap/soft404/&nbsp;</loc></url>\n<url><loc>{origin}/trap/so"
    return content(sound + rest.encode(), _XML)


def _loop(options: MockWeb, host: int) -> Answer:
    return _index_of(options, host, "sitemap-loop.xml", "sitemap-loop-back.xml")


def _bomb(options: MockWeb, host: int) -> Answer:
    """Answer with nested entities ("billion laughs"): a kilobyte that expands to 10 GB."""
    grown = (
        f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">\n' for level in range(1, _BOMB_LEVELS + 1)
    )
    entities = '<!ENTITY e0 "0123456789">\n' + "".join(grown)
    place = f"{escape(options.origin_of(host))}/&e{_BOMB_LEVELS};"
    body = (
        f"<!DOCTYPE urlset [\n{entities}]>\n"
        f"<urlset {_NAMESPACE}>\n<url><loc>{place}</loc></url>\n</urlset>\n"
    )
    return content(_DECLARATION + body.encode(), _XML)


ROWS: Sequence[tuple[str, str, str, Make | None]] = (
    ("index", "/sitemap.xml", "An index of all parts; robots.txt names it.", _index),
    ("part", "/sitemap-0.xml", "Pages of a part with an even number.", None),
    ("gzip", "/sitemap-1.xml.gz", "Pages of a part with an odd number, by gzip.", None),
    ("text", "/sitemap.txt", "URLs, one a line.", _text),
    ("rss", "/sitemap-rss.xml", "RSS 2.0.", _rss),
    ("atom", "/sitemap-atom.xml", "Atom 1.0.", _atom),
    ("broken", "/sitemap-broken.xml", "An undeclared entity, then it ends in mid-tag.", _broken),
    ("loop", "/sitemap-loop.xml", "An index of itself and loop-back.", _loop),
    ("loop-back", "/sitemap-loop-back.xml", "An index of loop and itself.", _loop),
    ("bomb", "/sitemap-bomb.xml", "Entities that grow to 10 GB.", _bomb),
)
"""Name, path, help and function of each sitemap of the catalogue."""

PATHS: Mapping[str, Make] = {path[1:]: make for _, path, _, make in ROWS if make is not None}
"""The sitemaps without a number; see `find` for the others."""


# Parts.


def _parts(options: MockWeb, host: int) -> int:
    return -(-local_pages(options, host) // _size(options, host))


def _size(options: MockWeb, host: int) -> int:
    """Return the pages in a part.

    A small host has fewer, so that both kinds of parts occur; a huge one has more, so that the
    index does not have too many parts.
    """
    pages = local_pages(options, host)
    return max(min(PART, -(-pages // 2)), -(-pages // MAX_URLS), 1)


def _name(number: int) -> str:
    return f"sitemap-{number}.xml{'.gz' if number % 2 else ''}"


def _items(options: MockWeb, host: int, start: int, stop: int) -> Iterator[list[Item]]:
    stop = min(stop, local_pages(options, host))
    for first in range(start, stop, _BATCH):
        yield list(listed_slice(options, host, first, min(first + _BATCH, stop)))


# Writing.

_END = b"</urlset>\n"


def _urlset(batches: Iterator[list[Item]]) -> Iterator[bytes]:
    def rows() -> Iterator[bytes]:
        for batch in batches:
            yield "".join(
                f"<url><loc>{escape(url)}</loc><lastmod>{day}</lastmod></url>\n"
                for url, day in batch
            ).encode()

    return chain((_DECLARATION + f"<urlset {_NAMESPACE}>\n".encode(),), rows(), (_END,))


def _index_of(options: MockWeb, host: int, *names: str) -> Answer:
    origin = escape(options.origin_of(host))
    rows = "".join(f"<sitemap><loc>{origin}/{name}</loc></sitemap>\n" for name in names)
    text = f"<sitemapindex {_NAMESPACE}>\n{rows}</sitemapindex>\n"
    return content(_DECLARATION + text.encode(), _XML)


def _gzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Compress pieces to one gzip member without a time stamp (RFC 1952)."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    for piece in pieces:
        packed = compressor.compress(piece)
        if packed:
            yield packed
    yield compressor.flush()


def _lazy(make: Callable[[], Iterator[bytes]], content_type: str) -> Answer:
    typed: Headers = (("Content-Type", content_type),)
    return Answer(headers=typed, pieces=Lazy(make=make))


def _moment(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC)
