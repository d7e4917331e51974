"""Comparisons made by arithmetic, for the tests of what is told about comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

from crawler.compare import catalogue, runner, statistics
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import (
    CPU,
    Arm,
    Bars,
    Chart,
    Contrast,
    Finding,
    Interpreter,
    Lines,
    Map,
    Series,
    Setting,
)
from crawler.compare.experiment import Experiment
from crawler.compare.judgement import Examined, bands_of
from crawler.compare.observation import InterpreterRuns, Observed, Run
from crawler.measure.machine import Machine

HERE = Interpreter(label="", path="/usr/bin/python3", version="3.11.2")
FREE = Interpreter(
    label="3.14t, lock off",
    path="/opt/python3.14t/bin/python",
    version="3.14.0",
    gil=False,
    environment={"PYTHON_GIL": "0"},
)
WORKERS = (1, 2, 4)
KINDS = ("threads", "processes")
LONG = "<b>a name & that</b> is long enough to be wrapped, " * 3


def setting(interpreter: Interpreter = HERE) -> Setting:
    return Setting(mode="quick", cores=(0, 1), interpreter=interpreter)


def machine(**changed: Any) -> Machine:
    fields: dict[str, Any] = {
        "system": "Linux-6.1-x86_64",
        "processor": "A Processor <of> 2.5 GHz",
        "cores": (0, 1),
        "memory": 8 << 30,
        "governor": "performance",
        "python": "CPython 3.11.2",
        "build": "--enable-optimizations --with-lto=auto",
        "gil": True,
        "switch_interval": 0.005,
        "gc_threshold": (700, 10, 10),
        "flags": {"sys.flags.optimize": "0", "sys.flags.dev_mode": "False"},
        "crawler": "0.6.0",
        "load_before": (0.1, 0.2, 0.3),
        "busy": 0.02,
    }
    return Machine(**fields | changed)


def runs(
    seconds: Mapping[str, float], rounds: int = 8, jitter: float = 0.01, seed: int = 0
) -> list[Run]:
    """Turns of arms that take so many seconds, more or less; round 0 is slower."""
    random, at, made = Random(seed), 0.0, []
    for number in range(rounds + 1):
        for arm in random.sample(sorted(seconds), len(seconds)):
            wall = seconds[arm] * (1.5 if number == 0 else 1 + random.gauss(0, jitter))
            made.append(run(arm, number, at, wall))
            at += made[-1].seconds
    return made


def run(arm: str, number: int, at: float, wall: float, **changed: Any) -> Run:
    reading = {
        "wall": wall,
        "user": wall * 0.9,
        "system": wall * 0.05,
        "children": 0.0,
        "rss": 31e6,
        "pss": 22e6,
        "voluntary": 12,
        "involuntary": 3,
        "collections": 2,
        "collecting": 0.0011,
        "longest_collection": 0.0007,
    }
    fields: dict[str, Any] = {
        "arm": arm,
        "round": number,
        "at": at,
        "seconds": wall + 0.2,
        "load": 0.5,
        "elsewhere": 0.02,
        "checksum": arm.split(maxsplit=1)[0] if arm[-1] in "AB" else "42",
        "reading": reading,
        "figures": {"lag": wall / 100},
        "notes": {"kind": arm, "steps": [1, 2]},
    }
    return Run(**fields | changed)


def noise(jitter: float = 0.01) -> tuple[Experiment, runner.Conducted]:
    """The real experiment `noise`, with turns that were never run."""
    experiment = catalogue.load("noise")
    arms = experiment.arms(setting())
    seconds = {"compute": 0.2, "wait": 0.15, "fetch": 0.4}
    made = runs({arm.name: seconds[arm.name.split()[0]] for arm in arms}, jitter=jitter)
    return experiment, conducted((HERE, arms, made))


def conducted(
    *parts: tuple[Interpreter, Sequence[Arm], Sequence[Run]], partial: bool = False
) -> runner.Conducted:
    found = [
        InterpreterRuns(setting=setting(who), arms=arms, runs=made) for who, arms, made in parts
    ]
    last = max((run.round for _, _, made in parts for run in made), default=0)
    return runner.Conducted(
        name="made-up", parts=tuple(found), rounds=last, seconds=12.5, partial=partial
    )


def _arms(_setting: Setting) -> Sequence[Arm]:
    return [Arm(name=f"{kind} {workers}") for workers in WORKERS for kind in KINDS]


def _contrasts(chosen: Setting) -> Sequence[Contrast]:
    threads = Contrast(
        claim=f"two threads are no faster than one {LONG}",
        base="threads 1",
        other="threads 2",
        expect="not faster",
    )
    processes = Contrast(
        claim="two processes are at least 1.7 times as fast as one",
        base="processes 1",
        other="processes 2",
        expect="faster",
        least=1.7,
    )
    void = Contrast(claim="it is not told", base="threads 4", other="processes 4", figure=CPU)
    return [threads, processes, void] if chosen.interpreter.gil else [processes]


def _checks(observed: Observed) -> Sequence[Finding]:
    code = "\n".join(f"{n:4} LOAD_FAST <counter> {'x' * 40 * n}" for n in range(1, 5))
    return [
        Finding(claim="the sum is <exact>", outcome="as predicted", text="4 of 4", detail=code),
        Finding(claim="told by the way", outcome="told", text=f"{len(observed.runs)} turns"),
    ]


def _charts(observed: Observed) -> Sequence[Chart]:
    walls = {
        kind: [(float(w), 1 / observed.median(f"{kind} {w}")) for w in WORKERS] for kind in KINDS
    }
    series = [
        Series(name=kind, points=points, spread=[(y * 0.9, y * 1.1) for _, y in points])
        for kind, points in walls.items()
    ]
    bars = {kind: [y for _, y in points] for kind, points in walls.items()}
    return [
        Lines(
            title="Speed-up <against> workers",
            note="The dashed line is what n cores could do & no more.",
            x="workers",
            y="how many times the speed of one thread that has it all to itself",
            series=series,
            ideal=Series(name="ideal", points=[(1.0, 1.0), (2.0, 2.0)]),
            log_x=True,
        ),
        Bars(
            title="Work a second",
            note="Longer is better.",
            x="units a second",
            groups=[f"{w} workers" for w in WORKERS],
            values={**bars, "missing": [math.nan] * len(WORKERS)},
        ),
        Bars(
            title="Wait",
            note="Shorter is better.",
            x="seconds",
            groups=[LONG, "a short one", "another one, not as short"],
            values={"wait": [0.0012, 0.3, 2.5]},
            unit="s",
            log=True,
        ),
        _map(),
    ]


def _map() -> Map:
    return Map(
        title="Where a pool pays",
        note="The winner's factor against work in the caller.",
        x="task length",
        y="payload",
        columns=["10 µs", "100 µs", "1 ms", "10 ms"],
        rows=["none", "10 KB", "1 MB"],
        kinds=["caller", "thread <pool>", "process pool"],
        cells=[
            [("caller", 12.3), (None, 1.01), ("process pool", 1.6), ("process pool", 1.9)],
            [("caller", 31.0), ("thread <pool>", 1.2), (None, 1.0), ("process pool", 1.8)],
            [("caller", 240.0), ("caller", 4.1), ("caller", 1.2), (None, math.nan)],
        ],
    )


def _never(*_: Any) -> None:
    raise NotImplementedError


work = _never

MADE_UP = Experiment(
    name="made-up",
    question="Do <threads> help?",
    claim="Threads do not compute in parallel & processes do.",
    module=__name__,
    arms=_arms,
    contrasts=_contrasts,
    checks=_checks,
    charts=_charts,
    conditions=("Pure Python, <no> waiting.",),
    not_shown=("That other work behaves alike.",),
)


def made_up(*, free: bool = True, partial: bool = False) -> runner.Conducted:
    """Threads gain nothing with the lock, processes 1.9 times; one arm fails in a turn."""
    arms = _arms(setting())
    seconds = {
        f"{kind} {workers}": 0.4 / (min(workers, 2) ** 0.93 if kind == "processes" else 1)
        for workers in WORKERS
        for kind in KINDS
    }
    here = runs(seconds, seed=1)
    failed = next(n for n, r in enumerate(here) if r.arm == "threads 4" and r.round == 3)
    here[failed] = Run(
        arm="threads 4",
        round=3,
        at=here[failed].at,
        seconds=0.3,
        load=0.5,
        elsewhere=0.0,
        failure="exit code 1: ValueError: <no>",
    )
    parts = [(HERE, arms, here)]
    if free:
        parts.append((FREE, arms, runs({k: v * 0.8 for k, v in seconds.items()}, seed=2)))
    return conducted(*parts, partial=partial)


def made_up_here() -> tuple[Experiment, runner.Conducted]:
    """The made-up experiment with one interpreter."""
    return MADE_UP, made_up(free=False)


def _judged_noise(jitter: float) -> Examined:
    return _noise_judged_by(jitter, statistics._RESAMPLES)


def _judged_made_up() -> Examined:
    return _made_up_judged_by(statistics._RESAMPLES)


# As in most results. Tests that make do with fewer samples have judgements of their own.
@cache
def _noise_judged_by(jitter: float, _samples: int) -> Examined:
    return Examined.of(*noise(jitter), bands_of([]))


@cache
def _made_up_judged_by(_samples: int) -> Examined:
    return Examined.of(MADE_UP, made_up(), bands_of([_judged_noise(0.01)]))


def result(
    *more: tuple[Experiment, runner.Conducted], jitter: float = 0.01, **changed: Any
) -> ComparisonResult:
    """`noise` and whatever else is given, judged."""
    examined = [_judged_noise(jitter)]
    for experiment, done in more:
        examined.append(Examined.of(experiment, done, bands_of(examined)))
    fields: dict[str, Any] = {
        "started": "2026-11-24T00:00:00.000Z",
        "seconds": 123.4,
        "partial": False,
        "asked": [each.experiment.name for each in examined],
        "config": CompareConfig(quick=True, sabotage="5%", python=("/opt/python3.14t",)),
        "machine": machine(),
        "examined": examined,
    }
    return ComparisonResult(**fields | changed)


def whole(**changed: Any) -> ComparisonResult:
    """`noise` and the made-up experiment with two interpreters."""
    examined = [_judged_noise(0.01), _judged_made_up()]
    asked = [each.experiment.name for each in examined]
    return result(**{"asked": asked, "examined": examined, **changed})
