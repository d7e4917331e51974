"""Choose the proxy of a host: values and rules, without network.

`--proxy` names the proxies: every host goes through one, and always through the same one. Without
it the environment counts as for curl: `http_proxy`, `https_proxy` and `all_proxy` by the target's
scheme, lower case first, except for hosts in `no_proxy` and for loopback and private addresses,
which a proxy elsewhere could not reach or would mistake for its own.

An upper-case HTTP_PROXY is ignored where REQUEST_METHOD is set: a CGI server would let any client
set it by a header (httpoxy, CVE-2016-5385).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_network
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from crawler.model.address import Network, read_address
from crawler.model.errors import ConfigurationError
from crawler.model.url import InvalidUrl, fingerprint, masked, parse

DIRECT = frozenset({"none", "direct"})
"""Values of `--proxy` that turn the environment's proxies off."""

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_FORM = "write http://host:port, https://, socks5:// or socks5h://, or none"
_KEPT = 4_096  # hosts whose route is kept


class Proxy(NamedTuple):
    """One proxy. `href` is its URL as written, with credentials."""

    scheme: str
    host: str
    port: int
    href: str
    user: str = ""
    password: str = ""

    @classmethod
    def read(cls, text: str) -> Proxy:
        """Read a proxy's URL; raises ValueError that says what is wrong."""
        try:
            parts = urlsplit(text)
            usual = _PORTS[parts.scheme]
            host, port = parts.hostname or "", usual if parts.port is None else parts.port
            href = parse(f"http{text[text.index(':') :]}")
        except (ValueError, KeyError):
            host, port, href = "", 0, None
        if not host or not port or isinstance(href, InvalidUrl):
            raise ValueError(f"{masked(text)!r} is not a proxy; {_FORM}")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.scheme, host, port, text, user, password)

    def __repr__(self) -> str:
        return f"Proxy({masked(self.href)!r})"

    @property
    def socks(self) -> bool:
        """Tell whether the proxy speaks SOCKS5."""
        return self.scheme.startswith("socks5")

    @property
    def looks_up(self) -> bool:
        """Tell whether the proxy resolves names; with socks5:// the crawler does."""
        return self.scheme != "socks5"


class Proxies:
    """The proxies of a crawl: those `named`, else those of the `environment`."""

    def __init__(
        self, named: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        chosen = [text for text in named if text not in DIRECT]
        self._named = tuple(_read("proxy", text) for text in chosen)
        environment = {} if named or environment is None else environment
        self._schemes = {scheme: _variable(environment, scheme) for scheme in ("http", "https")}
        self._any = any(self._schemes.values())
        self._spared = Spared(_value(environment, "no_proxy") or "")
        self.route = lru_cache(_KEPT)(self._route)

    def __repr__(self) -> str:
        return f"Proxies({', '.join(map(repr, self.all))})"

    @property
    def all(self) -> tuple[Proxy, ...]:
        """Every proxy that a host may get, without repeats."""
        found = (each for each in self._schemes.values() if each is not None)
        return tuple(dict.fromkeys((*self._named, *found)))

    @property
    def note(self) -> str:
        """A one-line note about the environment's proxies; "" if there are none."""
        found = [f"{masked(p.href)} for {name}" for name, p in self._schemes.items() if p]
        if not found:
            return ""
        return (
            f"proxy of the environment: {', '.join(found)}; loopback and private addresses are "
            "asked directly; --proxy none turns it off"
        )

    def looks_up(self, key: str) -> bool:
        """Tell whether the proxy of a host key resolves its names."""
        proxy = self.route(key)
        return proxy is not None and proxy.looks_up

    def _route(self, key: str) -> Proxy | None:
        if not (self._named or self._any):
            return None
        parts = urlsplit(key)
        host = (parts.hostname or "").rstrip(".")
        if self._named:
            return self._named[fingerprint(host) % len(self._named)]
        proxy = self._schemes.get(parts.scheme)
        if proxy is None or _is_local(host):
            return None
        port = parts.port or _PORTS[parts.scheme]
        return None if self._spared.has(host, port) else proxy


class Spared:
    """The hosts listed in NO_PROXY.

    Entries are separated by commas or blanks: a host with all below it (`example.com`,
    `.example.com` and `*.example.com` alike), an address, a network (`10.0.0.0/8`); a host or
    address may have a port; `*` means all.
    """

    def __init__(self, text: str) -> None:
        entries = [entry.lower() for entry in re.split(r"[\s,]+", text) if entry]
        self._all = "*" in entries
        self._networks: list[tuple[Network, int | None]] = []
        self._names: set[tuple[str, int | None]] = set()
        for entry in entries:
            host, port = _with_port(entry)
            try:
                self._networks.append((ip_network(host, strict=False), port))
            except ValueError:
                self._names.add((host.removeprefix("*").strip("."), port))

    def has(self, host: str, port: int) -> bool:
        """Tell whether a host is listed."""
        if self._all:
            return True
        address = read_address(host)
        if address is not None:
            return any(
                address in network and wanted in (None, port) for network, wanted in self._networks
            )
        labels = host.split(".")
        above = (".".join(labels[start:]) for start in range(len(labels)))
        return any((name, wanted) in self._names for name in above for wanted in (None, port))


def _with_port(entry: str) -> tuple[str, int | None]:
    """Split `host:port`; an IPv6 address with a port is in brackets."""
    found = re.fullmatch(r"\[(.*)\](?::(\d+))?|([^:]*):(\d+)", entry)
    if found is None:
        return entry, None
    port = found[2] or found[4]
    return found[1] or found[3] or "", int(port) if port else None


def _is_local(host: str) -> bool:
    if f".{host}".endswith(".localhost"):  # RFC 6761, 6.3
        return True
    address = read_address(host)
    return address is not None and not address.is_global


def _value(environment: Mapping[str, str], name: str) -> str | None:
    """Return a variable, lower case first; None if unset, "" if empty."""
    if name in environment:
        return environment[name].strip()
    if name == "http_proxy" and "REQUEST_METHOD" in environment:
        return None
    found = environment.get(name.upper())
    return None if found is None else found.strip()


def _variable(environment: Mapping[str, str], scheme: str) -> Proxy | None:
    """Return the environment's proxy for a scheme; None if unset or empty."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        if (text := _value(environment, name)) is not None:
            full = text if "://" in text else f"http://{text}"  # as curl takes it
            return _read(f"{name} in the environment", full) if text else None
    return None


def _read(name: str, text: str) -> Proxy:
    try:
        return Proxy.read(text)
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}") from None
