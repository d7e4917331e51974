"""`gil-release`: which parsers let others run while they parse.

Two questions to each library. Are two threads faster than one? That needs the lock to be free for
most of the time. And how long is another thread kept out that wants the lock for a moment only?
Pure Python gives the lock up when somebody has asked for it for a switch interval (5 ms); C code
that does not free it cannot be asked and keeps it until it returns, however long that takes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import inf, isnan
from typing import NamedTuple

from crawler.compare.design import WALL, Arm, Bars, Chart, Contrast, Finding, Interpreter, Setting
from crawler.compare.experiment import Experiment, listed
from crawler.compare.experiments.gil_release_work import CALL, LOOP, ZLIB
from crawler.compare.observation import Observed
from crawler.compare.statistics import quotient
from crawler.formats.libraries import MODULES
from crawler.measure.gil import USUAL
from crawler.measure.quantity import number

KEPT = USUAL / 2
"""Who waits longer than this is kept out; on a free core it takes a tenth of a millisecond."""
BOUND = 2 * USUAL
"""Who waits longer than this for a long page waits for C code that cannot be asked."""
_ASK = """
import importlib.util, sys
for module in sys.argv[1:]:
    try:
        print(int(importlib.util.find_spec(module) is not None))
    except ImportError:
        print(0)
"""


class Known(NamedTuple):
    """frees: whether it is known to free the lock; None if it does so for a part, or if unknown.

    pages: of one turn, about 0.15 s. native: written in C or the like; else in Python.
    """

    frees: bool | None
    pages: int
    native: bool


KNOWN: Mapping[str, Known] = {
    "frostwork": Known(True, 400, native=True),
    "selectolax": Known(None, 160, native=True),
    "turbohtml": Known(False, 240, native=True),
    "lxml": Known(None, 100, native=True),
    "html.parser": Known(False, 12, native=False),
    "html5lib": Known(False, 4, native=False),
    "BeautifulSoup": Known(False, 4, native=False),
    ZLIB: Known(True, 320, native=True),
    LOOP: Known(False, 200, native=False),
    CALL: Known(False, 6, native=True),
}


def present(interpreter: Interpreter) -> Sequence[str]:
    """Return the libraries that an interpreter can import; it is asked once."""
    return _present(interpreter.path)


@cache
def _present(path: str) -> Sequence[str]:
    command = [path, "-P", "-c", _ASK, *MODULES.values()]
    told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return [
        name for name, is_there in zip(MODULES, told.stdout.split(), strict=True) if is_there == "1"
    ]


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


@listed
def _contrasts(setting: Setting) -> Iterator[Contrast]:
    """Yield contrasts; without the lock Python runs in parallel, C code is not predicted."""
    gil = setting.interpreter.gil
    for name in _measured(setting) if len(setting.cores) > 1 else ():
        known = KNOWN[name]
        base, other = named(name, 1), named(name, 2)
        if known.frees or (not gil and not known.native):
            claim = f"{name}: two threads are at least {_LEAST} times as fast as one"
            yield Contrast(claim, base, other, WALL, "faster", _LEAST)
        elif known.frees is None or not gil:
            yield Contrast(f"{name}: two threads against one", base, other)
        else:
            claim = f"{name}: two threads are no faster than one"
            yield Contrast(claim, base, other, WALL, "not faster")


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    setting, interpreter = observed.setting, observed.interpreter
    if len(setting.cores) < 2:
        text = "not predicted: there is one core, where two threads never are"
        yield Finding("two threads are faster than one where the lock is free", "told", text)
    there = present(interpreter)
    if absent := [name for name in MODULES if name not in there]:
        text = f"not installed for this interpreter: {', '.join(absent)}"
        yield Finding("libraries that are not measured", "told", text)
    for name in () if interpreter.gil else _measured(setting):
        if any(run.gil for run in observed.good(named(name, 1))):
            text = "importing it turned the lock on again, for the whole process"
            yield Finding(f"{name} leaves the lock off", "otherwise", text)
    for name in _measured(setting):
        for wait in _expected(name, gil=interpreter.gil, cores=len(setting.cores)):
            yield from _waited(observed, named(name, 1), wait)


class _Wait(NamedTuple):
    """The predicted bounds of a figure of the victim; both 0 for none."""

    claim: str
    figure: str
    least: float = 0.0
    most: float = 0.0


def _expected(name: str, *, gil: bool, cores: int) -> Iterator[_Wait]:
    """Yield the median waits predicted for another thread next to one that does this."""
    frees, native = KNOWN[name].frees, KNOWN[name].native
    beside, long = f"beside {name}", f"beside {name} with a page of 5 MB"
    if gil and name == LOOP:
        yield _Wait(f"{beside} it waits about a switch interval", "kept", KEPT, BOUND)
    elif gil and name == CALL:
        yield _Wait(f"{beside} it waits until that returns", "kept", BOUND, inf)
    elif gil and frees is False:
        yield _Wait(f"{beside} another thread is kept out", "kept", KEPT, inf)
        if native:
            yield _Wait(f"{long} it waits until that is done", "long", BOUND, inf)
    elif cores > 1 and (frees or not (gil or native)):
        yield _Wait(f"{beside} another thread is not kept out", "kept", 0.0, KEPT)
        if frees and name in MODULES:
            yield _Wait(f"{long} it is not kept out either", "long", 0.0, KEPT)
    else:
        yield _Wait(f"{beside}: what another thread waits", "kept")


def _waited(observed: Observed, arm: str, wait: _Wait) -> Iterator[Finding]:
    figures = (wait.figure, f"{wait.figure}_longest", "idle")
    value, longest, idle = (observed.median(arm, figure) for figure in figures)
    if isnan(value) or observed.trouble(arm):
        return
    text = (
        f"{_ms(value)} in the middle and {_ms(longest)} at the longest; "
        f"with nobody beside it {_ms(idle)} in the middle"
    )
    if not wait.most:
        yield Finding(wait.claim, "told", text)
    elif idle >= KEPT:  # this machine keeps it out by itself
        yield Finding(wait.claim, "undecided", text)
    else:
        yield Finding.of(wait.claim, wait.least <= value < wait.most, text)


def _ms(seconds: float) -> str:
    return f"{number(seconds * 1e3)} ms"


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    measured = _measured(observed.setting)
    names = [name for name in measured if not isnan(observed.median(named(name, 1), "kept"))]
    if not names:
        return

    def bars(figure: str) -> list[float]:
        return [observed.median(named(name, 1), figure) * 1e3 for name in names]

    def rates(threads: int) -> list[float]:
        return [quotient(1, observed.median(named(name, threads), "page")) for name in names]

    yield Bars(
        title="How long another thread is kept out",
        note="It sleeps for 1 ms again and again; this is what it comes back too late.",
        x="beside a thread that runs",
        groups=names,
        values={"middle": bars("kept"), "99 %": bars("kept_p99"), "longest": bars("kept_longest")},
        unit="ms",
        log=True,
    )
    yield Bars(
        title="Pages a second, of one thread and of two",
        note="Title and links of an 80 KB page. The controls do something else; see conditions.",
        x="",
        groups=names,
        values={"1 thread": rates(1), "2 threads": rates(2)},
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
