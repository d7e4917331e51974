"""The live view of a comparison: one line on a terminal, else a line every 10 s."""

from __future__ import annotations

import os
import shutil
import threading
from time import perf_counter
from typing import Self, TextIO

from crawler.cli.unit_formats import duration
from crawler.compare.catalogue import ANSWER
from crawler.compare.runner import Turn
from crawler.compare.statistics import LEAST_ROUNDS

_CLEAR = "\r\x1b[K"
_TICK, _LINE = 1.0, 10.0  # seconds between two looks on a terminal, and elsewhere


def line(turn: Turn, seconds: float) -> str:
    """Return experiment, round, arm and the time so far."""
    rounds = f"round {turn.round} of {turn.rounds}" if turn.round else "warm-up"
    if turn.round and turn.experiment == ANSWER and turn.rounds < LEAST_ROUNDS:
        rounds += f", too few to decide: that takes {LEAST_ROUNDS}"
    arm = f"{turn.arm}, {turn.interpreter}" if turn.interpreter else turn.arm
    return f"{duration(seconds)}  {turn.experiment}  {rounds}  {arm}"


class Live:
    """The line, which is gone after the block on a terminal; a thread sees that time goes on."""

    def __init__(self, stream: TextIO, *, quiet: bool, every: float = _LINE) -> None:
        self._terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._stream = None if quiet else stream
        self._every = _TICK if self._terminal else every
        self._began = perf_counter()
        self._turn: Turn | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self._stream is not None:
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        if self._stream is not None:
            self._thread.join()
        self.clear()

    def turn(self, turn: Turn) -> None:
        """Show what runs now."""
        with self._lock:
            self._turn = turn
        if self._terminal:
            self._show()

    def clear(self) -> None:
        """Make room for lines of the summary; nothing is shown until the next turn."""
        with self._lock:
            self._turn = None
            if self._terminal:
                self._write(_CLEAR)

    def _look(self) -> None:
        while not self._ended.wait(self._every):
            self._show()

    def _show(self) -> None:
        with self._lock:
            if self._turn is None:
                return
            text = line(self._turn, perf_counter() - self._began)
            if self._terminal:
                width = shutil.get_terminal_size().columns - 1
                self._write(f"{_CLEAR}{text[:width]}")
            else:
                self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()
