"""Whole crawls for tests: through the session, with all that it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawler.core.audit import Totals
from crawler.core.collector import Snapshot
from crawler.engine.crawl_session import CrawlSession
from crawler.mock import Served
from crawler.mock.judge.ledger import LedgerRow
from crawler.mock.judge.score import Score, ScoreResult
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Failed, Final, Kind, Skipped
from crawler.store.record import encode
from crawler.store.sources import IterableSource
from tests.engine.harness import ListSink

ENGINES: dict[str, dict[str, Any]] = {
    "uvloop": {"engine": "async", "loop": "uvloop"},
    "threaded": {"engine": "threaded"},
}
"""What a whole crawl decides, no event loop does: `test_web` and `test_agreement` try both."""

MANNERLY: dict[str, Any] = {
    "allow_network": ("127.0.0.0/8",),
    "parse": "inline",
    "delay": 0.0,
    "ip_delay": 0.0,
    "backoff": 0.01,
    "timeout": 20.0,
}
"""Every manner is on, but time: tests wait for nothing that they are not about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A crawl that has ended."""

    finals: list[Final]
    snapshot: Snapshot
    totals: Totals

    @property
    def kinds(self) -> dict[str, Kind | None]:
        """How each URL ended, None for a page; fails where one has two records."""
        found = {final.url: _kind(final) for final in self.finals}
        assert len(found) == len(self.finals)
        return found


def crawled(urls: Iterable[str], **options: Any) -> Whole:
    """Crawl to the end; every URL is accounted for."""
    config = CrawlConfig(**MANNERLY | options)
    source, sink = IterableSource(urls, config), ListSink()
    session = CrawlSession(config, source, sink)
    snapshot = session.run()
    assert snapshot.pending == snapshot.in_flight == 0
    assert snapshot.records == len(sink.finals)
    return Whole(finals=sink.finals, snapshot=snapshot, totals=session.totals())


def scored(web: Served, whole: Whole, **meant: bool) -> ScoreResult:
    """The records against the truth, as `crawler mock score` reads them."""
    score = Score(web.options, **meant)
    for final in whole.finals:
        score.add(json.loads(encode(final)))
    return score.result()


def audited(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of `--audit` by the host's authority."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    return {line["host"].partition("//")[2]: line for line in lines}


def url(web: Served, host: int, path: str) -> str:
    """A path on a host of the web."""
    return f"{web.options.origin_of(host)}{path}"


def row(web: Served, host: int) -> LedgerRow:
    """What the web's ledger has of a host."""
    return web.ledger().hosts.get(web.options.authority_of(host), LedgerRow())


def _kind(final: Final) -> Kind | None:
    return final.kind if isinstance(final, Failed | Skipped) else None
