"""The arms of `answer`: the same pages in every turn, by one process that is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from queue import SimpleQueue
from typing import Any

from crawler.compare.crawling import CrawlTally, crawl
from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.fetching import bare
from crawler.model.config import CrawlConfig
from crawler.model.url import Seed
from crawler.runtime.files import allow_connections
from crawler.store.sources import IterableSource

Turn = Callable[[Watch], Done]


@contextmanager
def keep(parameters: Parameters) -> Iterator[Turn]:
    """Prepare an arm, and give what does a turn of it."""
    in_flight = parameters["in_flight"]
    allow_connections(in_flight)
    options = {"parse": "inline", **parameters["options"]}
    if "urls" in parameters:
        config = _for_list(parameters, options)
        yield lambda watch: _listed(config, parameters["urls"], watch)
        return
    urls = [f"{parameters['server']}/page/{page}" for page in range(parameters["pages"])]
    with _going_on(bare(in_flight, **options)) as crawled:
        rounds = count()
        crawled(_fresh(urls[:in_flight], next(rounds)))

        def turn(watch: Watch) -> Done:
            fresh = _fresh(urls, next(rounds))
            with watch:
                sink = crawled(fresh)
            return _done(sink, watch)

        yield turn


def _fresh(urls: Sequence[str], number: int) -> list[str]:
    """Return the same pages by other URLs: one crawl fetches none twice."""
    return [f"{url}?round={number}" for url in urls]


@contextmanager
def _going_on(config: CrawlConfig) -> Iterator[Callable[[Sequence[str]], CrawlTally]]:
    """Run a crawl that goes on from portion to portion, with its threads and connections."""
    source, sink = _Portions(config), CrawlTally(query=False)

    def crawled(urls: Sequence[str]) -> CrawlTally:
        sink.await_next(len(urls))
        source.put(urls)
        sink.wait()
        return sink

    def conduct() -> None:
        try:
            crawl(config, source, sink)
        finally:
            sink.end()

    thread = threading.Thread(target=conduct, name="crawl")
    thread.start()
    try:
        yield crawled
    finally:
        source.put(None)
        thread.join()


class _Portions:
    """A source that waits for its next portion; None ends it."""

    def __init__(self, config: CrawlConfig) -> None:
        self._config = config
        self._waiting: SimpleQueue[Sequence[str] | None] = SimpleQueue()
        self._now = IterableSource([], config)

    def __repr__(self) -> str:
        return f"_Portions({self._waiting.qsize()} waiting)"

    def put(self, urls: Sequence[str] | None) -> None:
        self._waiting.put(urls)

    def read(self, most: int) -> list[Seed]:
        while not (found := self._now.read(most)):
            urls = self._waiting.get()
            if urls is None:
                return []
            self._now = IterableSource(urls, self._config)
        return found

    def close(self) -> None:
        self.put(None)


def _for_list(parameters: Parameters, options: Mapping[str, Any]) -> CrawlConfig:
    """Return the options for the user's list: without politeness if all of it is on loopback."""
    if parameters["bare"]:
        return bare(parameters["in_flight"], **options)
    return CrawlConfig(concurrency=parameters["in_flight"], **options)


def _listed(config: CrawlConfig, urls: Sequence[str], watch: Watch) -> Done:
    """Crawl the whole list; a failure is an outcome like any other."""
    sink = CrawlTally(strict=False)
    with watch:
        crawl(config, IterableSource(urls, config), sink)
    done = _done(sink, watch)
    return Done(checksum=done.checksum, figures=done.figures, notes={"failed": sink.failed})


def _done(sink: CrawlTally, watch: Watch) -> Done:
    figures = {"rate": sink.count / watch.wall, "cpu_per_page": watch.cpu / sink.count}
    return Done(checksum=f"{sink.checksum:032x}", errors=sink.failed, figures=figures)
