"""Single exchanges of the aiohttp client, answered in memory by aioresponses."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses

from crawler.fetch.aiohttp_client import AioFetcher
from crawler.model.outcome import Failed, Fetched, Kind, Received, Redirect
from tests.fetch.conftest import CONFIG, request

URL = "http://site.test/page"


class Response(aiohttp.ClientResponse):
    """What aioresponses makes, with the argument that aiohttp 3.14 added."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"stream_writer": Mock(output_size=0)} | kwargs)


async def fetched(**answer: Any) -> Fetched:
    """Return the outcome of one exchange that is answered so."""
    with aioresponses() as answers:
        answers.get(URL, response_class=Response, **answer)
        async with AioFetcher(CONFIG) as fetcher:
            return await fetcher.fetch(request(URL))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, None), (404, Kind.CLIENT_ERROR), (501, Kind.SERVER_ERROR), (503, Kind.UNAVAILABLE)],
)
async def test_a_status_is_a_page_or_a_kind(status: int, kind: Kind | None) -> None:
    """Success is a response with its body, other statuses are failures of their kind."""
    outcome = await fetched(status=status, body="<p>x</p>", content_type="text/html")
    if kind is None:
        assert isinstance(outcome, Received)
        assert (outcome.response.body, outcome.response.content_type) == (b"<p>x</p>", "text/html")
    else:
        assert isinstance(outcome, Failed) and outcome.kind is kind


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_told_and_not_followed(status: int) -> None:
    """Each status that moves a page gives its Location to the core."""
    outcome = await fetched(status=status, headers={"Location": "/next"})
    assert isinstance(outcome, Redirect)
    assert (outcome.location, outcome.exchange.status) == ("/next", status)


async def test_retry_after_is_read() -> None:
    """A 429 hands on how long its server wants to be left alone."""
    outcome = await fetched(status=429, headers={"Retry-After": "7"})
    assert isinstance(outcome, Failed) and outcome.retry_after == 7.0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (partial(aiohttp.ClientPayloadError, "cut"), Kind.DISCONNECTED),
        (partial(aiohttp.ServerDisconnectedError), Kind.DISCONNECTED),
        (partial(TimeoutError), Kind.TIMEOUT),
    ],
)
async def test_an_error_of_the_client_is_a_kind(error: Any, kind: Kind) -> None:
    """Exceptions of the library stop here."""
    outcome = await fetched(exception=error(), repeat=True)
    assert isinstance(outcome, Failed) and outcome.kind is kind
