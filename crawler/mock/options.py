"""What a mock web is: one frozen value from which every byte it serves follows.

Flags, TOML keys (`[mock]`), environment variables and tables derive from the fields. Times are
seconds, sizes bytes, shares from 0 to 1.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from crawler.mock.distribution import Distribution
from crawler.mock.windows import Brownout, Stall
from crawler.model.errors import ConfigurationError
from crawler.model.option import OptionError, Options, option
from crawler.model.units import BYTES, RATE, SECONDS, SHARE
from crawler.model.url import Url, parse

Authority = Literal["addresses", "ports", "names"]

DEFAULT_ROBOTS = (
    "User-agent: *",
    "Disallow: /private/",
    "Disallow: /members/",
    "Allow: /members/open/",
    "Disallow: /*.print$",
)

# Page numbers are drawn from 32-bit words; this keeps the draw close to uniform.
MAX_PAGES = 1_000_000_000
# A page is built and cached whole, so its size is memory.
MAX_PAGE_BYTES = 64 * 1024 * 1024
MAX_LINKS = 100_000
# Each address or port is a listening socket in every process.
MAX_LISTENERS = 1_000

_WEB, _FLAT, _GRAPH = "Web", "Flat pages (/page/N)", "Graph (/)"
_TIME, _MANNERS, _SERVER = "Time", "Manners", "Server"


def _share(default: float, help: str) -> Any:
    return option(_GRAPH, default, help, least=0, most=0.5, unit=SHARE)


def _times(default: str, help: str) -> Any:
    return option(_TIME, Distribution.read(default), help, unit=SECONDS, metavar="DIST")


@dataclass(frozen=True, slots=True, kw_only=True)
class MockWeb(Options):
    """The options of a mock web; a value that exists is legal.

    Raises `ConfigurationError` that names the option, its value and what it may be.
    """

    seed: int = option(_WEB, 0, "Another seed is another web.")
    pages: int = option(
        _WEB, 1000, "Pages of the graph, and /page/0 to /page/N-1.", least=1, most=MAX_PAGES
    )
    hosts: int = option(_WEB, 1, "Hosts that the graph is spread over.", least=1, most=1_000_000)
    authority: Authority = option(
        _WEB,
        "addresses",
        "What hosts differ in: 127.0.0.1, .2, ...; port, port+1, ...; or a Host field's name.",
    )
    domain: str = option(
        _WEB, "mock.test", "With names: host H is hH.DOMAIN; reach it by proxy.", metavar="DOMAIN"
    )
    page_bytes: int = option(
        _FLAT, 8192, "Size of a flat page.", least=0, most=MAX_PAGE_BYTES, unit=BYTES
    )
    links: int = option(_FLAT, 20, "Links on a flat page.", least=0, most=MAX_LINKS)

    size: Distribution = option(
        _GRAPH,
        Distribution.read("pareto:3000,1.4"),
        "Bytes of a page, 1 MB at most.",
        unit=BYTES,
        metavar="DIST",
    )
    degree: Distribution = option(
        _GRAPH,
        Distribution.read("lognormal:12,0.8"),
        "Links on a page, 2,000 at most.",
        metavar="DIST",
    )
    depth: float = option(
        _GRAPH,
        4.0,
        "Clicks from a host's front page: median of a log-normal.",
        least=1,
        most=50,
        metavar="N",
    )
    disallowed: float = _share(0.05, "Share of pages that robots.txt forbids.")
    nofollow: float = _share(0.03, "Share linked to with rel=nofollow only.")
    noindex: float = _share(0.03, "Share marked noindex.")
    sitemap_only: float = _share(0.03, "Share that only a sitemap knows.")
    redirects: float = _share(0.04, "Share that redirects to another page.")
    errors: float = _share(0.03, "Share that answers 404, 410 or 500.")
    flaky: float = _share(0.01, "Share that answers 503 once or twice first.")
    faulty: float = _share(0.0, "Share that answers with a fault of the catalogue.")
    duplicates: float = _share(0.04, "Share with another page's content.")
    near_duplicates: float = _share(0.03, "Share with nearly another page's content.")
    files: float = _share(0.02, "Share that is no HTML.")
    traps: bool = option(_GRAPH, False, "Front pages link to the traps, too.")

    latency: Distribution = _times("0", "Before the first byte.")
    transfer: Distribution = _times("0", "From a body's first byte to its last.")
    stall: Stall = option(
        _TIME, Stall(), "All answers held back at times: '1.4s every 10s'.", metavar="TEXT"
    )
    brownout: tuple[str, ...] = option(
        _TIME,
        (),
        "A bad time: '10s..20s latency lognormal:0.5,0.4 errors 0.2', counted from the start.",
        metavar="TEXT",
    )
    workers: int = option(
        _TIME,
        0,
        "Serve as a queue with so many workers (M/G/c); 0: none.",
        least=0,
        most=10_000,
    )
    service: Distribution = _times("0.01", "With workers: how long each works on a request.")
    queue: int = option(
        _TIME, 1000, "With workers: how many wait; more get 503.", least=0, most=1_000_000
    )

    robots: tuple[str, ...] = option(
        _MANNERS, DEFAULT_ROBOTS, "Lines of robots.txt; the default fits the graph.", metavar="LINE"
    )
    robots_forms: tuple[str, ...] = option(
        _MANNERS,
        ("plain",),
        "How hosts answer /robots.txt, one after the other; `crawler mock faults` has the names.",
        metavar="FORM",
    )
    rate: float = option(
        _MANNERS,
        0.0,
        "Requests/s a host before it answers 429; 0: any.",
        least=0,
        most=1_000_000,
        unit=RATE,
    )
    burst: int = option(_MANNERS, 10, "Requests a host lets pass at once.", least=1, most=1_000_000)
    retry_after: bool = option(_MANNERS, True, "429 and 503 for too much say when to come back.")

    host: str = option(_SERVER, "127.0.0.1", "Address to listen on.", metavar="ADDRESS")
    port: int = option(_SERVER, 0, "Port to listen on; 0 takes a free one.", least=0, most=65_535)
    public: bool = option(_SERVER, False, "Allow a --host that others can reach.")
    processes: int = option(_SERVER, 1, "Processes that serve the same web.", least=1, most=256)
    tls: bool = option(_SERVER, False, "Serve HTTPS with a certificate made at the start.")
    access_log: str = option(_SERVER, "", "JSON lines, one a request; - is stdout.", metavar="FILE")
    idle_timeout: float = option(
        _SERVER,
        75.0,
        "Seconds that a silent connection stays open.",
        least=0.05,
        most=86_400,
        unit=SECONDS,
    )

    def __post_init__(self) -> None:
        self.settle()
        self._check_host()
        object.__setattr__(self, "domain", self._canonical_domain())
        self._check_brownouts()
        self._check_robots_forms()
        if self.authority != "names" and self.hosts > MAX_LISTENERS:
            raise OptionError("hosts", f"{self.hosts} {self.authority} are too many; use names")
        if self.authority == "ports" and self.port + self.hosts > 65_536:
            raise OptionError("hosts", f"port {self.port} leaves no room for {self.hosts} ports")
        if self.workers and self.processes > 1:
            raise OptionError("workers", "one queue is kept by one process; use --processes 1")

    @property
    def scheme(self) -> str:
        """`http` or `https`, as `tls` says."""
        return "https" if self.tls else "http"

    @property
    def robots_text(self) -> str:
        """The lines of robots.txt as one text."""
        return "".join(f"{line}\n" for line in self.robots)

    def _canonical_domain(self) -> str:
        """The domain as URLs have it: in lower case and in ASCII (WHATWG URL section 3.3)."""
        read = parse(f"http://{self.domain}/")
        if not isinstance(read, Url) or set(":/@?#") & set(self.domain):
            raise OptionError("domain", f"{self.domain!r} is no domain")
        return read.host_key.removeprefix("http://")

    def _check_robots_forms(self) -> None:
        if self.robots_forms == ("plain",):
            return
        from crawler.mock.robots import FORMS  # they are answers, and answers need the options

        if not self.robots_forms:
            raise OptionError("robots_forms", "one is wanted at least; plain is the usual one")
        for name in self.robots_forms:
            if name not in FORMS:
                near = get_close_matches(name, FORMS, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise OptionError("robots_forms", f"{name!r} is no form{hint}")

    def _check_brownouts(self) -> None:
        for text in self.brownout:
            try:
                Brownout.read(text)
            except ValueError as error:
                raise OptionError("brownout", str(error)) from error

    def _check_host(self) -> None:
        if self.host == "localhost":
            return
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            raise OptionError("host", f"{self.host!r} is no IP address") from None
        if not (address.is_loopback or self.public):
            raise OptionError("host", f"{self.host} is no loopback address; --public allows it")
        if self.hosts > 1 and self.authority == "addresses" and address.version == 6:
            raise OptionError("hosts", "there is one IPv6 loopback address; use ports or names")


__all__ = ["DEFAULT_ROBOTS", "Authority", "ConfigurationError", "MockWeb"]
