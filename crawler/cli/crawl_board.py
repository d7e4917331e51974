"""The live page of a crawl: what it shows, and what can be asked of it."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from crawler.cli.board_parts import Cell, amount, table
from crawler.cli.bound import bound_by
from crawler.cli.progress import Rates, RateWindow, share_done, time_left
from crawler.cli.status_command import WAITS
from crawler.cli.unit_formats import count, duration, megabytes, milliseconds
from crawler.core.by_hand import Command, CrawlControl, ShownHost
from crawler.core.collector import Snapshot
from crawler.core.waiting import WaitReason
from crawler.measure.processes import rss, tree
from crawler.model.command_config import CommandConfig
from crawler.model.event import Event, Level

_FAILURES = 20  # the last ones
_NEWS = 20
_LONG = 200  # characters of a text from elsewhere

PartitionRow = tuple[int, bool, Snapshot]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSource:
    """What a board is made from; each is called from any thread.

    partitions: number, whether it runs, and statistics of each; none in an ordinary crawl.
    """

    statistics: Callable[[], Snapshot]
    expected: Callable[[], int | None]
    control: Callable[[CrawlControl], None]
    partitions: Callable[[], Sequence[PartitionRow]] = field(default=tuple)


class CrawlBoard:
    """Makes the boards of one crawl; every method may be called from any thread."""

    def __init__(self, title: str, config: CommandConfig) -> None:
        self._title = title
        self._config = config
        self._lock = threading.Lock()  # two look at once at their first board
        self._window = RateWindow()
        self._failures: deque[Event] = deque(maxlen=_FAILURES)
        self._news: deque[Event] = deque(maxlen=_NEWS)
        self._number = 0
        self._stopping = False
        self.source: BoardSource | None = None

    def __repr__(self) -> str:
        return f"CrawlBoard({self._title!r}, failures={len(self._failures)})"

    def receive(self, event: Event) -> None:
        """Take note of an event."""
        if event.name == "failed":
            self._failures.append(event)
        elif event.name != "retry" and event.level >= Level.INFO:
            self._news.append(event)
        if event.name in ("drain", "overdue"):
            self._stopping = True

    def board(self) -> dict[str, Any]:
        """Return what the page shows now."""
        source = self.source
        if source is None:
            return self._made(Snapshot(), None, ())
        return self._made(source.statistics(), source.expected(), source.partitions())

    def order(self, command: str, host: str) -> str:
        """Do what a person asks; return what was done. Raises ValueError for what cannot be."""
        source, known = self.source, {each.value: each for each in Command}
        if command not in known:
            raise ValueError(f"{command!r:.40} is not one of {', '.join(known)}")
        if source is None:
            raise ValueError("the crawl does not run yet")
        if known[command] is Command.SKIP:
            if host not in {each.host for each in source.statistics().hosts}:
                raise ValueError(f"{host!r:.80} is not at work")
        else:
            host = ""
        self._stopping = self._stopping or known[command] is Command.STOP
        source.control(CrawlControl(known[command], host))
        return _DONE[known[command]].format(host=host)

    def _made(
        self, taken: Snapshot, expected: int | None, partitions: Sequence[PartitionRow]
    ) -> dict[str, Any]:
        with self._lock:
            rates, bound = self._window.add(taken), self._window.bound()
        left = time_left(taken, expected, rates)
        words = bound_by(bound, self._config)
        return {
            "title": self._title,
            "state": self._state(taken),
            "done": share_done(taken, expected),
            "left": "" if left is None else f"{duration(left)} left",
            "controls": self._controls(taken),
            "figures": [*_figures(taken, rates), *([("Bound by", words)] if words else [])],
            "plot": {
                "name": "Pages per second",
                "value": rates.pages,
                "text": f"{rates.pages:,.1f}",
            },
            "tables": [
                _hosts_table(taken),
                _outcomes(taken),
                *([_partitions(partitions)] if partitions else []),
                self._failed(),
                self._happened(),
            ],
        }

    def _state(self, taken: Snapshot) -> str:
        if self._stopping:
            return "stopping"
        if taken.paused:
            return "paused"
        return "running" if self.source is not None else "starting"

    def _controls(self, taken: Snapshot) -> list[dict[str, object]]:
        return [
            {"command": "pause", "name": "Pause", "off": taken.paused or self._stopping},
            {"command": "resume", "name": "Resume", "off": not taken.paused},
            {"command": "slower", "name": "Slower", "off": taken.concurrency <= 1},
            {
                "command": "faster",
                "name": "Faster",
                "off": taken.concurrency >= self._config.concurrency,
            },
            {"command": "stop", "name": "Stop", "sure": "Really stop?", "off": self._stopping},
        ]

    def _failed(self) -> dict[str, object]:
        return table(
            "failures",
            "Last failures",
            ["When", "URL", "Kind", "Reason"],
            (
                (f"{event.at:.6f} {number}", [_clock(event.at), *_texts(event, "url kind reason")])
                for number, event in enumerate(reversed(list(self._failures)))
            ),
        )

    def _happened(self) -> dict[str, object]:
        return table(
            "news",
            "What happened",
            ["When", "What", "Details"],
            (
                (f"{event.at:.6f} {number}", [_clock(event.at), event.name, _details(event)])
                for number, event in enumerate(reversed(list(self._news)))
            ),
        )


_DONE = {
    Command.PAUSE: "pausing: what is in flight ends, nothing new starts",
    Command.RESUME: "the crawl goes on",
    Command.SLOWER: "fewer requests at once from now on",
    Command.FASTER: "more requests at once from now on",
    Command.SKIP: "{host} is skipped",
    Command.STOP: "stopping: what is in flight ends",
}


def _figures(taken: Snapshot, rates: Rates) -> list[tuple[str, str]]:
    lag = taken.loop_lag.quantile(0.99)
    return [
        ("Done", count(taken.records + taken.earlier)),
        ("Failed", count(taken.failed)),
        ("Skipped", count(taken.skipped)),
        ("Retries", count(taken.retries)),
        ("Received", megabytes(taken.wire_bytes)),
        ("Receiving", f"{megabytes(rates.wire_bytes)}/s"),
        ("In flight", f"{count(taken.in_flight)} of {count(taken.concurrency)}"),
        ("Waiting", count(max(taken.pending - taken.in_flight, 0) + taken.spilled)),
        ("Hosts away", count(taken.hosts_away)),
        ("Latency, median", milliseconds(taken.latency.quantile(0.5))),
        ("Loop lag, p99", milliseconds(lag)),
        ("Batches for the parser", count(taken.parser_queue)),
        ("Memory", megabytes(rss(tree(os.getpid())))),
        ("Running for", duration(taken.elapsed)),
    ]


def _hosts_table(taken: Snapshot) -> dict[str, object]:
    hosts = sorted(taken.hosts, key=lambda each: (-each.waiting, -each.requests, each.host))
    made = table(
        "hosts",
        "Hosts at work",
        ["Host", "Why it waits", "Waiting", "In flight", "Requests", "Latency"],
        ((each.host, _host(each, paused=taken.paused)) for each in hosts),
    )
    skip = {"command": "skip", "name": "Skip", "sure": "Really skip?"}
    return {**made, "filter": "Filter", "action": skip}


def _host(host: ShownHost, *, paused: bool) -> list[Cell]:
    why = WaitReason.HAND if paused else host.why
    words = WAITS[why].format(host.in_flight) if host.waiting else "nothing waits"
    soon = f", next in {duration(host.seconds)}" if host.waiting and host.seconds >= 1 else ""
    latency = milliseconds(host.latency or None)
    numbers = (host.waiting, host.in_flight, host.requests)
    return [
        host.host,
        f"{words}{soon}",
        *(amount(number) for number in numbers),
        {"text": latency, "number": host.latency},
    ]


def _outcomes(taken: Snapshot) -> dict[str, object]:
    ordered = sorted(taken.outcomes.items(), key=lambda item: (-item[1], item[0]))
    rows = ((name, [name, amount(number), _reason(taken, name)]) for name, number in ordered)
    return table("outcomes", "Records by outcome", ["Outcome", "Records", "Usual reason"], rows)


def _reason(taken: Snapshot, name: str) -> str:
    cause = taken.causes.get(name)
    return "" if cause is None else f"{cause.reason}"[:_LONG]


def _partitions(rows: Iterable[PartitionRow]) -> dict[str, object]:
    names = ["Partition", "State", "Done", "Failed", "In flight", "Waiting", "Loop lag, p99"]
    return table("partitions", "Partitions", names, (_partition(*each) for each in rows))


def _partition(number: int, runs: bool, taken: Snapshot) -> tuple[str, list[Cell]]:
    waiting = max(taken.pending - taken.in_flight, 0) + taken.spilled
    state = "paused" if taken.paused else "running"
    numbers = (taken.records + taken.earlier, taken.failed, taken.in_flight, waiting)
    lag = taken.loop_lag.quantile(0.99)
    return str(number), [
        str(number),
        state if runs else "not running",
        *map(amount, numbers),
        {"text": milliseconds(lag), "number": lag or 0.0},
    ]


def _texts(event: Event, names: str) -> list[str]:
    return [str(event.fields.get(name, ""))[:_LONG] for name in names.split()]


def _details(event: Event) -> str:
    return ", ".join(f"{name} {value}" for name, value in event.fields.items())[:_LONG]


def _clock(at: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
