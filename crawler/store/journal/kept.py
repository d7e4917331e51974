"""Outputs and their journal, written in the order that makes all of them last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from crawler.store.journal.journal import Journal, Sync
from crawler.store.outlet import Outlet, write_groups


class RecordGroup(NamedTuple):
    """Records that are written together, so many for each output, and the keys of their URLs.

    files: names and contents of bodies to save first. words: their outcomes, as
    `crawler.store.journal.lines.word_of` has them; `failed` of them are failures.
    """

    parts: Sequence[bytes] = ()
    number: int = 0
    ended: Sequence[int] = ()
    words: Sequence[str] = ()
    failed: int = 0
    files: Sequence[tuple[str, bytes]] = ()


def _none() -> Sequence[bytes]:
    return ()


class Kept:
    """Commits records: the outputs first, then the journal that says so.

    redirects: returns those for archives that the core was told of by now, for each output.
    """

    def __init__(self, outlets: Sequence[Outlet], journal: Journal, sync: Sync) -> None:
        self.outlets = outlets
        self.journal = journal
        self._sync = sync
        self.redirects: Callable[[], Sequence[bytes]] = _none

    def __repr__(self) -> str:
        return f"Kept({self.outlets!r}, {self.journal!r})"

    def write(self, group: RecordGroup) -> None:
        """Write records and commit them, with what the core has told until then.

        Raises `OSError` for an output, `EnvironmentFailure` for the state.
        """
        self.journal.cut()
        redirects = self.redirects()
        if any(group.parts) or redirects:
            self.journal.prepare()
            write_groups(self.outlets, group.parts, group.number)
            write_groups(self.outlets, redirects)
            for outlet in self.outlets:
                outlet.settle(self._sync)
        self._commit(group)
        self.journal.pulse()

    def end(self, *, whole: bool) -> None:
        """Commit what is left; a crawl that is whole leaves its receipt in place of its state."""
        self._commit(RecordGroup())
        if whole:
            for outlet in self.outlets:
                outlet.settle(self._sync)
            self.journal.finish([outlet.path for outlet in self.outlets[1:]])
        else:
            self.journal.remember()
            self.journal.pulse(now=True)
            self.journal.close()

    def _commit(self, group: RecordGroup) -> None:
        output, *others = (outlet.written for outlet in self.outlets)
        self.journal.commit(group.ended, output, group.words, group.failed, others)
