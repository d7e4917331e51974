"""Signals: the first is gentle, the second is not, and a run always ends."""

from __future__ import annotations

import os
import signal
import threading
from itertools import count

import pytest

from crawler.cli.interrupt import Interrupts
from crawler.runtime import signals
from crawler.runtime.pulse import Pulse
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


@pytest.mark.slow
@pytest.mark.parametrize("number", signals.ENDING)
def test_one_signal_is_enough_where_nothing_moves(number: signal.Signals) -> None:
    """T8: a run that stands still after its drain, as its line has no reader, is left."""
    left, never = threading.Event(), threading.Event()
    session = FakeSession()
    with Interrupts(session, lambda _line: never.wait(), leave=left.set, idle=0.05):
        os.kill(os.getpid(), number)
        assert happens(left)
    never.set()
    assert session.calls == ["stop"]


@pytest.mark.slow
def test_a_run_that_still_works_is_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the drain the last records and the summary may take as long as they work."""
    left, looked, spent = threading.Event(), threading.Event(), count()

    def works() -> float:
        if (seconds := next(spent)) == 8:
            looked.set()
        return seconds

    monkeypatch.setattr("crawler.cli.interrupt.process_time", works)
    with Interrupts(FakeSession(), lambda _line: None, leave=left.set, idle=0.05):
        interrupt()
        assert happens(looked)
    assert not left.is_set()


@pytest.mark.slow
def test_a_stop_is_no_idleness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where minutes go by between two looks, as nothing could run, each counts for a moment."""
    minutes, beats = count(0, 60), count()

    class Stopped(Pulse):
        def __init__(self) -> None:
            super().__init__(lambda: float(next(minutes)))

        def beat(self) -> float:
            next(beats)
            return super().beat()

    monkeypatch.setattr("crawler.cli.interrupt.Pulse", Stopped)
    assert Interrupts(FakeSession(), print)._next(0.5) is None
    assert next(beats) >= 4


def test_a_signal_that_nobody_could_obey_is_not_forgotten() -> None:
    """An exception in a finaliser is lost: the crawl that begins after it does not begin."""

    class Dying:
        def __del__(self) -> None:
            interrupt()
            for _ in range(100):  # where the handler runs
                pass

    with signals.interrupting():
        Dying().__repr__()
        with pytest.raises(KeyboardInterrupt), Interrupts(FakeSession(), print):
            pytest.fail("it began")
        assert (signals.name(), signals.code()) == ("SIGINT", 130)


def test_sighup_that_is_ignored_stays_so() -> None:
    """`nohup` ignores SIGHUP for the command: that is not undone."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts(FakeSession(), print) as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not interrupts.interrupted
    finally:
        signal.signal(signal.SIGHUP, former)
