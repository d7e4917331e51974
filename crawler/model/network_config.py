"""The options of HTTP exchanges: timeouts, sizes, headers, proxies and permitted addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from crawler.model.address import PORTS, AddressPolicy, policy, read_network, read_ports
from crawler.model.media import MediaTypes
from crawler.model.option import OptionError, Options, option
from crawler.model.proxies import DIRECT, Proxy
from crawler.model.secrets import hidden, is_secret
from crawler.model.units import BYTES, SECONDS
from crawler.model.version import VERSION

_option, _safety = partial(option, "Fetching"), partial(option, "Safety")
_seconds = partial(_option, least=0, most=86_400, unit=SECONDS)
_NAME_START = re.compile(r"[^\s:=]{0,40}")
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2: token


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig(Options):
    """Timeouts, retries, body limits, headers, proxies and the addresses that may be reached."""

    timeout: float = _seconds(
        60.0, "Seconds for a whole request and response.", least=0.01, common=True
    )
    connect_timeout: float = _seconds(
        10.0, "Seconds for DNS lookup, connecting and TLS.", least=0.01, most=3_600
    )
    retries: int = _option(2, "Retries for transient failures.", least=0, most=100, common=True)
    repeat_unsafe: bool = _option(
        False, "Retry POST and PATCH too, and send them again after a kill."
    )
    backoff: float = _seconds(
        0.5, "Seconds before the first retry; doubles with each one.", most=3_600
    )
    backoff_max: float = _seconds(60.0, "Maximum seconds before a retry.")
    max_body: int = _option(
        10_485_760,
        "Maximum bytes of a body, on the wire and decoded; longer ones are cut.",
        least=1,
        most=2**31,
        unit=BYTES,
        common=True,
    )
    strict: bool = _option(False, "Fail pages whose body was cut instead of keeping what arrived.")
    accept: tuple[str, ...] = _option(
        (),
        "Media types to read, 'text/html,image/*'; others fail before their body is read.",
        metavar="TYPE",
    )
    max_redirects: int = _option(10, "Maximum redirects of one URL.", least=0, most=100)
    user_agent: str = _option(
        f"crawler/{VERSION}", "User-Agent header.", metavar="TEXT", common=True
    )
    header: tuple[str, ...] = _option(
        (),
        "Request header; repeatable. Credentials go only to the origins of the list.",
        metavar="'K: V'",
        short="-H",
        common=True,
        shown=False,
    )
    header_everywhere: tuple[str, ...] = _option(
        (),
        "Request header for every server, credentials included; repeatable.",
        metavar="'K: V'",
        shown=False,
    )
    cookies: str = _option(
        "", "Cookies to send, in Netscape's format or JSON, where each belongs.", metavar="FILE"
    )
    session: bool = _option(False, "Keep the cookies that a site sets for its other URLs.")
    cache: str = _option(
        "", "Keep responses here, and use them while they are fresh.", metavar="DIR"
    )
    offline: bool = _option(False, "Take every response from the cache; ask no server.")
    credentials: str = _option(
        "", "Bearer tokens and passwords by origin, in TOML.", metavar="FILE.toml"
    )
    proxy: tuple[str, ...] = _option(
        (),
        "Proxy (http, https, socks5, socks5h), or none; repeatable.",
        metavar="URL",
        common=True,
        shown=False,
    )
    insecure: bool = _option(False, "Do not verify TLS certificates.")
    dns_ttl: float = _seconds(300.0, "Seconds to cache DNS answers (0: no cache).")
    allow_private: bool = _safety(
        False, "Allow loopback and private addresses, and any port.", common=True
    )
    allow_network: tuple[str, ...] = _safety(
        (), "Allow this network, on any port; repeatable.", metavar="CIDR", common=True
    )
    allow_port: tuple[str, ...] = _safety(
        (),
        f"Additional port, or range, next to {', '.join(map(str, PORTS))}; repeatable.",
        metavar="PORT",
    )

    def __post_init__(self) -> None:
        one: object = self.proxy  # as it was written before there could be several
        if isinstance(one, str):
            object.__setattr__(self, "proxy", (one,) if one else ())
        self.settle()
        if self.offline and not self.cache:
            raise OptionError("offline", "needs the responses of an earlier crawl: --cache DIR")
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
        """The additional headers, as (name, value), sent only to the origins of the list."""
        return tuple(pair for pair in map(split_header, self.header) if is_secret(pair[0]))

    @property
    def headers_for_all(self) -> tuple[tuple[str, str], ...]:
        """The additional headers sent with every request."""
        own = (pair for pair in map(split_header, self.header) if not is_secret(pair[0]))
        return (*own, *map(split_header, self.header_everywhere))

    @property
    def request_headers(self) -> list[tuple[str, str]]:
        """The headers of every request; the user's replace defaults with the same name.

        Headers that are meant for some servers only are not included.
        """
        defaults = (
            ("User-Agent", self.user_agent),
            ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
        )
        own = self.headers_for_all
        named = {name.lower() for name, _ in own}
        return [pair for pair in defaults if pair[0].lower() not in named] + list(own)

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
    """Split `"Accept: text/html"` into name and value, by RFC 9110, 5.1 and 5.5."""
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _FIELD_NAME.fullmatch(name) or any(c in value for c in "\r\n\0"):
        start = _NAME_START.match(line)  # the rest may be a secret
        raise OptionError(option, f"{start and start[0]!r} is not a header; write 'Name: value'")
    return name, value


def header_names(option: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names in lower case of options that may hold several, separated by commas."""
    names = [name.strip().lower() for text in texts for name in text.split(",")]
    for name in names:
        if not _FIELD_NAME.fullmatch(name):
            raise OptionError(option, f"{name!r} is not the name of a header")
    return tuple(dict.fromkeys(names))


def _check_sendable(name: str, text: str) -> None:
    """Refuse command-line bytes that are not UTF-8: headers are sent as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise OptionError(name, f"{hidden(text)!r} is not valid UTF-8") from None


def _accepted(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns of options that may hold several, separated by commas."""
    try:
        return MediaTypes(",".join(texts)).patterns
    except ValueError as error:
        raise OptionError("accept", str(error)) from None
