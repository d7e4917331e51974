"""The cookies of a connection, each like a separate browser (RFC 6265), for both engines.

A connection talks to one server, so a cookie's Domain says nothing new and is not looked at. Secure
cookies go over plain HTTP, too, as browsers send them to a loopback server.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email.utils import mktime_tz, parsedate_tz
from math import inf

from crawler.load.connection import HeadLine
from crawler.load.plan import Planned

_MOST = 180
"""As many as browsers keep for a site."""
_HEADER = re.compile(rb"\r\ncookie:[^\r]*", re.IGNORECASE)
_SECONDS = re.compile(r"-?\d{1,18}", re.ASCII)


class SessionCookies:
    """The cookies that a server has set, by name and path."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[bytes, str], tuple[bytes, float]] = {}

    def __repr__(self) -> str:
        return f"SessionCookies({len(self._kept)})"

    def sent_with(self, request: Planned) -> Planned:
        """Return a request with the cookies for its path, behind those that it has."""
        cookies = b"; ".join(self._matching(_path(request))) if self._kept else b""
        if not cookies:
            return request
        head, blank, body = request.data.partition(b"\r\n\r\n")
        if (own := _HEADER.search(head)) is not None:
            head = head[: own.end()] + b"; " + cookies + head[own.end() :]
        else:
            head += b"\r\nCookie: " + cookies
        return request._replace(data=head + blank + body)

    def _matching(self, path: str) -> Iterator[bytes]:
        """Yield the cookies for a path, those of longer paths first (5.4)."""
        now = time.time()
        longest_first = sorted(self._kept.items(), key=lambda item: -len(item[0][1]))
        for (name, scope), (value, expires) in longest_first:
            below = path.startswith(scope if scope.endswith("/") else f"{scope}/")
            if (below or path == scope) and expires > now:
                yield name + b"=" + value

    def keep(self, value: bytes, request: Planned) -> None:
        """Take a Set-Cookie field of the answer to a request; one that has expired goes."""
        pair, _, rest = value.partition(b";")
        name, equals, content = (part.strip() for part in pair.partition(b"="))
        if not (name and equals):
            return
        given = dict(map(_attribute, rest.decode("latin-1").split(";")))
        scope = given.get("path", "")
        if not scope.startswith("/"):
            scope = _path(request).rpartition("/")[0] or "/"
        expires = _expires(given)
        self._kept.pop((name, scope), None)
        if expires > time.time() and len(self._kept) < _MOST:
            self._kept[name, scope] = content, expires


class SessionLine(HeadLine):
    """A line that sends back the cookies that it was given, for as long as the run lasts."""

    __slots__ = ("_cookies",)

    def __post_init__(self) -> None:
        self._cookies = SessionCookies()
        super().__post_init__()

    def send(self, intended: float, now: float, request: Planned) -> None:
        """Carry a hit with the cookies that its path asks for."""
        super().send(intended, now, self._cookies.sent_with(request))

    # The parser's callback.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a cookie."""
        if name.lower() == b"set-cookie":
            self._cookies.keep(value, self.request)


def _attribute(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip()


def _expires(given: dict[str, str]) -> float:
    """Return the Unix time of Max-Age, else of Expires; ignore invalid ones (5.2.1, 5.2.2)."""
    if _SECONDS.fullmatch(seconds := given.get("max-age", "")):
        return time.time() + int(seconds) if int(seconds) > 0 else -inf
    parsed = parsedate_tz(given.get("expires", ""))
    return inf if parsed is None else mktime_tz(parsed)


def _path(request: Planned) -> str:
    return request.path.partition("?")[0]
