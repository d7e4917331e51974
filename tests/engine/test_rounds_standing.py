"""The standing of a crawl on a cluster: what any machine that sees its place tells of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.cli.app import run as run_command
from crawler.cli.crawl_run import Order, run
from crawler.core.collector import Snapshot
from crawler.engine import rounds_standing
from crawler.engine.partition_plan import Manifest
from crawler.engine.round_attempt import LiveProgress
from crawler.engine.round_state import RoundWork
from crawler.engine.rounds_standing import RoundsLook, rounds_below, rounds_in
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.store.round_place import RoundPlace
from tests.engine.test_partitions import OPTIONS, listed
from tests.engine.test_rounds_in_store import workers  # noqa: F401  a fixture
from tests.patience import PATIENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("workers"),
]

STATE = "out.state"
Status = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(params=["a directory", "a store"])
def output(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The output of a crawl on a cluster."""
    monkeypatch.chdir(tmp_path)
    if request.param == "a directory":
        return "out/"
    return f"s3://{request.getfixturevalue('bucket')}/out/"


@pytest.fixture
def status(capsys: pytest.CaptureFixture[str]) -> Status:
    """The command, as JSON, with its exit code."""

    def told(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = run_command(["status", "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    return told


def crawl(output: str, **options: Any) -> int:
    """Crawl a list in the directory, in two partitions."""
    Path("list.txt").write_text("\n".join(listed()))
    values = OPTIONS | {"quiet": True, "lease": PATIENCE, "partitions": 2, "state": STATE}
    config = CommandConfig(**values | options, cluster="local:2")
    return run(Order(config=config, seeds=[], inputs=["list.txt"], output=output))


def crawl_half(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crawl until one of the two partitions has a manifest."""
    kept: list[int] = []
    manifest = RoundWork.manifest

    def once(work: RoundWork, *given: Any) -> Any:
        kept.append(1)
        if len(kept) > 1:
            raise ConfigurationError("nobody is left")
        return manifest(work, *given)

    with monkeypatch.context() as patched, suppress(ConfigurationError):
        patched.setattr(RoundWork, "manifest", once)
        crawl(output)


def place_of(output: str) -> RoundPlace:
    """Return where the rounds of the crawl meet."""
    found = rounds_in(Path(STATE)) if output == "out/" else rounds_below(output)
    assert found is not None
    return found


def test_a_crawl_that_was_stopped_and_then_ended(
    output: str,
    status: Status,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its manifests are counted, with the exit codes of one machine; then its receipt is.

    Its records are summed up, wherever they lie; a retry goes on from files, or says so.
    """
    crawl_half(output, monkeypatch)
    code, found = status(output)
    assert (code, found["stage"], found["rounds"]) == (1, "stopped", 1)
    assert found["partitions"] == {"running": 0, "waiting": 1, "done": 1}
    assert 0 < found["records"] == sum(found["outcomes"].values())
    assert crawl(output) == 0
    code, found = status(output)
    assert (code, found["stage"], found["records"]) == (0, "complete", len(set(listed())))
    capsys.readouterr()
    assert run_command(["summary", "--json", output]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == len(set(listed()))
    code = run_command(["retry", output])
    said = capsys.readouterr().err
    assert (code, "nothing to retry" in said) == (0, True) if output == "out/" else code == 2
    assert "copy the parts here" in said or output == "out/"


def test_a_round_that_runs_is_told_by_its_heartbeat(
    output: str, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has committed is counted, and its rates; until its beat is older than its lease."""
    crawl_half(output, monkeypatch)
    place = place_of(output)
    before = RoundsLook(place).standing(output, None)
    (waiting,) = (each.handle for each in RoundsLook(place).partitions if not each.handle.last)
    progress = Manifest(
        partition=waiting.number, read=9, records=4, left=5, unread=10, outcomes={"page": 4}
    )
    taken = Snapshot(elapsed=2.0, records=4, outcomes={"page": 4}, in_flight=3, wire_bytes=10)
    live = LiveProgress(progress=progress, taken=taken, lease=PATIENCE)
    place.create(f"{waiting.folder}/attempt-9", b"")
    place.write(f"{waiting.folder}/beat-9", b"7\n" + msgspec.json.encode(live))
    code, found = status(output)
    assert (code, found["stage"]) == (0, "running")
    assert found["partitions"] == {"running": 1, "waiting": 0, "done": 1}
    assert found["in_flight"] == 3 and found["records_per_second"] == 2.0
    assert found["waiting"] == 5 and found["unread"] == 10 and found["seconds_left"] == 7.5
    later = RoundsLook(place, time.time() + 2 * PATIENCE).standing(output, None)
    assert later.stage == "stopped" and later.rounds == before.rounds == 1


def test_people_are_told_of_partitions_and_rounds(
    output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One more row than for a crawl on one machine."""
    crawl_half(output, monkeypatch)
    capsys.readouterr()
    assert run_command(["status", output]) == 1
    text = capsys.readouterr().out
    assert "  parts   0 running, 1 waiting, 1 done; 1 round ended\n" in text
    assert text.endswith("the same command continues it\n")


def test_an_unbegun_partition_counts_as_the_mean_of_the_others() -> None:
    """An estimate as for a list on one machine; unknown as long as nobody has begun."""
    unread = rounds_standing._unread
    assert unread([_Look(), _Look()]) is None  # type: ignore[list-item]
    looks = [_Look(read=6, unread=4), _Look(read=2, unread=0), _Look()]
    assert unread(looks) == 4 + 6  # type: ignore[arg-type]


class _Look:
    def __init__(self, **counts: int) -> None:
        self.begun = bool(counts)
        self.progress = Manifest(partition=0, **counts)
