"""The order in which a crawl makes things last: what a file says is durable before it is said.

Each change to the disk is checked as it is made, so that one crawl shows what many power cuts would
have to find. A file is durable up to the length that it had at its last sync, under a name that its
directory had when that was synced last.
"""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crawler.engine import partition_handle
from crawler.engine.round_files import MANIFEST
from crawler.model.errors import ExitCode
from crawler.store import blocks, sinks
from crawler.store.journal import disk, handover, journal
from crawler.store.journal.frame import Marks, frames, last_marks
from crawler.store.journal.state_folder import StateFolder
from tests.crash.crawl import Case, crawl, outputs, state_place, wrong
from tests.crash.partitioned import RoundsCase, crawl_rounds, wrong_rounds
from tests.crash.workers import ThreadCompanion, WorkersCase, crawl_workers, wrong_workers

ENGINES = ("async", "threaded")
ENDS = (ExitCode.ENVIRONMENT, ExitCode.FINISHED)
"""A crawl that commits less often than expected ends before the frame that fails."""
_UNSYNCED = {"status.json", "offer"}
"""Files that nothing is lost with: for people, and written again by the next run."""


class DiskOrder:
    """Follows the changes below a folder; `problems` says which came too early.

    files: returns the outputs that the journal of a state is about. fail_at: the number of the
    frame that fails, half written; 0 for none. kept: what is there at the start is durable.
    """

    def __init__(
        self,
        folder: Path,
        files: Callable[[Path], list[Path]],
        fail_at: int = 0,
        *,
        kept: bool = True,
    ) -> None:
        self._folder = folder
        self._kept = kept
        self._files = files
        self._left = fail_at
        self._failed: set[Path] = set()
        self._lock = threading.RLock()
        self._lengths: dict[int, int] = {}  # synced, by inode
        self._names: dict[Path, dict[str, int]] = {}  # inodes, by directory
        self._durable: dict[Path, Marks] = {}  # of the last durable frame, by state
        self._written: dict[Path, Marks] = {}  # of the last frame
        self.problems: list[str] = []
        self.seen: set[str] = set()

    @contextmanager
    def followed(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Follow what is done in the block."""
        self._take_over()
        with patch.context() as own:
            own.setattr(disk, "write", self._around(disk.write, self._writes))
            own.setattr(disk, "truncate", self._around(disk.truncate, self._truncates))
            own.setattr(os, "rename", self._around(os.rename, self._renames))
            own.setattr(os, "link", self._around(os.link, self._links))
            own.setattr(os, "unlink", self._around(os.unlink, self._unlinks))
            own.setattr(os, "fsync", self._synced)
            own.setattr(os, "fdatasync", self._synced)
            yield

    def _around(self, change: Callable[..., Any], check: Callable[..., None]) -> Callable[..., Any]:
        def changed(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                check(*arguments)
                return change(*arguments, **named)

        return changed

    def _take_over(self) -> None:
        """Take what is there for durable, or its names alone."""
        for path in (self._folder, *self._folder.rglob("*")):
            if path.is_dir() or self._kept:
                self._sync(path)

    def _synced(self, number: int) -> None:
        with self._lock:
            self._sync(Path(os.readlink(f"/proc/self/fd/{number}")))

    def _sync(self, path: Path) -> None:
        if path.is_dir():
            self._names[path] = {each.name: each.inode() for each in os.scandir(path)}
            self._counts(path)
        elif path.is_file():
            self._lengths[path.stat().st_ino] = path.stat().st_size
            if path.name == "journal":
                self._goes_on(path)
                self._counts(path.parent)

    def _goes_on(self, journal: Path) -> None:
        """Take the last frame of a journal that a run has found and goes on with."""
        if journal.parent not in self._written:
            with journal.open("rb") as file:
                self._written[journal.parent] = last_marks(file) or Marks()

    def _counts(self, state: Path) -> None:
        """Take note of a state whose last frame is durable now."""
        if state in self._written and self._lasting(state / "journal") > 0:
            self._durable[state] = self._written[state]

    def _lasting(self, path: Path) -> int:
        """Return the length that a file keeps when the power is cut, -1 without its name."""
        for each in (path, *path.parents):
            if each == self._folder:
                break
            inode = each.stat().st_ino if each.exists() else 0
            if self._names.get(each.parent, {}).get(each.name) != inode:
                return -1
        return self._lengths.get(path.stat().st_ino, 0)

    def _wants(self, path: Path, length: int, why: str) -> None:
        self.seen.add(why)
        if length and (lasting := self._lasting(path)) < length:
            self.problems.append(f"{why}: {path.name} keeps {lasting} bytes of {length}")

    def _whole(self, path: Path, why: str) -> None:
        size = path.stat().st_size if path.exists() else 1
        self._wants(path, max(size, 1), why)

    def _writes(self, number: int, data: bytes) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{number}"))
        if path.name != "journal":
            return
        if path.parent in self._failed:
            self.problems.append("a frame after one that failed")
        self._left -= 1
        if self._left == 0:
            self._failed.add(path.parent)
            os.write(number, data[: len(data) // 2])
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._whole(path, "another frame")
        self._whole(path.with_name("run.json"), "a frame")
        [frame] = frames(io.BytesIO(data))
        self._rely(path.parent, frame.marks, "a frame")
        self._written[path.parent] = frame.marks

    def _rely(self, state: Path, marks: Marks, why: str) -> None:
        """What a frame counts is durable before it is written."""
        for path, length in zip(self._files(state), marks.lengths, strict=False):
            self._wants(path, length, f"{why} with records")
        self._wants(state / "seen", marks.seen, f"{why} with fingerprints")
        self._wants(state / "input", marks.copied, f"{why} with a copy")
        if marks.handed:
            start = handover.segments(state)[-1]
            length = marks.handed - start
            self._wants(state / f"handed.{start}", length, f"{why} with lines for others")

    def _truncates(self, place: int | Path, length: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{place}")) if isinstance(place, int) else place
        marks = self._durable.get(path.parent) or self._durable.get(Path(f"{path}.state"))
        if marks is None or os.stat(place).st_size <= length:
            return
        kept = {"seen": marks.seen} | {
            file.name: size
            for state in (path.parent, Path(f"{path}.state"))
            for file, size in zip(self._files(state), marks.lengths, strict=False)
        }
        if length < kept.get(path.name, 0):
            self.problems.append(f"{path.name} is cut to {length} bytes, {kept[path.name]} count")

    def _renames(self, draft: str | Path, path: str | Path) -> None:
        draft, path = Path(draft), Path(path)
        size = draft.stat().st_size
        if path.name not in _UNSYNCED:
            self.seen.add("a rename")
            if (kept := self._lengths.get(draft.stat().st_ino, 0)) < size:
                self.problems.append(f"{path.name} is renamed with {kept} bytes kept of {size}")
        match path.name:
            case "journal":
                self._based(path.parent, draft)
            case "offer":
                self._offered(path.parent, json.loads(draft.read_bytes()))
            case name if name.endswith(".receipt.json"):
                self._ended(path)
            case name if path.parent == self._folder and (path.parent / f"{name}.state").exists():
                self._whole(path.parent / f"{name}.state" / "ended.json", "parts put together")

    def _based(self, state: Path, draft: Path) -> None:
        with draft.open("rb") as file:
            *_, last = frames(file)
        if last.marks.records or last.marks.read:
            self._rely(state, last.marks, "a base")
        self._written[state] = last.marks

    def _offered(self, state: Path, offer: dict[str, Any]) -> None:
        marks = self._durable.get(state, Marks())
        self.seen.add("an offer")
        if offer["handed"] > marks.handed:
            self.problems.append("lines are offered that no durable frame counts")
        durable = {str(sender): block for sender, block, _ in marks.positions}
        if any(block > durable.get(sender, 0) for sender, block in offer["received"].items()):
            self.problems.append("lines count as received that no durable frame has")

    def _ended(self, receipt: Path) -> None:
        output = receipt.with_name(receipt.name.removesuffix(".receipt.json"))
        for path in sorted(output.iterdir()) if output.is_dir() else [output]:
            self._whole(path, "a receipt")

    def _links(self, draft: str | Path, path: str | Path) -> None:
        """A manifest is made once the files of its round are durable."""
        draft, path = Path(draft), Path(path)
        if self._lengths.get(draft.stat().st_ino, 0) < draft.stat().st_size:
            self.problems.append(f"{path.name} is made before it is durable")
        if path.name == MANIFEST:
            for part in path.parent.glob("part*"):
                self._whole(part, "a manifest")

    def _unlinks(self, path: str | Path, **within: Any) -> None:
        path = Path(path)
        if path.name.startswith("handed.") and path.exists():
            self._forgotten(path)
        if path.name == "journal" and path.parent.suffix == ".state" and path.exists():
            receipt = path.parent.with_name(f"{path.parent.stem}.receipt.json")
            self._whole(receipt, "the end of a state")

    def _forgotten(self, path: Path) -> None:
        """A segment goes once all others have read it, by what they have durably committed."""
        own, start = int(path.parent.name.removeprefix("p")), int(path.suffix[1:])
        if start >= self._durable.get(path.parent, Marks()).handed:
            return  # it was never committed
        end = min(at for at in handover.segments(path.parent) if at > start)
        self.seen.add("a segment removed")
        for state, marks in self._durable.items():
            if state != path.parent and state.name.startswith("p"):
                read = {sender: block for sender, block, _ in marks.positions}.get(own, 0)
                if read < end:
                    self.problems.append(f"{path.name} goes, and {state.name} needs it")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit and compact whatever comes, and hand over little at once."""
    monkeypatch.setattr(sinks, "_COMMIT", 2_000)
    monkeypatch.setattr(sinks, "_COMMIT_PACE", 0.0)
    monkeypatch.setattr(journal, "_LEAST", 1_000)
    monkeypatch.setattr(journal, "_GROWTH", 1)
    monkeypatch.setattr(handover, "SEGMENT", 1_000)
    monkeypatch.setattr(blocks, "BLOCK", 500)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["list", "follow", "elsewhere"])
@pytest.mark.parametrize("form", ["jsonl", "csv.gz"])
def test_what_a_frame_counts_is_durable_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, kind: str, form: str
) -> None:
    """In a crawl whose journal fails once, and which is continued to its receipt."""
    case = Case(engine, kind, form)
    state_place(kind, tmp_path)
    files = outputs(form, tmp_path)
    seen: set[str] = set()
    for fail_at, codes in ((3, ENDS), (0, [ExitCode.FINISHED])):
        order = DiskOrder(tmp_path, lambda _state: files, fail_at)
        with order.followed(monkeypatch):
            assert crawl(case, tmp_path, sync="full") in codes
        assert order.problems == []
        seen |= order.seen
    assert {"a frame", "a frame with records", "a receipt"} <= seen
    assert wrong(case, tmp_path, complete=True) == ""


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(("kind", "least"), [("list", 1_000), ("list", 10**6), ("follow", 10**6)])
def test_what_was_not_durable_is_before_a_run_relies_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, least: int
) -> None:
    """A crawl that began with --sync none goes on without it; so does its journal, as it is."""
    monkeypatch.setattr(journal, "_LEAST", least)
    case = Case("async", kind, "jsonl")
    files = outputs("jsonl", tmp_path)
    failing = DiskOrder(tmp_path, lambda _state: files, 3)
    with failing.followed(monkeypatch):
        assert crawl(case, tmp_path) in ENDS
    order = DiskOrder(tmp_path, lambda _state: files, kept=False)
    with order.followed(monkeypatch):
        assert crawl(case, tmp_path, sync="full") == ExitCode.FINISHED
    assert order.problems == []


@pytest.mark.slow
@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    ("engine", "kind", "form"),
    [
        *((e, k, "jsonl") for e in ENGINES for k in ("list", "follow")),
        ("async", "list", "directory"),
    ],
)
def test_what_partitions_tell_each_other_is_durable_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, kind: str, form: str
) -> None:
    """Two at the same time, one of which fails; then the command goes on to its receipt.

    No line is offered that its sender could take back, and none goes before it was received.
    """
    monkeypatch.setattr(partition_handle, "Companion", ThreadCompanion)
    case = WorkersCase(engine, kind, form, 2)
    seen: set[str] = set()
    for fail_at, codes in ((9, ENDS), (0, [ExitCode.FINISHED])):
        order = DiskOrder(tmp_path, lambda state: [state / "part.jsonl"], fail_at)
        with order.followed(monkeypatch):
            assert crawl_workers(case, tmp_path, sync="full") in codes
        assert order.problems == []
        seen |= order.seen
    assert {"a frame with lines for others", "an offer", "a receipt"} <= seen
    assert form == "directory" or "parts put together" in seen
    assert wrong_workers(case, tmp_path, complete=True) == ""


@pytest.mark.slow
@pytest.mark.usefixtures("often")
def test_what_a_manifest_names_is_durable_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In rounds of two partitions, with two outputs."""
    case = RoundsCase("async", "list", "csv.gz", 2, "loop")
    names = ("part.csv.gz", "part1.jsonl")
    order = DiskOrder(tmp_path, lambda state: [state / name for name in names])
    with order.followed(monkeypatch):
        assert crawl_rounds(case, tmp_path, sync="full") == 0
    assert order.problems == []
    assert {"a manifest", "an offer", "a base with records"} <= order.seen
    assert wrong_rounds(case, tmp_path, complete=True) == ""


def test_all_that_a_base_counts_is_settled(tmp_path: Path) -> None:
    """With the notes of requests that are never repeated, which an unsynced run may have left."""
    folder = StateFolder(str(tmp_path / "out.jsonl"), str(tmp_path))
    names = {"seen", "input", "sent", "handed.0", "handed.7"}
    inodes = {}
    for name in names:
        (tmp_path / name).touch()
        inodes[(tmp_path / name).stat().st_ino] = name
    settled: list[int] = []
    folder.settle(lambda number: settled.append(os.fstat(number).st_ino))
    assert {inodes[each] for each in settled} == names
