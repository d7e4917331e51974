"""One crawl for a person: what is said, what is written, and the exit code."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from crawler.cli.crawl_run import Order, run
from crawler.core.changes import Earlier
from crawler.core.collector import StatisticsCollector
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, CrawlerError, EnvironmentFailure, ExitCode
from tests.cli.fakes import SNAPSHOT, FakeSession, FakeSink, FakeSource, opening


class ReaderGone(CrawlerError):
    """What a sink raises when its reader went away."""

    exit_code = ExitCode.FINISHED


def order(config: CommandConfig | None = None) -> Order:
    """A crawl of one list."""
    return Order(config=config or CommandConfig(), seeds=[], inputs=["list"], output="-")


def crawl(
    session: FakeSession, config: CommandConfig | None = None, sink: FakeSink | None = None
) -> int:
    """Run a fake crawl; its parts are closed whatever happens."""
    sink, source = sink or FakeSink(), FakeSource()
    try:
        return run(order(config), opening(session, sink, source))
    finally:
        assert sink.closed and source.closed


def test_a_finished_crawl_is_summed_up_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """The summary goes to stderr, nothing to stdout, and failures of URLs are no failure."""
    assert crawl(FakeSession()) == ExitCode.FINISHED
    out, err = capsys.readouterr()
    assert not out
    assert err.endswith("every URL is accounted for: 1,000 read = 998 records + 2 repeats\n")


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """--quiet leaves stderr empty."""
    assert crawl(FakeSession(), CommandConfig(quiet=True)) == ExitCode.FINISHED
    assert capsys.readouterr() == ("", "")


def test_a_crawl_whose_time_is_up_is_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    """--max-time ends the command as Ctrl-C does, with its summary and exit code."""
    session = FakeSession()
    session.overdue = True
    assert crawl(session) == ExitCode.INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.slow
def test_failures_count_only_if_asked_for() -> None:
    """--fail-on-error turns failed URLs into exit code 1, and a clean crawl stays 0."""
    asked = CommandConfig(quiet=True, fail_on_error=True)
    assert crawl(FakeSession(), asked) == ExitCode.FAILURES
    assert crawl(FakeSession(replace(SNAPSHOT, failed=0)), asked) == ExitCode.FINISHED


@pytest.mark.parametrize(
    ("outcomes", "options", "code"),
    [
        ({"page": 990, "dns": 10}, {}, ExitCode.FINISHED),
        ({"dns": 1}, {}, ExitCode.FAILURES),
        ({"robots": 3, "blocked_address": 12}, {}, ExitCode.FAILURES),
        ({"redirect": 1, "dns": 5}, {}, ExitCode.FINISHED),
        ({"sitemap": 1, "dns": 5}, {}, ExitCode.FINISHED),
        ({}, {}, ExitCode.FINISHED),
        ({}, {"fail_on_error": True}, ExitCode.FINISHED),
        ({"page": 95, "dns": 5}, {"fail_above": "5%"}, ExitCode.FINISHED),
        ({"page": 94, "dns": 6}, {"fail_above": "5%"}, ExitCode.FAILURES),
        ({"page": 94, "dns": 6}, {"fail_above": 0.06}, ExitCode.FINISHED),
        ({"page": 99, "dns": 1}, {"fail_above": 0}, ExitCode.FAILURES),
        ({"page": 99, "dns": 1}, {"fail_above": "50%", "fail_on_error": True}, ExitCode.FAILURES),
    ],
)
def test_the_exit_code_tells_whether_enough_was_fetched(
    outcomes: dict[str, int], options: dict[str, Any], code: ExitCode
) -> None:
    """1 where nothing at all was fetched, or more failed than is allowed (field L10)."""
    records = sum(outcomes.values())
    taken = replace(
        SNAPSHOT, read=records, repeats=0, records=records, outcomes=outcomes,
        failed=outcomes.get("dns", 0) + outcomes.get("blocked_address", 0),
    )  # fmt: skip
    assert crawl(FakeSession(taken), CommandConfig.of({"quiet": True, **options})) == code


@pytest.mark.parametrize(
    ("earlier", "now", "options", "code"),
    [
        ({"page": 90}, {"invalid_url": 3}, {}, ExitCode.FINISHED),
        ({"robots": 90}, {"invalid_url": 3}, {}, ExitCode.FAILURES),
        ({}, {"page": 3}, {}, ExitCode.FINISHED),
        ({"page": 90, "dns": 10}, {"page": 100}, {"fail_on_error": True}, ExitCode.FAILURES),
        ({"page": 90, "dns": 10}, {"page": 100}, {"fail_above": "5%"}, ExitCode.FINISHED),
        ({"page": 90, "dns": 10}, {"page": 99}, {"fail_above": "5%"}, ExitCode.FAILURES),
    ],
)
def test_a_crawl_that_goes_on_is_judged_as_a_whole(
    earlier: dict[str, int], now: dict[str, int], options: dict[str, Any], code: ExitCode
) -> None:
    """The exit code is that of all its runs: what was fetched before was fetched."""
    collector = StatisticsCollector()
    records = sum(earlier.values())
    collector.resume(
        Earlier(read=records, records=records, outcomes=earlier, failed=earlier.get("dns", 0))
    )
    number = sum(now.values())
    taken = replace(
        collector.snapshot(0.0),
        read=records + number,
        records=number,
        outcomes=now,
        failed=now.get("dns", 0),
    )
    assert crawl(FakeSession(taken), CommandConfig.of({"quiet": True, **options})) == code


def test_a_failing_output_is_told_before_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    """L12: when the disk gives way that is the first line, and then follows what was done."""
    code = crawl(FakeSession(), sink=FakeSink(EnvironmentFailure("disk full")))
    lines = capsys.readouterr().err.splitlines()
    assert (code, lines[0]) == (ExitCode.ENVIRONMENT, "crawler: disk full")
    assert "998 records" in lines[1]


def test_the_output_s_failure_is_told_first_and_no_other_is_hidden(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """L12: a list, an audit or the statistics that fail as well are told after the output."""
    folder = tmp_path / "gone"
    folder.mkdir()
    failure = EnvironmentFailure("list unreadable")
    session = FakeSession(failure=failure, running=lambda: rmtree(folder))
    config = CommandConfig(quiet=True, stats=str(folder / "stats.json"))
    assert crawl(session, config, FakeSink(EnvironmentFailure("disk full"))) == 3
    first, second, third = capsys.readouterr().err.splitlines()
    assert (first, second) == ("crawler: disk full", "crawler: list unreadable")
    assert "stats.json" in third


@pytest.mark.parametrize("where", ["run", "close"])
def test_a_closed_pipe_ends_in_silence(capsys: pytest.CaptureFixture[str], where: str) -> None:
    """`| head -1` is no error: exit code 0 and not a word."""
    gone = ReaderGone("closed")
    session = FakeSession(failure=gone if where == "run" else None)
    assert crawl(session, sink=FakeSink(gone if where == "close" else None)) == ExitCode.FINISHED
    assert capsys.readouterr() == ("", "")


def test_a_bug_still_closes_the_output() -> None:
    """An exception that nobody foresaw goes through, after what came was written."""
    with pytest.raises(ZeroDivisionError):
        crawl(FakeSession(failure=ZeroDivisionError()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_gently_and_is_told(
    capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    """The first signal stops the crawl; exit code 130, and the summary says what is missing."""
    begun = replace(SNAPSHOT, read=600, records=598)
    session = FakeSession(begun, ends_on="stop", running=lambda: os.kill(os.getpid(), number))
    assert crawl(session) == ExitCode.INTERRUPTED
    assert session.calls == ["stop"]
    said = capsys.readouterr().err
    assert "stopping: finishing 0 in flight; again to leave at once" in said
    assert "interrupted: about 400 of the list were not read and have no record" in said


def test_the_statistics_are_written_as_json(tmp_path: Path) -> None:
    """--stats writes every figure of the summary, the options and the versions."""
    file = tmp_path / "stats.json"
    crawl(FakeSession(), CommandConfig(quiet=True, stats=str(file), per_host=3))
    found = json.loads(file.read_text())
    assert (found["read"], found["repeats"], found["records"], found["pages"]) == (
        1000,
        2,
        998,
        990,
    )
    assert found["pages_per_second"] == 495.0
    assert found["outcomes"] == SNAPSHOT.outcomes
    assert found["latency"]["p50"] == pytest.approx(0.012, rel=0.04)
    assert found["latency"]["max"] == 0.2
    assert set(found["loop_lag"]) == {"p50", "p99", "max"}
    assert set(found["cpu"]) == {*["user", "system", "children_user", "children_system", "parsers"]}
    assert found["peak_rss"] > 1_000_000
    assert found["parse"] == "inline: 0.31 ms a page"
    assert found["config"]["per_host"] == 3
    assert found["versions"]["python"] and found["accounted_for"] is True


@pytest.mark.parametrize("option", ["stats", "audit"])
def test_a_file_without_a_place_stops_the_crawl_before_it_begins(
    tmp_path: Path, option: str
) -> None:
    """A directory that is missing is an error that names it, before anything was fetched."""
    session, file = FakeSession(), tmp_path / "missing" / "file.json"
    parts = opening(session, FakeSink(), FakeSource())
    with pytest.raises(EnvironmentFailure, match=rf"{option}: .*file\.json: .*is not a directory"):
        run(order(CommandConfig(quiet=True, **{option: str(file)})), parts)  # type: ignore[arg-type]
    assert not session.began


def test_one_file_is_not_written_twice(tmp_path: Path) -> None:
    """Records, statistics and the audit need files of their own, and inputs are not overwritten."""
    file, session = tmp_path / "file", FakeSession()
    config = CommandConfig(audit=str(file), stats=f"{tmp_path}/./file")
    with pytest.raises(ConfigurationError, match=r"audit: .*file is the file of --stats, too"):
        run(order(config), opening(session, FakeSink(), FakeSource()))
    file.write_text("http://a.test/")
    os.link(file, tmp_path / "link")
    config = CommandConfig(audit=str(file), stats=f"{tmp_path}/link")
    with pytest.raises(ConfigurationError, match=r"audit: .*file is the file of --stats, too"):
        run(order(config), opening(session, FakeSink(), FakeSource()))
    listed = Order(config=CommandConfig(audit=str(file)), seeds=[], inputs=[str(file)], output="-")
    with pytest.raises(ConfigurationError, match=r"audit: .*file is also an input"):
        run(listed)
    assert file.read_text() == "http://a.test/" and not session.began
