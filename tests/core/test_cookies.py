"""Cookies of a redirect chain: kept and sent by RFC 6265, to no foreign site, within bounds."""

from __future__ import annotations

from math import inf

import pytest

from crawler.core.cookies import LONGEST, MOST, MOST_CHARACTERS, after, digest, header, read
from crawler.model.url import Url
from crawler.runtime.suffixes import PublicSuffixes

SUFFIXES = PublicSuffixes()
NOW = 1_800_000_000.0


def sent(setter: str, line: str, asker: str, *, later: float = 1.0) -> str:
    """What `asker` is sent of a cookie that `setter` set with this line."""
    jar = after((), Url(setter), [line], NOW, SUFFIXES)
    pairs = header(jar, Url(asker), NOW + later)
    return "; ".join(f"{name}={value}" for name, value in pairs.items())


@pytest.mark.parametrize(
    ("setter", "line", "asker", "wanted"),
    [
        # 5.1.3 and 5.3: domains
        ("http://a.example/", "k=v", "http://a.example/x", True),
        ("http://a.example/", "k=v", "http://a.example:8080/", True),
        ("http://a.example/", "k=v", "http://b.a.example/", False),
        ("http://a.example/", "k=v", "http://example/", False),
        ("http://www.a.example/", "k=v; domain=a.example", "http://a.example/", True),
        ("http://www.a.example/", "k=v; Domain=.A.example", "http://x.y.a.example/", True),
        ("http://a.example/", "k=v; domain=www.a.example", "http://www.a.example/", False),
        ("http://a.example/", "k=v; domain=b.example", "http://b.example/", False),
        ("http://ba.example/", "k=v; domain=a.example", "http://a.example/", False),
        ("http://a.example/", "k=v; domain=", "http://a.example/", True),
        ("http://a.example/", "k=v; domain=", "http://b.a.example/", False),
        (
            "http://a.example/",
            "k=v; domain=a.example; domain=b.example",
            "http://a.example/",
            False,
        ),
        # public suffixes
        ("http://a.co.uk/", "k=v; domain=co.uk", "http://b.co.uk/", False),
        ("http://a.co.uk/", "k=v; domain=co.uk", "http://a.co.uk/", False),
        ("http://a.github.io/", "k=v; domain=github.io", "http://b.github.io/", False),
        ("http://github.io/", "k=v; domain=github.io", "http://github.io/", True),
        ("http://github.io/", "k=v; domain=github.io", "http://a.github.io/", False),
        ("http://localhost/", "k=v; domain=localhost", "http://localhost/", True),
        ("http://a.example/", "k=v; domain=example", "http://a.example/", False),
        # addresses
        ("http://127.0.0.1/", "k=v; domain=127.0.0.1", "http://127.0.0.1/", True),
        ("http://127.0.0.1/", "k=v; domain=0.0.1", "http://127.0.0.1/", False),
        ("http://[::1]/", "k=v", "http://[::1]:81/", True),
        # 5.1.4: paths
        ("http://a.example/x/y", "k=v", "http://a.example/x/z", True),
        ("http://a.example/x/y", "k=v", "http://a.example/", False),
        ("http://a.example/x", "k=v", "http://a.example/", True),
        ("http://a.example/", "k=v; path=/x", "http://a.example/x", True),
        ("http://a.example/", "k=v; path=/x", "http://a.example/x/y", True),
        ("http://a.example/", "k=v; path=/x", "http://a.example/xy", False),
        ("http://a.example/x/", "k=v; path=y", "http://a.example/x/z", True),
        ("http://a.example/?q=/x", "k=v; path=/x", "http://a.example/?/x", False),
        # Secure
        ("https://a.example/", "k=v; secure", "http://a.example/", False),
        ("http://a.example/", "k=v; Secure; HttpOnly; SameSite=Lax", "https://a.example/", True),
    ],
)
def test_where_a_cookie_goes(setter: str, line: str, asker: str, wanted: bool) -> None:
    """By domain, host, path and scheme, and never to a foreign site (RFC 6265, 5.3 and 5.4)."""
    assert sent(setter, line, asker) == ("k=v" if wanted else "")


@pytest.mark.parametrize(
    ("attributes", "expires"),
    [
        ("", inf),
        ("; Max-Age=10", NOW + 10),
        ("; max-age=-1", NOW - 1),
        ("; max-age=soon", inf),
        ("; Expires=Sat, 01 Jan 2028 00:00:00 GMT", 1_830_297_600.0),
        ("; expires=Sat, 01-Jan-2028 00:00:00 GMT", 1_830_297_600.0),
        ("; expires=Thu, 01-Jan-70 00:00:00 GMT", 0.0),
        ("; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", NOW + 10),
        ("; expires=when it suits", inf),
        ("; expires=Thu, 99 Foo 99999999 00:00:00 GMT", inf),
    ],
)
def test_when_a_cookie_ends(attributes: str, expires: float) -> None:
    """Max-Age goes before Expires, and what cannot be read does not count (RFC 6265, 5.2)."""
    cookie = read(f"k=v{attributes}", Url("http://a.example/"), NOW, SUFFIXES)
    assert cookie is not None
    assert cookie.expires == expires


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        (" k = v w ", "k=v w"),
        ("k=a=b", "k=a=b"),
        ('k="v"', 'k="v"'),
        ("k=", "k="),
        ("k=é", "k=é"),
        ("k=v;;; ; =x", "k=v"),
        ("k", ""),
        ("=v", ""),
        ("", ""),
        ("k=a\rb", ""),
        ("k=a\0b", ""),
        ("k=" + "x" * LONGEST, ""),
    ],
)
def test_how_a_cookie_is_read(line: str, pair: str) -> None:
    """A name and a value as they stand; what is neither, or not fit to be sent, is left out."""
    assert sent("http://a.example/", line, "http://a.example/") == pair


def test_a_jar_changes_by_name_domain_and_path() -> None:
    """A later cookie replaces an earlier one, another path is another cookie, expiry deletes."""
    home = Url("http://a.example/")
    jar = after((), home, ["a=1; path=/x", "a=2", "b=1"], NOW, SUFFIXES)
    assert header(jar, Url("http://a.example/x"), NOW) == {"a": "1", "b": "1"}
    jar = after(jar, home, ["a=3", "b=; max-age=0"], NOW, SUFFIXES)
    assert header(jar, home, NOW) == {"a": "3"}
    assert sent("http://a.example/", "k=v; max-age=5", "http://a.example/", later=6) == ""


def test_a_jar_is_bounded() -> None:
    """In number and characters, whatever a server sends: the newest stay (RFC 6265, 6.1)."""
    home = Url("http://a.example/")
    many = after((), home, [f"k{n}=v" for n in range(10 * MOST)], NOW, SUFFIXES)
    assert [cookie.name for cookie in many] == [f"k{n}" for n in range(9 * MOST, 10 * MOST)]
    large = after((), home, [f"k{n}={'x' * 3_000}" for n in range(10)], NOW, SUFFIXES)
    assert [cookie.name for cookie in large] == ["k8", "k9"]
    assert sum(len(cookie.name + cookie.value) for cookie in large) <= MOST_CHARACTERS


def test_jars_are_told_apart_by_what_is_in_them() -> None:
    """Order and expiry make no other jar, a value does; no repr shows a value."""
    home = Url("http://a.example/")
    one = after((), home, ["a=s3cret", "b=2"], NOW, SUFFIXES)
    two = after((), home, ["b=2; max-age=60", "a=s3cret"], NOW, SUFFIXES)
    assert (
        digest(one) == digest(two) != digest(after(one, home, ["a=2"], NOW, SUFFIXES)) != digest(())
    )
    assert "s3cret" not in repr(one)
