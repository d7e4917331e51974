"""The arms of `crawl`: engine, loop, parser, number of processes, and source of the URLs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from crawler.compare.design import Arm, Setting
from crawler.compare.experiment import listed
from crawler.model.errors import ConfigurationError

UVLOOP, ASYNCIO, THREADED = "async uvloop", "async asyncio", "threaded"
RAW = "async uvloop, raw client"
ENGINES = {
    UVLOOP: ("async", "uvloop"),
    ASYNCIO: ("async", "asyncio"),
    THREADED: ("threaded", "uvloop"),
    RAW: ("async", "uvloop"),
}
"""Engine and loop, as a crawl's options have them; threads have no loop."""

_CLIENTS = {RAW: "raw"}
"""The arms' HTTP clients, where they are not the engine's default."""

SPLIT = (UVLOOP, THREADED)
"""The engines that are split over processes, too."""

PAGE_BYTES = 36_864  # so that the mock web keeps those of a quick comparison in its cache
LINKS = 100
_EXECUTORS = ("inline", "thread", "process", "interpreter")
_IN_FLIGHT = 64
_LEAST_IN_FLIGHT = 8  # in each process
_MOST_PROCESSES = 8  # the server has one core; more would wait for it
_LIMIT = 120.0


class ListedUrls(NamedTuple):
    """A list of the user's: how many URLs, and whether all of them are on loopback."""

    urls: int
    loopback: bool


def processes(setting: Setting) -> int:
    """Return the number of processes of a split crawl: one a core, from 2 to 8."""
    return min(max(2, len(setting.cores)), _MOST_PROCESSES)


def in_flight(setting: Setting) -> int:
    """Return the requests in flight, the same for all arms: a multiple of the processes."""
    count = processes(setting)
    return count * max(_LEAST_IN_FLIGHT, _IN_FLIGHT // count)


def name_of(engine: str, executor: str) -> str:
    """Return the name of an arm in one process."""
    return f"{engine}, {executor}"


def split_name(engine: str, setting: Setting) -> str:
    """Return the name of an arm that is split."""
    return f"{engine}, inline, {processes(setting)} processes"


def executors(setting: Setting) -> Sequence[str]:
    """Return the executors that may parse with this interpreter."""
    interpreter = setting.interpreter
    loads = interpreter.interpreters and not interpreter.parser_refusal
    return _EXECUTORS if loads else _EXECUTORS[:-1]


@listed
def arms(setting: Setting) -> Iterator[Arm]:
    """Yield all arms: on the user's list, or on the mock web."""
    if setting.urls:
        yield from _list_arms(setting)
        return
    count = processes(setting)
    whose = {e: executors(setting) for e in ENGINES} | {RAW: ("inline",)}
    planned = [(name_of(e, who), e, who, 1) for e in ENGINES for who in whose[e]]
    planned += [(split_name(e, setting), e, "inline", count) for e in SPLIT]
    for name, engine, executor, several in planned:
        parameters = {
            **_sizes(setting),
            "server": setting.server,
            "in_flight": in_flight(setting),
            "processes": several,
            "options": _options(setting, engine, executor),
        }
        yield Arm(name=name, parameters=parameters, limit=_LIMIT)


def served(setting: Setting) -> int:
    """Return the number of pages that the mock web needs."""
    sizes = _sizes(setting)
    return sizes["pages"] + 2 * sizes["warm_up"]


def read_list(path: str) -> ListedUrls:
    """Return the contents of a list. Raises what reading it for a crawl raises."""
    if path == "-":
        raise ConfigurationError("urls: every turn reads the list, and standard input has it once")
    hosts = [urlsplit(url).hostname or "" for url in entries(path)]
    if not hosts:
        raise ConfigurationError(f"urls: {path} has no URL")
    return ListedUrls(len(hosts), all(map(_loopback, set(hosts))))


def entries(path: str) -> Iterator[str]:
    """Yield the URL of each entry of a list; "" for an invalid one."""
    from crawler.model.command_config import CommandConfig
    from crawler.model.url import Url
    from crawler.store.sources import UrlSource

    with closing(UrlSource([], [path], CommandConfig())) as source:
        while seeds := source.read(10_000):
            for seed in seeds:
                yield seed.url.href if isinstance(seed.url, Url) else ""


def _sizes(setting: Setting) -> dict[str, int]:
    """Return the pages to measure, and to warm up with, twice; all processes together."""
    return {"pages": setting.pick(700, 2_000, 10_000), "warm_up": in_flight(setting)}


def _options(setting: Setting, engine: str, executor: str) -> dict[str, Any]:
    kind, loop = ENGINES[engine]
    workers = max(1, len(setting.cores))
    options = {"engine": kind, "loop": loop, "parse": executor, "parse_workers": workers}
    options |= {"client": _CLIENTS[engine]} if engine in _CLIENTS else {}
    return options | ({"text": True} if setting.text else {})


def _list_arms(setting: Setting) -> Iterator[Arm]:
    found = read_list(setting.urls)
    for engine in ENGINES:
        parameters = {
            "list": setting.urls,
            "urls": found.urls,
            "bare": found.loopback,
            "in_flight": in_flight(setting),
            "options": _options(setting, engine, "auto"),
        }
        limit = 10 * _LIMIT + found.urls  # a polite crawl of one host makes 4 a second
        yield Arm(name=name_of(engine, "auto"), parameters=parameters, limit=limit)


def _loopback(host: str) -> bool:
    if host in ("", "localhost"):  # an invalid URL is never asked for
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
