"""An output and its journal, written in the order that makes both last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from crawler.store.journal.journal import Journal, Sync
from crawler.store.outlet import Outlet


class RecordGroup(NamedTuple):
    """Records that are written together: their lines, and the keys of their URLs.

    words: their outcomes, as `crawler.store.journal.lines.word_of` has them; `failed` of them are
    failures.
    """

    lines: bytes
    ended: Sequence[int]
    words: Sequence[str] = ()
    failed: int = 0


class Kept:
    """Commits records: the output first, then the journal that says so."""

    def __init__(self, outlet: Outlet, journal: Journal, sync: Sync) -> None:
        self.outlet = outlet
        self.journal = journal
        self._sync = sync

    def __repr__(self) -> str:
        return f"Kept({self.outlet!r}, {self.journal!r})"

    def write(self, group: RecordGroup) -> None:
        """Write records and commit them, with what the core has told until then.

        Raises `OSError` for the output, `EnvironmentFailure` for the state.
        """
        if group.lines:
            self.journal.prepare()
            self.outlet.write(group.lines)
            self.outlet.settle(self._sync)
        self.journal.commit(group.ended, self.outlet.written, group.words, group.failed)
        self.journal.pulse()

    def end(self, *, whole: bool) -> None:
        """Commit what is left; a crawl that is whole leaves its receipt in place of its state."""
        self.journal.commit((), self.outlet.written)
        if whole:
            self.outlet.settle(self._sync)
            self.journal.finish()
        else:
            self.journal.remember()
            self.journal.pulse(now=True)
            self.journal.close()
