"""Fall back from https to http for a host that the list names without a scheme.

Browsers and curl take such a host for http; most of the web answers to https. So https is tried
first, and http only if the port is closed or speaks something else: never because of an invalid
certificate or silence. Credentials of the list were meant for https and are not sent over http.

The step is a hop of the record without a status; it is not a redirect, and returning to https from
there is not a loop. A request with a method or a body of its own stays with https.
"""

from __future__ import annotations

from dataclasses import replace

from crawler.model.request import Hop, Purpose, Request
from crawler.model.url import Url, names_scheme


def falls_back(request: Request) -> bool:
    """Tell whether http may be tried for a request."""
    return (
        request.url.href.startswith("https:")
        and not request.found_on
        and not request.hops
        and request.purpose is Purpose.PAGE
        and request.payload is None
        and not names_scheme(request.input)
    )


def plain(request: Request, now: float) -> Request:
    """Return the request for the same URL by http; `request` was made or about to be."""
    url = request.url
    onward = Url(f"http:{url.href.removeprefix('https:')}")
    return replace(
        request,
        url=onward,
        hops=(Hop(url=url.href, status=0),),
        attempt=1,
        attempts=request.attempts + 1,
        admitted_at=now,
    )
