"""An experiment of moments, whose arms do what a test tells them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter, sleep

from crawler.compare.design import Arm, Contrast, Done, Parameters, Setting, Watch
from crawler.compare.experiment import Experiment
from crawler.compare.stopwatch import Stopwatch


def work(parameters: Parameters, watch: Watch) -> Done:
    match parameters.get("do", ""):
        case "raise":
            raise ValueError("as it was told")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            sleep(60)
        case "nothing":
            return Done()
        case "leave":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            with watch:
                pass
            return Done(notes={"child": child.pid})
    with watch:
        _wait(parameters.get("seconds", 0.0))
    if "told" in parameters:
        _tell(watch, parameters["told"])
    figures = {"hash": float(hash("a") % 1000), "cores": float(len(os.sched_getaffinity(0)))}
    return Done(checksum=parameters.get("checksum", "same"), figures=figures)


def _tell(watch: Watch, seconds: float) -> None:
    """Have `watch` say that it took so long: what is found then is the same on any machine."""
    assert isinstance(watch, Stopwatch) and watch.reading is not None
    watch.reading = replace(watch.reading, wall=seconds * (1 + watch._slowdown))


@contextmanager
def keep(parameters: Parameters) -> Iterator[Callable[[Watch], Done]]:
    if parameters.get("do") == "raise early":
        raise ValueError("before it was ready")

    def turn(watch: Watch) -> Done:
        return replace(work(parameters, watch), notes={"pid": os.getpid()})

    yield turn


def _wait(seconds: float) -> None:
    ends = perf_counter() + seconds
    while (left := ends - perf_counter()) > 0:
        sleep(left)


def experiment(arms: Sequence[Arm], contrasts: Sequence[Contrast] = ()) -> Experiment:
    """The arms that are given, whatever the setting."""

    def planned(_setting: Setting) -> Sequence[Arm]:
        return arms

    def expected(_setting: Setting) -> Sequence[Contrast]:
        return contrasts

    return Experiment(
        name="tiny",
        question="Is it there?",
        claim="It does what it is told.",
        module="tests.compare.tiny",
        arms=planned,
        contrasts=expected,
        not_shown=(),
    )
