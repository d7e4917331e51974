"""The options of a mock web: one frozen value that determines every byte served.

Flags, TOML keys (`[mock]`), environment variables and tables derive from the fields. Times are in
seconds, sizes in bytes, shares from 0 to 1.

Host 0 is `host` itself. With `addresses` host H is H addresses further (127.0.0.1, 127.0.0.2, ...),
with `ports` H ports further, with `names` it is `h<H>.<domain>` at the same address and port, told
apart by the Host field (RFC 9110 section 7.2).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, Literal

from crawler.model.distribution import Distribution
from crawler.model.option import OptionError, Options, option
from crawler.model.units import BYTES, RATE, SECONDS, SHARE
from crawler.model.url import Url, parse
from crawler.model.windows import Brownout, Stall

Authority = Literal["addresses", "ports", "names"]

DEFAULT_ROBOTS = (
    "User-agent: *",
    "Disallow: /private/",
    "Disallow: /members/",
    "Allow: /members/open/",
    "Disallow: /*.print$",
)

ROBOTS_FORMS = (
    "plain", "empty", "none", "gone", "unauthorized", "forbidden", "too-many", "server-error",
    "unavailable", "redirect", "redirects-5", "redirects-6", "redirect-loop", "redirect-host",
    "timeout", "reset", "empty-reply", "cut", "slow", "html", "gzip", "bom", "cr", "crlf",
    "no-final-newline", "big", "utf-16", "latin-1", "nul", "long-lines", "case", "groups",
    "wildcards", "crawl-delay",
)  # fmt: skip
"""The names of `crawler.mock.graph.robots_forms.FORMS`."""

# Page numbers are drawn from 32-bit words; this keeps the draw close to uniform.
MAX_PAGES = 1_000_000_000
# A page is built and cached in memory as a whole.
MAX_PAGE_BYTES = 64 * 1024 * 1024
MAX_LINKS = 100_000
# Each address or port is a listening socket in every process.
MAX_LISTENERS = 1_000

_HOST_LABEL = re.compile(r"h(0|[1-9][0-9]{0,6})")

_web, _flat, _graph, _time, _limits, _server = (
    partial(option, section)
    for section in (
        *("Web", "Flat pages (/page/N)", "Graph (/)"),
        *("Time", "Robots and limits", "Server"),
    )
)


def _share(default: float, which: str, *, common: bool = False) -> Any:
    text = f"Share of pages {which}."
    return _graph(default, text, least=0, most=0.5, unit=SHARE, common=common)


def _times(default: str, help: str, *, common: bool = False) -> Any:
    spread = Distribution.read(default)
    return _time(spread, help, unit=SECONDS, metavar="DIST", common=common)


@dataclass(frozen=True, slots=True, kw_only=True)
class MockWeb(Options):
    """The options of a mock web, checked when made.

    Raises `ConfigurationError` that names the option, its value and what was expected.
    """

    seed: int = _web(0, "Seed of the generated web.", common=True)
    pages: int = _web(
        1000,
        "Pages of the graph, and flat pages /page/0 to /page/N-1.",
        least=1,
        most=MAX_PAGES,
        common=True,
    )
    hosts: int = _web(
        1, "Hosts that the graph is spread over.", least=1, most=1_000_000, common=True
    )
    authority: Authority = _web(
        "addresses",
        "How hosts differ: by address (127.0.0.1, .2, ...), by port, or by name (Host header).",
    )
    domain: str = _web(
        "mock.test",
        "Domain of hosts with names: host H is hH.DOMAIN, reached by proxy.",
        metavar="DOMAIN",
    )
    page_bytes: int = _flat(
        8192,
        "Size of a flat page, in bytes.",
        least=0,
        most=MAX_PAGE_BYTES,
        unit=BYTES,
        common=True,
    )
    links: int = _flat(20, "Links on a flat page.", least=0, most=MAX_LINKS, common=True)

    size: Distribution = _graph(
        Distribution.read("pareto:3000,1.4"),
        "Bytes of a page, 1 MB at most.",
        unit=BYTES,
        metavar="DIST",
    )
    degree: Distribution = _graph(
        Distribution.read("lognormal:12,0.8"), "Links on a page, 2,000 at most.", metavar="DIST"
    )
    depth: float = _graph(
        4.0, "Median clicks from a host's front page (log-normal).", least=1, most=50, metavar="N"
    )
    disallowed: float = _share(0.05, "that robots.txt disallows")
    nofollow: float = _share(0.03, "linked only with rel=nofollow")
    noindex: float = _share(0.03, "marked noindex")
    sitemap_only: float = _share(0.03, "listed only in a sitemap")
    redirects: float = _share(0.04, "that redirect to another page")
    errors: float = _share(0.03, "that answer 404, 410 or 500", common=True)
    flaky: float = _share(0.01, "that answer 503 once or twice first")
    faulty: float = _share(0.0, "that answer with a fault of the catalogue", common=True)
    duplicates: float = _share(0.04, "with another page's content")
    near_duplicates: float = _share(0.03, "with nearly another page's content")
    files: float = _share(0.02, "that are not HTML")
    traps: bool = _graph(False, "Link to the crawler traps from front pages.", common=True)

    latency: Distribution = _times("0", "Seconds before the first byte.", common=True)
    transfer: Distribution = _times("0", "Seconds from a body's first byte to its last.")
    stall: Stall = _time(
        Stall(), "Hold back all responses at intervals: '1.4s every 10s'.", metavar="TEXT"
    )
    brownout: tuple[str, ...] = _time(
        (),
        "Bad period after the start: '10s..20s latency lognormal:0.5,0.4 errors 0.2'.",
        metavar="TEXT",
    )
    workers: int = _time(
        0, "Workers of a simulated queue, M/G/c (0: no queue).", least=0, most=10_000
    )
    service: Distribution = _times(
        "0.01", "Seconds that a worker of the queue takes for a request."
    )
    queue: int = _time(
        1000, "Maximum requests that wait for a worker; more get 503.", least=0, most=1_000_000
    )

    robots: tuple[str, ...] = _limits(
        DEFAULT_ROBOTS, "Lines of robots.txt; the default fits the graph.", metavar="LINE"
    )
    robots_forms: tuple[str, ...] = _limits(
        ("plain",),
        "How hosts answer /robots.txt, in turn; `crawler mock faults` lists the names.",
        metavar="FORM",
    )
    rate: float = _limits(
        0.0,
        "Requests/s per host before it answers 429 (0: no limit).",
        least=0,
        most=1_000_000,
        unit=RATE,
        common=True,
    )
    burst: int = _limits(
        10, "Requests that a host accepts at once, in spite of --rate.", least=1, most=1_000_000
    )
    retry_after: bool = _limits(True, "Send Retry-After with 429 and 503.")

    host: str = _server("127.0.0.1", "Address to listen on.", metavar="ADDRESS", common=True)
    port: int = _server(
        0, "Port to listen on (0: any free port).", least=0, most=65_535, common=True
    )
    public: bool = _server(False, "Allow a --host that other machines can reach.")
    processes: int = _server(1, "Server processes.", least=1, most=256, common=True)
    tls: bool = _server(False, "Serve HTTPS with a certificate made at startup.", common=True)
    access_log: str = _server(
        "", "Write a JSON line per request to this file; - is stdout.", metavar="FILE", common=True
    )
    idle_timeout: float = _server(
        75.0, "Seconds before an idle connection is closed.", least=0.05, most=86_400, unit=SECONDS
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

    def address_of(self, host: int) -> str:
        """Return the IP address (or `localhost`) that a host is reached at."""
        if self.authority != "addresses" or not host:
            return self.host
        return str(self._first_address() + host)

    def port_of(self, host: int) -> int:
        """Return the port that a host is reached at."""
        return self.port + host if self.authority == "ports" else self.port

    def authority_of(self, host: int) -> str:
        """Return `host:port` of a host as it stands in its URLs."""
        names = self.authority == "names"
        name = f"h{host}.{self.domain}" if names else self.address_of(host)
        name = f"[{name}]" if ":" in name else name
        port = self.port_of(host)
        return name if port == self._default_port else f"{name}:{port}"

    def origin_of(self, host: int) -> str:
        """Return `scheme://authority` of a host."""
        return f"{self.scheme}://{self.authority_of(host)}"

    def host_number(self, authority: str) -> int | None:
        """Return the number of the host with this authority in any case, None if unknown."""
        asked = authority.lower()
        if self.hosts == 1:
            return 0 if asked == self.authority_of(0) else None
        name, _, tail = asked.rpartition(":")
        if not name or tail.endswith("]"):
            name, tail = asked, str(self._default_port)
        if not (tail.isascii() and tail.isdigit() and len(tail) <= 5):
            return None
        number = self._number(name, int(tail))
        known = number is not None and 0 <= number < self.hosts
        return number if known and self.port_of(number or 0) == int(tail) else None

    def _number(self, name: str, port: int) -> int | None:
        match self.authority:
            case "names":
                label, _, domain = name.partition(".")
                found = _HOST_LABEL.fullmatch(label) if domain == self.domain else None
                return int(found[1]) if found else None
            case "ports":
                return port - self.port if name.strip("[]") == self.host else None
            case "addresses":
                return 0 if name == self.host else self._distance(name)

    def _distance(self, name: str) -> int | None:
        try:
            return int(ipaddress.ip_address(name.strip("[]"))) - int(self._first_address())
        except ValueError:
            return None

    def _first_address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        return ipaddress.ip_address("127.0.0.1" if self.host == "localhost" else self.host)

    @property
    def _default_port(self) -> int:
        return 443 if self.tls else 80

    def plain_values(self) -> dict[str, object]:
        """Return every option as a JSON and TOML value; `MockWeb.of` reads it back."""
        return {name: _plain(getattr(self, name)) for name in self.options()}

    def changed(self, changes: Mapping[str, object]) -> MockWeb:
        """Return the options with some changed; raise `OptionError` if that is invalid."""
        return MockWeb.of({**self.plain_values(), **changes})

    def _canonical_domain(self) -> str:
        """Return the domain as in URLs: in lower case and ASCII (WHATWG URL section 3.3)."""
        read = parse(f"http://{self.domain}/")
        if not isinstance(read, Url) or set(":/@?#") & set(self.domain):
            raise OptionError("domain", f"expected a domain name, got {self.domain!r}")
        return read.authority

    def _check_robots_forms(self) -> None:
        if not self.robots_forms:
            raise OptionError("robots_forms", "expected at least one; plain is the default")
        for name in self.robots_forms:
            if name not in ROBOTS_FORMS:
                near = get_close_matches(name, ROBOTS_FORMS, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise OptionError("robots_forms", f"{name!r} is not a form{hint}")

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
            raise OptionError("host", f"expected an IP address, got {self.host!r}") from None
        if not (address.is_loopback or self.public):
            raise OptionError("host", f"{self.host} is not a loopback address; --public allows it")
        if self.hosts > 1 and self.authority == "addresses" and address.version == 6:
            raise OptionError("hosts", "there is one IPv6 loopback address; use ports or names")


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, bool | int | float | str) else str(value)
