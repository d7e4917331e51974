"""A request that the core hands to an engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, fields, replace
from enum import Enum
from typing import Any, NamedTuple

import orjson

from crawler.model.payload import Payload
from crawler.model.url import Seed, Url, masked
from crawler.model.value import value

KEEPING = frozenset({307, 308})
"""Statuses of redirects that keep method and body (RFC 9110, 15.4.8 and 15.4.9)."""


class Purpose(Enum):
    """The purpose of a request.

    PAGE: a URL that gets a record. ADDRESS: look up the host's name only. ROBOTS: the rules of
    the host `owner`. SITEMAP: URLs that a site lists.
    """

    PAGE = "page"
    ADDRESS = "address"
    ROBOTS = "robots"
    SITEMAP = "sitemap"


@value(frozen=True, slots=True, kw_only=True)
class Hop:
    """One redirect that was followed: the URL that answered and its status.

    A status of 0 marks a fallback from an https URL, whose scheme nobody wrote, to http.
    `cookies` only tells apart the cookie jars with which a URL was requested.
    """

    url: str
    status: int
    cookies: int = field(default=0, repr=False)


@value(frozen=True, slots=True, kw_only=True, repr=False)
class Cookie:
    """One cookie of a redirect chain (RFC 6265, 5.3).

    `expires` is Unix time, infinity for a session cookie.

    `domain` is the host that set it if `host_only`, else its Domain attribute. The value may be a
    secret and is left out of the `repr`.
    """

    name: str
    value: str
    domain: str
    path: str
    host_only: bool
    secure: bool
    expires: float

    def __repr__(self) -> str:
        return f"Cookie({self.name[:40]!r}, {self.domain!r}, {self.path[:40]!r})"


@value(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Request:
    """One fetch to make. Requests compare by identity.

    `url` is what to fetch now, `seed` the URL that it is for, `input` its spelling in the list or
    the page. `attempt` counts the attempts at this `url`, from 1; `attempts` all fetches made for
    the seed, this one included. `doubtful` counts the last attempts that may have failed because
    the host, or the network, was away: they are given back if it was. `admitted_at` is when it
    joined its host's queue (again, after a redirect or a failure), in seconds of the core's clock.
    `depth` is the number of links from the list, `found_on` the page (or sitemap) with the last of
    them, "" for a URL of the list. `owner` is the host key whose rules a request for robots.txt
    fetches; `origin` that of the URL in the list that led here, where credentials may go.
    `cookies` are those set by the redirects of its chain. `payload` is what the list gives next to
    the URL, if anything; `sending` is what is left of it for this fetch.
    """

    url: Url
    seed: str
    input: str
    hops: tuple[Hop, ...] = ()
    attempt: int = 1
    attempts: int = 1
    doubtful: int = 0
    admitted_at: float = 0.0
    purpose: Purpose = Purpose.PAGE
    depth: int = 0
    found_on: str = ""
    owner: str = ""
    origin: str = ""
    source: bytes = b""
    cookies: tuple[Cookie, ...] = ()
    payload: Payload | None = None

    @property
    def sending(self) -> Payload | None:
        """What to send next to the URL: after a redirect less than the list has, or nothing.

        As in the Fetch standard, statuses other than 307 and 308 make it a GET without a body.
        Nothing of it goes to another origin, or comes back from there.
        """
        payload = self.payload
        if payload is None or not self.hops:
            return payload
        origin = Url(self.seed).host_key
        passed = (*(Url(hop.url) for hop in self.hops), self.url)
        if any(url.host_key != origin for url in passed):
            return None
        kept = all(hop.status in KEEPING for hop in self.hops)
        return payload if kept else payload.turned()

    @property
    def once(self) -> bool:
        """True if it must not be repeated once it may have reached the server."""
        sending = self.sending
        return sending is not None and sending.once

    def again(self, now: float, *, doubtful: bool = False) -> Request:
        """Return the next attempt at the same URL after a failure."""
        return replace(
            self,
            attempt=self.attempt + 1,
            attempts=self.attempts + 1,
            doubtful=self.doubtful + 1 if doubtful else 0,
            admitted_at=now,
        )

    def resumed(self, now: float) -> Request:
        """Return the same attempt once more, after one that does not count."""
        return replace(self, attempts=self.attempts + 1, admitted_at=now)

    def redirected(
        self, url: Url, hops: tuple[Hop, ...], cookies: tuple[Cookie, ...], now: float
    ) -> Request:
        """Return the request for the redirect's target."""
        return replace(
            self,
            url=url,
            hops=hops,
            cookies=cookies,
            attempt=1,
            attempts=self.attempts + 1,
            doubtful=0,
            admitted_at=now,
        )

    def unasked(self) -> Request:
        """Return the request as one that was never sent, without its fetch in the count."""
        return replace(self, attempts=self.attempts - 1)

    def fields(self, outcome: str, kind: str | None, reason: str | None) -> dict[str, Any]:
        """Return the fields of a record that describe the request and its end."""
        return {
            "url": self.seed,
            "input": self.input,
            **sent_fields(self.payload),
            **source_field(self.source),
            "final_url": self.url.href,
            "redirects": [{"url": hop.url, "status": hop.status or None} for hop in self.hops],
            "outcome": outcome,
            "kind": kind,
            "reason": reason,
            "depth": self.depth,
            "found_on": self.found_on or None,
            "near_duplicate_of": None,
        }

    def __repr__(self) -> str:
        known = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self))
        return masked(f"Request({known})")


class Postponed(NamedTuple):
    """A request that is to be made in so many seconds."""

    request: Request
    seconds: float


class LeftEntries(list["Request | Seed | Postponed"]):
    """Entries that an earlier run of a crawl left without a record: they are counted already."""


class ListShare(list["Seed"]):
    """Entries of the list that belong to one partition.

    `cursor` is the number of entries of the whole list up to here, `entries` their checksum. The
    URLs of other partitions' entries are in `places` if they may widen the scope.
    """

    __slots__ = ("cursor", "entries", "places")

    def __init__(self, seeds: Iterable[Seed] = ()) -> None:
        super().__init__(seeds)
        self.cursor = self.entries = 0
        self.places: list[Url] = []


class Arrivals(list["Request | Url"]):
    """What the partition `sender` has handed over: requests, and URLs that widen the scope.

    `position` is that in what it has sent, after these.
    """

    __slots__ = ("position", "sender")

    def __init__(self, given: Iterable[Request | Url], sender: int, position: Position) -> None:
        super().__init__(given)
        self.sender = sender
        self.position = position


class Position(NamedTuple):
    """A place in what a partition has sent: a block, and how many of its lines were received."""

    block: int = 0
    lines: int = 0


class Listed(NamedTuple):
    """A waiting URL of the list, far cheaper than a `Request`."""

    url: Url
    seed: Seed
    admitted_at: float

    def request(self) -> Request:
        """Return the request for it."""
        href, given = self.url.href, self.seed.input
        return Request(
            url=self.url,
            seed=href,
            input=href if given == href else given,  # one string where they are equal
            admitted_at=self.admitted_at,
            source=self.seed.source,
            payload=self.seed.payload,
        )


def sent_fields(payload: Payload | None) -> dict[str, Any]:
    """Return the fields with what a request has next to its URL, if the list gives anything."""
    if payload is None:
        return {}
    found = {"method": payload.method, "sent_hash": payload.sent_hash}
    return found if payload.body else {"method": payload.method}


def source_field(source: bytes) -> dict[str, Any]:
    """Return the field with an entry's place in the list, if kept."""
    return {"source": orjson.Fragment(source)} if source else {}
