"""Rounds that meet in an object store: whatever dies, each URL has one record in one part."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.crawl_run import Order, run
from crawler.engine import cluster, rounds
from crawler.engine.plugins import Plugins
from crawler.engine.round_attempt import RoundCall, RoundEnd, attempted
from crawler.engine.round_state import RoundWork
from crawler.mock import MockWeb, running
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store import object_store
from crawler.store.object_place import ObjectPlace
from crawler.store.object_store import ObjectFolder
from tests.crash.processes import below
from tests.engine.partition_web import HOSTS, ManyHosts, page
from tests.engine.test_partitions import FOLLOWING, OPTIONS, listed, planned
from tests.engine.test_partitions import records as records_of
from tests.engine.test_partitions import rounds as called_in_rounds
from tests.engine.test_rounds import lost
from tests.patience import PATIENCE, until
from tests.unmannered import WORDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Threads:
    """Workers that are threads of this process, in place of a cluster's."""

    sharing, slots = 1, 2

    def __init__(self, *_: object) -> None:
        self._pool = ThreadPoolExecutor(self.slots)

    def executor(self) -> Executor:
        return self._pool

    def close(self) -> None:
        self._pool.shutdown(wait=True)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Have clusters be threads, which crawl a web in memory; the requests for each URL."""
    sent: Counter[str] = Counter()
    web = ManyHosts(lambda request: sent.update([request.url.href]))

    def crawled(call: RoundCall) -> RoundEnd:
        try:
            plugins = Plugins(fetcher=web)
            return RoundEnd(manifest=attempted(call, plugins=plugins, lose=lost))
        except EnvironmentFailure as error:
            return RoundEnd(error=str(error), exit_code=error.exit_code)

    monkeypatch.setattr(rounds, "crawl_round", crawled)
    monkeypatch.setattr(cluster, "DaskWorkers", Threads)
    return sent


def crawl(bucket: str, state: Path, lines: list[str], **options: Any) -> int:
    """Crawl a list in the bucket into its directory `out/`; return the exit code."""
    ObjectFolder(f"s3://{bucket}/").create(
        "list.txt", "".join(f"{line}\n" for line in lines).encode()
    )
    values = OPTIONS | {"quiet": True, "lease": PATIENCE, "partitions": 2} | options
    config = CommandConfig(**values, cluster="local:2", state=str(state))
    return run(ordered(config, f"s3://{bucket}/out/", inputs=[f"s3://{bucket}/list.txt"]))


def ordered(config: CommandConfig, output: str, inputs: list[str]) -> Order:
    """Return the order for a crawl of lists into an output."""
    return Order(config=config, seeds=[], inputs=inputs, output=output)


def named(bucket: str) -> list[str]:
    """Return the names of the objects below `out/`."""
    import s3fs

    return list(s3fs.S3FileSystem(use_listings_cache=False).find(f"{bucket}/out"))


def written(bucket: str) -> dict[str, bytes]:
    """Return the objects below `out/`, by their names."""
    import s3fs

    store = s3fs.S3FileSystem(use_listings_cache=False)
    found = store.find(f"{bucket}/out")
    return {path.partition("/out/")[2]: store.cat_file(path) for path in found}


def records(bucket: str) -> dict[str, tuple[Any, ...]]:
    """Return what the parts say of each URL, which has one record; a receipt is left."""
    found: dict[str, tuple[Any, ...]] = {}
    objects = written(bucket)
    assert all(name.startswith(("part-", "receipt-")) for name in objects)
    assert sum(name.startswith("receipt-") for name in objects) == 1
    for name, data in objects.items():
        for record in map(json.loads, data.splitlines() if name.startswith("part-") else ()):
            assert record["url"] not in found
            found[record["url"]] = tuple(
                record[each] for each in ("outcome", "kind", "status", "final_url")
            )
    return found


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("options", [{}, FOLLOWING], ids=["list", "follow"])
def test_rounds_in_a_store_give_the_records_of_one_crawl(
    tmp_path: Path, bucket: str, options: dict[str, Any]
) -> None:
    """What is handed over in objects leads to the same records, none twice, and nothing stays."""
    lines = [page(n) for n in range(HOSTS)] if options else listed()
    assert crawl(bucket, tmp_path / "state", lines, **options) == 0
    one = records_of(called_in_rounds(planned(tmp_path / "one", lines, 1, **options)))
    assert records(bucket) == one
    assert not (tmp_path / "state").exists() and (tmp_path / "state.receipt.json").exists()


@pytest.mark.usefixtures("workers")
def test_attempts_that_die_before_their_manifest_are_fetched_again_by_any_machine(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records exist when a manifest names them; a driver with an empty directory goes on."""
    kept: list[int] = []
    manifest = RoundWork.manifest

    def dying(work: RoundWork, *given: Any) -> Any:
        kept.append(1)
        if len(kept) == 1:
            raise EnvironmentFailure("it was killed")
        if len(kept) > 2:
            raise ConfigurationError("nobody is left")
        return manifest(work, *given)

    with monkeypatch.context() as patched:
        patched.setattr(RoundWork, "manifest", dying)
        lines = listed()
        with suppress(ConfigurationError):
            crawl(bucket, tmp_path / "one", lines)
    assert any("MANIFEST" in name for name in written(bucket))
    assert not any(name.startswith(("part-", "receipt-")) for name in written(bucket))
    assert crawl(bucket, tmp_path / "two", lines) == 0
    one = records_of(called_in_rounds(planned(tmp_path / "own", lines, 1)))
    assert records(bucket) == one


def test_a_request_that_must_not_be_repeated_is_sent_once(
    tmp_path: Path, bucket: str, workers: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an attempt that died may have sent, of which nothing is known, is not sent again."""
    deaths = iter([True])
    manifest = RoundWork.manifest

    def dying(work: RoundWork, *given: Any) -> Any:
        if next(deaths, False):
            raise EnvironmentFailure("it was killed")
        return manifest(work, *given)

    monkeypatch.setattr(RoundWork, "manifest", dying)
    lines = [json.dumps({"url": page(n), "method": "POST"}) for n in range(6)]
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    values = OPTIONS | {"quiet": True, "lease": PATIENCE, "partitions": 2}
    config = CommandConfig(**values, cluster="local:2", state=str(tmp_path / "state"))
    run(ordered(config, f"s3://{bucket}/out/", [str(tmp_path / "list.jsonl")]))
    assert records(bucket).keys() == {page(n) for n in range(6)}
    assert {page(n): workers[page(n)] for n in range(6)} == {page(n): 1 for n in range(6)}


def test_a_store_that_replaces_objects_is_refused(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without If-None-Match two attempts could both believe to be the first; nothing stays."""
    name = f"s3://{bucket}/out/.state/run"
    ObjectPlace(name).probe()
    monkeypatch.setitem(object_store._CREATE, "s3", {})
    with pytest.raises(EnvironmentFailure, match="replaces an object that is to be created once"):
        ObjectPlace(name).probe()
    assert not written(bucket)


def test_who_creates_an_object_is_told_apart_by_what_it_holds(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that was lost is no second attempt, and a conflict is asked again."""
    place = ObjectPlace(f"s3://{bucket}/out/")
    assert place.create("p0/attempt-1", b"one\n") and place.create("p0/attempt-1", b"one\n")
    assert not place.create("p0/attempt-1", b"two\n")
    assert place.read("p0/attempt-1") == b"one\n" and place.names("p0") == ["attempt-1"]
    put, asked = place._objects._store.pipe_file, []

    def conflicting(*given: Any, **how: Any) -> Any:
        asked.append(given)
        if len(asked) < 3:
            error = OSError("conflict")
            error.__cause__ = _Answer({"Error": {"Code": "ConditionalRequestConflict"}})
            raise error
        return put(*given, **how)

    monkeypatch.setattr(place._objects._store, "pipe_file", conflicting)
    monkeypatch.setattr(object_store, "_PAUSE", 0.0)
    assert place.create("p0/attempt-2", b"one\n") and len(asked) == 3


class _Answer(Exception):
    def __init__(self, response: dict[str, Any]) -> None:
        self.response = response


@pytest.mark.usefixtures("workers")
def test_what_needs_a_shared_directory_is_refused(tmp_path: Path, bucket: str) -> None:
    """One line each, before anything is written."""
    config = CommandConfig(**OPTIONS, cluster="local:2", state=str(tmp_path / "state"))
    out = f"s3://{bucket}/out/"
    ObjectFolder(f"s3://{bucket}/").create("list.txt", b"http://h0.test/\n")
    with pytest.raises(ConfigurationError, match="cannot come from standard input"):
        run(ordered(config, out, ["-"]))
    config = config.updated({"follow": True, "max_pages": 9})
    with pytest.raises(ConfigurationError, match="max_pages: cannot be used"):
        run(ordered(config, out, [f"s3://{bucket}/list.txt"]))
    assert not written(bucket)


@pytest.mark.skipif("STORE_KILLS" not in os.environ, reason="half a minute: STORE_KILLS=1 runs it")
def test_workers_and_drivers_that_are_killed_cost_no_record(tmp_path: Path, bucket: str) -> None:
    """A round's process and then the driver die; the command goes on with another directory."""
    hosts, pages = 4, 60
    with running(MockWeb(port=0, hosts=hosts, pages=pages, latency="0.1")) as web:
        urls = [f"http://127.0.0.{n % hosts + 1}:{web.port}/page/{n}" for n in range(pages)]
        ObjectFolder(f"s3://{bucket}/").create("list.txt", "\n".join(urls).encode())
        command = [sys.executable, "-m", "crawler", "crawl", "-i", f"s3://{bucket}/list.txt"]
        command += ["-o", f"s3://{bucket}/out/", "--cluster", "local:2", "--partitions", "2"]
        command += ["--round", "5s", "--lease", "15s", "--quiet", *WORDS, "--per-host", "1"]
        with subprocess.Popen([*command, "--state", str(tmp_path / "one")]) as driver:
            try:
                assert until(lambda: _beating(bucket))
                rounds_of_one = [pid for pid in below(driver.pid) if _is_round(pid)]
                os.kill(rounds_of_one[0], signal.SIGKILL)
                assert until(lambda: any("MANIFEST" in name for name in named(bucket)))
            finally:
                driver.kill()
        assert not any("/part-" in name for name in named(bucket))
        command += ["--state", str(tmp_path / "two")]
        assert subprocess.run(command, check=False, timeout=PATIENCE).returncode == 0
    assert records(bucket).keys() == set(urls)


def _beating(bucket: str) -> bool:
    return any("/beat-" in name for name in named(bucket))


def _is_round(pid: int) -> bool:
    with suppress(OSError):
        return b"round_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
