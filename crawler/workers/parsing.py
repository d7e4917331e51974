"""The common base of `AsyncParsing` and `ThreadedParsing`: choose who parses, and measure it.

`auto` weighs parsing inline against handing over (`crawler.workers.auto`). The cost of a hand-over
is measured continuously: the caller's part, and the CPU time of the executor's threads, which
pickle and unpickle under the same interpreter lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawler.formats import content, html
from crawler.formats.follow import Following
from crawler.formats.robots_file import product_token
from crawler.model.choices import Parse
from crawler.model.config import CrawlConfig
from crawler.model.document import Document, RawResponse
from crawler.model.outcome import Parsed
from crawler.runtime import limits
from crawler.workers import own
from crawler.workers.auto import Chooser, ParsePlace
from crawler.workers.memory import memory_shares, wanted_workers
from crawler.workers.pool import Pool
from crawler.workers.suspects import Suspects
from crawler.workers.work import Parser, Work, pack

if TYPE_CHECKING:
    from crawler.workers.lanes import Lane

_POOLED = frozenset({"process", "thread", "interpreter"})
_LARGE = 1 << 20  # bytes of a body; a larger one's tree may take more memory than the crawler has
_ROUND = 256  # pages between two measurements of the hand-over
_EXECUTOR_THREADS = ("_ExecutorManagerThread", "QueueFeederThread", "crawler-pool")


def silent(_line: str) -> None:
    """Announce nothing."""


class Parsing:
    """The parser, the pools, and the choice between them.

    suspects: the file of the pages that are being parsed here (`crawler.workers.suspects`).

    Raises `ConfigurationError` for a parser that cannot be imported and for an executor that this
    Python does not have.
    """

    def __init__(
        self,
        config: CrawlConfig,
        *,
        announce: Callable[[str], None] = silent,
        given: Callable[..., Any] | None = None,
        suspects: Path | None = None,
    ) -> None:
        self._suspects = Suspects(suspects)
        self._alone: Pool | None = None
        self._shares = memory_shares(config)
        page = "unparsed" if config.parsing.parse == "none" else "page"
        self._work = Work(
            page=f"crawler.formats.page:{page}",
            parser=config.parsing.parser,
            given=given,
            extractors=own.located(config.parsing.extract),
            folder=own.current_directory() if config.parsing.parser else "",
            timeout=config.parsing.parse_timeout,
            memory=self._shares.worker // 10**6,
            html=config.parsing.html,
            following=_following(config),
            content=config.content,
        )
        self._config = config
        self._announce = announce
        self._auto = config.parsing.parse == "auto"
        self._pooled = config.parsing.parse in _POOLED
        html.check(config.parsing.html)
        content.check(config.content)
        self._own_name = config.parsing.custom or own.name_of(given)
        if config.parsing.parser:
            own.check(config.parsing.parser, self._work.folder)
        self._apart = _apart(config, self._own_name)
        self._here = Parser(self._work_here, inline=True)
        self._chooser = Chooser(isolate=bool(self._apart))
        self._pool: Pool | None = None
        self._threads: Pool | None = None
        self._handed = 0
        self._own_seconds = 0.0
        self._measured_cpu = 0.0
        self._measured_at = 0
        self._parsed = 0
        self._complained = False
        self._parsed_seconds = 0.0
        if config.parsing.parse == "interpreter":
            from crawler.workers.lanes import check_interpreters

            check_interpreters(self._work)

    @property
    def _work_here(self) -> Work:
        """The work for the crawler's own process: without the user's code if workers run that.

        The user's code is not even imported here then.
        """
        aside = self._pooled or self._auto
        if not aside or self.kind == "thread":
            return self._work
        return replace(self._work, parser="", given=None, extractors=())

    @property
    def kind(self) -> Parse:
        """The kind of worker for pages that are not parsed inline."""
        return "process" if self._auto else self._config.parsing.parse

    @property
    def _pays(self) -> bool:
        """True if `auto` may use a pool: on one core it would add a hand-over, and save nothing."""
        return limits.cores() > 1 or bool(self._apart)

    def describe(self) -> str:
        """Return one line for a person: where pages are parsed, and the measured costs."""
        where = self._where()
        if not self._parsed:
            return where
        cost = f"{self._parsed_seconds / self._parsed * 1e3:.2f} ms to parse"
        if self._handed and self._measured_at:
            cost += f", {self._chooser.hand_over * 1e3:.2f} ms to hand over"
        return f"{where}: a page took {cost}"

    def _where(self) -> str:
        lanes = self._lanes()
        pooled = f"{self.kind} ({lanes} worker{'s' * (lanes != 1)})"
        if not self._auto:
            return pooled if self._pooled else self._config.parsing.parse
        if self._pool is None:
            return "auto: inline"
        if self._apart:
            return f"auto: {pooled}, {self._apart}"
        size = self._chooser.threshold()
        above = f"{size // 1000} KB" if size >= 1000 else f"{size} bytes"
        return f"auto: {pooled} for pages above {above}, inline below"

    def queue(self) -> int:
        """Return the number of batches that wait for a worker."""
        return self._pool.statistics().waiting if self._pool is not None else 0

    def worker_cpu_seconds(self) -> float:
        """Return the CPU time of the parser processes so far."""
        return self._pool.cpu_seconds() if self._pool is not None else 0.0

    def _lanes(self) -> int:
        return self._shares.workers if self.kind == "process" else wanted_workers(self._config)

    def _open(self) -> Future[None] | None:
        """Start the pool if all pages go there; the future ends when its first worker is ready."""
        self._suspects.open()
        if not self._pooled and not (self._auto and self._apart):
            return None
        self._pool = self._started_pool()
        return self._pool.started

    def _started_pool(self) -> Pool:
        pool = Pool(
            self._lane,
            lanes=self._lanes(),
            timeout=self._config.parsing.parse_timeout,
        )
        pool.start()
        pool.started.add_done_callback(self._pool_started)
        return pool

    def _lane(self) -> Lane:
        from crawler.workers.lanes import LANES

        return LANES[self.kind](self._work)

    def _pool_started(self, started: Future[None]) -> None:
        """Note that the pool's first worker has started, or that all failed; from any thread."""
        if started.cancelled():
            return
        if (error := started.exception()) is not None:
            if self._auto:
                self._announce(
                    f"parse: auto stays inline, {self.kind} workers do not start: {error}"
                )
            return
        self._chooser.pool_ready = True
        if self._auto:
            self._announce(f"parse: {self.describe()}")

    def _judged(self, response: RawResponse) -> Future[list[Parsed]]:
        """Parse a suspect alone, in a process; once that has an answer it is suspected no more."""
        if self._alone is None:
            timeout = self._config.parsing.parse_timeout
            self._alone = Pool(lambda: _process(self._work), lanes=1, timeout=timeout)
            self._alone.start()
        future = self._alone.submit([pack(response)])
        future.add_done_callback(lambda done: self._strike_off(done, response.url))
        return future

    def _strike_off(self, done: Future[list[Parsed]], url: str) -> None:
        if not done.cancelled():
            self._suspects.strike_off(url)

    def _aside(self) -> Pool:
        """Return a pool of one thread, for pages too long for the loop while no pool is ready."""
        if self._threads is None:
            timeout = self._config.parsing.parse_timeout
            self._threads = Pool(lambda: _thread(self._work), lanes=1, timeout=timeout)
            self._threads.start()
        return self._threads

    def _place(self, response: RawResponse) -> ParsePlace:
        if not self._auto:
            return ParsePlace.POOL if self._pooled else ParsePlace.HERE
        # Always ask the chooser, which learns from each question what a pool would save.
        place, large = self._chooser.place(len(response.body)), self._is_large(response)
        if self._pool is None and (large or (self._chooser.pool_wanted and self._pays)):
            self._pool = self._started_pool()
        return ParsePlace.POOL if large else place

    def _is_large(self, response: RawResponse) -> bool:
        """Return True if `auto` always leaves this page to a process, whose memory is limited."""
        return len(response.body) > _LARGE and self.kind == "process" and self._pays

    @contextmanager
    def _named(self, response: RawResponse, pool: Pool | None = None) -> Iterator[None]:
        """Name a page while it is parsed, unless that is in a process, which it ends alone."""
        if pool is not None and pool is self._pool and self.kind == "process":
            yield
            return
        cell = self._suspects.begin(response.url)
        try:
            yield
        finally:
            self._suspects.end(cell)

    def _parse_here(self, response: RawResponse) -> Parsed:
        parsed = self._run_here(response)
        self._learn(len(response.body), parsed)
        return parsed

    def _run_here(self, response: RawResponse) -> Parsed:
        cell = self._suspects.begin(response.url)
        try:
            return self._here.parse(response)
        finally:
            self._suspects.end(cell)

    def _pool_for(self, response: RawResponse) -> Pool | None:
        """Return the pool; under `auto` only once it is ready, except for a large page."""
        ready = self._apart or self._chooser.pool_ready or not self._auto
        return self._pool if ready or (self._is_large(response) and not self._failed()) else None

    def _failed(self) -> bool:
        """Return True if the workers of `auto` failed to start, so that pages are parsed here."""
        started = self._pool.started if self._auto and not self._apart and self._pool else None
        return started is not None and started.done() and started.exception() is not None

    def _learn(self, size: int, parsed: Parsed) -> None:
        """Count a page of `size` bytes that was parsed here, and learn its cost."""
        self._count(parsed)
        if isinstance(parsed, Document):
            self._chooser.observe(size, parsed.seconds)

    def _count(self, parsed: Parsed) -> None:
        if isinstance(parsed, Document):
            self._parsed += 1
            self._parsed_seconds += parsed.seconds
        elif self._own_name and not self._complained:
            self._complained = True
            self._announce(f"parser {self._own_name} failed: {parsed.reason}")

    def _count_hand_over(self, pages: int, seconds: float) -> None:
        """Learn the cost of a hand-over from the caller's seconds and the executor's CPU time."""
        self._handed += pages
        self._own_seconds += seconds
        if self._handed - self._measured_at < _ROUND:
            return
        cpu = self._own_seconds + _cpu_seconds(_EXECUTOR_THREADS)
        if self._measured_at:
            spent = (cpu - self._measured_cpu) / (self._handed - self._measured_at)
            if spent > 0:  # otherwise a lane was replaced and its threads' time is gone
                self._chooser.observe_hand_over(spent)
        self._measured_cpu, self._measured_at = cpu, self._handed

    def _close(self) -> None:
        for pool in (self._pool, self._threads, self._alone):
            if pool is not None:
                pool.close()
        self._suspects.close()


# Most crawls of a few pages parse them here: what starts workers is imported, by the pool's own
# thread, when there are to be any.


def _process(work: Work) -> Lane:
    from crawler.workers.lanes import ProcessLane

    return ProcessLane(work)


def _thread(work: Work) -> Lane:
    from crawler.workers.lanes import ThreadLane

    return ThreadLane(work)


def _apart(config: CrawlConfig, parser: str) -> str:
    """Return the reason why `auto` parses all pages in workers; "" if it does not."""
    if parser:
        extracts = config.parsing.extract and parser == config.parsing.custom
        return (
            "for extractors"
            if extracts and not config.parsing.parser
            else "for a parser of your own"
        )
    if config.parsing.html == "lexbor":
        return "as lexbor can take long"
    if config.content.reads_text and config.content.text_engine == "best":
        return "as trafilatura can take long"
    xpath = any(each.language == "xpath" for each in config.content.selectors)
    return "as XPath can take long" if xpath else ""


def _following(config: CrawlConfig) -> Following | None:
    if not config.following.follow:
        return None
    return Following(
        drop_params=config.following.drop_params, token=product_token(config.network.user_agent)
    )


def _cpu_seconds(names: Sequence[str]) -> float:
    """Return the CPU time of the live threads with these names or classes; 0 if unreadable."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return 0.0
    total = 0.0
    for thread in threading.enumerate():
        if thread.ident and (thread.name in names or type(thread).__name__ in names):
            with suppress(OSError):  # it has ended in the meantime
                total += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return total
