"""The options of a comparison as the command line has them."""

from __future__ import annotations

from collections.abc import Mapping

from crawler.cli import toml
from crawler.cli.crawl_flags import Spelling, resolve
from crawler.compare.compare_config import CompareConfig

COMPARE = Spelling(
    config=CompareConfig,
    table="compare",
    prefix="CRAWLER_COMPARE_",
    use="crawler compare --config FILE",
    example="budget",
    lead=("What", "Result"),
)


def settle(file: str | None, given: Mapping[str, object]) -> CompareConfig:
    """Merge the options: those given, over the file, over the defaults."""
    found = toml.read(COMPARE, file) if file is not None else {}
    return resolve(COMPARE, found, given, lambda key: toml.place(COMPARE, str(file), key))
