"""`scale`: thousands of connections that wait, for an event loop or for a thread each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from crawler.compare.bounds import most_connections, most_threads
from crawler.compare.design import (
    Arm,
    Chart,
    Contrast,
    Figure,
    Finding,
    Lines,
    Series,
    Setting,
    memory,
)
from crawler.compare.experiment import Experiment

if TYPE_CHECKING:
    from crawler.compare.observation import Observed

MEMORY = memory("memory", "memory a connection")
WAKE = Figure(
    name="wake_p99", title="wake-up p99", ratio="times as prompt", words=("prompter", "later")
)

ASYNCIO, UVLOOP, THREADS = "asyncio", "uvloop", "threads"
MANY = 1_000
_WHY_LATER = (
    "Few are woken at a time here, and the kernel wakes a thread straight away, on a core of its "
    "own if one is idle; a task is woken after the kernel has woken its loop, and by Python code"
)
_RATE = 2_000  # wake-ups a second, whatever the number of connections


def counts(setting: Setting, kind: str) -> list[int]:
    """Return the numbers of connections to try in this mode."""
    full = (100, MANY, 2_000, 5_000, 10_000, 20_000)
    wanted: dict[str, Sequence[int]] = {
        ASYNCIO: setting.pick((100, MANY, 2_000, 5_000), (100, MANY, 2_000, 5_000, 10_000), full),
        UVLOOP: setting.pick((), (MANY, 10_000), full),
        THREADS: setting.pick((100, MANY, 2_000), (100, MANY, 2_000, 5_000), full),
    }
    return list(wanted[kind])


def possible(setting: Setting, kind: str) -> list[int]:
    """Return those of them that the limits of this system leave room for."""
    return [count for count in counts(setting, kind) if count <= _bound(kind)]


def _bound(kind: str) -> float:
    files = most_connections()
    return min(files, most_threads()) if kind == THREADS else files


def _name(kind: str, count: int) -> str:
    return f"{kind}, {count:,} waiting"


def _arms(setting: Setting) -> Sequence[Arm]:
    wake_ups = setting.pick(600, 2_000, 6_000)
    return [
        Arm(
            name=_name(kind, count),
            parameters={
                "kind": kind,
                "connections": count,
                "wake_ups": wake_ups,
                "seconds": wake_ups / _RATE,
                "seed": setting.seed,
            },
            slowed=(kind, count) == (THREADS, MANY),
        )
        for kind in (ASYNCIO, UVLOOP, THREADS)
        for count in possible(setting, kind)
    ]


def _contrasts(setting: Setting) -> Sequence[Contrast]:
    common = sorted({*possible(setting, ASYNCIO)} & {*possible(setting, THREADS)})
    return list(_predicted(common)) if common else []


def _predicted(common: Sequence[int]) -> Iterator[Contrast]:
    for count in common:
        if count >= MANY:  # fewer may find room in what the process has already
            yield Contrast(
                claim=f"{count:,} waiting tasks need less memory a connection than threads",
                base=_name(THREADS, count),
                other=_name(ASYNCIO, count),
                figure=MEMORY,
                expect="faster",
            )
    for count in common:
        yield Contrast(
            claim=f"with {count:,} waiting a task wakes up no later than a thread (p99)",
            base=_name(THREADS, count),
            other=_name(ASYNCIO, count),
            figure=WAKE,
            expect="not slower" if count == max(common) else "",
            otherwise=_WHY_LATER,
        )


def _checks(observed: Observed) -> Sequence[Finding]:
    return [*_left_out(observed.setting), *_reached(observed)]


def _left_out(setting: Setting) -> Iterator[Finding]:
    """Yield what this system does not allow."""
    for kind in (ASYNCIO, UVLOOP, THREADS):
        missing = sorted({*counts(setting, kind)} - {*possible(setting, kind)})
        if missing:
            which = ", ".join(f"{count:,}" for count in missing)
            text = f"left out: {which}; the limits here allow {_bound(kind):,.0f} at most"
            yield Finding(claim=f"{kind} with many connections", outcome="told", text=text)


def _reached(observed: Observed) -> Iterator[Finding]:
    """Yield the greatest number of each that did wait."""
    for kind in (ASYNCIO, UVLOOP, THREADS):
        good = [n for n in possible(observed.setting, kind) if _good(observed, _name(kind, n))]
        if good:
            text = _sentence(observed, kind, max(good))
            yield Finding(claim=f"the most that {kind} held", outcome="told", text=text)


def _good(observed: Observed, name: str) -> bool:
    return bool(observed.values(name, WAKE.name)) and not observed.trouble(name)


def _sentence(observed: Observed, kind: str, count: int) -> str:
    name = _name(kind, count)
    memory, wake = observed.values(name, MEMORY.name), observed.median(name, WAKE.name)
    each = f"{median(memory) / 1e3:.1f} KB each, " if memory else ""
    connecting = observed.median(name, "connecting")
    return f"{count:,}: {each}set up in {connecting:.2f} s, woken within {wake * 1e3:.2f} ms (p99)"


def _charts(observed: Observed) -> Sequence[Chart]:
    found = [
        _lines(
            observed,
            MEMORY,
            "Memory a waiting connection",
            "Of the process alone (PSS); what the kernel keeps of a socket is not in it.",
        ),
        _lines(
            observed,
            WAKE,
            "Wake-up, 99th percentile",
            f"From sending to the waiter's next step, {_RATE:,} wake-ups a second.",
        ),
    ]
    return [chart for chart in found if chart.series]


def _lines(observed: Observed, figure: Figure, title: str, note: str) -> Lines:
    series = [_series(observed, kind, figure) for kind in (ASYNCIO, UVLOOP, THREADS)]
    return Lines(
        title=title,
        note=note,
        x="connections",
        y=figure.title,
        series=[each for each in series if each.points],
        log_x=True,
        log_y=True,
        unit=figure.unit,
    )


def _series(observed: Observed, kind: str, figure: Figure) -> Series:
    found = [
        (float(count), values)
        for count in possible(observed.setting, kind)
        if not observed.trouble(_name(kind, count))
        and (values := [v for v in observed.values(_name(kind, count), figure.name) if v > 0])
    ]
    return Series(
        name=kind,
        points=[(count, median(values)) for count, values in found],
        spread=[(min(values), max(values)) for _, values in found],
    )


EXPERIMENT = Experiment(
    name="scale",
    question="What does a connection cost that only waits?",
    claim="A waiting connection is cheaper as a task of an event loop than as a thread.",
    module="crawler.compare.experiments.scale_work",
    arms=_arms,
    contrasts=_contrasts,
    checks=_checks,
    charts=_charts,
    noise="wait",
    conditions=(
        (
            "Connections are TCP on loopback to a process of its own, made one after the other in "
            "the same way for all. A task waits in a stream of asyncio, a thread in recv."
        ),
        (
            f"{_RATE:,} wake-ups a second whatever the number of connections, each to one that is "
            "drawn; it carries the time at which it was sent."
        ),
        (
            "A thread's recv ends when the kernel runs the thread; a task goes on after the loop's "
            "select, its read and two turns of the loop."
        ),
        (
            "Memory is the growth of the process's own share (PSS) until all wait, divided by "
            "their number; a thread has the stack size that the system gives it, of which only "
            "what is touched counts."
        ),
    ),
    not_shown=(
        "What the kernel keeps of a socket and of a thread, and the address space of stacks.",
        "What TLS and HTTP add to each connection, which is more than the wait itself.",
        "Connections that all have something to do at once: that is `io` and `crawl`.",
    ),
    shown=(MEMORY, WAKE),
)
