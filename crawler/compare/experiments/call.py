"""`call`: the user's own function over threads, processes, interpreters and asyncio.

The same calls are made in batches of several sizes, each by a pool that is started for it, as a
program that does it once would; so it shows from which size on starting a pool pays. What the
function returned must be the same everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from crawler.compare.compare_config import CompareConfig
from crawler.compare.design import Arm, Contrast, Figure, Interpreter, Setting
from crawler.compare.executors import CLASSES
from crawler.compare.experiment import Experiment, listed
from crawler.compare.runner import run_job
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.workers import own

NAME = "call"
SEQUENTIAL, ASYNCIO = "sequential", "asyncio"
_WORK = "crawler.compare.experiments.call_work"
_LIMIT = 120.0  # seconds of a turn
_LARGEST = 1 / 60  # of the time for all of it: what the largest batch takes one after the other
_STEP, _STEPS = 4, 4  # each batch is so many times the next smaller one; so many batches
_FEWEST, _MOST = 4, 5_000  # calls of the largest; a pool takes some 50 us to hand one over


def planned(config: CompareConfig, interpreter: Interpreter) -> Mapping[str, Any]:
    """Plan the function, its inputs and the batches; call it for a moment, to time it.

    Raises `ConfigurationError` for a function that is not there or fails.
    """
    folder = own.current_directory()
    for option, path in (("call", config.call), ("async-call", config.async_call)):
        if path:
            own.check(path, folder, option=option)
    found = {
        "function": config.call,
        "afunction": config.async_call,
        "folder": folder,
        "inputs": _inputs(config.inputs),
    }
    seconds = _probed(found, interpreter)
    return {**found, "sizes": list(sizes(seconds, config.answer_seconds * _LARGEST))}


def sizes(seconds: float, longest: float) -> Iterator[int]:
    """Yield the batch sizes in rising order: 1, and up to what takes `longest` in a row."""
    most = min(max(int(longest / max(seconds, 1e-9)), _FEWEST), _MOST)
    steps = sorted({max(most // _STEP**n, 1) for n in range(_STEPS)} | {1})
    yield from (_rounded(each) for each in steps)


def _rounded(size: int) -> int:
    """Round to one digit: 1, 4, 30, 200."""
    unit = int(10 ** (len(str(size)) - 1))
    return size // unit * unit


def _inputs(path: str) -> str:
    """Return the file's whole path; it is read by those that call."""
    if not path:
        return ""
    if not os.access(path, os.R_OK):
        raise EnvironmentFailure(f"--inputs: {path} cannot be read")
    if not Path(path).stat().st_size:
        raise ConfigurationError(f"--inputs: {path} is empty")
    return str(Path(path).resolve())


def _probed(found: Mapping[str, Any], interpreter: Interpreter) -> float:
    job = {"module": _WORK, "parameters": dict(found), "cores": [], "slowdown": 0.0}
    told = run_job(interpreter, job, _LIMIT, 0)
    if told["failure"]:
        raise ConfigurationError(f"call: {found['function']} fails: {told['failure']}")
    return float(told["figures"]["seconds"])


def kinds(setting: Setting) -> Mapping[str, tuple[str, int]]:
    """Return each arm with its kind and its number of workers."""
    cores = max(2, len(setting.cores))
    found = {SEQUENTIAL: (SEQUENTIAL, 1)}
    for kind in ("thread", "process", "interpreter"):
        if kind != "interpreter" or setting.interpreter.interpreters:
            found[_name(kind, cores)] = (kind, cores)
    if setting.width > cores:
        found[_name("thread", setting.width)] = ("thread", setting.width)
    if setting.call.get("afunction"):
        found[f"{ASYNCIO}, {setting.width} at once"] = (ASYNCIO, setting.width)
    return found


def _name(kind: str, workers: int) -> str:
    plural = "processes" if kind == "process" else f"{kind}s"
    return f"{workers} {plural}"


def _arms(setting: Setting) -> Sequence[Arm]:
    planned = {
        name: {**setting.call, "kind": kind, "workers": workers}
        for name, (kind, workers) in kinds(setting).items()
    }
    return [Arm(name=name, parameters=each, limit=_LIMIT) for name, each in planned.items()]


def figure(size: int) -> Figure:
    """Return the figure for the seconds of a batch."""
    return Figure(f"calls_{size}", f"{size:,} call{'' if size == 1 else 's'}")


@listed
def _contrasts(setting: Setting) -> Iterator[Contrast]:
    """Yield all arms against sequential, and those that a person chooses between."""
    for size in setting.call.get("sizes", ()):
        for base, other in combinations(kinds(setting), 2):
            claim = f"{other} against {base}: {figure(size).title}"
            yield Contrast(claim, base, other, figure(size))


EXPERIMENT = Experiment(
    name=NAME,
    question="Which model suits your own function?",
    claim="What computes wants processes, what waits wants threads or asyncio, if it is enough.",
    module=_WORK,
    arms=_arms,
    contrasts=_contrasts,
    kept=True,
    conditions=(
        "A batch includes the start and end of its pool or loop, and what handing over costs.",
        f"Pools are {', '.join(CLASSES[kind] for kind in ('thread', 'process', 'interpreter'))}.",
        "Inputs are used again from the first one on where a batch has more calls than there are.",
        "What the function returns must be equal everywhere, compared as values.",
    ),
    not_shown=(
        "A pool that is kept for longer than a batch: there its start counts for less.",
        "Functions that change something that others see.",
    ),
)
