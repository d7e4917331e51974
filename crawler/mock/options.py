"""What a mock web is: one frozen value from which every byte it serves follows."""

from __future__ import annotations

import math
import ssl
from dataclasses import dataclass

DEFAULT_ROBOTS = "User-agent: *\nDisallow: /private/\n"

# Page numbers are drawn from 32-bit words; this keeps the draw close to uniform.
MAX_PAGES = 1_000_000_000
# A page is built and cached whole, so its size is memory.
MAX_PAGE_BYTES = 64 * 1024 * 1024
MAX_LINKS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MockWeb:
    """The options of a mock web; a value that exists is legal.

    seed: any integer; another seed is another web.
    pages: `/page/0` to `/page/<pages - 1>` exist, everything beyond is a 404.
    page_bytes: size of a page's body; a page whose links alone need more is longer.
    links: links on a page, all different as long as there are that many pages.
    latency: seconds from the end of a request to the first byte of every answer.
    host, port: where to listen; port 0 takes a free one.
    tls: a server-side context, or None for plain HTTP.
    robots, robots_status: body and status of `/robots.txt`.

    Raises ValueError, naming the option, for a value out of range.
    """

    seed: int = 0
    pages: int = 1000
    page_bytes: int = 8192
    links: int = 20
    latency: float = 0.0
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    robots: str = DEFAULT_ROBOTS
    robots_status: int = 200

    def __post_init__(self) -> None:
        _check("pages", self.pages, 1, MAX_PAGES)
        _check("page_bytes", self.page_bytes, 0, MAX_PAGE_BYTES)
        _check("links", self.links, 0, MAX_LINKS)
        _check("port", self.port, 0, 65535)
        _check("robots_status", self.robots_status, 200, 999)
        if not (math.isfinite(self.latency) and self.latency >= 0):
            raise ValueError(f"latency must be a number of seconds from 0, not {self.latency}")

    @property
    def scheme(self) -> str:
        """`http` or `https`, as `tls` says."""
        return "http" if self.tls is None else "https"


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, not {value}")
