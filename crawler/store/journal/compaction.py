"""A new base for a journal that has grown, written by a thread while the crawl goes on.

    journal      frames up to `length`  |  frames that are added meanwhile
                          |                          |
    journal.new  a base that comes to the same   +   those, copied by `finish`

The thread replays the frames that were there when it started. `finish`, in the thread that commits,
adds those that came since and renames the new file. Until then the old one counts.
"""

from __future__ import annotations

import os
import threading
from time import monotonic, time
from typing import BinaryIO

from crawler.store.journal import disk
from crawler.store.journal.replay import Replay
from crawler.store.journal.state_folder import StateFolder

_BLOCK = 2**20  # bytes copied at once


class _Stopped(Exception):
    """The crawl ends before its journal has a new base."""


class Compaction:
    """The new base for the first `length` bytes of a folder's journal."""

    def __init__(self, folder: StateFolder, length: int) -> None:
        self.folder = folder
        self.length = length
        self.failure: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-base", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"Compaction({self.folder!r}, length={self.length}, done={self.done})"

    @property
    def done(self) -> bool:
        """True if the thread has ended; then `failure` says why it failed, if it did."""
        return not self._thread.is_alive()

    def finish(self) -> tuple[BinaryIO, int]:
        """Put the new journal in the place of the old; return it, and the length of its base.

        Raises `OSError`.
        """
        draft = self.folder.path / "journal.new"
        base = draft.stat().st_size
        with self.folder.journal() as old, draft.open("ab", buffering=0) as new:
            old.seek(self.length)
            while block := old.read(_BLOCK):
                disk.write(new.fileno(), block)
            os.fsync(new.fileno())
        return self.folder.adopt(), base

    def wait(self) -> None:
        """Wait for the thread's end."""
        self._thread.join()

    def close(self) -> None:
        """End the thread; what it has written is of no use."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        self._since = monotonic()
        try:
            with self.folder.journal() as file:
                replay = Replay(file, self.length, self._pause)
                replay.hosts.drop_before(time())
                self.folder.draft(replay.base())
        except _Stopped:
            return
        except Exception as error:  # seen by the thread that commits
            self.failure = error

    def _pause(self) -> None:
        """Rest for as long as it worked: the interpreter is the crawl's."""
        if self._stopping.wait(monotonic() - self._since):
            raise _Stopped
        self._since = monotonic()
