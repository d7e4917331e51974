"""Outputs that hold something, that others write, or that end in the middle of a line."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from crawler.model.choices import Existing
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.outcome import Kind, Skipped
from crawler.store.claim import Claim
from crawler.store.outlet import Outlet
from crawler.store.output_files import OutputDocument
from crawler.store.sinks import RecordSink

HOLDER = """
import sys
from crawler.store.claim import Claim
claim = Claim(sys.argv[1], "replace")
print("held", flush=True)
sys.stdin.read()
"""
NEW, OLD = b'{"n":2}\n', b'{"n":1}\n'


def added(path: Path, lines: bytes = NEW) -> None:
    """Add `lines` to `path`."""
    outlet = Outlet(str(path), "add")
    outlet.write(lines)
    outlet.end()
    outlet.close()


def unpacked(path: Path) -> bytes:
    """The text of an output, packed or not."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    return data


def packed(path: Path, text: bytes) -> None:
    """Write `text` in the packing that the name says."""
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(text))


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.zst"])
@pytest.mark.parametrize("existing", ["refuse", "replace", "add"])
def test_what_a_file_holds_is_refused_replaced_or_kept(
    tmp_path: Path, name: str, existing: Existing
) -> None:
    """A second run onto an output loses nothing unless it is told to, packed or not."""
    path = tmp_path / name
    packed(path, OLD)
    if existing == "refuse":
        with pytest.raises(ConfigurationError, match=r"holds \d+ bytes already; say --append or"):
            Outlet(str(path))
        assert unpacked(path) == OLD
        return
    outlet = Outlet(str(path), existing)
    assert unpacked(path) == OLD  # until there is something to write
    outlet.write(NEW)
    outlet.end()
    outlet.close()
    assert unpacked(path) == (NEW if existing == "replace" else OLD + NEW)


@pytest.mark.parametrize("name", ["out", "out.gz", "out.zst"])
@pytest.mark.parametrize("existing", ["refuse", "replace", "add"])
def test_a_run_that_comes_to_nothing_changes_nothing(
    tmp_path: Path, name: str, existing: Existing
) -> None:
    """A run that failed before its first record leaves old content, and makes no file."""
    old, new = tmp_path / f"old-{name}", tmp_path / f"new-{name}"
    if existing == "refuse":
        old.touch()
    else:
        packed(old, OLD)
    before = old.read_bytes()
    for path in (old, new):
        RecordSink(str(path), existing=existing).close(whole=False)
    assert old.read_bytes() == before and not new.exists()


def test_a_whole_run_without_records_replaces(tmp_path: Path) -> None:
    """An empty list is a result as well: the old records do not pass for its own."""
    path = tmp_path / "out"
    path.write_bytes(OLD)
    RecordSink(str(path), existing="replace").close()
    assert path.read_bytes() == b""


def test_an_empty_file_is_free(tmp_path: Path) -> None:
    """What `mktemp` or `touch` made is written without a question, and keeps its mode."""
    path = tmp_path / "out"
    path.touch(0o600)
    sink = RecordSink(str(path))
    sink.put(Skipped(url="x", input="x", kind=Kind.INTERRUPTED, reason="test"))
    sink.close()
    assert path.read_bytes().count(b"\n") == 1 and path.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@pytest.mark.parametrize("existing", ["refuse", "replace", "add"])
@pytest.mark.parametrize("holds", [b"", OLD])
def test_a_second_process_is_told_who_writes(
    tmp_path: Path, existing: Existing, holds: bytes
) -> None:
    """A file that another process writes is refused with its number until it ends."""
    path = tmp_path / "out"
    path.write_bytes(holds)
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        who = f"process {holder.pid}" if os.path.exists("/proc/locks") else "another process"
        with pytest.raises(EnvironmentFailure, match=rf"out: is being written by {who}; wait"):
            Claim(str(path), existing)
        holder.kill()
    Claim(str(path), "replace").release()
    assert path.read_bytes() == holds


def test_a_file_that_was_replaced_meanwhile_is_not_mistaken(tmp_path: Path) -> None:
    """A lock is of the file that has the name, not of one that had it."""
    path = tmp_path / "out"
    first = Claim(str(path))
    os.rename(path, tmp_path / "away")
    second = Claim(str(path))
    assert os.fstat(first.fd).st_ino != os.fstat(second.fd).st_ino


def test_links_lead_to_one_file(tmp_path: Path) -> None:
    """Through a symbolic link, also one to nothing yet, the same file is meant and locked."""
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    claim = Claim(str(link))
    assert target.exists()
    with pytest.raises(EnvironmentFailure, match="is being written by"):
        Claim(str(target))
    claim.release()
    assert link.is_symlink() and not target.exists()


def test_a_last_line_without_its_end_gets_it(tmp_path: Path) -> None:
    """Records of an editor that leaves out the last line end are not glued to the next one."""
    for name in ("out", "out.gz", "out.zst"):
        packed(tmp_path / name, OLD.rstrip())
        added(tmp_path / name)
        assert unpacked(tmp_path / name) == OLD + NEW


@pytest.mark.parametrize("half", [b'{"n":', b'{"n":1}\n{"url":"http://a', b"x" * 300_000])
def test_half_a_line_is_refused_with_the_way_out(tmp_path: Path, half: bytes) -> None:
    """A file that a killed run left torn is not added to, and the command that it names helps."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(OLD + half)
    with pytest.raises(ConfigurationError, match=r"ends in half a line; `truncate") as raised:
        Outlet(str(path), "add")
    assert path.read_bytes() == OLD + half
    subprocess.run(str(raised.value).split("`")[1], shell=True, check=True)
    added(path)
    assert path.read_bytes() == OLD + half[: half.rfind(b"\n") + 1] + NEW


@pytest.mark.parametrize("name", ["out.gz", "out.zst"])
def test_half_an_archive_is_not_added_to(tmp_path: Path, name: str) -> None:
    """What stands behind a torn member could never be unpacked."""
    path = tmp_path / name
    packed(path, OLD * 100)
    path.write_bytes(path.read_bytes()[:-4])
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="cannot be added to: the archive ends too early"):
        Outlet(str(path), "add")
    assert path.read_bytes() == before


def test_a_form_against_the_name_is_not_added_to(tmp_path: Path) -> None:
    """Plain lines behind an archive, or the other way round, would be neither."""
    (tmp_path / "plain.gz").write_bytes(OLD)
    (tmp_path / "packed").write_bytes(gzip.compress(OLD))
    for name, problem in (("plain.gz", "not packed"), ("packed", "packed")):
        with pytest.raises(ConfigurationError, match=f"is {problem}, against its name"):
            Outlet(str(tmp_path / name), "add")


def test_a_descriptor_is_written_where_it_stands(tmp_path: Path) -> None:
    """`-o /dev/stdout >>file` and `/dev/fd/N` empty nothing, as `-` does not."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with open(path, "ab") as file:
        outlet = Outlet(f"/dev/fd/{file.fileno()}")
        outlet.write(NEW)
        outlet.end()
        outlet.close()
        file.write(b"more\n")
    assert path.read_bytes() == OLD + NEW + b"more\n"


def test_a_document_is_taken_at_the_start_and_written_at_the_end(tmp_path: Path) -> None:
    """`--stats` has its place from the start, is replaced as a whole and never added to."""
    path = tmp_path / "stats.json"
    document = OutputDocument(str(path), "refuse")
    with pytest.raises(EnvironmentFailure, match="is being written by"):
        OutputDocument(str(path), "refuse")
    document.close()
    assert not path.exists()
    path.write_text("old")
    for existing in ("refuse", "add"):
        with pytest.raises(ConfigurationError, match="holds 3 bytes already"):
            OutputDocument(str(path), existing)  # type: ignore[arg-type]
    document = OutputDocument(str(path), "replace")
    assert path.read_text() == "old"
    document.write([1])
    document.close()
    assert path.read_text() == "[\n  1\n]\n"


def test_a_document_for_a_pipe_waits_for_no_reader(tmp_path: Path) -> None:
    """A named pipe for the statistics is opened when they are written, and not at the start."""
    os.mkfifo(tmp_path / "pipe")
    document = OutputDocument(str(tmp_path / "pipe"), "refuse")
    document.close()
    assert (tmp_path / "pipe").is_fifo()


def test_replacing_and_adding_exclude_each_other() -> None:
    """Nobody has to guess which of the two counts."""
    with pytest.raises(ConfigurationError, match="overwrite and append"):
        CommandConfig(overwrite=True, append=True)


def test_the_name_of_an_output_lasts_with_its_first_records(tmp_path: Path) -> None:
    """Its directory is synced once, wherever the state lies that counts on the file."""
    outlet = Outlet(str(tmp_path / "out.jsonl"), apart=True)
    synced: list[str] = []
    for _ in range(2):
        outlet.write(NEW)
        outlet.settle(lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    outlet.close()
    assert synced == [str(tmp_path / "out.jsonl"), str(tmp_path), str(tmp_path / "out.jsonl")]
