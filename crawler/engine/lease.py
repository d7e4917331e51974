"""The right of one attempt to crawl a partition, on a clock of its own.

Attempts of a round have numbers, from 1 on. Each is an object that is created once, and so fences
the one before it:

    attempt-K   created once: attempt K has begun, and attempt K-1 has to end
    beat-K      the heartbeat of attempt K, which changes with every beat
    over-K      created once attempt K makes no request any more

Whoever holds an attempt beats five times within the lease, looks whether there is a next attempt,
and checks before every fetch that its last beat is young enough. Whoever takes over creates its
own attempt first, and then waits until each earlier one is over, or its beat has not changed for a
whole lease. No two clocks are compared: the holder counts from before its last beat was written,
the successor from when it saw the last change, which is later.

A holder that was stopped (SIGSTOP, a suspended machine) ends at its next check. What it can still
do is send the requests whose connections were open when it stopped: it checks before a fetch, and
not before each byte.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf
from typing import NoReturn

from crawler.model.errors import CrawlerError, ExitCode
from crawler.store.round_place import RoundPlace

BEATS = 5
"""Beats within a lease."""
_HELD = 0.8
"""Share of a lease for which a holder believes its last beat: the rest is for clocks that drift."""


def now() -> float:
    """Return seconds that never go back, and go on while the machine sleeps, where it can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def leave(why: str) -> NoReturn:
    """End this process at once: another one may be crawling in its place."""
    os.write(2, f"crawler: {why}; this attempt ends\n".encode())
    os._exit(ExitCode.ENVIRONMENT)


class Lease:
    """Attempt `number` of the round in `folder`, for so many seconds after each beat.

    lose: called if it is lost; does not return. tell: returns what a beat says of the progress.
    on_beat: called after each beat. every: seconds between two beats, if those of a lease are more.
    """

    def __init__(
        self,
        place: RoundPlace,
        folder: str,
        number: int,
        seconds: float,
        *,
        lose: Callable[[str], NoReturn] = leave,
        clock: Callable[[], float] = now,
        every: float = inf,
    ) -> None:
        self._every = min(every, seconds / BEATS)
        self._place = place
        self._folder = folder
        self.number = number
        self._seconds = seconds
        self._lose = lose
        self._clock = clock
        self._beats = 0
        self._renewed = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="lease", daemon=True)
        self.tell: Callable[[], bytes] = bytes
        self.on_beat: Callable[[], object] = int

    def __repr__(self) -> str:
        return f"Lease({self._folder!r}, {self.number}, beats={self._beats})"

    def begin(self) -> None:
        """Beat for the first time, and go on in a thread."""
        self._renewed = self._clock()
        self._beat()
        self._thread.start()

    def check(self) -> None:
        """Return if this attempt may still fetch; from any thread."""
        if self._clock() - self._renewed > self._seconds * _HELD:
            self._lose(f"{self._folder}: attempt {self.number} has lost its lease")

    def end(self) -> None:
        """Say that no request is made any more; may be called again."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._place.create(f"{self._folder}/over-{self.number}", b"")

    def _go_on(self) -> None:
        while not self._over.wait(self._every):
            self.check()
            # Without an answer the lease runs out.
            with suppress(OSError, CrawlerError):
                self._beat()
                self.on_beat()

    def _beat(self) -> None:
        at = self._clock()
        self._beats += 1
        data = b"%d\n%b" % (self._beats, self.tell())
        self._place.write(f"{self._folder}/beat-{self.number}", data)
        # After the beat: of two attempts that begin at once, at least one sees the other.
        if self._place.read(f"{self._folder}/attempt-{self.number + 1}") is not None:
            self._lose(f"{self._folder}: attempt {self.number} was given up for another")
        self._renewed = at


def taken_up(place: RoundPlace, folder: str, who: bytes) -> int:
    """Create the next attempt of a round; return its number."""
    number = len(attempts(place, folder)) + 1
    while not place.create(f"{folder}/attempt-{number}", who):
        number += 1
    return number


def attempts(place: RoundPlace, folder: str) -> list[int]:
    """Return the attempts of a round so far."""
    return attempts_among(place.names(folder))


def attempts_among(names: Iterable[str]) -> list[int]:
    """Return the attempts that the names in a round's folder tell of."""
    return sorted(int(name.partition("-")[2]) for name in names if name.startswith("attempt-"))


def wait_out(
    place: RoundPlace,
    earlier: Iterable[tuple[str, int]],
    seconds: float,
    *,
    clock: Callable[[], float] = now,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Wait until none of these attempts, by folder and number, can make a request any more."""
    left = {attempt: (clock(), b"") for attempt in earlier}
    while True:
        for attempt, (since, before) in list(left.items()):
            folder, number = attempt
            if place.read(f"{folder}/over-{number}") is not None:
                del left[attempt]
            elif (beat := place.read(f"{folder}/beat-{number}") or b"") != before:
                left[attempt] = clock(), beat
            elif clock() - since >= seconds:
                del left[attempt]
        if not left:
            return
        pause(seconds / (4 * BEATS))
