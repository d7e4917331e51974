"""The options for following links and sitemaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from crawler.model.choices import ScopeMode
from crawler.model.errors import ConfigurationError
from crawler.model.glob import Globs
from crawler.model.option import OptionError, Options, option
from crawler.model.url import TRACKING_PARAMETERS, InvalidUrl, Tracking, parse

_option = partial(option, "Following")
_limit = partial(_option, least=0, most=2**53)
_trap = partial(option, "Traps", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowingConfig(Options):
    """Scope, depth, sitemaps and the limits that keep a crawl out of traps."""

    follow: bool = _option(False, "Follow the links of the pages.", common=True)
    depth: int = _option(5, "Maximum link depth (0: no limit).", least=0, most=10_000, common=True)
    scope: ScopeMode = _option(
        "host", "Links to follow: to the same host, domain or path prefix, or any.", common=True
    )
    include: tuple[str, ...] = _option(
        (), "Follow only matching URLs (*/docs/*); repeatable.", metavar="GLOB", common=True
    )
    exclude: tuple[str, ...] = _option(
        (), "Do not follow matching URLs (*.pdf); repeatable.", metavar="GLOB", common=True
    )
    max_pages: int = _limit(0, "Maximum followed URLs (0: no limit).", common=True)
    max_per_host: int = _limit(0, "Maximum followed URLs per host (0: no limit).")
    sitemap: tuple[str, ...] = _option(
        (), "Crawl the URLs of this sitemap; repeatable.", metavar="URL", common=True
    )
    sitemaps: bool = _option(False, "Crawl the sitemaps that robots.txt names.", common=True)
    skip_duplicates: bool = _option(
        False, "Do not follow the links of pages that nearly equal an earlier one."
    )
    drop_params: tuple[str, ...] = _option(
        TRACKING_PARAMETERS,
        "Query parameters ignored when comparing URLs; a trailing * is a wildcard.",
        metavar="NAME",
    )
    max_path_depth: int = _trap(20, "Maximum path segments of a followed URL.", most=10_000)
    max_repeats: int = _trap(2, "Maximum occurrences of the same segment in a path.", most=10_000)
    max_queries: int = _trap(1_000, "Maximum different query strings of one path.", most=10**9)
    max_equal_pages: int = _trap(
        100, "Maximum pages of equal content whose links are followed.", most=10**9
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
