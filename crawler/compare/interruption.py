"""Signals while experiments run: heard once, and obeyed where nothing is lost by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from crawler.runtime import signals


class Interruption:
    """While `heard`, each signal asks for the end; `asked` says whether one has come.

    Where experiments run (`with interruption.welcome():`) the first one raises `KeyboardInterrupt`.
    Elsewhere, as where what was found is judged, it waits for the next such place. Later ones are
    of no effect: what was started is being ended, which takes seconds, and would be left behind.
    """

    def __init__(self) -> None:
        self.asked = False
        self._welcome = False

    def __repr__(self) -> str:
        return f"Interruption(asked={self.asked})"

    @contextmanager
    def heard(self) -> Iterator[Self]:
        """Answer signals while the block runs."""
        with signals.answering(self._hear):
            yield self

    @contextmanager
    def welcome(self) -> Iterator[None]:
        """Let a signal raise `KeyboardInterrupt` here, also one that has come before."""
        self._welcome = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._welcome = False

    def _hear(self) -> None:
        first, self.asked = not self.asked, True
        if first and self._welcome:
            raise KeyboardInterrupt
