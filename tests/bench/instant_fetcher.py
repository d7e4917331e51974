"""The fetcher of `tests.bench.long`."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from crawler.model.document import RawResponse
from crawler.model.outcome import Exchange, Fetched, Received
from crawler.model.request import Request

_PARTS = 20
_LINKS = 16  # of a page, all of them new


class InstantFetcher:
    """Answers at once, and says how far the crawl is, twenty times in all.

    options: those of the command. name: goes before what is said.
    """

    def __init__(self, options: argparse.Namespace, name: str = "") -> None:
        self._name = f"{name}: " if name else ""
        self._urls, self._hosts = options.urls, options.hosts
        self._links = options.follow
        self._kill = options.kill
        self._command_began = options.began
        self._count = 0
        self._every = max(1, options.urls // _PARTS // options.workers)
        self._began = self._mark()

    def _mark(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    async def fetch(self, request: Request) -> Fetched:
        """Return a page, with links that no other page has."""
        if not self._count:
            wall, cpu = time.time() - self._command_began, time.process_time()
            print(f"{self._name}first fetch after {wall:.1f} s, {cpu:.1f} s CPU", flush=True)
        self._count += 1
        if self._count % self._every == 0:
            self._say()
        if self._count == self._kill:
            os._exit(9)
        href = request.url.href
        body = self._page(int(href.rpartition("/")[2])) if self._links else b"<title>a</title>"
        exchange = Exchange(status=200, body_bytes=len(body), wire_bytes=len(body), total=0.01)
        response = RawResponse(url=href, status=200, content_type="text/html", body=body)
        return Received(request=request, exchange=exchange, response=response)

    def _page(self, number: int) -> bytes:
        numbers = range(_LINKS * number + 1, min(_LINKS * (number + 1) + 1, self._urls))
        return "".join(f'<a href="{url_of(n, self._hosts)}">{n}</a>' for n in numbers).encode()

    def _say(self) -> None:
        (then, spent), self._began = self._began, self._mark()
        wall, cpu = self._began[0] - then, self._began[1] - spent
        rss, peak = _memory()
        print(
            f"{self._name}{self._count:>12,} {self._every / wall:>9,.0f}/s "
            f"{1e6 * cpu / self._every:>7.1f} us "
            f"{rss / 1e6:>7.0f} MB now {peak / 1e6:>7.0f} MB peak",
            flush=True,
        )


def url_of(number: int, hosts: int) -> str:
    return f"http://h{number % hosts}.test/page/{number}"


def _memory() -> tuple[int, int]:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now, peak = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak
