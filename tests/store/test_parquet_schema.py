"""Lines of JSON as an Arrow table."""

from __future__ import annotations

import orjson
import pytest

from crawler.store.columns import chosen_schema
from crawler.store.parquet_schema import arrow_table

BLOCK = 4 * 2**20


@pytest.mark.slow
def test_rows_keep_their_order_and_a_line_may_be_longer_than_what_a_thread_reads() -> None:
    """All rows are there, in order, whether lines fill one block, many, or a part of one."""
    spec = chosen_schema(["url", "title"])
    for longest in (1, 2 * BLOCK):
        rows = [{"url": f"http://a.test/{n}", "title": "t" * 1_000} for n in range(10_000)]
        rows[5_000]["title"] = "l" * longest
        lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        assert arrow_table(lines, spec).to_pylist() == rows
