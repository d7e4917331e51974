"""`gil-release`: which parsers let others run while they parse.

Two questions to each library. Are two threads faster than one? That needs the lock to be free for
most of the time. And how long is another thread kept out that wants the lock for a moment only?
Pure Python gives the lock up when somebody has asked for it for a switch interval (5 ms); C code
that does not free it cannot be asked and keeps it until it returns, however long that takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan

from crawler.compare.design import Arm, Bars, Chart, Contrast, Finding, Outcome, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.experiments.gil_release_known import KEPT, KNOWN, LockWait, expected, present
from crawler.compare.experiments.gil_release_work import CALL, LOOP, ZLIB
from crawler.compare.observation import Observed
from crawler.compare.statistics import quotient
from crawler.formats.libraries import MODULES
from crawler.measure.quantity import number

_LEAST = 1.5  # times, of two threads, if the lock is free for most of the time


def _measured(setting: Setting) -> list[str]:
    return [*present(setting.interpreter), ZLIB, LOOP, CALL]


def named(name: str, threads: int) -> str:
    """Return a name such as `lxml, 1 thread`."""
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def _arms(setting: Setting) -> Sequence[Arm]:
    return [_arm(setting, name, threads) for name in _measured(setting) for threads in (1, 2)]


def _arm(setting: Setting, name: str, threads: int) -> Arm:
    """Return an arm; one thread keeps the victim out, as two would measure who locks next."""
    known = KNOWN[name]
    return Arm(
        name=named(name, threads),
        parameters={
            "name": name,
            "threads": threads,
            "pages": known.pages * setting.pick(1, 3, 10),
            "victim": setting.pick(0.12, 0.4, 1.2) if threads == 1 else 0.0,
            "long": known.native and name in MODULES,
        },
        equal="html" if name in MODULES else name,
        slowed=threads == 2,
    )


def _contrasts(setting: Setting) -> Sequence[Contrast]:
    if len(setting.cores) < 2:
        return []
    return [_contrast(name, gil=setting.interpreter.gil) for name in _measured(setting)]


def _contrast(name: str, *, gil: bool) -> Contrast:
    """Return a contrast; without the lock Python runs in parallel, C code is not predicted."""
    known = KNOWN[name]
    base, other = named(name, 1), named(name, 2)
    if known.frees or (not gil and not known.native):
        claim = f"{name}: two threads are at least {_LEAST} times as fast as one"
        return Contrast(claim=claim, base=base, other=other, expect="faster", least=_LEAST)
    if known.frees is None or not gil:
        return Contrast(claim=f"{name}: two threads against one", base=base, other=other)
    claim = f"{name}: two threads are no faster than one"
    return Contrast(claim=claim, base=base, other=other, expect="not faster")


def _checks(observed: Observed) -> Sequence[Finding]:
    setting = observed.setting
    waits = [each for name in _measured(setting) for each in _waits(observed, name)]
    return [*_alone(setting), *_absent(setting), *_locked(observed), *waits]


def _alone(setting: Setting) -> Iterator[Finding]:
    if len(setting.cores) < 2:
        yield Finding(
            claim="two threads are faster than one where the lock is free",
            outcome="told",
            text="not predicted: there is one core, where two threads never are",
        )


def _absent(setting: Setting) -> Iterator[Finding]:
    there = present(setting.interpreter)
    absent = [name for name in MODULES if name not in there]
    if absent:
        yield Finding(
            claim="libraries that are not measured",
            outcome="told",
            text=f"not installed for this interpreter: {', '.join(absent)}",
        )


def _locked(observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each extension that turns the lock on for the whole process."""
    if observed.interpreter.gil:
        return
    for name in _measured(observed.setting):
        if any(run.gil for run in observed.of(named(name, 1)) if not run.failure):
            yield Finding(
                claim=f"{name} leaves the lock off",
                outcome="otherwise",
                text="importing it turned the lock on again, for the whole process",
            )


def _waits(observed: Observed, name: str) -> Iterator[Finding]:
    gil, cores = observed.interpreter.gil, len(observed.setting.cores)
    for wait in expected(name, gil=gil, cores=cores):
        found = _waited(observed, named(name, 1), wait)
        if found:
            yield found


def _waited(observed: Observed, arm: str, wait: LockWait) -> Finding | None:
    value, longest = (observed.median(arm, wait.figure + end) for end in ("", "_longest"))
    idle = observed.median(arm, "idle")
    if isnan(value) or observed.trouble(arm):
        return None
    text = (
        f"{_ms(value)} in the middle and {_ms(longest)} at the longest; "
        f"with nobody beside it {_ms(idle)} in the middle"
    )
    return Finding(claim=wait.claim, outcome=_outcome(value, idle, wait), text=text)


def _outcome(value: float, idle: float, wait: LockWait) -> Outcome:
    if not wait.most:
        return "told"
    if idle >= KEPT:  # this machine keeps it out by itself
        return "undecided"
    return "as predicted" if wait.least <= value < wait.most else "otherwise"


def _ms(seconds: float) -> str:
    return f"{number(seconds * 1e3)} ms"


def _charts(observed: Observed) -> Sequence[Chart]:
    names = [
        name
        for name in _measured(observed.setting)
        if not isnan(observed.median(named(name, 1), "kept"))
    ]
    return [_kept(observed, names), _gained(observed, names)] if names else []


def _kept(observed: Observed, names: Sequence[str]) -> Bars:
    def bars(figure: str) -> list[float]:
        return [observed.median(named(name, 1), figure) * 1e3 for name in names]

    return Bars(
        title="How long another thread is kept out",
        note="It sleeps for 1 ms again and again; this is what it comes back too late.",
        x="beside a thread that runs",
        groups=names,
        values={"middle": bars("kept"), "99 %": bars("kept_p99"), "longest": bars("kept_longest")},
        unit="ms",
        log=True,
    )


def _gained(observed: Observed, names: Sequence[str]) -> Bars:
    return Bars(
        title="Pages a second, of one thread and of two",
        note="Title and links of an 80 KB page. The controls do something else; see conditions.",
        x="",
        groups=names,
        values={
            f"{threads} thread{'s' if threads > 1 else ''}": [
                quotient(1, observed.median(named(name, threads), "page")) for name in names
            ]
            for threads in (1, 2)
        },
        unit="1/s",
        log=True,
    )


EXPERIMENT = Experiment(
    name="gil-release",
    question="Which parsers free the lock while they parse?",
    claim="Under the lock threads help with parsing only where the parser frees it, and where it "
    "does not, all other threads wait.",
    module="crawler.compare.experiments.gil_release_work",
    arms=_arms,
    contrasts=_contrasts,
    checks=_checks,
    charts=_charts,
    conditions=(
        "Every library reads title and links of one made page of 80 KB, and finds the same.",
        f"The first control, {ZLIB}, compresses that page and frees the lock.",
        f"The others hold it: {LOOP} of 10,000 steps; {CALL}, the sum of two million numbers.",
        "A victim sleeps for 1 ms beside one busy thread; its figures are what it is late by.",
        "The switch interval is CPython's own, 5 ms.",
    ),
    not_shown=(
        "Which library is right about broken pages: the page is a clean one.",
        "What a library frees in other calls than these.",
        "What other pages cost: links become Python's objects under the lock, in every library.",
    ),
)
