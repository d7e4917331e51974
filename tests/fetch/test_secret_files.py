"""Cookies, sessions and tokens: sent where they belong, and nowhere else."""

from __future__ import annotations

import socket
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from crawler.cli import main
from crawler.core.cookies import Jar, header
from crawler.fetch import cookie_jars
from crawler.fetch.cookie_jars import CookieJars
from crawler.fetch.credentials import Credentials
from crawler.fetch.names import Names, ResolvedAddress
from crawler.fetch.secret_files import authorizations_in, cookies_in
from crawler.model.errors import ConfigurationError
from crawler.model.request import Purpose, Request
from crawler.model.url import Url
from crawler.runtime.suffixes import PublicSuffixes
from tests.fetch.conftest import CONFIG, Way
from tests.fetch.raw import RawServer
from tests.fetch.raw import header as field
from tests.fetch.sites import SITE, says

NETSCAPE = """# Netscape HTTP Cookie File
#HttpOnly_.example.com\tTRUE\t/\tFALSE\t0\tall\t1
www.example.com\tFALSE\t/deep\tTRUE\t4000000000\tdeep\t2
old.example\tFALSE\t/\tFALSE\t1\tgone\t3
"""
JSON = orjson.dumps(
    {
        "cookies": [
            {"name": "all", "value": "1", "domain": ".example.com", "expires": -1},
            {
                "name": "deep",
                "value": "2",
                "domain": "www.example.com",
                "path": "/deep",
                "secure": True,
                "expirationDate": 4e9,
                "hostOnly": True,
            },
            {"name": "gone", "value": "3", "domain": "old.example", "expires": 1},
        ]
    }
)


def jar(path: Path, data: bytes | str) -> Jar:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return cookies_in(str(path))


@pytest.mark.parametrize("data", [NETSCAPE, JSON, orjson.dumps(orjson.loads(JSON)["cookies"])])
def test_both_forms_of_a_cookie_file_mean_the_same(tmp_path: Path, data: bytes | str) -> None:
    """Domains, paths, Secure and expiry are those of the file, in Netscape's form and in JSON."""
    found = jar(tmp_path / "cookies", data)
    assert header(found, Url("https://www.example.com/deep/x"), 2.0) == {"deep": "2", "all": "1"}
    assert header(found, Url("http://www.example.com/deep/x"), 2.0) == {"all": "1"}
    assert header(found, Url("https://a.www.example.com/deep"), 2.0) == {"all": "1"}
    assert header(found, Url("https://old.example/"), 2.0) == {}
    assert header(found, Url("https://notexample.com/"), 2.0) == {}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a.example\tTRUE\t/\tFALSE\tx\ts3cret\t1", "line 1: expected 7 columns"),
        ("# x\na.example s3cret", "line 2: expected 7 columns"),
        ('[{"name": "s3cret", "value": 1, "domain": "a"}]', "cookie 1: expected an object"),
        ('{"s3cret": 1}', "cookie 1: expected an object"),
        ("[s3cret", "not JSON"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_broken_cookie_file_is_one_line_without_secrets(
    tmp_path: Path, data: bytes | str, message: str
) -> None:
    """The error names the place, and nothing that the file holds."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        jar(tmp_path / "cookies", data)
    assert "s3cret" not in str(caught.value)


def test_tokens_are_read_by_origin(tmp_path: Path) -> None:
    """A host stands for https; a port belongs to the origin."""
    path = tmp_path / "tokens.toml"
    path.write_text(
        '["API.example.com"]\nbearer = "t"\n["http://a.example:8080"]\nbasic = "me:pass"\n'
    )
    assert authorizations_in(str(path)) == {
        "https://api.example.com": "Bearer t",
        "http://a.example:8080": f"Basic {b64encode(b'me:pass').decode()}",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[api.example.com]\nbearer = 's3cret'", "stands in quotes"),
        ('["a.example"]\nbearer = "s3cret"\nbasic = "x"', "needs either bearer"),
        ('["a.example"]\nbearer = 1', "bearer of .* is not a text"),
        ('["a.example"]\nbearer = "s3cret\\n"', "is not a text"),
        ('["a.example/path"]\nbearer = "s3cret"', "neither an origin nor a host"),
        ("s3cret", "Expected"),
    ],
)
def test_a_broken_file_of_tokens_is_one_line_without_secrets(
    tmp_path: Path, text: str, message: str
) -> None:
    """The error names the origin, and not the token."""
    (tmp_path / "tokens.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        authorizations_in(str(tmp_path / "tokens.toml"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.slow
def test_a_broken_file_ends_the_crawl_before_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line, and no output."""
    for option in ("--cookies", "--credentials"):
        words = ("-o", str(tmp_path / "out.jsonl"), option, str(tmp_path / "missing"))
        assert main(["crawl", "http://127.0.0.1:1/", *words]) == 2
        assert "cannot be read: No such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def loopback(_host: str) -> tuple[ResolvedAddress, ...]:
    return (ResolvedAddress(socket.AF_INET, "127.0.0.1"),)


def asked(url: str, **more: object) -> Request:
    return replace(Request(url=Url(url), seed=url, input=url), **more)  # type: ignore[arg-type]


def test_cookies_and_tokens_go_where_the_files_say(way: Way, tmp_path: Path) -> None:
    """To their hosts and origins; not to others, not to another port, not for robots.txt."""
    (tmp_path / "cookies").write_text("a.test\tTRUE\t/\tFALSE\t0\tc\ts3cret\n")
    with RawServer(SITE) as one, RawServer(SITE) as other:
        origin = f"http://a.test:{one.port}"
        (tmp_path / "tokens").write_text(f'["{origin}"]\nbearer = "t0ken"\n')
        config = replace(
            CONFIG, cookies=str(tmp_path / "cookies"), credentials=str(tmp_path / "tokens")
        )
        mine, below = f"{origin}/plain", f"http://b.a.test:{one.port}/plain"
        requests = [
            *(asked(mine), asked(below), asked(one.url("/plain"))),
            *(asked(mine, purpose=Purpose.ROBOTS), asked(mine, seed=other.url("/x"))),
            asked(f"http://a.test:{other.port}/plain"),
        ]
        way.fetch(requests, config, Names(60, look_up=loopback))
        heads = [*one.heads, *other.heads]
    found = [(field(head, "Cookie"), field(head, "Authorization")) for head in heads]
    assert found == [
        ("c=s3cret", "Bearer t0ken"),
        ("c=s3cret", None),
        (None, None),
        (None, None),
        ("c=s3cret", "Bearer t0ken"),
        ("c=s3cret", None),
    ]


def sets(line: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nSet-Cookie: %b\r\nContent-Length: 0\r\n\r\n" % line


@pytest.mark.parametrize("session", [True, False])
def test_a_session_keeps_what_a_site_sets(way: Way, tmp_path: Path, session: bool) -> None:
    """It goes to the site's other URLs, replaces the file's, and ends with it; no other has it."""
    (tmp_path / "cookies").write_text("a.test\tFALSE\t/\tFALSE\t0\tid\tfile\n")
    config = replace(CONFIG, cookies=str(tmp_path / "cookies"), session=session)
    site = {
        "/in": says(sets(b"id=1; Path=/")),
        "/out": says(sets(b"id=; Max-Age=0; Path=/")),
        "/": says(sets(b"other=x; Path=/none")),
    }
    with RawServer(site) as server:
        paths = ("a.test /", "a.test /in", "a.test /", "b.test /", "a.test /out", "a.test /")
        urls = [f"http://{h}:{server.port}{p}" for h, p in map(str.split, paths)]
        way.fetch(urls, config, Names(60, look_up=loopback))
        found = [field(head, "Cookie") for head in server.heads]
    kept = ["id=file", "id=file", "id=1", None, "id=1", None]
    assert found == (
        kept if session else ["id=file", "id=file", "id=file", None, "id=file", "id=file"]
    )


def test_sites_share_no_jar_and_their_number_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tenants of a public suffix are two sites; the one not used for longest is forgotten."""
    monkeypatch.setattr(cookie_jars, "SITES", 2)
    jars = CookieJars((), PublicSuffixes(), keeps=True)
    one, two, three = (Url(f"https://{name}.github.io/") for name in ("a", "b", "c"))
    jars.take(one, ["k=1; Domain=github.io"])
    assert jars.header(one) == {} and jars.header(two) == {}
    jars.take(one, ["k=1"])
    jars.take(two, ["k=2"])
    assert jars.header(one) == {"k": "1"}
    jars.take(three, ["k=3"])
    assert (jars.header(one), jars.header(two), jars.header(three)) == ({"k": "1"}, {}, {"k": "3"})


def test_without_files_nothing_is_looked_up() -> None:
    """A crawl that has no such options pays for none."""
    assert Credentials(CONFIG)._jars is None
