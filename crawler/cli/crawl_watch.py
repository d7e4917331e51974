"""Whoever watches a crawl of the command line, from its beginning to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import time
from typing import Protocol

from crawler.core.collector import Snapshot
from crawler.model.command_config import CommandConfig
from crawler.model.event import Event, Events, Level
from crawler.model.version import VERSION


class WatchedSession(Protocol):
    """The crawl, as far as it is watched."""

    def statistics(self) -> Snapshot:
        """Return the statistics so far; from any thread."""


class Watchable(Protocol):
    """A crawl that is ready to run."""

    @property
    def session(self) -> WatchedSession:
        """The crawl."""


class CrawlWatch:
    """Passes events on to those who want to know. `events` is where they come in."""

    def __init__(self, config: CommandConfig) -> None:
        self._config = config
        self._receivers: list[tuple[Level, Callable[[Event], None]]] = []
        self._statistics: Callable[[], Snapshot] = Snapshot
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
def watched(config: CommandConfig, say: Callable[[str], None]) -> Iterator[CrawlWatch]:
    """Yield the watch of one crawl; `say` prints a line. Raises `EnvironmentFailure`."""
    watch = CrawlWatch(config)
    with ExitStack() as stack:
        if config.watching.log:
            _log(watch, config, say, stack)
        if config.watching.metrics.number is not None:
            _metrics(watch, config, say, stack)
        watch.started()
        yield watch


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
