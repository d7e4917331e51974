"""`io`: what waiting for a server costs, one after the other and with many in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from crawler.compare.design import (
    PSS,
    Arm,
    Chart,
    Contrast,
    Done,
    Expected,
    Figure,
    Finding,
    Lines,
    Parameters,
    Series,
    Setting,
    Watch,
    cpu_time,
    rate,
)
from crawler.compare.executors import most_connections, most_threads
from crawler.compare.experiment import Experiment, listed
from crawler.compare.web import mock_web

if TYPE_CHECKING:
    from crawler.compare.bare_client import Fetched
    from crawler.compare.observation import Observed
    from crawler.model.choices import Loop

RATE = rate("fetches/s")
CPU_FETCH = cpu_time("cpu_per_fetch", "CPU a fetch")
START_UP = Figure("start_up", "start-up")

LATENCY = 0.025  # seconds
MANY = 64
SEQUENTIAL = "sequential"
_LEAST_TIMES = 20.0
_WHY_LESS = (
    f"Waiting alone would allow {MANY} times as many; the rest is the CPU time of a fetch, which "
    "takes longer with a slower interpreter, or on cores that others use, too"
)
_SPLIT = 256  # in flight, from which on processes are tried, too: one loop has enough to do
_A_SLOT = 12  # fetches, so that what a slot starts with hardly counts
_ALONE = 40  # fetches one after the other
_PAGES = 1_000
_KINDS = ("threads", "asyncio", "uvloop")
BARE_THREADS, BARE_ASYNCIO = "bare threads", "bare asyncio"
_BARE = (BARE_THREADS, BARE_ASYNCIO)
_LARGE = 256  # in flight, from which on a loop should be ahead of threads


def work(parameters: Parameters, watch: Watch) -> Done:
    """Fetch a number of pages with a number in flight, when each slot has fetched one before."""
    from crawler.compare import fetching

    split = parameters["kind"] == "processes"
    found = _split(parameters, watch) if split else _fetched(parameters, watch)
    digests: Sequence[str] = found.notes["digests"]
    figures = dict(found.figures)
    if watch.wall:
        figures |= {"rate": len(digests) / watch.wall, "cpu_per_fetch": watch.cpu / len(digests)}
    return Done(checksum=fetching.combined(digests), errors=found.errors, figures=figures)


def share(parameters: Parameters, watch: Watch) -> Done:
    """Fetch one process's share of the pages, on an event loop."""
    return _fetched({**parameters, "kind": "uvloop"}, watch)


def _fetched(parameters: Parameters, watch: Watch) -> Done:
    from crawler.compare import fetching
    from crawler.runtime.files import allow_connections

    in_flight, server = parameters["in_flight"], parameters["server"]
    first, step = parameters.get("first", 0), parameters.get("step", 1)
    numbers = range(first, parameters["fetches"], step)
    urls = [f"{server}/page/{number % parameters['pages']}" for number in numbers]
    allow_connections(in_flight)
    bodies, start_up = _fetch(parameters["kind"], urls, in_flight, watch)
    errors = sum(each is None for each in bodies)
    figures = {"start_up": start_up}
    return Done(errors=errors, figures=figures, notes={"digests": fetching.digests(bodies)})


def _fetch(kind: str, urls: Sequence[str], in_flight: int, watch: Watch) -> Fetched:
    from crawler.compare import bare_client, fetching
    from crawler.runtime.event_loop import chosen_loop, loop_factory

    if kind in ("threads", SEQUENTIAL):
        return fetching.steady_threaded(urls, in_flight, watch)
    if kind == BARE_THREADS:
        return bare_client.by_threads(urls, in_flight, watch)
    loop: Loop = "uvloop" if kind == "uvloop" else "asyncio"
    if chosen_loop(loop) != loop:
        raise RuntimeError(f"{loop} is not installed")
    by_loop = bare_client.by_loop if kind == BARE_ASYNCIO else fetching.steady_async
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        return runner.run(by_loop(urls, in_flight, watch))


def _split(parameters: Parameters, watch: Watch) -> Done:
    """Fetch all shares, each with its part of what is in flight; restore the order of pages."""
    from crawler.compare.members import together

    count = parameters["processes"]
    each = {**parameters, "step": count, "in_flight": parameters["in_flight"] // count}
    shares = [{**each, "first": number} for number in range(count)]
    done = together(f"{__name__}:{share.__name__}", shares, watch)
    digests = [""] * sum(len(part.notes["digests"]) for part in done)
    for number, part in enumerate(done):
        digests[number::count] = part.notes["digests"]
    start_up = max(part.figures["start_up"] for part in done)
    errors = sum(part.errors for part in done)
    return Done(errors=errors, figures={"start_up": start_up}, notes={"digests": digests})


class _Point(NamedTuple):
    """The work of an arm: `fetches` is the same for all that are compared with it."""

    kind: str
    in_flight: int
    fetches: int

    @property
    def name(self) -> str:
        return SEQUENTIAL if self.kind == SEQUENTIAL else f"{self.kind}, {self.in_flight} in flight"


@listed
def points(setting: Setting) -> Iterator[_Point]:
    """Yield all points that the limits of this system leave room for."""
    yield _Point(SEQUENTIAL, 1, _ALONE)
    for in_flight in _widths(setting):
        for kind in _tried(setting, in_flight):
            if _possible(kind, in_flight):  # twelve a slot, of 64 slots at least
                yield _Point(kind, in_flight, _A_SLOT * max(in_flight, MANY))


def _widths(setting: Setting) -> Sequence[int]:
    widths: Sequence[int] = setting.pick(
        (MANY, 256), (16, MANY, 256, 512), (4, 16, MANY, 256, 512, 1_024, 2_000)
    )
    return widths


def _tried(setting: Setting, in_flight: int) -> Sequence[str]:
    """Return the kinds to try; quick leaves out what takes longest and tells least."""
    bare = _BARE if in_flight in (MANY, _LARGE) else ()
    if setting.mode == "quick" and in_flight > MANY:
        return ("threads", "asyncio", *bare)
    return (*_KINDS, *bare, *(["processes"] if in_flight >= _SPLIT else []))


def _possible(kind: str, in_flight: int) -> bool:
    bound = min(most_connections(), most_threads() if "threads" in kind else most_connections())
    return in_flight <= bound


@listed
def _arms(setting: Setting) -> Iterator[Arm]:
    most = max(2, len(setting.cores))
    split = max(count for count in (2, 4, 8) if count <= most)  # so that each has as many in flight
    for point in points(setting):
        kind, in_flight, fetches = point
        parameters = {
            "kind": kind,
            "server": setting.server,
            "in_flight": in_flight,
            "fetches": fetches,
            "pages": _PAGES,
            **({"processes": split} if kind == "processes" else {}),
        }
        slowed = kind == "threads" and in_flight == MANY
        equal = f"{fetches} fetches"
        yield Arm(name=point.name, parameters=parameters, equal=equal, slowed=slowed)


@listed
def _contrasts(setting: Setting) -> Iterator[Contrast]:
    names = {(point.kind, point.in_flight): point.name for point in points(setting)}
    for kind in _KINDS:
        claim = f"{kind} with {MANY} in flight: 20 times as many fetches as one after the other"
        other = names[kind, MANY]
        yield Contrast(claim, SEQUENTIAL, other, RATE, "faster", _LEAST_TIMES, _WHY_LESS)
    expect: Expected = "not slower" if setting.interpreter.gil else ""
    for n in sorted({n for kind, n in names if kind == "threads" and n >= _LARGE}):
        claim = f"asyncio is not slower than threads with {n:,} in flight"
        yield Contrast(claim, names["threads", n], names["asyncio", n], RATE, expect)
    # The same client on both sides: what is left is threads against a loop.
    for n in (MANY, _LARGE):
        for figure in (RATE, CPU_FETCH):
            if (BARE_THREADS, n) in names:
                claim = "the same client without a library on asyncio and in threads"
                claim += f", {n} in flight: {figure.title}"
                yield Contrast(claim, names[BARE_THREADS, n], names[BARE_ASYNCIO, n], figure)
        if ("threads", n) in names:
            claim = f"aiohttp on asyncio against urllib3 in threads, {n} in flight"
            claim += f": {CPU_FETCH.title}"
            yield Contrast(claim, names["threads", n], names["asyncio", n], CPU_FETCH)
    for kind, against in (("uvloop", "asyncio"), ("processes", "uvloop")):
        if (kind, 512) in names:
            claim = f"{kind} against {against} with 512 in flight"
            yield Contrast(claim, names[against, 512], names[kind, 512], RATE)


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    """Yield what could not be run here."""
    wanted = [width for width in _widths(observed.setting) if width >= _LARGE]
    left_out = [f"{kind} at {n:,}" for n in wanted for kind in _KINDS if not _possible(kind, n)]
    if left_out:
        text = f"left out, as this system's limits forbid it: {', '.join(left_out)}"
        yield Finding(f"up to {max(wanted):,} in flight", "told", text)


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    arms = [arm for arm in observed.arms if not observed.trouble(arm.name)]
    lines = [_series(observed, kind, arms) for kind in (*_KINDS, *_BARE, "processes")]
    if series := [each for each in lines if each.points]:
        most = max(x for each in series for x, _ in each.points)
        yield Lines(
            title="Fetches a second by the number in flight",
            note=(
                "Dashed: what waiting alone would allow, the number in flight divided by the "
                "server's latency (Little's law). Where a line leaves it, something computes."
            ),
            x="in flight",
            y="fetches a second",
            series=series,
            ideal=Series("waiting alone", [(n, n / LATENCY) for n in (1.0, max(most, 2.0))]),
            log_x=True,
            log_y=True,
            unit="/s",
        )


def _series(observed: Observed, kind: str, arms: Sequence[Arm]) -> Series:
    """Return one kind's rates; one thread is the same as one after the other."""
    kinds = (kind, SEQUENTIAL) if kind == "threads" else (kind,)
    rates = {
        arm.parameters["in_flight"]: observed.values(arm.name, "rate")
        for arm in arms
        if arm.parameters["kind"] in kinds
    }
    return Series.over(kind, rates)


def _stage(setting: Setting) -> AbstractContextManager[str]:
    words = (f"--pages={_PAGES}", "--page-bytes=2048", "--links=5", f"--latency={LATENCY}")
    return mock_web(setting, *words)


EXPERIMENT = Experiment(
    name="io",
    question="Who waits best for a network?",
    claim="Waiting for a server needs no second core: threads and event loops both overlap it.",
    module=__name__,
    arms=_arms,
    contrasts=_contrasts,
    checks=_checks,
    charts=_charts,
    stage=_stage,
    noise="fetch",
    conditions=(
        (
            f"Pages of 2 KB from the mock web, which answers each after {LATENCY * 1e3:g} ms; it "
            "has the last core and shares it with what is measured."
        ),
        (
            "One after the other and threads are urllib3, event loops are aiohttp, as this "
            "project uses both; the bare arms are one client without a library, the same code over "
            "a blocking socket and over a stream. A kept connection a slot."
        ),
        (
            "Start-up is the time until each slot has a connection and a first page; it is told "
            "apart and not in the rates. Each process of several has an event loop of uvloop."
        ),
        (
            f"{_A_SLOT} fetches a slot after the first, as for {MANY} slots where there are fewer; "
            f"{_ALONE} one after the other."
        ),
    ),
    not_shown=(
        "Latencies that vary, lost packets, names that must be looked up, TLS.",
        "More than what one core can serve: where the lines flatten, the server may be the reason.",
    ),
    shown=(RATE, CPU_FETCH, START_UP, PSS),
)
