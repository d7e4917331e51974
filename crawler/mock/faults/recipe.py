"""Building blocks of faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from crawler.mock.reply import Answer, Ask, BodyFraming, Ending, Lazy, PathError, notice
from crawler.mock.scenario import MockWeb

Make = Callable[[Answer, Ask, MockWeb], Answer]

# Maximum body that a prefix or a fault may change; the longest page has this size.
MAX_WHOLE_BYTES = 64 * 1024 * 1024
HTML = (("Content-Type", "text/html; charset=utf-8"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRecipe:
    """One way for a server to be broken, hostile or merely odd.

    build: makes the broken answer from the valid one, the request and the options.
    """

    name: str
    group: str
    help: str
    build: Make

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


class Group:
    """The faults of one module, by name in their order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: dict[str, FaultRecipe] = {}

    def add(self, name: str, help: str, build: Make) -> None:
        """Add a fault; raise ValueError if its name is taken."""
        if name in self.faults:
            raise ValueError(f"two faults are called {name}")
        self.faults[name] = FaultRecipe(name=name, group=self.name, help=help, build=build)

    def fault(self, name: str, help: str) -> Callable[[Make], Make]:
        """Return `add` as a decorator."""

        def register(build: Make) -> Make:
            self.add(name, help, build)
            return build

        return register


def lacking(error: ImportError) -> Answer:
    """Return the answer for a missing optional package."""
    return notice(501, f"this server lacks a package: {error.name}")


def whole(inner: Answer) -> bytes:
    """Return a body to change; raise `PathError` if it is too long or endless."""
    pieces = inner.pieces
    if isinstance(pieces, Lazy) and (pieces.length or MAX_WHOLE_BYTES + 1) > MAX_WHOLE_BYTES:
        raise PathError("the body is too long to change, or endless")
    return inner.body


def head(*fields: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Return a header section with its empty line."""
    return b"\r\n".join((status, *fields, b"", b""))


def html_head(*fields: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Return the header section of a page."""
    return head(b"Content-Type: text/html; charset=utf-8", *fields, status=status)


def length(body: bytes) -> bytes:
    """Return the correct Content-Length field."""
    return b"Content-Length: %d" % len(body)


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


def page(body: bytes) -> Answer:
    """Return a valid answer with a page."""
    return Answer(headers=HTML, pieces=(body,) if body else ())
