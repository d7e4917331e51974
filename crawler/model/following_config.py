"""The options of following links and sitemaps."""

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

    follow: bool = option(_FOLLOWING, False, "Crawl what pages link to, too.")
    depth: int = option(
        _FOLLOWING, 5, "Clicks from the list that are followed; 0: any.", least=0, most=10_000
    )
    scope: ScopeMode = option(
        _FOLLOWING, "host", "What is followed: same host, domain, path prefix, all."
    )
    include: tuple[str, ...] = option(
        _FOLLOWING,
        (),
        "Follow only what this matches, as */docs/*; may be repeated.",
        metavar="GLOB",
    )
    exclude: tuple[str, ...] = option(
        _FOLLOWING,
        (),
        "Follow nothing that this matches, as *.pdf; may be repeated.",
        metavar="GLOB",
    )
    max_pages: int = option(
        _FOLLOWING, 0, "URLs taken up by following, in all; 0: any number.", least=0, most=2**53
    )
    max_per_host: int = option(_FOLLOWING, 0, "The same for one host.", least=0, most=2**53)
    sitemap: tuple[str, ...] = option(
        _FOLLOWING, (), "Crawl what this sitemap lists; may be repeated.", metavar="URL"
    )
    sitemaps: bool = option(_FOLLOWING, False, "Crawl the sitemaps that robots.txt names.")
    skip_duplicates: bool = option(
        _FOLLOWING, False, "Follow no links of pages that nearly equal an earlier one."
    )
    drop_params: tuple[str, ...] = option(
        _FOLLOWING,
        TRACKING_PARAMETERS,
        "Query parameters that make no other URL; * at the end.",
        metavar="NAME",
    )
    max_path_depth: int = option(
        _TRAPS, 20, "Path segments of a URL that is followed.", least=1, most=10_000
    )
    max_repeats: int = option(
        _TRAPS, 2, "Times that a path may have the same segment.", least=1, most=10_000
    )
    max_queries: int = option(_TRAPS, 1_000, "Different queries of one path.", least=1, most=10**9)
    max_equal_pages: int = option(
        _TRAPS, 100, "Pages of equal content whose links are followed.", least=1, most=10**9
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
