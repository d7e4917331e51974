"""The parts that need no server: headers, reasons, names, credentials."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest

from crawler.fetch import names as names_module
from crawler.fetch.exchange import retry_after, target
from crawler.fetch.names import Addresses, Names, ResolvedAddress
from crawler.fetch.room import framing
from crawler.model.fault import one_line
from crawler.model.url import Url
from tests.fetch.conftest import CONFIG
from tests.patience import PATIENCE

NOW = 1_445_412_480.0  # Wed, 21 Oct 2015 07:28:00 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        (" 120 ", 120),
        ("99999999999999999999", 86_400),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:29:00 GMT", 60),
        ("Wednesday, 21-Oct-15 07:29:00 GMT", 60),
        ("Wed Oct 21 07:29:00 2015", 60),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 86_400),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("٣", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Retry-After is read in all its forms, never negative, never over a day, else ignored."""
    assert retry_after(value, NOW) == seconds


def test_several_encoding_headers() -> None:
    """Several Content-Encoding headers are one list."""
    headers = {"Content-Encoding": ["gzip", "br"], "Content-Length": ["5"]}
    assert framing(lambda name: headers.get(name, ())) == ("gzip, br", 5)


@pytest.mark.parametrize(
    ("href", "clean", "authorization"),
    [
        ("http://a.test/x@y?u=b@c", "http://a.test/x@y?u=b@c", None),
        ("http://me@a.test/", "http://a.test/", "Basic bWU6"),
        ("https://me:%C3%A9@a.test:8/x@y", "https://a.test:8/x@y", "Basic bWU6w6k="),
    ],
)
def test_target(href: str, clean: str, authorization: str | None) -> None:
    """Credentials leave the URL for a header; an @ elsewhere is none."""
    assert target(Url(href)) == (clean, authorization)


def test_default_headers_are_replaced_by_name() -> None:
    """A user's header replaces the default of its name, in any case, and joins the others.

    A cookie is for one origin and not among the headers of every request.
    """
    headers = replace(
        CONFIG, header=("USER-AGENT: me", "Cookie: a=b", "X: y")
    ).network.request_headers
    assert [name for name, _ in headers] == ["Accept", "Accept-Encoding", "USER-AGENT", "X"]


def test_one_line() -> None:
    """A reason is one printable line of at most 200 characters, whatever a server put into it."""
    text = one_line("a\r\n\x1b[31mb\u2028c\ud800d\t" + "e" * 10_000)
    assert text.startswith("a [31mb c d e")
    assert text.isprintable() and len(text) == 200


def test_names_ask_once_for_all() -> None:
    """Those who ask for a name at once share one look-up; a failure is not kept."""
    calls: list[str] = []
    gate = threading.Event()

    def look_up(host: str) -> Addresses:
        calls.append(host)
        gate.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_NONAME, "none")

    names = Names(60, look_up=look_up)
    waiting = [names.ask("a.test") for _ in range(5)]
    gate.set()
    for answer in waiting:
        with pytest.raises(socket.gaierror):
            answer.answer.result(PATIENCE)
    with pytest.raises(socket.gaierror):
        names.ask("a.test").answer.result(PATIENCE)
    names.close()
    assert calls == ["a.test", "a.test"]


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name looked up longest ago makes room for a new one."""
    monkeypatch.setattr(names_module, "MOST_NAMES", 2)
    names = Names(60, look_up=lambda host: (ResolvedAddress(socket.AF_INET, host),))
    for host in ("1", "2", "3"):
        names.ask(host).answer.result(PATIENCE)
    known = [names.known(host) is not None for host in ("1", "2", "3")]
    names.close()
    assert known == [False, True, True]


def test_no_names_are_kept_without_a_ttl() -> None:
    """With a time to live of 0 every connection looks its name up."""
    names = Names(0, look_up=lambda host: (ResolvedAddress(socket.AF_INET, "127.0.0.1"),))
    names.ask("a.test").answer.result(PATIENCE)
    assert names.known("a.test") is None
    names.close()


def test_closed_names_answer() -> None:
    """Asking after closing fails at once instead of waiting for ever."""
    names = Names(60)
    names.close()
    with pytest.raises(OSError, match="closed"):
        names.ask("a.test").answer.result(PATIENCE)
