"""`crawler status`: how a crawl is doing, from its state and its receipt."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from crawler.cli.crawl_flags import switch
from crawler.cli.telling import complain
from crawler.cli.unit_formats import count, counted, duration, megabytes
from crawler.core.waiting import WaitReason
from crawler.model.errors import ExitCode
from crawler.model.outcome import Kind
from crawler.model.output import dumps, printable
from crawler.store.journal.standing import Standing, newest
from crawler.store.object_store import is_object

USAGE = "Usage: crawler status [OUT] [--json]"
HELP = (
    "Show how a crawl is doing: done, failed, left, rate, time to go, hosts that wait.\n\n"
    "Works while the crawl runs, after it was stopped or killed, and once it is complete. A crawl "
    "has a state if it writes to a file (not with --state none). One on a cluster is seen from any "
    "machine, by its shared directory or its object store.\n\n"
    "Exit codes: 0 running, or complete; 1 stopped, or nothing is known of it.\n\n"
    "For example:\n\n"
    "  crawler status\n"
    "  crawler status out.jsonl --json | jq .left\n"
    "  crawler status s3://bucket/out/\n"
    "  watch crawler status out.jsonl\n"
)

_FETCHED = ("page", "unchanged", "redirect", "sitemap")
_LATE = 5.0  # seconds after which the age of a running crawl's figures is told
_WIDTH = 80
_MOST_HOSTS = 5
WAITS = {
    WaitReason.NETWORK: "no host can be reached",
    WaitReason.HAND: "paused by hand",
    WaitReason.BREAKER: "does not answer",
    WaitReason.RETRY_AFTER: "Retry-After",
    WaitReason.BACK_OFF: "backing off",
    WaitReason.CRAWL_DELAY: "Crawl-delay",
    WaitReason.DELAY: "--delay",
    WaitReason.SHARED: "--per-ip or --ip-delay",
    WaitReason.ADDRESS: "name lookup",
    WaitReason.ROBOTS: "reading robots.txt",
    WaitReason.IN_FLIGHT: "{} in flight",
    WaitReason.TURN: "waits its turn",
}


def status(
    output: Annotated[
        str | None,
        Parameter(
            name="OUT",
            help="Output of the crawl, or its --state DIR (default: the newest in this directory).",
        ),
    ] = None,
    /,
    *,
    json: Annotated[bool, switch("Print one JSON object.")] = False,
) -> int:
    """Print the standing of a crawl and return the exit code; `HELP` is the help text."""
    from crawler.engine.rounds_standing import standing_of

    named = output or newest()
    if named is None:
        complain("no crawl has left a state or a receipt in this directory; name its output")
        return ExitCode.FAILURES
    found = standing_of(named)
    report = StandingReport(found, time.time())
    if json:
        print(dumps(report.values()).decode())
    elif found.stage == "unknown":
        complain(f"{named}: no crawl of it is known: neither a state nor a receipt fits it")
    else:
        sys.stdout.writelines(f"{printable(line)}\n" for line in report.lines())
    return ExitCode.FINISHED if found.well else ExitCode.FAILURES


@dataclass(frozen=True, slots=True)
class StandingReport:
    """The standing of a crawl at Unix time `now`."""

    standing: Standing
    now: float

    def values(self) -> dict[str, Any]:
        """Return the standing as plain values."""
        found = self.standing
        failed = _failed(found.outcomes)
        return {**asdict(found), "left": found.left, "failed": sum(failed.values())}

    def lines(self) -> Iterator[str]:
        """Yield the lines for a person, of at most 80 columns if the output's name is short."""
        found = self.standing
        yield self._head()
        yield from self._done()
        if found.stage == "complete":
            yield from self._retry()
            return
        yield self._left()
        yield from self._rounds()
        if found.stage == "stopped":
            yield "the same command continues it"
            return
        yield _row(
            "rate",
            f"{found.records_per_second:,.1f} records/s, {found.pages_per_second:,.1f} pages/s, "
            f"{megabytes(found.bytes_per_second)}/s",
        )
        to_go = "unknown" if found.seconds_left is None else duration(found.seconds_left)
        yield _row("to go", to_go)
        if found.hosts_away:
            yield _row("away", f"{count(found.hosts_away)} hosts do not answer")
        yield from _hosts(found.hosts[:_MOST_HOSTS])

    def _head(self) -> str:
        found = self.standing
        match found.stage:
            case "complete":
                return f"{found.output}: complete since {_moment(found.at)}"
            case "stopped":
                heard = f", last heard of at {_moment(found.at)}" if found.at else ""
                return f"{found.output}: stopped{heard}"
            case _:
                who = f", process {found.pid}" if found.pid else ""
                since = f" since {_moment(found.started)}" if found.started else ""
                age = self.now - (found.at or self.now)
                late = f"; silent for {duration(age)}" if age >= _LATE else ""
                return f"{found.output}: running{since}{who}{late}"

    def _done(self) -> Iterator[str]:
        found = self.standing
        whole = found.records + found.left
        if found.unread is None:
            of = ""
        elif found.stage == "complete":
            of = f" for {count(found.read)} read" + (
                f" + {count(found.found)} found" if found.found else ""
            )
        else:
            of = f" of {count(whole)} ({found.records / (whole or 1):.0%})"
        yield _row("done", f"{count(found.records)}{of}")
        failed = _failed(found.outcomes)
        kinds = sorted(failed.items(), key=lambda item: (-item[1], item[0]))
        text = f"{count(sum(failed.values()))}"
        for number, (kind, times) in enumerate(kinds):
            part = f"{', ' if number else ': '}{kind} {count(times)}"
            if len(text) + len(part) > _WIDTH - 18:  # the row's name, and "and N others"
                text += f", and {len(kinds) - number} others"
                break
            text += part
        yield _row("failed", text)

    def _left(self) -> str:
        found = self.standing
        waiting = f"{count(max(found.waiting - found.in_flight, 0))} waiting"
        parts = [f"{count(found.in_flight)} in flight"] if found.in_flight else []
        unread = "an unknown number" if found.unread is None else count(found.unread)
        rest = [f"{unread} not read yet"] if found.unread != 0 else []
        return _row("left", ", ".join([*parts, waiting, *rest]))

    def _rounds(self) -> Iterator[str]:
        parts = self.standing.partitions
        if parts:
            each = ", ".join(f"{count(number)} {word}" for word, number in parts.items())
            yield _row("parts", f"{each}; {counted(self.standing.rounds, 'round')} ended")

    def _retry(self) -> Iterator[str]:
        number = sum(n for kind, n in _failed(self.standing.outcomes).items() if _may_pass(kind))
        if number and not is_object(self.standing.output):
            yield f"crawler retry {self.standing.output} crawls {count(number)} of them again"


def _row(name: str, text: str) -> str:
    return f"  {name:<8}{text}"


def _hosts(hosts: Any) -> Iterator[str]:
    """Yield the busiest hosts, with what each waits for."""
    width = max((len(host["host"]) for host in hosts), default=0)
    width = min(width, 34)
    for number, host in enumerate(hosts):
        words = WAITS.get(host["why"], host["why"]).format(host["in_flight"])
        soon = f", next in {duration(host['seconds'])}" if host["seconds"] >= 1 else ""
        name = host["host"] if len(host["host"]) <= width else f"{host['host'][: width - 3]}..."
        text = f"{name:<{width}}  {count(host['waiting']):>9}  {words}{soon}"
        yield _row("" if number else "waiting", text)


def _failed(outcomes: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of URLs without a page, by kind."""
    return {kind: number for kind, number in outcomes.items() if kind not in _FETCHED}


def _may_pass(kind: str) -> bool:
    return kind in Kind.__members__.values() and Kind(kind).may_pass


def _moment(at: float | None) -> str:
    return datetime.fromtimestamp(at or 0.0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
