"""`cpu`: pure Python, a fixed amount of it, split over more and more workers of each kind.

One after the other is one thread of a pool, and not the main thread: where a thread's memory lies
is enough for some percent either way (Mytkowicz et al., Producing Wrong Data Without Doing Anything
Obviously Wrong!, 2009), and this way it is the same on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan, lcm
from statistics import median

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
from crawler.compare.executors import Worker, all_at_work, executor, hold
from crawler.compare.experiment import Experiment, listed
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
_KINDS = {"threads": "thread", "processes": "process", "interpreters": "interpreter"}
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
    with executor(_KINDS[parameters["kind"]], workers) as pool:
        all_at_work(pool, workers, arrive)
        with watch:
            ends = list(pool.map(run, shares, [turns] * workers))
    return Done(checksum=f"{sum(ends):x}")


def arrive() -> Worker:
    """Say which worker this is, when it has imported this and computed a little."""
    compute([1], _WARM)
    return hold()


def widths(setting: Setting) -> list[int]:
    """Return the numbers of workers: 1, all cores, twice as many; in longer runs some between.

    On up to two cores a longer run tries each number.
    """
    n = len(setting.cores)
    between = range(1, 2 * n) if n <= 2 else [2**p for p in range(1, n.bit_length() + 1)]
    few = {1, n, 2 * n} if n > 1 else {1, 2}
    return sorted(few | {w for w in setting.pick((), between) if w <= 2 * n})


def _kinds(setting: Setting) -> list[str]:
    return [k for k in _KINDS if k != "interpreters" or setting.interpreter.interpreters]


def _parallel(setting: Setting) -> list[str]:
    """Return the kinds that compute at the same time: threads only without the lock."""
    return [k for k in _kinds(setting) if k != "threads" or not setting.interpreter.gil]


def named(kind: str, workers: int) -> str:
    """Return a name such as `2 threads` or `1 process`."""
    return f"{workers} {kind if workers > 1 else _KINDS[kind]}"


@listed
def _arms(setting: Setting) -> Iterator[Arm]:
    tried = widths(setting)
    turns = setting.pick(8_000_000, 24_000_000, 80_000_000)
    amount = {"turns": turns, "chunks": lcm(*tried)}
    for kind in _kinds(setting):
        for workers in tried:
            parameters = {"kind": kind, "workers": workers, **amount}
            slowed = kind == "threads" and workers == tried[1]
            yield Arm(name=named(kind, workers), parameters=parameters, slowed=slowed)
    if sharing := _sharing(setting):
        workers = len(setting.cores)
        parameters = {"kind": "threads", "workers": workers, _SHARED: True, **amount}
        yield Arm(name=sharing, parameters=parameters)


def _sharing(setting: Setting) -> str:
    """Return the name of the arm of threads with the same numbers; "" where there is none."""
    n = len(setting.cores)
    return "" if setting.interpreter.gil or n < 2 else f"{named('threads', n)}, shared numbers"


@listed
def _contrasts(setting: Setting) -> Iterator[Contrast]:
    n = len(setting.cores)
    for kind in _parallel(setting) if n > 1 else ():
        least = round(_SHARE * min(n, _MOST), 2)
        one, several = named(kind, 1), named(kind, n)
        claim = f"{several} are at least {number(least)} times as fast as {one}"
        yield Contrast(claim, one, several, WALL, "faster", least, _WHY_LESS)
        if one != BASE:
            yield Contrast(f"{several} are faster than {BASE}", BASE, several, WALL, "faster")
    for workers in widths(setting) if setting.interpreter.gil else ():
        if workers > 1:
            name = named("threads", workers)
            claim = f"{name} are no faster than one: there is one lock, and one computes at a time"
            yield Contrast(claim, BASE, name, WALL, "not faster")
    if sharing := _sharing(setting):  # unpredicted, as a build may not count them (immortal)
        own = named("threads", n)
        claim = f"{own} that share the code's numbers against {own} with numbers of their own"
        yield Contrast(claim, own, sharing)


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    """Yield the findings that waiting is saved, not work."""
    n = len(observed.setting.cores)
    if n == 1:
        text = "not predicted: there is one core, where nothing can"
        yield Finding("processes compute at the same time", "told", text)
        return
    for name in (named(kind, n) for kind in _parallel(observed.setting)):
        wall, cpu = observed.median(name), observed.median(name, "cpu")
        usual = observed.median(BASE, "cpu")
        if not isnan(wall + cpu + usual) and usual:
            claim = f"{name} save time, not work: about the same CPU seconds"
            claim += f" (at most {_MORE_CPU:g} times as many)"
            text = f"{cpu:.2f} CPU seconds in {wall:.2f} s, and {usual:.2f} in "
            text += f"{observed.median(BASE):.2f} s of one thread: {number(cpu / usual)}"
            yield Finding.of(claim, cpu / usual <= _MORE_CPU, f"{text} times as many")


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    names = [arm.name for arm in observed.arms if not isnan(observed.median(arm.name))]
    if BASE not in names:
        return
    n, tried = len(observed.setting.cores), widths(observed.setting)
    shown = {k: [w for w in tried if named(k, w) in names] for k in _kinds(observed.setting)}
    yield Lines(
        title="Speed-up against workers",
        note=f"The same work, split; one thread is 1. Ideal: a core for each, up to {n}.",
        x="workers",
        y="times as fast",
        series=[_series(observed, kind, workers) for kind, workers in shown.items() if workers],
        ideal=Series("ideal", [(w, min(w, n)) for w in tried]),
    )
    yield Bars(
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


def _series(observed: Observed, kind: str, workers: Sequence[int]) -> Series:
    base = observed.median(BASE)
    walls = {w: observed.values(named(kind, w), "wall") for w in workers}
    points = [(w, quotient(base, median(each))) for w, each in walls.items()]
    spread = [(quotient(base, max(each)), quotient(base, min(each))) for each in walls.values()]
    return Series(kind, points, spread)


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
