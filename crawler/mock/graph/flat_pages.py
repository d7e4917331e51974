"""Flat pages: HTML as a pure function of (seed, page number, scheme and host of the request).

All have the same size and number of links, for benchmarks and for tests that address a page by its
number. The first link of page N leads to page N+1, so that every page is reached from every other;
the rest are drawn, so that paths are short. Links come in four spellings in turn, which all mean
`/page/<n>`.
"""

from __future__ import annotations

from functools import lru_cache

from crawler.mock.graph.draw import draw
from crawler.mock.scenario import MockWeb

LANGUAGES = ("en", "de", "fr", "es")
# Not ASCII on purpose: a client that gets the charset wrong shows it in the title.
TOPICS = ("Zürich", "Café", "Ångström", "señal", "naïveté", "Straße", "façade", "œuvre")
WORDS = (
    "crawl", "seed", "frontier", "queue", "scope", "robots", "delay", "fetch", "parse", "visit",
    "outcome", "sink", "engine", "page", "link", "host", "path", "query", "thread", "task",
    "loop", "socket", "timer", "retry", "window", "record", "journal", "digest", "charset",
)  # fmt: skip

_BLOCK_BYTES = 65536
_PARAGRAPH_BYTES = 600
_MARKUP_BYTES = len("<p></p>\n")


def targets(options: MockWeb, number: int) -> tuple[int, ...]:
    """Return the page numbers that page `number` links to, in order.

    They are all different if `options.links <= options.pages`.
    """
    pages, links = options.pages, options.links
    following = (number + 1) % pages
    if links * 2 >= pages:  # too dense to draw without repeats: all in a row
        return tuple((following + step) % pages for step in range(links))
    seen = dict.fromkeys((following,)[:links])
    for drawn in draw(f"{options.seed}/links/{number}", links - 1):
        target = drawn % pages
        while target in seen:
            target = (target + 1) % pages
        seen[target] = None
    return tuple(seen)


def title(options: MockWeb, number: int) -> str:
    """Return the title of a page."""
    first, second = draw(f"{options.seed}/title/{number}", 2)
    return f"Page {number}: {TOPICS[first % len(TOPICS)]} {WORDS[second % len(WORDS)]}"


def language(options: MockWeb, number: int) -> str:
    """Return the `lang` of a page."""
    (drawn,) = draw(f"{options.seed}/language/{number}", 1)
    return LANGUAGES[drawn % len(LANGUAGES)]


def page(options: MockWeb, number: int, origin: str) -> bytes:
    """Return a page's HTML in UTF-8; `origin` (`http://host:port`) goes into absolute links.

    It has exactly `options.page_bytes` bytes, or more if its links need more.
    """
    head = _head(options, number).encode()
    links = _links(targets(options, number), origin).encode()
    tail = b"</body>\n</html>\n"
    room = options.page_bytes - len(head) - len(links) - len(tail)
    return b"".join((head, links, _filler(options.seed, number, max(room, 0)), tail))


def _head(options: MockWeb, number: int) -> str:
    name = title(options, number)
    return (
        f'<!DOCTYPE html>\n<html lang="{language(options, number)}">\n<head>\n'
        f'<meta charset="utf-8">\n<title>{name}</title>\n'
        f'<meta name="description" content="Page {number} of {options.pages} '
        f'in the mock web of seed {options.seed}.">\n'
        f'<link rel="canonical" href="/page/{number}">\n</head>\n<body>\n<h1>{name}</h1>\n'
    )


def _links(numbers: tuple[int, ...], origin: str) -> str:
    if not numbers:
        return ""
    spellings = ("/page/", "", "../page/", f"{origin}/page/")
    items = [
        f'<li><a href="{spellings[place % 4]}{number}">page {number}</a></li>\n'
        for place, number in enumerate(numbers)
    ]
    return f"<ul>\n{''.join(items)}</ul>\n"


def _filler(seed: int, number: int, size: int) -> bytes:
    """Return paragraphs of words, `size` bytes in all."""
    block = _block(seed)
    whole, rest = divmod(size, _PARAGRAPH_BYTES)
    sizes = [_PARAGRAPH_BYTES] * whole + [rest] * (rest > _MARKUP_BYTES)
    start = number * 7919 % _BLOCK_BYTES  # a prime step: neighbours do not share their text
    paragraphs = []
    for length in sizes:
        text = block[start : start + length - _MARKUP_BYTES]
        paragraphs.append(b"<p>%b</p>\n" % text)
        start = (start + length) % _BLOCK_BYTES
    return b"".join(paragraphs).ljust(size, b"\n")


@lru_cache(maxsize=8)
def _block(seed: int) -> bytes:
    """Return words to cut paragraphs from, longer than a block so that no cut wraps."""
    size = _BLOCK_BYTES + _PARAGRAPH_BYTES
    words = [WORDS[drawn % len(WORDS)] for drawn in draw(f"{seed}/words", size // 4)]
    return " ".join(words).encode()[:size]
