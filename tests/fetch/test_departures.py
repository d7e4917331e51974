"""Requests that are never repeated leave once, with a caller's fetcher, too."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from crawler.engine.plugins import GivenAsyncFetcher, GivenThreadedFetcher
from crawler.fetch.departures import Departures
from crawler.model.config import CrawlConfig
from crawler.model.document import RawResponse
from crawler.model.errors import EnvironmentFailure
from crawler.model.outcome import Failed, Fetched, Kind, Received
from crawler.model.payload import Payload
from crawler.model.request import Request
from crawler.model.url import Url

POST = Request(url=Url("http://a.test/"), seed="http://a.test/", input="", payload=Payload("POST"))


class Web:
    """Answers, and knows what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def fetch(self, request: Request) -> RawResponse:
        self.asked.append(request)
        return RawResponse(url=request.url.href, status=200, content_type="text/html", body=b"")


class Notes:
    """The notes of a crawl; `earlier` run has made them, or they fail."""

    def __init__(self, *, earlier: bool = False, full: bool = False) -> None:
        self.made: list[Request] = []
        self._earlier, self._full = earlier, full

    def __call__(self, request: Request) -> bool:
        if self._full:
            raise EnvironmentFailure("no room")
        self.made.append(request)
        return not self._earlier


def fetched(engine: str, web: Web, request: Request, notes: Notes, **options: bool) -> Fetched:
    """Fetch with the caller's fetcher, as an engine does."""
    config = CrawlConfig(**options)
    if engine == "threaded":
        return GivenThreadedFetcher(web, config, notes).fetch(request)
    return asyncio.run(GivenAsyncFetcher(web, config, notes).fetch(request))


@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_a_callers_fetcher_is_asked_once_for_what_must_not_be_repeated(engine: str) -> None:
    """What an earlier run noted is uncertain; what cannot be noted waits; the rest is not noted."""
    web, notes = Web(), Notes()
    assert isinstance(fetched(engine, web, POST, notes), Received)
    assert web.asked == notes.made == [POST]
    found = [fetched(engine, web, POST, each) for each in (Notes(earlier=True), Notes(full=True))]
    kinds = [each.kind for each in found if isinstance(each, Failed)]
    assert kinds == [Kind.UNCERTAIN, Kind.CANCELLED] and web.asked == [POST]
    put = replace(POST, payload=Payload("PUT"))
    for request, unsafe in ((put, False), (POST, True)):
        fetched(engine, web, request, notes, repeat_unsafe=unsafe)
    assert web.asked == [POST, put, POST] and notes.made == [POST]


def test_without_a_state_nothing_is_noted() -> None:
    """A crawl that cannot go on needs no notes."""
    assert not Departures(None, CrawlConfig()).needs(POST)
