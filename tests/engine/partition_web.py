"""A web in memory over many hosts, whose links and redirects lead from one to another."""

from __future__ import annotations

from collections.abc import Callable

from crawler.model.document import RawResponse
from crawler.model.outcome import Exchange, Failed, Fetched, Kind, Received, Redirect
from crawler.model.request import Purpose, Request

PAGES = 150
HOSTS = 7


class ManyHosts:
    """Pages that link on to other hosts, redirects to other hosts, and pages that fail at first.

    The robots.txt of h0.test is a redirect to that of h1.test, which forbids /page/7 to all.
    on_sent: called with each request that reaches it.
    """

    def __init__(self, on_sent: Callable[[Request], None] = lambda _request: None) -> None:
        self._on_sent = on_sent

    def fetch(self, request: Request) -> Fetched:
        """Answer as the path says."""
        href = request.url.href
        exchange = Exchange(status=200, body_bytes=4, wire_bytes=4, total=0.01)
        if request.purpose is Purpose.ROBOTS:
            return self._robots(request, exchange)
        number = int(href.rpartition("/")[2] or 0)
        if "/moved/" in href:
            self._on_sent(request)
            return Redirect(request=request, exchange=exchange, location=page(number))
        if number % 10 == 7 and request.attempt == 1:
            return Failed(request=request, kind=Kind.CONNECT, reason="not at first")
        self._on_sent(request)
        links = (2 * number + 1, 2 * number + 2, number // 2)
        body = "".join(f'<a href="{place(n)}">{n}</a>' for n in links if n < PAGES)
        body += '<a href="http://elsewhere.test/">out of scope</a>'
        return answered(request, exchange, body, "text/html")

    def _robots(self, request: Request, exchange: Exchange) -> Fetched:
        if request.url.host == "h0.test":
            location = "http://h1.test/robots.txt"
            return Redirect(request=request, exchange=exchange, location=location)
        return answered(request, exchange, "User-agent: *\nDisallow: /page/7$\n", "text/plain")


def answered(request: Request, exchange: Exchange, text: str, kind: str) -> Received:
    """Return a response with a body of this type."""
    body = text.encode()
    response = RawResponse(url=request.url.href, status=200, content_type=kind, body=body)
    return Received(request=request, exchange=exchange, response=response)


def page(number: int) -> str:
    """Return the URL of a page; every third host has a port."""
    host = number % HOSTS
    return f"http://h{host}.test{':8080' if host % 3 == 2 else ''}/page/{number}"


def place(number: int) -> str:
    """Return a URL that leads to a page, on another host for every fifth."""
    return (
        f"http://h{(number + 3) % HOSTS}.test/moved/{number}" if number % 5 == 3 else page(number)
    )
