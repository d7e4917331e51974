"""`crawl`: fetch and parse together, by engine, by executor, and split over processes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from crawler.compare.design import (
    PSS,
    RSS,
    THRIFT,
    Bars,
    Chart,
    Contrast,
    Expected,
    Figure,
    Finding,
    Setting,
)
from crawler.compare.executors import unloaded
from crawler.compare.experiment import Experiment
from crawler.compare.experiments.crawl_plan import (
    ASYNCIO,
    ENGINES,
    LINKS,
    PAGE_BYTES,
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

RATE = Figure(name="rate", title="pages/s", unit="/s", more=True)
CPU_PAGE = Figure(
    name="cpu_per_page",
    title="CPU a page",
    ratio="times as thrifty of CPU",
    words=THRIFT,
    noise="cpu",
)
LAG = Figure(name="lag_p99", title="lag p99", ratio="times as prompt", words=("prompter", "later"))


def _contrasts(setting: Setting) -> Sequence[Contrast]:
    if setting.urls:
        return list(_on_list(setting))
    return [*_engines(setting), *_splits(setting), *_parsers(setting)]


def _engines(setting: Setting) -> Iterator[Contrast]:
    threaded, uvloop = name_of(THREADED, "inline"), name_of(UVLOOP, "inline")
    locked: Expected = "faster" if setting.interpreter.gil else ""
    yield Contrast(
        claim="one event loop crawls more pages a second than threads, all parsing where they are",
        base=threaded,
        other=uvloop,
        figure=RATE,
        expect=locked,
    )
    yield Contrast(
        claim="one event loop spends less CPU time a page than threads",
        base=threaded,
        other=uvloop,
        figure=CPU_PAGE,
        expect=locked,
    )
    yield Contrast(
        claim="uvloop is not slower than asyncio's own loop",
        base=name_of(ASYNCIO, "inline"),
        other=uvloop,
        figure=RATE,
        expect="not slower",
    )


def _splits(setting: Setting) -> Iterator[Contrast]:
    count, several = processes(setting), len(setting.cores) > 1
    shown: dict[str, Expected] = {
        UVLOOP: "faster" if several else "",
        THREADED: "faster" if several and setting.interpreter.gil else "",
    }
    for engine in SPLIT:
        yield Contrast(
            claim=f"{count} processes of {engine} with an equal number in flight are faster than 1",
            base=name_of(engine, "inline"),
            other=split_name(engine, setting),
            figure=RATE,
            expect=shown[engine],
        )
    yield Contrast(
        claim=f"{UVLOOP} against threads, {count} processes each",
        base=split_name(THREADED, setting),
        other=split_name(UVLOOP, setting),
        figure=RATE,
    )
    yield Contrast(
        claim=f"{count} crawls against one with its parser in processes",
        base=name_of(UVLOOP, "process"),
        other=split_name(UVLOOP, setting),
        figure=RATE,
    )
    yield Contrast(
        claim=f"one process needs less memory than {count}",
        base=split_name(UVLOOP, setting),
        other=name_of(UVLOOP, "inline"),
        figure=PSS,
        expect="faster",
    )


def _parsers(setting: Setting) -> Iterator[Contrast]:
    inline, several = name_of(UVLOOP, "inline"), len(setting.cores) > 1
    yield Contrast(
        claim="the loop's lag is lower with the parser in other processes",
        base=inline,
        other=name_of(UVLOOP, "process"),
        figure=LAG,
        expect="faster" if several else "",
    )
    yield Contrast(
        claim="parser threads beside the loop are not slower, as the parser lets go of the lock",
        base=inline,
        other=name_of(UVLOOP, "thread"),
        figure=RATE,
        expect="not slower" if several else "",
        otherwise=(
            "A page is parsed in little time here: what is gained beside the loop is less than "
            "what handing the page over and waking the loop cost"
        ),
    )
    for executor in executors(setting)[2:]:
        yield Contrast(
            claim=f"the parser in a pool ({executor}) beside the loop, against inline",
            base=inline,
            other=name_of(UVLOOP, executor),
            figure=RATE,
        )


def _on_list(setting: Setting) -> Iterator[Contrast]:
    for figure in (RATE, CPU_PAGE):
        for other in (UVLOOP, ASYNCIO):
            yield Contrast(
                claim=f"{other} against threads on your list: {figure.title}",
                base=name_of(THREADED, "auto"),
                other=name_of(other, "auto"),
                figure=figure,
            )


def _checks(observed: Observed) -> Sequence[Finding]:
    setting = observed.setting
    found = unloaded(setting)
    if setting.urls:
        found.append(_manners(observed))
    elif len(setting.cores) == 1:
        text = "there is one core, so that nothing is predicted of processes and parser pools"
        found.append(Finding(claim="work is split over cores", outcome="told", text=text))
    return found


def _manners(observed: Observed) -> Finding:
    planned = observed.arms[0].parameters
    how = (
        "they are all on loopback, and were crawled without manners"
        if planned["bare"]
        else "they were crawled with the default manners, whose delays set the pace"
    )
    text = f"{planned['urls']:,} URLs, each once a turn: {how}"
    return Finding(claim="how your list was crawled", outcome="told", text=text)


def shown(observed: Observed, name: str) -> str:
    """Return the medians of an arm in words."""
    rate, cpu = observed.median(name, "rate"), observed.median(name, "cpu_per_page")
    return f"{rate:,.0f} pages/s and {cpu * 1e3:.2f} ms of CPU a page"


def _charts(observed: Observed) -> Sequence[Chart]:
    return [
        _bars(observed, RATE, "More is better.", "/s"),
        _bars(observed, CPU_PAGE, "Less is better; the server's is not counted.", "s"),
        _bars(
            observed,
            LAG,
            "How late what is due runs: on the event loop, or, for threads, in a thread beside.",
            "s",
            log=True,
        ),
    ]


def _bars(observed: Observed, figure: Figure, note: str, unit: str, *, log: bool = False) -> Bars:
    setting = observed.setting
    places = ["auto"] if setting.urls else list(executors(setting))
    split = [] if setting.urls else [f"inline, {processes(setting)} processes"]
    groups = [*places, *split]
    names = {arm.name for arm in observed.arms}

    def value(engine: str, group: str) -> float:
        name = f"{engine}, {group}"
        usable = name in names and not observed.trouble(name)
        return observed.median(name, figure.name) if usable else math.nan

    return Bars(
        title=figure.title[0].upper() + figure.title[1:],
        note=note,
        x="who parses",
        groups=groups,
        values={engine: [value(engine, group) for group in groups] for engine in ENGINES},
        unit=unit,
        log=log,
    )


def _stage(setting: Setting) -> AbstractContextManager[str]:
    if setting.urls:
        return nullcontext("")
    words = {"--pages": served(setting), "--page-bytes": PAGE_BYTES, "--links": LINKS}
    return mock_web(setting, *(str(word) for pair in words.items() for word in pair))


CONDITIONS = (
    (
        f"Pages of {PAGE_BYTES // 1024} KB with {LINKS} links from the mock web, which has the "
        "last core and shares it with what is measured."
    ),
    (
        "The same URLs and the same number in flight in all arms; split over processes, each has "
        "its share of both."
    ),
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
    conditions=CONDITIONS,
    not_shown=(
        "The open Internet: its latency is higher, its hosts are many, and manners set the pace.",
        "Pages that are dearer to parse: the dearer, the more processes gain.",
        "Many cores: the server has one, and several crawls may wait for it.",
        "Following links, writing records to a disk, TLS.",
    ),
    weight=2.0,
    shown=(RATE, CPU_PAGE, RSS, LAG),
)
