"""Which proxy a host gets: the options, the environment, and what is spared."""

from __future__ import annotations

import pytest

from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.proxies import Proxies, Proxy, Spared

P, Q, R = "http://p.test:1", "http://q.test:2", "socks5h://r.test:3"


def href(proxies: Proxies, key: str) -> str:
    """The proxy's URL for a host key; "" without one."""
    proxy = proxies.route(key)
    return proxy.href if proxy else ""


@pytest.mark.parametrize(
    ("environment", "http", "https"),
    [
        ({}, "", ""),
        ({"http_proxy": P}, P, ""),
        ({"HTTP_PROXY": P}, P, ""),
        ({"https_proxy": P}, "", P),
        ({"HTTPS_PROXY": P}, "", P),
        ({"all_proxy": P}, P, P),
        ({"ALL_PROXY": R}, R, R),
        ({"http_proxy": P, "HTTP_PROXY": Q}, P, ""),
        ({"http_proxy": "", "HTTP_PROXY": Q, "all_proxy": R}, "", R),
        ({"https_proxy": Q, "all_proxy": P}, P, Q),
        ({"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, "", ""),
        ({"http_proxy": P, "REQUEST_METHOD": "GET"}, P, ""),
        ({"HTTP_PROXY": P, "REQUEST_METHOD": "GET", "all_proxy": Q}, Q, Q),
        ({"http_proxy": "p.test:1"}, P, ""),
        ({"http_proxy": P, "no_proxy": "*"}, "", ""),
        ({"all_proxy": P, "NO_PROXY": "site.test"}, "", ""),
    ],
)
def test_the_environment(environment: dict[str, str], http: str, https: str) -> None:
    """By the target's scheme, lower case first; HTTP_PROXY not under CGI (CVE-2016-5385)."""
    proxies = Proxies((), environment)
    assert href(proxies, "http://site.test") == http
    assert href(proxies, "https://site.test") == https


@pytest.mark.parametrize("named", [("none",), ("direct",), (Q,), (Q, "none")])
def test_options_go_before_the_environment(named: tuple[str, ...]) -> None:
    """What --proxy says is all that counts, `none` included; NO_PROXY is the environment's."""
    proxies = Proxies(named, {"all_proxy": P, "no_proxy": "site.test"})
    assert href(proxies, "http://site.test") == (Q if Q in named else "")
    assert proxies.note == ""


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.8.8.8", "[::1]", "localhost", "a.localhost", "localhost."),
        *(
            "10.0.0.1:8080",
            "192.168.1.1",
            "172.16.3.4",
            "169.254.169.254",
            "[fd00::1]",
            "[fe80::1]",
        ),
    ],
)
def test_local_targets_skip_the_environments_proxy(host: str) -> None:
    """Loopback and private addresses are asked directly, and a line says so; --proxy is obeyed."""
    proxies = Proxies((), {"all_proxy": P})
    assert href(proxies, f"http://{host}") == ""
    assert "loopback and private addresses are asked directly" in proxies.note
    assert href(Proxies([P]), f"http://{host}") == P


def test_the_line_about_the_environment_has_no_password() -> None:
    """It names what is used for what, and how to turn it off."""
    note = Proxies((), {"http_proxy": "http://me:s3cret@p.test:1", "https_proxy": Q}).note
    assert note.startswith(
        "proxy of the environment: http://***@p.test:1 for http, http://q.test:2 for https;"
    )
    assert note.endswith("--proxy none turns it off") and "\n" not in note
    assert "s3cret" not in repr(Proxies(["http://me:s3cret@p.test:1"]))


@pytest.mark.parametrize(
    ("text", "spared", "others"),
    [
        ("example.com", ["example.com", "a.example.com", "a.b.example.com"], ["notexample.com"]),
        (".example.com", ["example.com", "a.example.com"], ["example.org"]),
        ("*.example.com", ["example.com", "a.example.com"], ["com"]),
        ("a.test, b.test c.test,,", ["a.test", "b.test", "x.c.test"], ["d.test"]),
        ("EXAMPLE.com.", ["example.com"], ["example.org"]),
        ("10.0.0.0/8", ["10.1.2.3"], ["11.0.0.1", "10.example"]),
        ("93.184.215.14", ["93.184.215.14"], ["93.184.215.15"]),
        ("2001:db8::/32", ["2001:db8::7"], ["2001:db9::7", "10.0.0.1"]),
        ("[2001:db8::1]", ["2001:db8::1"], ["2001:db8::2"]),
        ("", [], ["example.com", "10.0.0.1"]),
        (" , ", [], ["example.com"]),
        ("*", ["example.com", "10.0.0.1", "::1"], []),
        ("com", ["example.com"], ["example.org"]),
    ],
)
def test_no_proxy(text: str, spared: list[str], others: list[str]) -> None:
    """Hosts with all below them, addresses, networks, everything."""
    rules = Spared(text)
    assert [host for host in spared if not rules.has(host, 80)] == []
    assert [host for host in others if rules.has(host, 80)] == []


def test_no_proxy_for_one_port() -> None:
    """An entry with a port means that one alone; the scheme's own port is one, too."""
    for text, host in (
        ("a.test:8080", "x.a.test"),
        ("[::1]:8080", "::1"),
        ("8.8.8.8:8080", "8.8.8.8"),
    ):
        assert Spared(text).has(host, 8080) and not Spared(text).has(host, 80)
    proxies = Proxies((), {"all_proxy": P, "no_proxy": "a.test:443"})
    assert (href(proxies, "https://a.test"), href(proxies, "http://a.test")) == ("", P)
    assert href(proxies, "http://a.test:443") == ""


def test_a_host_keeps_its_proxy_on_every_port_and_scheme() -> None:
    """Which of several it is follows from the host's name alone, in every run; all get some."""
    named = (P, Q, R)
    first, second = Proxies(named), Proxies(named)
    hosts = [f"h{n}.test" for n in range(60)]
    for host in hosts:
        keys = (f"http://{host}", f"https://{host}", f"http://{host}:8080")
        assert len({href(each, key) for each in (first, second) for key in keys}) == 1
    assert {href(first, f"http://{host}") for host in hosts} == set(named)


def test_who_looks_names_up() -> None:
    """Every proxy but socks5:// does; without one it is done here."""
    for text, elsewhere in (
        (P, True),
        ("https://p.test", True),
        (R, True),
        ("socks5://p.test", False),
    ):
        assert Proxies([text]).looks_up("http://site.test") is elsewhere
    assert not Proxies().looks_up("http://site.test")


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://p.test", ("http", "p.test", 80)),
        ("https://p.test/", ("https", "p.test", 443)),
        ("socks5://[::1]", ("socks5", "::1", 1080)),
        ("socks5h://p.test:9050", ("socks5h", "p.test", 9050)),
    ],
)
def test_reading(text: str, proxy: tuple[str, str, int]) -> None:
    """Scheme, host and port, which each scheme has one for."""
    assert Proxy.read(text)[:3] == proxy


def test_reading_credentials() -> None:
    """User and password are decoded, and not shown."""
    proxy = Proxy.read("socks5://m%40e:p%3Ass@p.test")
    assert (proxy.user, proxy.password) == ("m@e", "p:ss")
    assert repr(proxy) == "Proxy('socks5://***@p.test')"


@pytest.mark.parametrize(
    "text", ["nonsense", "p.test:3128", "ftp://p.test", "http://", "http://p:0", "socks4://p.test",
             "http://p:99999", "socks5://a b", "http://x%00y:81", ""],
)  # fmt: skip
def test_what_is_not_a_proxy(text: str) -> None:
    """One line says what was expected; of a variable of the environment its name, too."""
    with pytest.raises(ConfigurationError, match=r"is not a proxy; write http://host:port"):
        CrawlConfig(proxy=(text,))
    if "://" in text:
        with pytest.raises(ConfigurationError, match=r"^http_proxy in the environment: "):
            Proxies((), {"HTTP_PROXY": text})
