"""The options for following links and sitemaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crawler.model.choices import ScopeMode
from crawler.model.errors import ConfigurationError
from crawler.model.glob import Globs
from crawler.model.option import OptionError, Options, option
from crawler.model.url import TRACKING_PARAMETERS, InvalidUrl, Tracking, parse

_FOLLOWING, _TRAPS = "Following", "Traps"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowingConfig(Options):
    """Scope, depth, sitemaps and the limits that keep a crawl out of traps."""

    follow: bool = option(_FOLLOWING, False, "Also crawl the pages that pages link to.")
    depth: int = option(
        _FOLLOWING,
        5,
        "Maximum link depth from the list; 0 means no limit.",
        least=0,
        most=10_000,
    )
    scope: ScopeMode = option(
        _FOLLOWING, "host", "Links to follow: same host, domain, path prefix, or any."
    )
    include: tuple[str, ...] = option(
        _FOLLOWING,
        (),
        "Follow only URLs that match, such as */docs/*; may be repeated.",
        metavar="GLOB",
    )
    exclude: tuple[str, ...] = option(
        _FOLLOWING,
        (),
        "Do not follow URLs that match, such as *.pdf; may be repeated.",
        metavar="GLOB",
    )
    max_pages: int = option(
        _FOLLOWING, 0, "Maximum followed URLs in all; 0 means no limit.", least=0, most=2**53
    )
    max_per_host: int = option(
        _FOLLOWING, 0, "Maximum followed URLs per host; 0 means no limit.", least=0, most=2**53
    )
    sitemap: tuple[str, ...] = option(
        _FOLLOWING, (), "Crawl the URLs of this sitemap; may be repeated.", metavar="URL"
    )
    sitemaps: bool = option(_FOLLOWING, False, "Crawl the sitemaps that robots.txt names.")
    skip_duplicates: bool = option(
        _FOLLOWING, False, "Do not follow links of near-duplicate pages."
    )
    drop_params: tuple[str, ...] = option(
        _FOLLOWING,
        TRACKING_PARAMETERS,
        "Query parameters ignored when comparing URLs; a trailing * is a wildcard.",
        metavar="NAME",
    )
    max_path_depth: int = option(
        _TRAPS, 20, "Maximum path segments of a followed URL.", least=1, most=10_000
    )
    max_repeats: int = option(
        _TRAPS, 2, "Maximum times a path may repeat a segment.", least=1, most=10_000
    )
    max_queries: int = option(
        _TRAPS, 1_000, "Maximum different queries per path.", least=1, most=10**9
    )
    max_equal_pages: int = option(
        _TRAPS, 100, "Maximum pages of equal content whose links are followed.", least=1, most=10**9
    )

    def __post_init__(self) -> None:
        self.settle()
        _check_readable("include", self.include, Globs)
        _check_readable("exclude", self.exclude, Globs)
        _check_readable("drop_params", self.drop_params, Tracking)
        object.__setattr__(self, "sitemap", tuple(map(_sitemap, self.sitemap)))


def _check_readable(
    name: str, texts: tuple[str, ...], read: Callable[[tuple[str, ...]], object]
) -> None:
    try:
        read(texts)
    except ConfigurationError as error:
        raise OptionError(name, str(error)) from error


def _sitemap(text: str) -> str:
    url = parse(text)
    if isinstance(url, InvalidUrl):
        raise OptionError("sitemap", f"{text[:200]!r}: {url.reason}")
    return url.href
