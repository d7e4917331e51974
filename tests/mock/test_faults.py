"""The catalogue of faults: pure, bounded, whole; and on the wire what the names say."""

from __future__ import annotations

import gzip
import hashlib
import re
from itertools import islice

import pytest

from crawler.mock import MockWeb, Served
from crawler.mock.faults import FAULTS, FaultRecipe, by_name
from crawler.mock.faults.recipe import always, raw, whole
from crawler.mock.graph.site import answer
from crawler.mock.reply import Answer, Ask, BodyFraming, Ending, Lazy, PathError, content

from .conftest import ask, connect, get, read_all, read_until, status_of

OPTIONS = MockWeb(pages=10, page_bytes=2048)
ENDLESS = [name for name, fault in FAULTS.items() if "endless" in fault.help.lower()]
# Names that were there before the catalogue and stay.
BY_COOKIE = {name for name in FAULTS if re.match("re(direct|fresh)-cookie", name)}
OLD_NAMES = (
    "reset", "reset-mid-body", "close-early", "stall", "never", "empty-reply", "malformed",
    "half-head", "bad-chunk", "huge-header", "bad-gzip", "cut-gzip", "gzip-bomb",
)  # fmt: skip


def made(name: str) -> tuple[Answer, Ask]:
    asked = Ask(target=f"/fault/{name}/page/1", host="mock.test")
    return answer(asked, OPTIONS), asked


def start(reply: Answer, most: int = 200) -> bytes:
    """The first pieces of a body, joined."""
    return b"".join(islice(iter(reply.pieces), most))


def test_the_catalogue_is_large_and_told_in_lines() -> None:
    """Over 60 faults, each with a plain name, its path and one line that ends."""
    assert len(FAULTS) >= 65
    assert set(OLD_NAMES) <= set(FAULTS)
    for name, fault in FAULTS.items():
        assert re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", name)
        assert (fault.name, fault.path) == (name, f"/fault/{name}")
        assert re.fullmatch(r"[^\n]{5,80}\.", fault.help)
    assert len({fault.help for fault in FAULTS.values()}) == len(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_pure(name: str) -> None:
    """Two requests get equal bytes, named for the log, and the answer may be kept for ever."""
    (one, asked), (two, _) = made(name), made(name)
    assert asked.settled is (name not in BY_COOKIE)
    assert one.kind == name
    assert start(one) == start(two)
    assert (one.status, one.headers, one.framing, one.ending, one.length, one.pause) == (
        two.status, two.headers, two.framing, two.ending, two.length, two.pause,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_every_body_is_bounded_in_memory(name: str) -> None:
    """What is long is made in pieces of at most 128 KiB, and a length that is told is true."""
    reply, _ = made(name)
    if isinstance(reply.pieces, Lazy):
        assert all(len(piece) <= 128 * 1024 for piece in islice(reply.pieces, 200))
        if reply.pieces.length is not None:
            assert sum(map(len, reply.pieces)) == reply.pieces.length
    else:
        assert len(reply.body) <= 1_100_000


def test_endless_ones_have_no_end() -> None:
    """Those that say so go on: their pieces do not stop and no length is promised."""
    assert len(ENDLESS) >= 5
    for name in ENDLESS:
        pieces = made(name)[0].pieces
        assert isinstance(pieces, Lazy)
        assert pieces.length is None
        assert len(list(islice(pieces, 10_000))) == 10_000


@pytest.mark.slow
def test_the_bytes_never_change() -> None:
    """Another version gives the same faults, but for what a compressor makes."""
    digest = hashlib.blake2b(digest_size=8)
    for name, fault in FAULTS.items():
        if fault.group != "coding":
            reply, _ = made(name)
            digest.update(f"{name}{reply.status}{reply.headers}{reply.ending}".encode())
            digest.update(start(reply, 20))
    assert digest.hexdigest() == "7e910e510806dddb"


def test_an_endless_body_cannot_be_changed() -> None:
    """A prefix before a fault without an end is a 400, not a server that fills up."""
    reply = answer(Ask(target="/gzip/fault/endless-body"), OPTIONS)
    assert reply.status == 400
    with pytest.raises(PathError):
        whole(Answer(pieces=Lazy(make=lambda: iter(()), length=1 << 40)))


def test_a_delay_stays_before_a_fault() -> None:
    """A fault is as late as the answer that it breaks."""
    assert answer(Ask(target="/fault/reset/delay/2/page/1"), OPTIONS).delay == 2
    assert answer(Ask(target="/delay/2/fault/reset/page/1"), OPTIONS).delay == 2


def test_a_missing_package_is_said() -> None:
    """A fault that needs what is not installed is a 501 that names it."""

    def build(inner: Answer, asked: Ask, options: MockWeb) -> Answer:
        raise ImportError(name="brotli")

    fault = FaultRecipe(name="x", group="coding", help="X.", build=build)
    reply = fault.make(content(b"", "text/html"), Ask(target="/"), OPTIONS)
    assert (reply.status, reply.body) == (501, b"this server lacks a package: brotli\n")


def test_a_name_is_taken_once() -> None:
    """A second fault of one name is a mistake that shows at once."""
    rows = (("one", "One.", always(raw(b""))),)
    with pytest.raises(ValueError, match="two faults"):
        by_name(connection=rows, head=rows)


def test_unknown_fault() -> None:
    """A fault that does not exist is a 400 that lists those that do."""
    reply = answer(Ask(target="/fault/none"), OPTIONS)
    assert reply.status == 400
    assert b"reset-mid-body" in reply.body


# On the wire.


def test_an_unannounced_close(web: Served) -> None:
    """close-idle promises to keep the connection and then closes it in order."""
    with connect(web) as client:
        client.sendall(get("/fault/close-idle/page/3"))
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert b"Connection: keep-alive" in head
    assert len(body) == web.options.page_bytes


@pytest.mark.parametrize("name", ["never", "deaf", "stall-in-head", "stall-after-head"])
def test_silence(web: Served, name: str) -> None:
    """The silent ones send what they send, and neither answer nor close after that."""
    sent = made(name)[0].body
    with connect(web) as client:
        client.sendall(get(f"/fault/{name}") + get("/page/1"))
        assert read_until(client, lambda data: len(data) >= len(sent)) == sent if sent else True
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_what_follows_an_answer(web: Served) -> None:
    """extra-response puts a second answer behind the first and serves on."""
    with connect(web) as client:
        client.sendall(
            get("/fault/extra-response/page/3") + get("/status/418", "Connection: close")
        )
        raw_answers = read_all(client)
    first, smuggled, last = raw_answers.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200 OK")
    assert smuggled.endswith(b"smuggled")
    assert last.startswith(b"418")


def test_head_with_a_body(web: Served) -> None:
    """head-with-body answers HEAD with what GET would have got."""
    with connect(web) as client:
        client.sendall(
            b"HEAD /fault/head-with-body/page/3 HTTP/1.1\r\nHost: mock.test\r\n"
            b"Connection: close\r\n\r\n"
        )
        body = read_all(client).partition(b"\r\n\r\n")[2]
    assert len(body) == web.options.page_bytes


def test_ten_thousand_fields(web: Served) -> None:
    """headers-10000 has so many fields and a page below them."""
    head, _, body = ask(web, "/fault/headers-10000/page/3").partition(b"\r\n\r\n")
    assert head.count(b"\r\nX-") == 10_000
    assert len(body) == web.options.page_bytes


def test_a_flood_ends_with_its_client(web: Served) -> None:
    """An endless body goes on until its client leaves, and the others are served meanwhile."""
    with connect(web) as client:
        client.sendall(get("/fault/endless-body"))
        assert status_of(read_until(client, lambda data: len(data) > 1_000_000)) == 200
        assert status_of(ask(web, "/page/3")) == 200
    assert status_of(ask(web, "/page/3")) == 200


def test_slow_ones_take_their_time() -> None:
    """slow-head and slow-body are single bytes, a second apart."""
    for name in ("slow-head", "slow-body"):
        reply, _ = made(name)
        assert reply.pause == 1.0
        assert {len(piece) for piece in reply.pieces} == {1}


@pytest.mark.slow
def test_nested_bomb() -> None:
    """gzip-nested is under 8 KB on the wire and 64 MiB two layers further."""
    reply, _ = made("gzip-nested")
    assert len(reply.body) < 8192
    assert ("Content-Encoding", "gzip, gzip") in reply.headers
    assert len(gzip.decompress(gzip.decompress(reply.body))) == 64 * 1024 * 1024


@pytest.mark.parametrize("name", FAULTS)
def test_raw_ones_end_in_one_way(name: str) -> None:
    """Bytes without a head of the server's are not said to be chunked or trailed as well."""
    reply, _ = made(name)
    if reply.framing is BodyFraming.RAW:
        assert not reply.trailers
        assert reply.length is None
    assert isinstance(reply.ending, Ending)
