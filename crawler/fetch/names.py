"""Look names up in threads, once for all who ask at the same time, and cache the answers.

`getaddrinfo` blocks and cannot be interrupted, so each look-up has its own thread, and callers wait
for a future that they may abandon at their deadline. All look-ups run at once: a name that no
server answers for takes half a minute and must not delay the next. Their number is bounded by the
callers (`crawler.core.frontier`) and by abandoned look-ups, which run until the system answers. An
idle thread ends after `IDLE` seconds.

If the system refuses another thread, a look-up waits for one, and its time begins only with
`LookUp.begun`. The threads are daemons that nobody joins, so an exit never waits for a name server.

Answers are kept for `ttl` seconds (the system does not report the records' own), failures are not
kept. Memory is bounded: the oldest answer is evicted first.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import NamedTuple, TypeVar

IDLE = 10.0
"""Seconds that a thread waits for another name."""

MOST_NAMES = 10_000
"""Names kept: about 3 MB."""

_T = TypeVar("_T")


class ResolvedAddress(NamedTuple):
    """One address of a host: the socket family and the IP in text."""

    family: int
    ip: str


Addresses = tuple[ResolvedAddress, ...]
Resolve = Callable[[str], Addresses]


def system_look_up(host: str) -> Addresses:
    """Return the addresses of `host` in the operating system's order of preference.

    Raises `socket.gaierror`, also for an invalid host name.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except UnicodeError:  # a label over 63 characters, or empty
        raise socket.gaierror(socket.EAI_NONAME, "no host name") from None
    return tuple(dict.fromkeys(ResolvedAddress(int(row[0]), str(row[4][0])) for row in found))


def literal_address(host: str) -> Addresses:
    """Return the address if `host` is one, () for a name."""
    if ":" in host:
        return (ResolvedAddress(socket.AF_INET6, host),)
    if host[-1:].isdigit():  # WHATWG URL: a host that ends in a number is an IPv4 address
        return (ResolvedAddress(socket.AF_INET, host),)
    return ()


class LookUp(NamedTuple):
    """A look-up in flight: `begun` is done when a thread runs it, `answer` when it has ended.

    Others may wait for the same look-up: do not cancel the futures.
    """

    host: str
    begun: Future[None]
    answer: Future[Addresses]


class Names:
    """A thread-safe cache of name look-ups."""

    def __init__(
        self,
        ttl: float,
        *,
        look_up: Resolve = system_look_up,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl = ttl
        self._resolve = look_up
        self._clock = clock
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._kept: dict[str, tuple[float, Addresses]] = {}
        self._asked: dict[str, LookUp] = {}
        self._queue: deque[LookUp] = deque()
        self._threads = self._idle = 0
        self._closed = False

    def known(self, host: str) -> Addresses | None:
        """Return the cached addresses, None if there are none or they have expired."""
        kept = self._kept.get(host)
        return kept[1] if kept is not None and self._clock() < kept[0] else None

    def ask(self, host: str) -> LookUp:
        """Begin the look-up of `host`, or join the one in flight."""
        with self._lock:
            found = self._asked.get(host)
            if found is not None:
                return found
            found = LookUp(host, Future(), Future())
            if self._closed:
                _end(found, OSError("name look-up was closed"))
                return found
            self._asked[host] = found
            self._queue.append(found)
            staffed = self._staff()
        if not staffed:
            self._settle(found, socket.gaierror(socket.EAI_AGAIN, "no thread for a name look-up"))
        return found

    def close(self) -> None:
        """Fail pending look-ups and end the threads; one inside `getaddrinfo` ends later."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            waiting = list(self._asked.values())
            self._work.notify_all()
        for each in waiting:
            self._settle(each, OSError("name look-up was closed"))

    def _staff(self) -> bool:
        """Provide a thread for the newest look-up; return False if there will never be one."""
        if self._idle >= len(self._queue):
            self._work.notify()
            return True
        thread = threading.Thread(target=self._run, name="crawler-names", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system's limit: an existing thread takes it later
            return self._threads > 0
        self._threads += 1
        return True

    def _run(self) -> None:
        while (look_up := self._next()) is not None:
            _set(look_up.begun, None)
            try:
                found = self._resolve(look_up.host)
            except BaseException as error:  # passed on to those who wait
                self._settle(look_up, error)
            else:
                self._settle(look_up, found)

    def _next(self) -> LookUp | None:
        """Return the next look-up to run, None when the thread is not needed any more."""
        with self._lock:
            self._idle += 1
            self._work.wait_for(lambda: self._queue or self._closed, IDLE)
            self._idle -= 1
            if self._queue:
                return self._queue.popleft()
            self._threads -= 1
            return None

    def _settle(self, look_up: LookUp, found: Addresses | BaseException) -> None:
        with self._lock:
            if self._asked.get(look_up.host) is look_up:
                del self._asked[look_up.host]
            if not isinstance(found, BaseException) and self._ttl > 0:
                self._keep(look_up.host, found)
        _end(look_up, found)

    def _keep(self, host: str, addresses: Addresses) -> None:
        self._kept.pop(host, None)
        self._kept[host] = (self._clock() + self._ttl, addresses)
        if len(self._kept) > MOST_NAMES:
            del self._kept[next(iter(self._kept))]


def _end(look_up: LookUp, found: Addresses | BaseException) -> None:
    _set(look_up.begun, None)
    _set(look_up.answer, found)


def _set(future: Future[_T], value: _T | BaseException) -> None:
    """Complete a future unless `close` has done so before."""
    try:
        if isinstance(value, BaseException):
            future.set_exception(value)
        else:
            future.set_result(value)
    except InvalidStateError:
        return
