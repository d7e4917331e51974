"""Send a crawl SIGINT, SIGTERM or SIGHUP at any moment of its start, its run and its end.

The moment is a number of calls that the main thread has made: the same for every speed of the
machine. Whatever that was, the command says nothing but lines for people, its exit code names the
signal or is 0, and the same command then comes to its end with one record for each URL. Some get a
second signal a few calls later.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
from collections import Counter
from functools import partial
from itertools import product
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from crawler import cli
from crawler.cli import crawl_run
from crawler.cli.crawl_run import open_crawl
from crawler.cli.interrupt import Interrupts
from crawler.engine.plugins import Plugins
from crawler.runtime.signals import ENDING
from tests.crash.crawl import in_child
from tests.crash.workers import (
    WorkersCase,
    entries,
    threads_for_processes,
    wrong_workers,
)
from tests.engine.partition_web import ManyHosts
from tests.unmannered import WORDS

ENGINES = ("async", "threaded")
_PARTS = ("start", "run", "end")
_NEAR = 2_000  # calls between two signals, at most


class Moments(NamedTuple):
    """Numbers of calls: when signals begin to be answered, when no more, and in all."""

    answered: int
    over: int
    whole: int

    def drawn(self, part: str, draw: random.Random) -> int:
        """Return a moment of the start, of the run or of the end."""
        first, last = {
            "start": (1, self.answered),
            "run": (self.answered, self.over),
            "end": (self.over, self.whole),
        }[part]
        return draw.randint(first, last)


class Caller:
    """Counts the calls of the main thread, and sends this process signals at some of them."""

    def __init__(self, signals: dict[int, int]) -> None:
        self._signals = signals
        self.calls = 0

    def __call__(self, _frame: FrameType, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            self.calls += 1
            if self.calls in self._signals:
                if self.calls == max(self._signals):
                    sys.setprofile(None)
                os.kill(os.getpid(), self._signals[self.calls])


def signal_crawls(number: int, draw: random.Random) -> str:
    """Send so many crawls a signal, and tell of it; return what is wrong, or ""."""
    cases = [
        WorkersCase(engine, "list", form, workers)
        for engine, form, workers in product(ENGINES, ("jsonl", "jsonl.gz"), (1, 2))
    ]
    moments: dict[WorkersCase, Moments] = {}
    codes: Counter[int] = Counter()
    for sent in range(number):
        case, part = cases[sent % len(cases)], _PARTS[sent // len(cases) % len(_PARTS)]
        moments[case] = moments.get(case) or _counted(case)
        at = moments[case].drawn(part, draw)
        signals = {at: draw.choice(ENDING)}
        if draw.random() < 0.3:
            signals[at + draw.randint(1, _NEAR)] = draw.choice(ENDING)
        with tempfile.TemporaryDirectory() as name:
            if problem := _signalled(case, Path(name), signals, codes):
                return f"{case}, {part}, signals {signals}: {problem}"
    told = ", ".join(f"{code} {number}" for code, number in sorted(codes.items()))
    print(
        f"{number:,} crawls signalled: nothing lost, nothing repeated (exit codes {told})",
        flush=True,
    )
    return ""


def _counted(case: WorkersCase) -> Moments:
    """Crawl without a signal, to know how many calls that takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = folder / "moments"

        def run() -> int:
            caller, seen = Caller({}), []
            enter, leave = Interrupts.__enter__, Interrupts.__exit__
            Interrupts.__enter__ = lambda own: (seen.append(caller.calls), enter(own))[1]  # type: ignore[method-assign]
            Interrupts.__exit__ = lambda own, *how: (leave(own, *how), seen.append(caller.calls))[0]  # type: ignore[method-assign]
            code = _crawl(case, folder, caller)
            told.write_text(" ".join(map(str, (*seen, caller.calls))))
            return code

        assert in_child(run) == 0, (folder / "said").read_text()
        return Moments(*map(int, told.read_text().split()))


def _signalled(
    case: WorkersCase, folder: Path, signals: dict[int, int], codes: Counter[int]
) -> str:
    code = in_child(lambda: _crawl(case, folder, Caller(signals)))
    codes[code] += 1
    said = (folder / "said").read_text()
    if code not in (0, *(128 + number for number in signals.values())):
        return f"exit code {code}: {said}"
    if "Traceback" in said or "rror:" in said:
        return said
    for _ in range(2):  # the second time it is complete
        if code := in_child(lambda: _crawl(case, folder, None)):
            return f"exit code {code} afterwards: {(folder / 'said').read_text()}"
    return wrong_workers(case, folder, complete=True)


def _crawl(case: WorkersCase, folder: Path, caller: Caller | None) -> int:
    """Run the command as `main` does; what it says goes to a file."""
    for number in ENDING:
        signal.signal(
            number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler
        )
    os.dup2(os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    (folder / "list.txt").write_text("\n".join(entries()))
    threads_for_processes()
    if case.workers == 1:
        crawl_run.open_crawl = partial(open_crawl, plugins=Plugins(fetcher=ManyHosts()))
    words = ["crawl", "-i", str(folder / "list.txt"), "-o", str(case.output(folder)), *WORDS]
    words += ["--engine", case.engine, "--workers", str(case.workers), "--parse", "inline"]
    words += ["--loop", "asyncio", "--sync", "none", "--retries", "1", "--backoff", "0"]
    sys.argv = ["crawler", *words]
    sys.setprofile(caller)
    try:
        return cli.main()
    finally:
        sys.setprofile(None)
