"""Faults of message framing: a body's end is missing, declared twice or wrong (RFC 9112 section 6).

Several of these are used for response splitting and cache poisoning. The danger for a crawler is to
take one answer's bytes for another URL's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat

from crawler.mock.faults.recipe import (  # fmt: skip
    HTML,
    Group,
    Make,
    always,
    head,
    html_head,
    length,
    on_body,
    raw,
    raw_endless,
    whole,
)
from crawler.mock.reply import Answer, Ask, BodyFraming, Ending, Lazy
from crawler.mock.scenario import MockWeb

GROUP = Group("framing")

_CHUNKED = b"Transfer-Encoding: chunked"
_PIECE = b"<p>And so on.</p>\n" * 512
_LAST = b"0\r\n\r\n"
# A naive client takes this for the answer to its next request.
SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 8\r\n\r\nsmuggled"


def _chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


def _headed(*fields: bytes, ending: Ending = Ending.CLOSE) -> Make:
    """Send the whole body with these framing fields."""
    return on_body(lambda body: raw(html_head(*fields) + body, ending))


def _lengths(form: bytes) -> Make:
    """Send the whole body with fields that hold its length (`%d`) once or more."""

    def build(body: bytes) -> Answer:
        numbers = (len(body),) * form.count(b"%d")
        return raw(html_head(*(form % numbers).split(b"\n")) + body)

    return on_body(build)


def _chunks(data: bytes, ending: Ending = Ending.CLOSE) -> Make:
    """Send raw bytes declared as chunked."""
    return always(raw(html_head(_CHUNKED) + data, ending))


def _chunked_body(*fields: bytes, extension: bytes = b"", last: bytes = _LAST) -> Make:
    """Send the body in one chunk, well formed except for the arguments."""
    start = html_head(*(fields or (_CHUNKED,)))
    return on_body(lambda body: raw(start + _chunk(body, extension) + last))


def _followed(data: bytes) -> Make:
    """Send these bytes after a valid answer and keep the connection."""
    return on_body(lambda body: raw(html_head(length(body)) + body + data, Ending.KEEP))


def _bodiless(status: bytes) -> Make:
    """Send a body with a status that does not allow one and keep the connection."""
    return on_body(
        lambda body: raw(html_head(length(body), status=status) + body, Ending.KEEP),
    )


def _ending(status: bytes, *fields: bytes) -> Make:
    """Send only the head of a status with these fields and keep the connection."""
    return always(raw(head(*fields, status=b"HTTP/1.1 " + status), Ending.KEEP))


@GROUP.fault("body-long", "Sends more than its Content-Length.")
def _long(inner: Answer, ask: Ask, options: MockWeb) -> Answer:
    body = whole(inner)
    return raw(html_head(b"Content-Length: %d" % (len(body) // 2)) + body, Ending.KEEP)


_PIECES = Lazy(make=lambda: repeat(_PIECE))
_RADIO = Answer(
    headers=(("Content-Type", "audio/mpeg"),),
    pieces=Lazy(make=lambda: repeat(bytes(2_000))),
    framing=BodyFraming.UNTIL_CLOSE,
    pause=0.05,
)


def _length_huge(inner: Answer, ask: Ask, options: MockWeb) -> Answer:
    return replace(inner, length=2**63 - 1, ending=Ending.HANG)


def _endless_extension() -> Iterator[bytes]:
    return chain((html_head(_CHUNKED) + b"5;x=",), repeat(b"x" * 16384))


def _endless_trailers() -> Iterator[bytes]:
    return chain((html_head(_CHUNKED) + _chunk(b"hello") + b"0\r\n",), repeat(b"X-T: y\r\n" * 512))


_BAD_CHUNKS = b"6\r\n<html>\r\nsix\r\n<body>\r\n" + _LAST

for _name, _help, _make in (
    (
        "endless-body",
        "An endless chunked body.",
        always(Answer(headers=HTML, pieces=_PIECES, framing=BodyFraming.CHUNKED)),
    ),
    (
        "endless-until-close",
        "An endless body without a length.",
        always(Answer(headers=HTML, pieces=_PIECES, framing=BodyFraming.UNTIL_CLOSE)),
    ),
    ("sound-endless", "Endless sound, as radio stations send it.", always(_RADIO)),
    ("length-huge", "Promises 8 EiB, sends a page, goes silent.", _length_huge),
    (
        "length-doubled",
        "Content-Length twice, equal.",
        _lengths(b"Content-Length: %d\nContent-Length: %d"),
    ),
    (
        "length-list",
        "One Content-Length with the value twice.",
        _lengths(b"Content-Length: %d, %d"),
    ),
    (
        "length-conflicting",
        "Content-Length twice, different.",
        _lengths(b"Content-Length: %d\nContent-Length: 7"),
    ),
    (
        "length-three",
        "Legal: three equal lengths in two fields.",
        _lengths(b"Content-Length: %d, %d\nContent-Length: %d"),
    ),
    (
        "length-blanks",
        "Legal: blanks around Content-Length.",
        _lengths(b"Content-Length: \t %d \t"),
    ),
    (
        "length-colon",
        "A blank before the colon of Content-Length.",
        _lengths(b"Content-Length : %d"),
    ),
    (
        "length-folded",
        "Content-Length with its value in the next line.",
        on_body(lambda body: raw(html_head(b"Content-Length:\r\n %d" % len(body)) + body)),
    ),
    ("length-hexadecimal", "Content-Length: 0x10.", _headed(b"Content-Length: 0x10")),
    (
        "length-bad-and-chunked",
        "Chunked, with an invalid Content-Length.",
        _chunked_body(_CHUNKED, b"Content-Length: x"),
    ),
    (
        "transfer-blanks",
        "Legal: blanks around chunked.",
        _chunked_body(b"Transfer-Encoding: \t chunked \t"),
    ),
    (
        "transfer-list",
        "Transfer-Encoding: chunked, chunked; chunked once.",
        _chunked_body(_CHUNKED + b", chunked"),
    ),
    (
        "transfer-identity",
        "Transfer-Encoding: identity, and a length.",
        _lengths(b"Transfer-Encoding: identity\nContent-Length: %d"),
    ),
    (
        "chunk-line-ends-lf",
        "Chunk lines that end with LF alone.",
        on_body(
            lambda body: raw(html_head(_CHUNKED) + _chunk(body).replace(b"\r\n", b"\n") + b"0\n\n")
        ),
    ),
    (
        "chunk-trailers",
        "Legal: trailers, one of them not a field.",
        _chunked_body(last=b"0\r\nX-Checksum: 1\r\nno field\r\n\r\n"),
    ),
    ("length-negative", "Content-Length: -1.", _headed(b"Content-Length: -1")),
    ("length-plus", "Content-Length with a plus sign.", _lengths(b"Content-Length: +%d")),
    ("length-word", "Content-Length: ten.", _headed(b"Content-Length: ten")),
    ("length-empty", "Content-Length without a value.", _headed(b"Content-Length: ")),
    (
        "length-overflow",
        "Content-Length beyond 64 bits.",
        _headed(b"Content-Length: 99999999999999999999999999"),
    ),
    (
        "length-digits",
        "Content-Length of 10,000 digits.",
        _headed(b"Content-Length: " + b"9" * 10_000),
    ),
    (
        "length-and-chunked",
        "Content-Length and chunked at once.",
        _chunked_body(b"Content-Length: 7", _CHUNKED),
    ),
    ("transfer-unknown", "An unknown Transfer-Encoding.", _headed(b"Transfer-Encoding: cow")),
    (
        "transfer-unknown-chunked",
        "An unknown Transfer-Encoding, then chunked.",
        _chunked_body(b"Transfer-Encoding: cow, chunked"),
    ),
    (
        "transfer-chunked-first",
        "Chunked is not the last Transfer-Encoding.",
        _chunked_body(b"Transfer-Encoding: chunked, cow"),
    ),
    (
        "transfer-twice",
        "Transfer-Encoding: chunked twice, chunked once.",
        _chunked_body(_CHUNKED, _CHUNKED),
    ),
    ("bad-chunk", "A chunk whose size is not a number.", _chunks(_BAD_CHUNKS)),
    ("chunk-negative", "A chunk of size -5.", _chunks(b"-5\r\nhello\r\n" + _LAST)),
    ("chunk-prefixed", "A chunk of size 0x5.", _chunks(b"0x5\r\nhello\r\n" + _LAST)),
    (
        "chunk-overflow",
        "A chunk of size ffffffffffffffffff.",
        _chunks(b"ffffffffffffffffff\r\nhello\r\n" + _LAST),
    ),
    (
        "chunk-huge",
        "A chunk that promises 8 EiB, then silence.",
        _chunks(b"7fffffffffffffff\r\nhello", Ending.HANG),
    ),
    ("chunk-unfinished", "Closes within a chunk.", _chunks(b"64\r\nhello")),
    ("chunk-no-end-line", "No line end after a chunk.", _chunks(b"5\r\nhello5\r\nworld" + _LAST)),
    (
        "chunk-too-long",
        "A chunk with more bytes than its size.",
        _chunks(b"5\r\nhello, world\r\n" + _LAST),
    ),
    ("chunk-no-last", "Closes where the last chunk should be.", _chunked_body(last=b"")),
    ("chunk-cut-last", "Closes within the last chunk.", _chunked_body(last=b"0\r\n")),
    ("chunk-extension", "Legal: a chunk with an extension.", _chunked_body(extension=b';a="b"')),
    (
        "chunk-extension-huge",
        "A chunk extension of 1 MB.",
        _chunked_body(extension=b";x=" + b"x" * 1_000_000),
    ),
    (
        "chunk-extension-endless",
        "An endless chunk extension.",
        always(raw_endless(_endless_extension)),
    ),
    (
        "chunk-size-zeros",
        "A chunk size of 10,000 zeros and a 5.",
        _chunks(b"0" * 10_000 + b"5\r\nhello\r\n" + _LAST),
    ),
    ("trailers-endless", "Endless trailers.", always(raw_endless(_endless_trailers))),
    ("status-204-body", "204 with a body.", _bodiless(b"HTTP/1.1 204 No Content")),
    ("status-205-body", "205 with a body.", _bodiless(b"HTTP/1.1 205 Reset Content")),
    ("status-304-body", "304 with a body, unasked.", _bodiless(b"HTTP/1.1 304 Not Modified")),
    ("status-204-chunked", "204 that says it is chunked.", _ending(b"204 No Content", _CHUNKED)),
    ("status-204-length", "204 with a length.", _ending(b"204 No Content", b"Content-Length: 5")),
    ("status-304-chunked", "304 that says it is chunked.", _ending(b"304 Not Modified", _CHUNKED)),
    ("extra-line-end", "A line end after its answer.", _followed(b"\r\n")),
    ("extra-hints", "103 after its answer.", _followed(b"HTTP/1.1 103 Early Hints\r\n\r\n")),
    (
        "extra-after-chunks",
        "A second answer after the last chunk.",
        on_body(
            lambda body: raw(html_head(_CHUNKED) + _chunk(body) + _LAST + SMUGGLED, Ending.KEEP)
        ),
    ),
    ("head-with-body", "Sends the body to HEAD, too.", _followed(b"")),
    ("extra-bytes", "Bytes that are not HTTP after its end.", _followed(b"\0more bytes\r\n" * 8)),
    ("extra-response", "A second answer, unasked.", _followed(SMUGGLED)),
):
    GROUP.add(_name, _help, _make)
