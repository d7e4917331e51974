"""The options of a crawl as the command line has them."""

from __future__ import annotations

from crawler.cli.spelling import Spelling
from crawler.model.command_config import CommandConfig

CRAWL = Spelling(
    config=CommandConfig,
    table="crawl",
    prefix="CRAWLER_",
    use="crawler crawl --config FILE",
    example="per_host",
    lead=("Input", "Output"),
)
