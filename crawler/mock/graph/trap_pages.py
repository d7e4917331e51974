"""Traps: small endless sites that hold a crawler without limits for ever.

Each is a pure function of the request: every page is a 200, links further into its trap and back to
`/`, and nowhere else. Only `fresh` reads the attempt. All are below `/trap/`, so that a score can
count the requests wasted on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from crawler.mock.graph.draw import draw
from crawler.mock.reply import Answer, Ask, PathError, content
from crawler.mock.scenario import MockWeb

ROOT = "/trap/"
_HTML = "text/html; charset=utf-8"
_NUMBER = re.compile(r"-?[0-9]{1,15}")
_MONTHS = 12

_FACETS: Mapping[str, tuple[str, ...]] = {
    "color": ("red", "green", "blue", "black"),
    "size": ("s", "m", "l", "xl"),
    "brand": ("north", "south", "east", "west"),
    "sort": ("price", "-price", "name", "new"),
}
_MAX_FACETS = 32  # further ones are dropped, so that pages stay small

Links = Iterator[str]
Build = Callable[[Sequence[str], Ask, MockWeb], Links]


class Trap(NamedTuple):
    """One trap, beginning at `start` below `ROOT`; its first segment is the trap's name.

    title: of its pages. links: yields a page's links from the path's further segments; raises
    `PathError`.
    """

    start: str
    title: str
    help: str
    links: Build

    @property
    def name(self) -> str:
        """The name of the trap."""
        return self.start.partition("/")[0]

    @property
    def path(self) -> str:
        """The path of its first page."""
        return f"{ROOT}{self.start}"


def trap(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    """Answer `/trap/...` with a page of the trap that is named, or with a list of all traps."""
    if not arguments or arguments == [""]:
        return _page("Traps", (known.path for known in TRAPS.values()), ask)
    found = TRAPS.get(arguments[0])
    if found is None:
        raise PathError(f"expected one of {', '.join(TRAPS)}, got {arguments[0][:40]!r}")
    return _page(found.title, found.links(arguments[1:], ask, options), ask)


def _page(title: str, links: Iterator[str], ask: Ask) -> Answer:
    items = "".join(f'<li><a href="{escape(link)}">{escape(link)}</a></li>\n' for link in links)
    text = (
        f"<!DOCTYPE html>\n<html>\n<head>\n<title>{title}</title>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n<p>{escape(quote(ask.target[:200], safe='/?&=%:'))}</p>\n"
        f'<ul>\n{items}</ul>\n<a href="/">home</a>\n</body>\n</html>\n'
    )
    return content(text.encode(), _HTML)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise PathError(f"expected a number of at most 15 digits, got {text[:40]!r}")
    return int(text)


def _words(label: str, count: int) -> Iterator[str]:
    """Yield words that look like identifiers and follow from the label."""
    words = draw(label, 2 * count)
    return (f"{words[2 * n]:08x}{words[2 * n + 1]:08x}" for n in range(count))


def _calendar(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Link to neighbouring months, to the years before and after, and to days."""
    numbers = [_number(text) for text in arguments]
    if len(numbers) not in (2, 3) or not 1 <= numbers[1] <= _MONTHS:
        raise PathError("expected /trap/calendar/YEAR/MONTH or /trap/calendar/YEAR/MONTH/DAY")
    year, month, *rest = numbers
    here = year * _MONTHS + month - 1
    for step in (1, -1, _MONTHS, -_MONTHS, 0) if rest else (1, -1, _MONTHS, -_MONTHS):
        other, zero = divmod(here + step, _MONTHS)
        yield f"{ROOT}calendar/{other}/{zero + 1}"
    for day in range(1, 29) if not rest else ():
        yield f"{ROOT}calendar/{year}/{month}/{day}"


def _session(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Link to the same five pages, each time with new sessions."""
    label = f"{options.seed}/session/{ask.host}{ask.target}"
    for number, word in enumerate(_words(label, 10)):
        if number % 2:
            yield f"{ROOT}session/item/{number // 2}?sid={word}"
        else:
            yield f"{ROOT}session/{word}/item/{number // 2}"


def _facets(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Link to every further choice, appended to those made: every order is another URL."""
    query = parse_qsl(ask.target.partition("?")[2], keep_blank_values=True)
    chosen = [pair for pair in query if pair[1] in _FACETS.get(pair[0], ())][:_MAX_FACETS]
    here = next((value for name, value in query if name == "page"), "1")
    for name, values in _FACETS.items():
        for value in values:
            if (name, value) not in chosen:
                yield f"{ROOT}facets?{urlencode([*chosen, (name, value)])}"
    yield f"{ROOT}facets?{urlencode([*chosen, ('page', _number(here) + 1)])}"
    for place in range(len(chosen)):
        rest = urlencode(chosen[:place] + chosen[place + 1 :])
        yield f"{ROOT}facets?{rest}" if rest else f"{ROOT}facets"


def _nest(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Link without the leading slash: each link is one level further down."""
    last = ask.path.rpartition("/")[2]
    for name in ("a/", "b/", "a/b/", "nest/"):
        yield f"{last}/{name}" if last else name


def _next(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Link to the next page, the previous, and ten further."""
    number = _number(arguments[0]) if arguments and arguments[0] else 1
    for other in (number + 1, number + 10, number - 1):
        if other > 0:
            yield f"{ROOT}next/{other}"


def _soft404(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Link to suggestions, none of which exists either."""
    for word in _words(f"{options.seed}/soft404/{ask.target}", 4):
        yield f"{ROOT}soft404/{word}"


def _fresh(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Link to pages that change with each visit."""
    for word in _words(f"{options.seed}/fresh/{ask.target}/{ask.attempt}", 5):
        yield f"{ROOT}fresh/{word}"


TRAPS: Mapping[str, Trap] = {
    trap.name: trap
    for trap in (
        Trap("calendar/2026/1", "Calendar", "Months before and after, for ever.", _calendar),
        Trap("session/", "Items", "Every link has a new session, in its path or query.", _session),
        Trap("facets", "Products", "Every choice in every order has its own URL.", _facets),
        Trap("nest/", "Folder", "Relative links lead one level further down.", _nest),
        Trap("next/1", "List", "Every page has a next one.", _next),
        Trap("soft404/x", "Page not found", "Missing pages are 200 and link to others.", _soft404),
        Trap("fresh/", "Latest", "Other links at each visit.", _fresh),
    )
}
"""Every trap by its name."""
