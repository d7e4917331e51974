"""A very long crawl without sockets: `python -m tests.bench.long --urls 10000000 --hosts 100000`.

The real core, store and journal, with a fetcher that answers at once. Twenty lines tell, for each
part of the URLs, the rate, CPU a URL and the memory of the process; then the bytes on disk. With
`--follow` the frontier grows: each page links to 16 new ones until there are so many URLs. With
`--resume` the crawl is killed half way, and the same command's first fetch is timed. Needs some
300 bytes of disk a URL.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from crawler.cli.crawl_run import Order, open_crawl, run
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.document import RawResponse
from crawler.model.outcome import Exchange, Fetched, Received
from crawler.model.request import Request
from tests.unmannered import MANNERS_OFF

_PARTS = 20
_LINKS = 16  # of a page, all of them new


class InstantFetcher:
    """Answers at once, and tells how far the crawl is. killed_at: ends the process there."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._urls, self._hosts = options.urls, options.hosts
        self._links = options.follow
        self._kill = options.kill
        self._count = 0
        self._every = max(1, options.urls // _PARTS)
        self._began = self._mark()

    def _mark(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    async def fetch(self, request: Request) -> Fetched:
        """Return a page, with links that no other page has."""
        if not self._count:
            print(f"first fetch after {time.perf_counter():.1f} {time.time():.2f}", flush=True)
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
        return "".join(f'<a href="{_url(n, self._hosts)}">{n}</a>' for n in numbers).encode()

    def _say(self) -> None:
        (then, spent), self._began = self._began, self._mark()
        wall, cpu = self._began[0] - then, self._began[1] - spent
        rss, peak = _memory()
        print(
            f"{self._count:>12,} {self._every / wall:>9,.0f}/s {1e6 * cpu / self._every:>7.1f} us "
            f"{rss / 1e6:>7.0f} MB now {peak / 1e6:>7.0f} MB peak",
            flush=True,
        )


def _url(number: int, hosts: int) -> str:
    return f"http://h{number % hosts}.test/page/{number}"


def _memory() -> tuple[int, int]:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now, peak = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def _crawl(options: argparse.Namespace) -> int:
    config = CommandConfig(
        **MANNERS_OFF,
        parse="inline",
        quiet=True,
        retries=0,
        follow=options.follow,
        depth=0,
        scope="any" if options.follow else "host",
        sync=options.sync,
        state="" if options.state else "none",
    )
    folder = Path(options.folder)
    inputs = [] if options.follow else [str(folder / "list.txt")]
    seeds = [_url(0, options.hosts)] if options.follow else []
    order = Order(config=config, seeds=seeds, inputs=inputs, output=str(folder / "out.jsonl"))
    plugins = Plugins(fetcher=InstantFetcher(options))
    return run(order, lambda o, say: open_crawl(o, say, plugins))


def _lines(options: argparse.Namespace) -> Iterator[str]:
    return (f"{_url(number, options.hosts)}\n" for number in range(options.urls))


def main() -> int:
    """Run the crawl in a process of its own, and say what it left on the disk."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.long", description=__doc__)
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--hosts", type=int, default=100_000)
    parser.add_argument("--follow", action="store_true", help="grow the frontier by links")
    parser.add_argument("--resume", action="store_true", help="kill it half way, and go on")
    parser.add_argument("--no-state", dest="state", action="store_false")
    parser.add_argument("--sync", choices=("full", "none"), default="full")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--kill", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        return _crawl(options)
    with tempfile.TemporaryDirectory(prefix="crawler-long-") as name:
        folder = Path(name)
        if not options.follow:
            with (folder / "list.txt").open("w") as file:
                file.writelines(_lines(options))
        words = [sys.executable, "-m", "tests.bench.long", *sys.argv[1:], "--folder", name]
        if options.resume:
            subprocess.run([*words, "--kill", str(options.urls // 2)], check=False)
            print(f"killed; {_sizes(folder)}; the same command at {time.time():.2f}", flush=True)
        code = subprocess.run(words, check=False).returncode
        print(_sizes(folder))
    return code


def _sizes(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return ", ".join(f"{path.name} {path.stat().st_size / 1e6:,.1f} MB" for path in files)


if __name__ == "__main__":
    sys.exit(main())
