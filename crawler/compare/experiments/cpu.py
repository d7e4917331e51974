"""`cpu`: pure Python, a fixed amount of it, split over more and more workers of each kind.

One after the other is one thread of a pool, and not the main thread: where a thread's memory lies
is enough for some percent either way (Mytkowicz et al., Producing Wrong Data Without Doing Anything
Obviously Wrong!, 2009), and this way it is the same on both sides.
"""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from math import isnan, lcm
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crawler.compare.design import (
    CPU,
    PSS,
    WALL,
    Arm,
    Bars,
    Chart,
    Contrast,
    Done,
    Finding,
    Lines,
    Parameters,
    Series,
    Setting,
    Watch,
)
from crawler.compare.experiment import Experiment
from crawler.compare.observation import Observed
from crawler.compare.statistics import quotient
from crawler.measure.quantity import number

BASE = "1 thread"
_SHARE = 0.85  # of the ideal speed-up: 1.7 times on two cores
_MOST = 4  # cores that are counted on; more may share caches, heat and hyper-threads
_MORE_CPU = 1.25  # times the CPU time: caches are shared, and so are the parts of a core
_WHY_LESS = (
    "The CPU seconds below tell whether the same work took more of them when others computed, too: "
    "then the cores are parts of one, or neighbours on the same machine want them"
)
_WARM = 20_000  # turns of a worker before it counts: some milliseconds
_SHARED = "shared"
_NUMBERS = ("16807", "2147483647")


def compute(starts: Sequence[int], turns: int) -> int:
    """Run `turns` steps of a random number generator (Park and Miller) from each start.

    The sum of their ends does not depend on who did which. Each call makes its own numbers: without
    the lock, threads that count references to the same ones wait for each other (see `shared`).
    """
    factor, modulus = map(int, _NUMBERS)
    found = 0
    for state in starts:
        for _ in range(turns):
            state = state * factor % modulus
        found += state
    return found


def shared(starts: Sequence[int], turns: int) -> int:
    """Compute the same with numbers of the code, which are one object for all threads.

    3.13t counts references to them like to any object (3.13.15: `sys.getrefcount` of them is 4).
    """
    found = 0
    for state in starts:
        for _ in range(turns):
            state = state * 16_807 % 2_147_483_647
        found += state
    return found


def work(parameters: Parameters, watch: Watch) -> Done:
    """Compute all chunks, by one or by several workers that are there already."""
    chunks, workers = parameters["chunks"], parameters["workers"]
    turns = parameters["turns"] // chunks
    shares = [range(1 + first, 1 + chunks, workers) for first in range(workers)]
    run = shared if parameters.get(_SHARED) else compute
    with _pool(parameters["kind"], workers) as pool:
        gather(pool, workers)
        with watch:
            ends = list(pool.map(run, shares, [turns] * workers))
    return Done(checksum=f"{sum(ends):x}")


def _pool(kind: str, workers: int) -> Executor:
    match kind:
        case "threads":
            return ThreadPoolExecutor(workers)
        case "processes":
            return ProcessPoolExecutor(workers, mp_context=get_context("forkserver"))
        case _:
            futures: Any = concurrent.futures
            pool: Executor = futures.InterpreterPoolExecutor(workers)
            return pool


def gather(pool: Executor, workers: int) -> None:
    """Wait until each worker of a new pool has started, imported this, and computed a little.

    They meet at two named pipes, as those are the same for threads, processes and interpreters: a
    worker that waits there is not idle, so that the pool starts another for the next task.
    """
    with TemporaryDirectory(prefix="crawler-compare-") as folder:
        here, go = str(Path(folder) / "here"), str(Path(folder) / "go")
        ends = [_pipe(here), _pipe(go)]
        try:
            arrivals = [pool.submit(arrive, here, go) for _ in range(workers)]
            for _ in range(workers):
                os.read(ends[0], 1)
            os.write(ends[1], b"." * workers)
            for arrival in arrivals:
                arrival.result()
        finally:
            for end in ends:
                os.close(end)


def arrive(here: str, go: str) -> None:
    """Say that a worker is here, and wait for the others."""
    compute([1], _WARM)
    with open(here, "wb", buffering=0) as arrivals:
        arrivals.write(b".")
    with open(go, "rb", buffering=0) as gate:
        gate.read(1)


def _pipe(path: str) -> int:
    """Make a pipe and open it both ways, so that nobody's opening waits for another's."""
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR)


def widths(setting: Setting) -> list[int]:
    """Return the numbers of workers: 1, all cores, twice as many; in longer runs some between.

    On up to two cores a longer run tries each number.
    """
    n = len(setting.cores)
    between = range(1, 2 * n) if n <= 2 else [2**p for p in range(1, n.bit_length() + 1)]
    few = {1, n, 2 * n} if n > 1 else {1, 2}
    return sorted(few | {w for w in setting.pick((), between) if w <= 2 * n})


def _kinds(setting: Setting) -> list[str]:
    more = ["interpreters"] if setting.interpreter.interpreters else []
    return ["threads", "processes", *more]


def _parallel(setting: Setting) -> list[str]:
    """Return the kinds that compute at the same time: threads only without the lock."""
    locked = {"threads"} if setting.interpreter.gil else set()
    return [kind for kind in _kinds(setting) if kind not in locked]


def named(kind: str, workers: int) -> str:
    """Return a name such as `2 threads` or `1 process`."""
    one = {"processes": "process"}.get(kind, kind.removesuffix("s"))
    return f"{workers} {kind if workers > 1 else one}"


def _arms(setting: Setting) -> Sequence[Arm]:
    tried = widths(setting)
    amount = {
        "turns": setting.pick(8_000_000, 24_000_000, 80_000_000),
        "chunks": lcm(*tried),
    }
    found = [
        Arm(
            name=named(kind, workers),
            parameters={"kind": kind, "workers": workers, **amount},
            slowed=kind == "threads" and workers == tried[1],
        )
        for kind in _kinds(setting)
        for workers in tried
    ]
    if sharing := _sharing(setting):
        n = len(setting.cores)
        parameters = {"kind": "threads", "workers": n, _SHARED: True, **amount}
        found.append(Arm(name=sharing, parameters=parameters))
    return found


def _sharing(setting: Setting) -> str:
    """Return the name of the arm of threads with the same numbers; "" where there is none."""
    n = len(setting.cores)
    return "" if setting.interpreter.gil or n < 2 else f"{named('threads', n)}, shared numbers"


def _contrasts(setting: Setting) -> Sequence[Contrast]:
    n = len(setting.cores)
    predicted = [each for kind in _parallel(setting) for each in _faster(kind, n)] if n > 1 else []
    if setting.interpreter.gil:
        predicted += [_no_faster(workers) for workers in widths(setting) if workers > 1]
    return [*predicted, *_against_sharing(setting, n)]


def _against_sharing(setting: Setting, n: int) -> Iterator[Contrast]:
    """Yield the contrast with it; unpredicted, as a build may not count them (immortal)."""
    if sharing := _sharing(setting):
        each = named("threads", n)
        claim = f"{each} that share the code's numbers against {each} with numbers of their own"
        yield Contrast(claim=claim, base=each, other=sharing)


def _faster(kind: str, n: int) -> Iterator[Contrast]:
    """Yield contrasts of several workers with one of their kind, then with one thread."""
    least = round(_SHARE * min(n, _MOST), 2)
    one, several = named(kind, 1), named(kind, n)
    yield Contrast(
        claim=f"{several} are at least {number(least)} times as fast as {one}",
        base=one,
        other=several,
        expect="faster",
        least=least,
        otherwise=_WHY_LESS,
    )
    if one != BASE:
        claim = f"{several} are faster than {BASE}"
        yield Contrast(claim=claim, base=BASE, other=several, expect="faster")


def _no_faster(workers: int) -> Contrast:
    name = named("threads", workers)
    claim = f"{name} are no faster than one: there is one lock, and one computes at a time"
    return Contrast(claim=claim, base=BASE, other=name, expect="not faster")


def _checks(observed: Observed) -> Sequence[Finding]:
    n = len(observed.setting.cores)
    if n > 1:
        several = [named(kind, n) for kind in _parallel(observed.setting)]
        return [each for name in several for each in _thrift(observed, name)]
    return [
        Finding(
            claim="processes compute at the same time",
            outcome="told",
            text="not predicted: there is one core, where nothing can",
        )
    ]


def _thrift(observed: Observed, name: str) -> Iterator[Finding]:
    """Find that waiting is saved, not work."""
    wall, cpu = observed.median(name), observed.median(name, "cpu")
    usual = observed.median(BASE, "cpu")
    if isnan(wall + cpu + usual) or not usual:
        return
    more = cpu / usual
    yield Finding(
        claim=f"{name} save time, not work: about the same CPU seconds "
        f"(at most {_MORE_CPU:g} times as many)",
        outcome="as predicted" if more <= _MORE_CPU else "otherwise",
        text=f"{cpu:.2f} CPU seconds in {wall:.2f} s, and {usual:.2f} in "
        f"{observed.median(BASE):.2f} s of one thread: {number(more)} times as many",
    )


def _charts(observed: Observed) -> Sequence[Chart]:
    names = [arm.name for arm in observed.arms if not isnan(observed.median(arm.name))]
    if BASE not in names:
        return []
    return [_speed_up(observed, names), _seconds(observed, names)]


def _speed_up(observed: Observed, names: Sequence[str]) -> Lines:
    n, tried = len(observed.setting.cores), widths(observed.setting)
    shown = {k: [w for w in tried if named(k, w) in names] for k in _kinds(observed.setting)}
    return Lines(
        title="Speed-up against workers",
        note=f"The same work, split; one thread is 1. Ideal: a core for each, up to {n}.",
        x="workers",
        y="times as fast",
        series=[_series(observed, kind, workers) for kind, workers in shown.items() if workers],
        ideal=Series(name="ideal", points=[(w, min(w, n)) for w in tried]),
    )


def _series(observed: Observed, kind: str, workers: Sequence[int]) -> Series:
    base = observed.median(BASE)
    walls = {w: observed.values(named(kind, w), "wall") for w in workers}
    return Series(
        name=kind,
        points=[(w, quotient(base, observed.median(named(kind, w)))) for w in workers],
        spread=[(quotient(base, max(walls[w])), quotient(base, min(walls[w]))) for w in workers],
    )


def _seconds(observed: Observed, names: Sequence[str]) -> Bars:
    return Bars(
        title="Wall against CPU seconds",
        note="Medians. Who really works at the same time has more CPU seconds than wall seconds.",
        x="",
        groups=names,
        values={
            "wall": [observed.median(name) for name in names],
            "CPU": [observed.median(name, "cpu") for name in names],
        },
        unit="s",
    )


EXPERIMENT = Experiment(
    name="cpu",
    question="Who computes in parallel?",
    claim="Threads do not make pure Python faster while there is one lock; processes do.",
    module=__name__,
    arms=_arms,
    contrasts=_contrasts,
    checks=_checks,
    charts=_charts,
    conditions=(
        "The work is integer arithmetic in pure Python: no memory, no input, no C library.",
        "Each worker makes its own numbers; without the lock an arm more shares the code's.",
        "Pools are started, and every worker has computed a little, before the watch starts.",
        "Processes start by forkserver.",
        "A worker gets its share in one task; what handing over costs is asked by break-even.",
    ),
    not_shown=(
        "That threads are useless: they wait for the network, and for C that frees the lock.",
        "What starting the workers costs: start-up asks that.",
        "Work that needs memory: cores share caches and the way to memory.",
    ),
    shown=(WALL, CPU, PSS),
)
