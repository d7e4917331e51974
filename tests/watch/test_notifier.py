"""Notices for a person: when, with what, and that nobody waits for them."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from crawler.core.collector import Snapshot
from crawler.model.command_config import CommandConfig
from crawler.model.event import Event, Level
from crawler.watch import notifier
from crawler.watch.notifier import Notifier
from tests.cli.test_command import crawler
from tests.patience import until
from tests.unmannered import WORDS

FIELDS = {"reason": "$(touch harm) `touch harm`; touch harm"}


def event(name: str, level: Level = Level.INFO) -> Event:
    return Event(name=name, level=level, at=1_000.5, fields=FIELDS)


def noticed(command: str, *events: Event) -> list[str]:
    """What is said while these events come, which are the last."""
    said: list[str] = []
    notices = Notifier(command, 1.0, Snapshot, said.append)
    for each in events:
        notices.receive(each)
    notices.close()
    return said


def test_a_command_gets_the_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON and as text, never as part of the command; only what a person wants to know."""
    monkeypatch.chdir(tmp_path)
    command = 'cat >>all; echo >>all; echo "$CRAWLER_EVENT: $CRAWLER_TEXT" >>words'
    assert noticed(command, event("retry"), event("network_lost"), event("end")) == []
    found = [json.loads(line) for line in (tmp_path / "all").read_text().splitlines()]
    assert [each["event"] for each in found] == ["network_lost", "end"]
    assert found[0]["reason"] == FIELDS["reason"]
    words = (tmp_path / "words").read_text().splitlines()
    assert words[1].startswith("end: 1970-01-01T00:16:40.500Z INFO    end reason=")
    assert not (tmp_path / "harm").exists()


def test_a_command_that_fails_is_told() -> None:
    """With its exit code and its first words; the others still come."""
    said = noticed("echo no such person >&2; exit 3", event("end"), event("error"))
    assert said == ["notify: exit code 3: no such person"] * 2


def test_a_command_that_never_ends_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that it has started: a run always ends."""
    monkeypatch.setattr(notifier, "PATIENCE", 0.05)
    assert noticed("sleep 1000 & sleep 1000", event("end")) == ["notify: killed after 0.05 s"]


def test_many_failures_are_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the share, not at it, and not for a handful of records."""
    monkeypatch.setattr(notifier, "_LOOK", 0.001)
    looks, enough = [0], threading.Event()
    shares = [Snapshot(records=9, failed=9), Snapshot(records=200, failed=100)]
    shares += [Snapshot(records=200, failed=101), Snapshot(records=200, failed=150)]

    def statistics() -> Snapshot:
        looks[0] += 1
        if looks[0] > 9:
            enough.set()
        return shares[min(looks[0] - 1, 3)]

    notices = Notifier(f"cat >>{tmp_path / 'told'}", 0.5, statistics, print)
    assert until(enough.is_set)
    notices.close()
    told = json.loads((tmp_path / "told").read_text())
    assert (told["event"], told["failed"], told["records"]) == ("failures", 101, 200)


def test_the_command_is_a_secret() -> None:
    """It may hold the address of a web hook: no repr, no state and no receipt shows it."""
    config = CommandConfig(notify="curl https://hook.test/secret")
    assert "secret" not in repr(config) and "notify" not in config.given()


@pytest.mark.slow
def test_a_crawl_tells_of_its_end(tmp_path: Path) -> None:
    """After the output is whole, with the exit code; the crawl's own streams are left alone."""
    told, out = tmp_path / "told", tmp_path / "out.jsonl"
    command = f"cat >{told}; wc -l <{out} >>{told}; echo noise"
    words = ["--mock", "20", "-o", str(out), "--notify", command]
    code, printed, err = crawler("crawl", *WORDS, *words)
    assert (code, printed) == (0, "") and "noise" not in err
    end, lines = told.read_text().split("\n")[0].rsplit("}", 1)
    assert json.loads(end + "}")["exit_code"] == 0 and int(lines) == 20
