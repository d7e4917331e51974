"""The arms of `crawl`: one crawl, or several at once, each of its share of the URLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter

from crawler.compare.design import Done, Parameters, Watch
from crawler.measure.quantity import ranked

Figures = Mapping[str, float]


def work(parameters: Parameters, watch: Watch) -> Done:
    """Crawl the mock web's pages, or the user's list."""
    if "list" in parameters:
        return _listed(parameters, watch)
    if parameters["processes"] == 1:
        return _told([share({**parameters, "share": 0}, watch)], watch)
    return _told(_split(parameters, watch), watch)


def share(parameters: Parameters, watch: Watch) -> Done:
    """Crawl a share of the pages; the lags are among the notes, as they came."""
    from crawler.compare.crawling import crawl_warm
    from crawler.compare.fetching import bare

    processes, number = parameters["processes"], parameters["share"]
    config = bare(parameters["in_flight"] // processes, **parameters["options"])
    warm_ups, pages = _numbers(parameters)
    server = parameters["server"]
    first, second, measured = (
        [f"{server}/page/{page}" for page in numbers[number::processes]]
        for numbers in (*warm_ups, pages)
    )
    sink, lags = crawl_warm(config, [first, second], measured, watch)
    return Done(
        checksum=f"{sink.checksum:x}",
        errors=sink.failed,
        notes={"lags": lags, "pages": sink.count},
    )


def pages_of(parameters: Parameters) -> int:
    """Return the number of pages that the mock web needs."""
    return int(parameters["pages"]) + 2 * int(parameters["warm_up"])


def _numbers(parameters: Parameters) -> tuple[tuple[range, range], range]:
    """Return the page numbers: two portions to warm up with, and those that are measured."""
    warm_up = parameters["warm_up"]
    begin = 2 * warm_up
    return (range(warm_up), range(warm_up, begin)), range(begin, begin + parameters["pages"])


def _split(parameters: Parameters, watch: Watch) -> list[Done]:
    from crawler.compare.members import together

    shares = [{**parameters, "share": number} for number in range(parameters["processes"])]
    return together(f"{__name__}:{share.__name__}", shares, watch)


def _told(shares: Sequence[Done], watch: Watch) -> Done:
    """Merge all shares."""
    pages = sum(each.notes["pages"] for each in shares)
    lags = [lag for each in shares for lag in each.notes["lags"]]
    total = sum(int(each.checksum, 16) for each in shares) % 2**128
    return Done(
        checksum=f"{total:032x}",
        errors=sum(each.errors for each in shares),
        figures=_figures(pages, lags, watch),
        notes={"pages": pages, "lag_samples": len(lags)},
    )


def _listed(parameters: Parameters, watch: Watch) -> Done:
    """Crawl the user's list, whole, once; a failure is an outcome like any other."""
    from crawler.compare.crawling import CrawlTally, Lags, crawl
    from crawler.compare.fetching import bare
    from crawler.model.command_config import CommandConfig
    from crawler.model.config import CrawlConfig
    from crawler.store.sources import UrlSource

    options = parameters["options"]
    config = bare(parameters["in_flight"], **options) if parameters["bare"] else None
    config = config or CrawlConfig(**options)
    _import_parts()
    sink, lags = CrawlTally(strict=False), Lags()
    source = UrlSource([], [parameters["list"]], CommandConfig())
    with watch:
        started = perf_counter()
        crawl(config, source, sink, lags)
        ended = perf_counter()
    return Done(
        checksum=f"{sink.checksum:032x}",
        figures=_figures(sink.count, lags.between(started, ended), watch),
        notes={"pages": sink.count, "failed": sink.failed},
    )


def _import_parts() -> None:
    """Import the parts that a crawl imports only when it begins."""


def _figures(pages: int, lags: Sequence[float], watch: Watch) -> dict[str, float]:
    figures: dict[str, float] = {}
    if pages and watch.wall:
        figures |= {"rate": pages / watch.wall, "cpu_per_page": watch.cpu / pages}
    ordered = sorted(lags)
    shares: Mapping[str, float] = {"lag_p50": 0.5, "lag_p99": 0.99, "lag_max": 1.0}
    return figures | {name: ranked(ordered, each) for name, each in shares.items() if ordered}
