"""`convoy`: what a thread that waits for the network suffers from threads that compute.

When its answer is there it wants the lock back. Who computes gives it up only when somebody has
asked for a switch interval, and then another of those that compute may get it. So the delay of each
waking grows with the interval and with their number, while the processor is free to run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from typing import NamedTuple

from crawler.compare.design import (
    Arm,
    Chart,
    Contrast,
    Figure,
    Finding,
    Lines,
    Series,
    Setting,
    lateness,
)
from crawler.compare.experiment import Experiment, listed
from crawler.compare.observation import Observed
from crawler.measure.gil import USUAL
from crawler.measure.quantity import number

P50 = lateness("p50", "wake-up p50")
P99 = lateness("p99", "wake-up p99")
UNITS = Figure("units", "computed/s", "1/s", True, "times as much computed", ("more", "less"))
ALONE = "alone"
_SHORT, _LONG = 0.0005, 0.020  # seconds, beside the usual 0.005


class Beside(NamedTuple):
    """The workers that compute next to the waking thread."""

    kind: str
    workers: int
    interval: float = USUAL

    @property
    def name(self) -> str:
        """`4 threads, 0.5 ms`; the usual interval is not named."""
        if not self.workers:
            return ALONE
        one = {"processes": "process", "threads": "thread"}[self.kind]
        who = f"{self.workers} {self.kind if self.workers > 1 else one}"
        return who if self.interval == USUAL else f"{who}, {self.interval * 1e3:g} ms"


def _intervals(setting: Setting) -> Sequence[float]:
    """Return the intervals to try; without the lock a long one shows that it does not matter."""
    if not setting.interpreter.gil:
        return (USUAL, _LONG)
    few = (_SHORT, USUAL, _LONG)
    return tuple(setting.pick(few, sorted({*few, 0.0001, 0.001, 0.05})))


def _numbers(setting: Setting) -> list[int]:
    n = len(setting.cores)
    return sorted({1, n, 2 * n})


@listed
def _arms(setting: Setting) -> Iterator[Arm]:
    """Yield the arms; none claims equal work, as each does what it can in the same time."""
    numbers = _numbers(setting)
    swept = [Beside("threads", k, i) for k in (1, numbers[-1]) for i in _intervals(setting)]
    between = [Beside("threads", k) for k in numbers[1:-1]]
    processes = [Beside("processes", k) for k in sorted({1, len(setting.cores)})]
    seconds = setting.pick(0.3, 1.0, 3.0)
    for each in (Beside("threads", 0), *swept, *between, *processes):
        yield Arm(name=each.name, parameters={**each._asdict(), "seconds": seconds}, equal="")


@listed
def _contrasts(setting: Setting) -> Iterator[Contrast]:
    one = Beside("threads", 1)
    if not setting.interpreter.gil:
        several = Beside("threads", len(setting.cores))
        if several != one:
            claim = f"without the lock {several.name} compute more beside it than one"
            yield Contrast(claim, one.name, several.name, UNITS, "faster")
        return
    claim = "alone it wakes at least five times as promptly as beside one thread that computes"
    yield Contrast(claim, one.name, ALONE, P99, "faster", 5.0)
    yield from _locked(setting, one, Beside("threads", _numbers(setting)[-1]))
    for usual in (one, Beside("threads", _numbers(setting)[-1])):
        # Unpredicted: a switch takes microseconds.
        do = "computes" if usual == one else "compute"
        claim = f"what {usual.name} {do} with a tenth of the interval"
        yield Contrast(claim, usual.name, usual._replace(interval=_SHORT).name, UNITS)


def _locked(setting: Setting, one: Beside, many: Beside) -> Iterator[Contrast]:
    short, long = one._replace(interval=_SHORT), one._replace(interval=_LONG)
    planned = [
        (one, short, 2.0, "with a tenth of the interval it wakes twice as promptly"),
        (long, one, 2.0, "with four times the interval it wakes half as promptly"),
        (many, one, 0.0, f"beside {many.name} it wakes less promptly than beside one"),
    ]
    if len(setting.cores) > 1:
        claim = "beside a process that computes it wakes five times as promptly as beside a thread"
        planned.append((one, Beside("processes", 1), 5.0, claim))
    for base, other, least, claim in planned:
        yield Contrast(claim, base.name, other.name, P50, "faster", least)


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    """Yield the findings that nobody waits for a switch interval where nobody has the lock."""
    if len(observed.setting.cores) < 2:
        text = "not predicted: there is one core, and it has to be given up as well"
        yield Finding("beside a process it wakes as promptly as alone", "told", text)
        return
    free = [Beside("processes", 1)]
    if not observed.interpreter.gil:
        free += [Beside("threads", 1), Beside("threads", 1, _LONG)]
    for arm in (each.name for each in free):
        value, alone = observed.median(arm, "p99"), observed.median(ALONE, "p99")
        if isnan(value + alone) or observed.trouble(arm):
            continue
        claim = f"beside {arm} 99 % of its wakings are late by less than a switch interval"
        text = f"99 % are late by less than {_ms(value)}; alone by {_ms(alone)}"
        if alone >= USUAL:
            yield Finding(claim, "undecided", text)
        else:
            yield Finding.of(claim, value < USUAL, text)


def _ms(seconds: float) -> str:
    return f"{number(seconds * 1e3)} ms"


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    intervals = [interval * 1e3 for interval in _intervals(observed.setting)]
    if swept := _swept(observed, "p99", 1e3):
        # One process is a level line, as it has no interval.
        process = observed.median("1 process", "p99") * 1e3
        level = _series("1 process", [(intervals[0], process), (intervals[-1], process)])
        yield Lines(
            title="Delay of a waking against the switch interval",
            note="99 % are shorter; medians of the turns. A process has a lock of its own.",
            x="switch interval, ms",
            y="delay, ms",
            series=[*swept, *level],
            ideal=Series("the interval itself", [(i, i) for i in intervals]),
            log_x=True,
            log_y=True,
            unit="ms",
        )
    if crowd := _crowd(observed):
        yield Lines(
            title="Delay of a waking against those that compute beside it",
            note=f"With the usual switch interval of {USUAL * 1e3:g} ms.",
            x="threads or processes that compute",
            y="delay, ms",
            series=crowd,
            log_y=True,
            unit="ms",
        )
    if computed := _swept(observed, "units", 1.0):
        yield Lines(
            title="Computed beside it, against the switch interval",
            note="Units of some 10 us of pure Python; what a shorter interval costs.",
            x="switch interval, ms",
            y="units/s",
            series=computed,
            log_x=True,
            unit="1/s",
        )


def _series(name: str, points: Sequence[tuple[float, float]]) -> list[Series]:
    """Return the line of the points that were measured; none without any."""
    known = [(x, y) for x, y in points if not isnan(y)]
    return [Series(name, known)] if known else []


@listed
def _swept(observed: Observed, figure: str, scale: float) -> Iterator[Series]:
    """Yield a series by switch interval, for one thread and for two a core."""
    for workers in (1, _numbers(observed.setting)[-1]):
        arms = [Beside("threads", workers, i) for i in _intervals(observed.setting)]
        values = [(arm.interval * 1e3, observed.median(arm.name, figure) * scale) for arm in arms]
        yield from _series(Beside("threads", workers).name, values)


@listed
def _crowd(observed: Observed) -> Iterator[Series]:
    """Yield a series by number of computing workers, with the usual interval."""
    for kind, figure, shown in (
        ("threads", "p50", "threads, middle"),
        ("threads", "p99", "threads, 99 %"),
        ("processes", "p99", "processes, 99 %"),
    ):
        arms = [Beside(kind, workers) for workers in (0, *_numbers(observed.setting))]
        values = [(float(a.workers), observed.median(a.name, figure) * 1e3) for a in arms]
        yield from _series(shown, values)


EXPERIMENT = Experiment(
    name="convoy",
    question="What does a thread that waits suffer from threads that compute?",
    claim="Under the lock it waits for about a switch interval each time it wakes, and longer the "
    "more threads compute; beside a process, or without the lock, it does not.",
    module="crawler.compare.experiments.convoy_work",
    arms=_arms,
    contrasts=_contrasts,
    checks=_checks,
    charts=_charts,
    noise="wait",
    conditions=(
        "The thread sleeps for 1 ms, again and again; its delay is how much later it runs again.",
        "A sleep stands for a socket: both give the lock up, wait, and want it back.",
        "Who computes does so in pure Python, all the time, and is there before the watch starts.",
        "Where few wakings fit the time, the 99th percentile is the longest of them.",
    ),
    not_shown=(
        "C code that holds the lock: no interval ends that; gil-release shows it.",
        "A request that needs several calls: each of them waits for the lock once more.",
        "What a shorter interval costs where caches are large: here next to nothing is in them.",
    ),
    shown=(P50, P99, UNITS),
)
