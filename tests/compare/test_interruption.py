"""Signals while experiments run: one is enough, and whenever it comes nothing is lost by it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crawler.compare import catalogue
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_report import report
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import Arm
from crawler.compare.session import Interruption, Listener, compare
from tests.compare.made import HERE
from tests.compare.tiny import experiment

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


def _nothing(*_heard: Any) -> None:
    """Hear nothing of it."""


def _kill(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@contextmanager
def _stage(_setting: Any) -> Any:
    """Is interrupted while it ends."""
    try:
        yield ""
    finally:
        _kill()
        _kill(signal.SIGTERM)
        _ENDED.append("ended")


_ENDED: list[str] = []


@pytest.fixture(autouse=True)
def _two_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    staged: Any = _stage
    plain = experiment([Arm(name="a"), Arm(name="b")])
    found = {"noise": replace(plain, name="noise"), "tiny": replace(plain, stage=staged)}
    monkeypatch.setattr(catalogue, "NAMES", tuple(found))
    monkeypatch.setattr(catalogue, "load", lambda name: found[name])
    _ENDED.clear()


def _compared(
    begins: Callable[..., None] = _nothing,
    turn: Callable[..., None] = _nothing,
    ends: Callable[..., None] = _nothing,
) -> ComparisonResult:
    config = CompareConfig(rounds=1)
    return compare(config, ["tiny"], [HERE], Listener(begins=begins, turn=turn, ends=ends))


@pytest.mark.slow
@BOTH
def test_a_signal_in_a_turn_ends_the_experiment(number: int) -> None:
    """What was run until then is kept; the next experiment does not begin."""
    found = _compared(turn=lambda turn: _kill(number) if turn.round else None)
    assert [(each.experiment.name, each.partial) for each in found.examined] == [("noise", True)]
    assert found.partial and len(found.examined[0].parts[0].runs) == 2


@pytest.mark.slow
@BOTH
def test_a_signal_while_what_was_found_is_told_costs_nothing(number: int) -> None:
    """An experiment that has been run is in the result, whole; the next does not begin."""
    found = _compared(ends=lambda _examined: _kill(number))
    assert [(each.experiment.name, each.partial) for each in found.examined] == [("noise", False)]
    assert found.partial


@pytest.mark.slow
def test_a_signal_before_the_first_experiment_leaves_an_empty_result() -> None:
    """It is marked, and there is a page of it."""
    found = _compared(begins=lambda *_heard: _kill())
    assert found.partial and not found.examined
    assert "topped before its end" in report(found)


@pytest.mark.slow
def test_further_signals_disturb_no_end() -> None:
    """A stage is ended to its end although signals come meanwhile, one upon the other."""

    def turn(turn: Any) -> None:
        if turn.experiment == "tiny":
            _kill()

    found = _compared(turn=turn)
    assert found.partial and [each.partial for each in found.examined] == [False, True]
    assert _ENDED == ["ended"]


def test_afterwards_signals_are_what_they_were() -> None:
    """The handlers from before are back."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interruption().heard():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
