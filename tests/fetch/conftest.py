"""One list of scenarios, four ways to fetch: aiohttp on both loops, urllib3, the raw client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import trustme
import uvloop

from crawler.fetch.aiohttp_client import AioFetcher
from crawler.fetch.names import Names
from crawler.fetch.raw_client import RawFetcher
from crawler.fetch.urllib3_client import ThreadedFetcher
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Fetched
from crawler.model.request import Request
from crawler.model.url import Url
from tests.fetch.raw import RawServer
from tests.fetch.sites import CAP, SITE
from tests.patience import PATIENCE

WAYS = ("asyncio", "uvloop", "threaded", "raw")
"""By loop for aiohttp; the raw client runs on uvloop, and as `RAW_ON_ASYNCIO` where it matters."""
RAW_ON_ASYNCIO = "raw-asyncio"

on_both_loops = pytest.mark.parametrize("way", [*WAYS, RAW_ON_ASYNCIO], indirect=True)
on_a_loop = pytest.mark.parametrize("way", ["asyncio", "raw", RAW_ON_ASYNCIO], indirect=True)
through_proxies = pytest.mark.parametrize("way", ["asyncio", "uvloop", "threaded"], indirect=True)
"""The raw client knows none."""

CONFIG = CrawlConfig(
    timeout=PATIENCE,
    connect_timeout=PATIENCE,
    max_body=CAP,
    user_agent="tester/1",
    allow_private=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to fetch URLs, one after the other, with one fetcher."""

    name: str

    def fetch(
        self,
        urls: Sequence[str | Request],
        config: CrawlConfig = CONFIG,
        names: Names | None = None,
        kept: list[object] | None = None,
        *,
        between: Callable[[], None] = lambda: None,
        turns: int = 0,
    ) -> list[Fetched]:
        """The outcomes of `urls`, in order; the closed fetcher outlives them in `kept`.

        `between` is called after each, and then a loop has so many turns to look around.
        """
        kept = [] if kept is None else kept
        requests = [each if isinstance(each, Request) else request(each) for each in urls]
        if self.name == "threaded":
            with ThreadedFetcher(config, names=names) as fetcher:
                kept.append(fetcher)
                return [(fetcher.fetch(each), between())[0] for each in requests]
        return self.run(lambda: self._fetch_all(requests, config, names, kept, between, turns))

    def run(self, main: Callable[[], Coroutine[Any, Any, list[Fetched]]]) -> list[Fetched]:
        """Run a coroutine on this way's loop, debug mode and its warnings included."""
        on_uvloop = self.name in ("uvloop", "raw")
        factory = uvloop.new_event_loop if on_uvloop else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())

    def fetcher(self, config: CrawlConfig, **parts: Any) -> AioFetcher | RawFetcher:
        """A fetcher of this way's, for a loop."""
        made = RawFetcher if self.name.startswith("raw") else AioFetcher
        return made(config, **parts)

    async def _fetch_all(
        self,
        requests: list[Request],
        config: CrawlConfig,
        names: Names | None,
        kept: list[object],
        between: Callable[[], None],
        turns: int,
    ) -> list[Fetched]:
        outcomes = []
        async with self.fetcher(config, names=names) as fetcher:
            kept.append(fetcher)
            for each in requests:
                outcomes.append(await fetcher.fetch(each))
                between()
                for _ in range(turns):
                    await asyncio.sleep(0)
        return outcomes


def request(url: str) -> Request:
    """A request as the core makes it."""
    return Request(url=Url(url), seed=url, input=url)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Each way to fetch, in turn."""
    return Way(name=request.param)


@pytest.fixture(scope="module")
def site() -> Iterator[RawServer]:
    """The scenarios' site."""
    with RawServer(SITE) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[trustme.CA]:
    """A certificate authority of the tests' own, in what OpenSSL takes for the system's store.

    For all tests: reading the machine's own 140 certificates would take longer than the tests do.
    """
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield authority


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """A server's context with a certificate for `names`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context
