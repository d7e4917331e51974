"""Choose the credentials and further headers of each request.

Credentials come from the seed's URL (`https://me:secret@host/`) and from `--header`, where the name
identifies them (`crawler.model.secrets`). They are sent to the seed's origin (scheme, host, port)
only, wherever redirects and links lead, and not with a request for robots.txt. Cookies set in a
chain of redirects are sent with the rest of that chain, as `crawler.core.cookies` allows, and
replace others with the same name: those of a session (`--session`) or a file (`--cookies`), which
replace those of a header. A file of tokens (`--credentials`) names the origins that they are sent
to. The user's other headers, and all of `--header-everywhere`, go with every request, but those
meant for the origin replace them there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from crawler.core import cookies
from crawler.core.cookies import Jar
from crawler.fetch.cookie_jars import CookieJars
from crawler.fetch.exchange import FetchTarget, target
from crawler.fetch.secret_files import authorizations_in, cookies_in
from crawler.model.config import CrawlConfig
from crawler.model.fault import Fault
from crawler.model.network_config import split_header
from crawler.model.outcome import Kind
from crawler.model.request import Purpose, Request
from crawler.model.url import Url
from crawler.runtime.suffixes import PublicSuffixes

Headers = Sequence[tuple[str, str]]

RequestHeaders = Callable[[str], Mapping[str, str]]
"""Returns further headers for a requested URL."""


class Credentials:
    """The credentials of a crawl, and the further headers of its caller.

    Raises `ConfigurationError` for an invalid file.
    """

    def __init__(self, config: CrawlConfig, further: RequestHeaders | None = None) -> None:
        self._further = further
        self._own = config.network.headers_for_seeds
        self._cookies = [pair for pair in config.network.headers_for_all if _is_cookie(pair)]
        network = config.network
        self._by_origin = authorizations_in(network.credentials) if network.credentials else {}
        self._jars: CookieJars | None = None
        if network.cookies or network.session:
            given = cookies_in(network.cookies) if network.cookies else ()
            self._jars = CookieJars(given, PublicSuffixes(), keeps=network.session)
        self._named = any(name.lower() == "authorization" for name, _ in self._own)

    def headers(self, request: Request, goal: FetchTarget) -> Headers:
        """Return the headers of this `request` beyond those of every request."""
        own = self._for_origin(request, goal)
        if self._by_origin and _asks_for(request):
            own = self._with_token(own, request.url.host_key)
        if self._further is not None:
            own = self._with_further(own, goal.href)
        found = self._jars.header(request.url) if self._jars and _asks_for(request) else {}
        if request.cookies:
            found |= cookies.header(request.cookies, request.url, time.time())
        if not found:
            return own
        return _merged(own if any(map(_is_cookie, own)) else [*own, *self._cookies], found)

    def cookies(self) -> Jar:
        """Return all cookies that are kept."""
        return self._jars.everything() if self._jars is not None else ()

    def received(self, request: Request, lines: Sequence[str]) -> None:
        """Take the Set-Cookie headers of a response."""
        if self._jars is not None and _asks_for(request):
            self._jars.take(request.url, lines)

    def _with_token(self, own: Headers, origin: str) -> Headers:
        token = self._by_origin.get(origin)
        if token is None or any(name.lower() == "authorization" for name, _ in own):
            return own
        return [*own, ("Authorization", token)]

    def _with_further(self, own: Headers, url: str) -> Headers:
        """Ask the caller for further headers; raise `Fault` if that fails."""
        try:
            return _replaced(own, self._further(url) if self._further is not None else {})
        except Exception as error:
            reason = f"headers failed: {type(error).__name__}: {error}"
            raise Fault(Kind.INTERNAL, reason) from error

    def _for_origin(self, request: Request, goal: FetchTarget) -> Headers:
        if not (self._own or goal.authorization or "@" in request.seed):
            return ()
        seed = Url(request.seed)
        # Redirects and links keep the origin of the seed; credentials must not go elsewhere.
        if not _asks_for(request) or request.url.host_key != (request.origin or seed.host_key):
            return ()
        found = goal.authorization or target(seed).authorization
        if found is None or self._named:
            return self._own
        return [*self._own, ("Authorization", found)]


def _asks_for(request: Request) -> bool:
    """Return whether a request is for what the list or a link names, as robots.txt is not."""
    return request.purpose in (Purpose.PAGE, Purpose.SITEMAP)


def _merged(own: Headers, found: dict[str, str]) -> Headers:
    """Return `own` with the cookies `found`, all in one header (RFC 6265, 5.4)."""
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
    named = {name.lower() for name in further}
    lines = [split_header(f"{name}: {value}", "headers") for name, value in further.items()]
    return [*(pair for pair in own if pair[0].lower() not in named), *lines]


def _is_cookie(pair: tuple[str, str]) -> bool:
    return pair[0].lower() == "cookie"
