"""Look names up: off the caller's thread, once for all who ask at once, and kept for a while.

`getaddrinfo` blocks and cannot be interrupted, so it runs in a few threads of its own, and whoever
asks waits for a future that it may abandon at its deadline. Answers are kept `ttl` seconds (the
system's resolver does not tell the records' own), failures are not kept. Memory is bounded: the
name that was looked up longest ago goes first.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from typing import NamedTuple

THREADS = 32
"""Look-ups at once. They are started on demand, wait nearly all the time, and cost little."""

MOST_NAMES = 10_000
"""Names kept: about 3 MB."""


class Address(NamedTuple):
    """One address of a host: the socket family and the IP in text."""

    family: int
    ip: str


Addresses = tuple[Address, ...]
LookUp = Callable[[str], Addresses]


def system_look_up(host: str) -> Addresses:
    """The addresses that the operating system knows for `host`, in its order of preference.

    Raises `socket.gaierror`, for what can be no host name too.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except UnicodeError:  # a label over 63 characters, or empty
        raise socket.gaierror(socket.EAI_NONAME, "no host name") from None
    return tuple(dict.fromkeys(Address(int(row[0]), str(row[4][0])) for row in found))


class Names:
    """A thread-safe cache of name look-ups."""

    def __init__(
        self,
        ttl: float,
        *,
        look_up: LookUp = system_look_up,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl = ttl
        self._look_up = look_up
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Addresses]] = {}
        self._asked: dict[str, Future[Addresses]] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="crawler-names")

    def known(self, host: str) -> Addresses | None:
        """The addresses that are still fresh, or None."""
        kept = self._kept.get(host)
        return kept[1] if kept is not None and self._clock() < kept[0] else None

    def ask(self, host: str) -> Future[Addresses]:
        """The look-up of `host`, shared with others who ask now; do not cancel it."""
        with self._lock:
            answer = self._asked.get(host)
            if answer is not None:
                return answer
            answer = self._asked[host] = Future()
        try:
            self._threads.submit(self._run, host, answer)
        except RuntimeError:  # closed meanwhile
            self._settle(host, answer, OSError("name look-up was closed"))
        return answer

    def close(self) -> None:
        """Fail what is waited for, and let the threads go; one inside `getaddrinfo` ends later."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            waiting = list(self._asked.items())
        for host, answer in waiting:
            self._settle(host, answer, OSError("name look-up was closed"))

    def _run(self, host: str, answer: Future[Addresses]) -> None:
        try:
            found = self._look_up(host)
        except BaseException as error:  # whatever it is belongs to those who wait
            self._settle(host, answer, error)
        else:
            self._settle(host, answer, found)

    def _settle(
        self, host: str, answer: Future[Addresses], found: Addresses | BaseException
    ) -> None:
        with self._lock:
            self._asked.pop(host, None)
            if not isinstance(found, BaseException) and self._ttl > 0:
                self._keep(host, found)
        try:
            if isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(found)
        except InvalidStateError:
            return  # `close` was faster

    def _keep(self, host: str, addresses: Addresses) -> None:
        self._kept.pop(host, None)
        self._kept[host] = (self._clock() + self._ttl, addresses)
        if len(self._kept) > MOST_NAMES:
            del self._kept[next(iter(self._kept))]
