"""The log of a crawl: one line for each event, as words or as JSON, rotated by size.

Events come from any thread, an event loop's included, and wait in a bounded queue for the thread
that writes. Nobody waits for the disk: what finds the queue full is dropped, and counted in the
last line. A log that cannot be written any more is told once, at the end; the crawl goes on.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from queue import Full, Queue
from time import time
from typing import Protocol

from crawler.model.choices import LogFormat
from crawler.model.errors import EnvironmentFailure
from crawler.model.event import Event, Level
from crawler.model.output import dumps, printable

KEPT = 5
"""Old logs: FILE.1, the youngest, to FILE.5."""
WAITING = 10_000
"""Events that may wait: about 5 MB, and a second of a disk that stands still."""


class LogPlace(Protocol):
    """Takes lines without their ends. `failure` is the reason why one was not kept."""

    failure: BaseException | None

    def put(self, line: str) -> None:
        """Write a line."""

    def close(self) -> None:
        """Write the rest."""


class StandardError:
    """This process's standard error."""

    failure: BaseException | None = None

    def put(self, line: str) -> None:
        """Write a line; one that finds nobody is dropped."""
        try:
            print(line, file=sys.stderr, flush=True)  # noqa: T201  for a person
        except OSError as error:
            self.failure = error

    def close(self) -> None:
        """Leave it open: it is the process's."""


class RotatedFile(RotatingFileHandler):
    """A file that is added to, and put aside when it has reached `size` bytes (0: never)."""

    def __init__(self, path: str, size: int) -> None:
        self.failure: BaseException | None = None
        super().__init__(path, "a", size, KEPT, encoding="utf-8")

    def put(self, line: str) -> None:
        """Write a line."""
        self.emit(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        """Write the rest; a failure is kept, too."""
        try:
            super().close()
        except OSError as error:
            self.failure = self.failure or error

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802  the library's name
        """Keep the reason for whoever closes the log."""
        self.failure = self.failure or sys.exc_info()[1]


class CrawlLog:
    """Writes events to a place. Every method may be called from any thread."""

    def __init__(self, place: LogPlace, form: LogFormat) -> None:
        self._place = place
        self._line = _FORMS[form]
        self._queue: Queue[Event | None] = Queue(WAITING)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="crawler-log", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"CrawlLog({self._place!r}, waiting={self._queue.qsize()}, lost={self._lost})"

    def put(self, event: Event) -> None:
        """Take an event; never blocks."""
        try:
            self._queue.put_nowait(event)
        except Full:
            self._lost += 1

    def close(self) -> str:
        """Write what waits; return why something was not kept, or ""."""
        self._queue.put(None)
        self._thread.join()
        self._place.close()
        return str(self._place.failure or "")

    def _write(self) -> None:
        while (event := self._queue.get()) is not None:
            self._place.put(self._line(event))
        if self._lost:
            fields = {"events": self._lost}
            lost = Event(name="log_lost", level=Level.WARNING, at=time(), fields=fields)
            self._place.put(self._line(lost))


def open_log(path: str, form: LogFormat, size: int) -> CrawlLog:
    """Open a log at `path`, `-` for standard error. Raises `EnvironmentFailure`."""
    if path == "-":
        return CrawlLog(StandardError(), form)
    try:
        return CrawlLog(RotatedFile(path, size), form)
    except OSError as error:
        raise EnvironmentFailure(f"log: {path}: {error.strerror}") from error


def as_text(event: Event) -> str:
    """Return `2026-11-30T17:20:01.123Z WARNING breaker_opened host=http://a.test reason="..."`."""
    fields = "".join(f" {name}={_word(value)}" for name, value in event.fields.items())
    return f"{_moment(event.at)} {event.level.name:<7} {event.name}{fields}"


def as_json(event: Event) -> str:
    """Return an object with `time`, `level`, `event`, and the event's fields."""
    head: Mapping[str, object] = {
        "time": _moment(event.at),
        "level": event.level.name.lower(),
        "event": event.name,
    }
    return dumps({**head, **event.fields}).decode()


def _word(value: object) -> str:
    text = str(value)
    bare = text and printable(text) == text and not any(c in text for c in ' "=\\')
    return text if bare else dumps(text).decode()


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


_FORMS: Mapping[LogFormat, Callable[[Event], str]] = {"text": as_text, "json": as_json}
