"""Processes that do a work together, each its share."""

from __future__ import annotations

import socket
import sys
from typing import Self

import pytest

from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.experiments.noise import checksum
from crawler.compare.members import Gate, together
from crawler.runtime.companion import ProcessLine
from tests.compare.observing import FakeWatch

NOISE = "crawler.compare.experiments.noise:work"


class Counting(FakeWatch):
    """Knows how often it was started."""

    started = 0

    def __enter__(self) -> Self:
        self.started += 1
        return self


def failing(_parameters: Parameters, watch: Watch) -> Done:
    with watch:
        raise ValueError("no")


@pytest.mark.slow
def test_each_member_does_its_share() -> None:
    """Answers come in the order of the shares; the parent's watch runs once over all of them."""
    watch = Counting()
    shares = [{"kind": "compute", "turns": turns} for turns in (20, 30)]
    done = together(NOISE, shares, watch)
    assert [each.checksum for each in done] == [str(checksum(20)), str(checksum(30))]
    assert watch.started == 1


@pytest.mark.slow
@pytest.mark.parametrize("function", [f"{__name__}:failing", "crawler.compare.members:no_such"])
def test_a_member_that_fails_is_an_error(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that raises, before or within what is measured, ends the turn at once."""
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    with pytest.raises(RuntimeError, match="ended early"):
        together(function, [{}, {}], FakeWatch())


@pytest.fixture
def lines() -> tuple[ProcessLine, ProcessLine]:
    """Both ends of a line."""
    parent, member = socket.socketpair()
    return ProcessLine(parent.detach()), ProcessLine(member.detach())


def test_a_member_waits_at_the_gate(lines: tuple[ProcessLine, ProcessLine]) -> None:
    """It says that it is ready before it is told to go, and that it is done before it cleans up."""
    parent, member = lines
    parent.tell("go")
    parent.tell("end")
    with Gate(member):
        assert parent.hear() == "ready"
    assert parent.hear() == "done"


def test_a_member_without_a_parent_does_not_go_on(lines: tuple[ProcessLine, ProcessLine]) -> None:
    """When the parent ends, whoever waits at the gate fails and does not measure."""
    parent, member = lines
    parent.hang_up()
    with pytest.raises(RuntimeError, match="before it said go"), Gate(member):
        pytest.fail("it went on")
