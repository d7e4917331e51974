"""Ctrl-C and SIGTERM while experiments run: heard once, and obeyed where nothing is lost by it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Within the block both signals ask for the end; `asked` says whether one has come.

    Where experiments run (`with interruption.welcome():`) the first one raises `KeyboardInterrupt`.
    Elsewhere, as where what was found is judged, it waits for the next such place. Later ones are
    of no effect: what was started is being ended, which takes seconds, and would be left behind.
    """

    def __init__(self) -> None:
        self.asked = False
        self._welcome = False
        self._before: dict[int, Any] = {}

    def __repr__(self) -> str:
        return f"Interruption(asked={self.asked})"

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # others hear no signals
            self._before = {number: signal.signal(number, self._hear) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def welcome(self) -> Iterator[None]:
        """Here a signal raises `KeyboardInterrupt`, also one that has come before."""
        self._welcome = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._welcome = False

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        first, self.asked = not self.asked, True
        if first and self._welcome:
            raise KeyboardInterrupt
