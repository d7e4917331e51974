"""A crawler for lists of URLs: uses every core, is polite to every host, loses nothing.

    for outcome in crawler.run(["https://example.com/"]):
        print(outcome)

    async with crawler.Crawl(urls, concurrency=64) as crawl:
        async for outcome in crawl:
            ...

Both give one outcome for each URL: a `Page`, or `Failed` or `Skipped` with the reason. Where links
and sitemaps are followed there are also `Redirected` (its target is in the crawl itself) and
`Listing` (a sitemap).
"""

from importlib import import_module

# Neither `typing` nor `__future__` are imported: `python -m crawler` runs this file while the
# current directory still comes first (`crawler.__main__`), and Python has `importlib` already.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crawler.api import Crawl, fetch_one, run
    from crawler.formats.response import Response
    from crawler.frames import to_arrow, to_pandas
    from crawler.model.config import CrawlConfig
    from crawler.model.errors import ConfigurationError, CrawlerError, EnvironmentFailure
    from crawler.model.following_config import FollowingConfig
    from crawler.model.network_config import NetworkConfig
    from crawler.model.outcome import (
        Failed,
        Kind,
        Listing,
        Outcome,
        Page,
        Received,
        Redirect,
        Redirected,
        Skipped,
    )
    from crawler.model.parsing_config import ParsingConfig
    from crawler.model.politeness_config import PolitenessConfig
    from crawler.model.request import Request
    from crawler.model.transfer import Exchange

    __version__: str

__all__ = [
    "ConfigurationError",
    "Crawl",
    "CrawlConfig",
    "CrawlerError",
    "EnvironmentFailure",
    "Exchange",
    "Failed",
    "FollowingConfig",
    "Kind",
    "Listing",
    "NetworkConfig",
    "Outcome",
    "Page",
    "ParsingConfig",
    "PolitenessConfig",
    "Received",
    "Redirect",
    "Redirected",
    "Request",
    "Response",
    "Skipped",
    "__version__",
    "fetch_one",
    "run",
    "to_arrow",
    "to_pandas",
]

_NAMES = {
    "api": "Crawl fetch_one run",
    "formats.response": "Response",
    "frames": "to_arrow to_pandas",
    "model.config": "CrawlConfig",
    "model.errors": "ConfigurationError CrawlerError EnvironmentFailure",
    "model.following_config": "FollowingConfig",
    "model.network_config": "NetworkConfig",
    "model.outcome": "Failed Kind Listing Outcome Page Received Redirect Redirected Skipped",
    "model.parsing_config": "ParsingConfig",
    "model.politeness_config": "PolitenessConfig",
    "model.request": "Request",
    "model.transfer": "Exchange",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> "Any":
    """Load what is asked for: a part of the package needs only itself.

    `crawler --help` stays quick, and a module of pure Python can be imported in an interpreter of
    its own, which most compiled libraries refuse.
    """
    if name == "__version__":
        return import_module("crawler.model.version").VERSION
    if name in _HOMES:
        return getattr(import_module(f"crawler.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
