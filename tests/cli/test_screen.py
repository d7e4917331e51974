"""The screen: which one is chosen, what it prints, and that it covers nobody's lines."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from rich.console import Console

from crawler.cli.asking import ASKING
from crawler.cli.display import Display
from crawler.cli.screen import ScreenLines, Silence
from crawler.cli.screen_choice import screen
from crawler.cli.terminal import may_be_drawn_on
from crawler.core.collector import Snapshot
from tests.cli.fakes import SNAPSHOT
from tests.patience import PATIENCE
from tests.unmannered import WORDS

ENGINES = ("async", "threaded")


def test_what_is_said_stands_above_the_moving_part() -> None:
    """Every line said while it moves is printed whole, markup and all, and the rest is cleared."""
    file = io.StringIO()
    display = Display(Console(file=file, width=80, force_terminal=True, color_system=None))
    looked = threading.Event()

    def statistics() -> Snapshot:
        looked.set()
        return SNAPSHOT

    with display.watching(statistics, lambda: 2_000):
        assert looked.wait(PATIENCE)
        display.say("parse: [auto] chose inline")
        display.report()
    written = file.getvalue()
    assert "parse: [auto] chose inline\n" in written
    assert "50%  998 done" in written
    assert written.endswith("\x1b[2K")


def test_the_mode_chooses_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines off a terminal, on a dumb one and where others write; --quiet wins over all."""
    assert isinstance(screen("bar", quiet=True), Silence)
    assert isinstance(screen("bar"), ScreenLines)
    monkeypatch.setenv("FORCE_COLOR", "1")  # what stands for a terminal here
    assert isinstance(screen("auto"), Display)
    assert isinstance(screen("auto", alone=False), ScreenLines)
    assert isinstance(screen("bar", alone=False), Display)
    assert isinstance(screen("line"), ScreenLines)
    assert isinstance(screen("none"), ScreenLines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(screen("bar"), ScreenLines)


def test_lines_come_at_intervals_and_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """A line follows soon, then each interval, and at once for a signal (field T2)."""
    lines, looked = ScreenLines(first=0.0, every=0.001), threading.Semaphore(0)

    def statistics() -> Snapshot:
        looked.release()
        return SNAPSHOT

    with lines.watching(statistics, lambda: 2_000):
        assert all(looked.acquire(timeout=PATIENCE) for _ in range(4))
    assert capsys.readouterr().err.count("50%  998 done") >= 3
    silent = ScreenLines(never=True)
    with silent.watching(lambda: SNAPSHOT, lambda: 2_000):
        silent.say("parse: chose inline")
        silent.report()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "parse: chose inline" and said[1].startswith("50%  998 done")
    assert len(said) == 2


def test_quiet_asked_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """--quiet has the last word: neither lines nor reports."""
    silence = Silence()
    with silence.watching(lambda: SNAPSHOT, lambda: 1):
        silence.say("a line")
        silence.report()
    assert capsys.readouterr().err == ""


def test_what_may_reach_a_terminal_is_not_drawn_over(tmp_path: Path) -> None:
    """Pipes, FIFOs and terminals may show what is written to them; files and /dev/null do not."""
    fifo, (master, slave) = tmp_path / "fifo", pty.openpty()
    os.mkfifo(fifo)
    try:
        assert not may_be_drawn_on([str(fifo)])
        assert not may_be_drawn_on([os.ttyname(slave)])
    finally:
        os.close(master)
        os.close(slave)
    assert may_be_drawn_on([os.devnull, str(tmp_path / "new.jsonl"), str(tmp_path)])
    assert not may_be_drawn_on([str(tmp_path / "new.jsonl"), str(fifo)])


@contextmanager
def on_terminal(
    *words: str, out: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`crawler crawl --mock 6 WORDS` with stderr on a terminal, and its other end."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "crawler", "crawl", *WORDS, "--mock", "6", *words]
    environment = {**os.environ, "TERM": "xterm"}
    stdout = slave if out is None else out
    with subprocess.Popen(command, stdin=-3, stdout=stdout, stderr=slave, env=environment) as run:
        os.close(slave)
        try:
            yield run, master
        finally:
            run.kill()  # of no effect, unless the test failed
            os.close(master)


def shown(master: int) -> str:
    """Everything that is written to a terminal until nobody has it open."""
    pieces: list[bytes] = []
    with suppress(OSError):  # Linux's way to say that the other end is closed
        while piece := os.read(master, 65_536):
            pieces.append(piece)
    return b"".join(pieces).decode()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_records_on_the_terminal_are_not_covered(engine: str) -> None:
    """Records that go to the terminal stand there whole, with no cursor movement (field T1)."""
    with on_terminal("--engine", engine) as (run, master):
        written = shown(master)
        assert run.wait(PATIENCE) == 0
    assert written.count('{"url":') == 6
    assert "\x1b" not in written


@pytest.mark.slow
def test_the_reader_of_a_pipe_is_not_covered() -> None:
    """Records that go into a pipe may come to the terminal by its reader (field T1)."""
    with on_terminal(out=subprocess.PIPE) as (run, master):
        assert run.stdout is not None
        assert len(run.stdout.read().splitlines()) == 6
        written = shown(master)
        assert run.wait(PATIENCE) == 0
    assert "6 records" in written and "\x1b" not in written


@pytest.mark.slow
def test_a_file_leaves_the_terminal_to_the_bar(tmp_path: Path) -> None:
    """With records in a file the terminal is drawn on."""
    with on_terminal("-o", str(tmp_path / "out.jsonl")) as (run, master):
        written = shown(master)
        assert run.wait(PATIENCE) == 0
    assert "\x1b[2K" in written and "6 records" in written


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("number", ASKING)
def test_a_signal_asks_for_a_line(engine: str, number: signal.Signals) -> None:
    """SIGUSR1 prints how far the crawl is, and ends nothing (field T2)."""
    command = [sys.executable, "-m", "crawler", "crawl", *WORDS, "--engine", engine]
    command += ["--mock", "100000", "--delay", "0.05"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        try:
            assert run.stdout is not None and run.stderr is not None
            assert run.stdout.readline()
            run.send_signal(number)
            lines = iter(run.stderr.readline, b"")
            line = next(line for line in lines if b" done  " in line)  # the parser says its choice
            assert b"pages/s" in line and run.poll() is None
        finally:
            run.kill()


@pytest.mark.slow
def test_no_command_dies_of_being_asked() -> None:
    """The signals' default, to end the process, is off for every command."""
    script = (
        "import os, sys, crawler.cli as cli, crawler.cli.app as app;"
        "from crawler.cli.asking import ASKING;"
        "app._dispatch = lambda words: [os.kill(os.getpid(), number) for number in ASKING] and 7;"
        "code = cli.main(['-V']); print('alive', code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"alive 7\n"


@pytest.mark.slow
def test_the_parsers_processes_do_not_die_of_it_either() -> None:
    """`pkill -USR1` reaches all processes of a crawl; the parser's worker lives on."""
    command = [sys.executable, "-m", "crawler", "crawl", *WORDS, "--mock", "40", "--parse"]
    command += ["process", "--delay", "0.02", "--parse-workers", "1"]
    command += ["--parser", "tests.workers.parsers:hostile"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as run:
        try:
            assert run.stdout is not None
            records = [run.stdout.readline()]
            os.killpg(run.pid, signal.SIGUSR1)
            records += run.stdout.readlines()
            assert run.wait(PATIENCE) == 0
        finally:
            run.kill()
    workers = {json.loads(record)["parsed"]["pid"] for record in records}
    assert len(records) == 40 and len(workers) == 1
