"""Plain values between a run with several partitions and whoever runs them.

A run is `CrawlPlan.partitions` calls of `crawler.engine.partition.crawl_partition`, at the same
time or in turn, once or in rounds, until `all_done` says so. Nothing else passes between a
partition and its caller, so any `concurrent.futures.Executor` will do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from enum import Enum
from secrets import token_hex
from typing import Any, Protocol

from crawler.core.audit import Totals
from crawler.core.by_hand import CrawlControl
from crawler.core.collector import Snapshot
from crawler.model.event import Event
from crawler.model.value import value
from crawler.store.forms import OutputTarget


@value(frozen=True, slots=True, kw_only=True)
class CrawlPlan:
    """One run: its options, lists and places, the same for every partition.

    `options` are the values of a `CommandConfig` for the whole run; `state` is the directory of the
    run's state. `output` names the output for people, `parts` is what a partition writes, by
    default JSON lines that are packed as `output`. `partitions` is fixed for as long as the state
    lasts, `running` is the number of partitions that run at once, which share `concurrency` and
    `memory`. `sites` has the partitions of known sites (`crawler.core.ownership`); those of the
    first call count. `round` numbers a call whose records are to be in files of its own, from 1 on
    (`crawler.engine.round_files`); with 0, all calls add to one part. elsewhere: what earlier calls
    have handed over to others lies in other folders (`crawler.engine.round_state`). lasting: a
    later run continues this one, if it is stopped; otherwise what waits then ends as interrupted.
    `run` names the run in traces.
    """

    options: Mapping[str, Any]
    seeds: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    output: str
    parts: tuple[OutputTarget, ...] = ()
    state: str
    partitions: int = 1
    running: int = 1
    sites: Mapping[str, int] = field(default_factory=dict)
    round: int = 0
    elsewhere: bool = False
    lasting: bool = True
    run: str = field(default_factory=lambda: token_hex(8), compare=False)


@value(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The committed progress of one partition.

    `exhausted`: its list was read to the end. `ended`: besides, nothing waits or is in flight, and
    everything is committed; `reason` tells why not, if the call failed. `read`, `found`, `repeats`
    and `records` are those of `Snapshot`, over all calls, and `outcomes` counts those records by
    outcome. `sent` counts what was handed over to other partitions, `consumed` what was received
    from them. `left` is the number of URLs without a record, `unread` an estimate of the entries of
    the list that are not read yet, None if unknown. `parts` are the files with the records, each
    with the number of bytes that are valid.

    That of a `round` has only the records of that in its parts, which are whole files; one without
    records is not there. The counts are over all rounds.
    """

    partition: int
    ended: bool = False
    exhausted: bool = False
    read: int = 0
    found: int = 0
    repeats: int = 0
    records: int = 0
    sent: int = 0
    consumed: int = 0
    left: int = 0
    unread: int | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[tuple[str, int], ...] = ()
    reason: str = ""
    round: int = 0

    @property
    def counts(self) -> Manifest:
        """The same without parts and round: equal after a round that changed nothing."""
        return replace(self, parts=(), round=0)


class Wish(Enum):
    """What the caller wants of a running partition."""

    GO_ON = "go on"
    HOLD = "hold"  # start nothing for now: the records are not taken as fast as they come
    FINISH = "finish"  # return once there is nothing to do: no other partition sends any more
    STOP = "stop"  # start nothing more, and let the requests in flight end
    STOP_NOW = "stop now"


class PartitionWatch(Protocol):
    """The caller's view of a running partition, which calls it from a thread of its own.

    With one, a partition without work waits for what others may hand over, until `look` answers
    with `FINISH`, or a wish to stop; without one, it returns.
    """

    def attend(self, call: Callable[[], None]) -> None:
        """Call `call`, from any thread, whenever `look` should be called at once."""

    def obey(self, act: Callable[[CrawlControl], None]) -> None:
        """Call `act`, from any thread, with what a person asks, and has asked already."""

    def look(self, manifest: Manifest, taken: Snapshot, since: float) -> Wish:
        """Take the progress, about twice a second, and return what is wanted.

        since: when the look began (`time.monotonic`).
        """

    def announce(self, line: str) -> None:
        """Show one line to the user."""

    def tell(self, event: Event) -> None:
        """Take an event that somebody wants to know of."""

    def sum_up(self, totals: Totals, parsing: str, parser_seconds: float) -> None:
        """Take what is known at the end: totals over hosts, who parsed, and its CPU time."""


def all_done(before: Sequence[Manifest], now: Sequence[Manifest]) -> bool:
    """Return whether a run is complete, from two looks at all of its partitions.

    The looks need not be at one instant: what was sent after the first partition was looked at and
    received before the last one was makes the counts differ, or changes between the looks (Mattern,
    "Algorithms for distributed termination detection", 1987: four counters).
    """
    if not now or [each.counts for each in before] != [each.counts for each in now]:
        return False
    if not all(each.ended and each.exhausted and not each.left for each in now):
        return False
    return sum(each.sent for each in now) == sum(each.consumed for each in now)
