"""Rounds: whoever hands them out, and whatever dies, each URL has one record."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from math import inf
from pathlib import Path
from typing import Any, NoReturn

import pytest

from crawler.engine import rounds
from crawler.engine.lease import Lease, attempts, taken_up, wait_out
from crawler.engine.partition_plan import Manifest
from crawler.engine.plugins import Plugins
from crawler.engine.round_attempt import WISH, RoundCall, RoundEnd, attempted
from crawler.engine.round_files import MANIFEST
from crawler.engine.round_handle import RoundHandle
from crawler.engine.round_news import live_offer
from crawler.engine.round_output import gathered_part
from crawler.engine.round_state import (
    NEWS,
    RUN,
    Chunk,
    RoundManifest,
    RoundWork,
    RunPlan,
    encoded,
    last_manifest,
    news_at,
    round_folder,
    stored_at,
)
from crawler.engine.rounds import RoundsCrawl
from crawler.engine.rounds_run import check_rounds, partitions_wanted, rounds_of
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.outcome import Fetched
from crawler.model.request import Request
from crawler.model.url import Url
from crawler.store.journal.handover import read_offer
from crawler.store.rendering import targets_of
from crawler.store.round_place import SharedFolder
from crawler.store.run_folder import ROUNDS, RunFolder
from tests.engine.partition_web import HOSTS, PAGES, ManyHosts, page
from tests.engine.test_partitions import FOLLOWING, OPTIONS, listed, planned
from tests.engine.test_partitions import records as records_of
from tests.engine.test_partitions import rounds as called_in_rounds
from tests.patience import PATIENCE

pytestmark = pytest.mark.slow


class CountingHosts(ManyHosts):
    """A web that counts the requests for pages; any thread may ask."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def fetch(self, request: Request) -> Fetched:
        with self._lock:
            self.asked[request.url.href] += 1
        return super().fetch(request)


class Threads:
    """Workers that are threads of this process; `dying` calls end without a manifest."""

    sharing = 1

    def __init__(self, slots: int = 2) -> None:
        self.slots = slots
        self._pool = ThreadPoolExecutor(slots)
        self.calls: list[RoundCall] = []

    def executor(self) -> Executor:
        return self._pool

    def close(self) -> None:
        self._pool.shutdown(wait=True)


def lost(why: str) -> NoReturn:
    """End an attempt that has lost its lease."""
    raise SystemExit(why)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> CountingHosts:
    """The web that rounds in this process crawl."""
    found = CountingHosts()

    def crawled(call: RoundCall) -> RoundEnd:
        manifest = attempted(call, plugins=Plugins(fetcher=found), lose=lost)
        return RoundEnd(manifest=manifest)

    monkeypatch.setattr(rounds, "crawl_round", crawled)
    return found


def driver(folder: Path, lines: Sequence[str], workers: Any = None, **options: Any) -> RoundsCrawl:
    """Return the rounds of a crawl of these lines, in four partitions."""
    plan = planned(folder, lines, 4, **options)
    config = CommandConfig(**OPTIONS, lease=PATIENCE, **options)
    parts = tuple(each.part for each in targets_of([f"{folder}/out/"], config))
    plan = replace(plan, state=str(folder / "state"), parts=parts, running=2)
    return rounds_of(plan, config, workers or Threads(), print)


def shared(folder: Path) -> SharedFolder:
    """Return the place of the rounds."""
    return SharedFolder(str(folder / "state" / ROUNDS))


def records(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return what the parts say of each URL, once put together; each has one record."""
    found: dict[str, tuple[Any, ...]] = {}
    for part in (folder / "state").glob("p[0-9]*/part.jsonl"):
        for record in map(json.loads, part.read_bytes().splitlines()):
            assert record["url"] not in found
            names = ("outcome", "kind", "status", "final_url")
            found[record["url"]] = tuple(record[name] for name in names)
    return found


@pytest.mark.parametrize("options", [{}, FOLLOWING], ids=["list", "follow"])
def test_rounds_give_the_records_of_one_crawl(
    tmp_path: Path, web: CountingHosts, options: dict[str, Any]
) -> None:
    """Hand-overs through files that manifests name lead to the same records, and none twice."""
    lines = [page(n) for n in range(HOSTS)] if options else listed()
    crawl = driver(tmp_path, lines, **options)
    taken = crawl.run()
    one = records_of(called_in_rounds(planned(tmp_path / "one", lines, 1, **options)))
    assert crawl.done and records(tmp_path) == one
    assert taken.records == crawl.written == len(one)
    assert all(number <= 2 for number in web.asked.values())  # a failure, and its retry


def test_partitions_that_run_take_what_others_find_without_another_round(
    tmp_path: Path, web: CountingHosts
) -> None:
    """With a worker for each, a whole site takes one round, as its partitions wait for more."""
    crawl = driver(tmp_path, [page(0)], Threads(4), round=9.0 * PATIENCE, **FOLLOWING)
    crawl.run()
    one = records_of(called_in_rounds(planned(tmp_path / "one", [page(0)], 1, **FOLLOWING)))
    assert crawl.done and records(tmp_path) == one
    assert [handle.round for handle in crawl._handles] == [2] * 4


def test_the_offer_of_an_attempt_that_has_a_successor_is_not_read(tmp_path: Path) -> None:
    """What it may have committed after that, the successor does not know of."""
    place, handle = SharedFolder(str(tmp_path)), RoundHandle(3, None)
    work = tmp_path / handle.folder / "a1" / "p3"
    work.mkdir(parents=True)
    (work / "offer").write_bytes(b'{"handed":70,"received":{}}')
    for start in (0, 50, 70):
        (work / f"handed.{start}").touch()
    found = live_offer(place, handle, 1)
    assert found is not None and found[0] == 70
    assert [(each.start, each.size) for each in found[1]] == [(0, 50), (50, 20)]
    assert taken_up(place, handle.folder, b"") == taken_up(place, handle.folder, b"") - 1
    assert live_offer(place, handle, 1) is None


def test_a_round_takes_news_while_it_runs(tmp_path: Path) -> None:
    """News that is older than what it has, or is half written, changes nothing."""
    place = SharedFolder(str(tmp_path))
    run = RunPlan(version="", options={}, seeds=(), inputs=(), output="", parts=(), partitions=2)
    work = RoundWork(place, run, partition=0, number=1, attempt=1)
    (tmp_path / "handed.0").write_bytes(b"lines")
    work.path.mkdir(parents=True)
    chunk = Chunk(name="handed.0", start=0, size=5)
    for news in (b'{"1":[5,[', encoded({1: (5, (chunk,)), 0: (9, ())}), encoded({1: (3, ())})):
        place.write(NEWS, news)
        work.take(news_at(place))
    assert read_offer(work.path / "p1")[0] == 5
    assert (work.path / "p1" / "handed.0").read_bytes() == b"lines"
    assert not (work.path / "p0").exists()


def test_a_manifest_names_only_what_its_own_round_has_written(
    tmp_path: Path, web: CountingHosts
) -> None:
    """So manifests stay small over many rounds; one that names all that was before it is read."""
    crawl = driver(tmp_path, [page(n) for n in range(HOSTS)], **FOLLOWING)
    crawl.run()
    place = shared(tmp_path)
    for handle in crawl._handles:
        kept = _manifests(place, handle.number)
        chunks = [chunk for each in kept for chunk in each.records]
        part = tmp_path / f"state/p{handle.number}/part.jsonl"
        assert sum(chunk.size for chunk in chunks) == part.stat().st_size == kept[-1].length
        old = replace(kept[-1], written=0, records=tuple(chunks))
        gathered_part(SharedFolder(place.name), old, tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == part.read_bytes()
    assert any(len(_manifests(place, each.number)) > 1 for each in crawl._handles)


def _manifests(place: SharedFolder, partition: int) -> list[RoundManifest]:
    names = [f"p{partition:05d}/{name}/{MANIFEST}" for name in place.names(f"p{partition:05d}")]
    found = [stored_at(place, name, RoundManifest) for name in names]
    return [each for each in found if each is not None]


def test_a_driver_that_is_started_again_goes_on_by_the_manifests(
    tmp_path: Path, web: CountingHosts
) -> None:
    """Of what has a manifest nothing is asked again, and the rest is crawled."""
    lines = [page(n) for n in range(HOSTS)]
    first = driver(tmp_path, lines, **FOLLOWING)
    first._finish, kept = _stopping(first, first._finish)
    first.run()
    assert kept and not first.done
    before = web.asked.copy()
    second = driver(tmp_path, lines, **FOLLOWING)
    assert second.statistics().earlier == sum(each.progress.records for each in kept.values())
    second.run()
    assert second.done and len(records(tmp_path)) >= PAGES
    again = [url for url in before if web.asked[url] > before[url] and "robots" not in url]
    assert not [url for url in again if before[url] > 1]
    assert second.written == len(records(tmp_path)) - second.statistics().earlier


def _stopping(
    crawl: RoundsCrawl, finish: Callable[..., None]
) -> tuple[Callable[..., None], dict[int, RoundManifest]]:
    """Stop the driver as soon as a round has a manifest."""
    kept: dict[int, RoundManifest] = {}

    def finished(handle: Any, manifest: RoundManifest) -> None:
        kept[handle.number] = manifest
        finish(handle, manifest)
        crawl.stop()

    return finished, kept


def test_attempts_at_one_round_at_the_same_time_have_one_manifest(
    tmp_path: Path, web: CountingHosts
) -> None:
    """Whoever comes later waits for those before, and returns what they have done."""
    crawl = driver(tmp_path, listed())
    crawl._plan(crawl._handles[0])
    call = RoundCall(place=shared(tmp_path).name, partition=0, round=1, seconds=60, lease=PATIENCE)
    plugins = Plugins(fetcher=web)
    with ThreadPoolExecutor(1) as pool, delayed(web) as go_on:
        first = pool.submit(attempted, call, plugins=plugins, lose=lost)
        go_on()
        found = first.result()
    assert found is not None and found.attempt == 1 and found.progress.records
    asked = web.asked.copy()
    assert attempted(call, plugins=plugins, lose=lost) == found
    assert web.asked == asked


@contextmanager
def delayed(web: CountingHosts) -> Iterator[Callable[[], None]]:
    """Let the web answer only after the block has said so."""
    event, fetch = threading.Event(), web.fetch

    def fetched(request: Request) -> Fetched:
        assert event.wait(PATIENCE)
        return fetch(request)

    web.fetch = fetched  # type: ignore[method-assign]
    try:
        yield event.set
    finally:
        event.set()
        del web.fetch  # type: ignore[method-assign]


def test_the_next_attempt_goes_on_with_what_a_dead_one_has_committed(
    tmp_path: Path, web: CountingHosts
) -> None:
    """An attempt without a manifest costs no record, and nothing is fetched again."""
    crawl = driver(tmp_path, listed())
    crawl._plan(crawl._handles[0])
    call = RoundCall(place=shared(tmp_path).name, partition=0, round=1, seconds=60, lease=PATIENCE)
    first = attempted(call, plugins=Plugins(fetcher=web), lose=lost)
    shared(tmp_path).remove(f"{call.folder}/{MANIFEST}")  # as if it had died just before
    asked = web.asked.copy()
    second = attempted(call, plugins=Plugins(fetcher=web), lose=lost)
    assert first is not None and second is not None and second.attempt == 2
    assert second.progress == first.progress and web.asked == asked
    crawl = driver(tmp_path, listed())
    crawl.run()
    assert len(records(tmp_path)) == len(set(listed()))


def begun(folder: Path, lines: Sequence[str] | None = None) -> tuple[RoundsCrawl, RoundCall]:
    """Return a driver and its call for the first round of partition 0, which has a plan."""
    crawl = driver(folder, lines or listed())
    crawl._plan(crawl._handles[0])
    place = shared(folder).name
    return crawl, RoundCall(place=place, partition=0, round=1, seconds=60, lease=PATIENCE)


def test_a_holder_checks_its_lease_before_every_fetch(
    tmp_path: Path, web: CountingHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped for long asks no host that another one asks by then."""
    _, call = begun(tmp_path)
    checks, fetches, fetch = count(1), count(1), web.fetch
    checked, unchecked = [0], list[str]()

    def check(_lease: Lease) -> None:
        checked[0] = next(checks)

    def fetched(request: Request) -> Fetched:
        if checked[0] < next(fetches):
            unchecked.append(request.url.href)
        return fetch(request)

    monkeypatch.setattr(Lease, "check", check)
    monkeypatch.setattr(web, "fetch", fetched)
    found = attempted(call, plugins=Plugins(fetcher=web), lose=lost)
    assert found is not None and next(fetches) > 10
    assert not unchecked


def test_a_holder_that_has_lost_its_lease_makes_no_manifest(
    tmp_path: Path, web: CountingHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far it has come: its successor makes one of what it finds."""
    _, call = begun(tmp_path)
    manifest = RoundWork.manifest

    def late(work: RoundWork, *given: Any) -> RoundManifest:
        monkeypatch.setattr(Lease, "check", lambda _lease: lost("too late"))
        return manifest(work, *given)

    monkeypatch.setattr(RoundWork, "manifest", late)
    with pytest.raises(SystemExit, match="too late"):
        attempted(call, plugins=Plugins(fetcher=web), lose=lost)
    assert shared(tmp_path).read(f"{call.folder}/{MANIFEST}") is None


def test_whoever_makes_the_manifest_second_returns_the_first(
    tmp_path: Path, web: CountingHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a place where two attempts come to their end at once, one manifest counts for both."""
    _, call = begun(tmp_path)
    manifest = RoundWork.manifest

    def late(work: RoundWork, *given: Any) -> RoundManifest:
        found = manifest(work, *given)
        data = encoded(replace(found, attempt=7))
        assert shared(tmp_path).create(f"{call.folder}/{MANIFEST}", data)
        return found

    monkeypatch.setattr(RoundWork, "manifest", late)
    found = attempted(call, plugins=Plugins(fetcher=web), lose=lost)
    assert found is not None and found.attempt == 7


def test_who_waited_for_an_attempt_looks_whether_that_made_the_manifest(
    tmp_path: Path, web: CountingHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there is nothing to do, and nothing is begun."""
    _, call = begun(tmp_path)
    first = attempted(call, plugins=Plugins(fetcher=web), lose=lost)
    place, name = shared(tmp_path), f"{call.folder}/{MANIFEST}"
    made = place.read(name) or b""
    place.remove(name)
    waited = lambda *_given, **_named: place.create(name, made)  # noqa: E731
    monkeypatch.setattr("crawler.engine.round_attempt.wait_out", waited)
    assert attempted(call, plugins=Plugins(fetcher=web), lose=lost) == first is not None
    assert "a1" in place.names(call.folder) and "a2" not in place.names(call.folder)


def test_an_attempt_waits_for_those_of_its_round_and_of_the_one_before(
    tmp_path: Path, web: CountingHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has made its manifest may have requests in flight until it says that it is over."""
    crawl, call = begun(tmp_path)
    first = attempted(call, plugins=Plugins(fetcher=web), lose=lost)
    assert first is not None
    crawl._handles[0].ended(first)
    crawl._plan(crawl._handles[0])
    taken_up(shared(tmp_path), crawl._handles[0].folder, b"killed\n")
    waited: list[tuple[str, int]] = []

    def wait(_place: object, earlier: Iterable[tuple[str, int]], _seconds: float) -> None:
        waited.extend(earlier)

    monkeypatch.setattr("crawler.engine.round_attempt.wait_out", wait)
    attempted(replace(call, round=2), plugins=Plugins(fetcher=web), lose=lost)
    assert waited == [(round_folder(0, 2), 1), (round_folder(0, 1), 1)]
    assert shared(tmp_path).read(f"{call.folder}/over-1") is not None


def test_a_round_that_had_no_time_for_a_commit_is_followed_by_another(
    tmp_path: Path, web: CountingHosts
) -> None:
    """Its manifest names no state, and the next round begins with none."""
    crawl = driver(tmp_path, listed())
    crawl._plan(crawl._handles[0])
    call = RoundCall(
        place=shared(tmp_path).name, partition=0, round=1, seconds=-9.0, lease=PATIENCE
    )
    found = attempted(call, plugins=Plugins(fetcher=web), lose=lost)
    assert found is not None
    if not found.progress.records:  # a page may be quicker than the first look at the time
        for journal in tmp_path.glob("state/rounds/p00000/r*/a*/p0/journal"):
            journal.unlink()  # as if nothing had been read at all
    crawl = driver(tmp_path, listed())
    crawl.run()
    assert crawl.done and len(records(tmp_path)) == len(set(listed()))


def test_a_round_whose_attempts_fail_is_handed_out_again_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that always dies ends the crawl with one line, and its state goes on."""
    told: list[str] = []

    def dying(call: RoundCall) -> RoundEnd:
        raise EnvironmentFailure(f"{call}: its process was killed by SIGKILL")

    monkeypatch.setattr(rounds, "crawl_round", dying)
    crawl = driver(tmp_path, listed())
    crawl._announce = told.append
    with pytest.raises(EnvironmentFailure, match="killed by SIGKILL; the same command goes on"):
        crawl.run()
    assert any("is handed out again" in line for line in told)


def test_a_heartbeat_is_silent_from_its_last_change_on() -> None:
    """Each change counts anew; before the first beat it is that of the hand-out."""
    handle = RoundHandle(0, None)
    looks = [(b"", 1.0), (b"", 3.0), (b"1\n", 5.0), (b"1\n", 9.0), (b"2\n", 11.0)]
    assert [handle.silent_for(*look) for look in looks] == [0.0, 2.0, 0.0, 4.0, 0.0]


def test_the_largest_partition_is_first_and_then_whoever_had_the_fewest_turns() -> None:
    """What its list was seen to have counts before the first round, and what is left after it."""
    last = RoundManifest(
        version="", partition=0, round=1, attempt=1, work="", progress=Manifest(partition=0, left=9)
    )
    small, large, begun = RoundHandle(2, None, 5), RoundHandle(1, None, 7), RoundHandle(0, last, 99)
    assert sorted([small, large, begun], key=lambda each: each.turn) == [begun, large, small]
    begun.ended(last)
    assert sorted([small, large, begun], key=lambda each: each.turn) == [large, small, begun]


def test_a_round_that_hangs_is_handed_out_again(
    tmp_path: Path, web: CountingHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heartbeat that stands still costs a lease, and no URL."""

    def silent(_handle: RoundHandle, beat: bytes, _now: float) -> float:
        return inf if beat == HUNG else 0.0

    monkeypatch.setattr(RoundHandle, "silent_for", silent)
    crawl = driver(tmp_path, listed(), Hanging())
    crawl.run()
    assert crawl.done and len(records(tmp_path)) == len(set(listed()))


HUNG = b"0\n"
"""The heartbeat of an attempt that hangs."""


class Hanging(Threads):
    """Workers of which the first takes a round up, and is never heard of again."""

    def executor(self) -> Executor:
        for call in self.calls:  # whoever takes it over finds that it is over, and does not wait
            SharedFolder(call.place).create(f"{call.folder}/over-1", b"")
            return super().executor()
        return _Hung(self)


class _Hung(Executor):
    def __init__(self, workers: Hanging) -> None:
        self._workers = workers

    def submit(self, function: Any, /, *words: Any, **named: Any) -> Future[Any]:
        (call,) = words
        self._workers.calls.append(call)
        place = SharedFolder(call.place)
        number = taken_up(place, call.folder, b"hung\n")
        place.write(f"{call.folder}/beat-{number}", HUNG)
        return Future()


def test_a_worker_that_hangs_after_its_round_holds_up_only_itself(
    tmp_path: Path, web: CountingHosts
) -> None:
    """A manifest counts, whether or not the call that made it returns, and the rest is crawled."""
    crawl = driver(tmp_path, listed(), Stuck())
    crawl.run()
    assert crawl.done and len(records(tmp_path)) == len(set(listed()))


class Stuck(Threads):
    """Two workers, the first of which crawls a round, and does not say so until it is asked for."""

    def executor(self) -> Executor:
        return super().executor() if self.calls else _Stuck(self)


class _Stuck(Executor):
    def __init__(self, workers: Stuck) -> None:
        self._workers = workers

    def submit(self, function: Any, /, *words: Any, **named: Any) -> Future[Any]:
        self._workers.calls.extend(words)
        function(*words)
        return Future()


def test_a_worker_of_another_version_is_refused(tmp_path: Path, web: CountingHosts) -> None:
    """Driver and worker have the same version, or nothing is crawled."""
    driver(tmp_path, listed())
    call = RoundCall(place=shared(tmp_path).name, partition=0, round=1, seconds=1, lease=1)
    with pytest.raises(ConfigurationError, match=r"the driver is crawler 0\.0\.1, this worker"):
        attempted(replace(call, version="0.0.1"), lose=lost)


def test_a_worker_that_does_not_see_the_place_says_so(tmp_path: Path) -> None:
    """A directory that is not shared is one line, and not an empty crawl."""
    call = RoundCall(place=f"{tmp_path}/not", partition=0, round=1, seconds=1, lease=1)
    with pytest.raises(ConfigurationError, match=r"does not see .*/not; the directory"):
        attempted(call, lose=lost)


def test_nothing_begins_once_the_driver_wants_no_more(tmp_path: Path, web: CountingHosts) -> None:
    """An attempt that a worker begins late finds the wish to stop."""
    crawl = driver(tmp_path, listed())
    crawl._plan(crawl._handles[0])
    shared(tmp_path).write(WISH, b"stop")
    call = RoundCall(place=shared(tmp_path).name, partition=0, round=1, seconds=60, lease=PATIENCE)
    assert attempted(call, plugins=Plugins(fetcher=web), lose=lost) is None
    assert not web.asked and last_manifest(shared(tmp_path), 0) is None


class Clock:
    """Seconds that go by when they are waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


FOLDER = round_folder(3, 7)


def test_a_holder_ends_before_its_successor_begins(tmp_path: Path) -> None:
    """On its own clock a holder gives up earlier than who waits for it, whenever it beat last."""
    ours, place = Clock(), SharedFolder(str(tmp_path))
    taken_up(place, FOLDER, b"one\n")
    lease = Lease(place, FOLDER, 1, 10.0, lose=lost, clock=ours)
    lease._beat()
    ours.now = 7.9
    lease.check()
    theirs = Clock()
    wait_out(place, [(FOLDER, 1)], 10.0, clock=theirs, pause=theirs.pause)
    assert theirs.now >= 10.0
    ours.now = 8.1
    with pytest.raises(SystemExit, match="has lost its lease"):
        lease.check()


def test_a_holder_whose_round_was_given_to_another_ends_at_its_next_beat(tmp_path: Path) -> None:
    """The next attempt, once created, fences the one before it."""
    place = SharedFolder(str(tmp_path))
    taken_up(place, FOLDER, b"one\n")
    lease = Lease(place, FOLDER, 1, 10.0, lose=lost, clock=Clock())
    lease._beat()
    assert taken_up(place, FOLDER, b"two\n") == 2
    with pytest.raises(SystemExit, match="attempt 1 was given up"):
        lease._beat()


class Disturbed(SharedFolder):
    """A place where something happens before each beat is there."""

    def __init__(self, name: str, before_beat: Callable[[], object]) -> None:
        super().__init__(name)
        self._before_beat = before_beat

    def write(self, name: str, data: bytes) -> None:
        self._before_beat()
        super().write(name, data)


def test_a_lease_counts_from_before_its_beat_was_written(tmp_path: Path) -> None:
    """However long that took, as a successor may have seen the beat before this one last."""
    clock = Clock()
    place = Disturbed(str(tmp_path), lambda: clock.pause(7.0))
    lease = Lease(place, FOLDER, taken_up(place, FOLDER, b"one\n"), 10.0, lose=lost, clock=clock)
    lease._beat()
    assert clock.now == 7.0
    lease.check()
    clock.pause(1.1)
    with pytest.raises(SystemExit, match="has lost its lease"):
        lease.check()


def test_a_successor_that_comes_while_a_holder_beats_is_seen(tmp_path: Path) -> None:
    """It may wait for that very beat, or not have seen it: the holder looks after the beat."""
    place = Disturbed(str(tmp_path), lambda: taken_up(place, FOLDER, b"two\n"))
    lease = Lease(place, FOLDER, taken_up(place, FOLDER, b"one\n"), 10.0, lose=lost, clock=Clock())
    with pytest.raises(SystemExit, match="attempt 1 was given up"):
        lease._beat()


def test_a_holder_that_cannot_beat_ends_without_a_fetch(tmp_path: Path) -> None:
    """Its place cannot be reached: the lease runs out, whatever it is doing."""
    ended, beats = threading.Event(), count(1)

    def fail() -> None:
        if next(beats) > 1:
            raise OSError("the place is away")

    def lose(_why: str) -> Any:
        ended.set()
        lease._over.set()  # the thread ends, and not the process

    place = Disturbed(str(tmp_path), fail)
    number = taken_up(place, FOLDER, b"one\n")
    lease = Lease(place, FOLDER, number, 0.1, lose=lose)
    lease.begin()
    assert ended.wait(PATIENCE)


def test_who_takes_over_waits_for_each_beat_and_not_for_what_is_over(tmp_path: Path) -> None:
    """A heartbeat that goes on prolongs the wait; an attempt that has ended does not."""
    place, clock = SharedFolder(str(tmp_path)), Clock()
    beats = iter(range(5))

    def pause(seconds: float) -> None:
        clock.pause(seconds)
        if (beat := next(beats, None)) is not None:
            place.write(f"{FOLDER}/beat-1", b"%d\n" % beat)

    taken_up(place, FOLDER, b"one\n")
    wait_out(place, [(FOLDER, 1)], 10.0, clock=clock, pause=pause)
    assert clock.now >= 10.0 + 5 * 10.0 / 20
    place.create(f"{FOLDER}/over-1", b"")
    clock.now = 0.0
    wait_out(place, [(FOLDER, 1)], 10.0, clock=clock, pause=pause)
    assert clock.now == 0.0


def test_of_many_that_take_a_round_up_each_has_its_own_number(tmp_path: Path) -> None:
    """Attempts are created once, by link(2), whoever comes at the same time."""
    place = SharedFolder(str(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: taken_up(place, FOLDER, b"%d\n" % n), range(40)))
    assert sorted(found) == list(range(1, 41)) == attempts(place, FOLDER)


@pytest.mark.parametrize(
    ("outputs", "options", "words"),
    [
        (["out.jsonl"], {}, "has to be one directory that all machines share"),
        (["-"], {}, "has to be one directory"),
        (["a/", "b/"], {}, "has to be one directory"),
        (["out/"], {"accept_change": True}, "--overwrite starts over"),
        (["out/"], {"audit": "a.jsonl"}, "audit: cannot be used with --cluster; crawl on one"),
        (["out/"], {"cdxj": True}, "cdxj: cannot be used.*crawl on one"),
        (["out/"], {"repeats": "r.jsonl"}, "repeats: cannot be used.*crawl on one"),
        (["out/"], {"save": "bodies"}, "save: cannot be used.*crawl on one"),
        (["out/"], {"since": "old.jsonl"}, "since: cannot be used.*crawl on one"),
        (["out/"], {"login": "a.toml"}, "login: cannot be used.*give --cookies"),
        (["out/"], {"otlp": "http://a.test"}, "otlp: cannot be used.*use --metrics or --log"),
        (["out/"], {"workers": "2"}, "leave --workers out"),
        (["out/"], {"header": ("Authorization: x",)}, "header: may hold secrets.*CRAWLER_HEADER"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused_in_one_line(
    outputs: list[str], options: dict[str, Any], words: str
) -> None:
    """Better than a worker that fails in an hour."""
    config = CommandConfig(**options)
    with pytest.raises(ConfigurationError, match=words):
        check_rounds(config, targets_of(outputs, config), lasting=True)


def test_a_crawl_that_cannot_go_on_is_refused() -> None:
    """Without a state, as for --mock or --state none, there is nothing for rounds to go on with."""
    config = CommandConfig()
    with pytest.raises(ConfigurationError, match="and its state is kept"):
        check_rounds(config, targets_of(["out/"], config), lasting=False)


def test_files_are_meant_as_the_command_sees_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker has another working directory: names travel as whole paths."""
    monkeypatch.chdir(tmp_path)
    names = {"cookies": "jar.txt", "credentials": "c.toml", "cache": "kept"}
    driver(tmp_path, listed(), **names)
    run = stored_at(shared(tmp_path), RUN, RunPlan)
    assert run is not None
    assert {name: run.options[name] for name in names} == {
        name: f"{tmp_path}/{value}" for name, value in names.items()
    }


def test_max_pages_holds_for_the_whole_run(tmp_path: Path, web: CountingHosts) -> None:
    """Over all rounds and partitions; at most a twentieth, or a page a partition, is missing."""
    lines, most = [page(n) for n in range(HOSTS)], 40
    crawl = driver(tmp_path, lines, max_pages=most, **FOLLOWING)
    taken = crawl.run()
    assert crawl.done and most - max(most // 20, 4) <= taken.found <= most


def test_max_per_host_holds_for_the_whole_run(tmp_path: Path, web: CountingHosts) -> None:
    """A host has one partition, which knows what earlier rounds took up."""
    lines = [page(n) for n in range(HOSTS)]
    crawl = driver(tmp_path, lines, max_per_host=3, **FOLLOWING)
    crawl.run()
    found = Counter(Url(url).host_key for url in records(tmp_path) if url not in lines)
    assert crawl.done and max(found.values()) == 3


def test_secrets_come_from_the_environment_of_each_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the variable set here, too, a secret option is accepted, and is not in the plan."""
    monkeypatch.setenv("CRAWLER_HEADER", "Authorization: x")
    config = CommandConfig(header=("Authorization: x",))
    check_rounds(config, targets_of(["out/"], config), lasting=True)
    assert "header" not in config.given()
    worker = CommandConfig()
    assert worker.updated(worker.secrets_of({"CRAWLER_HEADER": "A: b"})).network.header == ("A: b",)


def test_the_number_of_partitions_stays_as_it_was(tmp_path: Path) -> None:
    """Another number is refused; without one the run goes on with its own."""
    folder = RunFolder(f"{tmp_path}/out/")
    (tmp_path / "out.state").mkdir()
    (tmp_path / "out.state" / "run.json").write_text('{"partitions": 8}')
    assert partitions_wanted(folder, CommandConfig(), Threads()) == 8
    with pytest.raises(ConfigurationError, match="was begun with 8, which stay as many"):
        partitions_wanted(folder, CommandConfig(partitions=4), Threads())
