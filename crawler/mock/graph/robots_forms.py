"""The forms of `/robots.txt` of which RFC 9309 speaks, and the rules that each amounts to.

Hosts take the forms of `options.robots_forms` in turn. All forms with a text have the lines of
`options.robots`, so that they forbid the same; beyond the limits to which the RFC requires reading
or following, nothing is forbidden, so that no reading is a violation.

A chain of redirects uses `/robots-hop/K/TEXT`, which is always allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from crawler.mock.graph import robots_texts as texts
from crawler.mock.graph.packing import gzipped
from crawler.mock.graph.robots_texts import Lines, Write
from crawler.mock.judge.robots_rules import Rules
from crawler.mock.reply import Answer, Ask, BodyFraming, Ending, PathError, content, notice
from crawler.mock.scenario import DEFAULT_ROBOTS, MockWeb

TEXT = "text/plain; charset=utf-8"
HOPS = "robots-hop"
# More hops than any form has.
_MAX_HOPS = 20
_SLOW_PIECES, _SLOW_PAUSE = 5, 0.2
_RETRY_AFTER = (("Retry-After", "1"),)
_FREE = (f"/{HOPS}/",)

# Probes of the default lines: the whole host, and a path that they forbid.
_ANYTHING, _FORBIDDEN = "/", "/members/x"

_FAN = 8  # front pages below one

Send = Callable[[bytes, Ask, MockWeb], Answer]


class Stance(StrEnum):
    """The effect of a host's robots.txt: its lines count, all is allowed, or nothing is."""

    LINES = "lines"
    OPEN = "open"
    CLOSED = "closed"


def _send(text: bytes, ask: Ask, options: MockWeb) -> Answer:
    return content(text, TEXT)


class Form(NamedTuple):
    """One way to answer `/robots.txt`.

    taken: the careful reading (RFC 9309 section 2.3.1). write: makes the text from the lines of the
    options and those that name sitemaps. send: makes the answer from the text.
    """

    name: str
    help: str
    taken: Stance = Stance.LINES
    write: Write = texts.plain
    send: Send = _send


def answer(ask: Ask, options: MockWeb) -> Answer:
    """Return the requested host's answer to `/robots.txt`; an unknown host counts as host 0."""
    host = _host(ask, options)
    form = form_of(options, host)
    return form.send(form.write(options.robots, sitemap_lines(options, host)), ask, options)


def rules(options: MockWeb, host: int) -> Rules:
    """Return the rules that a careful crawler follows on a host; hops are always allowed."""
    return _rules(form_of(options, host).name, options.robots)


@lru_cache(maxsize=128)
def _rules(name: str, lines: Lines) -> Rules:
    form = FORMS[name]
    match form.taken:
        case Stance.OPEN:
            return Rules()
        case Stance.CLOSED:
            return Rules.nothing(free=_FREE)
        case Stance.LINES:
            return Rules.read(form.write(lines, ()), free=_FREE)


class Stances:
    """The stances of all hosts, and the tree of their front pages.

    Hosts take the forms of robots.txt in turn, so stances repeat with the period of the forms.
    Closed hosts are leaves of the tree, each below an open host of its period, so every host that
    is not closed is reached, unless host 0 itself is closed.
    """

    __slots__ = ("_enterable", "_stances")

    def __init__(self, *stances: Stance) -> None:
        self._stances = stances
        self._enterable = tuple(
            place for place, stance in enumerate(self._stances) if stance is not Stance.CLOSED
        )

    def __getitem__(self, host: int) -> Stance:
        return self._stances[host % len(self._stances)]

    def closed(self, host: int) -> bool:
        """Return True if an obedient crawl requests nothing from a host."""
        return self[host] is Stance.CLOSED

    def children(self, host: int) -> Iterator[int]:
        """Yield the hosts below a host in the tree, without end; none below a closed one."""
        start = host - host % len(self._stances)
        if self.closed(host):
            return
        place, enterable = self._enterable.index(host - start), self._enterable
        rank = start // len(self._stances) * len(enterable) + place
        for below in range(_FAN * rank + 1, _FAN * rank + _FAN + 1):
            period, other = divmod(below, len(enterable))
            yield period * len(self._stances) + enterable[other]
        leaves = (n for n, stance in enumerate(self._stances) if stance is Stance.CLOSED)
        for number, leaf in enumerate(leaves):
            if number % len(enterable) == place:
                yield start + leaf


def stances(options: MockWeb) -> Stances:
    """Return the stances of all hosts of a web."""
    if options.robots == DEFAULT_ROBOTS and options.robots_forms == ("plain",):
        return Stances(Stance.LINES)
    period = min(len(options.robots_forms), options.hosts)
    return Stances(*(_stance(rules(options, host)) for host in range(period)))


def _stance(in_force: Rules) -> Stance:
    if not in_force.allows("*", _ANYTHING):
        return Stance.CLOSED
    return Stance.OPEN if in_force.allows("*", _FORBIDDEN) else Stance.LINES


def form_of(options: MockWeb, host: int) -> Form:
    """Return the form of a host, which the options have checked."""
    return FORMS[options.robots_forms[host % len(options.robots_forms)]]


def sitemap_lines(options: MockWeb, host: int) -> Lines:
    """Return the lines that name a host's sitemaps, the broken ones only with traps."""
    names = ["sitemap.xml"]
    if options.traps:
        names += ["sitemap-broken.xml", "sitemap-loop.xml", "sitemap-bomb.xml"]
    return tuple(f"Sitemap: {options.origin_of(host)}/{name}" for name in names)


def hop(arguments: Sequence[str], ask: Ask, options: MockWeb) -> Answer:
    """Answer `/robots-hop/K/TEXT`: K redirects, then the host's `plain` text or an `empty` one."""
    match list(arguments):
        case ["0", "plain"]:
            lines = sitemap_lines(options, _host(ask, options))
            return content(texts.plain(options.robots, lines), TEXT)
        case ["0", "empty"]:
            return content(b"", TEXT)
        case [left, ("plain" | "empty") as text] if left.isascii() and left.isdigit():
            if len(left) < 3 and int(left) <= _MAX_HOPS:
                return _elsewhere(f"/{HOPS}/{int(left) - 1}/{text}")
    raise PathError(f"expected /{HOPS}/K/plain or /{HOPS}/K/empty, K at most {_MAX_HOPS}")


def _host(ask: Ask, options: MockWeb) -> int:
    return options.host_number(ask.host) or 0


# Answers.


def _send_html(text: bytes, ask: Ask, options: MockWeb) -> Answer:
    return content(text, "text/html; charset=utf-8")


def _send_gzip(text: bytes, ask: Ask, options: MockWeb) -> Answer:
    return content(gzipped(text), TEXT, headers=(("Content-Encoding", "gzip"),))


def _send_slowly(text: bytes, ask: Ask, options: MockWeb) -> Answer:
    size = len(text) // _SLOW_PIECES + 1
    pieces = tuple(text[start : start + size] for start in range(0, len(text), size))
    return replace(content(text, TEXT), pieces=pieces, delay=_SLOW_PAUSE, pause=_SLOW_PAUSE)


def _send_half(text: bytes, ask: Ask, options: MockWeb) -> Answer:
    return replace(content(text, TEXT), length=2 * len(text) + 1, ending=Ending.DROP)


def _send_status(status: int, headers: tuple[tuple[str, str], ...] = ()) -> Send:
    return lambda text, ask, options: notice(status, f"status {status}", headers=headers)


def _send_elsewhere(target: str, status: int = 302) -> Send:
    return lambda text, ask, options: _elsewhere(target, status)


def _send_to_next_host(text: bytes, ask: Ask, options: MockWeb) -> Answer:
    """Redirect to the next host's text, or to the only host's by its whole URL."""
    other = (_host(ask, options) + 1) % options.hosts
    return _elsewhere(f"{options.origin_of(other)}/{HOPS}/0/plain", 301)


def _send_nothing(ending: Ending) -> Send:
    return lambda text, ask, options: Answer(framing=BodyFraming.RAW, ending=ending)


def _after_bom(lines: Lines, sitemaps: Lines) -> bytes:
    return b"\xef\xbb\xbf" + texts.plain(lines, sitemaps)


def _no_end(lines: Lines, sitemaps: Lines) -> bytes:
    return texts.plain(sitemaps, lines)[:-1]


def _delayed(lines: Lines, sitemaps: Lines) -> bytes:
    return texts.plain((*lines, "Crawl-delay: 1"), sitemaps)


def _elsewhere(location: str, status: int = 302) -> Answer:
    return notice(status, "elsewhere", headers=(("Location", location),))


def _forms() -> Iterator[Form]:
    allow, disallow = Stance.OPEN, Stance.CLOSED
    yield Form("plain", "An ordinary text.")
    yield Form("empty", "An empty text: all is allowed.", write=lambda *_: b"")
    for name, status in (("none", 404), ("gone", 410), ("unauthorized", 401), ("forbidden", 403)):
        yield Form(name, f"{status}: all is allowed.", allow, send=_send_status(status))
    yield Form(
        "too-many",
        "429 with Retry-After: all is allowed, by the RFC.",
        allow,
        send=_send_status(429, _RETRY_AFTER),
    )
    yield Form("server-error", "500: nothing is allowed.", disallow, send=_send_status(500))
    yield Form(
        "unavailable",
        "503 with Retry-After: nothing is allowed.",
        disallow,
        send=_send_status(503, _RETRY_AFTER),
    )
    yield Form("redirect", "One redirect to a text.", send=_send_elsewhere(f"/{HOPS}/0/plain"))
    yield Form("redirects-5", "Five redirects to a text.", send=_send_elsewhere(f"/{HOPS}/4/plain"))
    yield Form(
        "redirects-6",
        "Six redirects to an empty text: all is allowed, followed or not.",
        allow,
        send=_send_elsewhere(f"/{HOPS}/5/empty"),
    )
    yield Form(
        "redirect-loop",
        "A redirect to itself: all is allowed.",
        allow,
        send=_send_elsewhere("/robots.txt"),
    )
    yield Form("redirect-host", "A redirect to the next host's text.", send=_send_to_next_host)
    for name, text, ending in (
        ("timeout", "Never answers", Ending.HANG),
        ("reset", "A TCP reset", Ending.RESET),
        ("empty-reply", "The connection closes without an answer", Ending.CLOSE),
    ):
        yield Form(name, f"{text}: nothing is allowed.", disallow, send=_send_nothing(ending))
    yield Form("cut", "Ends in mid-body: nothing is allowed.", disallow, send=_send_half)
    yield Form("slow", "A text that takes a second.", send=_send_slowly)
    yield Form("html", "A page that says 404 with status 200.", write=texts.html, send=_send_html)
    yield Form("gzip", "A text with Content-Encoding: gzip.", send=_send_gzip)
    yield Form("bom", "Begins with a byte order mark.", write=_after_bom)
    yield Form("cr", "Lines end with CR.", write=texts.ended("\r"))
    yield Form("crlf", "Lines end with CR LF.", write=texts.ended("\r\n"))
    yield Form("no-final-newline", "The last rule has no line end.", write=_no_end)
    yield Form("big", "The rules end at 500 KiB, and another one follows.", write=texts.big)
    yield Form("utf-16", "UTF-16; forbids nothing in any reading.", allow, write=texts.utf_16)
    yield Form("latin-1", "Comments and a rule in Latin-1.", write=texts.between(texts.LATIN_1))
    yield Form("nul", "NUL bytes in comments and between rules.", write=texts.between(texts.NUL))
    yield Form(
        "long-lines", "A comment and another line of 64 KiB.", write=texts.between(texts.LONG)
    )
    yield Form("case", "Keys in any case, blanks around them, comments.", write=texts.letters)
    yield Form("groups", "Each rule in its own group, to be merged.", write=texts.grouped)
    yield Form("wildcards", "More patterns with * and $.", write=texts.wild)
    yield Form("crawl-delay", "Asks for a second between requests.", write=_delayed)


FORMS: Mapping[str, Form] = {form.name: form for form in _forms()}
"""Every form by its name, for `options.robots_forms`."""
