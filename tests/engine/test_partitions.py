"""Partitions: calls by any executor, in any number, give what one crawl gives."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crawler.core.audit import Totals
from crawler.core.by_hand import CrawlControl
from crawler.core.collector import Snapshot
from crawler.core.ownership import Ownership
from crawler.engine.parallel_output import Forwarded
from crawler.engine.partition import crawl_partition, partition_folder
from crawler.engine.partition_plan import CrawlPlan, Manifest, Wish, all_done
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.event import Event
from crawler.model.outcome import Exchange, Fetched, Redirect
from crawler.model.request import Request
from crawler.model.url import Url
from crawler.runtime.suffixes import PublicSuffixes
from crawler.store.journal.handover import Inbox
from tests.engine.partition_web import HOSTS, PAGES, ManyHosts, answered, page, place
from tests.patience import PATIENCE
from tests.unmannered import MANNERS_OFF

pytestmark = pytest.mark.slow

OPTIONS: dict[str, Any] = dict(MANNERS_OFF, loop="asyncio", parse="inline", retries=1, backoff=0)
FOLLOWING: dict[str, Any] = {"follow": True, "depth": 0}
LONG_AGO = 1.0
SUFFIXES = PublicSuffixes()


def planned(folder: Path, lines: Sequence[str], partitions: int = 3, **options: Any) -> CrawlPlan:
    """Return the plan of a crawl of these lines into a folder."""
    folder.mkdir(exist_ok=True)
    listed = folder / "list.txt"
    listed.write_text("".join(f"{line}\n" for line in lines))
    return CrawlPlan(
        options=CommandConfig(**OPTIONS | options).values(),
        inputs=(str(listed),),
        output=str(folder / "out.jsonl"),
        state=str(folder / "out.jsonl.state"),
        partitions=partitions,
    )


def called(
    plan: CrawlPlan, partition: int, deadline: float | None = None, web: Any = None
) -> Manifest:
    """Crawl a partition of a web in memory."""
    return crawl_partition(plan, partition, deadline, plugins=Plugins(fetcher=web or ManyHosts()))


def rounds(plan: CrawlPlan, web: Any = None) -> list[Manifest]:
    """Call all partitions again and again until all is done; return the last manifests."""
    before: list[Manifest] = []
    for _ in range(100):
        now = [called(plan, number, web=web) for number in range(plan.partitions)]
        if all_done(before, now):
            return now
        before = now
    raise AssertionError(f"never done: {before}")


def records(manifests: Sequence[Manifest]) -> dict[str, tuple[Any, ...]]:
    """Return what the parts say of each URL; each has one record."""
    found: dict[str, tuple[Any, ...]] = {}
    for each in manifests:
        for record in map(json.loads, committed(each).splitlines()):
            assert record["url"] not in found
            names = ("outcome", "kind", "status", "final_url")  # depth is that of the first finder
            found[record["url"]] = tuple(record[name] for name in names)
    return found


def committed(manifest: Manifest) -> bytes:
    """Return the valid part of the records of a partition."""
    [(path, length)] = manifest.parts
    return Path(path).read_bytes()[:length] if length else b""


def listed() -> list[str]:
    """Return a list with repeats and lines that are no URLs."""
    urls = [place(n) for n in range(PAGES)]
    return [*urls, *urls[::9], *(f"http://no url {n}/" for n in range(5)), "h9.test/page/1"]


def owner(url: str, partitions: int = 3) -> int:
    """Return the partition that a URL belongs to."""
    return Ownership(partitions, 0, SUFFIXES).of(Url(url))


def test_each_entry_of_a_list_is_read_by_one_partition(tmp_path: Path) -> None:
    """Over all partitions, the entries read are those of the list, each with its record."""
    lines = listed()
    found = rounds(planned(tmp_path, lines))
    assert sum(each.read for each in found) == len(lines)
    assert len(records(found)) == len(set(lines)) == sum(each.records for each in found)


@pytest.mark.parametrize("engine", ["async", "threaded"])
@pytest.mark.parametrize("options", [{}, FOLLOWING], ids=["list", "follow"])
def test_partitions_give_the_records_of_one_crawl(
    tmp_path: Path, options: dict[str, Any], engine: str
) -> None:
    """Links and redirects to other partitions' hosts lead to the records of one crawl."""
    lines = [page(n) for n in range(HOSTS)] if options else listed()
    one, three = (
        records(
            rounds(planned(tmp_path / str(partitions), lines, partitions, engine=engine, **options))
        )
        for partitions in (1, 3)
    )
    assert one == three


class MovedSite:
    """A site that has moved, and whose page links to another port there."""

    OLD, NEW, PORT = "http://old.test/", "http://new.test/", "http://new.test:8080/"

    def fetch(self, request: Request) -> Fetched:
        exchange = Exchange(status=200, body_bytes=4, wire_bytes=4, total=0.01)
        if request.url.href == self.OLD:
            return Redirect(request=request, exchange=exchange, location=self.NEW)
        return answered(request, exchange, f'<a href="{self.PORT}">port</a>', "text/html")


def test_a_site_that_has_moved_is_in_the_scope_of_all_partitions(tmp_path: Path) -> None:
    """The owner of the new host's port follows links to it, as one crawl does."""
    web = MovedSite()
    assert owner(web.OLD) == owner(web.NEW) != owner(web.PORT)
    one, three = (
        records(rounds(planned(tmp_path / str(n), [web.OLD], n, **FOLLOWING), web)) for n in (1, 3)
    )
    assert one == three and one.keys() == {web.OLD, web.PORT}


def test_a_call_after_its_deadline_starts_nothing_and_the_next_goes_on(tmp_path: Path) -> None:
    """What a deadline leaves is counted as left, and crawled by later calls, once."""
    plan = planned(tmp_path, listed())
    stopped = [called(plan, n, LONG_AGO) for n in range(3)]
    assert not any(each.ended for each in stopped)
    assert not any(each.records > len("no url") for each in stopped)
    assert len(records(rounds(plan))) == len(set(listed()))


def test_a_call_after_the_end_changes_nothing(tmp_path: Path) -> None:
    """A partition that has ended returns the same manifest and the same part once more."""
    plan = planned(tmp_path, [page(n) for n in range(HOSTS)], **FOLLOWING)
    before = rounds(plan)
    parts = list(map(committed, before))
    assert [called(plan, n) for n in range(3)] == before
    assert list(map(committed, before)) == parts


def test_the_robots_of_a_host_that_redirects_to_another_partitions_host(tmp_path: Path) -> None:
    """The partition that asks follows the redirect of robots.txt itself, and obeys the rules."""
    assert owner("http://h0.test/") != owner("http://h1.test/")
    found = rounds(planned(tmp_path, [page(7), page(14)], robots="obey"))
    assert not any(each.sent for each in found)
    assert {url: said[:2] for url, said in records(found).items()} == {
        page(7): ("skipped", "robots"),
        page(14): ("page", None),
    }


def test_a_list_that_ends_while_a_late_hand_over_arrives(tmp_path: Path) -> None:
    """A partition without work waits for what others still send, until it is told to finish."""
    moved = [n for n in range(PAGES) if n % 5 == 3 and owner(place(n)) != owner(page(n))]
    source, target = place(moved[0]), page(moved[0])
    plan = planned(tmp_path, [source])
    waiting = LateCall(plan, owner(target))
    with waiting:
        waiting.idle.wait()  # its list has ended
        first = called(plan, owner(source))
        waiting.received.wait()
    assert (first.sent, first.left, first.records) == (1, 0, 0)
    assert waiting.manifest.consumed == waiting.manifest.records == 1
    assert records(rounds(plan)) == {source: ("page", None, 200, target)}


class LateCall:
    """A partition in a thread that finishes when it has received something and crawled it."""

    def __init__(self, plan: CrawlPlan, partition: int) -> None:
        self.idle, self.received = threading.Event(), threading.Event()
        self.manifest = Manifest(partition=partition)
        self._thread = threading.Thread(target=self._run, args=(plan, partition))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._thread.join()

    def _run(self, plan: CrawlPlan, partition: int) -> None:
        plugins = Plugins(fetcher=ManyHosts())
        try:
            self.manifest = crawl_partition(plan, partition, None, watch=self, plugins=plugins)
        finally:
            self.idle.set()
            self.received.set()

    def attend(self, call: Callable[[], None]) -> None:
        pass

    def look(self, manifest: Manifest, taken: Snapshot, since: float) -> Wish:
        if manifest.ended:
            self.idle.set()
        if manifest.ended and manifest.consumed:
            self.received.set()
            return Wish.FINISH
        return Wish.GO_ON

    def announce(self, line: str) -> None:
        pass

    def obey(self, act: Callable[[CrawlControl], None]) -> None:
        pass

    def tell(self, event: Event) -> None:
        pass

    def sum_up(self, totals: Totals, parsing: str, parser_seconds: float) -> None:
        pass


class Parent:
    """Partitions in threads, which are told of the end as `ParallelCrawl` tells processes of it."""

    def __init__(self, plan: CrawlPlan) -> None:
        self._changed = threading.Condition()
        self._members = [Member(self._changed) for _ in range(plan.partitions)]
        self._threads = [
            threading.Thread(target=member.run, args=(plan, number), daemon=True)
            for number, member in enumerate(self._members)
        ]

    def run(self) -> list[Manifest]:
        """Crawl to the end; fails if that is not known."""
        for thread in self._threads:
            thread.start()
        self._look_twice()
        for member in self._members:
            member.wish = Wish.FINISH
            member.call()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads)
        return [member.manifest for member in self._members]

    def _look_twice(self) -> None:
        with self._changed:
            assert self._changed.wait_for(self._done, PATIENCE)
            for member in self._members:
                member.looked = False
        for member in self._members:
            member.call()
        with self._changed:
            assert self._changed.wait_for(lambda: all(m.looked for m in self._members), PATIENCE)
            assert self._done()

    def _done(self) -> bool:
        now = [member.manifest for member in self._members]
        return all_done(now, now)


class Member:
    """The watch of one of them."""

    def __init__(self, changed: threading.Condition, fetcher: Any = None) -> None:
        self._changed = changed
        self._fetcher = fetcher or ManyHosts()
        self.manifest = Manifest(partition=0)
        self.looked, self.wish = False, Wish.GO_ON
        self.call: Callable[[], None] = lambda: None

    def run(self, plan: CrawlPlan, partition: int) -> None:
        plugins = Plugins(fetcher=self._fetcher)
        self.manifest = crawl_partition(plan, partition, None, watch=self, plugins=plugins)

    def attend(self, call: Callable[[], None]) -> None:
        self.call = call

    def look(self, manifest: Manifest, taken: Snapshot, since: float) -> Wish:
        with self._changed:
            self.manifest, self.looked = manifest, True
            self._changed.notify_all()
        return self.wish

    def announce(self, line: str) -> None:
        pass

    def obey(self, act: Callable[[CrawlControl], None]) -> None:
        pass

    def tell(self, event: Event) -> None:
        pass

    def sum_up(self, totals: Totals, parsing: str, parser_seconds: float) -> None:
        pass


class Held(ManyHosts):
    """Answers when it is let."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()

    def fetch(self, request: Request) -> Fetched:
        self.asked.set()
        assert self.go_on.wait(PATIENCE)
        return super().fetch(request)


@pytest.mark.parametrize("given", ["list", "another partition"])
@pytest.mark.parametrize("committed", [False, True])
def test_a_partition_has_not_ended_while_anything_is_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, committed: bool
) -> None:
    """Its list is read, and nothing of it is left by what is committed, as that is older."""
    moved = next(n for n in range(PAGES) if n % 5 == 3 and owner(place(n)) != owner(page(n)))
    plan = planned(tmp_path, [place(moved) if given != "list" else page(moved)])
    if given != "list":
        called(plan, owner(page(moved)))  # which commits that its list has ended
        called(plan, owner(place(moved)))
    if not committed:
        monkeypatch.setattr("crawler.store.sinks._COMMIT_PACE", 3_600.0)
    changed, web = threading.Condition(), Held()
    member = Member(changed, web)
    thread = threading.Thread(target=member.run, args=(plan, owner(page(moved))), daemon=True)
    thread.start()
    assert web.asked.wait(PATIENCE)
    with changed:
        assert changed.wait_for(lambda: member.manifest.exhausted, PATIENCE)
        assert changed.wait_for(lambda: not committed or member.manifest.left, PATIENCE)
        assert not member.manifest.ended
    web.go_on.set()
    with changed:
        assert changed.wait_for(lambda: member.manifest.ended, PATIENCE)
    member.wish = Wish.FINISH
    member.call()
    thread.join(PATIENCE)
    assert member.manifest.records == 1


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "follow"), [("async", True), ("threaded", False)])
def test_the_end_is_known_by_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, follow: bool
) -> None:
    """Neither the pace of commits nor that of looks is waited for: both are an hour here."""
    monkeypatch.setattr("crawler.engine.partition._LOOK", 3_600.0)
    monkeypatch.setattr("crawler.store.sinks._COMMIT_PACE", 3_600.0)
    options = FOLLOWING if follow else {}
    lines = [page(n) for n in range(HOSTS)] if follow else listed()
    plan = planned(tmp_path, lines, 2, engine=engine, **options)
    assert len(records(Parent(plan).run())) >= PAGES


class Pausing(ManyHosts):
    """Its first answer comes when the partition has been told to hold, and has."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.asked = 0
        self.on_first: Callable[[], None] = lambda: None

    def fetch(self, request: Request) -> Fetched:
        self.asked += 1
        if self.asked == 1:
            self.on_first()
            assert self.held.wait(PATIENCE)
        return super().fetch(request)


class Holding(Member):
    """A watch that holds its partition at the first request, and says when that is in effect."""

    def __init__(self, changed: threading.Condition, fetcher: Pausing) -> None:
        super().__init__(changed, fetcher)
        self._pausing = fetcher
        self._looks = 0  # with the wish
        self.in_flight = -1
        fetcher.on_first = self.hold

    def hold(self) -> None:
        self.wish = Wish.HOLD
        self.call()

    def look(self, manifest: Manifest, taken: Snapshot, since: float) -> Wish:
        if self.wish is Wish.HOLD:
            self._looks += 1
            self.call()
            if self._looks > 1:  # the first one's wish was carried out before
                self._pausing.held.set()
        self.in_flight = taken.in_flight
        return super().look(manifest, taken, since)


@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_a_partition_that_is_held_starts_nothing(tmp_path: Path, engine: str) -> None:
    """What is in flight ends, and nothing else begins until it may go on."""
    changed, fetcher = threading.Condition(), Pausing()
    held = Holding(changed, fetcher)
    plan = planned(tmp_path, listed(), 1, engine=engine, concurrency=1)
    thread = threading.Thread(target=held.run, args=(plan, 0), daemon=True)
    thread.start()
    with changed:
        assert changed.wait_for(lambda: fetcher.held.is_set() and not held.in_flight, PATIENCE)
    assert (fetcher.asked, thread.is_alive()) == (1, True)
    held.wish = Wish.GO_ON
    held.call()
    thread.join(PATIENCE)
    assert held.manifest.ended and len(records([held.manifest])) == len(set(listed()))


def test_commits_of_two_partitions_do_not_mix(tmp_path: Path) -> None:
    """A reader that is slower than both gets whole records, however much waits for it."""
    reader, writer = os.pipe()
    forwarded = Forwarded(f"/dev/fd/{writer}", ExitStack())
    lines = 9_001
    for number in range(2):
        (tmp_path / f"{number}").write_bytes((b"%d" % number * 1_500 + b"\n") * lines)
        parts = ((f"{tmp_path}/{number}", 1_501 * lines),)
        forwarded.take(Manifest(partition=number, parts=parts))
    assert forwarded.pass_on() > 0
    thread = threading.Thread(target=forwarded.close, daemon=True)
    thread.start()
    with open(reader, "rb") as file:
        found = Counter(file.readline() for _ in range(2 * lines))
    thread.join(PATIENCE)
    os.close(writer)
    assert found == {b"0" * 1_500 + b"\n": lines, b"1" * 1_500 + b"\n": lines}


def test_a_resume_with_another_number_of_workers(tmp_path: Path) -> None:
    """The partitions stay as many as they were; how many run at once may change."""
    plan = planned(tmp_path, listed())
    called(plan, 0)
    with pytest.raises(ConfigurationError, match="was begun with 3 partitions"):
        called(replace(plan, partitions=2), 0)
    assert len(records(rounds(replace(plan, running=2)))) == len(set(listed()))


def test_a_partition_hands_over_what_it_finds_once(tmp_path: Path) -> None:
    """However many of its pages link to a URL: the finder removes repeats."""
    plan = planned(tmp_path, [page(n) for n in range(HOSTS)], **FOLLOWING)
    found = rounds(plan)
    for sender in range(plan.partitions):
        handed: list[str] = []
        for receiver in {*range(plan.partitions)} - {sender}:
            inbox = Inbox(receiver, {sender: partition_folder(plan, sender)}, {})
            with closing(inbox):
                while (arrivals := inbox.take(100)) is not None:
                    handed += [each.url.href for each in arrivals if not each.hops]
        assert len(handed) == len(set(handed)) > 0
        assert len(handed) <= found[sender].sent


def test_what_a_partition_keeps_is_its_owners_alone(tmp_path: Path) -> None:
    """Bodies and headers may be secret: directories of a run are closed to everybody else."""
    old = os.umask(0)
    try:
        plan = planned(tmp_path, listed()[:2], 1)
        called(plan, 0)
    finally:
        os.umask(old)
    for folder in (Path(plan.state), partition_folder(plan, 0)):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_the_limit_of_pages_holds_for_all_partitions_together(tmp_path: Path) -> None:
    """Never more pages than --max-pages are taken up, and at most a twentieth less."""
    plan = planned(tmp_path, [page(n) for n in range(HOSTS)], max_pages=60, **FOLLOWING)
    found = rounds(plan)
    assert 60 - 3 <= sum(each.found for each in found) <= 60
    assert len(records(found)) == HOSTS + sum(each.found for each in found)


def test_the_limit_of_pages_of_a_host_holds_for_all_finders(tmp_path: Path) -> None:
    """A host's owner counts what all partitions find of it."""
    plan = planned(tmp_path, [page(n) for n in range(HOSTS)], max_per_host=3, **FOLLOWING)
    found = records(rounds(plan))
    hosts = [Url(url).host_key for url in found if url not in map(page, range(HOSTS))]
    assert max(map(hosts.count, hosts)) == 3


DONE = Manifest(partition=0, ended=True, exhausted=True, records=5)


@pytest.mark.parametrize(
    ("before", "now", "done"),
    [
        ([DONE], [DONE], True),
        ([], [], False),
        ([DONE], [replace(DONE, records=6)], False),
        ([replace(DONE, ended=False)] * 2, [replace(DONE, ended=False)] * 2, False),
        ([replace(DONE, exhausted=False)], [replace(DONE, exhausted=False)], False),
        ([replace(DONE, left=1)], [replace(DONE, left=1)], False),
        ([replace(DONE, sent=2), DONE], [replace(DONE, sent=2), DONE], False),
        *[([replace(DONE, sent=2), replace(DONE, consumed=2)],) * 2 + (True,)],
    ],
)
def test_all_is_done_when_nothing_is_left_or_on_its_way(
    before: list[Manifest], now: list[Manifest], done: bool
) -> None:
    """Lists ended, nothing left, sent equals received, and two looks are equal."""
    assert all_done(before, now) is done
