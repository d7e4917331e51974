"""Prefixes as pure functions, and the few that need a wire to be seen."""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode

import brotli
import pytest

from crawler.mock import MockWeb, Served
from crawler.mock.faults import PREFIXES
from crawler.mock.graph.site import answer
from crawler.mock.reply import Answer, Ask, BodyFraming, Ending

from .conftest import ask, connect, get, read_all

OPTIONS = MockWeb(pages=10, page_bytes=3000)
PAGE = answer(Ask(target="/page/3"), OPTIONS)


def made(target: str) -> Answer:
    return answer(Ask(target=target), OPTIONS)


@pytest.mark.parametrize("name", PREFIXES)
def test_every_prefix_is_listed_as_it_is_written(name: str) -> None:
    """The path of the list, filled in, is answered, and one argument too few is a 400."""
    found = PREFIXES[name]
    values = {"S": "0.01", "N": "3", "BYTES": "100", "NAME": "reset"}
    filled = "/".join(("", found.name, *(values[each] for each in found.arguments)))
    assert found.path.split("/")[1] == name
    assert made(f"{filled}/page/3").status == 200
    if found.arguments:
        assert made(f"/{'/'.join(filled.split('/')[1:-1])}").status == 400


def test_drip() -> None:
    """/drip/100/0.5 is the page in pieces of 100 bytes, half a second apart."""
    reply = made("/drip/100/0.5/page/3")
    assert isinstance(reply.pieces, tuple)
    assert {len(piece) for piece in reply.pieces} == {100}
    assert (reply.pause, reply.body) == (0.5, PAGE.body)


def test_transfer() -> None:
    """/transfer/S spreads the body over S seconds, however many pieces there are."""
    reply = made("/transfer/3/page/3")
    assert isinstance(reply.pieces, tuple)
    assert (len(reply.pieces) - 1) * reply.pause == pytest.approx(3)
    assert reply.body == PAGE.body


def test_close(web: Served) -> None:
    """/close says that it closes and does so, though the client would go on."""
    with connect(web) as client:
        client.sendall(get("/close/page/3"))
        head = read_all(client).partition(b"\r\n\r\n")[0]
    assert b"Connection: close" in head
    assert made("/close/fault/stall").ending is Ending.HANG


def test_trailers(web: Served) -> None:
    """/trailers names its fields ahead, and the digest behind the body is the body's."""
    head, _, rest = ask(web, "/trailers/page/3").partition(b"\r\n\r\n")
    trailer = rest.partition(b"\r\n0\r\n")[2]
    served = ask(web, "/page/3").partition(b"\r\n\r\n")[2]
    digest = b64encode(hashlib.sha256(served).digest())
    assert b"Trailer: Content-Digest, Server-Timing" in head
    assert trailer.startswith(b"Content-Digest: sha-256=:%b:\r\nServer-Timing: " % digest)
    assert trailer.endswith(b"\r\n\r\n")
    assert made("/trailers/page/3").framing is BodyFraming.CHUNKED


def test_stacked_codings_are_one_field() -> None:
    """/br/gzip is gzip, then br, in one Content-Encoding in the order of application."""
    reply = made("/br/gzip/page/3")
    codings = [value for name, value in reply.headers if name == "Content-Encoding"]
    assert codings == ["gzip, br"]
    assert gzip.decompress(brotli.decompress(reply.body)) == PAGE.body


def test_attempts_reach_through_prefixes() -> None:
    """A prefix hides nothing of the request from the path behind it."""
    asked = Ask(target="/chunked/flaky/1/x", count=lambda: 0)
    assert answer(asked, OPTIONS).status == 503
    assert not asked.settled


@pytest.mark.parametrize(
    "target", ["/slow/x/1", "/drip/-1/1", "/drip/10/x", "/transfer/-1", "/delay/1e9", "/slow/3"]
)
def test_wrong_arguments(target: str) -> None:
    """An argument that cannot be is a 400."""
    assert made(target).status == 400
