"""Companions: processes that are told, heard and ended over a line."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from crawler.runtime.companion import ProcessLine, companions

PARROT = "tests.runtime.parrot"


@pytest.mark.slow
def test_values_go_both_ways() -> None:
    """Each companion hears what it is told, in order, and is heard."""
    with companions(PARROT, 2, "the test") as parrots:
        for number, parrot in enumerate(parrots):
            parrot.tell({"list": [1.5, None], "number": number})
            parrot.tell("x" * 1_000_000)
        for number, parrot in enumerate(parrots):
            assert parrot.hear() == {"list": [1.5, None], "number": number}
            assert len(parrot.hear()) == 1_000_000


@pytest.mark.slow
def test_the_end_of_a_companion_is_heard_and_explained() -> None:
    """One that has ended is heard as None, and its obituary says how; telling it does no harm."""
    with companions(PARROT, 2, "the test") as (first, second):
        first.tell(3)
        assert first.hear() is None
        assert first.obituary() == f"process {first.pid} of the test has ended with exit code 3"
        second.kill()
        assert second.hear() is None
        second.tell("anything")
        assert second.obituary() == f"process {second.pid} of the test was killed by SIGKILL"


@pytest.mark.slow
def test_leaving_the_block_ends_a_companion() -> None:
    """It hears None, and has ended with code 0 when the block is left."""
    with companions(PARROT, 1, "the test") as (parrot,):
        parrot.tell("hello")
        assert parrot.hear() == "hello"
    assert parrot.bury() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(parrot.pid, 0)


@pytest.mark.slow
def test_a_signal_of_the_terminal_does_not_end_a_companion() -> None:
    """Signals that end a command are blocked in a companion: its parent says when to end."""
    with companions(PARROT, 1, "the test") as (parrot,):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(parrot.pid, number)
        parrot.tell("alive")
        assert parrot.hear() == "alive"


async def test_a_loop_can_wait_for_a_value() -> None:
    """`heard` gives values and then None, as `hear` does."""
    one, other = (ProcessLine(end.detach()) for end in socket.socketpair())
    other.tell("first")
    assert await one.heard() == "first"
    other.hang_up()
    assert await one.heard() is None
