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

import os
import resource
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from random import Random
from time import perf_counter
from typing import Any

from crawler.compare.arm_process import ArmProcess
from crawler.compare.design import Arm, Interpreter, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.observation import Conducted, InterpreterRuns, Run
from crawler.compare.statistics import LEAST_ROUNDS
from crawler.measure.processes import machine_busy

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


@dataclass(frozen=True, slots=True)
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
        name=experiment.name,
        parts=tuple(conductor.parts),
        rounds=conductor.rounds,
        seconds=perf_counter() - began,
        partial=partial,
    )


class _Conductor:
    def __init__(
        self, experiment: Experiment, plan: Schedule, on_turn: OnTurn, began: float
    ) -> None:
        self.rounds = self.whole = 0  # planned, and done
        self.parts: list[InterpreterRuns] = []
        self._experiment, self._plan, self._on_turn, self._began = experiment, plan, on_turn, began
        self._runs: dict[str, list[Run]] = {}  # by the interpreter's label
        self._given_up: set[tuple[str, str]] = set()
        self._kept: dict[tuple[str, str], ArmProcess] = {}
        self._random = Random(f"{plan.setting.seed} {experiment.name}")  # noqa: S311  an order

    def prepare(self, server: str) -> None:
        for interpreter in self._plan.interpreters:
            setting = replace(self._plan.setting, interpreter=interpreter, server=server)
            runs = self._runs[interpreter.label] = []
            arms = list(self._experiment.arms(setting))
            self.parts.append(InterpreterRuns(setting=setting, arms=arms, runs=runs))

    def keep(self, stack: ExitStack) -> None:
        """Start a process for each arm, all at once, and wait until each has warmed up."""
        hash_seed = self._random.randrange(2**32)
        every = [(part, arm) for part in self.parts for arm in part.arms]
        for part, arm in every:
            job = self._job(part, arm)
            process = ArmProcess(part.setting.interpreter, job, hash_seed, kept=True)
            self._kept[_key(part, arm)] = stack.enter_context(process)
        for part, arm in every:
            self._hear(part, arm, 0)
            found = self._kept[_key(part, arm)].answer(arm.limit)
            if isinstance(found, str):
                load = os.getloadavg()[0]
                self._add(part, arm, 0, seconds=0.0, load=load, elsewhere=0.0, failure=found)
                self._given_up.add(_key(part, arm))

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
        every = ((part, arm) for part in self.parts for arm in part.arms)
        jobs = [each for each in every if _key(*each) not in self._given_up]
        if number:
            self._random.shuffle(jobs)
        hash_seed = self._random.randrange(2**32)  # the same for all arms of a round
        for part, arm in jobs:
            good = self._turn(part, arm, number, hash_seed)
            if good:
                continue
            dead = _key(part, arm) in self._kept  # and is not started again
            if dead or not (number or self._turn(part, arm, number, hash_seed)):
                self._given_up.add(_key(part, arm))

    def _turn(self, part: InterpreterRuns, arm: Arm, number: int, hash_seed: int) -> bool:
        """Run an arm once; return whether that went well."""
        self._hear(part, arm, number)
        at = perf_counter() - self._began
        if kept := self._kept.get(_key(part, arm)):
            answer = kept_turn(kept, arm.limit)
        else:
            interpreter = part.setting.interpreter
            answer = run_job(interpreter, self._job(part, arm), arm.limit, hash_seed)
        return not self._add(part, arm, number, at=at, **answer).failure

    def _add(self, part: InterpreterRuns, arm: Arm, number: int, **told: Any) -> Run:
        run = Run(**{"at": perf_counter() - self._began, **told}, arm=arm.name, round=number)
        self._runs[part.setting.interpreter.label].append(run)
        return run

    def _hear(self, part: InterpreterRuns, arm: Arm, number: int) -> None:
        label = part.setting.interpreter.label
        self._on_turn(Turn(self._experiment.name, arm.name, label, number, self.rounds))

    def _job(self, part: InterpreterRuns, arm: Arm) -> dict[str, Any]:
        # Where no arm says that it is the one to slow down, it is the second.
        chosen = any(each.slowed for each in part.arms)
        slowed = arm.slowed or (not chosen and arm in part.arms[1:2])
        return {
            "module": self._experiment.module,
            "parameters": dict(arm.parameters),
            "cores": list(arm.cores or self._plan.setting.cores),
            "slowdown": self._plan.slowdown if slowed else 0.0,
        }


def _key(part: InterpreterRuns, arm: Arm) -> tuple[str, str]:
    return part.setting.interpreter.label, arm.name


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
    interpreter: Interpreter, job: Mapping[str, Any], limit: float, hash_seed: int
) -> dict[str, Any]:
    """Run one turn in a fresh process; return the fields of a `Run` that it is to tell."""
    spent = _children()

    def answer() -> dict[str, Any] | str:
        with ArmProcess(interpreter, job, hash_seed) as process:
            return process.answer(limit)

    return _told(answer, lambda _reading: _children() - spent)


def kept_turn(kept: ArmProcess, limit: float) -> dict[str, Any]:
    """Run one turn of a process that is kept; return what `run_job` does."""

    def answer() -> dict[str, Any] | str:
        kept.tell("turn")
        return kept.answer(limit)

    return _told(answer, lambda reading: reading.get("user", 0.0) + reading.get("system", 0.0))


def _told(
    answer: Callable[[], dict[str, Any] | str], spent: Callable[[Mapping[str, float]], float]
) -> dict[str, Any]:
    """Return the fields of a `Run`; `spent` tells the CPU seconds that are its own."""
    load = os.getloadavg()[0]
    busy, started = machine_busy(), perf_counter()
    found = answer()
    seconds = perf_counter() - started
    after = machine_busy()
    common = {"seconds": seconds, "load": load, "elsewhere": 0.0, "failure": ""}
    if isinstance(found, str):
        return {**common, "failure": found}
    reading = found["reading"]
    if after and busy:
        common["elsewhere"] = max(after - busy - spent(reading), 0.0)
    return {**common, "gil": found["gil"], "reading": reading, **found["done"]}


def _children() -> float:
    """Return the CPU seconds of all processes that were started and have ended, with theirs."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime
