"""One crawl from beginning to end: builds the parts, runs the engine, takes signals.

    session = CrawlSession(config, source, sink)
    session.run()          blocks; the asynchronous engine gets its own event loop
    await session.crawl()  the asynchronous engine on the loop that runs already

`stop`, `stop_now`, `wake` and `statistics` may be called from any thread and from signal handlers,
before, during and after the run. `overdue` tells whether `max_time`
or a person ended the crawl.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    nullcontext,
)
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, assert_never

from crawler.core.audit import Audit, Totals
from crawler.core.by_hand import Command, CrawlControl
from crawler.core.changes import Lasting
from crawler.core.collector import Snapshot
from crawler.core.crawl_core import CrawlCore, ignore
from crawler.core.waiting import LiveView
from crawler.engine.async_engine import AsyncEngine
from crawler.engine.plugins import GivenAsyncFetcher, GivenThreadedFetcher, Plugins
from crawler.engine.ports import LAST_WRITES, Sink, Source, silent
from crawler.engine.steps import VisitEnd
from crawler.fetch.budget import Budget
from crawler.fetch.http_fetcher import Former
from crawler.formats.robots import RobotsRules
from crawler.model.config import CrawlConfig
from crawler.model.errors import CrawlerError
from crawler.model.event import NO_EVENTS, Events, Level
from crawler.model.proxies import Proxies
from crawler.model.url import Seed
from crawler.runtime import late_trust
from crawler.runtime.event_loop import loop_factory
from crawler.runtime.files import LOOK_UP_FILES, allow_connections
from crawler.runtime.heap import give_back
from crawler.runtime.suffixes import PublicSuffixes
from crawler.store.log import AuditLog, RepeatLog
from crawler.workers.memory import memory_shares

if TYPE_CHECKING:
    from crawler.engine.threaded_engine import ThreadedEngine
    from crawler.fetch.loop_fetcher import LoopFetcher
    from crawler.fetch.urllib3_client import ThreadedFetcher
    from crawler.workers.parsing import Parsing

_SHOWN_HOSTS = 8

_OFFLINE = {"per_ip": 0, "delay": 0.0, "ip_delay": 0.0, "throttle": 0.0, "breaker": 0}
"""The options of a crawl that asks no server: there is nobody to be polite to."""


class CrawlSession:
    """A crawl of `source` into `sink`. `announce` is told, in one line each, what was decided.

    plugins: the caller's own parts.
    lasting: the journal, and what earlier runs of the crawl left. former: returns what an earlier
    crawl recorded of a URL. suspects: the file that names the pages which are being parsed in this
    process (`crawler.workers.suspects`).
    """

    def __init__(
        self,
        config: CrawlConfig,
        source: Source,
        sink: Sink,
        *,
        announce: Callable[[str], None] = silent,
        plugins: Plugins | None = None,
        lasting: Lasting | None = None,
        former: Former | None = None,
        suspects: Path | None = None,
    ) -> None:
        self._suspects = suspects
        self._plugins = plugins = plugins or Plugins()
        config = plugins.fitted(config)
        if config.network.offline:
            config = config.updated(_OFFLINE)
        self._former = former
        self._sends = lasting.changes.sends if lasting is not None else None
        give_back()
        self._bodies = memory_shares(config).bodies
        allow_connections(config.concurrency, spare=LOOK_UP_FILES)
        self._config = config
        self._proxies = Proxies(config.network.proxy, os.environ)
        self._source = source
        self._sink = sink
        self._announce = announce
        if self._proxies.note:
            announce(self._proxies.note)
        with ExitStack() as stack:
            audit: Callable[[Audit], None] = ignore
            repeated: Callable[[Seed], None] = ignore
            if config.audit:
                audit = stack.enter_context(AuditLog(config.audit, config.existing)).put
            if config.repeats:
                repeated = stack.enter_context(RepeatLog(config.repeats, config.existing)).put
            self._logs = stack.pop_all()
        self._core = CrawlCore(
            config,
            random=random.random,
            audit=audit,
            look_ups=plugins.fetcher is None and not config.network.offline,
            proxies=self._proxies,
            suffixes=PublicSuffixes(),
            link_filter=self._filter if plugins.link_filter is not None else None,
            lasting=lasting,
        )
        self._core.tell_repeats(repeated)
        self._failure: CrawlerError | None = None
        self._tell: Callable[[Callable[[], None]], object] | None = None
        self._engine: AsyncEngine | ThreadedEngine | None = None
        self._stop_asked = False
        self._timer: threading.Timer | None = None
        self.overdue = False
        self._describe: Callable[[], str] = str
        self._worker_cpu: Callable[[], float] = float
        self._events = NO_EVENTS
        self._trace: Callable[[VisitEnd], None] | None = None
        self._early: list[CrawlControl] = []
        self._queue: Callable[[], int] = int
        sink.on_room = self.wake
        if lasting is not None:
            lasting.changes.watch(lambda: self._look(lasting))

    def tell_events(self, events: Events) -> None:
        """Tell `events` of what happens; before the run."""
        self._events = events
        self._core.tell_events(events)

    def trace(self, opened: Callable[[], Callable[[VisitEnd], None]]) -> None:
        """Tell what `opened` returns of each visit that ends; before the run."""
        self._trace = opened()

    def run(self) -> Snapshot:
        """Crawl until nothing is left, or until stopped; blocks.

        Raises CrawlerError if the list or the sink failed, after everything that was still
        possible.
        """
        match self._config.engine:
            case "async":
                factory = loop_factory(self._config.loop)
                with asyncio.Runner(loop_factory=factory, debug=self._config.debug) as runner:
                    runner.run(self.crawl())
            case "threaded":
                with self._logs:
                    self._run_threaded()
            case other:
                assert_never(other)
        return self.statistics()

    def rules(self, key: str) -> RobotsRules | None:
        """Return the rules that a host's robots.txt gave; None if it was not read."""
        return self._core.rules(key)

    async def crawl(self) -> None:
        """Crawl on the running event loop, with the asynchronous engine."""
        with self._logs:
            await self._run_async()

    async def _run_async(self) -> None:
        from crawler.workers.hand_over import AsyncParsing

        loop = asyncio.get_running_loop()
        async with (
            self._async_fetcher() as fetcher,
            AsyncParsing(
                self._config,
                announce=self._announce,
                given=self._plugins.parser,
                suspects=self._suspects,
            ) as parser,
        ):
            engine = AsyncEngine(
                self._core,
                fetcher,
                parser,
                self._sink,
                drain_timeout=self._config.drain_timeout,
                agent=self._config.network.user_agent,
                announce=self._announce,
            )
            engine.keep_body = self._plugins.keep_body
            self._begin(engine, parser, loop.call_soon_threadsafe)
            try:
                await engine.run(self._source)
            finally:
                self._end()
        self._check()

    def _run_threaded(self) -> None:
        from crawler.engine.threaded_engine import ThreadedEngine
        from crawler.workers.hand_over import ThreadedParsing

        with (
            self._threaded_fetcher() as fetcher,
            ThreadedParsing(
                self._config,
                announce=self._announce,
                given=self._plugins.parser,
                suspects=self._suspects,
            ) as parser,
        ):
            engine = ThreadedEngine(
                self._core,
                fetcher,
                parser,
                self._sink,
                slots=self._config.concurrency,
                drain_timeout=self._config.drain_timeout,
                agent=self._config.network.user_agent,
                announce=self._announce,
            )
            engine.keep_body = self._plugins.keep_body
            fetcher.on_beat = engine.look
            self._begin(engine, parser, _at_once)
            try:
                engine.run(self._source)
            finally:
                self._end()
        self._check()

    def _async_fetcher(self) -> AbstractAsyncContextManager[LoopFetcher | GivenAsyncFetcher]:
        plugins = self._plugins
        if plugins.fetcher is not None:
            return nullcontext(GivenAsyncFetcher(plugins.fetcher, self._config, self._sends))
        return self._client()(
            self._config,
            proxies=self._proxies,
            budget=self._budget(),
            headers=plugins.headers,
            keep=plugins.keep,
            former=self._former,
            sends=self._sends,
        )

    def _client(self) -> type[LoopFetcher]:
        """Return the client's class; behind a proxy aiohttp is the only one."""
        if self._config.client == "raw":
            if not self._proxies.all:
                from crawler.fetch.raw_client import RawFetcher

                return RawFetcher
            self._announce("client: aiohttp instead of raw, which goes through no proxy")
        with late_trust.importing("aiohttp"):
            from crawler.fetch.aiohttp_client import AioFetcher

            return AioFetcher

    def _threaded_fetcher(self) -> AbstractContextManager[ThreadedFetcher | GivenThreadedFetcher]:
        plugins = self._plugins
        if plugins.fetcher is not None:
            return nullcontext(GivenThreadedFetcher(plugins.fetcher, self._config, self._sends))
        from crawler.fetch.urllib3_client import ThreadedFetcher

        return ThreadedFetcher(
            self._config,
            proxies=self._proxies,
            budget=self._budget(),
            headers=plugins.headers,
            keep=plugins.keep,
            former=self._former,
            sends=self._sends,
        )

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _filter(self, url: str) -> bool:
        """Ask the caller's filter; if it raises, no link is followed and the crawl ends."""
        try:
            wanted = self._plugins.link_filter
            return self._failure is None and (wanted is None or bool(wanted(url)))
        except Exception as error:
            self._failure = CrawlerError(f"link_filter failed: {type(error).__name__}: {error}")
            self._failure.__cause__ = error
            threading.Thread(target=self.stop_now, daemon=True).start()  # the core is at work
            return False

    def _budget(self) -> Budget:
        """Return the memory budget for bodies; a body waits for memory up to the timeout."""
        config = self._config
        return Budget(self._bodies, patience=config.network.timeout, width=config.concurrency)

    def _begin(
        self,
        engine: AsyncEngine | ThreadedEngine,
        parser: Parsing,
        tell: Callable[[Callable[[], None]], object],
    ) -> None:
        self._describe = parser.describe
        self._worker_cpu = parser.worker_cpu_seconds
        self._queue = parser.queue
        self._core.begin(perf_counter())
        engine.led_on = self._plugins.led_on
        engine.before_fetch = self._plugins.before_fetch
        engine.trace = self._trace
        self._engine = engine
        self._tell = tell
        early, self._early = self._early, []
        for each in early:
            self.control(each)
        if self._stop_asked:
            tell(engine.stop)
        if self._config.max_time:
            self._timer = threading.Timer(self._config.max_time, self._out_of_time)
            self._timer.daemon = True
            self._timer.start()

    def _out_of_time(self) -> None:
        """End the crawl after `max_time`, as if a person had stopped it."""
        self.overdue = True
        self._events.tell(Level.WARNING, "overdue", seconds=self._config.max_time)
        in_flight = self.statistics().in_flight
        time = f"--max-time {self._config.max_time:g} s is over"
        self._announce(f"{time}: finishing {in_flight:,} in flight")
        self.stop()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._tell = None
        self._core.collector.end(perf_counter())
        self._core.remember(perf_counter())
        self._core.close()

    def stop(self) -> None:
        """Start nothing more and let what is in flight end, within `drain_timeout` seconds.

        The same bound is that of writing: what the end of the drain leaves gets `LAST_WRITES` more.
        """
        if not self._stop_asked:
            in_flight, most = self.statistics().in_flight, self._config.drain_timeout
            self._events.tell(Level.INFO, "drain", in_flight=in_flight, seconds=most)
        self._stop_asked = True
        self._sink.end_within(self._config.drain_timeout + LAST_WRITES)
        self._command(lambda engine: engine.stop)

    def stop_now(self) -> None:
        """Start nothing more and end what is in flight."""
        self._stop_asked = True
        self._sink.end_within(LAST_WRITES)
        self._command(lambda engine: engine.cancel)

    def control(self, control: CrawlControl) -> None:
        """Do what a person asks, as soon as the crawl runs."""
        if control.command is Command.STOP:
            self.overdue = True
            self.stop()
        elif self._engine is None:
            self._early.append(control)
        else:
            self._command(lambda engine: partial(engine.control, control))

    def show_hosts(self) -> None:
        """Have `statistics` show hosts."""
        self._core.show_hosts()

    def partitions(self) -> tuple[()]:
        """Return nothing: this is an ordinary crawl."""
        return ()

    def wake(self) -> None:
        """Resume, as the sink has room again."""
        self._command(lambda engine: engine.wake)

    def statistics(self) -> Snapshot:
        """Return the statistics so far."""
        return replace(self._core.statistics(perf_counter()), parser_queue=self._queue())

    def _look(self, lasting: Lasting) -> LiveView:
        """Return what `crawler status` shows; from any thread."""
        taken = self.statistics()
        return LiveView(
            elapsed=taken.elapsed,
            records=taken.records,
            pages=taken.pages,
            wire_bytes=taken.wire_bytes,
            in_flight=taken.in_flight,
            hosts_away=taken.hosts_away,
            expected=lasting.expected(),
            hosts=self._core.waiting(_SHOWN_HOSTS, perf_counter()),
        )

    def totals(self) -> Totals:
        """Return the totals over all hosts, once the crawl is over."""
        return self._core.totals()

    @property
    def parsing(self) -> str:
        """The executor of the parser, and the reason for it."""
        return self._describe()

    @property
    def worker_cpu_seconds(self) -> float:
        """CPU time of the parser processes."""
        return self._worker_cpu()

    def _command(self, pick: Callable[[AsyncEngine | ThreadedEngine], Callable[[], None]]) -> None:
        tell, engine = self._tell, self._engine
        if tell is None or engine is None:
            return
        try:
            tell(pick(engine))
        except RuntimeError:  # the loop closed between the look and the call: nothing left to tell
            if self._tell is not None:
                raise


def _at_once(call: Callable[[], None]) -> None:
    call()
