"""The live page of a load: rate, three latencies, errors, targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from crawler.cli.board_parts import Cell, amount, table
from crawler.cli.unit_formats import count, duration, megabytes, milliseconds
from crawler.load.measured import Measured, TargetCounts, largest, phrase, share
from crawler.load.part import OnSecond
from crawler.measure.histogram import Histogram

_TARGETS = 25
_LATENCIES = ("response", "service", "lag")


class LoadWatcher(Protocol):
    """Watches loads, one after the other."""

    def before(self, watch: OnSecond | None) -> OnSecond:
        """Return what tells this first, once a second, and then `watch`."""

    def end(self, measured: Measured) -> None:
        """Take what a run has measured in all."""


class LoadWatchers:
    """Several as one."""

    def __init__(self, watchers: Sequence[LoadWatcher]) -> None:
        self._watchers = watchers

    def before(self, watch: OnSecond | None) -> OnSecond:
        """Return what tells all of them, and then `watch`."""
        for each in self._watchers:
            watch = each.before(watch)
        return watch or _ignore

    def end(self, measured: Measured) -> None:
        """Tell all of them of a run's end."""
        for each in self._watchers:
            each.end(measured)


def _ignore(_measured: Measured) -> None:
    return


class LoadBoard:
    """Makes the boards; told by the generator, read by the server's thread."""

    def __init__(self, title: str, duration: float) -> None:
        self._title = title
        self._duration = duration
        self._last = self._former = Measured(elapsed=0.0)
        self._runs = 0

    def before(self, watch: OnSecond | None) -> OnSecond:
        """Return what tells this first, and then `watch`."""

        def both(measured: Measured) -> None:
            starts = measured.elapsed < self._last.elapsed
            self._former = Measured(elapsed=0.0) if starts else self._last
            self._last = measured
            if watch is not None:
                watch(measured)

        return both

    def end(self, measured: Measured) -> None:
        """Take what a run has measured in all."""
        self._runs += 1
        self._former, self._last = self._last, measured

    def board(self) -> dict[str, Any]:
        """Return what the page shows now."""
        last, former = self._last, self._former
        seconds = last.elapsed - former.elapsed
        rate = (last.count - former.count) / seconds if seconds > 0 else last.rate
        done = min(last.elapsed / self._duration, 1.0) if self._duration else None
        left = duration(max(self._duration - last.elapsed, 0.0)) if self._duration else ""
        return {
            "title": self._title,
            "state": "running" if last.elapsed else "warming up",
            "done": done,
            "left": left and f"{left} left",
            "controls": [],
            "figures": self._figures(last),
            "plot": {"name": "Responses per second", "value": rate, "text": f"{rate:,.0f}"},
            "tables": [_latencies(last), _statuses(last), _errors(last), _targets(last)],
        }

    def _figures(self, last: Measured) -> list[tuple[str, str]]:
        return [
            ("Responses", count(last.count)),
            ("Mean rate", f"{last.rate:,.0f}/s"),
            ("Errors", count(last.errors)),
            ("Errors, share", share(last.error_share)),
            ("Dropped", count(last.dropped)),
            ("Received", megabytes(last.received)),
            ("Running for", duration(last.elapsed)),
            ("Earlier runs", count(self._runs)),
        ]


def _latencies(last: Measured) -> dict[str, object]:
    names = ["Latency", "p50", "p90", "p99", "p99.9", "Longest"]
    rows = ((name, [name, *_quantiles(getattr(last, name))]) for name in _LATENCIES)
    return table("latencies", "Latencies", names, rows)


def _quantiles(found: Histogram) -> list[Cell]:
    shares = (0.5, 0.9, 0.99, 0.999)
    values = (*found.quantiles(shares), found.largest) if found.count else (None,) * 5
    return [{"text": milliseconds(value), "number": value or 0.0} for value in values]


def _statuses(last: Measured) -> dict[str, object]:
    rows = (
        (str(status), [f"{status} {phrase(status)}", amount(times)])
        for status, times in sorted(last.statuses.items())
    )
    return table("statuses", "Responses by status", ["Status", "Responses"], rows)


def _errors(last: Measured) -> dict[str, object]:
    rows = (
        (name, [name.replace("_", " "), amount(kind.count), kind.message])
        for name, kind in sorted(last.kinds.items())
    )
    return table("errors", "Errors", ["Kind", "Number", "First message"], rows)


def _targets(last: Measured) -> dict[str, object]:
    failed: Callable[[TargetCounts], int] = lambda target: target.failed  # noqa: E731
    rows = (
        (each.name, [each.name, amount(each.count), amount(failed(each))])
        for each in largest(last.targets, _TARGETS)
    )
    return table("targets", "Targets", ["Target", "Responses", "Errors"], rows)
