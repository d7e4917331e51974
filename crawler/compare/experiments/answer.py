"""`answer`: sequential, threaded and asynchronous at the same width, in half a minute.

It is what `crawler compare` does alone. Four processes, an arm each, crawl the same pages in turns,
so that no turn pays for imports and connections. What is slower to find out (who parses, several
processes, memory of thousands of connections) is left to the experiments by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crawler.compare.design import RSS, Arm, Contrast, Finding, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.experiments.crawl import CPU_PAGE, RATE
from crawler.compare.experiments.crawl_plan import ASYNCIO, ENGINES, UVLOOP, listed
from crawler.compare.web import mock_web
from crawler.model.errors import ConfigurationError

if TYPE_CHECKING:
    from crawler.compare.observation import Observed

NAME = "answer"
SEQUENTIAL, THREADED = "sequential", "threaded"
_TURN = 0.5  # seconds that a turn is meant to take
_MOST_PAGES = 500  # a turn, unless the width needs more
_WAVES = 2  # pages a slot, at least
_FEWEST, _MOST_ALONE = 2, 100  # pages of a sequential turn
_A_HOST = 2  # URLs of one host that politeness applies to
_PAGE_BYTES, _LINKS = 8_192, 20
_LIMIT = 60.0


def _arms(setting: Setting) -> Sequence[Arm]:
    return list(_planned(setting))


def _planned(setting: Setting) -> Iterator[Arm]:
    work = _list_work(setting) if setting.urls else _mock_work(setting)
    alone, wide = work
    for name in (SEQUENTIAL, THREADED, *_loops(setting)):
        engine, loop = ENGINES.get(name, ("threaded", "asyncio"))
        parameters = alone if name == SEQUENTIAL else wide
        yield Arm(
            name=name,
            parameters={**parameters, "options": {"engine": engine, "loop": loop}},
            equal="sequential" if name == SEQUENTIAL else "wide",
            limit=_LIMIT,
            slowed=name == THREADED,
        )


def _loops(setting: Setting) -> list[str]:
    """Return the event loops to compare: uvloop only where it is installed."""
    here = not setting.interpreter.label
    has_uvloop = find_spec("uvloop") is not None if here else _packaged(setting)
    return [ASYNCIO, UVLOOP] if has_uvloop else [ASYNCIO]


def _packaged(setting: Setting) -> bool:
    return "uvloop" in setting.interpreter.packages


_Work = tuple[dict[str, Any], dict[str, Any]]
"""Parameters of the sequential arm and of the others."""


def _mock_work(setting: Setting) -> _Work:
    wide = {"server": setting.server, "in_flight": setting.width, "pages": pages(setting)}
    return {**wide, "in_flight": 1, "pages": _alone(setting)}, wide


def pages(setting: Setting) -> int:
    """Return the pages of a turn with `width` in flight: half a second's, by Little's law."""
    if not setting.latency:
        return max(_WAVES * setting.width, _MOST_PAGES)
    half_a_second = round(setting.width * _TURN / setting.latency)
    return max(_WAVES * setting.width, min(half_a_second, _MOST_PAGES))


def _alone(setting: Setting) -> int:
    """Return the pages of a sequential turn; its rate needs no more of them."""
    if not setting.latency:
        return _MOST_ALONE
    return min(max(round(_TURN / setting.latency), _FEWEST), _MOST_ALONE)


def _list_work(setting: Setting) -> _Work:
    found = listed(setting.urls)
    urls = _taken(setting, polite=not found.loopback)
    wide = {"urls": urls, "in_flight": setting.width, "bare": found.loopback}
    return {**wide, "urls": urls[: _alone(setting)], "in_flight": 1}, wide


def _taken(setting: Setting, *, polite: bool) -> list[str]:
    """Return the first URLs of the list; only two of a host that politeness applies to."""
    most, taken = pages(setting), dict[str, int]()
    urls: list[str] = []
    for url in _urls(setting.urls):
        host = urlsplit(url).netloc
        taken[host] = taken.get(host, 0) + 1
        if not polite or taken[host] <= _A_HOST:
            urls.append(url)
        if len(urls) >= most:
            break
    if not urls:
        raise ConfigurationError(f"urls: {setting.urls} has no URL")
    return urls


def _urls(path: str) -> Iterator[str]:
    from crawler.model.command_config import CommandConfig
    from crawler.model.url import Url
    from crawler.store.sources import UrlSource

    seen = set[str]()
    with closing(UrlSource([], [path], CommandConfig())) as source:
        while seeds := source.read(1_000):
            for seed in seeds:
                if isinstance(seed.url, Url) and seed.url.href not in seen:
                    seen.add(seed.url.href)
                    yield seed.url.href


def _contrasts(setting: Setting) -> Sequence[Contrast]:
    return list(_compared(_loops(setting)))


def _compared(loops: Sequence[str]) -> Iterator[Contrast]:
    yield _against(SEQUENTIAL, THREADED, RATE)
    for figure in (RATE, CPU_PAGE):
        for loop in loops:
            yield _against(THREADED, loop, figure)
        if len(loops) > 1:
            yield _against(ASYNCIO, UVLOOP, figure)
    yield _against(THREADED, ASYNCIO, RSS)


def _against(base: str, other: str, figure: Any) -> Contrast:
    claim = f"{other} against {base}: {figure.title}"
    return Contrast(claim=claim, base=base, other=other, figure=figure)


def _checks(observed: Observed) -> Sequence[Finding]:
    setting = observed.setting
    found = [Finding(claim="what was crawled", outcome="told", text=said(observed))]
    if UVLOOP not in _loops(setting):
        text = "uvloop is not installed and was left out"
        found.append(Finding(claim="uvloop is compared, too", outcome="told", text=text))
    return found


def said(observed: Observed) -> str:
    """Say in words what every turn crawled."""
    setting = observed.setting
    if not setting.urls:
        return (
            f"the mock web, {setting.width:,} in flight, {setting.latency * 1e3:g} ms of latency, "
            f"{pages(setting):,} pages a turn"
        )
    wide = observed.arms[-1].parameters
    how = "" if wide["bare"] else f", at most {_A_HOST} a host, so that politeness sets no pace"
    return f"{len(wide['urls']):,} URLs of {setting.urls}{how}; {setting.width:,} in flight"


def _stage(setting: Setting) -> AbstractContextManager[str]:
    if setting.urls:
        return nullcontext("")
    words = {
        "--pages": pages(setting),
        "--page-bytes": _PAGE_BYTES,
        "--links": _LINKS,
        "--latency": setting.latency,
    }
    return mock_web(setting, *(str(word) for pair in words.items() for word in pair))


EXPERIMENT = Experiment(
    name=NAME,
    question="Sequential, threads or asyncio, at the same width?",
    claim="Waiting overlaps with threads as with an event loop; they differ in what a page costs.",
    module="crawler.compare.experiments.answer_work",
    arms=_arms,
    contrasts=_contrasts,
    checks=_checks,
    stage=_stage,
    noise="fetch",
    kept=True,
    conditions=(
        (
            f"Pages of {_PAGE_BYTES // 1024} KB from the mock web, which has the last core and "
            "shares it with what is measured; parsed where they are fetched."
        ),
        "An arm is one process all along, so that start-up, imports and connections cost nothing.",
        (
            "Sequential is the threaded engine with one request in flight, on fewer pages; the "
            "others crawl the same pages and must end with equal records."
        ),
        "With --urls each turn is a crawl of its own, and what starts with it is measured, too.",
    ),
    not_shown=(
        "Differences between one start of a process and the next: the experiment crawl has those.",
        "Parsing in other threads or processes, and several crawls at once (crawl).",
    ),
    shown=(RATE, CPU_PAGE, RSS),
)
