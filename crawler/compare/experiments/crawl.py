"""`crawl`: fetch and parse together, by engine, by executor, and split over processes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from crawler.compare.design import (
    PSS,
    RSS,
    Bars,
    Chart,
    Contrast,
    Expected,
    Finding,
    Setting,
    cpu_time,
    lateness,
    rate,
)
from crawler.compare.executors import unloaded
from crawler.compare.experiment import Experiment, listed
from crawler.compare.experiments.crawl_plan import (
    ASYNCIO,
    ENGINES,
    LINKS,
    PAGE_BYTES,
    RAW,
    SPLIT,
    THREADED,
    UVLOOP,
    arms,
    executors,
    name_of,
    processes,
    served,
    split_name,
)
from crawler.compare.web import mock_web

if TYPE_CHECKING:
    from crawler.compare.observation import Observed

RATE = rate("pages/s")
CPU_PAGE = cpu_time("cpu_per_page", "CPU a page")
LAG = lateness("lag_p99", "lag p99")
_WHY_SLOWER = (
    "A page is parsed in little time here: what is gained beside the loop is less than what "
    "handing the page over and waking the loop cost"
)


@listed
def _contrasts(setting: Setting) -> Iterator[Contrast]:
    if setting.urls:
        for figure in (RATE, CPU_PAGE):
            for other in (UVLOOP, ASYNCIO):
                claim = f"{other} against threads on your list: {figure.title}"
                yield Contrast(claim, name_of(THREADED, "auto"), name_of(other, "auto"), figure)
        return
    yield from _engines(setting)
    yield from _splits(setting)
    yield from _parsers(setting)


def _engines(setting: Setting) -> Iterator[Contrast]:
    threaded, uvloop = name_of(THREADED, "inline"), name_of(UVLOOP, "inline")
    locked: Expected = "faster" if setting.interpreter.gil else ""
    claim = "one event loop crawls more pages a second than threads, all parsing where they are"
    yield Contrast(claim, threaded, uvloop, RATE, locked)
    claim = "one event loop spends less CPU time a page than threads"
    yield Contrast(claim, threaded, uvloop, CPU_PAGE, locked)
    claim = "uvloop is not slower than asyncio's own loop"
    yield Contrast(claim, name_of(ASYNCIO, "inline"), uvloop, RATE, "not slower")
    claim = "a page costs the raw client less CPU time than aiohttp"
    yield Contrast(claim, uvloop, name_of(RAW, "inline"), CPU_PAGE, "faster")


def _splits(setting: Setting) -> Iterator[Contrast]:
    count, several = processes(setting), len(setting.cores) > 1
    threaded, uvloop = split_name(THREADED, setting), split_name(UVLOOP, setting)
    for engine in SPLIT:
        shown = several and (engine == UVLOOP or setting.interpreter.gil)
        expect: Expected = "faster" if shown else ""
        claim = f"{count} processes of {engine} with an equal number in flight are faster than 1"
        split = split_name(engine, setting)
        yield Contrast(claim, name_of(engine, "inline"), split, RATE, expect)
    claim = f"{UVLOOP} against threads, {count} processes each"
    yield Contrast(claim, threaded, uvloop, RATE)
    claim = f"{count} crawls against one with its parser in processes"
    yield Contrast(claim, name_of(UVLOOP, "process"), uvloop, RATE)
    claim = f"one process needs less memory than {count}"
    yield Contrast(claim, uvloop, name_of(UVLOOP, "inline"), PSS, "faster")


def _parsers(setting: Setting) -> Iterator[Contrast]:
    inline, several = name_of(UVLOOP, "inline"), len(setting.cores) > 1
    claim = "the loop's lag is lower with the parser in other processes"
    yield Contrast(claim, inline, name_of(UVLOOP, "process"), LAG, "faster" if several else "")
    claim = "parser threads beside the loop are not slower, as the parser lets go of the lock"
    expect: Expected = "not slower" if several and not setting.text else ""
    threads = name_of(UVLOOP, "thread")
    yield Contrast(claim, inline, threads, RATE, expect, otherwise=_WHY_SLOWER)
    for executor in executors(setting)[2:]:
        claim = f"the parser in a pool ({executor}) beside the loop, against inline"
        gains = several and setting.text and setting.interpreter.gil and executor == "process"
        yield Contrast(claim, inline, name_of(UVLOOP, executor), RATE, "faster" if gains else "")


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    setting = observed.setting
    yield from unloaded(setting)
    if setting.urls:
        planned = observed.arms[0].parameters
        how = (
            "they are all on loopback, and were crawled without manners"
            if planned["bare"]
            else "they were crawled with the default manners, whose delays set the pace"
        )
        text = f"{planned['urls']:,} URLs, each once a turn: {how}"
        yield Finding("how your list was crawled", "told", text)
    elif len(setting.cores) == 1:
        text = "there is one core, so that nothing is predicted of processes and parser pools"
        yield Finding("work is split over cores", "told", text)


def shown(observed: Observed, name: str) -> str:
    """Return the medians of an arm in words."""
    rate, cpu = observed.median(name, "rate"), observed.median(name, "cpu_per_page")
    return f"{rate:,.0f} pages/s and {cpu * 1e3:.2f} ms of CPU a page"


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    setting = observed.setting
    groups = ["auto"]
    if not setting.urls:
        groups = [*executors(setting), f"inline, {processes(setting)} processes"]
    names = {arm.name for arm in observed.arms if not observed.trouble(arm.name)}
    late = "How late what is due runs: on the event loop, or, for threads, in a thread beside."
    for figure, note in (
        (RATE, "More is better."),
        (CPU_PAGE, "Less is better; the server's is not counted."),
        (LAG, late),
    ):
        values = {
            engine: [
                observed.median(name, figure.name) if name in names else math.nan
                for name in (name_of(engine, group) for group in groups)
            ]
            for engine in ENGINES
        }
        title, log = figure.title[0].upper() + figure.title[1:], figure == LAG
        yield Bars(title, note, "who parses", groups, values, unit=figure.unit, log=log)


def _stage(setting: Setting) -> AbstractContextManager[str]:
    if setting.urls:
        return nullcontext("")
    words = (f"--pages={served(setting)}", f"--page-bytes={PAGE_BYTES}", f"--links={LINKS}")
    return mock_web(setting, *words)


_CONDITIONS = (
    (
        f"Pages of {PAGE_BYTES // 1024} KB with {LINKS} links from the mock web, which has the "
        "last core and shares it with what is measured."
    ),
    (
        "The same URLs and the same number in flight in all arms; split over processes, each has "
        "its share of both."
    ),
    "With --text each page's main text is extracted, too, by a library that holds the GIL.",
    (
        "Every arm is this project's own crawl without manners, and ends with a checksum over "
        "all records: URL, outcome, status and everything that was parsed."
    ),
    (
        "Interpreter start, imports and the start of pools are not measured: the crawl first "
        "fetches other pages, twice, and goes on when its workers stand still."
    ),
    (
        "Lag is looked at every 2 ms and is exact to about 1 ms, as loops keep their timers; for "
        "threads it is how late a thread beside them wakes up. A 99th percentile of some hundred "
        "looks is rough."
    ),
    "CPU times and memory are those of all processes of a crawl, not the server's.",
    (
        "With --urls each arm crawls the whole list once a turn, the parser chosen by itself and "
        "its start measured, too. Only URL and outcome are compared, as pages may change, and "
        "failures are outcomes like others. Manners are the default ones unless all hosts are on "
        "loopback."
    ),
)

EXPERIMENT = Experiment(
    name="crawl",
    question="Async, threads or processes for the crawl itself?",
    claim=(
        "One event loop crawls more pages with less CPU than threads; a crawl a core is faster yet."
    ),
    module="crawler.compare.experiments.crawl_work",
    arms=arms,
    contrasts=_contrasts,
    checks=_checks,
    charts=_charts,
    stage=_stage,
    noise="fetch",
    conditions=_CONDITIONS,
    not_shown=(
        "The open Internet: its latency is higher, its hosts are many, and manners set the pace.",
        "Pages that are dearer to parse: the dearer, the more processes gain.",
        "Many cores: the server has one, and several crawls may wait for it.",
        "Following links, writing records to a disk, TLS.",
    ),
    weight=2.0,
    shown=(RATE, CPU_PAGE, RSS, LAG),
)
