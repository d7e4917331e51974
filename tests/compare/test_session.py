"""A whole comparison: what is left of it when it is interrupted between two turns."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Any

import pytest

from crawler.compare import catalogue
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_report import report
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import Arm
from crawler.compare.session import Listener, compare
from tests.compare import tiny
from tests.compare.made import HERE


def _compared(**told: Any) -> ComparisonResult:
    """A comparison of moments, and who is told of it."""
    quiet = {name: lambda *_told: None for name in ("begins", "turn", "ends")}
    listener = Listener(**{**quiet, **told})
    return compare(CompareConfig(rounds=1), ["moment"], [HERE], listener)


def _interrupted(*_told: object) -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize(("when", "left"), [("begins", 0), ("turn", 1), ("ends", 1)])
def test_an_interrupt_at_any_time_leaves_a_marked_part(
    monkeypatch: pytest.MonkeyPatch, when: str, left: int
) -> None:
    """Before the first turn, in one, or after the first of two experiments."""
    known = {n: replace(tiny.experiment([Arm(name="a")]), name=n) for n in ("noise", "moment")}
    monkeypatch.setattr(catalogue, "NAMES", tuple(known))
    monkeypatch.setattr(catalogue, "load", lambda name: known[name])
    result = _compared(**{when: _interrupted})
    assert result.partial
    assert [each.experiment.name for each in result.examined] == ["noise"][:left]
    assert "stopped before its end" in report(result)
