"""A turn of `robust`: every case on one kind of pool.

Pools whose workers are threads are tried in a process apart, as they may end all of it:
this module as a companion hears kind and case, and tells each event of the trial, so that whoever
hears them knows what was done when the process ended.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import Lock, Timer
from time import perf_counter
from typing import Any, Protocol

from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.executors import executor, left_behind
from crawler.compare.experiments.robust_tasks import do
from crawler.runtime.companion import Companion, ProcessLine, companions, obituary

THREADS = ("thread", "interpreter")
"""Their workers end with the process, and it with them."""
_LIMIT = 20.0  # seconds of a process


INNOCENT = 20
_PLACE = 5  # innocent tasks before the guilty one
WORKERS = 2
PATIENCE = 0.5  # seconds that a task may take; an innocent one takes 2 ms
NOTHING = "neither a result nor an exception"
_LIMIT = 10.0  # seconds for whatever must end by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTrial:
    """lost: innocent tasks without an answer. said: what became of the guilty one.

    recovery: seconds from the guilty task's submission until a new innocent one was answered.
    ended: whether the caller's whole process had to end.
    """

    lost: int
    recovery: float
    said: str
    ended: bool = False


class Bench(Protocol):
    """A pool to try tasks on. Tasks are named in words, `innocent 7` or `guilty killed`."""

    patience: float

    def submit(self, task: str) -> Future[Any]:
        """Hand a task over; never raises."""

    def give_up(self, waiting: Future[Any]) -> None:
        """End a task that takes too long, by whatever means there are."""

    def probe(self) -> None:
        """Have a new innocent task answered, by a new pool where this one is broken."""

    def close(self) -> None:
        """End the pool and wait for it."""


def trial(bench: Bench, case: str, tell: Callable[[str], None] = lambda _event: None) -> TaskTrial:
    """Run twenty innocent tasks, a guilty one among them, and a new one afterwards.

    tell: is told at once that the guilty task was `submitted`, each innocent one `answered`, the
    guilty one `overdue`, and the pool `recovered`.
    """
    tasks = [f"innocent {number}" for number in range(INNOCENT)]
    futures = [_told(bench.submit(task), tell) for task in tasks[:_PLACE]]
    began = perf_counter()
    tell("submitted")
    accused = bench.submit(f"guilty {case}")
    futures += [_told(bench.submit(task), tell) for task in tasks[_PLACE:]]
    wait(futures, _LIMIT)
    wait([accused], max(began + bench.patience - perf_counter(), 0.0))
    said = "overdue" if not accused.done() else _said(accused)
    if said == "overdue":
        tell(said)
        bench.give_up(accused)
    lost = sum(not _right(future, number) for number, future in enumerate(futures))
    bench.probe()
    tell("recovered")
    return TaskTrial(lost=lost, recovery=perf_counter() - began, said=said)


def _told(future: Future[int], tell: Callable[[str], None]) -> Future[int]:
    def done(ended: Future[int]) -> None:
        if not ended.cancelled() and ended.exception() is None:
            tell("answered")

    future.add_done_callback(done)
    return future


def _right(future: Future[int], number: int) -> bool:
    if not future.done() or future.cancelled() or future.exception() is not None:
        return False
    return future.result() == number * number


def _said(future: Future[Any]) -> str:
    error = future.exception()
    if error is None:  # every case has a result that is something, or none at all
        return NOTHING if future.result() is None else "answered"
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]


class ExecutorBench:
    """A `concurrent.futures` pool, used as the books say: a broken one is made anew."""

    patience = PATIENCE

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._pool = self._made()

    def _made(self) -> Executor:
        pool = executor(self._kind, WORKERS)
        wait([pool.submit(do, "innocent 1") for _ in range(WORKERS)], _LIMIT)
        return pool

    def submit(self, task: str) -> Future[Any]:
        """Hand a task over; a lock cannot be pickled."""
        try:
            return self._pool.submit(do, task, Lock() if task == "guilty argument" else None)
        except RuntimeError as error:  # BrokenExecutor, and loky's own for a pool that was killed
            failed: Future[Any] = Future()
            failed.set_exception(error)
            return failed

    def give_up(self, waiting: Future[Any]) -> None:
        """Kill the workers, and so the pool; nothing gentler ends one task of a process pool."""
        if self._kind == "loky":
            pool: Any = self._pool
            pool.shutdown(wait=True, kill_workers=True)
        for child in multiprocessing.active_children():
            child.kill()
        wait([waiting], _LIMIT)

    def probe(self) -> None:
        """Ask the pool; make a new one if it does not answer."""
        if not _right(self._asked(), 7):
            self._pool.shutdown(wait=True)
            self._pool = self._made()
            if not _right(self._asked(), 7):
                raise RuntimeError(f"{self._kind}: a new pool does not answer")

    def _asked(self) -> Future[int]:
        asked = self.submit("innocent 7")
        wait([asked], _LIMIT)
        return asked

    def close(self) -> None:
        """End the pool."""
        self._pool.shutdown(wait=True)


class PageFailed(Exception):
    """A page that the crawler's pool has judged, as an exception like those of other pools."""


class CrawlerBench:
    """The project's own parser processes, as the threaded engine uses them."""

    patience = _LIMIT  # the pool itself minds the limit of a page

    def __init__(self) -> None:
        from crawler.model.config import CrawlConfig
        from crawler.workers.hand_over import ThreadedParsing

        config = CrawlConfig(
            parse="process",
            parse_workers=WORKERS,
            parse_timeout=PATIENCE,
            parser="crawler.compare.experiments.robust_tasks:fragile",
        )
        self._parsing = ThreadedParsing(config)
        self._parsing.__enter__()
        self._callers = ThreadPoolExecutor(INNOCENT + 2)

    def submit(self, task: str) -> Future[Any]:
        """Hand a page over that says the task."""
        return self._callers.submit(self._parse, task)

    def _parse(self, body: str) -> int:
        from crawler.model.document import Document, RawResponse

        response = RawResponse(
            url="http://a.example/", status=200, content_type="text/plain", body=body.encode()
        )
        parsed = self._parsing.parse(response)
        if isinstance(parsed, Document):
            answer: int = parsed.fields["parsed"]["answer"]
            return answer
        raise PageFailed(f"{parsed.kind}: {parsed.reason}")

    def give_up(self, waiting: Future[Any]) -> None:
        """Raise an error: a page that has not ended would be a fault of the pool."""
        raise RuntimeError(f"the pool has not ended a page: {waiting}")

    def probe(self) -> None:
        """Ask the same pool."""
        if self.submit("innocent 7").result(_LIMIT) != 49:
            raise RuntimeError("the parser's pool answers wrongly")

    def close(self) -> None:
        """End the pool."""
        self._parsing.__exit__(None, None, None)
        self._callers.shutdown(wait=True)


def work(parameters: Parameters, watch: Watch) -> Done:
    """Run the trials; note their losses, the time until the pool answered, and processes left."""
    kind, cases = parameters["kind"], parameters["cases"]
    with watch:
        if kind in THREADS:
            found = {case: apart(kind, case) for case in cases}
        else:
            found = _trials(CrawlerBench() if kind == "crawler" else ExecutorBench(kind), cases)
    figures: dict[str, float] = {"left behind": left_behind()}
    for case, each in found.items():
        figures |= {f"lost, {case}": each.lost, f"recovery, {case}": each.recovery}
    return Done(figures=figures, notes={case: asdict(each) for case, each in found.items()})


def _trials(bench: Bench, cases: list[str]) -> dict[str, TaskTrial]:
    try:
        return {case: trial(bench, case) for case in cases}
    finally:
        bench.close()


def apart(kind: str, case: str) -> TaskTrial:
    """Run one trial in a separate process; if that ends, recovery is the start of another."""
    began = recovered = 0.0
    answered, said = 0, ""
    with _process(kind, case) as process:
        while (event := process.hear()) is not None:
            match event:
                case "submitted":
                    began = perf_counter()
                case "answered":
                    answered += 1
                case "overdue":
                    said = "overdue"
                    process.kill()
                case "recovered":
                    recovered = perf_counter()
                case "said", said:
                    pass
        code = process.bury()
    if not began:
        raise RuntimeError(f"{kind}, {case}: the process apart did not begin")
    ended = not recovered
    if ended:
        said = f"{said}: " * bool(said) + obituary("its process", code)
        recovered = _first_answer(kind)
    lost = INNOCENT - answered
    return TaskTrial(lost=lost, recovery=recovered - began, said=said, ended=ended)


def _first_answer(kind: str) -> float:
    """Start another process; return when it answered its first task."""
    answered = 0.0
    with _process(kind, "none") as process:
        while (event := process.hear()) is not None:  # to the end of its trial
            if event == "answered":
                answered = answered or perf_counter()
    if not answered:
        raise RuntimeError(f"{kind}: a new process does not answer")
    return answered


@contextmanager
def _process(kind: str, case: str) -> Iterator[Companion]:
    with companions(__name__, 1, "robust", blocked=()) as (process,):
        alarm = Timer(_LIMIT, process.kill)
        alarm.start()
        try:
            process.tell((kind, case))
            yield process
        finally:
            alarm.cancel()


def main() -> None:
    """Run the trial that the parent tells, in the separate process."""
    parent = ProcessLine.to_parent()
    kind, case = parent.hear()
    bench = _ThreadBench(kind)
    parent.tell(("said", trial(bench, case, parent.tell).said))
    bench.close()


class _ThreadBench(ExecutorBench):
    def give_up(self, waiting: Any) -> None:
        """Wait: a thread cannot be ended, only the process that it is part of."""
        waiting.result()


if __name__ == "__main__":
    main()
