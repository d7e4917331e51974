"""`crawler status` and `crawler summary`: what they say of a crawl, and their exit codes."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from crawler.cli.app import run
from crawler.core.waiting import LiveView, WaitingHost, WaitReason
from crawler.store.journal import status_file
from crawler.store.journal.frame import Marks
from crawler.store.journal.standing import newest, standing
from crawler.store.journal.status_file import StatusFile, read_status
from crawler.store.outlet import Outlet
from tests.patience import PATIENCE
from tests.store.test_journal import Place

HOST = WaitingHost(
    host="http://a.test", waiting=5, in_flight=1, why=WaitReason.CRAWL_DELAY, seconds=12.4
)
VIEW = LiveView(
    elapsed=10.0,
    records=4,
    pages=2,
    wire_bytes=4_000_000,
    in_flight=1,
    hosts_away=1,
    expected=19,
    hosts=(HOST,),
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


OUTCOMES = {"page": 2, "connect": 2}


def told(folder: Path, view: LiveView = VIEW, **marks: int) -> StatusFile:
    """Write the live status of a crawl with these marks."""
    file = StatusFile(folder, clock=lambda: 1_000.0)
    file.look = lambda: view
    file.pulse(Marks(outcomes=OUTCOMES, **{"read": 9, "records": 4, **marks}))
    return file


def status(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = run(["status", *words])
    return code, "".join(capsys.readouterr())


@pytest.mark.slow
def test_a_crawl_that_was_killed_is_stopped_and_its_journal_counts(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1; done and left are those that were kept, and the way on is told."""
    place.half(robots="ignore")
    told(place.output.with_name("out.jsonl.state"), records=2)
    code, text = status(capsys)
    assert code == 1
    assert text.splitlines()[0].startswith("out.jsonl: stopped, last heard of at 1970-01-01")
    assert "done    4 of 19 (21%)" in text and "failed  0" in text
    assert "left    5 waiting, 10 not read yet" in text
    assert text.endswith("the same command continues it\n")


@pytest.mark.slow
def test_a_crawl_that_runs_is_told_by_its_lock_and_its_live_status(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0; rate, time to go, and the hosts that wait, in 80 columns."""
    place.half(robots="ignore")
    told(place.output.with_name("out.jsonl.state"))
    with closing(Outlet(str(place.output), "add", resumed=True)):
        code, text = status(capsys, "out.jsonl")
    assert code == 0
    assert ": running since 1970-01-01 00:16:40 UTC, process " in text
    assert "left    1 in flight, 4 waiting, 10 not read yet" in text
    assert "rate    0.4 records/s, 0.2 pages/s, 0.4 MB/s" in text and "to go   0:38" in text
    assert "waiting http://a.test          5  Crawl-delay, next in 0:12" in text
    assert all(len(line) <= 80 for line in text.splitlines()[1:])


@pytest.mark.slow
def test_a_crawl_that_has_ended_is_complete(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0, from the receipt; the same as JSON."""
    assert place.crawl() == 0
    code, text = status(capsys)
    assert code == 0 and "out.jsonl: complete since " in text and "done    9 for 9 read" in text
    code, text = status(capsys, "--json")
    found = json.loads(text)
    assert (code, found["stage"], found["records"], found["outcomes"]) == (
        *(0, "complete", 9),
        {"page": 9},
    )


@pytest.mark.slow
def test_what_nothing_is_known_of_is_said(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """No state, or a receipt without its output: one line, exit code 1."""
    assert status(capsys) == (
        1,
        "crawler: no crawl has left a state or a receipt in this directory; name its output\n",
    )
    place.crawl()
    place.output.write_bytes(b"{}\n")
    code, text = status(capsys, "out.jsonl")
    assert code == 1 and text.count("\n") == 1 and "no crawl of it is known" in text


@pytest.mark.slow
def test_the_newest_crawl_of_a_directory_is_shown(place: Place) -> None:
    """Without a name it is that whose state or receipt was written last."""
    place.crawl()
    first = place.output
    place.output = first.with_name("other.jsonl")
    place.half(robots="ignore")
    assert newest() == "other.jsonl"


def test_partitions_are_added_up(tmp_path: Path) -> None:
    """Each has a status of its own; counts and rates are sums, the slowest tells the time left."""
    for number in range(3):
        folder = tmp_path / "out.state" / f"p{number}"
        folder.mkdir(parents=True)
        told(folder)
    (tmp_path / "out.state" / "run.json").write_text('{"format":1}')
    with closing(Outlet(str(tmp_path / "out"))) as outlet:
        outlet.write(b"{}\n")
        found = standing(str(tmp_path / "out"))
    assert (found.stage, found.records, found.waiting, found.unread) == ("running", 12, 15, 30)
    assert found.records_per_second == pytest.approx(1.2)
    assert found.seconds_left == pytest.approx(37.5)
    assert found.outcomes == {"page": 6, "connect": 6} and len(found.hosts) == 3


def test_the_live_status_is_renewed_once_a_second(tmp_path: Path) -> None:
    """However often it is asked to; and when the crawl ends, once more."""
    now = [5.0]
    file = StatusFile(tmp_path, ticks=lambda: now[0])
    file.look = lambda: VIEW
    for at, records, known in ((5.0, 1, 1), (5.9, 2, 1), (6.0, 3, 3)):
        now[0] = at
        file.pulse(Marks(records=records))
        assert read_status(tmp_path)["records"] == known
    file.pulse(Marks(records=4), now=True)
    assert read_status(tmp_path)["records"] == 4


def test_a_status_that_cannot_be_written_ends_no_crawl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room or descriptors the old version stays."""

    def full(_number: int, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    told(tmp_path)
    monkeypatch.setattr(status_file.disk, "write", full)
    told(tmp_path, records=5)
    assert read_status(tmp_path)["records"] == 4


RECORDS = b"".join(
    json.dumps(record).encode() + b"\n"
    for record in (
        {"url": "http://a.test/1", "outcome": "page", "kind": None, "status": 200,
         "timings": {"total": 0.1}, "bytes": {"wire": 10, "decoded": 20}, "attempts": 2,
         "fetched_at": "2026-11-29T22:00:00.000Z"},
        {"url": "http://a.test/2", "outcome": "failed", "kind": "dns", "reason": "no such name",
         "fetched_at": "2026-11-29T22:00:04.000Z", "found_on": "http://a.test/1"},
    )
)  # fmt: skip


@pytest.mark.parametrize("form", ["plain", "gz", "zst", "parts", "fields"])
def test_records_alone_make_a_summary(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plain and packed files, directories of parts; fields that are missing count as nothing."""
    path = tmp_path / f"out.jsonl{'' if form in ('plain', 'parts', 'fields') else f'.{form}'}"
    first, second = RECORDS.splitlines(keepends=True)
    match form:
        case "gz":
            path.write_bytes(gzip.compress(first) + gzip.compress(second))
        case "zst":
            path.write_bytes(b"".join(zstandard.compress(each) for each in (first, second)))
        case "parts":
            path.mkdir()
            (path / "part-0.jsonl").write_bytes(first)
            (path / "part-1.jsonl").write_bytes(second)
        case "fields":
            path.write_bytes(b'{"url":"http://a.test/"}\n')
        case _:
            path.write_bytes(RECORDS)
    assert run(["summary", str(path)]) == 0
    text = capsys.readouterr().out
    if form == "fields":
        assert "outcomes  unknown 1" in text
        return
    assert text.splitlines()[0] == "2 records in 4.00 s: 0 pages/s, 0.0 MB/s"
    assert "outcomes  page 1, dns 1" in text and "retries 1" in text
    assert "e.g. http://a.test/2: no such name" in text
    assert text.endswith("2 records: 1 of the list + 1 found\n")
    assert run(["summary", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["outcomes"], found["wire_bytes"]) == ({"page": 1, "dns": 1}, 10)


def test_a_torn_end_is_said_and_what_is_whole_is_summed_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3; half a record is no record."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(RECORDS[:-9])
    assert run(["summary", str(path)]) == 3
    out, err = capsys.readouterr()
    assert out.startswith("1 record in ") and "ends in the middle of a record" in err
    path.write_bytes(b"no record\n")
    assert run(["summary", str(path)]) == 3
    out, err = capsys.readouterr()
    assert not out and "is not a record: 'no record'" in err


@pytest.mark.slow
@pytest.mark.parametrize("words", ["status", "summary"])
def test_a_closed_pipe_is_no_error(tmp_path: Path, words: str) -> None:
    """`| head -0` ends them with 0 and in silence, as their help does."""
    place = Place(tmp_path)
    place.crawl()
    for arguments in (f"{words} out.jsonl", f"{words} --help"):
        command = f"{sys.executable} -m crawler {arguments} | head -0; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
