"""What a crawl has learned of its pages, as plain values: it helps, and need not be exact."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import field

from crawler.model.value import value


def _numbers() -> array[int]:
    return array("Q")


@value(frozen=True, slots=True, kw_only=True)
class CrawlTables:
    """Counts of traps, shapes of paths that are barren, and signatures of pages.

    `counts` are those of `Tally`, the oldest first; `barren` has shapes by host key; `signatures`
    are those of pages, the oldest first, `pages` their fingerprints; `refused` counts found URLs
    that were not taken up, by reason.
    """

    counts: Mapping[int, int] = field(default_factory=dict)
    barren: Mapping[str, Sequence[str]] = field(default_factory=dict)
    signatures: array[int] = field(default_factory=_numbers)
    pages: array[int] = field(default_factory=_numbers)
    refused: Mapping[str, int] = field(default_factory=dict)


NO_TABLES = CrawlTables()
