"""Parts are put together, whatever ends the process meanwhile."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from crawler.model.choices import Existing
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.compression import packing
from crawler.store.gathering import CommittedPart, GatheredFile, PartDirectory
from crawler.store.journal import disk
from crawler.store.journal.frame import Marks
from crawler.store.journal.state_folder import StateFolder
from crawler.store.receipt_file import size_of
from crawler.store.run_folder import GatheringPlace, RunFolder

LINES = (b'{"n":0}\n', b"", b'{"n":2}\n')
COUNTS = {"read": 2, "found": 0, "records": 2, "repeats": 0}


class KilledHere(BaseException):
    """Stands for the end of the process at a change of the disk."""


def placed(output: Path, existing: Existing, begun: dict[str, Any] | None) -> GatheringPlace:
    if output.suffix == "":
        suffix = ".warc" if output.name == "archives" else ".jsonl"
        return PartDirectory(str(output), existing, begun, suffix=suffix)
    if output.suffix == ".warc":
        return GatheredFile(str(output), existing, begun, lambda name: f"<{name}>".encode(), 5)
    return GatheredFile(str(output), existing, begun)


def run_of(output: Path, existing: Existing = "refuse", state: str = "") -> None:
    """Begin a run of three partitions, whose parts have lines in the output's form."""
    folder = RunFolder(str(output), state)
    folder.lock()
    with closing(placed(output, existing, None)) as place, closing(folder):
        folder.begin({"depth": 1}, len(LINES), place)
    for number, lines in enumerate(LINES):
        path = folder.path / f"p{number}"
        path.mkdir()
        part = path / f"part.jsonl{output.suffix if output.suffix in ('.gz', '.zst') else ''}"
        pack = packing(str(output))
        data = pack.pack(lines) + pack.end() if lines else b""
        part.write_bytes(data + b"torn")
        StateFolder(str(part), str(path)).begin({"depth": 1}, Marks(output=len(data))).close()


def archives_of(output: Path) -> None:
    """Begin a run of partitions whose archives have two files, none, and one."""
    folder = RunFolder(str(output), "")
    folder.lock()
    with closing(placed(output, "refuse", None)) as place, closing(folder):
        folder.begin({"depth": 1}, len(LINES), place)
    for number, files in enumerate(((b"aaaa", b"bb"), (), (b"cc",))):
        path = folder.path / f"p{number}"
        path.mkdir()
        for name, data in zip(("part.warc", "part-00001.warc"), files, strict=False):
            (path / name).write_bytes(data + b"torn" * (data == files[-1]))
        marks = Marks(output=sum(map(len, files)))
        StateFolder(str(path / "part.warc"), str(path)).begin({"depth": 1}, marks).close()


def finished(output: Path, state: str = "") -> dict[str, Any]:
    """Go on with a run whose partitions have ended; return the receipt."""
    folder = RunFolder(str(output), state)
    folder.lock()
    with closing(folder), closing(placed(output, "refuse", folder.begun()[0])) as place:
        if not folder.ended:
            folder.end(folder.options(), COUNTS)
        return folder.finish(place)


@contextmanager
def killed_at(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Raise `KilledHere` in place of the change of this number."""
    left = count(number, -1)

    def wrapped(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any) -> Any:
            if next(left) == 1:
                raise KilledHere
            return change(*arguments)

        return changed

    with monkeypatch.context() as patch:
        for name in ("write", "copy", "rename", "truncate", "remove", "settle"):
            patch.setattr(disk, name, wrapped(getattr(disk, name)))
        yield


def killed_everywhere(
    output: Path, monkeypatch: pytest.MonkeyPatch, state: str = ""
) -> dict[str, Any]:
    """End the gathering in each of its changes in turn, and then let it come to its end."""
    folder = RunFolder(str(output), state)
    for number in count(1):
        if not folder.partitions:  # the last kill came after the end
            return dict(json.loads(Path(f"{output}.receipt.json").read_bytes()))
        with killed_at(number, monkeypatch):
            try:
                return finished(output, state)
            except KilledHere:
                continue
    raise AssertionError


def test_parts_become_one_file_in_the_order_of_partitions(tmp_path: Path) -> None:
    """Only what was committed counts; receipt and hash are the file's, and the state is gone."""
    output = tmp_path / "out.jsonl"
    run_of(output)
    receipt = finished(output)
    assert output.read_bytes() == LINES[0] + LINES[2]
    assert receipt["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert receipt["bytes"] == size_of(str(output), receipt) == output.stat().st_size
    assert receipt["records"] + receipt["repeats"] == receipt["read"] + receipt["found"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.jsonl",
        "out.jsonl.receipt.json",
    ]


def test_archives_follow_each_other_and_what_was_there(tmp_path: Path) -> None:
    """--append keeps the old member, and closes its last line."""
    output = tmp_path / "out.jsonl.gz"
    output.write_bytes(gzip.compress(b'{"old":1}'))
    run_of(output, "add")
    finished(output)
    assert gzip.decompress(output.read_bytes()) == b'{"old":1}\n' + LINES[0] + LINES[2]


@pytest.mark.parametrize("existing", ["add", "replace"])
def test_parts_of_a_directory_are_numbered_on_or_replaced(
    tmp_path: Path, existing: Existing
) -> None:
    """Added ones follow the last; replacing leaves only the new ones; other files stay."""
    output = tmp_path / "out"
    output.mkdir()
    for name in ("part-00006.jsonl", "notes.txt"):
        (output / name).write_bytes(b'{"old":1}\n')
    run_of(output, existing)
    receipt = finished(output)
    first = 7 if existing == "add" else 0
    new = [f"part-{first:05d}.jsonl", f"part-{first + 2:05d}.jsonl"]
    kept = ["part-00006.jsonl"] if existing == "add" else []
    assert receipt["parts"] == [*kept, *new]
    assert sorted(path.name for path in output.iterdir()) == ["notes.txt", *kept, *new]
    assert [(output / name).read_bytes() for name in new] == [LINES[0], LINES[2]]


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[str]:
    """A place for a state on another disk than the output's."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one disk")
    with TemporaryDirectory(dir=shared) as name:
        yield str(Path(name) / "state")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.zst", "out"])
@pytest.mark.parametrize("apart", [False, True])
def test_gathering_can_be_killed_at_every_change(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    request: pytest.FixtureRequest,
    *,
    apart: bool,
) -> None:
    """Whichever write, copy, rename or removal is the last: the next run ends with the same.

    Parts that come from another disk are copied, and not renamed.
    """
    state = request.getfixturevalue("other_disk") if apart else ""
    other, output = tmp_path / "other" / name, tmp_path / "here" / name
    for each, place in ((other, ""), (output, state)):
        each.parent.mkdir()
        run_of(each, state=place)
    wanted, found = finished(other), killed_everywhere(output, monkeypatch, state)
    assert found["sha256"] == wanted["sha256"]
    assert not RunFolder(str(output), state).path.exists()
    assert sorted(path.name for path in output.parent.iterdir()) == [name, f"{name}.receipt.json"]


def test_a_part_keeps_its_length_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut a part in the directory has what was committed of it, and no torn tail."""
    run_of(tmp_path / "out")
    synced: dict[int, int] = {}
    named: list[str] = []
    rename = disk.rename

    def sync(number: int) -> None:
        synced[os.fstat(number).st_ino] = os.fstat(number).st_size

    def checked(draft: Path, path: Path) -> None:
        if path.parent.name == "out":
            named.append(path.name)
            assert synced[draft.stat().st_ino] == draft.stat().st_size
        rename(draft, path)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(disk, "rename", checked)
    assert finished(tmp_path / "out")["parts"] == named == ["part-00000.jsonl", "part-00002.jsonl"]


def test_a_directory_with_parts_is_refused_and_stays(tmp_path: Path) -> None:
    """Without --append and --overwrite nothing is touched; a second writer is told of the first."""
    output = tmp_path / "out"
    output.mkdir()
    (output / "part-00000.jsonl").write_bytes(b"{}\n")
    with pytest.raises(ConfigurationError, match="holds 1 parts already; say --append"):
        PartDirectory(str(output), "refuse", None, suffix=".jsonl")
    first = PartDirectory(str(output), "add", None, suffix=".jsonl")
    with closing(first), pytest.raises(EnvironmentFailure, match="is being written by"):
        PartDirectory(str(output), "add", None, suffix=".jsonl")


def test_an_output_that_lost_its_old_content_is_refused(tmp_path: Path) -> None:
    """A run that adds to a file does not go on after that was cut."""
    output = tmp_path / "out.jsonl"
    output.write_bytes(b'{"old":1}\n')
    run_of(output, "add")
    output.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="has 0 bytes, and had 10 when"):
        finished(output)


def test_what_was_claimed_and_never_written_is_gone(tmp_path: Path) -> None:
    """Neither an empty file nor an empty directory is left."""
    for name in ("out.jsonl", "out"):
        placed(tmp_path / name, "refuse", None).close()
    assert list(tmp_path.iterdir()) == []


def test_a_part_is_taken_for_what_was_committed_of_it(tmp_path: Path) -> None:
    """A part that has become shorter is an error, and the output stays as it was."""
    output, part = tmp_path / "out.jsonl", tmp_path / "part.jsonl"
    part.write_bytes(b"{}\n")
    place = GatheredFile(str(output), "refuse", None)
    with closing(place), pytest.raises(EnvironmentFailure, match="shorter than what was written"):
        place.gather([CommittedPart(0, part, 10)])


class Disk:
    """A disk with so many bytes free, as statvfs(2) tells it."""

    f_frsize = 1

    def __init__(self, free: int) -> None:
        self.f_bavail = free


def test_room_for_the_whole_is_wanted_before_parts_are_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte too little is told with both numbers, and changes nothing; enough is enough."""
    output = tmp_path / "out.jsonl"
    output.write_bytes(b'{"n":-1}\n')
    run_of(output, "add")
    needed = len(b'{"n":-1}\n' + b"".join(LINES))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "statvfs", lambda _place: Disk(needed - 1))
    problem = f"needs {needed} bytes of room in {tmp_path}, and {needed - 1} are free; make room"
    with pytest.raises(EnvironmentFailure, match=problem):
        finished(output)
    del before[RunFolder(str(output)).path / "lock"]
    assert {path: path.read_bytes() for path in before} == before
    assert not list(tmp_path.glob("*.new"))
    monkeypatch.setattr(os, "statvfs", lambda _place: Disk(needed))
    assert finished(output)["bytes"] == needed


def test_room_for_what_was_written_is_wanted_before_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told at the start, rather than when all is crawled; a directory takes no more room."""
    for output in (tmp_path / "out.jsonl", tmp_path / "parts"):
        run_of(output)
        folder = RunFolder(str(output))
        with (
            closing(placed(output, "refuse", folder.begun()[0])) as place,
            monkeypatch.context() as p,
        ):
            p.setattr(os, "statvfs", lambda _place: Disk(20))
            if output.suffix:
                with pytest.raises(EnvironmentFailure, match="of room"):
                    folder.check_room(place)
            else:
                folder.check_room(place)


def test_a_file_that_the_disk_is_full_for_is_not_left_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others have written meanwhile took the room: the next try finds it free again."""
    output = tmp_path / "out.jsonl"
    run_of(output)

    def full(_source: int, target: int, _length: int) -> None:
        os.write(target, b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(disk, "copy", full)
        with pytest.raises(EnvironmentFailure, match="No space left"):
            finished(output)
    assert not list(tmp_path.glob("*.new"))
    assert finished(output)["records"] == 2


@pytest.mark.parametrize("name", ["out.warc", "archives"])
def test_archives_in_several_files_are_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As many to a file as there is room for, or each by itself; whatever ends the process."""
    archives_of(tmp_path / name)
    receipt = killed_everywhere(tmp_path / name, monkeypatch)
    found = {each.name: each.read_bytes() for each in tmp_path.rglob("*.warc") if each.is_file()}
    if name == "archives":
        assert receipt["parts"] == ["part-00000.warc", "part-00000-00001.warc", "part-00002.warc"]
        assert [found[each] for each in receipt["parts"]] == [b"aaaa", b"bb", b"cc"]
    else:
        files = ["out.warc", "out-00001.warc"]
        assert [found[each] for each in files] == [b"<out.warc>aaaa", b"<out-00001.warc>bbcc"]
    assert (
        receipt["bytes"] == size_of(str(tmp_path / name), receipt) == sum(map(len, found.values()))
    )
