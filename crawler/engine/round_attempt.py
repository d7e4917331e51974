"""One attempt at a round of a partition, by whatever process of whatever machine.

`attempted` may be called for the same round by any number of processes at the same time: one of
them crawls, those before it have ended, and one manifest comes of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import inf
from typing import Any, NoReturn

import msgspec

from crawler.core.audit import Totals
from crawler.core.by_hand import CrawlControl
from crawler.core.collector import Snapshot
from crawler.engine.lease import Lease, attempts, leave, taken_up, wait_out
from crawler.engine.partition import crawl_partition
from crawler.engine.partition_plan import Manifest, Wish
from crawler.engine.plugins import Plugins
from crawler.engine.ports import silent
from crawler.engine.round_files import MANIFEST
from crawler.engine.round_state import (
    PLAN,
    RUN,
    RoundManifest,
    RoundPlan,
    RoundWork,
    RunPlan,
    encoded,
    exchanges,
    news_at,
    round_folder,
    stored_at,
)
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, ExitCode
from crawler.model.event import Event
from crawler.model.version import VERSION
from crawler.runtime.leftovers import temporary_directory
from crawler.store.object_place import place_at
from crawler.store.object_store import is_object
from crawler.store.round_place import RoundPlace

_NEWS_EVERY = 1.0  # seconds
WISH = "wish"
"""The file with what the driver wants of all attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCall:
    """A round to crawl, as it travels to a worker: places and numbers, and no secrets.

    seconds: how long it lasts. lease: seconds (`crawler.engine.lease`). running: partitions that
    run at once. sharing: those that share one machine.
    """

    place: str
    partition: int
    round: int
    seconds: float
    lease: float
    running: int = 1
    sharing: int = 1
    version: str = VERSION

    @property
    def folder(self) -> str:
        """The folder of the round."""
        return round_folder(self.partition, self.round)

    def __str__(self) -> str:
        return f"partition {self.partition}, round {self.round}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProgress:
    """What a heartbeat says of a round that runs: committed progress, statistics, the lease."""

    progress: Manifest
    taken: Snapshot
    lease: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEnd:
    """The end of an attempt: its manifest, or its error; `foreseen` unless that is a bug."""

    manifest: RoundManifest | None = None
    error: str = ""
    exit_code: ExitCode = ExitCode.FINISHED
    foreseen: bool = True


def attempted(
    call: RoundCall,
    *,
    announce: Callable[[str], None] = silent,
    plugins: Plugins | None = None,
    lose: Callable[[str], NoReturn] = leave,
) -> RoundManifest | None:
    """Crawl a round until its end, or nothing is left for now; return its manifest.

    A round that has ended before returns its manifest once more; None if the driver wants nothing
    more. Raises `CrawlerError` and `OSError`; what was committed lasts.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_directory()) if is_object(call.place) else None
        place = place_at(call.place, folder)
        run = _checked(place, call)
        if (ended := stored_at(place, f"{call.folder}/{MANIFEST}", RoundManifest)) is not None:
            return ended
        number = taken_up(place, call.folder, attempt_by(os.getpid()))
        every = _NEWS_EVERY if exchanges(place, run.options) else inf
        lease = Lease(place, call.folder, number, call.lease, lose=lose, every=every)
        lease.begin()
        stack.callback(lease.end)
        wait_out(place, _earlier(place, call, number), call.lease)
        return RoundAttempt(
            place, run, call, lease, announce=announce, plugins=plugins or Plugins()
        ).run()


def attempt_by(pid: int) -> bytes:
    """Return what an attempt's object says of the process on this machine that makes it."""
    return f"{os.uname().nodename} {pid} {_started(pid)}\n".encode()


def _started(pid: int) -> str:
    """Return when a process was started, as the numbers of processes come again (proc(5))."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def wish_at(place: RoundPlace) -> Wish:
    """Return what the driver wants. Raises `OSError`."""
    words = {wish.value.encode(): wish for wish in (Wish.STOP, Wish.STOP_NOW, Wish.GO_ON)}
    return words.get(place.read(WISH) or b"", Wish.FINISH)


class RoundAttempt:
    """One attempt, which holds the lease."""

    def __init__(
        self,
        place: RoundPlace,
        run: RunPlan,
        call: RoundCall,
        lease: Lease,
        *,
        announce: Callable[[str], None],
        plugins: Plugins,
    ) -> None:
        self._place = place
        self._call = call
        self._lease = lease
        self._work = RoundWork(place, run, call.partition, call.round, lease.number)
        self._options = _options(run)
        self._plugins = replace(plugins, before_fetch=lease.check)
        self.announce = announce
        self._attend: Callable[[], object] = int
        self._wish = Wish.FINISH
        self._live = b""
        self._end: dict[str, Any] = {"totals": Totals()}

    def __repr__(self) -> str:
        return f"RoundAttempt({self._call}, {self._lease!r})"

    def run(self) -> RoundManifest | None:
        """Crawl, and create the manifest unless another attempt has."""
        name = f"{self._call.folder}/{MANIFEST}"
        if (ended := stored_at(self._place, name, RoundManifest)) is not None:
            return ended
        self._wish = wish_at(self._place)
        if self._wish in (Wish.STOP, Wish.STOP_NOW):
            return None
        plan = stored_at(self._place, f"{self._call.folder}/{PLAN}", RoundPlan)
        if plan is None:
            raise ConfigurationError(f"{self._place.name}: {self._call} has no plan")
        self._lease.tell = lambda: self._live
        self._work.prepare(plan, self._options)
        self._listen()
        self._lease.on_beat = self._listen
        progress = crawl_partition(
            self._work.crawl_plan(self._options, self._call.running),
            self._call.partition,
            time.time() + self._call.seconds,
            watch=self,
            plugins=self._plugins,
        )
        found = replace(self._work.manifest(plan, progress), **self._end)
        self._lease.check()
        if not self._place.create(name, encoded(found)):
            return stored_at(self._place, name, RoundManifest)
        return found

    def attend(self, call: Callable[[], None]) -> None:
        """Have a look at once when the driver's wish has changed."""
        self._attend = call

    def obey(self, act: Callable[[CrawlControl], None]) -> None:
        """Do nothing: of what a person asks, only the wish to stop reaches a cluster."""

    def look(self, manifest: Manifest, taken: Snapshot, since: float) -> Wish:
        """Keep the progress for the next beat; return the driver's wish."""
        live = LiveProgress(
            progress=replace(manifest, parts=()), taken=taken, lease=self._call.lease
        )
        self._live = msgspec.json.encode(live)
        self._end["taken"] = taken
        return self._wish

    def tell(self, event: Event) -> None:
        """Drop it: the log is the driver's, on another machine."""

    def sum_up(self, totals: Totals, parsing: str, parser_seconds: float) -> None:
        """Keep what goes into the manifest."""
        self._end |= {"totals": totals, "parsing": parsing, "parser_seconds": parser_seconds}

    def _listen(self) -> None:
        """Take the driver's wish and its news, in the thread of the lease."""
        wish = wish_at(self._place)
        if wish is not self._wish:
            self._wish = wish
            self._attend()
        if exchanges(self._place, self._options):
            self._work.take(news_at(self._place))


def _checked(place: RoundPlace, call: RoundCall) -> RunPlan:
    """Return the run. Raises `ConfigurationError` if this machine cannot take part in it."""
    if call.version != VERSION:
        raise ConfigurationError(
            f"cluster: the driver is crawler {call.version}, this worker {VERSION}; install one "
            "version everywhere"
        )
    run = stored_at(place, RUN, RunPlan)
    if run is None:
        raise ConfigurationError(
            f"cluster: worker {os.uname().nodename} does not see {place.name}; the directory of "
            "the output has to be shared by all machines, or lie in an object store"
        )
    return run


def _earlier(place: RoundPlace, call: RoundCall, number: int) -> list[tuple[str, int]]:
    """Return the attempts that may still make requests: of this round, and of the one before."""
    before = round_folder(call.partition, call.round - 1)
    return [
        *((call.folder, each) for each in attempts(place, call.folder) if each < number),
        *((before, each) for each in attempts(place, before)),
    ]


def _options(run: RunPlan) -> dict[str, Any]:
    """Return the options of the run, with this machine's own secrets."""
    config = CommandConfig.of(run.options)
    return config.updated(config.secrets_of(os.environ)).values()
