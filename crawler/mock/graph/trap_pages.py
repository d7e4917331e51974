"""Traps: small sites without an end, in which a crawler without limits stays for ever.

Each is a pure function of the request: every page is a 200, links further into its own trap and
back to `/`, and nowhere else. Only `fresh` reads how often it was asked. All lie under `/trap/`, so
that a score can count what a crawler wasted on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
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
# What a query holds beyond this, or that is no facet, is not handed on: pages stay small.
_MAX_FACETS = 32

Links = Iterator[str]
Build = Callable[[Sequence[str], Ask, MockWeb], Links]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """One trap. help: one line, how it holds a crawler. path: where it begins.

    title: of its pages. links: of a page, from the path's further segments; raises PathError.
    """

    name: str
    help: str
    path: str
    title: str
    links: Build


def trap(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    """`/trap/...`: a page of the trap that the first segment names, or all traps' beginnings."""
    if not arguments or arguments == [""]:
        return _page("Traps", (known.path for known in TRAPS.values()), ask)
    found = TRAPS.get(arguments[0])
    if found is None:
        raise PathError(f"there are the traps {', '.join(TRAPS)}, not {arguments[0][:40]!r}")
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
        raise PathError(f"a number of 15 digits at most is wanted, not {text[:40]!r}")
    return int(text)


def _words(label: str, count: int) -> Iterator[str]:
    """Words that look like identifiers and follow from the label."""
    words = draw(label, 2 * count)
    return (f"{words[2 * n]:08x}{words[2 * n + 1]:08x}" for n in range(count))


def _calendar(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Months before and after, a year off, and the days, which lead to their month."""
    numbers = [_number(text) for text in arguments]
    if len(numbers) not in (2, 3) or not 1 <= numbers[1] <= _MONTHS:
        raise PathError("/trap/calendar/YEAR/MONTH or /trap/calendar/YEAR/MONTH/DAY is wanted")
    year, month, *rest = numbers
    here = year * _MONTHS + month - 1
    for step in (1, -1, _MONTHS, -_MONTHS, 0) if rest else (1, -1, _MONTHS, -_MONTHS):
        other, zero = divmod(here + step, _MONTHS)
        yield f"{ROOT}calendar/{other}/{zero + 1}"
    for day in range(1, 29) if not rest else ():
        yield f"{ROOT}calendar/{year}/{month}/{day}"


def _session(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """The same five pages, each time with sessions that were never seen."""
    label = f"{options.seed}/session/{ask.host}{ask.target}"
    for number, word in enumerate(_words(label, 10)):
        if number % 2:
            yield f"{ROOT}session/item/{number // 2}?sid={word}"
        else:
            yield f"{ROOT}session/{word}/item/{number // 2}"


def _facets(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Whatever is not chosen yet can be, behind what is: every order is another URL."""
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
    """Relative links without their leading slash: each is one level further down."""
    last = ask.path.rpartition("/")[2]
    for name in ("a/", "b/", "a/b/", "nest/"):
        yield f"{last}/{name}" if last else name


def _next(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """The next, the one before, and ten on."""
    number = _number(arguments[0]) if arguments and arguments[0] else 1
    for other in (number + 1, number + 10, number - 1):
        if other > 0:
            yield f"{ROOT}next/{other}"


def _soft404(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Suggestions, none of which exists either."""
    for word in _words(f"{options.seed}/soft404/{ask.target}", 4):
        yield f"{ROOT}soft404/{word}"


def _fresh(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Links:
    """Today's links, which are others at the next visit."""
    for word in _words(f"{options.seed}/fresh/{ask.target}/{ask.attempt}", 5):
        yield f"{ROOT}fresh/{word}"


def _traps() -> Iterator[Trap]:
    yield Trap(
        name="calendar",
        help="Months before and after, for ever.",
        path=f"{ROOT}calendar/2026/1",
        title="Calendar",
        links=_calendar,
    )
    yield Trap(
        name="session",
        help="Every link has another session, in its path or its query.",
        path=f"{ROOT}session/",
        title="Items",
        links=_session,
    )
    yield Trap(
        name="facets",
        help="Every choice in every order has a URL of its own.",
        path=f"{ROOT}facets",
        title="Products",
        links=_facets,
    )
    yield Trap(
        name="nest",
        help="Relative links lead one level further down.",
        path=f"{ROOT}nest/",
        title="Folder",
        links=_nest,
    )
    yield Trap(
        name="next",
        help="Every page has a next one.",
        path=f"{ROOT}next/1",
        title="List",
        links=_next,
    )
    yield Trap(
        name="soft404",
        help="What does not exist is a 200 with links to more of it.",
        path=f"{ROOT}soft404/x",
        title="Page not found",
        links=_soft404,
    )
    yield Trap(
        name="fresh",
        help="Other links at each visit.",
        path=f"{ROOT}fresh/",
        title="Latest",
        links=_fresh,
    )


TRAPS: Mapping[str, Trap] = {one.name: one for one in _traps()}
"""Every trap by its name."""
