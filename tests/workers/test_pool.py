"""The pool's recovery, with lanes that are no threads and a clock of its own; then real ones."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import BrokenExecutor, CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.document import Document
from crawler.model.outcome import Kind, Parsed
from crawler.workers.lanes import ThreadLane
from crawler.workers.pool import CLOSING, DEPTH, START_LIMIT, WINDING_UP, Pool
from crawler.workers.recovery import LaneProgress
from crawler.workers.work import Exhausted, Packed, Work
from crawler.workers.worker_answer import Answer
from tests.patience import PATIENCE

TIMEOUT = 10.0


def _answer(page: Packed) -> Answer:
    return b'{"url":"%b"}' % page[0].encode(), 0.001, None


class FakeLane:
    """A lane whose worker is the test: `finish`, `die`, `at_work`."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble
        self.started: Future[Any] = Future()
        self.starts_late = False
        self.ended = threading.Event()
        self.batches: dict[int, tuple[list[Packed], Future[list[Answer]]]] = {}
        self.at_work: LaneProgress | None = None
        self.killed = self.closed = self.joined = False
        self.settled: float | None = None
        self.on_kill: LaneProgress | str | None = "stays"

    def start(self) -> Future[Any]:
        started = self.started
        if self.starts_late:
            pass
        elif self.trouble is None:
            started.set_result(1)
        else:
            started.set_exception(self.trouble)
        return started

    def submit(self, serial: int, pages: list[Packed]) -> Future[list[Answer]]:
        if self.killed:
            raise BrokenExecutor
        self.batches[serial] = (pages, Future())
        return self.batches[serial][1]

    def progress(self) -> LaneProgress | None:
        return self.at_work

    def cpu_seconds(self) -> float:
        return 0.5

    def kill(self) -> None:
        self.killed = True
        self.ended.set()
        if not isinstance(self.on_kill, str):
            self.at_work = self.on_kill

    def close(self) -> None:
        self.closed = True

    def settle(self, deadline: float) -> None:
        """Nothing winds up."""
        self.settled = deadline

    def join(self, deadline: float) -> None:
        self.joined = True

    def finish(self) -> None:
        """Answer the batch at the head."""
        serial = next(iter(self.batches))
        pages, future = self.batches.pop(serial)
        future.set_result([_answer(page) for page in pages])

    def die(self) -> None:
        """Break as an executor does: every future it holds ends with the same error."""
        for _, future in self.batches.values():
            future.set_exception(BrokenProcessPool("gone"))

    def run_out(self) -> None:
        """Meet the memory limit in the batch at the head; the next one is answered, too late."""
        (_, first), *others = self.batches.values()
        first.set_exception(Exhausted("no more"))
        for pages, future in others:
            future.set_result([_answer(page) for page in pages])

    def babble(self, answers: Any) -> None:
        """Send something else than answers to the batch at the head."""
        self.batches.pop(next(iter(self.batches)))[1].set_result(answers)

    def begin(self, page: int, since: float = 0.0) -> None:
        """Mark a page of the head batch as at work."""
        self.at_work = LaneProgress(next(iter(self.batches)), page, since)

    def head(self) -> list[str]:
        """The URLs of the batch at the head."""
        return [page[0] for page in next(iter(self.batches.values()))[0]]


class Bench:
    """A pool over fake lanes, without its keeper: the test says when to tend."""

    def __init__(self, lanes: int = 1) -> None:
        self.made: list[FakeLane] = []
        self.trouble: Exception | None = None
        self.pool = Pool(self.make, lanes=lanes, timeout=TIMEOUT, clock=lambda: 0.0)
        self.pool.tend(0.0)

    def make(self) -> FakeLane:
        self.made.append(FakeLane(self.trouble))
        return self.made[-1]

    @property
    def lane(self) -> FakeLane:
        return self.made[-1]

    def submit(self, urls: str) -> Future[list[Parsed]]:
        return self.pool.submit([(url, 200, "", b"", "", "", ()) for url in urls])

    def crash(self, page: int) -> None:
        """The newest lane dies with this page of its head batch at work, and is replaced."""
        self.lane.begin(page)
        self.lane.die()
        self.pool.tend(0.0)

    def finish_all(self) -> None:
        while self.lane.batches:
            self.lane.at_work = None
            self.lane.finish()


def told(future: Future[list[Parsed]]) -> str:
    """What became of each page: its URL, `!` a crash, `T` a timeout, `E` another failure."""
    marks = {Kind.PARSE_CRASH: "!", Kind.PARSE_TIMEOUT: "T", Kind.PARSE: "E"}
    return "".join(
        parsed.fields["url"] if isinstance(parsed, Document) else marks[parsed.kind]
        for parsed in future.result(0)
    )


def test_results_come_in_the_order_of_the_pages() -> None:
    """A batch is answered page by page, in its own order."""
    bench = Bench()
    future = bench.submit("abc")
    bench.lane.finish()
    assert told(future) == "abc"


def test_a_lane_holds_two_batches_and_the_rest_waits() -> None:
    """More batches than lanes hold wait in the pool, and move up one by one."""
    bench = Bench(lanes=2)
    futures = [bench.submit(url) for url in "abcdefg"]
    assert [len(lane.batches) for lane in bench.made] == [DEPTH, DEPTH]
    assert bench.pool.statistics().waiting == 3
    bench.made[0].finish()
    assert bench.pool.statistics().waiting == 2
    assert [future.done() for future in futures].count(True) == 1


def test_a_crash_is_tried_once_more_alone() -> None:
    """The page at work when its worker died runs again by itself; a second death convicts it."""
    bench = Bench()
    future = bench.submit("abc")
    bench.crash(1)
    assert bench.lane.head() == ["a", "c"]
    bench.lane.finish()
    assert bench.lane.head() == ["b"]
    bench.crash(0)
    assert told(future) == "a!c"


def test_memory_that_ran_out_is_traced_to_its_page() -> None:
    """The batch runs again page by page, each on a new worker where need be, and one has failed."""
    bench = Bench()
    first, second = bench.submit("abc"), bench.submit("de")
    bench.lane.run_out()
    bench.pool.tend(0.0)
    assert len(bench.made) == 2 and bench.made[0].killed
    assert bench.lane.head() == ["a"]
    bench.lane.finish()
    for _ in range(2):
        assert bench.lane.head() == ["b"]
        bench.lane.run_out()
        bench.pool.tend(0.0)
    bench.finish_all()
    assert (told(first), told(second)) == ("aEc", "de")
    assert bench.pool.statistics().broken == 3


@pytest.mark.parametrize("answers", [None, [], [1], [(b"{}", 0.0, None)] * 4, {"a": 1}])
def test_a_worker_in_disorder_costs_the_page_that_brings_it_about(answers: object) -> None:
    """T6: other answers than expected fail one page, by a reason, and cost a worker each time."""
    bench = Bench()
    first, second = bench.submit("abc"), bench.submit("d")
    bench.lane.babble(answers)
    bench.pool.tend(0.0)
    assert bench.lane.head() == ["a"]
    bench.lane.finish()
    for _ in range(2):
        assert bench.lane.head() == ["b"]
        bench.lane.babble(answers)
        bench.pool.tend(0.0)
    bench.finish_all()
    assert (told(first), told(second)) == ("aEc", "d")
    assert bench.pool.statistics().broken == 3


def test_memory_that_another_page_took_costs_no_page() -> None:
    """A page that met the limit once, behind others that kept what they took, is a page."""
    bench = Bench()
    future = bench.submit("a")
    bench.lane.run_out()
    bench.pool.tend(0.0)
    bench.finish_all()
    assert told(future) == "a"


def test_a_worker_killed_from_outside_costs_no_page() -> None:
    """A page whose first worker was killed by somebody is a page after all."""
    bench = Bench()
    future = bench.submit("abc")
    bench.crash(1)
    bench.finish_all()
    assert told(future) == "abc"


def test_what_kills_several_workers_at_once_is_one_event() -> None:
    """The suspect of one dead worker that goes to another dead one is not convicted by it."""
    bench = Bench(lanes=2)
    future = bench.submit("a")
    first, second = bench.made
    first.begin(0)
    first.die()
    bench.pool.tend(0.0)
    assert second.head() == ["a"]
    second.die()  # it was dead already: nobody saw it parse the page
    bench.pool.tend(0.0)
    assert bench.lane.head() == ["a"]
    bench.finish_all()
    assert told(future) == "a"


def test_the_batch_that_waited_is_innocent() -> None:
    """A batch behind the guilty page runs again whole, and no page of it is suspected."""
    bench = Bench()
    first, second = bench.submit("ab"), bench.submit("cd")
    bench.crash(0)
    bench.lane.finish()
    bench.lane.finish()
    assert bench.lane.head() == ["c", "d"]
    bench.crash(0)
    bench.finish_all()
    assert told(first) == "ab"
    assert told(second) == "cd"


def test_a_death_between_pages_convicts_only_by_elimination() -> None:
    """If nobody knows the page, the batch is split, and a page must kill two workers alone."""
    bench = Bench()
    future = bench.submit("abc")
    for _ in range(2):  # once in the batch of three, once more as a single page
        bench.lane.die()
        bench.pool.tend(0.0)
    assert bench.lane.head() == ["a"]
    bench.lane.die()
    bench.pool.tend(0.0)
    bench.finish_all()
    assert told(future) == "!bc"


def test_a_page_overdue_is_failed_and_its_lane_replaced() -> None:
    """After the limit and the grace the worker is killed; that page alone has timed out."""
    bench = Bench()
    future, behind = bench.submit("abc"), bench.submit("d")
    bench.lane.begin(1, since=5.0)
    bench.pool.tend(5.0 + TIMEOUT)
    assert not bench.made[0].killed
    bench.pool.tend(5.0 + TIMEOUT + 1.01)
    assert bench.made[0].killed and len(bench.made) == 2
    bench.finish_all()
    assert told(future) == "aTc"
    assert told(behind) == "d"


def test_a_stop_of_the_process_is_no_pages_time() -> None:
    """After Ctrl-Z and `fg` the page at work has its whole limit again; being woken is no stop."""
    bench = Bench()
    future = bench.submit("a")
    bench.lane.begin(0, since=5.0)
    bench.pool.woken(6.0, 66.0)
    bench.pool.tend(66.0 + TIMEOUT)
    assert not bench.made[0].killed
    bench.pool.woken(200.0, 70.0)
    bench.pool.tend(66.0 + TIMEOUT + 1.01)
    assert bench.made[0].killed
    bench.finish_all()
    assert told(future) == "T"


def test_tend_says_when_the_next_page_is_due() -> None:
    """The keeper is asked back exactly when the page at work becomes overdue."""
    bench = Bench()
    bench.submit("a")
    bench.lane.begin(0, since=4.0)
    assert bench.pool.tend(5.0) == pytest.approx(TIMEOUT + 1.0 - 1.0)


def test_a_page_that_ended_before_the_kill_is_not_blamed() -> None:
    """If the marker moved while the worker was being killed, nobody has timed out."""
    bench = Bench()
    future = bench.submit("ab")
    bench.lane.begin(0, since=0.0)
    bench.lane.on_kill = LaneProgress(1, 1, 11.4)
    bench.pool.tend(11.5)
    bench.finish_all()
    assert told(future) == "ab"


def test_a_late_answer_of_a_replaced_lane_is_ignored() -> None:
    """What an abandoned worker still answers changes no result and answers nobody twice."""
    bench = Bench()
    future = bench.submit("a")
    old = bench.lane
    old.begin(0, since=0.0)
    bench.pool.tend(TIMEOUT + 2)
    assert told(future) == "T"
    old.finish()
    assert told(future) == "T"


def test_a_worker_that_takes_nothing_up_is_replaced() -> None:
    """A lane that has batches and shows no page for long is broken, too."""
    bench = Bench()
    future = bench.submit("ab")
    bench.pool.tend(START_LIMIT - 1)
    assert not bench.made[0].killed
    bench.pool.tend(START_LIMIT + 1)
    assert bench.made[0].killed
    bench.finish_all()
    assert told(future) == "ab"


def test_a_lane_that_died_idle_costs_no_page() -> None:
    """A batch for a worker that was killed while it had nothing to do goes to the next one."""
    bench = Bench()
    bench.lane.killed = True
    future = bench.submit("ab")
    bench.pool.tend(0.0)
    bench.finish_all()
    assert told(future) == "ab"


def test_answers_that_cannot_be_sent_cost_the_page_that_they_are_for() -> None:
    """When a batch's answers fail on their way, its pages go one by one."""
    bench = Bench()
    future = bench.submit("ab")
    bench.lane.batches.pop(1)[1].set_exception(MemoryError())
    assert bench.lane.head() == ["a"]
    bench.lane.batches.pop(2)[1].set_exception(MemoryError())
    bench.finish_all()
    assert told(future) == "Eb"


def test_workers_that_never_start_fail_each_page_with_the_reason() -> None:
    """Three failed starts end the pool: no page waits for ever, and the reason is told."""
    bench = Bench()
    waiting = bench.submit("a")
    bench.trouble = OSError("no semaphores")
    bench.crash(0)
    bench.pool.tend(0.0)
    assert len(bench.made) == 1 + 3
    for future in (waiting, bench.submit("b")):
        (fault,) = future.result(0)
        assert not isinstance(fault, Document)
        assert "OSError: no semaphores" in fault.reason


def test_the_first_start_that_fails_is_reported() -> None:
    """`started` raises what kept every worker from starting."""
    pool = Pool(lambda: FakeLane(OSError("no memory")), lanes=2, timeout=1.0)
    pool.tend(0.0)
    with pytest.raises(OSError, match="no memory"):
        pool.started.result(0)


def test_closing_ends_every_lane_and_cancels_what_is_unfinished() -> None:
    """After `close`, twice, no lane runs, no waiter hangs and nothing more is taken."""
    bench = Bench(lanes=2)
    futures = [bench.submit(url) for url in "abcdef"]
    bench.pool.close()
    bench.pool.close()
    assert all(lane.killed and lane.settled for lane in bench.made)
    for future in [*futures, bench.submit("g")]:
        with pytest.raises(CancelledError):
            future.result(0)


def test_closing_waits_for_idle_workers_alone() -> None:
    """A worker that still starts is ended at once: there is nothing that it could finish."""
    starting, idle = FakeLane(), FakeLane()
    starting.starts_late = True
    pool = Pool(iter([starting, idle]).__next__, lanes=2, timeout=TIMEOUT, clock=lambda: 0.0)
    pool.tend(0.0)
    pool.close()
    assert (starting.killed, starting.joined) == (True, False)
    assert (idle.killed, idle.joined) == (False, True)
    assert idle.settled == starting.settled == CLOSING + WINDING_UP


@pytest.mark.slow
def test_closing_does_not_wait_for_a_start() -> None:
    """A fork server that takes long holds up nobody's end; the lane is ended afterwards."""
    begun, go_on = threading.Event(), threading.Event()

    class Slow(FakeLane):
        def start(self) -> Future[Any]:
            begun.set()
            go_on.wait(PATIENCE)
            return super().start()

    lane = Slow()
    pool = Pool(lambda: lane, lanes=1, timeout=TIMEOUT)
    pool.start()
    begun.wait(PATIENCE)
    pool.close()
    assert not (lane.killed or lane.closed)
    go_on.set()
    assert lane.ended.wait(PATIENCE)


def test_a_lane_is_replaced_when_there_is_work_for_it() -> None:
    """A lane that breaks with the last page is not replaced; the next batches bring lanes back."""
    bench = Bench()
    future = bench.submit("a")
    bench.lane.finish()
    bench.pool._report(bench.pool._ready[0])
    bench.pool.tend(0.0)
    assert (told(future), len(bench.made)) == ("a", 1)
    future = bench.submit("b")
    bench.pool.tend(0.0)
    bench.finish_all()
    assert (told(future), len(bench.made)) == ("b", 2)


@pytest.mark.slow
@given(
    guilty=st.sets(st.integers(0, 29), max_size=8),
    outside=st.lists(st.integers(0, 200), max_size=6, unique=True),
    width=st.integers(1, 8),
    lanes=st.integers(1, 3),
    known=st.booleans(),
)
def test_exactly_the_guilty_pages_fail(
    guilty: set[int], outside: list[int], width: int, lanes: int, known: bool
) -> None:
    """Whatever dies when: guilty pages fail, each page has one result, and recovery ends.

    A worker killed from outside costs no page so long as it does not hit one twice; here such
    kills fall between pages, and each page is given at most one.
    """
    bench = Bench(lanes=lanes)
    futures = [
        bench.pool.submit(
            [(str(n), 200, "", b"", "", "", ()) for n in range(at, min(at + width, 30))]
        )
        for at in range(0, 30, width)
    ]
    spared: set[int] = set()
    for turn in range(1_000):
        busy = [lane for lane in bench.made if lane.batches and not lane.killed]
        if not busy:
            break
        lane = busy[turn % len(busy)]
        urls = [int(url) for url in lane.head()]
        culprits = [place for place, url in enumerate(urls) if url in guilty]
        if culprits:
            lane.at_work = (
                LaneProgress(next(iter(lane.batches)), culprits[0], 0.0) if known else None
            )
        elif turn in outside and not spared & set(urls):
            spared |= set(urls)
            lane.at_work = None
        else:
            lane.at_work = None
            lane.finish()
            continue
        lane.die()
        lane.batches.clear()
        bench.pool.tend(0.0)
    results = [result for future in futures for result in future.result(0)]
    failed = {n for n, result in enumerate(results) if not isinstance(result, Document)}
    assert len(results) == 30
    assert failed == guilty


# -- real lanes ---------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]


def real_pool(parser: str, timeout: float = 1.0) -> Pool:
    work = Work(parser=f"tests.workers.parsers:{parser}", timeout=timeout)
    pool = Pool(lambda: ThreadLane(work), lanes=1, timeout=timeout)
    pool.start()
    pool.started.result(PATIENCE)
    return pool


@pytest.mark.slow
def test_a_hung_thread_is_left_behind_and_the_lane_replaced() -> None:
    """A thread that sleeps for ever costs its page; the batch's other pages are parsed."""
    pool = real_pool("hostile")
    pages = [
        ("http://a.example/", 200, "", body, "", "", ()) for body in (b"one", b"sleep", b"two")
    ]
    results = pool.submit(pages).result(PATIENCE)
    pool.close()
    assert [isinstance(result, Document) for result in results] == [True, False, True]
    assert results[1].kind is Kind.PARSE_TIMEOUT  # type: ignore[union-attr]


HANGS = """
from crawler.workers.lanes import ThreadLane
from crawler.workers.pool import Pool
from crawler.workers.work import Work

work = Work(parser="tests.workers.parsers:hostile", timeout=0.2)
pool = Pool(lambda: ThreadLane(work), lanes=1, timeout=0.2)
pool.start()
print(pool.submit([("http://a/", 200, "", b"sleep", "", "", ())]).result(100)[0].kind, flush=True)
pool.close()
"""


@pytest.mark.slow
def test_a_thread_left_behind_does_not_hold_up_the_exit() -> None:
    """The interpreter ends though a parser's thread sleeps for a quarter of an hour."""
    ended = subprocess.run(
        [sys.executable, "-c", HANGS], cwd=ROOT, capture_output=True, check=False, timeout=PATIENCE
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == (b"parse_timeout\n", b"", 0)


STARTS = """
import signal
from crawler.workers.lanes import ProcessLane
from crawler.workers.pool import Pool
from crawler.workers.work import Work

signal.signal(signal.SIGINT, lambda *_: None)  # a handler in Python: no child inherits it
print("ready", flush=True)
pool = Pool(lambda: ProcessLane(Work()), lanes=2, timeout=5)
pool.start()
pool.started.result(100)
print(len(pool.submit([("http://a/", 200, "", b"x", "", "", ())]).result(100)), flush=True)
pool.close()
"""


@pytest.mark.slow
def test_ctrl_c_while_workers_start_prints_nothing() -> None:
    """SIGINT to the whole process group, at any time of the start, harms and moves no worker."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        while not select.select([process.stdout], [], [], 0.003)[0]:
            os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (out, err) == (b"1\n", b"")
