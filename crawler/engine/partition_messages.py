"""What passes between the process of a partition and its parent, besides wishes and lines."""

from __future__ import annotations

from dataclasses import field

from crawler.core.audit import Totals
from crawler.core.collector import Snapshot
from crawler.engine.partition_plan import CrawlPlan, Manifest
from crawler.model.errors import ExitCode
from crawler.model.event import Event
from crawler.model.value import value


@value(frozen=True, slots=True, kw_only=True)
class PartitionCall:
    """One call of `crawl_partition`.

    standard_input: the file to read there, if any. given_up: crawl nothing; each URL ends with this
    reason.
    """

    plan: CrawlPlan
    partition: int
    standard_input: str = ""
    given_up: str = ""


@value(frozen=True, slots=True, kw_only=True)
class ProgressReport:
    """The progress of a partition at a moment between `since` and `sent` (`time.monotonic`)."""

    manifest: Manifest
    taken: Snapshot
    since: float
    sent: float


@value(frozen=True, slots=True, kw_only=True)
class CallEnd:
    """The end of a call: its result, or its error; `foreseen` unless that is a bug.

    peak_rss: the largest number of bytes that the process had in memory.
    """

    manifest: Manifest | None = None
    totals: Totals = field(default_factory=Totals)
    parsing: str = ""
    parser_seconds: float = 0.0
    peak_rss: int = 0
    error: str = ""
    exit_code: ExitCode = ExitCode.FINISHED
    foreseen: bool = True


Message = ProgressReport | CallEnd | Event | str
"""What a partition sends: its progress, its end, an event, a line for the user."""
