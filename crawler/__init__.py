"""A crawler for lists of URLs: uses every core, minds every host's manners, loses nothing.

    for outcome in crawler.run(["https://example.com/"]):
        print(outcome)

    async with crawler.Crawl(crawler.CrawlConfig(concurrency=64), urls) as crawl:
        async for outcome in crawl:
            ...

Both give one outcome for each URL: a `Page`, or `Failed` or `Skipped` with the reason.
"""

from importlib import import_module

# Neither `typing` nor `__future__` are imported: `python -m crawler` runs this file while the
# current directory still comes first (`crawler.__main__`), and Python has `importlib` already.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crawler.engine.api import Crawl, run
    from crawler.formats.response import Response
    from crawler.model.config import CrawlConfig
    from crawler.model.errors import ConfigurationError, CrawlerError, EnvironmentFailure
    from crawler.model.outcome import Failed, Kind, Page, Skipped

    __version__: str

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

_HOMES = {
    "ConfigurationError": "model.errors",
    "Crawl": "engine.api",
    "CrawlConfig": "model.config",
    "CrawlerError": "model.errors",
    "EnvironmentFailure": "model.errors",
    "Failed": "model.outcome",
    "Kind": "model.outcome",
    "Page": "model.outcome",
    "Response": "formats.response",
    "Skipped": "model.outcome",
    "run": "engine.api",
}


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
