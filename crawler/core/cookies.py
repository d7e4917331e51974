"""Cookies of one redirect chain, by RFC 6265: which are kept, and where they are sent.

Sites set a cookie, redirect, and show the page to clients that return it. So a chain has a jar: a
tuple of `Cookie`, oldest first, that starts empty and is dropped with the chain. As in browsers, a
cookie goes to the host that set it, or to the domain that it names unless that is another site's or
a public suffix (`crawler.core.domain`), below its path, only over TLS if it is Secure, and until it
expires. Times are Unix times.

`http.cookiejar` does not fit: it has no public suffix list, refuses `Domain=localhost`, accepts an
empty Domain, and its jar is a mutable object with its own lock and clock.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import inf
from typing import Final
from urllib.parse import urlsplit

from crawler.core.domain import SuffixList, is_number
from crawler.model.request import Cookie
from crawler.model.url import Url, fingerprint

Jar = tuple[Cookie, ...]

MOST: Final = 50
"""Maximum cookies of a chain: what RFC 6265, 6.1 asks for a domain."""

MOST_CHARACTERS: Final = 8_192
"""Maximum length of a jar's names and values; most servers refuse a longer header."""

LONGEST: Final = 4_096
"""Maximum length of a cookie's name and value (RFC 6265, 6.1)."""

_CONTROLS = re.compile(r"[\0-\x08\x0a-\x1f\x7f]")
_BLANK: Final = " \t"
_SECONDS = re.compile(r"-?\d{1,18}", re.ASCII)


def after(jar: Jar, url: Url, lines: Sequence[str], now: float, suffixes: SuffixList) -> Jar:
    """Return `jar` after the Set-Cookie `lines` of a response from `url`.

    If there are too many, the oldest are dropped.
    """
    kept = {_place(cookie): cookie for cookie in jar}
    for line in lines:
        cookie = read(line, url, now, suffixes)
        if cookie is None:
            continue
        if cookie.expires > now:
            kept[_place(cookie)] = cookie
        else:
            kept.pop(_place(cookie), None)
    return _bounded([*kept.values()])


def header(jar: Jar, url: Url, now: float) -> dict[str, str]:
    """Return the names and values to send to `url`, in order; longer paths first.

    Of two cookies with one name the first counts, as for most servers.
    """
    scheme, host, path = _parts(url)
    found = [
        cookie
        for cookie in jar
        if cookie.expires > now
        and (scheme == "https" or not cookie.secure)
        and (host == cookie.domain if cookie.host_only else _within(host, cookie.domain))
        and _below(path, cookie.path)
    ]
    pairs: dict[str, str] = {}
    for cookie in sorted(found, key=lambda cookie: -len(cookie.path)):
        pairs.setdefault(cookie.name, cookie.value)
    return pairs


def digest(jar: Jar) -> int:
    """Return a number that is equal for jars with the same cookies, 0 for an empty one."""
    if not jar:
        return 0
    texts = sorted(f"{c.name}\t{c.value}\t{c.domain}\t{c.path}" for c in jar)
    return fingerprint("\n".join(texts))


def read(line: str, url: Url, now: float, suffixes: SuffixList) -> Cookie | None:
    """Read a Set-Cookie header of a response from `url` (RFC 6265, 5.2); None if refused."""
    pair, _, rest = line.partition(";")
    name, equals, value = (part.strip(_BLANK) for part in pair.partition("="))
    if not name or not equals or len(name) + len(value) > LONGEST or _CONTROLS.search(line):
        return None
    attributes = dict(map(_attribute, rest.split(";")))
    _, host, path = _parts(url)
    domain = attributes.get("domain", "").removeprefix(".").lower()
    # A host that is a public suffix itself may name itself, and then keeps the cookie to itself.
    if domain and domain != host and (not _within(host, domain) or suffixes.is_public(domain)):
        return None
    scope = attributes.get("path", "")
    return Cookie(
        name=name,
        value=value,
        domain=domain or host,
        path=scope if scope.startswith("/") else path[: path.rindex("/")] or "/",
        host_only=not domain or suffixes.is_public(domain),
        secure="secure" in attributes,
        expires=_expires(attributes, now),
    )


def _attribute(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(_BLANK).lower(), value.strip(_BLANK)


def _expires(attributes: dict[str, str], now: float) -> float:
    """Return the expiry by Max-Age, else Expires; inf if invalid (RFC 6265, 5.2.1, 5.2.2)."""
    seconds = attributes.get("max-age", "")
    if _SECONDS.fullmatch(seconds):
        return now + int(seconds)
    try:
        when = parsedate_to_datetime(attributes.get("expires", ""))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return inf


def _parts(url: Url) -> tuple[str, str, str]:
    parts = urlsplit(url.href)
    return parts.scheme, parts.hostname or "", parts.path


def _place(cookie: Cookie) -> tuple[str, str, str, bool]:
    return cookie.name, cookie.domain, cookie.path, cookie.host_only


def _within(host: str, domain: str) -> bool:
    """Tell whether `host` is `domain` or below it; false below an address (RFC 6265, 5.1.3)."""
    if host == domain:
        return True
    return host.endswith(f".{domain}") and not is_number(host) and ":" not in host


def _below(path: str, scope: str) -> bool:
    """Tell whether a path is a cookie's or below it (RFC 6265, 5.1.4)."""
    return path.startswith(scope) and (scope[-1] == "/" or path[len(scope) :][:1] in ("", "/"))


def _bounded(cookies: list[Cookie]) -> Jar:
    left = MOST_CHARACTERS
    for number, cookie in enumerate(reversed(cookies[-MOST:])):
        left -= len(cookie.name) + len(cookie.value)
        if left < 0:
            return tuple(cookies[len(cookies) - number :])
    return tuple(cookies[-MOST:])
