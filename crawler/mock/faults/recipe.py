"""Building blocks of faults.

Most faults are bytes on the wire, so the tables of `read` show those, with `|` for a line end (CR
LF), escapes as in Python, and:

    {head}      the status line 200 and {html}, the Content-Type of a page
    {page}      a right Content-Length, the end of the head, and the body
    {chunked}   Transfer-Encoding: chunked, and the end of the head
    {chunk}     the body as one chunk; {size} is its size
    {body}      the valid answer's body; {n} is its length, {half} half of that
    {smuggled}  an answer that a naive client takes for that to its next request
    {x*100}     x a hundred times

The connection closes after them, unless `!` and another `Ending` follow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from crawler.mock.reply import Answer, Ask, BodyFraming, Ending, Lazy, PathError, notice
from crawler.mock.scenario import MockWeb

Make = Callable[[Answer, Ask, MockWeb], Answer]
Rows = tuple[tuple[str, str, Make], ...]
"""Name, help and maker of each fault."""

# Maximum body that a prefix or a fault may change; the longest page has this size.
MAX_WHOLE_BYTES = 64 * 1024 * 1024
HTML = (("Content-Type", "text/html; charset=utf-8"),)

_HTML = b"Content-Type: text/html; charset=utf-8\r\n"
_CONSTANT = {
    b"": b"",
    b"html": _HTML,
    b"head": b"HTTP/1.1 200 OK\r\n" + _HTML,
    b"chunked": b"Transfer-Encoding: chunked\r\n\r\n",
    b"smuggled": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 8\r\n\r\nsmuggled"
    ),
}
_OF_BODY: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"n": lambda body: b"%d" % len(body),
    b"half": lambda body: b"%d" % (len(body) // 2),
    b"size": lambda body: b"%x" % len(body),
    b"body": lambda body: body,
    b"page": lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
    b"chunk": lambda body: b"%x\r\n%b\r\n" % (len(body), body),
}
_TOKEN = re.compile(rb"\{([^{}]*)\}")


class FaultRecipe(NamedTuple):
    """One way for a server to be broken, hostile or merely odd.

    build: makes the broken answer from the valid one, the request and the options.
    """

    name: str
    help: str
    build: Make
    group: str

    @property
    def path(self) -> str:
        """Its path, to be followed by the path of the answer to break."""
        return f"/fault/{self.name}"

    def make(self, inner: Answer, ask: Ask, options: MockWeb) -> Answer:
        """Return the broken answer with the delay of the valid one; 501 if a package is missing."""
        try:
            broken = self.build(inner, ask, options)
        except ImportError as error:
            return lacking(error)
        return replace(broken, delay=inner.delay, kind=self.name)


def read(table: str, made: Mapping[str, Make], **makers: Callable[[str], Make]) -> Rows:
    """Return the faults of a table of `NAME: HELP => WIRE`.

    Instead of a wire, `@` stands for the fault of this name in `made`, and `@MAKER TEXT` for what
    one of `makers` makes of the text.
    """
    return tuple(
        (name, text, _made(name, form, made, makers))
        for name, text, form in re.findall(r"^(\S+): (.+?)\s+=> ?(.*)$", table, re.MULTILINE)
    )


def _made(
    name: str, form: str, made: Mapping[str, Make], makers: Mapping[str, Callable[[str], Make]]
) -> Make:
    if form == "@":
        return made[name]
    if form.startswith("@"):
        maker, _, text = form[1:].partition(" ")
        return makers[maker](text.encode("latin-1", "backslashreplace").decode("unicode_escape"))
    return _wire(form)


def filled(form: str) -> bytes:
    """Return the bytes of a wire, in which only tokens that depend on the body are left."""
    data = form.replace("|", "\r\n").encode().decode("unicode_escape").encode("latin-1")

    def value(found: re.Match[bytes]) -> bytes:
        unit, times, number = found[1].rpartition(b"*")
        return unit * int(number) if times else _CONSTANT.get(found[1], found[0])

    return _TOKEN.sub(value, data)


def _wire(form: str) -> Make:
    form, _, ending = form.partition(" !")
    data, end = filled(form), Ending(ending or "close")
    if not _TOKEN.search(data):
        return always(raw(data, end))
    return on_body(lambda body: raw(_TOKEN.sub(lambda found: _OF_BODY[found[1]](body), data), end))


def lacking(error: ImportError) -> Answer:
    """Return the answer for a missing optional package."""
    return notice(501, f"this server lacks a package: {error.name}")


def whole(inner: Answer) -> bytes:
    """Return a body to change; raise `PathError` if it is too long or endless."""
    pieces = inner.pieces
    if isinstance(pieces, Lazy) and (pieces.length or MAX_WHOLE_BYTES + 1) > MAX_WHOLE_BYTES:
        raise PathError("the body is too long to change, or endless")
    return inner.body


def head_of(body: bytes, *fields: bytes) -> bytes:
    """Return the header section of a page, by default with a right Content-Length alone."""
    lines = fields or (b"Content-Length: %d" % len(body),)
    return b"\r\n".join((_CONSTANT[b"head"][:-2], *lines, b"", b""))


def raw(data: bytes, ending: Ending = Ending.CLOSE) -> Answer:
    """Send raw bytes without a generated head, then the ending."""
    return Answer(pieces=(data,) if data else (), framing=BodyFraming.RAW, ending=ending)


def raw_endless(make: Callable[[], Iterator[bytes]]) -> Answer:
    """Send endless raw bytes."""
    return Answer(pieces=Lazy(make=make), framing=BodyFraming.RAW)


def always(reply: Answer) -> Make:
    """Return a fault that always sends the same answer."""
    return lambda inner, ask, options: reply


def on_body(build: Callable[[bytes], Answer]) -> Make:
    """Return a fault that depends on the body alone."""
    return lambda inner, ask, options: build(whole(inner))


def on_answer(build: Callable[[Answer], Answer]) -> Make:
    """Return a fault that depends on the valid answer alone."""
    return lambda inner, ask, options: build(inner)


def on_ask(build: Callable[[Ask], Answer]) -> Make:
    """Return a fault that depends on the request alone."""
    return lambda inner, ask, options: build(ask)
