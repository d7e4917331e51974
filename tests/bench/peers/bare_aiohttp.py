"""The least that aiohttp on uvloop can do: fetch a list of URLs and read the bodies.

    python -m tests.bench.peers.bare_aiohttp LIST STATS CONCURRENCY

No parsing, no records, no errors survived: the ceiling of any crawler on this library. It runs on
the same Python and the same aiohttp as ours.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import uvloop
from yarl import URL


async def crawl(urls: list[str], concurrency: int) -> tuple[int, float]:
    """Read every URL with `concurrency` workers; pages read and seconds taken."""
    started = time.perf_counter()
    todo = iter(urls)
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        done = await asyncio.gather(*(_work(session, todo) for _ in range(concurrency)))
    return sum(done), time.perf_counter() - started


async def _work(session: aiohttp.ClientSession, todo: Iterator[str]) -> int:
    done = 0
    for url in todo:
        async with session.get(URL(url, encoded=True)) as response:
            response.raise_for_status()
            await response.read()
            done += 1
    return done


def main(list_path: str, stats: str, concurrency: str) -> None:
    """Crawl the list and write pages and seconds."""
    urls = Path(list_path).read_text().split()
    pages, elapsed = uvloop.run(crawl(urls, int(concurrency)))
    Path(stats).write_text(json.dumps({"elapsed": elapsed, "pages": pages}))


if __name__ == "__main__":
    main(*sys.argv[1:])
