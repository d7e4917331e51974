"""Decode and cap a body while it arrives.

A body passes a chain: wire -> outermost coding -> ... -> innermost coding -> collected bytes
(RFC 9110, 8.4: codings are listed in the order in which they were applied, so the last is removed
first). Every link pushes pieces of at most about `PIECE` bytes to the next, and its output counts
against the cap. So a decompression bomb costs at most the cap and one piece of memory, and a bomb
inside a bomb costs no more. With a high cap, a bomb is detected earlier by its ratio (`RATIO`).

Codings: gzip (RFC 1952, several members), deflate (RFC 1950, and the bare RFC 1951 that some
servers send), br (RFC 7932), zstd (RFC 8878, window of 8 MB at most as RFC 9659 demands).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import IO, Protocol, cast
from weakref import proxy

import brotli
import zstandard

from crawler.formats.unpacking import GZIP, PackedPart, Unpacker, member
from crawler.model.fault import Fault
from crawler.model.outcome import Kind

PIECE = 65_536
"""Bytes that a decoder hands on at once."""

RATIO = 200
"""Maximum decoded bytes per byte on the wire, for a body above `UNSUSPICIOUS` bytes.

Pages compress to a fifth or a tenth, a table of a million similar rows to a hundredth; zeros to
1/1,030 (deflate) and below 1/10,000 (br, zstd).
"""

UNSUSPICIOUS = 1_048_576

MOST_CODINGS = 4
"""Maximum stacked codings; real servers send at most two."""

ZSTD_WINDOW = 8 * 1024 * 1024

Sink = Callable[[bytes], None]


class Decoder(Protocol):
    """One link of the chain."""

    def feed(self, data: bytes) -> None:
        """Decode `data` and push the output; raise the library's error on broken data."""

    def end(self) -> None:
        """Raise `EOFError` if the data stopped early."""


class _Deflated:
    """gzip, zlib or raw deflate (not `gzip`: decided by the first bytes).

    A gzip member may be followed by another; anything else after the end is ignored as padding.
    Two bytes decide, and they may come one at a time.
    """

    def __init__(self, sink: Sink, *, gzip: bool) -> None:
        self._sink = sink
        self._gzip = gzip
        self._held = b""
        self._begun = self._padding = False
        self._unpacker = Unpacker(self._begin, PIECE)

    def feed(self, data: bytes) -> None:
        data, self._held = self._held + data, b""
        for piece in self._unpacker.feed(data):
            self._sink(piece)

    def end(self) -> None:
        if not self._begun or self._unpacker.inside:
            raise EOFError

    def _begin(self, data: bytes) -> PackedPart | None:
        if len(data) < 2:
            self._held = data
            return None
        self._padding |= self._begun and not (self._gzip and data.startswith(GZIP))
        if self._padding:
            return None
        self._begun = True
        if self._gzip:
            return member()
        # RFC 1950, 2.2: the header of zlib; raw deflate has none.
        is_zlib = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
        return member(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


class _Brotli:
    """The library may hold back output even if it accepts more input: pump until it is empty."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes) -> None:
        if self._stream.is_finished():
            return
        while piece := self._stream.process(data, output_buffer_limit=PIECE):
            self._sink(piece)
            data = b""

    def end(self) -> None:
        if not self._stream.is_finished():
            raise EOFError


class _Zstd:
    """The push interface does not report the end of a frame, so `end` appends a marker frame.

    After complete frames the marker decodes to itself; after half a frame it is swallowed or
    refused. (`decompressobj` reports the end, but does not limit its output.)
    """

    _MARK = b"end"
    _MARK_FRAME = zstandard.ZstdCompressor(write_content_size=True).compress(_MARK)

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._ending = False
        self._tail = b""
        stream = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        # The library's types ask for a file; it calls nothing but `write`.
        self._writer = stream.stream_writer(cast(IO[bytes], proxy(self)), write_size=PIECE)

    def write(self, data: bytes) -> int:
        if self._ending:
            self._tail += data
        else:
            self._sink(data)
        return len(data)

    def feed(self, data: bytes) -> None:
        self._writer.write(data)

    def end(self) -> None:
        self._ending = True
        try:
            # Byte by byte: in one piece the marker is decoded even after 5 bytes of a header.
            for byte in self._MARK_FRAME:
                self._writer.write(bytes((byte,)))
        except zstandard.ZstdError:
            raise EOFError from None
        if self._tail != self._MARK:
            raise EOFError


_DECODERS: dict[str, Callable[[Sink], Decoder]] = {
    **dict.fromkeys(("gzip", "x-gzip"), partial(_Deflated, gzip=True)),
    "deflate": partial(_Deflated, gzip=False),
    "br": _Brotli,
    "zstd": _Zstd,
}

_ERRORS = (zlib.error, brotli.error, zstandard.ZstdError)


class _Full(Exception):
    """Raised when a body that may be cut has reached the cap."""


class _Collected:
    """Bytes that come in pieces; above `PIECE` of them in one block, which is freed as a whole."""

    __slots__ = ("_large", "_pieces", "size")

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []
        self._large = bytearray()

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self.size <= PIECE:
            self._pieces.append(data)
            return
        for piece in self._pieces:
            self._large += piece
        self._pieces.clear()
        self._large += data

    def content(self) -> bytes:
        if self._large:
            self._pieces = [bytes(self._large)]
            self._large = bytearray()
        if len(self._pieces) > 1:
            self._pieces[:] = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""


class Body:
    """Collects one body: `feed` bytes from the wire, then take `finish()`.

    `encoding` is the Content-Encoding header ("" without), `cap` limits bytes on the wire and
    decoded. The constructor, `feed` and `finish` raise `Fault`: ENCODING or TOO_LARGE.

    With `cut` a body above `cap` ends there instead: then it is `full` and must not be fed again.
    A body whose coding ends early is `truncated` and kept, unless `strict`. `foreign` is a token in
    the header that is not a coding; the body is then expected to be plain. With `keep_sent` the
    bytes from the wire are kept, too.
    """

    def __init__(
        self,
        encoding: str,
        cap: int,
        *,
        cut: bool = False,
        strict: bool = False,
        keep_sent: bool = False,
    ) -> None:
        self.wire_bytes = 0
        self.full = self.truncated = False
        self._cap = cap
        self._cut = cut
        self._strict = strict
        self._plain = _Collected()
        self._decoders: list[tuple[str, Decoder]] = []
        self.foreign = ""
        if encoding:
            self._decode(encoding)
        self._sent = _Collected() if keep_sent and self._decoders else None

    def _decode(self, encoding: str) -> None:
        """Put a decoder before the body for each of its codings."""
        entry: Sink = self._plain.add
        codings, self.foreign = _codings(encoding)
        for name in codings:  # in the order applied, so the chain grows from its end
            decoder = _DECODERS[name](self._counted(entry))
            self._decoders.insert(0, (name, decoder))
            entry = decoder.feed

    def feed(self, data: bytes) -> None:
        """Take the next bytes from the wire."""
        self.wire_bytes += len(data)
        if self.wire_bytes > self._cap:
            data = data[: self._left_of(data, self.wire_bytes)]
            self.wire_bytes = self._cap
        if self._sent is not None:
            self._sent.add(data)
        try:
            if self._decoders:
                self._decoders[0][1].feed(data)
            else:
                self._plain.add(data)
        except _Full:
            self.full = self.truncated = True
        except _ERRORS as error:
            raise self._broken(str(error)) from None

    def finish(self) -> bytes:
        """Return the decoded body; an empty one is accepted whatever the header says."""
        if self.wire_bytes and not self.full:
            for name, decoder in self._decoders:
                self._check_end(name, decoder)
        return self.content()

    @property
    def packed(self) -> bool:
        """True if it has codings, so that a few bytes may become many."""
        return bool(self._decoders)

    def cut(self) -> None:
        """End the body here and keep what came."""
        self.full = self.truncated = True

    @property
    def complete(self) -> bool:
        """True if every coding has reached its end; False without codings, as nothing tells."""
        try:
            for _, decoder in self._decoders:
                decoder.end()
        except EOFError:
            return False
        return bool(self._decoders)

    def content(self) -> bytes:
        """Return the bytes decoded so far."""
        return self._plain.content()

    def sent(self) -> bytes:
        """Return the bytes that came so far; decoded ones unless they are kept."""
        return (self._plain if self._sent is None else self._sent).content()

    @property
    def size(self) -> int:
        """The number of bytes decoded so far."""
        return self._plain.size

    @property
    def held(self) -> int:
        """The number of bytes in memory, those that are kept as sent included."""
        return self._plain.size if self._sent is None else self._plain.size + self._sent.size

    @property
    def most(self) -> int:
        """The limit of `held`."""
        return self._cap if self._sent is None else 2 * self._cap

    def _check_end(self, name: str, decoder: Decoder) -> None:
        try:
            decoder.end()
        except EOFError:
            if self._strict or not self.size:
                raise Fault(Kind.ENCODING, f"{name} data ends early") from None
            self.truncated = True

    def _counted(self, sink: Sink) -> Sink:
        """Return `sink` behind a counter that ends the body at the cap."""
        total = 0
        # A weak reference, so that the body is freed with its exchange.
        me: Body = proxy(self)

        def count(data: bytes) -> None:
            nonlocal total
            total += len(data)
            if total > me._cap:
                sink(data[: me._left_of(data, total)])
                raise _Full
            # A bomb is refused even where a long body may be cut: it has nothing to read.
            if total > UNSUSPICIOUS and total > RATIO * me.wire_bytes:
                raise Fault(Kind.TOO_LARGE, f"body unpacks to more than {RATIO} times its size")
            if data:
                sink(data)

        return count

    def _left_of(self, data: bytes, total: int) -> int:
        """Return the bytes of `data`, which brings the body to `total` bytes, that still fit."""
        if not self._cut:
            raise too_large(self._cap)
        self.full = self.truncated = True
        return len(data) - (total - self._cap)

    def _broken(self, detail: str) -> Fault:
        names = ", ".join(name for name, _ in self._decoders)
        return Fault(Kind.ENCODING, f"broken {names} data: {detail}")


_UNREADABLE = frozenset(
    {"compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "aes128gcm"}  # IANA's registry
    | {"bzip2", "x-bzip2", "bzip", "x-bzip", "xz", "x-xz", "lzma", "x-lzma", "lz4", "sdch"}
)
"""Real codings that are not supported. Any other unknown token is not a coding."""


def _codings(encoding: str) -> tuple[list[str], str]:
    """Return the codings of a Content-Encoding header in order, and its first other token.

    Browsers treat a body with tokens such as `none` or `utf-8` as plain. Parameters, which codings
    do not have, are ignored.
    """
    names = [name.partition(";")[0].strip().lower() for name in encoding.split(",")]
    known = [name for name in names if name in _DECODERS]
    for name in names:
        if name in _UNREADABLE:
            raise Fault(Kind.ENCODING, f"unreadable Content-Encoding {name!r}")
    if len(known) > MOST_CODINGS:
        raise Fault(Kind.ENCODING, f"{len(known)} Content-Encodings stacked")
    foreign = [name for name in names if name not in ("", "identity", *known)]
    return known, foreign[0] if foreign else ""


def too_large(cap: int, announced: int | None = None) -> Fault:
    """Return the fault for a body that is, or is `announced` to be, larger than `cap` bytes."""
    if announced is None:
        return Fault(Kind.TOO_LARGE, f"body exceeds {cap} bytes")
    return Fault(Kind.TOO_LARGE, f"body of {announced} bytes exceeds {cap} bytes")
