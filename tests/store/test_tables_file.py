"""The file of what a crawl has learned of its pages."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from crawler.core.crawl_tables import NO_TABLES, CrawlTables
from crawler.core.refusal import Refusal
from crawler.store.journal.tables_file import TABLES, read_tables, write_tables

LEARNED = CrawlTables(
    counts={7: 3, 2**64 - 1: 1, 8: (1 << 700) | 5},
    barren={"http://a.example": ["/#", "/calendar/#"]},
    signatures=array("Q", [0xF0F, 2**63]),
    pages=array("Q", [11, 12]),
    refused={"more than --max-pages": 4, Refusal.OUT_OF_SCOPE: 1},
)


def test_tables_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Counts of any size, shapes, signatures and refusals; the last version counts."""
    write_tables(tmp_path, NO_TABLES)
    assert read_tables(tmp_path) == NO_TABLES
    write_tables(tmp_path, LEARNED)
    assert read_tables(tmp_path) == LEARNED


def test_a_state_without_tables_has_empty_ones(tmp_path: Path) -> None:
    """A run that was killed before it wrote any starts with none."""
    assert read_tables(tmp_path) == NO_TABLES


@pytest.mark.parametrize("at", [0, 4, 40, -1])
def test_tables_that_were_changed_are_damage(tmp_path: Path, at: int) -> None:
    """Any byte counts: they are replaced as a whole or not at all, so no kill explains it."""
    write_tables(tmp_path, LEARNED)
    data = bytearray((tmp_path / TABLES).read_bytes())
    data[at] ^= 1
    (tmp_path / TABLES).write_bytes(data)
    with pytest.raises(ValueError, match="checksum"):
        read_tables(tmp_path)
