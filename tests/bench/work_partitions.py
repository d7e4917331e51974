"""Partitions and durability: what `--workers 2` gains, and what the state of a crawl costs.

Real pages over 8 hosts, against one partition that parses inline, one that parses in processes, and
Scrapy; pages of 1.4 KB over 100 hosts, against one partition; and the same pages with their state
on the disk, synced twice a second, against none.

nginx has the same two cores as all of them, so a note gives the most that two partitions could
gain. One loop's best rate is one page in its CPU time a page, that of two cores two pages in the
CPU time a page of both partitions and the server.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

from tests.bench import compared, processes
from tests.bench.contestants import UrlList, our_command, ours, scrapy
from tests.bench.measure import Contestant, Sample, play
from tests.bench.report import Result, Row, Target
from tests.bench.setting import Setting

_REAL_QUERIES, _REAL_HOSTS = 16, 8
_SMALL_URLS, _SMALL_HOSTS = 100_000, 100


def measure(setting: Setting) -> Result:
    """All three works; CPU a page stands in the notes of the rows."""
    real = setting.spread(setting.doc_pages(_REAL_QUERIES), _REAL_HOSTS)
    small = setting.spread(setting.small_pages(setting.share(_SMALL_URLS)), _SMALL_HOSTS)
    two = ("--workers", "2")
    contestants = (
        [
            _ours("real, 2", real, *two),
            _ours("real, inline", real, parse="inline"),
            _ours("real, process", real, parse="process"),
            scrapy("real, Scrapy", real, setting.python),
        ],
        [
            _ours("small, 2", small, *two),
            _ours("small, 1", small),
            _ours("small, no state", small, "--state", "none"),
        ],
    )
    samples: dict[str, list[Sample]] = {}
    for work in contestants:
        served = [_served(each, setting.site.pid) for each in work]
        samples |= play(served, setting.rounds, setting.say)
    rows = (
        _row("real pages, 2 partitions against 1 inline", samples, "real, 2", "real, inline", 1.5),
        _row("real pages, 2 partitions against processes", samples, "real, 2", "real, process"),
        _row("real pages, 2 partitions against Scrapy", samples, "real, 2", "real, Scrapy", 13),
        _row("small pages, 2 partitions against 1", samples, "small, 2", "small, 1", 1.6),
        _row("state on the disk against none", samples, "small, 1", "small, no state", 0.95),
    )
    return Result(key="partitions", how=__doc__ or "", rows=rows, samples=samples)


def _ours(name: str, urls: UrlList, *options: str, parse: str = "auto") -> Contestant:
    return ours(name, urls, our_command(urls, parse=parse, options=options))


def _row(
    work: str, samples: dict[str, list[Sample]], own: str, peer: str, bound: float | None = None
) -> Row:
    target = Target(bound=bound, unit="x") if bound is not None else None
    row = compared.row(work, samples[own], samples[peer], target)
    if not own.endswith(", 2"):
        return row
    most = 2 * _cpu(samples[peer]) / (_cpu(samples[own]) + _cpu(samples[own], "server_cpu"))
    return replace(row, note=f"{row.note}; two cores, nginx included, bear {most:.2f}x")


def _served(contestant: Contestant, server: int) -> Contestant:
    """The contestant, with the server's CPU seconds in its samples."""

    def turn() -> Sample:
        before = sum(map(processes.cpu_seconds, processes.tree(server)))
        sample = contestant.turn()
        spent = sum(map(processes.cpu_seconds, processes.tree(server))) - before
        return replace(sample, figures={**sample.figures, "server_cpu": spent})

    return Contestant(name=contestant.name, turn=turn)


def _cpu(samples: list[Sample], figure: str = "") -> float:
    """The median CPU seconds a page, of the contestant or by a figure of its samples."""
    return statistics.median(
        (each.figures[figure] if figure else each.cpu) / each.pages for each in samples
    )
