"""What the tests of the pool experiments share: settings, turns made by hand, and real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from crawler.compare.design import Done, Parameters, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.observation import Observed, Run
from crawler.compare.runner import run_job
from crawler.compare.stopwatch import Stopwatch
from crawler.runtime.limits import usable_cores
from tests.compare.made import HERE, setting

ROUNDS = 6


def run(arm: str, number: int, **fields: Any) -> Run:
    """A turn that went well."""
    usual = {"at": 0.0, "seconds": 1.0, "load": 0.0, "elsewhere": 0.0, "checksum": "same"}
    return Run(**{**usual, "reading": {"wall": 1.0}, **fields, "arm": arm, "round": number})


def observed(experiment: Experiment, where: Setting, runs: Sequence[Run]) -> Observed:
    """An interpreter's turns."""
    arms = experiment.arms(where)
    return Observed(setting=where, arms=arms, runs=runs, band=0.02, cpu_band=0.0)


def worked(work: Callable[[Parameters, Stopwatch], Done], **parameters: Any) -> Done:
    """What work in this process did; it must have measured something."""
    watch = Stopwatch()
    done = work(parameters, watch)
    assert watch.reading is not None
    return done


def in_child(experiment: Experiment, arm: str, **changed: Any) -> dict[str, Any]:
    """A real turn of an arm in a fresh process, its parameters changed."""
    (found_arm,) = (each for each in experiment.arms(setting()) if each.name == arm)
    job = {
        "module": experiment.module,
        "parameters": {**found_arm.parameters, **changed},
        "cores": list(usable_cores()),
        "slowdown": 0.0,
    }
    return run_job(HERE, job, 30.0, 1)
