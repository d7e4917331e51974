"""What `crawler load` is made of: targets, files, the live picture, the summary."""

from __future__ import annotations

import gzip
import io
import os
import stat
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from crawler.cli.load import limit, load_summary, picture
from crawler.cli.load.load_outputs import Outputs
from crawler.cli.load.load_summary import counts, latencies
from crawler.cli.load.picture import Picture
from crawler.cli.load.targets import targets
from crawler.load.endpoint import Endpoint
from crawler.load.find import Trial
from crawler.load.hit import Recorder
from crawler.load.load_config import LoadConfig
from crawler.load.measured import ErrorKind, Failure, Measured, TargetCounts
from crawler.measure.histogram import Histogram
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.output_files import write_whole
from tests.load import sample

URL = "http://127.0.0.1:8080/page/1"


def measured(*, late: float = 0.0, failed: int = 0) -> Measured:
    """10,000 answers in 10 s of 10 ms each, of which every fourth left `late`."""
    recorder = Recorder(0.0)
    for number in range(10_000):
        due = number / 1000
        sent = due + (late if number % 4 == 0 else 0.0)
        recorder.hit(due, sent, sent + 0.01, 200, 1_000)
    for _ in range(failed):
        recorder.failed(9.0, 9.0, 9.99, Failure.TIMEOUT)
    return recorder.freeze(10.0)


def test_targets_come_from_words_and_lists(tmp_path: Path) -> None:
    """Words first, then lists, packed or not; blank lines and comments are skipped."""
    plain, packed = tmp_path / "a.txt", tmp_path / "b.txt.gz"
    plain.write_text("# mine\n\nhttp://127.0.0.1:1/a\n")
    packed.write_bytes(gzip.compress(b"HTTPS://LOCALHOST/b#part\n"))
    assert targets([URL], [str(plain), str(packed)]) == [
        URL,
        "http://127.0.0.1:1/a",
        "https://localhost/b",
    ]


def test_a_list_mixes_urls_and_objects(tmp_path: Path) -> None:
    """A line that begins with a brace is a target, and templates stay as they are written."""
    listed = tmp_path / "targets.jsonl"
    templated = f"{URL}?n={{{{random 1 9}}}}"
    lines = ("", URL, f'{{"url": "{URL}", "body": {{"a": 1}}}}', "# no {{x}}", templated)
    listed.write_text("\n".join(lines))
    plain, posted, random = targets([], [str(listed)])
    assert plain == URL
    assert isinstance(posted, Endpoint) and (posted.body, posted.json) == ('{"a":1}', True)
    assert random == Endpoint(url=templated, source=f"{listed} line 5")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"url": "/a"}', "line 2: '/a' is not a URL; put http:// or https:// before it"),
        ('{"url": "http://a/", "wait": 1}', "line 2: unknown field 'wait'"),
        ("http://[::1/", "line 2: 'http://[::1/' is not a URL"),
        ("a.test/{{seq}}", "line 2: 'a.test/{{seq}}' is not a URL; put http://"),
    ],
)
def test_a_bad_line_of_a_list_has_its_number(tmp_path: Path, line: str, said: str) -> None:
    """So that it can be found among a million."""
    listed = tmp_path / "list.txt"
    listed.write_text(f"{URL}\n{line}\n")
    with pytest.raises(ConfigurationError) as caught:
        targets([], [str(listed)])
    assert f"{listed} {said}" in str(caught.value)


def test_results_by_target_fit_a_terminal() -> None:
    """A row each, with outcomes below it where they differ; long names lose their middle."""
    row = TargetCounts(
        name=f"GET /{'x' * 200}/end",
        response=Histogram([0.0123] * 10),
        statuses={200: 7, 302: 1},
        errors={"timeout": ErrorKind(count=2, message="no answer", example=f"GET {URL * 9}")},
    )
    other = TargetCounts(name="short", response=Histogram([0.2]), statuses={302: 1})
    run = Measured(elapsed=2.0, targets=(other, row))
    head, name, figures, below, short = load_summary.rows(run)
    assert head.split()[:3] == ["target", "requests", "rate/s"]
    assert len(name) <= 80 and name.endswith("/end")
    assert figures.split() == ["10", "4", "12.3", "12.3", "12.3", "mixed"]
    assert below.split("  ")[-3:] == ["200: 7", "302: 1", "timeout: 2"]
    assert short.split() == ["short", "1", "0", "200", "200", "200", "302"]
    assert all(len(line) <= 80 for line in load_summary.errors(run.kinds))
    assert (
        load_summary.status(302, 5) == "302 (redirect): 5"
        and load_summary.status(304, 5) == "304: 5"
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("127.0.0.1:8080", "'127.0.0.1:8080' is not a URL; put http:// or https:// before it"),
        ("ftp://127.0.0.1/", "put http:// or https://"),
        ("http://[::1/", "'http://[::1/' is not a URL: not a valid URL"),
    ],
)
def test_what_is_no_url_is_named(word: str, said: str) -> None:
    """A typo in a target is a usage error that shows it."""
    with pytest.raises(ConfigurationError) as caught:
        targets([word], [])
    assert said in str(caught.value)


def test_a_load_needs_a_target(tmp_path: Path) -> None:
    """Nothing at all, an empty list and a missing one are errors, each of its own."""
    empty = tmp_path / "empty.txt"
    empty.touch()
    for lists in ([], [str(empty)]):
        with pytest.raises(ConfigurationError, match="nothing to load"):
            targets([], lists)
    with pytest.raises(EnvironmentFailure, match=r"missing\.txt"):
        targets([], ["missing.txt"])


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The new text is there with the mode of the old file, and nothing else is left behind."""
    file = tmp_path / "out.json"
    file.write_text("old")
    file.chmod(0o640)
    write_whole(str(file), b"new")
    assert file.read_text() == "new" and stat.S_IMODE(file.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["out.json"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is one line; the former result and no temporary file are there."""
    file = tmp_path / "out.json"
    file.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentFailure, match=r"out\.json: cannot be written: No space left"):
        write_whole(str(file), b"new")
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["out.json"]


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    """`--out /dev/stdout` must not put a file in a device's place."""
    pipe, seen = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: seen.append(pipe.read_text()))
    reader.start()
    write_whole(str(pipe), b"text")
    reader.join()
    assert seen == ["text"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_files_without_a_place_are_refused_beforehand(tmp_path: Path) -> None:
    """A missing folder, a folder in a file's place: known before the load, and by which flag."""
    with pytest.raises(
        EnvironmentFailure, match=r"--out: .*/no/out\.json: .*/no is not a directory"
    ):
        Outputs(out=str(tmp_path / "no" / "out.json")).check()
    with pytest.raises(EnvironmentFailure, match=r"--hgrm: .* is a directory"):
        Outputs(hgrm=str(tmp_path)).check()


def test_the_picture_shows_how_latencies_are_spread() -> None:
    """Head, statuses, a column a second, the darker the more; the share of each band in all."""
    whole = replace(sample.measured(), targets=())
    lines = list(Picture(LoadConfig(rate=100, duration=12)).lines(whole))
    assert lines[0] == "12/12 s  99/s  36 errors  p50 7.1 ms  p99 1,294 ms  service p99 11 ms"
    assert lines[1] == "status    200: 1,164  503: 23  timeout: 13"
    assert lines[3].split()[:2] == ["answers/s", "▄▁█▄▄▄▄▄▄▄▄▄"]
    bands = {line[:10].strip(): line[12:52] for line in lines[5:]}
    assert list(bands)[:3] == ["2 s", "1 s", "500 ms"] and list(bands)[-2:] == ["5 ms", "2 ms"]
    assert bands["10 ms"].rstrip() == "█ ▒█████████" and bands["1 s"].rstrip() == "  █"
    assert lines[-3].endswith("██  45.5%") and sum(float(x[-6:-1]) for x in lines[5:]) > 99
    assert max(map(len, lines)) <= 79 and len(lines) < 20


def test_the_picture_shows_the_busiest_targets() -> None:
    """Those with the most requests first, with rate and errors so far; one alone has no row."""
    busy = [TargetCounts(name=f"GET /{n}", statuses={200: 10 * n}) for n in range(1, 7)]
    errors = {"timeout": ErrorKind(count=90)}
    failing = TargetCounts(name=f"PUT /{'x' * 90}", statuses={200: 10}, errors=errors)
    run = replace(measured(), targets=(*busy, failing))
    *_, blank, first, second, third, fourth = Picture(LoadConfig()).lines(run)
    assert (blank, first.split()) == ("", ["PUT", first.split()[1], "1/s", "90", "errors"])
    assert [line.split() for line in (second, third, fourth)] == [
        ["GET", f"/{n}", f"{n}/s", "0", "errors"] for n in (6, 5, 4)
    ]
    assert max(map(len, (first, second))) <= picture.WIDTH
    alone = list(Picture(LoadConfig()).lines(replace(run, targets=(failing,))))
    assert not any("PUT" in line for line in alone)


@pytest.mark.slow
def test_the_picture_of_any_run_fits_a_terminal() -> None:
    """A long run, at a high rate, with all kinds of failures, has no line beyond 79 columns."""
    run = replace(
        measured(late=2.5, failed=3),
        statuses=dict.fromkeys(range(200, 230), 10**6),
        failures=dict.fromkeys(Failure, 10**6),
    )
    for rows in (run.rows, run.rows * 1_000):
        picture = Picture(LoadConfig(rate=100_000, duration=3_600))
        times = [replace(row, at=at, count=10**6) for at, row in enumerate(rows)]
        lines = list(picture.lines(replace(run, rows=tuple(times))))
        assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("quiet", "terminal"), [(True, True), (False, False)])
def test_without_a_terminal_nothing_moves(
    quiet: bool, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a log or when told to be quiet there is no live line at all."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stderr", stream)
    with picture.watching(LoadConfig(), quiet=quiet) as watch:
        assert watch is None
    assert stream.getvalue() == ""


@pytest.mark.parametrize("colours", [True, False])
def test_the_picture_is_gone_at_the_end(colours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each replaces the one before, and the last is cleared; NO_COLOR is obeyed."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", stream)
    for name, value in {
        "TERM": "xterm",
        "COLUMNS": "20",
        "NO_COLOR": "" if colours else "1",
    }.items():
        monkeypatch.setenv(name, value)
    with picture.watching(LoadConfig(), quiet=False) as watch:
        assert watch is not None
        watch(measured())
    text = stream.getvalue()
    assert "10/10 s  1,000/s  0 " in text and "errors" not in text
    assert text.endswith("\x1b[2K") and "\x1b[?25h" in text
    assert ("\x1b[32m" in text) == colours


def test_the_latencies_stand_side_by_side() -> None:
    """Response, service and lag in milliseconds; their ratio is told as what it is."""
    lines = list(load_summary.latencies(measured(late=0.5)))
    assert lines[0].split() == ["ms", "p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"]
    assert lines[1].split() == ["response", "10", "510", "510", "510", "510", "510", "135"]
    assert lines[2].split()[:4] == ["service", "10", "10", "10"]
    assert lines[3].split()[:4] == ["lag", "0", "500", "500"]
    assert lines[4].startswith("coordinated omission: p99 from the schedule is 51 times")
    assert max(map(len, lines)) <= 80


def test_quantiles_beyond_the_samples_are_left_out() -> None:
    """The p99.9 of a hundred values is none."""
    recorder = Recorder(0.0)
    for number in range(100):
        recorder.hit(number, number, number + 0.5, 200, 1)
    row = list(load_summary.latencies(recorder.freeze(100.0)))[1].split()
    assert row[1:] == ["500", "500", "500", "-", "-", "500", "500"]


def test_counts_tell_statuses_and_failures() -> None:
    """Every request is in one of the lines; those without an answer by their kind."""
    lines = list(load_summary.counts(measured(failed=2)))
    assert lines == [
        "10,002 requests in 10.00 s: 1,000 answers/s, 1.0 MB/s",
        "status    200: 10,000",
        "no answer timeout: 2",
        "errors    2 (0.020%)",
    ]


def test_the_shape_of_a_load_in_words() -> None:
    """Closed loops by their connections, open ones by their schedule."""
    assert load_summary.shape(LoadConfig(connections=1)) == "closed loop, 1 connection"
    assert load_summary.shape(LoadConfig(rate=5000, arrivals="poisson")) == (
        "open loop, 5,000/s, poisson arrivals, at most 64 connections"
    )
    assert "stages 10s:100" in load_summary.shape(LoadConfig(stages="10s:100"))


def test_the_head_of_any_load_fits_a_terminal() -> None:
    """However long the schedule, its lines are 80 columns at most, and nothing of it is lost."""
    stages = ",".join(f"{n}s:{n}00" for n in range(10, 40))
    config = LoadConfig(stages=stages, arrivals="poisson", processes=4)
    lines = list(load_summary.head(config, URL * 5))
    assert max(map(len, lines)) <= 80
    assert list(load_summary.head(config, URL, 1_235))[1] == "and 1,234 other targets"
    assert "4 processes" in lines[-1] and stages in "".join(lines).replace("  ", "")


@pytest.mark.slow
def test_lag_of_the_generators_own_is_no_omission() -> None:
    """Twice the latency is told only where it is more than a believable run's own lag."""
    for late, latency, told in (
        (0.0003, 0.0002, False),
        (0.0019, 0.001, False),
        (0.02, 0.001, True),
    ):
        recorder = Recorder(0.0)
        for number in range(1000):
            recorder.hit(number, number + late, number + late + latency, 200, 1)
        lines = list(load_summary.latencies(recorder.freeze(1000.0)))
        assert any("coordinated omission" in line for line in lines) is told


def test_what_was_in_flight_at_the_end_is_told_as_that() -> None:
    """Every closed loop ends so; it is not a response without an answer (LD13)."""
    recorder = Recorder(0.0)
    recorder.hit(0.0, 0.0, 0.1, 200, 5)
    recorder.unfinished(0.1, 0.1, 0.2)
    lines = [*counts(recorder.freeze(1.0)), *latencies(recorder.freeze(1.0))]
    assert "in flight 1 at the end" in lines
    assert not any("no answer" in line or "at least" in line for line in lines)
    recorder.failed(0.2, 0.2, 0.3, Failure.TIMEOUT)
    assert "1 failed request took at least as long as shown" in latencies(recorder.freeze(1.0))


def test_a_rate_that_was_not_done_is_told_as_what_it_is() -> None:
    """A step of a search whose latencies were kept says why it counts as broken, in 80 columns."""
    run = sample.result(sample.quiet())
    lines = list(limit._lines(Trial(rate=100.0, kept=False), run))
    assert "100/s  broken" in lines[0] and max(map(len, lines)) <= 80
    assert "2 of 100 requests left in time" in " ".join(lines[1:])
