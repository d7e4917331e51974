"""What a fault is, and the few ways to write one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from crawler.mock.reply import Answer, Ask, BodyFraming, Ending, Lazy, PathError, notice
from crawler.mock.scenario import MockWeb

Make = Callable[[Answer, Ask, MockWeb], Answer]

# What a prefix or a fault may take in hand at once; the longest page is this long.
MAX_WHOLE_BYTES = 64 * 1024 * 1024
HTML = (("Content-Type", "text/html; charset=utf-8"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRecipe:
    """One way for a server to be broken, hostile or merely odd.

    help: one line, what the server does. group: the module's name. build: from the answer that is
    to be broken, and the request, to the broken one.
    """

    name: str
    group: str
    help: str
    build: Make

    @property
    def path(self) -> str:
        """Where it is had; what follows this prefix is the path of the answer that is broken."""
        return f"/fault/{self.name}"

    def make(self, inner: Answer, ask: Ask, options: MockWeb) -> Answer:
        """The broken answer, as late as the sound one. 501 where a package is missing."""
        try:
            broken = self.build(inner, ask, options)
        except ImportError as error:
            return lacking(error)
        return replace(broken, delay=inner.delay, kind=self.name)


class Group:
    """The faults of one module, by name in their order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: dict[str, FaultRecipe] = {}

    def add(self, name: str, help: str, build: Make) -> None:
        """One more; a name that is taken is a mistake in the catalogue."""
        if name in self.faults:
            raise ValueError(f"two faults are called {name}")
        self.faults[name] = FaultRecipe(name=name, group=self.name, help=help, build=build)

    def fault(self, name: str, help: str) -> Callable[[Make], Make]:
        """`add` as a decorator."""

        def register(build: Make) -> Make:
            self.add(name, help, build)
            return build

        return register


def lacking(error: ImportError) -> Answer:
    """The answer where an optional package would be needed."""
    return notice(501, f"this server lacks a package: {error.name}")


def whole(inner: Answer) -> bytes:
    """A body to take in hand. Raises PathError for one that is too long for it or has no end."""
    pieces = inner.pieces
    if isinstance(pieces, Lazy) and (pieces.length or MAX_WHOLE_BYTES + 1) > MAX_WHOLE_BYTES:
        raise PathError("the body that is to be changed is too long, or has no end")
    return inner.body


def head(*fields: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """A header section as it stands, with its empty line."""
    return b"\r\n".join((status, *fields, b"", b""))


def html_head(*fields: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """As `head`, of a page."""
    return head(b"Content-Type: text/html; charset=utf-8", *fields, status=status)


def length(body: bytes) -> bytes:
    """The true Content-Length field."""
    return b"Content-Length: %d" % len(body)


def raw(data: bytes, ending: Ending = Ending.CLOSE) -> Answer:
    """Bytes as they are, without a head of the server's own, and then the ending."""
    return Answer(pieces=(data,) if data else (), framing=BodyFraming.RAW, ending=ending)


def raw_endless(make: Callable[[], Iterator[bytes]]) -> Answer:
    """Bytes as they are, without an end."""
    return Answer(pieces=Lazy(make=make), framing=BodyFraming.RAW)


def always(reply: Answer) -> Make:
    """The fault that is the same whatever it breaks."""
    return lambda inner, ask, options: reply


def on_body(build: Callable[[bytes], Answer]) -> Make:
    """The fault that depends on the body alone."""
    return lambda inner, ask, options: build(whole(inner))


def page(body: bytes) -> Answer:
    """A sound answer with a page."""
    return Answer(headers=HTML, pieces=(body,) if body else ())
