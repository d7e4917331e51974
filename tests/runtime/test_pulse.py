"""Time as a process had it, by a clock that is fed."""

from __future__ import annotations

import pytest

from crawler.runtime.pulse import Pulse


def test_time_stands_still_while_nothing_could_run() -> None:
    """What a beat is late by does not pass; no time passes beyond a beat that is overdue."""
    clock = [100.0]
    pulse = Pulse(lambda: clock[0])
    clock[0] = 100.04
    assert pulse() == pytest.approx(100.04)
    clock[0] = 160.0
    assert pulse() == pytest.approx(100.1)
    assert pulse.beat() == pytest.approx(59.95)
    assert pulse() == pytest.approx(100.1)
    assert pulse.lost == pytest.approx(59.9)
    clock[0] = 160.03
    assert pulse() == pytest.approx(100.13)
    assert pulse.quiet_since(2.0) < 0.0  # nobody could be heard
    clock[0] = 163.0
    pulse.beat()
    assert pulse.quiet_since(2.0) < 0.0
