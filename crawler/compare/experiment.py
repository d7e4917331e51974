"""An experiment: the question, what is run for it and how its turns are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from crawler.compare.design import Arm, Chart, Contrast, Figure, Finding, Noise, Setting
from crawler.compare.observation import Observed

P = ParamSpec("P")
T = TypeVar("T")


def listed(function: Callable[P, Iterable[T]]) -> Callable[P, list[T]]:
    """Have a generator return a list of what it yields."""

    @wraps(function)
    def found(*args: P.args, **others: P.kwargs) -> list[T]:
        return list(function(*args, **others))

    return found


def _no_stage(_setting: Setting) -> AbstractContextManager[str]:
    return nullcontext("")


def _nothing(_planned: Setting | Observed) -> Sequence[Any]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A question to a machine.

    claim: what is held to be true, in one sentence. arms, contrasts: what is run and what is
    compared, planned from the setting before anything is measured. checks: findings that are facts
    and no comparisons. charts: what the report draws next to the ratios. conditions, not_shown:
    sentences for the report. noise: which of the machine's noises its comparisons are held
    against. stage: what has to run with it, as a context that gives the base URL of a server.
    module: where `work` is. kept: in place of it there is `keep`, whose process serves an arm's
    turns all along, and the budget is a promise even where fewer than 5 rounds fit. most_rounds:
    where more would show nothing. weight: its share of a budget. shown: the figures whose medians
    a person is shown for each arm.
    """

    name: str
    question: str
    claim: str
    module: str
    arms: Callable[[Setting], Sequence[Arm]]
    not_shown: Sequence[str]
    contrasts: Callable[[Setting], Sequence[Contrast]] = _nothing
    conditions: Sequence[str] = ()
    checks: Callable[[Observed], Sequence[Finding]] = _nothing
    charts: Callable[[Observed], Sequence[Chart]] = _nothing
    noise: Noise = "compute"
    stage: Callable[[Setting], AbstractContextManager[str]] = _no_stage
    kept: bool = False
    most_rounds: int = 1_000
    weight: float = 1.0
    shown: Sequence[Figure] = ()
