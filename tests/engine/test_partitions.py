"""Partitions: calls by any executor, in any number, give what one crawl gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crawler.engine.partition import crawl_partition
from crawler.engine.partition_plan import CrawlPlan, all_done
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from tests.crash.crawl import Site
from tests.unmannered import MANNERS_OFF

OPTIONS: dict[str, Any] = dict(MANNERS_OFF, loop="asyncio", parse="inline", retries=1, backoff=0)


def test_each_entry_of_a_list_is_read_by_one_partition(tmp_path: Path) -> None:
    """Over all partitions, the entries read are those of the list, each with its record."""
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"http://h{n % 7}.test/page/{n}\n" for n in range(200)))
    plan = CrawlPlan(
        options=CommandConfig(**OPTIONS).values(),
        inputs=(str(listed),),
        output=str(tmp_path / "out.jsonl"),
        state=str(tmp_path / "out.jsonl.state"),
        partitions=3,
    )
    plugins = Plugins(fetcher=Site())
    first, second = (
        [crawl_partition(plan, n, None, plugins=plugins) for n in range(3)] for _ in range(2)
    )
    assert all_done(first, second)
    assert sum(each.read for each in first) == sum(each.records for each in first) == 200
