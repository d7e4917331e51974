"""Which model for which work: a table and a sentence of advice, from the data alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crawler.compare.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A row of the table: the kind of work, the model for it, why, and which experiment says so."""

    work: str
    model: str
    why: str
    experiment: str


def decisions(_result: Result) -> Sequence[Decision]:
    """The table, a row for each kind of work that was measured."""
    return ()


def advice(_result: Result) -> str:
    """One sentence for this machine; "" if the crawl was not measured."""
    return ""
