"""Runs an experiment: rounds of fresh processes, in an order drawn by chance.

- *Interleaved.* Every round runs each arm of each interpreter once, in a new order, so that a
  machine that slows down or warms up favours nobody.
- *Or kept.* Where half a minute is all there is (`Experiment.kept`), one process serves an arm in
  all rounds, of which it does one turn each.
- *A stopping rule fixed beforehand.* Round 0 warms up files and caches, finds arms that cannot run,
  and tells how long a round takes; it counts for nothing. The number of rounds follows from that
  time and the budget alone, before any figure is looked at.
- *Nothing is left behind.* A turn is its own process group, killed when its time is up, when
  the comparison is interrupted, after which what there is until then is kept, or when it is killed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from time import perf_counter
from typing import Any

from crawler.compare.arm_process import ArmProcess, with_last_words
from crawler.compare.design import Arm, Interpreter, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.observation import InterpreterRuns, Run
from crawler.compare.statistics import LEAST_ROUNDS
from crawler.measure.processes import machine_busy
from crawler.runtime.children import SAFE_PATH
from crawler.runtime.companion import ended
from crawler.runtime.process_group import guarded

MOST_ROUNDS = {"quick": 12, "normal": 30, "full": 100}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The order to run. interpreters: the first is this one. budget: seconds of one experiment.

    rounds: exactly so many; 0 lets the budget decide. slowdown: of the arms that are slowed.
    """

    setting: Setting
    interpreters: Sequence[Interpreter]
    budget: float
    rounds: int = 0
    slowdown: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conducted:
    """An experiment that was run; `partial` if it was interrupted."""

    parts: Sequence[InterpreterRuns]
    rounds: int
    seconds: float
    partial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn that is about to run."""

    experiment: str
    arm: str
    interpreter: str
    round: int
    rounds: int


OnTurn = Callable[[Turn], None]


def conduct(
    experiment: Experiment,
    plan: Schedule,
    on_turn: OnTurn,
    interruptible: AbstractContextManager[None] | None = None,
) -> Conducted:
    """Run all rounds of an experiment; on Ctrl-C what there is until then.

    interruptible: what to do it within, which says when Ctrl-C may interrupt.
    """
    began = perf_counter()
    conductor = _Conductor(experiment, plan, on_turn, began)
    partial = False
    try:
        with (
            interruptible or nullcontext(),
            experiment.stage(plan.setting) as server,
            ExitStack() as stack,
        ):
            conductor.prepare(server)
            if experiment.kept:
                conductor.keep(stack)
            conductor.play()
    except KeyboardInterrupt:
        partial = True
        conductor.rounds = conductor.whole
    return Conducted(
        parts=conductor.parts(),
        rounds=conductor.rounds,
        seconds=perf_counter() - began,
        partial=partial,
    )


class _Conductor:
    def __init__(
        self, experiment: Experiment, plan: Schedule, on_turn: OnTurn, began: float
    ) -> None:
        self.rounds = self.whole = 0  # planned, and done
        self._experiment, self._plan, self._on_turn, self._began = experiment, plan, on_turn, began
        self._settings: list[Setting] = []
        self._arms: list[list[Arm]] = []
        self._runs: list[list[Run]] = []
        self._given_up: set[tuple[int, str]] = set()
        self._kept: dict[tuple[int, str], ArmProcess] = {}
        self._random = Random(f"{plan.setting.seed} {experiment.name}")  # noqa: S311  an order

    def prepare(self, server: str) -> None:
        for interpreter in self._plan.interpreters:
            setting = replace(self._plan.setting, interpreter=interpreter, server=server)
            self._settings.append(setting)
            self._arms.append(list(self._experiment.arms(setting)))
            self._runs.append([])

    def keep(self, stack: ExitStack) -> None:
        """Start a process for each arm, all at once, and wait until each has warmed up."""
        hash_seed = self._random.randrange(2**32)
        for index, arms in enumerate(self._arms):
            interpreter = self._settings[index].interpreter
            environment = _environment(interpreter, hash_seed)
            for arm in arms:
                kept = ArmProcess(_command(interpreter), environment, self._job(index, arm))
                self._kept[index, arm.name] = stack.enter_context(kept)
        for index, arms in enumerate(self._arms):
            for arm in arms:
                self._hear(index, arm, 0)
                found = self._kept[index, arm.name].answer(arm.limit)
                if isinstance(found, str):
                    self._failed(index, arm, found)

    def _failed(self, index: int, arm: Arm, why: str) -> None:
        at, load = perf_counter() - self._began, os.getloadavg()[0]
        run = Run(arm=arm.name, round=0, at=at, seconds=0.0, load=load, elsewhere=0.0, failure=why)
        self._runs[index].append(run)
        self._given_up.add((index, arm.name))

    def parts(self) -> list[InterpreterRuns]:
        together = zip(self._settings, self._arms, self._runs, strict=True)
        return [InterpreterRuns(setting=s, arms=arms, runs=runs) for s, arms, runs in together]

    def play(self) -> None:
        started = perf_counter()
        self._round(0)
        now = perf_counter()
        self.rounds = decided(
            self._plan, self._experiment, a_round=now - started, spent=now - self._began
        )
        for number in range(1, self.rounds + 1):
            if number > 1 and self._late((perf_counter() - now) / (number - 1)):
                self.rounds = number - 1
                break
            self._round(number)
            self.whole = number

    def _late(self, a_round: float) -> bool:
        """Tell whether a promised budget has no room for a further round."""
        if not self._experiment.kept or self._plan.rounds:
            return False
        return perf_counter() - self._began + a_round > self._plan.budget

    def _round(self, number: int) -> None:
        jobs = [
            (i, arm)
            for i, arms in enumerate(self._arms)
            for arm in arms
            if (i, arm.name) not in self._given_up
        ]
        if number:
            self._random.shuffle(jobs)
        hash_seed = self._random.randrange(2**32)  # the same for all arms of a round
        for index, arm in jobs:
            good = self._turn(index, arm, number, hash_seed)
            if good:
                continue
            dead = (index, arm.name) in self._kept  # and is not started again
            if dead or not (number or self._turn(index, arm, number, hash_seed)):
                self._given_up.add((index, arm.name))

    def _turn(self, index: int, arm: Arm, number: int, hash_seed: int) -> bool:
        """Run an arm once; return whether that went well."""
        self._hear(index, arm, number)
        at = perf_counter() - self._began
        if kept := self._kept.get((index, arm.name)):
            answer = kept_turn(kept, arm.limit)
        else:
            interpreter = self._settings[index].interpreter
            answer = run_job(interpreter, self._job(index, arm), arm.limit, hash_seed)
        run = Run(arm=arm.name, round=number, at=at, **answer)
        self._runs[index].append(run)
        return not run.failure

    def _hear(self, index: int, arm: Arm, number: int) -> None:
        self._on_turn(
            Turn(
                experiment=self._experiment.name,
                arm=arm.name,
                interpreter=self._settings[index].interpreter.label,
                round=number,
                rounds=self.rounds,
            )
        )

    def _job(self, index: int, arm: Arm) -> dict[str, Any]:
        return {
            "module": self._experiment.module,
            "parameters": dict(arm.parameters),
            "cores": list(arm.cores or self._plan.setting.cores),
            "slowdown": self._plan.slowdown if arm is self._slowed(index) or arm.slowed else 0.0,
        }

    def _slowed(self, index: int) -> Arm | None:
        """Return the second arm, where none says that it is the one."""
        arms = self._arms[index]
        if any(arm.slowed for arm in arms):
            return None
        return arms[1] if len(arms) > 1 else None


def decided(plan: Schedule, experiment: Experiment, *, a_round: float, spent: float) -> int:
    """Apply the stopping rule: as many rounds as fit; at least 5, unless fewer are possible.

    One that is kept may have fewer, as its budget is a promise. a_round: seconds of the warm-up.
    spent: seconds since the experiment began.
    """
    most = experiment.most_rounds
    if plan.rounds:
        return min(plan.rounds, most)
    fit = int((plan.budget - spent) / max(a_round, 1e-6))
    least = 1 if experiment.kept else LEAST_ROUNDS
    return min(max(fit, least), MOST_ROUNDS[plan.setting.mode], most)


def run_job(
    interpreter: Interpreter, job: dict[str, Any], limit: float, hash_seed: int
) -> dict[str, Any]:
    """Run one turn in a fresh process; return the fields of a `Run` that it is to tell."""
    spent = _children()

    def answer() -> _Answer:
        with tempfile.TemporaryFile() as said:
            found = _answer(interpreter, job, limit, hash_seed, said)
            said.seek(0)
            return with_last_words(found, said.read()) if isinstance(found, str) else found

    return _told(answer, lambda _reading: _children() - spent)


def kept_turn(kept: ArmProcess, limit: float) -> dict[str, Any]:
    """Run one turn of a process that is kept; return what `run_job` does."""
    kept.tell("turn")
    return _told(
        partial(kept.answer, limit), lambda it: it.get("user", 0.0) + it.get("system", 0.0)
    )


_Answer = dict[str, Any] | str
"""What a process answered, or in words why it did not."""


def _told(
    answer: Callable[[], _Answer], spent: Callable[[Mapping[str, float]], float]
) -> dict[str, Any]:
    """Return the fields of a `Run`; `spent` tells the CPU seconds that are its own."""
    load = os.getloadavg()[0]
    busy, started = machine_busy(), perf_counter()
    found = answer()
    seconds = perf_counter() - started
    after = machine_busy()
    common = {"seconds": seconds, "load": load}
    if isinstance(found, str):
        return {**common, "failure": found, "elsewhere": 0.0}
    reading, done = found["reading"], found["done"]
    elsewhere = max(after - busy - spent(reading), 0.0) if after and busy else 0.0
    return {
        **common,
        "failure": "",
        "elsewhere": elsewhere,
        "gil": found["gil"],
        "reading": reading,
        **done,
    }


def _children() -> float:
    """Return the CPU seconds of all processes that were started and have ended, with theirs."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def _command(interpreter: Interpreter) -> list[str]:
    return [interpreter.path, "-P", "-m", "crawler.compare.child"]


def _environment(interpreter: Interpreter, hash_seed: int) -> dict[str, str]:
    fixed = {**SAFE_PATH, "PYTHONHASHSEED": str(hash_seed)}
    return {**os.environ, **interpreter.environment, **fixed}


def _answer(
    interpreter: Interpreter, job: dict[str, Any], limit: float, hash_seed: int, said: Any
) -> _Answer:
    with (
        tempfile.TemporaryFile() as answer,  # without a name: nothing is left of it
        guarded(
            _command(interpreter),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            env=_environment(interpreter, hash_seed),
            pass_fds=[answer.fileno()],
        ) as process,
    ):
        told = {**job, "answer": answer.fileno()}
        try:
            process.communicate(json.dumps(told).encode(), timeout=limit)
        except subprocess.TimeoutExpired:
            return f"not done after {limit:g} s"
        if process.returncode:
            return ended(process.returncode)
        answer.seek(0)
        return _read(answer.read())


def _read(answer: bytes) -> _Answer:
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError as error:
        return f"it ended without an answer ({type(error).__name__})"
    return found
