"""What servers and lists hold reaches a person's terminal, and a reader of lines, as text alone."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path

import pytest
from rich.console import Console

from crawler.cli import main
from crawler.cli.crawl_summary import Report
from crawler.cli.display import Display
from crawler.cli.screen import ScreenLines
from crawler.core.collector import Snapshot
from crawler.model.command_config import CommandConfig
from tests.cli.fakes import SNAPSHOT
from tests.cli.test_command import crawler
from tests.cli.test_summary import COST
from tests.fetch.raw import RawServer
from tests.legal import check

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202egpj\u2066\u2028\u2029\x85\ufeff"
ACTIVE = frozenset(HOSTILE) - frozenset("]0;owned[2J31mgpj")


def harmless(text: str) -> bool:
    """Whether nothing but line ends acts on a terminal, and those that are there are ours."""
    return not ACTIVE & set(text) and text.splitlines() == text.rstrip("\n").split("\n")


def page(_server: RawServer, sock: socket.socket, _head: bytes) -> None:
    """A page whose header and markup are as hostile as a server can make them."""
    evil = HOSTILE.replace("\x07", "").encode()
    refs = HOSTILE.encode()
    body = (
        b"<html lang='%b'><title>%b&#x1b;[2J&#xd800;\0</title><a href='/%b?%b#%b'><a href='\x1b'>"
        b"<meta name=description content='%b'><meta name=robots content='%b'>" % ((refs,) * 7)
    )
    header = evil.replace(b"\x1b", b"").replace(b"\x7f", b"")  # clients refuse those
    sock.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html;charset=utf-8;x=%b\r\nX-Robots-Tag: %b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (header, header, len(body), body)
    )


def moved(_server: RawServer, sock: socket.socket, _head: bytes) -> None:
    """A redirect to what is hardly a URL."""
    place = HOSTILE.replace("\x07", "").replace("\x1b", "").replace("\x7f", "").encode()
    sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://[%b\r\nContent-Length: 0\r\n\r\n" % place)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_records_of_a_hostile_server_are_lines_of_text(engine: str) -> None:
    """On stdout every record is one line in the schema, and neither stream moves a cursor."""
    with RawServer({"/": page, "/302": moved}) as server:
        seeds = (server.url(), server.url("/302"), f"http://\x1b[2J{HOSTILE[5:]}/")
        words = ("--allow-private", "--robots", "ignore", "--engine", engine, "--delay", "0")
        code, out, err = crawler("crawl", *words, *seeds)
    assert code == 0, err
    assert harmless(out) and harmless(err)
    records = [json.loads(line) for line in out.splitlines()]
    assert sorted(record["outcome"] for record in records) == ["failed", "page", "skipped"]
    for record in records:
        check(record)
    (title,) = (record["title"] for record in records if record["outcome"] == "page")
    assert HOSTILE.replace("\x85", "").startswith(title[:5]) and "\u202e" in title


def test_announcements_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A line that is said on the way shows controls, and obeys none."""
    ScreenLines().say(f"parse: {HOSTILE}")
    out, err = capsys.readouterr()
    assert (out, harmless(err)) == ("", True)
    assert r"parse: \x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202egpj" in err


def test_announcements_above_the_moving_part_are_text() -> None:
    """The same on a terminal that moves, where the only sequences are our own."""
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    display = Display(console)
    with display.watching(lambda: SNAPSHOT, lambda: 1000):
        display.say(f"parse: {HOSTILE}")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert r"\x1b]0;owned\x07" in shown
    assert "\x1b]0" not in shown and not {"\x07", "\x9b", "\u202e", "\u2028"} & set(shown)


def test_the_summary_is_text() -> None:
    """Whatever a description or a reason holds, the summary is plain lines."""
    report = Report(
        config=CommandConfig(),
        snapshot=Snapshot(outcomes={HOSTILE: 1}, refused={HOSTILE: 2}),
        cost=COST,
        parsing=f"process: {HOSTILE}",
    )
    assert harmless(report.text())


@pytest.mark.slow
def test_error_lines_are_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An argument that is echoed in an error does nothing to the terminal."""
    for words in (
        ["crawl", "-i", str(tmp_path / HOSTILE)],
        ["crawl", f"--{HOSTILE}"],
        ["crawl", "--proxy", f"http://{HOSTILE}", "http://a.example/"],
        ["crawl", "--parser", f"{HOSTILE}:x", "http://a.example/"],
    ):
        assert main(words) != 0
        err = capsys.readouterr().err
        assert err.startswith("crawler: ") and err.count("\n") == 1
        assert harmless(err), ascii(err)


def test_tracebacks_are_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What --debug shows of an exception obeys nothing in its message either."""

    def broken(_words: list[str]) -> int:
        raise RuntimeError(HOSTILE)

    monkeypatch.setattr("crawler.cli.app._dispatch", broken)
    assert main(["crawl", "--debug"]) != 0
    err = capsys.readouterr().err
    assert "Traceback" in err and "RuntimeError" in err
    assert harmless(err), ascii(err)
