"""The arms of `crawl` and `answer`.

Those of `crawl` are one crawl, or several at once, each of its share of the URLs. Those of `answer`
crawl the same pages in every turn, by one process that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from time import perf_counter
from typing import Any

from crawler.compare.crawling import CrawlTally, Lags, crawl, crawl_warm, going_on
from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.fetching import bare
from crawler.compare.members import together
from crawler.engine.ports import Source
from crawler.measure.quantity import ranked
from crawler.model.command_config import CommandConfig
from crawler.model.config import CrawlConfig
from crawler.runtime.files import allow_connections
from crawler.store.sources import IterableSource, UrlSource


def work(parameters: Parameters, watch: Watch) -> Done:
    """Crawl the mock web's pages, or the user's list."""
    if "list" in parameters:
        options = parameters["options"]
        polite = not parameters["bare"]
        config = CrawlConfig(**options) if polite else bare(parameters["in_flight"], **options)
        source = UrlSource([], [parameters["list"]], CommandConfig())
        return _listed(config, source, watch, Lags())
    processes = parameters["processes"]
    shares = [{**parameters, "share": number} for number in range(processes)]
    if processes == 1:
        done = [share(shares[0], watch)]
    else:
        done = together(f"{__name__}:{share.__name__}", shares, watch)
    pages = sum(each.notes["pages"] for each in done)
    lags = [lag for each in done for lag in each.notes["lags"]]
    total = sum(int(each.checksum, 16) for each in done) % 2**128
    return Done(
        checksum=f"{total:032x}",
        errors=sum(each.errors for each in done),
        figures=_figures(pages, watch, lags),
        notes={"pages": pages, "lag_samples": len(lags)},
    )


def share(parameters: Parameters, watch: Watch) -> Done:
    """Crawl a share of the pages; the lags are among the notes, as they came."""
    processes, number = parameters["processes"], parameters["share"]
    config = bare(parameters["in_flight"] // processes, **parameters["options"])
    warm_up = parameters["warm_up"]
    begin = 2 * warm_up
    # Two portions to warm up with, and the pages that are measured.
    portions = range(warm_up), range(warm_up, begin), range(begin, begin + parameters["pages"])
    *warm_ups, measured = (
        [f"{parameters['server']}/page/{page}" for page in pages[number::processes]]
        for pages in portions
    )
    sink, lags = crawl_warm(config, warm_ups, measured, watch)
    notes = {"lags": lags, "pages": sink.count}
    return Done(checksum=f"{sink.checksum:x}", errors=sink.failed, notes=notes)


@contextmanager
def keep(parameters: Parameters) -> Iterator[Callable[[Watch], Done]]:
    """Prepare an arm of `answer`, and give what does a turn of it."""
    in_flight = parameters["in_flight"]
    allow_connections(in_flight)
    options: dict[str, Any] = {"parse": "inline", **parameters["options"]}
    if "urls" in parameters:
        listed = parameters["urls"]
        # Without politeness if all of the user's list is on loopback.
        polite = not parameters["bare"]
        plain = CrawlConfig(concurrency=in_flight, **options) if polite else None
        config = plain or bare(in_flight, **options)
        yield lambda watch: _listed(config, IterableSource(listed, config), watch)
        return
    urls = [f"{parameters['server']}/page/{page}" for page in range(parameters["pages"])]
    with going_on(bare(in_flight, **options), query=False) as crawled:
        rounds = count()

        def fresh(pages: Sequence[str]) -> list[str]:
            """Return the same pages by other URLs: one crawl fetches none twice."""
            number = next(rounds)
            return [f"{url}?round={number}" for url in pages]

        crawled(fresh(urls[:in_flight]))

        def turn(watch: Watch) -> Done:
            portion = fresh(urls)
            with watch:
                sink = crawled(portion)
            figures = _figures(sink.count, watch)
            return Done(checksum=f"{sink.checksum:032x}", errors=sink.failed, figures=figures)

        yield turn


def _listed(config: CrawlConfig, source: Source, watch: Watch, lags: Lags | None = None) -> Done:
    """Crawl the user's list, whole, once; a failure is an outcome like any other."""
    sink = CrawlTally(strict=False)
    with watch:
        began = perf_counter()
        crawl(config, source, sink, lags)
        ended = perf_counter()
    figures = _figures(sink.count, watch, lags.between(began, ended) if lags else ())
    notes = {"pages": sink.count, "failed": sink.failed}
    return Done(checksum=f"{sink.checksum:032x}", figures=figures, notes=notes)


def _figures(pages: int, watch: Watch, lags: Sequence[float] = ()) -> dict[str, float]:
    figures: dict[str, float] = {}
    if pages and watch.wall:
        figures |= {"rate": pages / watch.wall, "cpu_per_page": watch.cpu / pages}
    if ordered := sorted(lags):
        shares = {"lag_p50": 0.5, "lag_p99": 0.99, "lag_max": 1.0}
        figures |= {name: ranked(ordered, each) for name, each in shares.items()}
    return figures
