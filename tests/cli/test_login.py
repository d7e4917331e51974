"""`--login`: a form is filled in and sent once, and the crawl has its cookies."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import orjson
import pytest

from crawler.cli import main
from crawler.formats.page_forms import forms
from tests.fetch.raw import RawServer, header

PAGE = b"""<form action=/search><input name=q></form>
<form method=POST action="/session"><input type=hidden name=token value="a&amp;b">
<input name=user><input name=password type=password><input type=checkbox name=stay checked>
<select name=lang><option value=de><option value=en selected></select>
<input type=submit name=go value=Go></form>"""


class Portal:
    """A site whose pages want a cookie, which a form gives."""

    def __init__(self) -> None:
        self.sent: list[dict[str, list[str]]] = []
        self.page = PAGE
        self.server: RawServer

    def form(self, _server: RawServer, sock: socket.socket, _head: bytes) -> None:
        """The page with the form, and a cookie that has to come back."""
        sock.sendall(answer(b"200 OK", self.page, b"Set-Cookie: first=1"))

    def session(self, _server: RawServer, sock: socket.socket, head: bytes) -> None:
        """Takes the form."""
        body = sock.recv(int(header(head, "Content-Length") or 0)).decode()
        self.sent.append(parse_qs(body))
        right = self.sent[-1].get("password") == ["s3cret+ &"]
        assert header(head, "Cookie") == "first=1"
        assert header(head, "Origin") == f"http://127.0.0.1:{self.server.port}"
        cookie = b"Set-Cookie: id=7" if right else b"X: y"
        sock.sendall(answer(b"303 See Other", b"", cookie, b"Location: /home"))

    def home(self, _server: RawServer, sock: socket.socket, head: bytes) -> None:
        """A page for those who are logged in."""
        known = "id=7" in (header(head, "Cookie") or "")
        text, status = (b"<title>in</title>Sign out", b"200 OK") if known else (b"no", b"403 No")
        sock.sendall(answer(status, text))


def answer(status: bytes, body: bytes, *lines: bytes) -> bytes:
    head = b"\r\n".join((b"HTTP/1.1 " + status, b"Content-Type: text/html", *lines))
    return b"%b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


@pytest.fixture
def portal() -> Iterator[Portal]:
    """The site, running."""
    made = Portal()
    behaviours = {"/login": made.form, "/session": made.session, "/home": made.home}
    with RawServer(behaviours) as made.server:
        yield made


def login(portal: Portal, folder: Path, password: str = "s3cret+ &", **more: str) -> Path:
    """A file that says how to log in."""
    values = {"url": portal.server.url("/login"), "check": "Sign o[uv]t", **more}
    lines = [f"{name} = {orjson.dumps(value).decode()}" for name, value in values.items()]
    path = folder / "login.toml"
    path.write_text("\n".join([*lines, "[fields]", "user = 'me'", f"password = '{password}'"]))
    return path


def crawled(portal: Portal, folder: Path, *words: str) -> int:
    how = ("--allow-private", "--robots", "ignore", "--delay", "0", "--retries", "0", "-q")
    urls = [portal.server.url("/home"), portal.server.url("/home?2")]
    output = ("-o", str(folder / "out.jsonl"), "--parse", "inline")
    return main(["crawl", *urls, *how, *output, "--login", str(folder / "login.toml"), *words])


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--engine", "threaded"), (), ("--workers", "2")])
def test_a_crawl_has_the_cookies_of_its_login(
    portal: Portal, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Hidden and preset fields go along, the form is sent once, and no file keeps the secrets."""
    login(portal, tmp_path)
    portal.server._behaviours = {**portal.server._behaviours, "/home?2": portal.home}
    assert crawled(portal, tmp_path, *words) == 0
    assert portal.sent == [
        {
            "token": ["a&b"],
            "user": ["me"],
            "password": ["s3cret+ &"],
            "stay": ["on"],
            "lang": ["en"],
        }
    ]
    records = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert [orjson.loads(line)["title"] for line in records] == ["in", "in"]
    texts = [path.read_bytes() for path in tmp_path.iterdir() if path.name != "login.toml"]
    assert not [text for text in texts if b"s3cret" in text or b"id=7" in text]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "page", "message"),
    [
        ({"password": "wrong"}, PAGE, "the page after the form lacks 'Sign o[uv]t'"),
        ({}, b"<form><input name=user></form>", "no form has the fields user, password (user)"),
        ({}, b"nothing", "no form has the fields user, password (no form)"),
        ({}, PAGE.replace(b"/session", b"http://a.example/x"), "is sent to another origin"),
        ({"check": ""}, PAGE, "expected check = 'PATTERN'"),
        ({"check": "("}, PAGE, "check: missing )"),
        ({"url": "ftp://x"}, PAGE, "url is not the URL of a page"),
    ],
)
def test_a_login_that_fails_ends_the_crawl_before_it_starts(
    portal: Portal,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: dict[str, str],
    page: bytes,
    message: str,
) -> None:
    """Exit code 2 and one line, without the values; there is no output."""
    portal.page = page
    login(portal, tmp_path, **more)
    assert crawled(portal, tmp_path) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1
    assert "s3cret" not in said and "wrong" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["login.toml"]


def test_forms_are_read_from_any_markup() -> None:
    """Attributes without quotes, a form that is not closed, fields outside of any."""
    found = forms("<input name=x><form action=a><textarea name=t></textarea><input name=y value=1")
    assert [(form.action, form.names) for form in found] == [("a", ["t"])]
    (form,) = forms("<form METHOD=Post><input type=radio name=r value=1><INPUT NAME=y VALUE=1>")
    assert form.post and form.names == ["r", "y"] and form.filled({"r": "\xe4"}) == "y=1&r=%C3%A4"
