"""`scale`: thousands of connections that wait, for an event loop or for a thread each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from crawler.compare.design import (
    Arm,
    Chart,
    Contrast,
    Expected,
    Finding,
    Lines,
    Series,
    Setting,
    lateness,
    memory,
)
from crawler.compare.executors import most_connections, most_threads
from crawler.compare.experiment import Experiment, listed

if TYPE_CHECKING:
    from crawler.compare.observation import Observed

MEMORY = memory("memory", "memory a connection")
WAKE = lateness("wake_p99", "wake-up p99")
ASYNCIO, UVLOOP, THREADS = _KINDS = "asyncio", "uvloop", "threads"
MANY = 1_000
_WHY_LATER = (
    "Few are woken at a time here, and the kernel wakes a thread straight away, on a core of its "
    "own if one is idle; a task is woken after the kernel has woken its loop, and by Python code"
)
_RATE = 2_000  # wake-ups a second, whatever the number of connections


def counts(setting: Setting, kind: str) -> Sequence[int]:
    """Return the numbers of connections to try in this mode."""
    full = (100, MANY, 2_000, 5_000, 10_000, 20_000)
    wanted: dict[str, Sequence[int]] = {
        ASYNCIO: setting.pick((100, MANY, 2_000, 5_000), (100, MANY, 2_000, 5_000, 10_000), full),
        UVLOOP: setting.pick((), (MANY, 10_000), full),
        THREADS: setting.pick((100, MANY, 2_000), (100, MANY, 2_000, 5_000), full),
    }
    return wanted[kind]


def possible(setting: Setting, kind: str) -> list[int]:
    """Return those of them that the limits of this system leave room for."""
    return [count for count in counts(setting, kind) if count <= _bound(kind)]


def _bound(kind: str) -> float:
    files = most_connections()
    return min(files, most_threads()) if kind == THREADS else files


def _name(kind: str, count: int) -> str:
    return f"{kind}, {count:,} waiting"


@listed
def _arms(setting: Setting) -> Iterator[Arm]:
    wake_ups = setting.pick(600, 2_000, 6_000)
    calls = {"wake_ups": wake_ups, "seconds": wake_ups / _RATE, "seed": setting.seed}
    for kind in _KINDS:
        for count in possible(setting, kind):
            parameters = {"kind": kind, "connections": count, **calls}
            slowed = (kind, count) == (THREADS, MANY)
            yield Arm(name=_name(kind, count), parameters=parameters, slowed=slowed)


@listed
def _contrasts(setting: Setting) -> Iterator[Contrast]:
    common = sorted({*possible(setting, ASYNCIO)} & {*possible(setting, THREADS)})
    pairs = [(count, _name(THREADS, count), _name(ASYNCIO, count)) for count in common]
    for count, thread, task in pairs:
        if count >= MANY:  # fewer may find room in what the process has already
            claim = f"{count:,} waiting tasks need less memory a connection than threads"
            yield Contrast(claim, thread, task, MEMORY, "faster")
    for count, thread, task in pairs:
        claim = f"with {count:,} waiting a task wakes up no later than a thread (p99)"
        expect: Expected = "not slower" if count == max(common) else ""
        yield Contrast(claim, thread, task, WAKE, expect, otherwise=_WHY_LATER)


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    """Yield what this system does not allow, then the greatest number of each that did wait."""
    setting = observed.setting
    for kind in _KINDS:
        if missing := sorted({*counts(setting, kind)} - {*possible(setting, kind)}):
            which = ", ".join(f"{count:,}" for count in missing)
            text = f"left out: {which}; the limits here allow {_bound(kind):,.0f} at most"
            yield Finding(f"{kind} with many connections", "told", text)
    for kind in _KINDS:
        names = {n: _name(kind, n) for n in possible(setting, kind)}
        good = [n for n, arm in names.items() if _sound(observed, arm, WAKE.name)]
        if good:
            text = f"{max(good):,}: {_sentence(observed, names[max(good)])}"
            yield Finding(f"the most that {kind} held", "told", text)


def _sound(observed: Observed, arm: str, figure: str) -> list[float]:
    return [] if observed.trouble(arm) else observed.values(arm, figure)


def _sentence(observed: Observed, name: str) -> str:
    memory, wake = observed.values(name, MEMORY.name), observed.median(name, WAKE.name)
    each = f"{median(memory) / 1e3:.1f} KB each, " if memory else ""
    connecting = observed.median(name, "connecting")
    return f"{each}set up in {connecting:.2f} s, woken within {wake * 1e3:.2f} ms (p99)"


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    own = "Of the process alone (PSS); what the kernel keeps of a socket is not in it."
    late = f"From sending to the waiter's next step, {_RATE:,} wake-ups a second."
    for figure, title, note in (
        (MEMORY, "Memory a waiting connection", own),
        (WAKE, "Wake-up, 99th percentile", late),
    ):
        series = [_series(observed, kind, figure.name) for kind in _KINDS]
        if known := [each for each in series if each.points]:
            yield Lines(
                title=title,
                note=note,
                x="connections",
                y=figure.title,
                series=known,
                log_x=True,
                log_y=True,
                unit=figure.unit,
            )


def _series(observed: Observed, kind: str, figure: str) -> Series:
    names = {count: _name(kind, count) for count in possible(observed.setting, kind)}
    found = {n: [v for v in _sound(observed, arm, figure) if v > 0] for n, arm in names.items()}
    return Series.over(kind, found)


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
