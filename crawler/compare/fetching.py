"""The project's own two fetchers on a list of URLs, as experiments use them: bodies, in order."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from threading import Barrier
from time import perf_counter
from typing import TYPE_CHECKING, Any

from crawler.compare.bare_client import Fetched
from crawler.compare.design import Watch
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Fetched as Outcome
from crawler.model.outcome import Received
from crawler.model.request import Request
from crawler.model.url import Url, parse

if TYPE_CHECKING:
    from crawler.fetch.aiohttp_client import AioFetcher


def bare(in_flight: int, **others: Any) -> CrawlConfig:
    """Return a crawl's options without politeness, for one's own server on loopback."""
    return CrawlConfig(
        concurrency=in_flight,
        per_host=in_flight,
        robots="ignore",
        delay=0,
        per_ip=0,
        ip_delay=0,
        adapt=False,
        breaker=0,
        throttle=0.0,
        allow_private=True,
        retries=0,
        **others,
    )


def requests(urls: Iterable[str]) -> list[Request]:
    """Return a request for each URL; raise ValueError for an invalid one."""
    found = []
    for text in urls:
        url = parse(text)
        if not isinstance(url, Url):
            raise ValueError(f"{text!r} is not a URL: {url.reason}")  # noqa: TRY004  of its text
        found.append(Request(url=url, seed=text, input=text))
    return found


async def steady_async(urls: Sequence[str], in_flight: int, watch: Watch) -> Fetched:
    """Fetch bodies by aiohttp; measure when each slot has fetched a URL before."""
    from crawler.fetch.aiohttp_client import AioFetcher

    asked = requests(urls)
    began = perf_counter()
    async with AioFetcher(bare(in_flight)) as fetcher:
        await _in_slots(fetcher, asked[:in_flight], in_flight)
        start_up = perf_counter() - began
        with watch:
            found = await _in_slots(fetcher, asked, in_flight)
    return Fetched(found, start_up)


async def _in_slots(
    fetcher: AioFetcher, asked: Sequence[Request], in_flight: int
) -> list[bytes | None]:
    jobs = enumerate(asked)
    found: list[bytes | None] = [None] * len(asked)

    async def slot() -> None:
        for index, request in jobs:
            found[index] = body(await fetcher.fetch(request))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(in_flight, len(asked))):
            group.create_task(slot())
    return found


def steady_threaded(urls: Sequence[str], in_flight: int, watch: Watch) -> Fetched:
    """Fetch bodies by urllib3 in `in_flight` threads that have each fetched one before."""
    from crawler.fetch.urllib3_client import ThreadedFetcher

    asked = requests(urls)
    met = Barrier(in_flight)

    def first(request: Request) -> None:
        met.wait()  # at once, so that each needs a connection
        fetcher.fetch(request)
        met.wait()  # so that no thread does two

    began = perf_counter()
    with ThreadedFetcher(bare(in_flight)) as fetcher, ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(first, islice(cycle(asked), in_flight)))
        start_up = perf_counter() - began
        with watch:
            found = list(pool.map(lambda request: body(fetcher.fetch(request)), asked))
    return Fetched(found, start_up)


def body(fetched: Outcome) -> bytes | None:
    """Return the body of a page; None for a failure."""
    return fetched.response.body if isinstance(fetched, Received) else None


def digests(bodies: Iterable[bytes | None]) -> list[str]:
    """Return the SHA-256 of each body in hexadecimal, a failed one counting as empty."""
    return [hashlib.sha256(each or b"").hexdigest() for each in bodies]


def combined(found: Iterable[str]) -> str:
    """Return the SHA-256 over digests in their order."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, found))).hexdigest()
