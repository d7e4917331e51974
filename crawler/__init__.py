"""A crawler for lists of URLs: uses every core, minds every host's manners, loses nothing.

    for outcome in crawler.run(["https://example.com/"]):
        print(outcome)

    async with crawler.Crawl(crawler.CrawlConfig(concurrency=64), urls) as crawl:
        async for outcome in crawl:
            ...

Both give one outcome for each URL: a `Page`, or `Failed` or `Skipped` with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crawler.model.config import VERSION, CrawlConfig
from crawler.model.document import Response
from crawler.model.errors import ConfigurationError, CrawlerError, EnvironmentFailure
from crawler.model.outcome import Failed, Kind, Page, Skipped

if TYPE_CHECKING:
    from crawler.engine.api import Crawl, run

__version__ = VERSION

__all__ = [
    "ConfigurationError",
    "Crawl",
    "CrawlConfig",
    "CrawlerError",
    "EnvironmentFailure",
    "Failed",
    "Kind",
    "Page",
    "Response",
    "Skipped",
    "__version__",
    "run",
]


def __getattr__(name: str) -> Any:
    """Load the engines when they are first asked for: `crawler --help` needs none of them."""
    if name in ("Crawl", "run"):
        from crawler.engine import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
