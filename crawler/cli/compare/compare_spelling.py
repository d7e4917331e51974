"""The options of a comparison as the command line has them."""

from __future__ import annotations

from crawler.cli.spelling import Spelling
from crawler.compare.compare_config import CompareConfig

COMPARE = Spelling(
    config=CompareConfig,
    table="compare",
    prefix="CRAWLER_COMPARE_",
    use="crawler compare --config FILE",
    example="budget",
    lead=("What", "Result"),
)
