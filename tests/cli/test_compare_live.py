"""The progress of a comparison: a line every so often, or on a terminal one that is gone."""

from __future__ import annotations

import io
import threading

import pytest

from crawler.cli.compare.compare_live import Live
from crawler.compare.runner import Turn
from tests.patience import PATIENCE

TURN = Turn(experiment="answer", arm="threaded", interpreter="", round=1, rounds=3)


class _Stream(io.StringIO):
    """Tells when two lines were written."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.written = threading.Event()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.getvalue().count("threaded") >= 2:
            self.written.set()
        return count


def test_off_a_terminal_lines_come_by_themselves() -> None:
    """CM4: also while one long turn runs; with a word on rounds that cannot decide."""
    stream = _Stream(terminal=False)
    with Live(stream, quiet=False, every=0.001) as live:
        live.turn(TURN)
        assert stream.written.wait(PATIENCE)
    first = stream.getvalue().splitlines()[0]
    assert first == "0:00  answer  round 1 of 3, too few to decide: that takes 5  threaded"


def test_on_a_terminal_there_is_one_line_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown at once, written over, and erased at the end."""
    monkeypatch.setenv("TERM", "xterm")
    stream = _Stream(terminal=True)
    with Live(stream, quiet=False) as live:
        live.turn(TURN)
    assert "\n" not in stream.getvalue() and stream.getvalue().endswith("\r\x1b[K")


def test_quiet_is_quiet() -> None:
    """Nothing is written, and no thread is started."""
    stream = _Stream(terminal=False)
    before = threading.active_count()
    with Live(stream, quiet=True, every=0.001) as live:
        live.turn(TURN)
        assert threading.active_count() == before
    assert stream.getvalue() == ""
