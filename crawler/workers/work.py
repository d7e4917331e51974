"""Parse one page; this code also runs inside the parser workers.

A page travels to a worker as a plain tuple (`Packed`) and comes back as one (`Answer`): pickling
frozen dataclasses would cost the event loop more than the hand-over itself. A parser's result is
turned into JSON bytes *here*, so it is never pickled: a value without a JSON form fails this page
and affects nothing else.

Three limits on a page's time, from the cheapest to the last resort:

1. `PageAlarm`: SIGALRM raises `Overrun` inside the page (main thread only, POSIX). Costs two system
   calls a page and no worker.
2. The CPU time it took: a page that exceeded its limit has failed, even if it finished. What it
   waited is left to the others, as a stopped process (Ctrl-Z) and a busy machine wait, too.
3. The pool reads the worker's marker (page and start time) and kills the worker.

The memory of a worker process is limited as well (`Work.memory`). The page that hits the limit
raises `Exhausted`, and the worker is replaced, as nobody knows what else it still holds.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, MutableSequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from functools import partial
from importlib import import_module
from operator import attrgetter
from types import FrameType
from typing import Any, Final

import orjson

from crawler.formats import response as own_response
from crawler.formats.follow import Following
from crawler.model.choices import Html
from crawler.model.content_config import NO_CONTENT, ContentConfig
from crawler.model.document import Document, RawResponse
from crawler.model.outcome import Kind, Parsed, ParseFault
from crawler.model.output import escaped
from crawler.model.value import value
from crawler.workers import own
from crawler.workers.failure_reason import one_line, overrun_reason, place
from crawler.workers.worker_answer import MAX_JSON, Answer

Packed = tuple[str, int, str, bytes, str, str, tuple[tuple[str, str], ...]]
"""The fields of a `RawResponse`, in order."""

_FIELDS: Final = tuple(each.name for each in fields(RawResponse))
pack: Callable[[RawResponse], Packed] = attrgetter(*_FIELDS)
"""Returns a response as a plain tuple for a worker."""

PAGE: Final = "crawler.formats.page:page"
# The marker's cells: serial of the batch, index of the page in it (-1: none), monotonic time at
# which that page began, and 1 if the lane was abandoned (only threads check this).
SERIAL, INDEX, SINCE, ABANDONED = range(4)
Marker = MutableSequence[float]


@value(frozen=True, slots=True, kw_only=True)
class Work:
    """The work to do on every page; passed to a worker once, when it starts.

    `page` and `parser` are `module:function`; `parser` is "" without a user's parser, which is
    also searched for in `folder` (`crawler.workers.own`). `timeout` limits one page, in seconds;
    `memory` limits a process, in MB, 0 for no limit. `html` is the library that reads markup;
    `content` says what else is extracted.
    """

    page: str = PAGE
    parser: str = ""
    given: Callable[..., Any] | None = None
    extractors: own.Extractors = ()
    folder: str = ""
    timeout: float = 10.0
    memory: int = 0
    html: Html = "frostwork"
    following: Following | None = None
    content: ContentConfig = NO_CONTENT


class Overrun(BaseException):
    """Raised inside a page that exceeded its time limit; `except Exception` does not catch it."""


class Exhausted(Exception):
    """Raised by a batch whose worker hit its memory limit."""


SLICES: Final = 10
"""Parts in which an `PageAlarm` counts its time: a stop of the process costs a page one part."""


class PageAlarm(AbstractContextManager[None]):
    """Limits the code inside `with alarm:` to `seconds`, on the main thread of a process.

    Time is counted in slices, one per signal. Only one signal arrives after a stop of the process
    (Ctrl-Z), so the stop does not count as the page's time. A late signal of the previous page is
    ignored, as it comes too soon for a slice.
    """

    def __init__(self, seconds: float) -> None:
        self._slice = seconds / SLICES
        self._left = 0
        self._counted_at = 0.0
        self._previous = signal.signal(signal.SIGALRM, self._ring)

    def __enter__(self) -> None:
        self._left = SLICES
        self._counted_at = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, self._slice, self._slice)

    def __exit__(self, *_: object) -> None:
        self._disarm()

    def _disarm(self) -> None:
        self._left = 0
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, _signum: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._left or now - self._counted_at < self._slice / 2:
            return
        self._left -= 1
        self._counted_at = now
        if not self._left:
            self._disarm()
            raise Overrun

    def close(self) -> None:
        """Restore the previous handler of SIGALRM."""
        signal.signal(signal.SIGALRM, self._previous)


def alarm(seconds: float) -> PageAlarm | None:
    """Return an alarm; None where it cannot work or SIGALRM is in use."""
    if not hasattr(signal, "setitimer"):
        return None
    if threading.current_thread() is not threading.main_thread():
        return None
    return PageAlarm(seconds) if signal.getsignal(signal.SIGALRM) is signal.SIG_DFL else None


class Parser:
    """Parses one page at a time, in the caller, a thread or a worker.

    isolated: it has a process or an interpreter to itself, and may extend its module path.
    """

    def __init__(
        self,
        work: Work,
        limit: PageAlarm | None = None,
        *,
        inline: bool = False,
        isolated: bool = False,
        memory_limited: bool = False,
    ) -> None:
        module, _, name = work.page.partition(":")
        page: Callable[..., Any] = getattr(import_module(module), name)
        if work.page == PAGE:
            page = partial(page, following=work.following, library=work.html, asked=work.content)
        self._page = page
        self._own = work.given
        if work.parser:
            self._own = own.load(work.parser, work.folder, keep=isolated)
        self._own_name = work.parser or own.name_of(work.given)
        self._extractors = [
            (name, own.load(place, "", keep=isolated, option=f"extract {name}"))
            for name, place in work.extractors
        ]
        self._extracting = ""  # who is at work, for the reason of a failure
        self._timeout = work.timeout
        self._limit: AbstractContextManager[None] = limit or nullcontext()
        self._inline = inline
        self._memory = work.memory if memory_limited else 0

    def parse(self, response: RawResponse) -> Parsed:
        """Parse one page; return a failure instead of raising it.

        Raise only `KeyboardInterrupt` where pages are parsed inline, and `Exhausted` in a process
        with a memory limit.
        """
        started, cpu = time.perf_counter(), time.thread_time()
        self._extracting = ""
        try:
            with self._limit:
                document = self._document(response)
        except Overrun:
            return self._overrun()
        except KeyboardInterrupt as error:
            if self._inline:
                raise
            return _fault(error)
        except MemoryError as error:
            if self._memory:
                raise Exhausted(f"MemoryError: {self._memory} MB are allowed") from None
            return _fault(error)
        except BaseException as error:  # a parser may raise SystemExit or CancelledError, too
            return _fault(error, self._extracting)
        seconds = time.perf_counter() - started
        if time.thread_time() - cpu > self._timeout:  # no alarm rang, as in a thread or in C code
            return self._overrun()
        return Document(json=document.json, seconds=seconds, leads=document.leads)

    def answer(self, page: Packed) -> Answer:
        """Parse a packed page in a worker, and return its answer."""
        parsed = self.parse(_unpacked(page))
        if isinstance(parsed, Document):
            leads = parsed.leads
            return parsed.json, parsed.seconds, None if leads is None else (*leads,)
        return parsed.kind.value, parsed.reason, None

    def _document(self, response: RawResponse) -> Document:
        document: Document = self._page(response)
        if self._own is not None or self._extractors:
            document = replace(document, json=self._with_own(document.json, response))
        if len(document.json) > MAX_JSON:
            size = len(document.json)
            raise ValueError(f"the fields have {size} bytes, {MAX_JSON} are allowed")
        return document

    def _with_own(self, json: bytes, response: RawResponse) -> bytes:
        given = own_response.Response.of(response)
        if self._own is not None:
            json = _with(json, b"parsed", self._fields(self._own(given)))
        found = {}
        for name, extract in self._extractors:
            self._extracting = name
            found[name] = extract(given)
        if found:
            json = _with(json, b"extracted", escaped(orjson.dumps(found)))
        self._extracting = ""
        return json

    def _fields(self, fields: object) -> bytes:
        if not isinstance(fields, dict):
            raise TypeError(f"{self._own_name} returned {type(fields).__name__}, not a dict")
        return escaped(orjson.dumps(fields))

    def _overrun(self) -> ParseFault:
        return ParseFault(kind=Kind.PARSE_TIMEOUT, reason=overrun_reason(self._timeout))


def _fault(error: BaseException, extractor: str = "") -> ParseFault:
    by = f"extract {extractor}: " if extractor else ""
    return ParseFault(kind=Kind.PARSE, reason=by + one_line(error) + place(error))


def _with(json: bytes, name: bytes, fields: bytes) -> bytes:
    comma = b"," if len(json) > 2 else b""
    return b'%b%b"%b":%b}' % (json[:-1], comma, name, fields)


def _unpacked(page: Packed) -> RawResponse:
    values: Any = zip(_FIELDS, page, strict=True)
    return RawResponse(**dict(values))


def run_batch(parser: Parser, marker: Marker, serial: int, pages: list[Packed]) -> list[Answer]:
    """Parse a batch, marking the current page in `marker`; stop if abandoned."""
    answers: list[Answer] = []
    try:
        for index, page in enumerate(pages):
            if marker[ABANDONED]:
                break
            marker[SINCE] = time.monotonic()  # before the index: never an old time for a new page
            marker[SERIAL], marker[INDEX] = serial, index
            answers.append(parser.answer(page))
    finally:
        marker[INDEX] = -1
    return answers
