"""Divide the memory for all bodies in flight: which may read on, wait, or are cut.

A body counts from `step` bytes on until its visit ends: while it arrives, waits for the parser and
is parsed. A smaller one costs only a comparison.

A body of known length asks for all of it at once, any other for twice its size so far. If there is
room it is granted; otherwise its exchange stops reading (TCP slows the server) and its clock stands
still. Room goes to the smallest need first, so the largest wait longest, and after `patience`
seconds a waiting body is cut, the largest first. While others wait, a body that holds memory and
receives nothing for `STALLED` seconds is ended, as if its time were up.

    growing -> waiting -> growing | cut
       |
       +-> stalled, ended        only while others wait

There is no deadlock: if all bodies that hold memory wait, the largest goes on into the `spare`
reserved for that; when that is used up it is cut. So each wait ends: by the end of another, which
has a deadline, or by its `patience`.

Thread-safe; nothing here blocks. Callbacks run without the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from crawler.model.request import Request

STEP = 65_536
"""Bytes of a body that do not count: most pages have fewer."""

STALLED = 2.0
"""Seconds without a byte after which a body is ended while others wait for its memory."""


@dataclass(slots=True, eq=False)
class Account:
    """One body's memory. `room`, an asyncio or threading event, is set while it may grow.

    `heard` returns the time of its last bytes, `end` ends its exchange. `granted` is the size it
    may have; after `cut` it gets no more. `reading` is true until its exchange ends.
    """

    heard: Callable[[], float]
    room: Any
    end: Callable[[], None]
    reading: bool = True
    granted: int = 0
    need: int = 0
    since: float = inf  # start of its wait
    cut: bool = False

    @property
    def waits(self) -> bool:
        """True if it may not read on for now."""
        return self.since < inf


class Budget:
    """Divides `total` bytes among the bodies of at most `width` exchanges at once."""

    def __init__(self, total: float = inf, *, patience: float = inf, width: int = 1) -> None:
        self.step = STEP if total == inf else int(min(STEP, max(4_096, total / 4 / width)))
        self.spare = total / 8 if total < inf else inf
        self.waiting = 0
        self.used = 0
        self._total = total - self.spare if total < inf else inf
        self._patience = patience
        self._lock = threading.Lock()
        self._accounts: dict[Request, Account] = {}

    @property
    def full(self) -> bool:
        """True if no room is left for a new body."""
        return self.used >= self._total

    def grow(
        self, request: Request, size: int, need: int, now: float, make: Callable[[], Account]
    ) -> Account:
        """Ask for `need` bytes for a body of `size` bytes so far; `make` creates its account.

        The account has the result: it `waits`, is `cut`, or may read on.
        """
        with self._lock:
            account = self._accounts.get(request)
            if account is None:
                account = self._accounts[request] = make()
            # Bytes that have arrived count, even if there was no room for them.
            self._grant(account, max(account.granted, size))
            account.need = max(account.granted, need)
            woken = self._asked(account, now)
        _tell(woken)
        return account

    def received(self, request: Request) -> None:
        """Note the end of an exchange; its body is held until `release`."""
        if self._accounts:
            with self._lock:
                account = self._accounts.get(request)
                if account is not None:
                    account.reading = False

    def release(self, request: Request) -> None:
        """Forget a body, after its visit."""
        if not self._accounts:
            return
        with self._lock:
            account = self._accounts.pop(request, None)
            if account is None:
                return
            self.used -= account.granted
            self.waiting -= account.waits
            woken = self._serve()
        _tell(woken)

    def sweep(self, now: float, heard_since: float) -> None:
        """End stalled bodies and cut one that has waited too long; call this regularly.

        `now` is the fetcher's time, as for `grow`. A body last heard before `heard_since`, by
        `time.perf_counter`, has stalled.
        """
        patience = self._patience
        if not self.waiting:
            return
        with self._lock:
            known = self._accounts.values()
            late = [each for each in known if now - each.since >= patience]
            reading = [each for each in known if each.reading and not each.waits]
            stalled = [each for each in reading if each.heard() < heard_since]
            woken = [self._cut(max(late, key=_held))] if late else []
        _tell(woken)
        for account in stalled:
            account.end()

    # -- under the lock

    def _asked(self, account: Account, now: float) -> list[Account]:
        if account.cut or account.need - account.granted <= self._total - self.used:
            self._grant(account, account.need)
            return []
        account.room.clear()
        account.since = now
        self.waiting += 1
        return self._serve()

    def _serve(self) -> list[Account]:
        """Grant what there is room for, and make sure that somebody goes on."""
        woken = []
        waiting = [each for each in self._accounts.values() if each.waits]
        for account in sorted(waiting, key=lambda each: each.need - each.granted):
            if account.need - account.granted > self._total - self.used:
                break
            self._go_on(account, account.need)
            woken.append(account)
        if waiting and self.waiting == len(self._accounts):  # nobody would ever release memory
            woken.append(self._beyond(max(waiting, key=_held)))
        return woken

    def _beyond(self, account: Account) -> Account:
        """Let a body go on into the spare memory, or cut it."""
        room = int(self._total + self.spare - self.used)
        if room < self.step:
            return self._cut(account)
        self._go_on(account, min(account.need, account.granted + room))
        return account

    def _cut(self, account: Account) -> Account:
        account.cut = True
        self._go_on(account, account.granted)
        return account

    def _go_on(self, account: Account, granted: int) -> None:
        account.since = inf
        self.waiting -= 1
        self._grant(account, granted)

    def _grant(self, account: Account, granted: int) -> None:
        self.used += granted - account.granted
        account.granted = granted


def _held(account: Account) -> int:
    return account.granted


def _tell(woken: list[Account]) -> None:
    for account in woken:
        account.room.set()
