"""Content-Encodings that name no coding, or one that is not read here."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import brotli
import pytest

from crawler.model.outcome import Failed, Kind, Received
from tests.fetch.conftest import Way
from tests.fetch.raw import RawServer
from tests.fetch.sites import PAGE, message, says

PACKED = gzip.compress(PAGE)
UTF_16 = "<title>Łódź \u0401\u0402</title>".encode("utf-16-le")

# Content-Encoding, Content-Type, the body as sent, and what it is: bytes, or why it cannot be read.
CASES: dict[str, tuple[str, str, bytes, bytes | str]] = {
    "none": ("none", "text/html", PAGE, PAGE),
    "utf-8": ("utf-8", "text/html", PAGE, PAGE),
    "upper": ("UTF-8", "text/html", PAGE, PAGE),
    "null": ("null", "text/html", PAGE, PAGE),
    "8bit": ("8bit", "text/html", "Łódź".encode("iso-8859-2"), "Łódź".encode("iso-8859-2")),
    "type": ("text/html", "text/html", PAGE, PAGE),
    "aws": ("aws-chunked", "text/html", PAGE, PAGE),
    "long": ("x" * 3_000, "text/html", PAGE, PAGE),
    "many": (", ".join(["none"] * 9), "text/html", PAGE, PAGE),
    "blank": (" , ,", "text/html", PAGE, PAGE),
    "listed": ("gzip, none", "text/html", PACKED, PAGE),
    "listed-first": ("utf-8, gzip", "text/html", PACKED, PAGE),
    "parameter": ("gzip;q=1", "text/html", PACKED, PAGE),
    "image": ("none", "image/png", b"\x89PNG\r\n\x1a\n\0\0", b"\x89PNG\r\n\x1a\n\0\0"),
    "archive": ("none", "application/gzip", PACKED, PACKED),
    "untyped": ("binary", "", PACKED, PACKED),
    "utf-16": ("utf-16", "text/html; charset=utf-16le", UTF_16, UTF_16),
    "packed": ("none", "text/html", PACKED, "unknown Content-Encoding 'none'"),
    "brotli": ("utf-8", "text/html", brotli.compress(PAGE * 20), "unknown Content-Encoding"),
    "compress": ("compress", "text/html", b"\x1f\x9d\x90x", "unreadable Content-Encoding 'comp"),
    "x-compress": ("X-Compress", "text/html", PAGE, "unreadable Content-Encoding 'x-compress'"),
    "dictionary": ("dcb", "text/html", b"\xff", "unreadable Content-Encoding 'dcb'"),
    "dictionary-list": ("gzip, dcz", "text/html", b"\xff", "unreadable Content-Encoding 'dcz'"),
}


@pytest.fixture(scope="module")
def coded() -> Iterator[RawServer]:
    """Serve the cases."""
    site = {
        f"/{name}": says(message(body, content_encoding=coding, content_type=content_type))
        for name, (coding, content_type, body, _) in CASES.items()
    }
    with RawServer(site) as server:
        yield server


@pytest.mark.parametrize("name", CASES)
def test_a_name_that_is_no_coding(way: Way, coded: RawServer, name: str) -> None:
    """A body is plain where the header names no coding, unless it cannot be (crawlee#976, #1067).

    Codings there are and that are not read here fail, whatever the body looks like (curl#2298).
    """
    (outcome,) = way.fetch([coded.url(f"/{name}")])
    wanted = CASES[name][3]
    if isinstance(wanted, bytes):
        assert isinstance(outcome, Received), outcome
        assert outcome.response.body == wanted
    else:
        assert isinstance(outcome, Failed), outcome
        assert outcome.kind is Kind.ENCODING
        assert outcome.reason.startswith(wanted)
