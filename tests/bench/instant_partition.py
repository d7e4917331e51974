"""The process of a partition whose fetcher answers at once: `tests.bench.long` with `--workers`.

It reads that command's options from `options.json` next to the output.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from crawler.engine import partition_process
from crawler.engine.partition import crawl_partition
from crawler.engine.partition_plan import CrawlPlan, Manifest
from crawler.engine.plugins import Plugins
from crawler.runtime.companion import Companion
from tests.bench.instant_fetcher import InstantFetcher


class InstantCompanion(Companion):
    """A partition that runs this module instead of its own."""

    @classmethod
    def start(cls, _module: str, what: str, **options: Any) -> InstantCompanion:
        """Start it."""
        return super().start("tests.bench.instant_partition", what, **options)


def _crawled(plan: CrawlPlan, partition: int, deadline: float | None, **options: Any) -> Manifest:
    given = json.loads(Path(plan.output).with_name("options.json").read_bytes())
    fetcher = InstantFetcher(argparse.Namespace(**given), f"partition {partition}")
    return crawl_partition(
        plan, partition, deadline, **{**options, "plugins": Plugins(fetcher=fetcher)}
    )


if __name__ == "__main__":
    partition_process.crawl_partition = _crawled  # type: ignore[assignment]
    sys.exit(partition_process.main())
