"""A whole comparison: the experiments one after the other, the noise first."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter
from typing import Self

from crawler.compare.catalogue import CALL, chosen
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import Interpreter, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.experiments.call import planned
from crawler.compare.judgement import Examined, bands_of
from crawler.compare.runner import OnTurn, Schedule, conduct
from crawler.measure.machine import Machine
from crawler.runtime import signals
from crawler.runtime.limits import memory, usable_cores

_AROUND = 2.5  # seconds until a comparison begins, and from its end to the last word


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Hears of a comparison: of the machine, of each turn, and of each experiment's end.

    ends: called with what there is so far, the experiment that has just ended being the last.
    """

    begins: Callable[[Machine, Sequence[Experiment]], None]
    turn: OnTurn
    ends: Callable[[ComparisonResult], None]


class Interruption:
    """While `heard`, each signal asks for the end; `asked` says whether one has come.

    Where experiments run (`with interruption.welcome():`) the first one raises `KeyboardInterrupt`.
    Elsewhere, as where what was found is judged, it waits for the next such place. Later ones are
    of no effect: what was started is being ended, which takes seconds, and would be left behind.
    """

    def __init__(self) -> None:
        self.asked = False
        self._welcome = False

    @contextmanager
    def heard(self) -> Iterator[Self]:
        """Answer signals while the block runs."""
        with signals.answering(self._hear):
            yield self

    @contextmanager
    def welcome(self) -> Iterator[None]:
        """Let a signal raise `KeyboardInterrupt` here, also one that has come before."""
        self._welcome = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._welcome = False

    def _hear(self) -> None:
        first, self.asked = not self.asked, True
        if first and self._welcome:
            raise KeyboardInterrupt


def compare(
    config: CompareConfig,
    names: Sequence[str],
    interpreters: Sequence[Interpreter],
    listener: Listener,
) -> ComparisonResult:
    """Run experiments by name; on Ctrl-C or SIGTERM the result is what there is until then.

    interpreters: the first is the one that runs this. Raises `ConfigurationError` for an unknown
    name or a list without URLs, `EnvironmentFailure` if an experiment cannot be staged.
    """
    began = perf_counter()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    experiments = chosen(names)
    examined: list[Examined] = []

    def so_far() -> ComparisonResult:
        return ComparisonResult(
            started=started,
            seconds=perf_counter() - began,
            partial=len(examined) < len(experiments) or any(each.partial for each in examined),
            asked=list(names),
            config=config,
            machine=machine,
            examined=tuple(examined),
            load_after=os.getloadavg(),
        )

    with Interruption().heard() as interruption:
        machine = Machine.here(usable_cores(), memory())
        setting = Setting(
            mode=config.mode,
            cores=machine.cores,
            interpreter=interpreters[0],
            urls=config.urls,
            text=config.text,
            seed=config.seed,
            latency=config.mock_latency,
            width=config.width,
        )
        if CALL in names:
            with interruption.welcome():
                setting = replace(setting, call=planned(config, interpreters[0]))
        for experiment in experiments:  # a list that cannot be read is known before the noise is
            experiment.arms(setting)
        listener.begins(machine, experiments)
        weights = sum(each.weight for each in experiments)
        whole = config.seconds(len(experiments)) * len(experiments)
        for experiment in experiments:
            if interruption.asked:
                break
            budget = whole * experiment.weight / weights
            if experiment.kept:
                budget = config.answer_seconds - (perf_counter() - began) - _AROUND
            # The noise is slowed alone, else what is found elsewhere would be held against it.
            slowed = len(experiments) == 1 or experiment.name != "noise"
            plan = Schedule(
                setting=setting,
                interpreters=interpreters,
                budget=budget,
                rounds=config.rounds,
                slowdown=float(config.sabotage) if slowed else 0.0,
            )
            conducted = conduct(experiment, plan, listener.turn, interruption.welcome())
            examined.append(Examined.of(experiment, conducted, bands_of(examined)))
            listener.ends(so_far())
            if conducted.partial:
                break
    return so_far()
