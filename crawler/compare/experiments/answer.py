"""`answer`: sequential, threaded and asynchronous at the same width, in half a minute.

It is what `crawler compare` does alone. Four processes, an arm each, crawl the same pages in turns,
so that no turn pays for imports and connections. What is slower to find out (who parses, several
processes, memory of thousands of connections) is left to the experiments by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crawler.compare.design import RSS, Arm, Contrast, Finding, Setting
from crawler.compare.experiment import Experiment, listed
from crawler.compare.experiments.crawl import CPU_PAGE, RATE
from crawler.compare.experiments.crawl_plan import ASYNCIO, ENGINES, UVLOOP, entries, read_list
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


@listed
def _arms(setting: Setting) -> Iterator[Arm]:
    alone, wide = _work(setting)
    for name in (SEQUENTIAL, THREADED, *_loops(setting)):
        engine, loop = ENGINES.get(name, ("threaded", "asyncio"))
        one = name == SEQUENTIAL
        yield Arm(
            name=name,
            parameters={**(alone if one else wide), "options": {"engine": engine, "loop": loop}},
            equal="sequential" if one else "wide",
            limit=_LIMIT,
            slowed=name == THREADED,
        )


def _loops(setting: Setting) -> list[str]:
    """Return the event loops to compare: uvloop only where it is installed."""
    packages = setting.interpreter.packages
    there = "uvloop" in packages if setting.interpreter.label else find_spec("uvloop")
    return [ASYNCIO, UVLOOP] if there else [ASYNCIO]


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


def _work(setting: Setting) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters of the sequential arm and of the others."""
    if setting.urls:
        found = read_list(setting.urls)
        urls = _taken(setting, polite=not found.loopback)
        wide = {"urls": urls, "in_flight": setting.width, "bare": found.loopback}
        return {**wide, "urls": urls[: _alone(setting)], "in_flight": 1}, wide
    wide = {"server": setting.server, "in_flight": setting.width, "pages": pages(setting)}
    return {**wide, "in_flight": 1, "pages": _alone(setting)}, wide


def _taken(setting: Setting, *, polite: bool) -> list[str]:
    """Return the first URLs of the list; only two of a host that politeness applies to."""
    most, taken = pages(setting), dict[str, int]()
    urls: list[str] = []
    for url in dict.fromkeys(filter(None, entries(setting.urls))):
        host = urlsplit(url).netloc
        taken[host] = taken.get(host, 0) + 1
        if not polite or taken[host] <= _A_HOST:
            urls.append(url)
        if len(urls) >= most:
            break
    if not urls:
        raise ConfigurationError(f"urls: {setting.urls} has no URL")
    return urls


@listed
def _contrasts(setting: Setting) -> Iterator[Contrast]:
    loops = _loops(setting)
    pairs = [(THREADED, loop) for loop in loops]
    pairs += [(ASYNCIO, UVLOOP)] if len(loops) > 1 else []
    for base, other, figure in (
        (SEQUENTIAL, THREADED, RATE),
        *((*pair, figure) for figure in (RATE, CPU_PAGE) for pair in pairs),
        (THREADED, ASYNCIO, RSS),
    ):
        yield Contrast(f"{other} against {base}: {figure.title}", base, other, figure)


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    yield Finding("what was crawled", "told", said(observed))
    if UVLOOP not in _loops(observed.setting):
        text = "uvloop is not installed and was left out"
        yield Finding("uvloop is compared, too", "told", text)


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
    size = (f"--pages={pages(setting)}", f"--page-bytes={_PAGE_BYTES}", f"--links={_LINKS}")
    return mock_web(setting, *size, f"--latency={setting.latency}")


EXPERIMENT = Experiment(
    name=NAME,
    question="Sequential, threads or asyncio, at the same width?",
    claim="Waiting overlaps with threads as with an event loop; they differ in what a page costs.",
    module="crawler.compare.experiments.crawl_work",
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
