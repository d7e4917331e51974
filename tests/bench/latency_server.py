"""The mock web as a process of its own, so that it shares neither loop nor GIL with a crawl.

    python -m tests.bench.latency_server LATENCY PAGES

prints its base URL when it accepts, and serves until it is told to end.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from crawler.mock import MockWeb, main_loop
from tests.bench.measure import NotDone

_PAGE_BYTES = 1_400


@contextmanager
def serving(*, latency: float, pages: int) -> Iterator[str]:
    """Serve until the block ends; yields the base URL once the port accepts."""
    words = [sys.executable, "-m", "tests.bench.latency_server", str(latency), str(pages)]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            origin = process.stdout.readline().decode().strip()
            if not origin:
                raise NotDone("the mock web did not start")
            yield origin
        finally:
            process.terminate()


def main(latency: str, pages: str) -> None:
    """Serve until SIGTERM, with room for as many connections as the machine allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    options = MockWeb(pages=int(pages), page_bytes=_PAGE_BYTES, links=10, latency=float(latency))
    main_loop(options, lambda url: print(url, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
