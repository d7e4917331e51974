"""The web that means harm, in a process of its own, and the endless list of its URLs."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zlib import crc32

from crawler.mock.faults import FAULTS
from crawler.runtime.children import environment, python

_SCENARIO = Path(__file__).parents[2] / "config" / "mock-hostile.toml"
_STOP_SECONDS = 10.0
_HOSTS = 20  # as many as the scenario has: 127.0.0.1 to 127.0.0.20
_GOOD_NAMES = 10
# New ones all the time, two URLs each: with 400 known ones look-ups in flight grew ever fewer.
_URLS_TO_DEAD_NAME = 200
# They lead to addresses outside of this machine. That they are refused is tested elsewhere.
_ELSEWHERE = ("redirect-private", "redirect-metadata")
# Of a hundred URLs: dead names, faults of the catalogue, plain pages at names. The rest is the
# scenario's graph.
_DEAD, _FAULT, _NAMED = 1, 30, 15
# A delay of so many nanoseconds makes a URL of its own of any path, and tells its number.
_NUMBER = re.compile(r"/delay/0\.(\d{9})/")


class NotServed(Exception):
    """The mock web did not start, or did not stay; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endless:
    """A list without an end: a URL for each number below a billion."""

    port: int
    graph: tuple[tuple[str, ...], ...]  # the URLs of the scenario's own pages, by host
    faults: tuple[str, ...] = tuple(name for name in FAULTS if name not in _ELSEWHERE)

    def url(self, number: int) -> str:
        """Return the URL of a number below 10**9; the same for the same number."""
        drawn = crc32(b"%d" % number)
        share, drawn = drawn % 100, drawn // 100
        unique = f"/delay/0.{number:09d}"
        if share < _DEAD:
            name = f"h{number // _URLS_TO_DEAD_NAME}.dead.test"
            return f"http://{name}:{self.port}{unique}/page/0"
        if share < _DEAD + _FAULT:
            fault = self.faults[drawn // _HOSTS % len(self.faults)]
            return f"http://127.0.0.{1 + drawn % _HOSTS}:{self.port}{unique}/fault/{fault}/page/0"
        if share < _DEAD + _FAULT + _NAMED:
            return f"http://h{drawn % _GOOD_NAMES}.ok.test:{self.port}{unique}/page/{drawn % 2000}"
        # Host after host: the scenario has most pages on a few, for which all others would wait.
        pages = self.graph[drawn % len(self.graph)]
        parts = urlsplit(pages[drawn // len(self.graph) % len(pages)])
        return f"{parts.scheme}://{parts.netloc}{unique}{parts.path}"

    def number(self, url: str) -> int | None:
        """Return the number of a URL of the list; None for what has none."""
        found = _NUMBER.search(url)
        return int(found[1]) if found else None


@contextmanager
def hostile() -> Iterator[Endless]:
    """Serve `config/mock-hostile.toml` until the block ends; raises `NotServed`, then as well."""
    words = python("-m", "crawler", "mock", "--scenario", str(_SCENARIO))
    with subprocess.Popen(
        [*words, "--port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise NotServed("the mock web did not start")
            port = urlsplit(line.decode().strip()).port or 80
            yield Endless(port=port, graph=_graph(port))
            if process.poll() is not None:
                raise NotServed(f"the mock web ended early, with exit code {process.returncode}")
        finally:
            _stop(process)


def _graph(port: int) -> tuple[tuple[str, ...], ...]:
    """The URLs of all pages of the scenario by host, with those that no crawl can fetch."""
    words = python("-m", "crawler", "mock", "truth", "--scenario", str(_SCENARIO))
    done = subprocess.run(
        [*words, "--port", str(port)], stdout=subprocess.PIPE, env=environment(), check=True
    )
    hosts: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        url = json.loads(line)["url"]
        hosts.setdefault(urlsplit(url).netloc, []).append(url)
    return tuple(map(tuple, hosts.values()))


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
