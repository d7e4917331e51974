"""Which addresses and ports are on the open web, by the registries and by `ipaddress`."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.model.address import (
    PORTS,
    AddressPolicy,
    nature,
    policy,
    read_network,
    read_ports,
)
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.url import Url, parse

DEFAULT = AddressPolicy()

OPEN = [
    *("1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.0", "172.15.255.255"),
    *("172.32.0.0", "169.253.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *("192.0.1.0", "192.88.98.255", "11.0.0.0", "126.255.255.255", "128.0.0.0"),
    *("2606:4700::1111", "2a00:1450:4001:800::200e", "2001:200::", "2001:4860:4860::8888"),
    *("2003::", "2000::1", "3ffe:ffff::", "2620:fe::9"),
]

NATURES = {
    "127.0.0.1": "loopback",
    "127.255.255.255": "loopback",
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "10.255.255.255": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.0.1": "private",
    "100.64.0.1": "carrier-grade NAT",
    "100.127.255.255": "carrier-grade NAT",
    "100.100.100.200": "a cloud's metadata service",
    "168.63.129.16": "a cloud's metadata service",
    "169.254.169.254": "a cloud's metadata service",
    "192.0.0.192": "a cloud's metadata service",
    "169.254.170.2": "link-local",
    "192.0.0.8": "for protocols",
    "192.0.2.1": "documentation",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "192.88.99.1": "6to4",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "IPv4-compatible",
    "::ffff:7f00:1": "IPv4-mapped",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "::ffff:0:7f00:1": "IPv4-translated",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::808:808": "NAT64",
    "64:ff9b:1::a00:1": "NAT64",
    "100::1": "discard-only",
    "2001::1": "Teredo",
    "2001:0:4136:e378:8000:63bf:80ff:fffe": "Teredo",
    "2001:2::1": "benchmarking",
    "2001:10::1": "for protocols",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:a00:1::1": "6to4",
    "fc00::1": "private",
    "fd12:3456::1": "private",
    "fd00:ec2::254": "a cloud's metadata service",
    "fd20:ce::254": "a cloud's metadata service",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "4000::1": "not routed",
    "5f00::1": "not routed",
    "1::1": "not routed",
}


@pytest.mark.parametrize("ip", OPEN)
def test_the_open_web_is_open(ip: str) -> None:
    """Public addresses, those beside refused ranges among them, are connected to."""
    assert DEFAULT.refusal(ip, 443) is None


@pytest.mark.parametrize(("ip", "name"), NATURES.items())
def test_everything_else_is_refused_by_name(ip: str, name: str) -> None:
    """A refusal names the address, what it is, and the option that opens it."""
    assert DEFAULT.refusal(ip, 443) == f"{ip} is {name} (--allow-private opens it)"
    assert AddressPolicy(everything=True).refusal(ip, 1) is None


@pytest.mark.parametrize(
    "ip",
    [
        *(
            "",
            "localhost",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.1.",
            " 127.0.0.1",
        ),
        *("127.0.0.1/8", "[::1]", "\uff11\uff12\uff17.0.0.1", "1.2.3.4.5", "256.1.1.1", "::1::"),
    ],
)
def test_what_is_no_canonical_address_is_refused(ip: str) -> None:
    """Nothing that another parser might read in another way gets past."""
    assert DEFAULT.refusal(ip, 443) == f"{ip!r} is not an IP address in canonical form"


# Hosts as a list, a link or a Location may spell them; all are, or lead to, what is not the web.
LITERALS = [
    *("127.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "127.255.255.254", "127.000.000.001"),
    *("2130706433", "0x7f000001", "0x7f.1", "0x7F.0.0.1", "0x7f.0x0.0x0.0x1", "017700000001"),
    *("0177.0.0.1", "0177.1", "0177.0.0.01", "127.0x1", "0x7f.0.1", "00000177.0.0.1"),
    *("\uff11\uff12\uff17.0.0.1", "127\u30020.0.1", "127\uff0e0\uff0e0\uff0e1", "%31%32%37.0.0.1"),
    *("\u2460\u2461\u2466.0.0.1", "\u24ea\u24e7\u2466\u24d5.1", "0", "0x0", "0.0.0.0", "00.0.0"),
    *("0.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::]", "[::0.0.0.1]"),
    *("[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:FFFF:7F00:0001]"),
    *("[::ffff:0.0.0.0]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]"),
    *("[64:ff9b:1::127.0.0.1]", "[2002:7f00:1::]", "[2002:7f00:0001::1]", "[2002:a9fe:a9fe::]"),
    *("[2001:0:7f00:1::]", "[2001::80ff:fffe]", "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00::1]"),
    *("[ff02::1]", "[2001:db8::1]", "[100::1]", "[fd00:ec2::254]", "[4000::1]"),
    *(
        "10.0.0.1",
        "0xa.1",
        "167772161",
        "172.16.0.1",
        "192.168.1.1",
        "0300.0250.1.1",
        "192.168.257",
    ),
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376"),
    *("169.254.43518", "169.16689662", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]"),
    *("100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "192.0.2.1"),
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "4294967295", "0xffffffff", "037777777777"),
    *("user@127.0.0.1", "example.com:80@127.0.0.1", "example.com%20@127.1", "me:pw@[::1]"),
]


def test_there_are_enough_spellings() -> None:
    """At least 60, none twice."""
    assert len(set(LITERALS)) == len(LITERALS) >= 60


@pytest.mark.parametrize("host", LITERALS)
def test_no_spelling_gets_past(host: str) -> None:
    """Each spelling of an address that is not the web's is refused, in its canonical form."""
    url = parse(f"http://{host}/")
    assert isinstance(url, Url), url
    refused = DEFAULT.refusal(urlsplit(url.href).hostname or "", 80)
    assert refused is not None and refused.endswith("(--allow-private opens it)")


# Where the tables are stricter than `ipaddress`: whole ranges of which it opens parts.
_STRICTER = [ipaddress.ip_network(text) for text in ("192.88.99.0/24", "192.0.0.0/24")]


@pytest.mark.slow
@given(
    st.one_of(
        st.ip_addresses(),
        st.ip_addresses(network="2000::/3"),
        st.ip_addresses(network="2001::/16"),
        st.ip_addresses(network="192.0.0.0/8"),
    )
)
@example(ipaddress.ip_address("::ffff:127.0.0.1"))
def test_nothing_that_python_calls_local_is_open(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """What `ipaddress` knows as not global, or as multicast, is refused, whatever else is."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert nature(str(address)) is not None


@pytest.mark.slow
@given(st.ip_addresses(v=4))
def test_ipv4_agrees_with_python(address: ipaddress.IPv4Address) -> None:
    """For IPv4 the tables say what `ipaddress` says, but for multicast and a few services."""
    stricter = address.is_multicast or any(address in network for network in _STRICTER)
    if not stricter and str(address) != "168.63.129.16":
        assert (nature(str(address)) is None) == address.is_global


def test_ports() -> None:
    """The web's ports are open, others name the option that opens them."""
    assert all(DEFAULT.refusal("1.1.1.1", port) is None for port in PORTS)
    for port in (0, 22, 25, 53, 6379, 9200, 11211, 65_535):
        refusal = DEFAULT.refusal("1.1.1.1", port)
        assert refusal == f"port {port} is not one of the web's (--allow-port {port} opens it)"


def test_networks_are_opened_on_every_port() -> None:
    """A network of the user's opens its own addresses, whatever the port, and no others."""
    opened = CrawlConfig(allow_network=("10.0.0.0/8", "fd00::/8", "1.2.3.4")).network.addresses
    assert opened.refusal("10.1.2.3", 5_000) is None
    assert opened.refusal("fd00::1", 5_000) is None
    assert opened.refusal("1.2.3.4", 5_000) is None
    assert opened.refusal("1.2.3.5", 5_000) is not None
    assert opened.refusal("::ffff:10.1.2.3", 80) is not None
    assert opened.refusal("127.0.0.1", 80) is not None
    assert opened.refusal("127.1", 80) is not None


def test_further_ports() -> None:
    """Ports of the user's come on top of the web's, one by one or as a range."""
    opened = CrawlConfig(allow_port=("81", "9000-9002")).network.addresses
    assert opened.ports == {*PORTS, 81, 9000, 9001, 9002}


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0/33", "10.0.0.1/8", "10/8", "::/129", "example.com", "127.1", "1.2.3.4/x"]
)
def test_bad_networks(text: str) -> None:
    """An invalid network is refused in one line that says what to write."""
    with pytest.raises(ConfigurationError, match=r"^allow_network: .* is not a network; .*write"):
        CrawlConfig(allow_network=(text,))
    with pytest.raises(ValueError, match="write"):
        read_network(text)


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "http", "-1", "80-", "90-80", "80-70000", "\u0663", "8 0", "1-2-3"]
)
def test_bad_ports(text: str) -> None:
    """An invalid port or range is refused in one line."""
    with pytest.raises(
        ConfigurationError, match=r"^allow_port: .* is not a port; write 1 to 65535"
    ):
        CrawlConfig(allow_port=(text,))
    with pytest.raises(ValueError, match="not a port"):
        read_ports(text)


def test_a_policy_is_a_value() -> None:
    """Equal options make equal policies."""
    made = policy(everything=False, networks=["10.0.0.0/8"], ports=["81"])
    assert made == policy(everything=False, networks=["10.0.0.0/8"], ports=["81-81"])
