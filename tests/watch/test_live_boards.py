"""The pages of a load and of a comparison: what they show, and that a browser shows it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.request import urlopen

import pytest

from crawler.cli.compare.compare_board import CompareBoard
from crawler.cli.crawl_board import BoardSource, CrawlBoard
from crawler.cli.load.load_board import LoadBoard, LoadWatchers
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.runner import Turn
from crawler.core.by_hand import Command, CrawlControl, ShownHost
from crawler.core.collector import Snapshot
from crawler.core.waiting import WaitReason
from crawler.load.measured import Measured
from crawler.load.metrics import Exposition
from crawler.model.command_config import CommandConfig
from crawler.model.event import Event, Level
from tests.browser import needs_chromium, tab
from tests.cli.test_command import started
from tests.load import sample
from tests.patience import PATIENCE

HOST = ShownHost(
    host="http://a.test", waiting=5, in_flight=1, why=WaitReason.CRAWL_DELAY, seconds=12.4
)


def figures(board: dict[str, Any]) -> dict[str, str]:
    return dict(board["figures"])


def rows(board: dict[str, Any], id: str) -> list[list[str]]:
    """The texts of a table."""
    (table,) = [each for each in board["tables"] if each["id"] == id]
    texts = [
        [cell if isinstance(cell, str) else cell["text"] for cell in row["cells"]]
        for row in table["rows"]
    ]
    assert all(len(row) == len(table["columns"]) for row in texts)
    assert len({row["key"] for row in table["rows"]}) == len(texts)
    return texts


def crawl(taken: Snapshot, asked: list[CrawlControl]) -> CrawlBoard:
    """The board of a crawl that stands at this."""
    board = CrawlBoard("crawl", CommandConfig())
    board.source = BoardSource(statistics=lambda: taken, expected=lambda: 40, control=asked.append)
    return board


def test_a_crawl_says_why_a_host_waits() -> None:
    """Rate, time, hosts with the reason, and the last failures, of which twenty are kept."""
    board = crawl(Snapshot(records=10, elapsed=5.0, concurrency=256, hosts=(HOST,)), [])
    for number in range(50):
        fields = {"url": f"http://a.test/{number}", "kind": "dns", "reason": "no such name"}
        board.receive(Event(name="failed", level=Level.DEBUG, fields=fields))
    board.receive(Event(name="network_lost", level=Level.WARNING, fields={"reason": "silence"}))
    shown = board.board()
    assert (shown["state"], shown["done"]) == ("running", 0.25)
    (host,) = rows(shown, "hosts")
    assert host[:3] == ["http://a.test", "Crawl-delay, next in 0:12", "5"]
    failures = rows(shown, "failures")
    assert len(failures) == 20 and failures[0][1:] == ["http://a.test/49", "dns", "no such name"]
    assert rows(shown, "news")[0][1:] == ["network_lost", "reason silence"]
    assert figures(shown)["In flight"] == "0 of 256"


def test_orders_are_checked() -> None:
    """An unknown command, a host that is not shown, a crawl that has not begun: refused."""
    asked: list[CrawlControl] = []
    board = crawl(Snapshot(hosts=(HOST,)), asked)
    assert board.order("skip", "http://a.test") == "http://a.test is skipped"
    assert board.order("pause", "ignored") and asked[1] == CrawlControl(Command.PAUSE)
    for command, host in (("skip", "http://b.test"), ("fly", "")):
        with pytest.raises(ValueError, match="is not"):
            board.order(command, host)
    assert len(asked) == 2
    assert board.order("stop", "") and board.board()["state"] == "stopping"
    with pytest.raises(ValueError, match="does not run yet"):
        CrawlBoard("crawl", CommandConfig()).order("pause", "")


def test_a_load_in_figures() -> None:
    """The rate of the last second, three latencies, errors with their message, targets."""
    board = LoadBoard("load", 10.0)
    watch = LoadWatchers([Exposition(), board]).before(None)
    watch(Measured(elapsed=1.0, statuses={200: 100}))
    watch(Measured(elapsed=2.0, statuses={200: 350}))
    shown = board.board()
    assert (shown["plot"]["value"], shown["left"], shown["done"]) == (250.0, "0:08 left", 0.2)
    watch(sample.measured())
    shown = board.board()
    assert [row[0] for row in rows(shown, "latencies")] == ["response", "service", "lag"]
    assert ["200 OK", "1,164"] in rows(shown, "statuses")
    assert figures(shown)["Errors"] == "36" and len(rows(shown, "targets")) == 2
    watch(Measured(elapsed=0.5, statuses={200: 5}))  # the next run
    assert board.board()["plot"]["value"] == 10.0


def test_a_comparison_in_figures() -> None:
    """Which experiment, its rounds, the share that is done, and what was found so far."""
    board = CompareBoard(["cpu", "io"])
    assert board.board()["state"] == "starting" and board.board()["left"] == ""
    board.turn(Turn("cpu", "threads", "", 2, 3))
    shown = board.board()
    assert figures(shown)["Round"] == "2 of 3" and shown["done"] == 0.25
    assert figures(shown)["Experiment"] == "cpu, 1 of 2" and shown["left"]
    finding = SimpleNamespace(claim="processes are faster", outcome="holds")
    part = SimpleNamespace(interpreter=SimpleNamespace(label="3.11"), findings=[finding])
    examined = SimpleNamespace(experiment=SimpleNamespace(name="cpu"), parts=[part])
    board.ends(cast(ComparisonResult, SimpleNamespace(examined=[examined])))
    board.turn(Turn("io", "threads", "", 0, 0))
    shown = board.board()
    assert shown["done"] == 0.5 and figures(shown)["Round"] == "warm-up"
    assert rows(shown, "experiments") == [["cpu", "done"], ["io", "running"]]
    assert rows(shown, "findings") == [["cpu", "3.11", "holds", "processes are faster"]]


@pytest.mark.slow
@needs_chromium
async def test_a_browser_shows_a_comparison(tmp_path: Path) -> None:
    """The page of a real one, without controls and without a plot."""
    with started("compare", "cpu", "--rounds", "1", "--live", "0") as process:
        async with tab(tmp_path) as page:
            await page.show(address(process), 390)
            await page.until("figures.has('Arm')")
            assert await page.ask("document.getElementById('by-hand').hidden")
            assert await page.ask("document.getElementById('plotting').hidden")
            assert len(await page.picture()) > 10_000
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.mark.slow
def test_a_load_is_shown_while_it_runs() -> None:
    """Each second, from the first response to the end."""
    with started("load", "--mock", "--duration", "2s", "--live", "0") as process:
        boards = [*urlopen(f"{address(process)}events", timeout=PATIENCE)]
        process.communicate(timeout=PATIENCE)
    assert boards[-3:] == [b"event: end\n", b"data: end\n", b"\n"]
    shown = [json.loads(line[6:]) for line in boards[:-3] if line.startswith(b"data: ")]
    counts = [int(figures(each)["Responses"].replace(",", "")) for each in shown]
    assert counts == sorted(counts) and counts[-1] > 0


def address(process: subprocess.Popen[str]) -> str:
    """Where the page is."""
    assert process.stderr is not None
    line = next(line for line in process.stderr if line.startswith("live: "))
    return line.removeprefix("live: ").strip()
