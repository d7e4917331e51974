"""URLs that wait outside of memory, with both engines: their records, signals and full disks."""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pytest

from crawler.core.backlog import PORTION
from crawler.core.crawl_core import CrawlCore
from crawler.core.step import BUSY, Wait, WriteRecord
from crawler.engine.feed import Feeder
from crawler.engine.spooler import Spooler
from crawler.engine.steps import MOST, next_step
from crawler.model.config import CrawlConfig
from crawler.model.errors import CrawlerError, EnvironmentFailure
from crawler.model.outcome import Final, Kind, Page, Skipped
from crawler.model.request import Listed, Request
from crawler.model.url import Seed
from crawler.store import spool
from crawler.store.spool import Segments, Spool
from tests.engine.harness import ENGINES, ListSink, ListSource, Run
from tests.patience import PATIENCE
from tests.top_level import TopLevelDomains


def waiting(hosts: int, urls: int) -> list[str]:
    """One host that holds its fetches, with many URLs, then others."""
    many = [f"http://slow.example/held{n}" for n in range(urls)]
    return many + [f"http://h{host}.example/{n}" for host in range(hosts) for n in range(20)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENGINES)
def test_a_slow_host_at_the_head_of_the_list_holds_nobody_up(kind: str) -> None:
    """Others of a list are crawled while its first host is silent (krawler#11, crawler4j#141)."""
    entries = waiting(4, 3_000)
    others = [entry for entry in entries if "slow" not in entry]
    run = Run(kind, ListSource(entries, portion=500), window=100, per_host=2)
    run.sink.wait_for(len(others))
    assert Counter(final.url for final in run.sink.finals) == Counter(others)
    run.web.release()
    finals = run.end()
    assert Counter(final.url for final in finals) == Counter(entries)
    assert all(isinstance(final, Page) for final in finals)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENGINES)
def test_a_stop_ends_what_is_spilled(kind: str) -> None:
    """After Ctrl-C each URL that was read has a record, those on disk as well."""
    entries = waiting(1, 3_000)
    run = Run(kind, ListSource(entries, portion=500), window=100, per_host=2)
    run.sink.wait_for(20)
    run.tell("stop")
    run.web.release()
    finals = run.end()
    snapshot = run.core.statistics(1.0)
    assert Counter(final.url for final in finals).most_common(1)[0][1] == 1
    assert (snapshot.pending, snapshot.spilled) == (0, 0)
    assert snapshot.read == len(finals)
    stopped = [final for final in finals if isinstance(final, Skipped)]
    assert stopped and all(final.kind is Kind.INTERRUPTED for final in stopped)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> CutSink:
    """Read back nothing that was spilled before the time of the drain is over."""
    sink, take, keep = CutSink(), Spool.take, Spool.keep
    counts: list[int] = []

    def kept(spool: Spool, parts: Sequence[tuple[str, Sequence[Request | Listed]]]) -> None:
        keep(spool, parts)
        counts.append(sum(len(requests) for _, requests in parts))
        if sum(counts) > 3 * PORTION:
            sink.spilled.set()

    def late(spool: Spool, parts: Iterable[tuple[str, int]]) -> list[Request]:
        assert sink.cut.wait(PATIENCE)
        return take(spool, parts)

    monkeypatch.setattr(Spool, "keep", kept)
    monkeypatch.setattr(Spool, "take", late)
    return sink


class CutSink(ListSink):
    """Tells that visits were cut off, as the time of the drain is over."""

    def __init__(self) -> None:
        super().__init__()
        self.spilled, self.cut = threading.Event(), threading.Event()
        self.on_cut: Callable[[], None] = lambda: None

    def put(self, final: Final) -> None:
        super().put(final)
        if getattr(final, "kind", None) is Kind.CANCELLED and not self.cut.is_set():
            self.on_cut()
            self.cut.set()


def stopped(kind: str, sink: CutSink) -> Run:
    """A crawl that is stopped without any time for the drain, most of it spilled."""
    held = [f"http://slow.example/held{n}" for n in range(3_000)]
    run = Run(
        kind, ListSource(held, portion=500), sink=sink, window=100, per_host=2, drain_timeout=0.0
    )
    for _ in range(2):
        assert run.web.held.acquire(timeout=PATIENCE)
    assert sink.spilled.wait(PATIENCE)
    run.tell("stop")
    return run


@pytest.mark.parametrize("kind", ENGINES)
def test_the_time_of_the_drain_is_for_what_is_in_flight(kind: str, late: CutSink) -> None:
    """What is spilled has its records, however late they are read back."""
    run = stopped(kind, late)
    finals = run.end()
    snapshot = run.core.statistics(1.0)
    assert (snapshot.pending, snapshot.spilled) == (0, 0)
    assert snapshot.read == len(finals) > 100


@pytest.mark.parametrize("kind", ENGINES)
def test_a_reader_that_stands_still_has_the_time_of_the_drain(kind: str, late: CutSink) -> None:
    """Then what is spilled is left and counted, as nobody takes its records."""

    def stand_still() -> None:
        late.has_room = False
        late.overdue = True

    late.on_cut = stand_still
    run = stopped(kind, late)
    finals = run.end()
    snapshot = run.core.statistics(1.0)
    assert snapshot.pending == 0 and snapshot.spilled > 0
    assert snapshot.read == len(finals) + snapshot.spilled


@pytest.mark.parametrize("kind", ENGINES)
def test_a_sink_that_fails_after_the_drain_ends_the_crawl(kind: str, late: CutSink) -> None:
    """The records of what is spilled have no room on the disk."""

    def fail() -> None:
        late.failure = CrawlerError("the disk is full")

    late.on_cut = fail
    run = stopped(kind, late)
    with pytest.raises(CrawlerError, match="the disk is full"):
        run.end()


@pytest.mark.parametrize("kind", ENGINES)
def test_an_end_in_haste_counts_what_is_spilled(kind: str) -> None:
    """A second Ctrl-C reads nothing back, and what has no record is counted."""
    run = Run(kind, ListSource(waiting(1, 3_000), portion=500), window=100, per_host=2)
    run.sink.wait_for(20)
    run.tell("cancel")
    finals = run.end()
    snapshot = run.core.statistics(1.0)
    assert snapshot.pending == 0
    assert snapshot.read == len(finals) + snapshot.spilled


@pytest.mark.parametrize("kind", ENGINES)
def test_a_full_disk_ends_the_crawl_and_loses_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says that TMPDIR is full; what waits is recorded as interrupted."""
    tried = threading.Event()

    def full(_segments: Segments, _data: bytes) -> int:
        tried.set()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spool, "BUFFER", 1)
    monkeypatch.setattr(Segments, "append", full)
    run = Run(kind, ListSource(waiting(1, 3_000), portion=500), window=100, per_host=2)
    assert tried.wait(PATIENCE)  # a web that answers is never read so far ahead
    run.web.release()
    with pytest.raises(EnvironmentFailure, match="No space left on device; set TMPDIR"):
        run.end()
    snapshot = run.core.statistics(1.0)
    assert (snapshot.pending, snapshot.spilled) == (0, 0)
    assert snapshot.read == len(run.sink.finals) > 100


@pytest.mark.parametrize("kind", ENGINES)
def test_a_disk_that_cannot_be_read_ends_the_crawl(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read back is said, and counted as without a record."""
    kept, append = threading.Event(), Segments.append

    def keep(segments: Segments, data: bytes) -> int:
        kept.set()
        return append(segments, data)

    def broken(_segments: Segments, _position: int, _size: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(spool, "BUFFER", 1)
    monkeypatch.setattr(Segments, "append", keep)
    monkeypatch.setattr(Segments, "read", broken)
    run = Run(kind, ListSource(waiting(1, 3_000), portion=500), window=100, per_host=2)
    assert kept.wait(PATIENCE)
    run.web.release()
    with pytest.raises(EnvironmentFailure, match=r"read back .*: Input/output error"):
        run.end()
    snapshot = run.core.statistics(1.0)
    assert snapshot.pending == 0 and snapshot.spilled > 0
    assert snapshot.read == len(run.sink.finals) + snapshot.spilled


@pytest.mark.slow
def test_records_are_written_in_portions() -> None:
    """With 5,000 URLs that end together others have their turn after every 500 (T10)."""
    core = CrawlCore(CrawlConfig(window=20_000), random=lambda: 0.0, suffixes=TopLevelDomains())
    core.next(0.0)
    core.admit([Seed.read(f"http://a.example/{n}") for n in range(5_000)], 0.0)
    core.exhausted()
    written: list[Final] = list(core.stop())
    feeder = Feeder(ListSource([]), lambda _portion: None)
    spooler = Spooler(lambda _recalled: None)
    portions = []
    while True:
        before = len(written)
        step = next_step(core, feeder, spooler, written.extend, lambda _text: None)
        portions.append(len(written) - before)
        if step != Wait(0.0):
            break
    feeder.close()
    spooler.close()
    assert step is not BUSY and not isinstance(step, WriteRecord)
    assert len(written) == 5_000 and max(portions) <= MOST
