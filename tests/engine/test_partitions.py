"""Partitions: calls by any executor, in any number, give what one crawl gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from crawler.engine.partition import crawl_partition
from crawler.engine.partition_plan import CrawlPlan, Manifest, all_done
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from tests.engine.partition_web import HOSTS, PAGES, ManyHosts, page, place
from tests.unmannered import MANNERS_OFF

OPTIONS: dict[str, Any] = dict(MANNERS_OFF, loop="asyncio", parse="inline", retries=1, backoff=0)
FOLLOWING: dict[str, Any] = {"follow": True, "depth": 0}
Map = Callable[..., Iterator[Manifest]]


def planned(folder: Path, lines: Sequence[str], partitions: int = 3, **options: Any) -> CrawlPlan:
    """Return the plan of a crawl of these lines into a folder."""
    listed = folder / "list.txt"
    listed.write_text("".join(f"{line}\n" for line in lines))
    return CrawlPlan(
        options=CommandConfig(**OPTIONS | options).values(),
        inputs=(str(listed),),
        output=str(folder / "out.jsonl"),
        state=str(folder / "out.jsonl.state"),
        partitions=partitions,
    )


def called(plan: CrawlPlan, partition: int, deadline: float | None = None) -> Manifest:
    """Crawl a partition of the web in memory."""
    return crawl_partition(plan, partition, deadline, plugins=Plugins(fetcher=ManyHosts()))


def rounds(plan: CrawlPlan, mapped: Map = map) -> list[Manifest]:
    """Call all partitions again and again until all is done; return the last manifests."""
    before: list[Manifest] = []
    for _ in range(100):
        now = list(mapped(called, [plan] * plan.partitions, range(plan.partitions)))
        if all_done(before, now):
            return now
        before = now
    raise AssertionError(f"never done: {before}")


def records(manifests: Sequence[Manifest]) -> dict[str, tuple[Any, ...]]:
    """Return what the parts say of each URL; each has one record."""
    found: dict[str, tuple[Any, ...]] = {}
    for each in manifests:
        part = Path(each.part).read_bytes()[: each.length] if each.length else b""
        for record in map(json.loads, part.splitlines()):
            assert record["url"] not in found
            names = ("outcome", "kind", "status", "final_url")  # depth is that of the first finder
            found[record["url"]] = tuple(record[name] for name in names)
    return found


def listed() -> list[str]:
    """Return a list with repeats and lines that are no URLs."""
    urls = [place(n) for n in range(PAGES)]
    return [*urls, *urls[::9], *(f"http://no url {n}/" for n in range(5)), "h9.test/page/1"]


def test_each_entry_of_a_list_is_read_by_one_partition(tmp_path: Path) -> None:
    """Over all partitions, the entries read are those of the list, each with its record."""
    lines = listed()
    found = rounds(planned(tmp_path, lines))
    assert sum(each.read for each in found) == len(lines)
    assert len(records(found)) == len(set(lines)) == sum(each.records for each in found)


@pytest.mark.parametrize("engine", ["async", "threaded"])
@pytest.mark.parametrize("options", [{}, FOLLOWING], ids=["list", "follow"])
def test_partitions_give_the_records_of_one_crawl(
    tmp_path: Path, options: dict[str, Any], engine: str
) -> None:
    """Links and redirects to other partitions' hosts lead to the records of one crawl."""
    lines = [page(n) for n in range(HOSTS)] if options else listed()
    parts: list[dict[str, tuple[Any, ...]]] = []
    for partitions in (1, 3):
        folder = tmp_path / str(partitions)
        folder.mkdir()
        plan = planned(folder, lines, partitions, engine=engine, **options)
        parts.append(records(rounds(plan)))
    assert parts[0] == parts[1]
