"""Decoding: the same bytes however they arrive, and no more memory than the cap."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from crawler.fetch.body import PIECE, Body
from crawler.model.fault import Fault
from crawler.model.outcome import Kind
from tests.fetch.sites import BOMB, BROTLI_BOMB, ZSTD_BOMB, raw_deflate, zstd

ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd),
}


@pytest.mark.slow
@given(
    data=st.binary(max_size=2_000),
    names=st.lists(st.sampled_from(list(ENCODERS)), max_size=3),
    cuts=st.lists(st.integers(0, 3_000), max_size=5),
)
def test_any_stack_in_any_pieces(data: bytes, names: list[str], cuts: list[int]) -> None:
    """Any stack of codings gives the original back, and what was sent, wherever it is cut."""
    wire = data
    for name in names:
        wire = ENCODERS[name][1](wire)
    body = Body(", ".join(ENCODERS[name][0] for name in names), 100_000, keep_sent=True)
    edges = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    for start, end in pairwise(edges):
        body.feed(wire[start:end])
    assert body.finish() == data
    assert body.wire_bytes == len(wire)
    assert body.sent() == wire
    assert body.held == len(data) + (len(wire) if names else 0)


def decoded(coding: str, wire: bytes, *, strict: bool = True) -> bytes | Kind:
    """Return what a whole body becomes: its bytes, or the kind of failure."""
    body = Body(coding, 100_000, strict=strict)
    try:
        body.feed(wire)
        return body.finish()
    except Fault as fault:
        return fault.kind


@pytest.mark.slow
@given(data=st.binary(min_size=1, max_size=300), name=st.sampled_from(list(ENCODERS)))
def test_every_truncation_is_noticed(data: bytes, name: str) -> None:
    """A coded body that lacks any of its last bytes is broken, or the beginning of the page."""
    coding, encode = ENCODERS[name]
    wire = encode(data)
    for kept in range(1, len(wire)):
        assert decoded(coding, wire[:kept]) is Kind.ENCODING
        beginning = decoded(coding, wire[:kept], strict=False)
        if beginning is not Kind.ENCODING:
            assert isinstance(beginning, bytes)
            assert data.startswith(beginning)
            assert beginning


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [("gzip", BOMB), ("br", BROTLI_BOMB), ("zstd", ZSTD_BOMB)],
    ids=["gzip", "br", "zstd"],
)
def test_a_bomb_costs_the_cap(coding: str, bomb: bytes) -> None:
    """20 MB from a few KB are refused at a cap of 1 MB, having cost about that much memory."""
    cap = 1_000_000
    body = Body(coding, cap)
    tracemalloc.start()
    try:
        with pytest.raises(Fault) as caught:
            body.feed(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.kind is Kind.TOO_LARGE
    assert peak < cap + 8 * PIECE


def test_cap_on_the_wire() -> None:
    """What arrives is capped too, whatever it would decode to."""
    body = Body("gzip", 100)
    with pytest.raises(Fault) as caught:
        body.feed(gzip.compress(b"")[:10] + bytes(100))
    assert caught.value.kind is Kind.TOO_LARGE


def test_large_window_is_refused() -> None:
    """zstd with a window over 8 MB is refused, as RFC 9659 has it."""
    parameters = zstandard.ZstdCompressionParameters(window_log=24)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    wire = packer.compress(b"page") + packer.flush()
    with pytest.raises(Fault) as caught:
        Body("zstd", 100).feed(wire)
    assert caught.value.kind is Kind.ENCODING
