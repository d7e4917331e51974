"""Whoever watches a crawl of the command line, from its beginning to its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from secrets import token_hex
from time import time
from typing import TYPE_CHECKING, Protocol

from crawler.core.by_hand import CrawlControl
from crawler.core.collector import Snapshot
from crawler.model.command_config import CommandConfig
from crawler.model.errors import CrawlerError, ExitCode
from crawler.model.event import Event, Events, Level, told_url
from crawler.model.version import VERSION

if TYPE_CHECKING:
    from crawler.engine.steps import VisitEnd


class WatchedSession(Protocol):
    """The crawl, as far as it is watched."""

    def statistics(self) -> Snapshot:
        """Return the statistics so far; from any thread."""

    def show_hosts(self) -> None:
        """Have the statistics show hosts."""

    def trace(self, opened: Callable[[], Callable[[VisitEnd], None]]) -> None:
        """Tell what `opened` returns of each visit, unless partitions do that themselves."""

    def control(self, control: CrawlControl) -> None:
        """Do what a person asks."""

    def partitions(self) -> Sequence[tuple[int, bool, Snapshot]]:
        """Return each partition's number, whether it runs, and its statistics."""


class Watchable(Protocol):
    """A crawl that is ready to run."""

    @property
    def session(self) -> WatchedSession:
        """The crawl."""

    def expected(self) -> int | None:
        """Return the expected number of entries."""


class CrawlWatch:
    """Passes events on to those who want to know. `events` is where they come in."""

    def __init__(self, config: CommandConfig) -> None:
        self._config = config
        self._receivers: list[tuple[Level, Callable[[Event], None]]] = []
        self._statistics: Callable[[], Snapshot] = Snapshot
        self._followers: list[Callable[[Watchable], None]] = []
        level = config.watching.level
        self.events = Events(level=level, receive=self._receive, clock=time)

    def __repr__(self) -> str:
        return f"CrawlWatch({len(self._receivers)} at {self.events.level.name})"

    def add(self, level: Level, receive: Callable[[Event], None]) -> None:
        """Pass events from a level on to `receive`, from any thread."""
        self._receivers.append((level, receive))

    def _receive(self, event: Event) -> None:
        for level, receive in self._receivers:
            if event.level >= level:
                receive(event)

    @property
    def statistics(self) -> Snapshot:
        """The statistics so far; those of a crawl without URLs until it is ready."""
        return self._statistics()

    def follow(self, parts: Watchable) -> None:
        """Watch a crawl that is ready."""
        self._statistics = parts.session.statistics
        for follower in self._followers:
            follower(parts)

    def on_ready(self, follower: Callable[[Watchable], None]) -> None:
        """Call `follower` with the crawl once it is ready."""
        self._followers.append(follower)

    def started(self) -> None:
        """Tell of the start."""
        config = self._config
        self.events.tell(
            Level.INFO,
            "start",
            version=VERSION,
            engine=config.engine,
            workers=str(config.workers),
            concurrency=config.concurrency,
        )

    def refused(self, error: CrawlerError) -> None:
        """Tell why nothing is crawled: it is complete, or cannot be."""
        if error.exit_code is ExitCode.FINISHED:
            self.events.tell(Level.INFO, "complete", text=str(error))
        else:
            self.failed(error)

    def failed(self, error: object) -> None:
        """Tell of a failure of the list, the output or the machine."""
        self.events.tell(Level.ERROR, "error", reason=str(error))

    def ended(self, taken: Snapshot, code: int) -> None:
        """Tell of the end."""
        self.events.tell(
            Level.INFO,
            "end",
            exit_code=int(code),
            records=taken.records,
            failed=taken.failed,
            skipped=taken.skipped,
            retries=taken.retries,
            wire_bytes=taken.wire_bytes,
            seconds=round(taken.elapsed, 3),
        )


@contextmanager
def watched(config: CommandConfig, title: str, say: Callable[[str], None]) -> Iterator[CrawlWatch]:
    """Yield the watch of one crawl; `say` prints a line. Raises `EnvironmentFailure`."""
    watch = CrawlWatch(config)
    with ExitStack() as stack:
        if config.watching.log:
            _log(watch, config, say, stack)
        if config.watching.notify:
            _notify(watch, config, say, stack)
        if config.watching.metrics.number is not None:
            _metrics(watch, config, say, stack)
        if config.watching.live.number is not None:
            _live(watch, config, title, say, stack)
        if config.watching.otlp.href:
            _traces(watch, config, say, stack)
        watch.started()
        try:
            yield watch
        except CrawlerError as error:
            watch.refused(error)
            raise


def _log(
    watch: CrawlWatch, config: CommandConfig, say: Callable[[str], None], stack: ExitStack
) -> None:
    from crawler.watch.crawl_log import open_log

    options = config.watching
    log = open_log(options.log, options.log_format, options.log_size)
    watch.add(Level[options.log_level.upper()], log.put)

    def close() -> None:
        if reason := log.close():
            say(f"log: {options.log} is not complete: {reason}")

    stack.callback(close)


def _metrics(
    watch: CrawlWatch, config: CommandConfig, say: Callable[[str], None], stack: ExitStack
) -> None:
    from crawler.measure.exposition_server import serving_metrics
    from crawler.watch.crawl_metrics import CrawlExposition

    about = {"version": VERSION, "engine": config.engine, "workers": str(config.workers)}
    exposition = CrawlExposition(lambda: watch.statistics, about)
    port = config.watching.metrics.number or 0
    say(f"metrics: {stack.enter_context(serving_metrics(port, exposition, process=True))}")


def _live(
    watch: CrawlWatch,
    config: CommandConfig,
    title: str,
    say: Callable[[str], None],
    stack: ExitStack,
) -> None:
    from crawler.cli.crawl_board import BoardSource, CrawlBoard
    from crawler.watch.live_server import check_address, serving_live

    options = config.watching
    check_address(options.live_address, public=options.live_public)
    board = CrawlBoard(title, config)
    watch.add(Level.DEBUG, board.receive)

    def follow(parts: Watchable) -> None:
        session = parts.session
        session.show_hosts()
        board.source = BoardSource(
            statistics=session.statistics,
            expected=parts.expected,
            control=session.control,
            partitions=session.partitions,
        )

    watch.on_ready(follow)
    served = serving_live(
        board.board, board.order, port=options.live.number or 0, address=options.live_address
    )
    line = f"live: {stack.enter_context(served)}"
    if config.quiet:  # nobody else knows the address
        print(line, file=sys.stderr, flush=True)
    else:
        say(line)


def _traces(
    watch: CrawlWatch, config: CommandConfig, say: Callable[[str], None], stack: ExitStack
) -> None:
    from crawler.engine.span_export import exporting_visits, require_otlp

    require_otlp()
    options = config.watching
    collector = told_url(options.otlp.href)
    say(f"otlp: {options.otlp_sample:.3g} of the URLs (--otlp-sample) to {collector}")

    def opened() -> Callable[[VisitEnd], None]:
        return stack.enter_context(exporting_visits(options, token_hex(8), say))

    watch.on_ready(lambda parts: parts.session.trace(opened))


def _notify(
    watch: CrawlWatch, config: CommandConfig, say: Callable[[str], None], stack: ExitStack
) -> None:
    from crawler.watch.notifier import Notifier

    options = config.watching
    notifier = Notifier(options.notify, options.notify_above, lambda: watch.statistics, say)
    watch.add(Level.INFO, notifier.receive)
    stack.callback(notifier.close)
