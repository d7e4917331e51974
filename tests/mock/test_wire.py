"""From answers to bytes: framing, trailers, bodies made while they are sent, time."""

from __future__ import annotations

import itertools
import math
import socket
from collections.abc import Iterator

import pytest

from crawler.mock import MockWeb, Served, running
from crawler.mock.graph.site import answer
from crawler.mock.reply import Answer, Ask, BodyFraming, Ending, Lazy, content, notice
from crawler.mock.server.delivery import MAX_RETRY_AFTER, Delivery, render
from tests.patience import until

from .conftest import connect, get, read_all, read_until

BODY = bytes(range(256)) * 64


@pytest.fixture
def web_of_one() -> Iterator[Served]:
    with running(MockWeb()) as served:
        yield served


def rendered(answer: Answer, *, chunks: bool = True) -> Delivery:
    return render(answer, head_only=False, keep_alive=True, chunks=chunks)


def raw(delivery: Delivery) -> bytes:
    return b"".join(delivery.pieces)


def test_trailers_follow_the_last_chunk() -> None:
    """A trailer is announced in the head and stands after the chunk of size zero."""
    answer = Answer(pieces=(b"one",), framing=BodyFraming.CHUNKED, trailers=(("X-Sum", "1"),))
    head, _, body = raw(rendered(answer)).partition(b"\r\n\r\n")
    assert b"\r\nTrailer: X-Sum\r\n" in head
    assert body == b"3\r\none\r\n0\r\nX-Sum: 1\r\n\r\n"


@pytest.mark.parametrize("chunks", [True, False])
def test_a_lazy_body_of_unknown_length_needs_no_length(chunks: bool) -> None:
    """It is chunked for those who understand that, and ends with the connection for others."""
    delivery = rendered(Answer(pieces=Lazy(make=lambda: iter((b"ab", b"c")))), chunks=chunks)
    head, _, body = raw(delivery).partition(b"\r\n\r\n")
    assert b"Content-Length" not in head
    assert body == (b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n" if chunks else b"abc")
    assert delivery.ending is (Ending.KEEP if chunks else Ending.CLOSE)
    assert raw(delivery) == raw(delivery)


def test_a_lazy_body_of_known_length_says_so() -> None:
    """A length that is known is declared, and the connection stays."""
    delivery = rendered(Answer(pieces=Lazy(make=lambda: iter((b"ab", b"c")), length=3)))
    assert b"\r\nContent-Length: 3\r\n" in raw(delivery)
    assert delivery.ending is Ending.KEEP


def test_time_changes_no_byte_but_its_own_line() -> None:
    """A timed delivery is the untimed one with one more line, later and slower."""
    plain = rendered(content(BODY, "text/plain"))
    timed = plain.timed(0.2, 1.5, (("latency", 0.2),))
    line = b"Server-Timing: latency;dur=200.000, transfer;dur=1500.000\r\n"
    assert raw(timed).replace(line, b"") == raw(plain) != raw(timed)
    assert timed.delay == 0.2
    assert math.isclose(timed.pause * (len(tuple(timed.pieces)) - 1), 1.5)
    assert timed.at_once is None


@pytest.mark.parametrize("size", range(40))
def test_a_short_answer_can_be_slow(size: int) -> None:
    """The line goes below the status line however few bytes are spread over the transfer."""
    plain = rendered(content(bytes(size), "text/plain"))
    timed = plain.timed(0.0, 1.0, ())
    head, _, rest = raw(timed).partition(b"\r\n")
    assert head == b"HTTP/1.1 200 OK"
    assert rest.startswith(b"Server-Timing: transfer;dur=1000.000\r\n")


def test_raw_bytes_get_no_line() -> None:
    """What is no HTTP of ours is left as it is."""
    delivery = rendered(Answer(pieces=(b"\0",), framing=BodyFraming.RAW))
    assert raw(delivery.timed(1.0, 0.0, (("latency", 1.0),))) == b"\0"


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (429, "7", 7.0), (503, "0", 0.0), (200, "7", None), (503, "soon", None),
        (503, "-5", None), (503, "999999999", MAX_RETRY_AFTER), (429, "", None),
        (503, "Thu, 01 Jan 1970 00:00:00 GMT", 0.0), (503, "9" * 99, None),
        (503, "Fri, 01 Jan 2100 00:00:00 GMT", MAX_RETRY_AFTER),
    ],
)  # fmt: skip
def test_how_long_a_client_is_asked_to_stay_away(
    status: int, value: str, seconds: float | None
) -> None:
    """Retry-After counts in seconds or as a date on 429 and 503, a day at most, or not at all."""
    answer = notice(status, "later", headers=(("Retry-After", value),))
    assert rendered(answer).retry_after == seconds


def serve_one(patch: pytest.MonkeyPatch, answer: Answer) -> None:
    """Make every path answer this."""
    patch.setattr("crawler.mock.server.running.answer", lambda ask, options: answer)


def test_a_dropped_connection_was_promised_to_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """DROP closes in order although the head says keep-alive."""
    serve_one(monkeypatch, Answer(pieces=(b"x",), ending=Ending.DROP))
    with running(MockWeb()) as served, connect(served) as client:
        client.sendall(get("/"))
        reply = read_all(client)
    assert b"\r\nConnection: keep-alive\r\n" in reply
    assert reply.endswith(b"\r\n\r\nx")


def test_an_endless_body_leaves_the_loop_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one client drinks from a body without an end, the others are served."""
    endless = Answer(pieces=Lazy(make=lambda: itertools.repeat(bytes(65536))))
    real = answer

    def choose(ask: Ask, options: MockWeb) -> Answer:
        return endless if ask.path == "/endless" else real(ask, options)

    monkeypatch.setattr("crawler.mock.server.running.answer", choose)
    with running(MockWeb()) as served, connect(served) as drinker, connect(served) as other:
        drinker.sendall(get("/endless"))
        read_until(drinker, lambda data: len(data) > 4_000_000)
        other.sendall(get("/page/1"))
        assert read_until(other, lambda data: data.endswith(b"</html>\n"))


@pytest.mark.slow
def test_a_deaf_server_lets_the_window_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEAF reads nothing more: a client that goes on sending is stopped by flow control."""
    serve_one(monkeypatch, Answer(framing=BodyFraming.RAW, ending=Ending.DEAF))
    with running(MockWeb()) as served, connect(served) as client:
        client.sendall(get("/"))
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.sendall(bytes(64 * 1024 * 1024))


def test_a_client_that_has_closed_its_side_gets_its_answer(web_of_one: Served) -> None:
    """Half-closed clients are answered, also after a delay, and then closed."""
    for target in ("/page/1", "/delay/0.05/page/1"):
        with connect(web_of_one) as client:
            client.sendall(get(target))
            client.shutdown(socket.SHUT_WR)
            assert read_all(client).endswith(b"</html>\n")


def test_a_client_that_left_is_not_waited_for(web_of_one: Served) -> None:
    """A client that closes before a distant answer is gone at once."""
    with connect(web_of_one) as client:
        client.sendall(get("/delay/3000/page/1"))
        assert until(lambda: web_of_one.statistics().waiting)
    assert until(lambda: not web_of_one.statistics().open_connections)
