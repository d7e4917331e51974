"""What a person sees while a comparison runs: one line on a terminal, nothing elsewhere."""

from __future__ import annotations

import os
import shutil
from time import perf_counter
from types import TracebackType
from typing import Self, TextIO

from crawler.cli.units import duration
from crawler.compare.runner import Turn

_CLEAR = "\r\x1b[K"


def line(turn: Turn, seconds: float) -> str:
    """Experiment, round, arm and the time so far."""
    rounds = f"round {turn.round} of {turn.rounds}" if turn.round else "warm-up"
    arm = f"{turn.arm}, {turn.interpreter}" if turn.interpreter else turn.arm
    return f"{duration(seconds)}  {turn.experiment}  {rounds}  {arm}"


class Live:
    """The line; it is gone after the block."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        dumb = os.environ.get("TERM") == "dumb"
        self._stream = None if quiet or dumb or not stream.isatty() else stream
        self._began = perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def turn(self, turn: Turn) -> None:
        """Show what runs now."""
        if self._stream is not None:
            width = shutil.get_terminal_size().columns - 1
            text = line(turn, perf_counter() - self._began)[:width]
            self._stream.write(f"{_CLEAR}{text}")
            self._stream.flush()

    def clear(self) -> None:
        """Make room for lines of the summary."""
        if self._stream is not None:
            self._stream.write(_CLEAR)
            self._stream.flush()
