"""`crawler load compare`, `--against`, `--find-limit` and `selftest`, over real sockets."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from crawler.cli import main
from crawler.cli.load import load_selftest
from crawler.load.load_config import LoadConfig
from crawler.load.selftest import CASES, Case, Expectation
from tests.load.sample import result

from .loading import believed, load, mock

pytestmark = pytest.mark.slow


def test_two_results_are_compared(tmp_path: Path) -> None:
    """The figures of both, their ratio and a word; code 5 as these runs cannot be believed."""
    one, other = tmp_path / "a.json", tmp_path / "b.json"
    one.write_text(result().text)
    other.write_text(result().text)
    code, out, err = load("compare", str(one), str(other))
    assert (code, err) == (5, "")
    lines = out.splitlines()
    assert lines[0].split() == ["A", "B", "B", "/", "A,", "95", "%", "interval"]
    assert [line[:14].strip() for line in lines[1:5]] == [
        "rate",
        "response p50",
        "response p99",
        "service p50",
    ]
    assert "of 98.75 %: 95 % for all 4 together" in out and "cannot be believed" in out
    code, out, _ = load("compare", str(one), str(other), "--json")
    rate = json.loads(out)["comparisons"][0]
    assert rate["judged"]["low"] < rate["ratio"]["low"] < 1 < rate["ratio"]["high"]
    code, out, err = load("compare", str(one), str(tmp_path / "none.json"))
    assert (code, out) == (3, "") and "none.json: cannot be read" in err and err.count("\n") == 1


def test_two_servers_take_turns() -> None:
    """Ten turns each; a server that takes sixty times as long is slower, by their ratio."""
    with mock("--latency", "0.001") as one, mock("--latency", "0.06") as other:
        words = ("-c", "4", "-d", "2", "--against", other.page, "--json")
        code, out, err = load(one.page, *words)
    assert code in {0, 5} and err == ""
    found = {each["figure"]: each for each in json.loads(out)["comparisons"]}
    service = found["service p50"]
    assert service["word"] == found["rate"]["word"] == "slower"
    assert service["a"] >= 0.001 and service["b"] >= 0.06 and service["ratio"]["low"] > 1
    assert service["ratio"]["value"] == pytest.approx(service["b"] / service["a"])
    assert bool(json.loads(out)["doubts"]) == (code == 5)


class _Server(ThreadingHTTPServer):
    """Says nothing of connections that a run resets at its end."""

    def handle_error(self, *_: object) -> None: ...


class _Asked(BaseHTTPRequestHandler):
    """Answers each request, and keeps what it asked for."""

    protocol_version = "HTTP/1.1"
    paths: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_templates_count_on_from_turn_to_turn(tmp_path: Path) -> None:
    """No number is sent twice and no row is left out, though each turn is its own run."""
    targets, data = tmp_path / "list.jsonl", tmp_path / "rows.csv"
    data.write_text("name\n" + "".join(f"row{n}\n" for n in range(10)))
    with _Server(("127.0.0.1", 0), _Asked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        lines = ({"url": f"{url}/{path}/{{{{seq}}}}/{{{{name}}}}"} for path in "ab")
        targets.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        words = ("-i", str(targets), "--data", str(data), "--rate", "40", "-d", "1.5", "-c", "2")
        unknown = load(*words, "--against", f"{url}/{{{{nobody}}}}")
        assert unknown[0] == 2 and "unknown template {{nobody}}" in unknown[2]
        assert not _Asked.paths
        code, out, err = load(*words, "--against", f"{url}/other/{{{{seq}}}}", "--json")
        server.shutdown()
    assert code in {0, 5} and err == "" and len(json.loads(out)["comparisons"]) == 4
    asked = [path.split("/")[1:] for path in _Asked.paths]
    numbers = [int(number) for _, number, *_ in asked]
    assert len(numbers) >= 60 and len(set(numbers)) == len(numbers)
    for path in "ab":
        assert {parts[2] for parts in asked if parts[0] == path} == {f"row{n}" for n in range(10)}


def test_the_limit_of_a_known_queue_is_found() -> None:
    """One worker that takes 10 ms does 100/s: far more is not kept, on no machine."""
    with mock("--workers", "1", "--service", "0.01") as web:
        words = ("--find-limit", "p90<50ms", "--rate", "60", "-d", "0.3", "-c", "32", "--json")
        code, out, err = load(web.page, *words)
    found = json.loads(out)
    assert err == "" and (code == 0) == (found["rate"] is not None) and found["partial"] is False
    if found["limited_by"] == "generator":  # a machine that is too busy is told as such
        assert found["doubt"] and found["trials"][-1]["doubt"] == found["doubt"]
        return
    assert (found["rate"] or 0) < found["broken"] <= 480 and found["limited_by"] == "threshold"


def test_a_limit_keeps_every_threshold_and_the_errors() -> None:
    """A server that refuses quickly above 100/s does 100/s, not thousands (LD2)."""
    with mock("--workers", "1", "--service", "0.01", "--queue", "10") as web:
        bounds = ("--find-limit", "p50<10s", "--find-limit", "errors<5%", "--max-errors", "6%")
        words = (*bounds, "--rate", "20", "-d", "0.5", "-c", "32", "--json")
        code, out, err = believed(web.page, *words)
        nothing = load(f"{web.address}/nowhere", *bounds, "--rate", "20", "-d", "0.3")
    found = json.loads(out)
    assert (code, err, found["thresholds"]) == (0, "", ["p50<10s", "errors<5%"])
    assert found["rate"] <= 180 and len(found["trials"][0]["values"]) == 2
    assert nothing[0] == 4 and "no rate keeps p50<10s and errors<5%" in nothing[1]
    assert "FAILED: NO REQUEST SUCCEEDED" in nothing[1]


def test_the_selftest_measures_a_known_stall(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Response p99 shows it, over real sockets, and the verdict is that of all findings.

    On a busy machine the generator cannot be believed, and says so.
    """
    monkeypatch.setattr(load_selftest, "CASES", CASES[:1])
    code = main(["load", "selftest", "--json"])
    found = json.loads(capsys.readouterr().out)
    (case,) = found["cases"]
    values = {each["name"]: each["value"] for each in case["findings"]}
    assert values["response p99 shows the stall"] > 0.38 and "service p99 does not" in values
    assert found["ok"] == all(each["ok"] for each in case["findings"]) == (code == 0)
    assert code in {0, 5}


def test_a_selftest_that_fails_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 5 for a figure out of its bounds, which stands beside it."""
    never: Sequence[Expectation] = (Expectation(name="never", value=0.5, least=1, most=2),)
    config = LoadConfig(requests=1, connections=1, duration=5)
    case = Case(name="impossible", web={}, load=config, findings=lambda _: never)
    monkeypatch.setattr(load_selftest, "CASES", (case,))
    assert main(["load", "selftest"]) == 5
    out, _ = capsys.readouterr()
    assert re.search(r"BAD +never +500 ms +\(1e\+03 ms to 2e\+03 ms\)", out)
    assert out.endswith("THE GENERATOR CANNOT BE BELIEVED HERE\n")
