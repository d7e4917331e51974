"""The cookies of a crawl by site, the registrable domain: the user's, and those of a session."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

from crawler.core import cookies
from crawler.core.cookies import Jar
from crawler.core.domain import SuffixList, registrable
from crawler.model.url import Url

SITES = 10_000
"""Sites whose jars are kept; the one that was not used for longest is forgotten first."""


class CookieJars:
    """A jar for each site, by RFC 6265; thread-safe.

    given: the user's cookies. keeps: a jar also takes what its site sets (`take`).
    """

    def __init__(self, given: Jar, suffixes: SuffixList, *, keeps: bool) -> None:
        self._suffixes = suffixes
        self._keeps = keeps
        self._given: dict[str, Jar] = {}
        for cookie in given:
            site = registrable(cookie.domain, suffixes)
            self._given[site] = (*self._given.get(site, ()), cookie)
        self._jars: OrderedDict[str, Jar] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"CookieJars({len(self._given)} sites given, {len(self._jars)} kept)"

    def header(self, url: Url) -> dict[str, str]:
        """Return the names and values to send to `url`."""
        site = registrable(url.host, self._suffixes)
        with self._lock:
            jar = self._jars.get(site)
            if jar is not None:
                self._jars.move_to_end(site)
        jar = self._given.get(site, ()) if jar is None else jar
        return cookies.header(jar, url, time.time()) if jar else {}

    def everything(self) -> Jar:
        """Return the cookies of all sites."""
        with self._lock:
            jars = {**self._given, **self._jars}
        return tuple(cookie for jar in jars.values() for cookie in jar)

    def take(self, url: Url, lines: Sequence[str]) -> None:
        """Take the Set-Cookie headers of a response from `url`, if they are to be kept."""
        if not self._keeps:
            return
        site = registrable(url.host, self._suffixes)
        with self._lock:
            jar = self._jars.get(site, self._given.get(site, ()))
            self._jars[site] = cookies.after(jar, url, lines, time.time(), self._suffixes)
            self._jars.move_to_end(site)
            if len(self._jars) > SITES:
                self._jars.popitem(last=False)
