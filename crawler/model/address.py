"""Judge the addresses and ports that a crawl may connect to: the open web, unless more is opened.

Links, redirects, sitemaps and DNS records may point a crawler at its own machine or network. So
every address is judged where the connection is made, after DNS (`crawler.fetch.address_guard`).
The rules stand here because the configuration checks and explains the same networks and ports.

The tables follow IANA's special-purpose registries (RFC 6890 and its updates), not
`ipaddress.is_global`, which differs between versions of Python; a test compares the two. For IPv6
only 2000::/3 is on the open web (RFC 4291, 2.4), less the parts listed here.
Addresses with an embedded IPv4 address (mapped, NAT64, 6to4, Teredo) are refused: the open web
does not need them, and where they lead depends on the crawler's network.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

PORTS = (80, 443, 8000, 8008, 8080, 8443)
"""Ports of web servers: IANA's http, https, http-alt (two) and the two other common ones.

Anything else (mail, databases, caches, shells) could be harmed by HTTP requests and is rarely a
public web server.
"""

_REFUSED = (
    # The metadata services of clouds: AWS and most others, Azure, Alibaba, Oracle; IPv6 of AWS,
    # Google, Scaleway. All but Azure's lie in ranges below; they are named for the reason's sake.
    ("a cloud's metadata service", "169.254.169.254 168.63.129.16 100.100.100.200 192.0.0.192"),
    ("a cloud's metadata service", "fd00:ec2::254 fd20:ce::254 fd00:42::42"),
    ("loopback", "127.0.0.0/8 ::1"),
    ("unspecified", "0.0.0.0/8 ::"),
    ("private", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7"),
    ("carrier-grade NAT", "100.64.0.0/10"),
    ("link-local", "169.254.0.0/16 fe80::/10"),
    ("for protocols", "192.0.0.0/24"),
    ("documentation", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20"),
    ("benchmarking", "198.18.0.0/15 2001:2::/48"),
    ("multicast", "224.0.0.0/4 ff00::/8"),
    ("broadcast", "255.255.255.255"),
    ("reserved", "240.0.0.0/4"),
    ("6to4", "192.88.99.0/24 2002::/16"),
    ("IPv4-mapped", "::ffff:0:0/96"),
    ("IPv4-translated", "::ffff:0:0:0/96"),
    ("IPv4-compatible", "::/96"),
    ("NAT64", "64:ff9b::/96 64:ff9b:1::/48"),
    ("Teredo", "2001::/32"),
    ("for protocols", "2001::/23"),
    ("discard-only", "100::/64"),
    ("site-local", "fec0::/10"),
)
_NAMED = [(ip_network(text), name) for name, texts in _REFUSED for text in texts.split()]
_ROUTED = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """The addresses and ports that may be connected to.

    everything: refuse nothing. networks: open on any port. ports: those open on the open web.
    """

    everything: bool = False
    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset(PORTS)

    def refusal(self, ip: str, port: int) -> str | None:
        """Return the reason not to connect to `ip`, or None; only canonical form is accepted."""
        if self.everything:
            return None
        found = nature(ip) or self.port_refusal(port)
        if found is None or (self.networks and self._opened(ip)):
            return None
        return found

    def port_refusal(self, port: int) -> str | None:
        """Return the reason not to connect to `port` on the open web, or None."""
        if self.everything or port in self.ports:
            return None
        return f"port {port} is not one of the web's (--allow-port {port} opens it)"

    def _opened(self, ip: str) -> bool:
        address = read_address(ip)
        return address is not None and any(address in network for network in self.networks)


@lru_cache(maxsize=65_536)  # about 10 MB
def nature(ip: str) -> str | None:
    """Return the reason, in a sentence, why `ip` is not on the open web; None if it is."""
    address = read_address(ip)
    if address is None:
        return f"{ip!r} is not an IP address in canonical form"
    name = next((name for network, name in _NAMED if address in network), None)
    if name is None and isinstance(address, IPv6Address) and address not in _ROUTED:
        name = "not routed"
    return f"{ip} is {name} (--allow-private opens it)" if name else None


def read_address(ip: str) -> IPv4Address | IPv6Address | None:
    """Return an IP address, or None for other text."""
    try:
        return ip_address(ip)
    except ValueError:
        return None


def read_network(text: str) -> Network:
    """Read `10.0.0.0/8`, `fd00::/8` or one address; raises ValueError with one line."""
    try:
        return ip_network(text)
    except ValueError:
        hint = "write an address and a prefix, like 10.0.0.0/8"
    with suppress(ValueError):
        hint = f"its prefix does not cover all its bits; write {ip_network(text, strict=False)}"
    raise ValueError(f"{text!r} is not a network; {hint}")


def read_ports(text: str) -> range:
    """Read `8081` or `8000-8100`; raises ValueError with one line."""
    first, dash, last = text.partition("-")
    if _is_port(first) and (not dash or _is_port(last)):
        ports = range(int(first), int(last or first) + 1)
        if ports:
            return ports
    raise ValueError(f"{text!r} is not a port; write 1 to 65535, or a range such as 8000-8100")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65_535


def policy(*, everything: bool, networks: Iterable[str], ports: Iterable[str]) -> AddressPolicy:
    """Return the policy that the options describe; raises ValueError with one line."""
    more = (port for text in ports for port in read_ports(text))
    return AddressPolicy(
        everything=everything,
        networks=tuple(map(read_network, networks)),
        ports=frozenset((*PORTS, *more)),
    )
