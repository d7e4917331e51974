"""Signals: the first is gentle, the second is not, and a run always ends."""

from __future__ import annotations

import os
import signal
import threading

from crawler.cli.interrupt import Interrupts
from tests.cli.fakes import FakeSession, happens


def interrupt() -> None:
    """Ctrl-C for this process."""
    os.kill(os.getpid(), signal.SIGINT)


def test_two_signals_end_the_crawl_from_within() -> None:
    """The second signal asks for the end of what is in flight; then nobody needs to be killed."""
    session, left = FakeSession(ends_on="stop_now"), threading.Event()
    with Interrupts(session, lambda _line: interrupt(), leave=left.set) as interrupts:
        interrupt()  # what is said then is answered by the second
        session.run()
    assert session.calls == ["stop", "stop_now"]
    assert interrupts.interrupted and not left.is_set()


def test_a_crawl_that_does_not_end_is_left() -> None:
    """If nothing ends within the grace after the second signal, the process is left."""
    left = threading.Event()
    with Interrupts(FakeSession(), lambda _line: interrupt(), leave=left.set, grace=0.01):
        interrupt()
        assert happens(left)


def test_a_third_signal_does_not_wait_for_the_grace() -> None:
    """Whoever asks a third time leaves at once."""
    session, left = FakeSession(), threading.Event()
    session.stop_now = interrupt  # type: ignore[method-assign]
    with Interrupts(session, lambda _line: interrupt(), leave=left.set, grace=3_600):
        interrupt()
        assert happens(left)


def test_the_former_handlers_come_back() -> None:
    """After the block, signals do what they did before it, also when no signal came."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interrupts(FakeSession(), lambda _line: None) as interrupts:
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert not interrupts.interrupted
