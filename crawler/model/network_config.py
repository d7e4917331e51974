"""The options of HTTP exchanges: times, sizes, headers, proxies, permitted addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from crawler.model.address import PORTS, AddressPolicy, policy, read_network, read_ports
from crawler.model.media import MediaTypes
from crawler.model.option import OptionError, Options, option, secret
from crawler.model.proxies import DIRECT, Proxy
from crawler.model.secrets import hidden, is_secret
from crawler.model.units import BYTES, SECONDS
from crawler.model.version import VERSION

_FETCHING, _SAFETY = "Fetching", "Safety"

_NAME_START = re.compile(r"[^\s:=]{0,40}")
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2: token


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig(Options):
    """Timeouts, retries, body limits, headers, proxies and the addresses that may be reached."""

    timeout: float = option(
        _FETCHING, 60.0, "Seconds for one whole exchange.", least=0.01, most=86_400, unit=SECONDS
    )
    connect_timeout: float = option(
        _FETCHING,
        10.0,
        "Seconds for name look-up, connecting and TLS.",
        least=0.01,
        most=3_600,
        unit=SECONDS,
    )
    retries: int = option(_FETCHING, 2, "Further attempts at what may pass.", least=0, most=100)
    backoff: float = option(
        _FETCHING,
        0.5,
        "Seconds before the first retry; doubles each time.",
        least=0,
        most=3_600,
        unit=SECONDS,
    )
    backoff_max: float = option(
        _FETCHING,
        60.0,
        "Seconds that a retry waits at the most.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    max_body: int = option(
        _FETCHING,
        10_485_760,
        "Bytes read of a body, on the wire and decoded; it is cut there.",
        least=1,
        most=2**31,
        unit=BYTES,
    )
    strict: bool = option(
        _FETCHING, False, "Fail pages whose body was cut; by default what came of it is kept."
    )
    accept: tuple[str, ...] = option(
        _FETCHING,
        (),
        "Media types to read, 'text/html,image/*'; any other fails before its body is read.",
        metavar="TYPE",
    )
    max_redirects: int = option(_FETCHING, 10, "Redirects followed for one URL.", least=0, most=100)
    user_agent: str = option(
        _FETCHING, f"crawler/{VERSION}", "The User-Agent header.", metavar="TEXT"
    )
    header: tuple[str, ...] = secret(
        option(
            _FETCHING,
            (),
            "A further request header; may be repeated. One named like a credential goes to the "
            "origins of the list alone.",
            metavar="'K: V'",
            short="-H",
        )
    )
    header_everywhere: tuple[str, ...] = secret(
        option(
            _FETCHING,
            (),
            "A further request header for every server, whatever its name; may be repeated.",
            metavar="'K: V'",
        )
    )
    proxy: tuple[str, ...] = secret(
        option(
            _FETCHING,
            (),
            "Proxy for every request: http, https, socks5, socks5h (looks names up). Of several, "
            "each host keeps one; none: not that of the environment.",
            metavar="URL",
        )
    )
    insecure: bool = option(_FETCHING, False, "Do not verify TLS certificates.")
    dns_ttl: float = option(
        _FETCHING,
        300.0,
        "Seconds that a looked-up name is kept.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    allow_private: bool = option(
        _SAFETY, False, "Connect to any address and port: loopback, private networks and all."
    )
    allow_network: tuple[str, ...] = option(
        _SAFETY,
        (),
        "Connect to this network, on any port; may be repeated.",
        metavar="CIDR",
    )
    allow_port: tuple[str, ...] = option(
        _SAFETY,
        (),
        f"A further port, or range, beside {', '.join(map(str, PORTS))}; may be repeated.",
        metavar="PORT",
    )

    def __post_init__(self) -> None:
        one: object = self.proxy  # as it was written before there could be several
        if isinstance(one, str):
            object.__setattr__(self, "proxy", (one,) if one else ())
        self.settle()
        for name in ("header", "header_everywhere"):
            for line in getattr(self, name):
                split_header(line, name)
                _check_sendable(name, line)
        _check_sendable("user_agent", self.user_agent)
        _check_each("allow_network", self.allow_network, read_network)
        _check_each("allow_port", self.allow_port, read_ports)
        _check_each("proxy", set(self.proxy) - DIRECT, Proxy.read)
        object.__setattr__(self, "accept", _accepted(self.accept))

    @property
    def headers_for_seeds(self) -> tuple[tuple[str, str], ...]:
        """The further headers, as (name, value), that are for the origins of the list alone."""
        return tuple(pair for pair in map(split_header, self.header) if is_secret(pair[0]))

    @property
    def headers_for_all(self) -> tuple[tuple[str, str], ...]:
        """The further headers that go with every request."""
        own = (pair for pair in map(split_header, self.header) if not is_secret(pair[0]))
        return (*own, *map(split_header, self.header_everywhere))

    @property
    def addresses(self) -> AddressPolicy:
        """The addresses and ports that may be connected to."""
        return policy(
            everything=self.allow_private, networks=self.allow_network, ports=self.allow_port
        )


def _check_each(name: str, texts: Iterable[str], read: Callable[[str], object]) -> None:
    for text in texts:
        try:
            read(text)
        except ValueError as error:
            raise OptionError(name, str(error)) from None


def split_header(line: str, option: str = "header") -> tuple[str, str]:
    """`"Accept: text/html"` as name and value; RFC 9110, 5.1 and 5.5 say what is legal."""
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _FIELD_NAME.fullmatch(name) or any(c in value for c in "\r\n\0"):
        start = _NAME_START.match(line)  # what follows may be a secret
        raise OptionError(option, f"{start and start[0]!r} is no header; write 'Name: value'")
    return name, value


def _check_sendable(name: str, text: str) -> None:
    """Refuse bytes of the command line that are not UTF-8: headers are sent as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise OptionError(name, f"{hidden(text)!r} is not valid UTF-8") from None


def _accepted(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns, one for each, of options that may hold several with commas."""
    try:
        return MediaTypes(",".join(texts)).patterns
    except ValueError as error:
        raise OptionError("accept", str(error)) from None
