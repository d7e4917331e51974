"""The summary of a finished crawl: text for a person, the same as JSON for a program.

The last line accounts for the URLs: every entry that was read has a record or was a repeat. If the
numbers do not add up, it says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, field
from textwrap import wrap
from typing import Any

from crawler.cli.bound import UNLIMITED, bound_by, yours
from crawler.cli.causes import explained
from crawler.cli.cost import Cost
from crawler.cli.unit_formats import count, counted, megabytes, milliseconds
from crawler.core.audit import Totals
from crawler.core.collector import Snapshot
from crawler.core.durations import DurationDistribution
from crawler.model.command_config import CommandConfig
from crawler.model.outcome import Kind
from crawler.model.output import printable
from crawler.model.secrets import hidden
from crawler.model.url import masked
from crawler.model.value import value

WIDTH = 80

_GLUE = "\N{NO-BREAK SPACE}"  # between a kind and its number: no line ends there


@value(frozen=True, slots=True, kw_only=True)
class Report:
    """The contents of the summary of a finished crawl.

    `parsing` is the parser's description; `interrupted` is true if a signal or `max_time` ended the
    crawl, `expected` is the number of entries in the list (None if unknown), `written` the number
    of records in the output (None if unknown).
    """

    config: CommandConfig
    snapshot: Snapshot
    cost: Cost
    totals: Totals = field(default_factory=Totals)
    parsing: str = ""
    interrupted: bool = False
    expected: int | None = None
    written: int | None = None
    lasting: bool = False

    @property
    def adds_up(self) -> bool:
        """True if every entry that was read is accounted for, on disk too.

        URLs that waited outside of memory have no record if there was no time for them at the end.
        """
        return self._lost == 0 and self.written in (None, self.snapshot.records)

    @property
    def _lost(self) -> int:
        return 0 if self._waiting else self._open

    @property
    def _open(self) -> int:
        taken = self.snapshot
        return taken.pending + (0 if self.interrupted else taken.spilled)

    @property
    def _waiting(self) -> int:
        """URLs that wait for the crawl to be continued."""
        return self._open if self.lasting and self.interrupted else 0

    def text(self) -> str:
        """Return the summary; no line is longer than 80 columns."""
        return "\n".join(map(printable, self._lines())) + "\n"

    def values(self) -> dict[str, Any]:
        """Return the summary as plain values, for `--stats`."""
        from crawler.cli.versions import versions

        taken = self.snapshot
        return {
            **{name: getattr(taken, name) for name in _COUNTS},
            "causes": {kind: asdict(cause) for kind, cause in taken.causes.items()},
            "held": {limit: held.seconds for limit, held in taken.held.items()},
            "refused": taken.refused,
            "spilled": taken.spilled,
            "hosts": asdict(self.totals),
            "latency": _quantiles(taken.latency, (0.5, 0.9, 0.99)),
            "loop_lag": _quantiles(taken.loop_lag, (0.5, 0.99)),
            "cpu": {name: getattr(self.cost, name) for name in _CPU},
            "peak_rss": self.cost.peak_rss,
            "peak_rss_children": self.cost.peak_rss_children,
            "parse": self.parsing,
            "interrupted": self.interrupted,
            "accounted_for": self.adds_up,
            "config": _shown(self.config),
            "versions": versions(),
        }

    def _lines(self) -> Iterator[str]:
        taken = self.snapshot
        yield from _results(taken, self.config)
        yield from _found(taken)
        yield from _hosts(self.totals)
        yield from self._bound()
        yield from _waited(taken, self.totals)
        yield from _machine(taken, self.config)
        if taken.latency.count:
            yield from _times("latency", taken.latency)
        if taken.loop_lag.count:
            yield from _times("loop lag", taken.loop_lag)
        yield from _cost(self.cost)
        if self.parsing:
            yield from _rows("parse", self.parsing)
        if self.interrupted:
            yield from self._what_was_not_read()
        if self.config.parsing.custom and taken.outcomes.get(Kind.PARSE) and not taken.pages:
            yield from wrap(
                f"NOT ONE PAGE WAS PARSED: {self.config.parsing.custom} failed on each", WIDTH
            )
        yield self._account()

    def _bound(self) -> Iterator[str]:
        found = self.snapshot.bound()
        if text := bound_by(found, self.config):
            yield from _rows("bound by", text)
            if yours(found, self.config):
                yield _row("", UNLIMITED)

    def _what_was_not_read(self) -> Iterator[str]:
        if self.lasting:
            yield "interrupted: the same command continues it"
            return
        rest = None if self.expected is None else max(self.expected - self.snapshot.read, 0)
        left = f"{count(self.snapshot.spilled)} that waited" if self.snapshot.spilled else ""
        if rest == 0:
            without = f"{left} have no record" if left else "every URL has its record"
            yield f"interrupted: {without}"
            return
        what = "what" if rest is None else f"about {count(rest)} of the list"
        was = "was not read from the list has" if rest is None else "were not read and have"
        yield f"interrupted: {what} {was} no record" + ("," if left else "")
        if left:
            yield f"             nor have {left}"

    def _account(self) -> str:
        taken = self.snapshot
        sums = f"{counted(taken.records, 'record')} + {counted(taken.repeats, 'repeat')}"
        came = f"{count(taken.read)} read" + (
            f" + {count(taken.found)} found" if taken.found else ""
        )
        if taken.earlier:
            sums = f"{count(taken.earlier)} earlier + {sums}"
        if self._waiting:
            sums += f" + {count(self._waiting + taken.spilled)} that wait"
        elif taken.spilled and self.interrupted:
            sums += f" + {count(taken.spilled)} that waited"
        if self.adds_up:
            return f"every URL is accounted for: {came} = {sums}"
        if not self._lost:
            return f"NOT ACCOUNTED FOR: {sums}, but {count(self.written or 0)} were written"
        return f"NOT ACCOUNTED FOR: {came}, but {sums} leave {count(self._lost)} without a record"


def record_lines(taken: Snapshot) -> str:
    """Return the summary of what records alone tell; no line is longer than 80 columns."""
    lines = [*_results(taken, CommandConfig())]
    if taken.latency.count:
        lines += _times("latency", taken.latency)
    came = f"{count(taken.read)} of the list" + (
        f" + {count(taken.found)} found" if taken.found else ""
    )
    lines.append(f"{counted(taken.records, 'record')}: {came}")
    return "".join(f"{printable(line)}\n" for line in lines)


def record_values(taken: Snapshot) -> dict[str, Any]:
    """Return the same as plain values, by the names of `--stats`."""
    causes = {kind: asdict(cause) for kind, cause in taken.causes.items()}
    latency = _quantiles(taken.latency, (0.5, 0.9, 0.99))
    counts = {name: getattr(taken, name) for name in _COUNTED}
    return {"listed": taken.read, **counts, "causes": causes, "latency": latency}


_COUNTED = (
    *("elapsed", "found", "records", "pages", "truncated", "failed", "skipped"),
    *("redirects", "retries", "pages_per_second", "outcomes", "wire_bytes", "body_bytes"),
)
_COUNTS = (
    *("elapsed", "read", "found", "repeats", "records", "pages", "truncated", "failed", "skipped"),
    *("redirects", "retries", "pages_per_second", "outcomes", "wire_bytes", "body_bytes"),
    *("outages", "network_pauses", "network_paused"),
    *("lowered_to", "stood_still"),
)
_CPU = ("user", "system", "children_user", "children_system", "parsers")


def _row(name: str, text: str) -> str:
    return f"  {name:<10}{text}"


def _rows(name: str, *parts: str) -> Iterator[str]:
    """Yield rows of at most 80 columns; of several parts none is broken."""
    text = parts[0] if len(parts) == 1 else ", ".join(part.replace(" ", _GLUE) for part in parts)
    for number, line in enumerate(wrap(text, WIDTH - len(_row("", "")), break_on_hyphens=False)):
        yield _row("" if number else name, line.replace(_GLUE, " "))


def _results(taken: Snapshot, config: CommandConfig) -> Iterator[str]:
    """Yield the numbers of records, outcomes and failures."""
    seconds = taken.elapsed
    rate = taken.wire_bytes / seconds if seconds > 0 else 0.0
    yield (
        f"{counted(taken.records, 'record')} in {seconds:,.2f} s: "
        f"{taken.pages_per_second:,.0f} pages/s, {megabytes(rate)}/s"
    )
    yield from _outcomes(taken)
    lines = explained(taken.causes, config, WIDTH - len(_row("", "")))
    for number, line in enumerate(lines):
        yield _row("" if number else "failures", line)


def _outcomes(taken: Snapshot) -> Iterator[str]:
    """Yield the numbers of outcomes, pages first and then the most frequent."""
    kinds = sorted(taken.outcomes.items(), key=lambda item: (item[0] != "page", -item[1], item[0]))
    parts = [f"{kind} {count(number)}" for kind, number in kinds]
    yield from _rows("outcomes", *(parts or ["none"]))
    if taken.truncated:
        yield _row("", f"truncated {count(taken.truncated)}: the part received was kept")
    if taken.redirects or taken.retries:
        again = f"redirects followed {count(taken.redirects)}, retries {count(taken.retries)}"
        yield _row("", again)


def _found(taken: Snapshot) -> Iterator[str]:
    """Yield the numbers of links that were followed, and of those that were not."""
    if not taken.found and not taken.refused:
        return
    reasons = sorted(taken.refused.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{count(taken.found)} taken up", *(f"{count(n)} {name}" for name, n in reasons)]
    yield from _rows("found", *parts)


def _hosts(totals: Totals) -> Iterator[str]:
    """Yield the peak load on hosts."""
    if not totals.requests:
        return
    gap = totals.smallest_gap
    parts = [counted(totals.hosts, "host"), f"at most {totals.most_in_flight} in flight to one"]
    if gap is not None:
        parts.append(f"smallest gap {milliseconds(gap)}")
    if totals.pauses:
        parts.append(counted(totals.pauses, "pause"))
    yield from _rows("load", *parts)


def _waited(taken: Snapshot, totals: Totals) -> Iterator[str]:
    """Yield the outages that the crawl waited for."""
    parts = []
    if taken.outages:
        hosts = counted(taken.outages, "outage")
        parts.append(f"{hosts} of hosts, {totals.away:,.0f} s in all")
    if taken.network_pauses:
        parts.append(f"no network for {taken.network_paused:,.0f} s")
    if parts:
        yield from _rows("away", *parts)


def _machine(taken: Snapshot, config: CommandConfig) -> Iterator[str]:
    """Yield the limits that this machine set."""
    parts = []
    if taken.lowered_to:
        concurrency = f"{count(config.concurrency)} at once"
        parts.append(f"too slow for {concurrency}: lowered to {count(taken.lowered_to)}")
    if taken.stood_still:
        parts.append(f"stood still for {taken.stood_still:,.0f} s, which counts against no server")
    if parts:
        yield from _rows("machine", *parts)


def _times(name: str, measured: DurationDistribution) -> Iterator[str]:
    parts = [f"p{q * 100:.0f} {milliseconds(measured.quantile(q))}" for q in (0.5, 0.9, 0.99)]
    yield from _rows(name, *parts, f"longest {milliseconds(measured.largest)}")


def _cost(cost: Cost) -> Iterator[str]:
    own = cost.user + cost.system
    yield _row("cost", f"{own:,.2f} s CPU, peak memory {megabytes(cost.peak_rss)}")
    if cost.workers:
        yield _row("workers", f"{cost.workers:,.2f} s CPU")


def _quantiles(
    measured: DurationDistribution, wanted: tuple[float, ...]
) -> dict[str, float | None]:
    """Return seconds by `p50`, ..., and `max`; None if nothing was measured."""
    found = {f"p{q * 100:.0f}": measured.quantile(q) for q in wanted}
    return {**found, "max": measured.largest if measured.count else None}


def _shown(config: CommandConfig) -> dict[str, Any]:
    """Return the options, without a proxy's password and secret headers."""
    values = config.values()
    values["proxy"] = [masked(proxy) for proxy in config.network.proxy]
    for name in ("header", "header_everywhere"):
        values[name] = [hidden(line) for line in values[name]]
    return values
