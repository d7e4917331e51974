"""What a request may say about its user, and to whom.

Credentials come from the URL of the list (`https://me:secret@host/`) and from `--header`, where the
name tells them (`crawler.model.secrets`). They were meant for the server that the list names, so
they go to its origin (scheme, host, port) and to no other, wherever redirects and links lead, and
not with a request for robots.txt. Cookies that the redirects of a chain set go with the rest of
that chain, to whom `crawler.core.cookies` lets them; one of the user's with the same name gives
way. Other headers of the user's, and all of `--header-everywhere`, go with every request; there
what is meant for the origin replaces them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from crawler.core import cookies
from crawler.fetch.exchange import FetchTarget, target
from crawler.model.config import CrawlConfig
from crawler.model.fault import Fault
from crawler.model.network_config import split_header
from crawler.model.outcome import Kind
from crawler.model.request import Purpose, Request
from crawler.model.url import Url

Headers = Sequence[tuple[str, str]]

RequestHeaders = Callable[[str], Mapping[str, str]]
"""Returns further headers for a URL that is to be asked for."""


class Credentials:
    """The credentials of a crawl, and its caller's further headers, by request."""

    def __init__(self, config: CrawlConfig, further: RequestHeaders | None = None) -> None:
        self._further = further
        self._own = config.network.headers_for_seeds
        self._cookies = [pair for pair in config.network.headers_for_all if _is_cookie(pair)]
        self._named = any(name.lower() == "authorization" for name, _ in self._own)

    def headers(self, request: Request, goal: FetchTarget) -> Headers:
        """Return what goes with `request`, whose target is `goal`, and with no other."""
        own = self._for_origin(request, goal)
        if self._further is not None:
            own = self._with_further(own, goal.href)
        set_by_chain = request.cookies and cookies.header(request.cookies, request.url, time.time())
        if not set_by_chain:
            return own
        return _merged(own if any(map(_is_cookie, own)) else [*own, *self._cookies], set_by_chain)

    def _with_further(self, own: Headers, url: str) -> Headers:
        """Ask the caller for further headers; raises `Fault` where that fails."""
        try:
            return _replaced(own, self._further(url) if self._further is not None else {})
        except Exception as error:
            reason = f"headers failed: {type(error).__name__}: {error}"
            raise Fault(Kind.INTERNAL, reason) from error

    def _for_origin(self, request: Request, goal: FetchTarget) -> Headers:
        if not (self._own or goal.authorization or "@" in request.seed):
            return ()
        seed = Url(request.seed)
        asked_for = request.purpose in (Purpose.PAGE, Purpose.SITEMAP)
        if not asked_for or request.url.host_key != (request.origin or seed.host_key):
            return ()
        found = goal.authorization or target(seed).authorization
        if found is None or self._named:
            return self._own
        return [*self._own, ("Authorization", found)]


def _merged(own: Headers, found: dict[str, str]) -> Headers:
    """`own` with the cookies `found`, all in one header (RFC 6265, 5.4)."""
    pairs = [
        pair
        for _, value in filter(_is_cookie, own)
        for pair in map(str.strip, value.split(";"))
        if pair and pair.partition("=")[0].strip() not in found
    ]
    pairs += [f"{name}={value}" for name, value in found.items()]
    others = [pair for pair in own if not _is_cookie(pair)]
    return [*others, ("Cookie", "; ".join(pairs))]


def _replaced(own: Headers, further: Mapping[str, str]) -> Headers:
    """`own` with `further`, which count before others of their names."""
    named = {name.lower() for name in further}
    lines = [split_header(f"{name}: {value}", "headers") for name, value in further.items()]
    return [*(pair for pair in own if pair[0].lower() not in named), *lines]


def _is_cookie(pair: tuple[str, str]) -> bool:
    return pair[0].lower() == "cookie"
