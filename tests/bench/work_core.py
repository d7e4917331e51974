"""The deciding half alone: CPU microseconds a URL for admit, next and finish, without any I/O.

60,000 URLs of 8 hosts, and of a host each, politeness off, every page answered at once; garbage is
collected as in a crawl. And the set of seen URLs: a million fingerprints inserted, and the same
once more.
"""

from __future__ import annotations

import random
import statistics
from array import array
from collections.abc import Callable
from itertools import pairwise
from time import process_time

from crawler.core.crawl_core import CrawlCore
from crawler.core.seen import FingerprintSet
from crawler.core.step import DONE, Fetch, Recall, Refill, Spill, Step, Wait
from crawler.model.config import CrawlConfig
from crawler.model.document import NO_DOCUMENT, Document
from crawler.model.outcome import Page
from crawler.model.request import Listed, Request
from crawler.model.transfer import Exchange
from crawler.model.url import Seed
from crawler.runtime.collecting import collecting_rarely
from tests.bench.measure import Contestant, NotDone, Sample, play
from tests.bench.report import Result, Row, Target
from tests.bench.setting import Setting
from tests.top_level import TopLevelDomains
from tests.unmannered import MANNERS_OFF

_URLS = 60_000
_KEYS = 1_000_000
_CORE = Target(bound=7, unit=" us", at_least=False)
_SEEN = Target(bound=1, unit=" us", at_least=False)
_IN_FLIGHT = 64


def measure(setting: Setting) -> Result:
    """Each by turns, in this process."""
    urls, keys = setting.share(_URLS), setting.share(_KEYS)
    contestants = [
        Contestant(name="core, 8 hosts", turn=lambda: Turn(urls, 8).sample()),
        Contestant(name="core, a host for each URL", turn=lambda: Turn(urls, urls).sample()),
        Contestant(name="seen URLs, new", turn=lambda: _inserted(keys, again=False)),
        Contestant(name="seen URLs, repeated", turn=lambda: _inserted(keys, again=True)),
    ]
    samples = play(contestants, setting.rounds, setting.say)
    rows = tuple(_row(name, took, _loop()) for name, took in samples.items())
    return Result(key="core", how=__doc__, rows=rows, samples=samples)


def _row(name: str, samples: list[Sample], loop: float) -> Row:
    cost = statistics.median(1e6 * sample.cpu / sample.pages for sample in samples)
    return Row(
        work=f"{name}, CPU a URL",
        ours=f"{cost:.2f} us",
        peer="",
        value=cost,
        target=_CORE if name.startswith("core") else _SEEN,
        note=f"an empty turn of a loop took {loop:.0f} ns at that time",
    )


def _loop() -> float:
    """Return nanoseconds for one turn of a loop: other work on the machine slows down all."""
    began = process_time()
    for _ in range(1_000_000):
        pass
    return 1e3 * (process_time() - began)


class Turn:
    """One crawl of so many URLs, with a clock that moves as the last request has ended."""

    def __init__(self, urls: int, hosts: int) -> None:
        texts = (f"http://h{number % hosts}.test/page/{number}" for number in range(urls))
        self._seeds = [Seed.read(text) for text in texts]
        config = CrawlConfig(**{**MANNERS_OFF, "per_host": _IN_FLIGHT, "concurrency": _IN_FLIGHT})
        self._core = CrawlCore(config, random=random.random, suffixes=TopLevelDomains())
        self._spilled: dict[str, list[Request | Listed]] = {}
        self._read = self._done = 0
        self._now = self._spent = 0.0

    def sample(self) -> Sample:
        """Crawl; what the engine would do in between does not count."""
        urls = len(self._seeds)
        with collecting_rarely():
            self._core.begin(0.0)
            while (step := self._start()) is not DONE:
                self._carry_out(step)
        if self._done != urls:
            raise NotDone(f"{self._done} of {urls} URLs")
        return Sample(pages=urls, elapsed=self._spent, wall=self._spent, cpu=self._spent)

    def _start(self) -> Step:
        """Start what may start; return the step behind that."""
        began, core, now = process_time(), self._core, self._now
        started: list[Request] = []
        while isinstance(step := core.next(now), Fetch):
            started.append(step.request)
        self._spent += process_time() - began
        self._now += 0.01
        pages = [self._page(request) for request in started]
        began, now = process_time(), self._now
        for page in pages:
            core.finish(page.request, page, now)
        self._spent += process_time() - began
        self._done += len(pages)
        return step

    def _page(self, request: Request) -> Page:
        exchange = Exchange(
            status=200, total=0.01, first_byte=0.01, started_at=self._now - 0.01, body_bytes=1
        )
        return Page(request=request, exchange=exchange, document=Document(json=NO_DOCUMENT))

    def _carry_out(self, step: Step) -> None:
        match step:
            case Refill(room):
                seeds = self._seeds[self._read : self._read + room]
                self._read += len(seeds)
                self._timed(lambda: self._fed(seeds))
            case Spill(parts):
                for shelf, kept in parts:
                    self._spilled.setdefault(shelf, []).extend(kept)
            case Recall(parts):
                back = [each for shelf, number in parts for each in self._taken(shelf, number)]
                self._timed(lambda: self._core.recalled(back, self._now))
            case Wait(seconds):
                self._now += seconds

    def _taken(self, shelf: str, number: int) -> list[Request | Listed]:
        kept = self._spilled[shelf]
        self._spilled[shelf] = kept[number:]
        return kept[:number]

    def _fed(self, seeds: list[Seed]) -> None:
        if seeds:
            self._core.admit(seeds, self._now)
        else:
            self._core.exhausted()

    def _timed(self, call: Callable[[], object]) -> None:
        began = process_time()
        call()
        self._spent += process_time() - began


def _inserted(number: int, *, again: bool) -> Sample:
    """Insert keys into a set, which has them already if `again`."""
    keys = array("Q", random.Random(number).randbytes(8 * number))
    seen = FingerprintSet()
    times = [process_time()]
    for _ in range(2 if again else 1):
        for key in keys:
            seen.add(key)
        times.append(process_time())
    if len(seen) != number:
        raise NotDone(f"{len(seen)} of {number} keys")
    began, ended = list(pairwise(times))[-1]
    return Sample(pages=number, elapsed=ended - began, wall=ended - began, cpu=ended - began)
