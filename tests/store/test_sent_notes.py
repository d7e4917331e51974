"""Notes of requests that are never repeated: on the disk before their requests leave, in groups."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from crawler.store.journal import disk
from crawler.store.journal.journal import unsynced
from crawler.store.journal.sent_notes import SentNotes
from tests.patience import PATIENCE, until

WAITING = 20


class HeldDisk:
    """Syncs, the first of them only when `go` is set; `lengths` has what was there at each.

    fails: the number of the sync that fails, from 1.
    """

    def __init__(self, path: Path, fails: int = 0) -> None:
        self._path = path
        self._fails = fails
        self.begun, self.go = threading.Event(), threading.Event()
        self.lengths: list[int] = []

    def sync(self, _number: int) -> None:
        """Take note of what is to last."""
        self.lengths.append(self._path.stat().st_size)
        self.begun.set()
        assert self.go.wait(PATIENCE)
        if len(self.lengths) == self._fails:
            raise OSError(5, "broken")


def added(path: Path, held: HeldDisk) -> list[Callable[[], bool]]:
    """Add a note, and others while it is being synced; return what each came to."""
    notes = SentNotes(path, resumed=False)
    with ThreadPoolExecutor(1 + WAITING) as pool:
        first = pool.submit(notes.add, 0, held.sync)
        assert held.begun.wait(PATIENCE)
        others = [pool.submit(notes.add, key, held.sync) for key in range(1, 1 + WAITING)]
        assert until(lambda: f"{WAITING} waiting" in repr(notes))
        assert not first.done() and not any(each.done() for each in others)
        held.go.set()
    notes.close()
    return [each.result for each in (first, *others)]


def test_notes_that_come_during_a_sync_share_the_next(tmp_path: Path) -> None:
    """Two syncs for all of them, and none is believed before its own."""
    held = HeldDisk(tmp_path / "sent")
    assert all(result() for result in added(tmp_path / "sent", held))
    assert held.lengths == [8, 8 * (1 + WAITING)]
    assert set(array("Q", (tmp_path / "sent").read_bytes())) == set(range(1 + WAITING))
    again = SentNotes(tmp_path / "sent", resumed=True)
    assert not any(again.add(key, held.sync) for key in range(1 + WAITING))


@pytest.mark.parametrize("fails", [1, 2])
def test_no_note_is_believed_after_a_failure(tmp_path: Path, fails: int) -> None:
    """Whoever shares a sync that failed, or comes later, is told so."""
    held = HeldDisk(tmp_path / "sent", fails)
    first, *others = added(tmp_path / "sent", held)
    if fails == 1:
        with pytest.raises(OSError, match="broken"):
            first()
    else:
        assert first()
    for result in others:
        with pytest.raises(OSError, match=r"broken|could not be"):
            result()


def test_a_torn_note_is_cut_and_the_name_of_the_file_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notes after it are whole, and a power cut does not take the file with them."""
    settled: list[Path] = []
    monkeypatch.setattr(disk, "settle", settled.append)
    path = tmp_path / "sent"
    path.write_bytes(array("Q", [1]).tobytes() + b"torn")
    notes = SentNotes(path, resumed=True)
    with closing(notes):
        assert notes.add(2, unsynced)
    assert array("Q", path.read_bytes()) == array("Q", [1, 2]) and settled == [tmp_path]
