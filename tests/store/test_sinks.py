"""Sinks against real files, pipes, a full disk and readers that go away."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import zstandard

from crawler.model.errors import EnvironmentFailure, ExitCode
from crawler.model.outcome import Kind, Skipped
from crawler.store.descriptor import Descriptor, ReaderGone
from crawler.store.sinks import LIMIT, OutputClosed, RecordSink, write_json

WAIT = 20  # seconds after which a test that waits for an event is given up

SCRIPT = """
import sys
from crawler.model.errors import CrawlerError
from crawler.model.outcome import Kind, Skipped
from crawler.store.sinks import RecordSink
try:
    sink = RecordSink(sys.argv[1])
    for n in range(int(sys.argv[2])):
        sink.put(Skipped(url=f"{n}", input="x" * 100, kind=Kind.INTERRUPTED, reason="r"))
    sink.close()
except CrawlerError as error:
    print(type(error).__name__, error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def skipped(n: int, size: int = 10) -> Skipped:
    return Skipped(url=str(n), input="x" * size, kind=Kind.INTERRUPTED, reason="test")


def urls(data: bytes) -> list[str]:
    return [orjson.loads(line)["url"] for line in data.splitlines()]


def wrote(path: Path, count: int) -> RecordSink:
    sink = RecordSink(str(path), existing="replace")
    for n in range(count):
        sink.put(skipped(n))
    sink.close()
    return sink


def drained(reader: int) -> Iterator[bytes]:
    """All that comes through a pipe, until its writer closes it."""
    return iter(lambda: os.read(reader, 1 << 20), b"")


@pytest.fixture
def full_pipe(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A named pipe whose reader is there and reads nothing yet."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    yield str(fifo), reader
    try:
        os.close(reader)
    except OSError:
        return  # the test has closed it


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.ZST"])
def test_every_record_arrives_in_order(tmp_path: Path, name: str) -> None:
    """Plain, gzip and Zstandard outputs hold every record once, in the order of `put`."""
    path = tmp_path / name
    path.write_text("what was there before, and longer\n" * 10_000)
    sink = wrote(path, 5_000)
    data = path.read_bytes()
    if name.endswith("gz"):
        data = gzip.decompress(data)
    elif name.endswith("ZST"):
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    assert urls(data) == [str(n) for n in range(5_000)]
    assert sink.written == 5_000


@pytest.mark.parametrize("command", ["gzip", "zstd"])
def test_the_commands_unpack_what_we_pack(tmp_path: Path, command: str) -> None:
    """The gzip and zstd commands find a sound archive, checksum included."""
    path = tmp_path / ("out.gz" if command == "gzip" else "out.zst")
    wrote(path, 1_000)
    try:
        done = subprocess.run([command, "-dc", str(path)], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip(f"no {command} command here")
    assert len(urls(done.stdout)) == 1_000


def test_no_records_make_an_empty_file_and_a_sound_archive(tmp_path: Path) -> None:
    """A crawl without records leaves an empty text, packed or not."""
    wrote(tmp_path / "out", 0)
    wrote(tmp_path / "out.gz", 0)
    assert (tmp_path / "out").read_bytes() == gzip.decompress((tmp_path / "out.gz").read_bytes())


def test_a_file_can_be_followed(full_pipe: tuple[str, int]) -> None:
    """A record can be read before the next is put: it does not wait for company."""
    sink = RecordSink(full_pipe[0])
    for n in range(3):
        sink.put(skipped(n))
        assert urls(os.read(full_pipe[1], 10_000)) == [str(n)]
    sink.close()


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_an_archive_can_be_followed(tmp_path: Path, suffix: str) -> None:
    """What was written to an archive can be unpacked before the archive is closed."""
    fifo = tmp_path / f"fifo.{suffix}"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    sink = RecordSink(str(fifo))
    sink.put(skipped(7))
    packed = os.read(reader, 10_000)
    if suffix == "gz":
        text = zlib.decompressobj(31).decompress(packed)
    else:
        text = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    assert urls(text) == ["7"]
    sink.close()
    os.close(reader)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_puts_from_many_threads_all_arrive(tmp_path: Path, suffix: str) -> None:
    """Records put by several threads at once are all there, each a line of its own."""
    path = tmp_path / f"out{suffix}"
    sink = RecordSink(str(path))

    def put(first: int) -> None:
        for n in range(first, first + 500):
            sink.put(skipped(n))

    threads = [threading.Thread(target=put, args=(first,)) for first in range(0, 4_000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()
    data = gzip.decompress(path.read_bytes()) if suffix else path.read_bytes()
    assert sorted(map(int, urls(data))) == list(range(4_000))


def test_a_slow_reader_takes_the_room_and_gives_it_back(full_pipe: tuple[str, int]) -> None:
    """`put` never blocks; above the limit there is no room until the reader has caught up."""
    room = threading.Event()
    sink = RecordSink(full_pipe[0], on_room=room.set)
    count = 0
    while sink.has_room:
        sink.put(skipped(count, 100_000))
        count += 1
    assert LIMIT // 101_000 <= count <= LIMIT // 100_000 + 3
    assert not room.is_set()
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(drained(full_pipe[1])))
    reader.start()
    assert room.wait(WAIT)
    assert [sink.has_room] == [True]  # in a list: mypy holds a property for constant
    sink.close()
    reader.join(WAIT)
    assert urls(b"".join(read)) == [str(n) for n in range(count)]


def test_a_full_disk_is_one_clear_error() -> None:
    """A full disk is told to `on_room`, and raised by every `put` and `close` from then on."""
    failed = threading.Event()
    sink = RecordSink("/dev/full", on_room=failed.set)
    sink.put(skipped(1))
    assert failed.wait(WAIT)
    message = "/dev/full: cannot be written: No space left on device; 0 records are whole"
    with pytest.raises(EnvironmentFailure, match=message):
        sink.put(skipped(2))
    for _ in range(2):
        with pytest.raises(EnvironmentFailure, match=message):
            sink.close()
    assert (sink.has_room, sink.written) == (True, 0)
    assert isinstance(sink.failure, EnvironmentFailure)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path: Path, suffix: str) -> None:
    """When a write fails midway, the file ends with a whole line and the error counts them."""
    path = tmp_path / f"out.jsonl{suffix}"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    arguments = [sys.executable, "-c", limit + SCRIPT, str(path), "100000"]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert done.stderr.startswith(f"EnvironmentFailure {path}: cannot be written: File too large; ")
    assert done.stderr.count("\n") == 1
    data = path.read_bytes()
    if suffix:
        data = zlib.decompressobj(31).decompress(data)
    count = len(urls(data))
    assert urls(data) == [str(n) for n in range(count)]
    assert f" {count:,} records are whole" in done.stderr
    onto = "to another file" if suffix else "to the same file with --append"  # L12: nothing is lost
    assert done.stderr.endswith(f" {onto}\n")


def test_a_reader_that_goes_away_is_no_error(full_pipe: tuple[str, int]) -> None:
    """A closed pipe raises `OutputClosed`, which stands for the exit code of a finished crawl."""
    closed = threading.Event()
    sink = RecordSink(full_pipe[0], on_room=closed.set)
    os.close(full_pipe[1])
    sink.put(skipped(1))
    assert closed.wait(WAIT)
    with pytest.raises(OutputClosed, match="its reader has closed it"):
        sink.close()
    assert OutputClosed("").exit_code is ExitCode.FINISHED


@pytest.mark.slow
def test_a_closed_standard_output_leaves_no_noise() -> None:
    """With `| head -1` the process gets its line out and ends quietly, with exit code 0."""
    arguments = [sys.executable, "-c", SCRIPT, "-", "200000"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert urls(process.stdout.readline()) == ["0"]
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert errors == "OutputClosed standard output: its reader has closed it\n"
    assert process.returncode == ExitCode.FINISHED


@pytest.mark.slow
def test_standard_output_gets_every_record() -> None:
    """`-` writes to standard output, also to a pipe that somebody made non-blocking."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with subprocess.Popen([sys.executable, "-c", SCRIPT, "-", "3000"], stdout=writer) as process:
        os.close(writer)
        with open(reader, "rb") as output:
            assert urls(output.read()) == [str(n) for n in range(3_000)]
    assert process.returncode == 0


@pytest.mark.slow
def test_a_closed_standard_output_is_said() -> None:
    """A process that was started without a standard output says so instead of writing elsewhere."""
    command = 'exec "$0" -c "$1" - 1 >&-'
    arguments = ["sh", "-c", command, sys.executable, SCRIPT]
    done = subprocess.run(arguments, check=False, stderr=subprocess.PIPE, text=True)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "standard output: is closed; name a file" in done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/out.jsonl", r"the directory '.*none' does not exist; make it first"),
        ("", "is a directory; name a file"),
        ("list/out", "cannot be written: Not a directory"),
        ("a\0b", "is not a file name"),
    ],
)
def test_an_output_that_cannot_be_opened_is_refused_at_once(
    tmp_path: Path, name: str, message: str
) -> None:
    """A missing parent, a directory and the like are one clear line before the crawl starts."""
    (tmp_path / "list").write_text("")
    with pytest.raises(EnvironmentFailure, match=message):
        RecordSink(f"{tmp_path}/{name}")
    with pytest.raises(EnvironmentFailure, match=message):
        write_json(f"{tmp_path}/{name}", {})
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_closing_ends_the_writer(tmp_path: Path) -> None:
    """After `close` no thread is left, closing again is harmless, and `put` is a bug."""
    before = threading.active_count()
    sink = RecordSink(str(tmp_path / "out"))
    assert threading.active_count() == before + 1
    sink.close()
    sink.close()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="put after close"):
        sink.put(skipped(1))


def test_json_files_are_replaced_as_a_whole(tmp_path: Path) -> None:
    """A new file takes the old one's place, through a link too, and no draft is left."""
    target, link = tmp_path / "stats.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    before = target.stat().st_ino
    write_json(str(link), {"a": [1, "\udce4"]})
    assert orjson.loads(target.read_bytes()) == {"a": [1, "\ufffd"]}
    assert link.is_symlink() and target.stat().st_ino != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "stats.json"]


@pytest.mark.slow
def test_a_json_file_that_cannot_be_written_is_absent(tmp_path: Path) -> None:
    """When the disk is full the old file stays as it was and no draft is left."""
    path = tmp_path / "stats.json"
    path.write_text("old")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from crawler.store.sinks import write_json\n"
        "write_json(sys.argv[1], list(range(10_000)))"
    )
    arguments = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert "stats.json: cannot be written: File too large" in done.stderr
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [
        ("stats.json", "old")
    ]


def test_a_device_is_written_and_not_replaced() -> None:
    """`/dev/null` is still a device afterwards, and `/dev/full` is a clear error."""
    write_json("/dev/null", {})
    assert not os.path.isfile("/dev/null")
    with pytest.raises(EnvironmentFailure, match="/dev/full: cannot be written: No space left"):
        write_json("/dev/full", {})


def test_only_a_writer_that_has_to_wait_is_abandoned() -> None:
    """On a busy machine the writer itself may be late: what its reader has room for is written."""
    read, write = os.pipe()
    try:
        descriptor = Descriptor(write, lent=False)
        descriptor.leave()
        assert descriptor.write(memoryview(b"late")) == 4 and os.read(read, 9) == b"late"
        block = memoryview(bytes(1 << 16))
        with pytest.raises(ReaderGone):
            sum(iter(lambda: descriptor.write(block), 0))
    finally:
        os.close(read)
        os.close(write)
