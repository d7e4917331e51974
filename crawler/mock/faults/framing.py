"""Faults of message framing: a body's end is missing, declared twice or wrong (RFC 9112 section 6).

Several of these are used for response splitting and cache poisoning. The danger for a crawler is to
take one answer's bytes for another URL's.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, repeat

from crawler.mock.faults.recipe import HTML, Make, always, filled, on_answer, raw_endless, read
from crawler.mock.reply import Answer, BodyFraming, Ending, Lazy

_PIECES = Lazy(make=lambda: repeat(b"<p>And so on.</p>\n" * 512))
_RADIO = Answer(
    headers=(("Content-Type", "audio/mpeg"),),
    pieces=Lazy(make=lambda: repeat(bytes(2_000))),
    framing=BodyFraming.UNTIL_CLOSE,
    pause=0.05,
)


def _endless(start: str, rest: bytes) -> Make:
    begin = filled(f"{{head}}{{chunked}}{start}")
    return always(raw_endless(lambda: chain((begin,), repeat(rest))))


FAULTS = read(
    r"""
body-long: Sends more than its Content-Length. => {head}Content-Length: {half}||{body} !keep
endless-body: An endless chunked body. => @
endless-until-close: An endless body without a length. => @
sound-endless: Endless sound, as radio stations send it. => @
length-huge: Promises 8 EiB, sends a page, goes silent. => @
length-doubled: Content-Length twice, equal. => {head}Content-Length: {n}|{page}
length-list: One Content-Length with the value twice. => {head}Content-Length: {n}, {n}||{body}
length-conflicting: Content-Length twice, different.
    => {head}Content-Length: {n}|Content-Length: 7||{body}
length-three: Legal: three equal lengths in two fields. => {head}Content-Length: {n}, {n}|{page}
length-blanks: Legal: blanks around Content-Length. => {head}Content-Length: \t {n} \t||{body}
length-colon: A blank before the colon of Content-Length. => {head}Content-Length : {n}||{body}
length-folded: Content-Length with its value in the next line. => {head}Content-Length:| {n}||{body}
length-hexadecimal: Content-Length: 0x10. => {head}Content-Length: 0x10||{body}
length-bad-and-chunked: Chunked, with an invalid Content-Length.
    => {head}Transfer-Encoding: chunked|Content-Length: x||{chunk}0||
transfer-blanks: Legal: blanks around chunked. => {head}Transfer-Encoding: \t chunked \t||{chunk}0||
transfer-list: Transfer-Encoding: chunked, chunked; chunked once.
    => {head}Transfer-Encoding: chunked, chunked||{chunk}0||
transfer-identity: Transfer-Encoding: identity, and a length.
    => {head}Transfer-Encoding: identity|{page}
chunk-line-ends-lf: Chunk lines that end with LF alone. => {head}{chunked}{size}\n{body}\n0\n\n
chunk-trailers: Legal: trailers, one of them not a field.
    => {head}{chunked}{chunk}0|X-Checksum: 1|no field||
length-negative: Content-Length: -1. => {head}Content-Length: -1||{body}
length-plus: Content-Length with a plus sign. => {head}Content-Length: +{n}||{body}
length-word: Content-Length: ten. => {head}Content-Length: ten||{body}
length-empty: Content-Length without a value. => {head}Content-Length: ||{body}
length-overflow: Content-Length beyond 64 bits. => {head}Content-Length: {9*26}||{body}
length-digits: Content-Length of 10,000 digits. => {head}Content-Length: {9*10000}||{body}
length-and-chunked: Content-Length and chunked at once.
    => {head}Content-Length: 7|{chunked}{chunk}0||
transfer-unknown: An unknown Transfer-Encoding. => {head}Transfer-Encoding: cow||{body}
transfer-unknown-chunked: An unknown Transfer-Encoding, then chunked.
    => {head}Transfer-Encoding: cow, chunked||{chunk}0||
transfer-chunked-first: Chunked is not the last Transfer-Encoding.
    => {head}Transfer-Encoding: chunked, cow||{chunk}0||
transfer-twice: Transfer-Encoding: chunked twice, chunked once.
    => {head}Transfer-Encoding: chunked|{chunked}{chunk}0||
bad-chunk: A chunk whose size is not a number. => {head}{chunked}6|<html>|six|<body>|0||
chunk-negative: A chunk of size -5. => {head}{chunked}-5|hello|0||
chunk-prefixed: A chunk of size 0x5. => {head}{chunked}0x5|hello|0||
chunk-overflow: A chunk of size ffffffffffffffffff. => {head}{chunked}ffffffffffffffffff|hello|0||
chunk-huge: A chunk that promises 8 EiB, then silence.
    => {head}{chunked}7fffffffffffffff|hello !hang
chunk-unfinished: Closes within a chunk. => {head}{chunked}64|hello
chunk-no-end-line: No line end after a chunk. => {head}{chunked}5|hello5|world0||
chunk-too-long: A chunk with more bytes than its size. => {head}{chunked}5|hello, world|0||
chunk-no-last: Closes where the last chunk should be. => {head}{chunked}{chunk}
chunk-cut-last: Closes within the last chunk. => {head}{chunked}{chunk}0|
chunk-extension: Legal: a chunk with an extension. => {head}{chunked}{size};a="b"|{body}|0||
chunk-extension-huge: A chunk extension of 1 MB. => {head}{chunked}{size};x={x*1000000}|{body}|0||
chunk-extension-endless: An endless chunk extension. => @
chunk-size-zeros: A chunk size of 10,000 zeros and a 5. => {head}{chunked}{0*10000}5|hello|0||
trailers-endless: Endless trailers. => @
status-204-body: 204 with a body. => HTTP/1.1 204 No Content|{html}{page} !keep
status-205-body: 205 with a body. => HTTP/1.1 205 Reset Content|{html}{page} !keep
status-304-body: 304 with a body, unasked. => HTTP/1.1 304 Not Modified|{html}{page} !keep
status-204-chunked: 204 that says it is chunked. => HTTP/1.1 204 No Content|{chunked} !keep
status-204-length: 204 with a length. => HTTP/1.1 204 No Content|Content-Length: 5|| !keep
status-304-chunked: 304 that says it is chunked. => HTTP/1.1 304 Not Modified|{chunked} !keep
extra-line-end: A line end after its answer. => {head}{page}| !keep
extra-hints: 103 after its answer. => {head}{page}HTTP/1.1 103 Early Hints|| !keep
extra-after-chunks: A second answer after the last chunk.
    => {head}{chunked}{chunk}0||{smuggled} !keep
head-with-body: Sends the body to HEAD, too. => {head}{page} !keep
extra-bytes: Bytes that are not HTTP after its end. => {head}{page}{\0more bytes|*8} !keep
extra-response: A second answer, unasked. => {head}{page}{smuggled} !keep
""",
    {
        "endless-body": always(Answer(headers=HTML, pieces=_PIECES, framing=BodyFraming.CHUNKED)),
        "endless-until-close": always(
            Answer(headers=HTML, pieces=_PIECES, framing=BodyFraming.UNTIL_CLOSE)
        ),
        "sound-endless": always(_RADIO),
        "length-huge": on_answer(
            lambda inner: replace(inner, length=2**63 - 1, ending=Ending.HANG)
        ),
        "chunk-extension-endless": _endless("5;x=", b"x" * 16384),
        "trailers-endless": _endless("5|hello|0|", b"X-T: y\r\n" * 512),
    },
)
