"""The options of a crawl as keyword arguments, with their types.

Made from `crawler.model.config` by `python -m tests.generated`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from crawler.model.choices import Client, Engine, Html, Loop, Parse, Robots, ScopeMode, TextEngine
from crawler.model.content_config import ContentConfig
from crawler.model.following_config import FollowingConfig
from crawler.model.hosts import HostTable
from crawler.model.network_config import NetworkConfig
from crawler.model.parsing_config import ParsingConfig
from crawler.model.politeness_config import PolitenessConfig


class PolitenessKeywords(TypedDict, total=False):
    """The `politeness` options."""

    robots: Robots
    per_host: int | str
    delay: float | str
    per_ip: int | str
    ip_delay: float | str
    hosts: HostTable | str | Mapping[str, Any]
    adapt: bool
    throttle: float | str
    throttle_max: float | str
    forgive: float | str
    retry_after_max: float | str
    host_patience: float | str
    host_pauses: int | str
    breaker: int | str
    breaker_pause: float | str
    breaker_give_up: float | str


class FollowingKeywords(TypedDict, total=False):
    """The `following` options."""

    follow: bool
    depth: int | str
    scope: ScopeMode
    include: list[str] | tuple[str, ...]
    exclude: list[str] | tuple[str, ...]
    max_pages: int | str
    max_per_host: int | str
    sitemap: list[str] | tuple[str, ...]
    sitemaps: bool
    skip_duplicates: bool
    drop_params: list[str] | tuple[str, ...]
    max_path_depth: int | str
    max_repeats: int | str
    max_queries: int | str
    max_equal_pages: int | str


class NetworkKeywords(TypedDict, total=False):
    """The `network` options."""

    timeout: float | str
    connect_timeout: float | str
    retries: int | str
    repeat_unsafe: bool
    backoff: float | str
    backoff_max: float | str
    max_body: int | str
    strict: bool
    accept: list[str] | tuple[str, ...]
    max_redirects: int | str
    user_agent: str
    header: list[str] | tuple[str, ...]
    header_everywhere: list[str] | tuple[str, ...]
    cookies: str
    session: bool
    cache: str
    offline: bool
    credentials: str
    proxy: str | list[str] | tuple[str, ...]
    insecure: bool
    dns_ttl: float | str
    allow_private: bool
    allow_network: list[str] | tuple[str, ...]
    allow_port: list[str] | tuple[str, ...]


class OtherParsingKeywords(TypedDict, total=False):
    """The `parsing` options except `parser`."""

    parse: Parse
    parse_workers: int | str
    parse_timeout: float | str
    parse_memory: int | str
    parse_batch: int | str
    parse_linger: float | str
    extract: list[str] | tuple[str, ...]
    html: Html
    error_pages: bool


class ParsingKeywords(OtherParsingKeywords, total=False):
    """The `parsing` options."""

    parser: str


class ContentKeywords(TypedDict, total=False):
    """The `content` options."""

    text: bool
    markdown: bool
    text_engine: TextEngine
    detect_language: bool
    text_hash: bool
    select: list[str] | tuple[str, ...]


class RunKeywords(
    PolitenessKeywords,
    FollowingKeywords,
    NetworkKeywords,
    OtherParsingKeywords,
    ContentKeywords,
    total=False,
):
    """All options except `parser`."""

    engine: Engine
    loop: Loop
    client: Client
    concurrency: int | str
    memory: int | str
    window: int | str
    read_ahead: int | str
    drain_timeout: float | str
    max_time: float | str
    politeness: PolitenessConfig | PolitenessKeywords
    following: FollowingConfig | FollowingKeywords
    network: NetworkConfig | NetworkKeywords
    parsing: ParsingConfig | ParsingKeywords
    content: ContentConfig | ContentKeywords
    limit: int | str
    overwrite: bool
    append: bool
    audit: str
    repeats: str
    keep_headers: list[str] | tuple[str, ...]
    keep_connection: bool
    debug: bool


class CrawlKeywords(RunKeywords, total=False):
    """Every option."""

    parser: str
