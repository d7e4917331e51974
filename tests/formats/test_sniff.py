"""What a body is that nobody has named: the MIME Sniffing standard's answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.formats.sniff import HEADER, is_binary, is_html, sniff


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"<!DOCTYPE html>", "text/html"),
        (b" \t\r\n\x0c<HtMl>", "text/html"),
        (b"<!-- comment", "text/html"),
        (b"<p>text", "text/html"),
        (b"<p", "text/plain"),
        (b"<pre>text", "text/plain"),
        (b"text <html>", "text/plain"),
        (b"\xef\xbb\xbf<title >x", "text/html"),
        (b"\xff\xfe" + "<html>".encode("utf-16-le"), "text/html"),
        (b"\xff\xfe" + "text".encode("utf-16-le"), "text/plain"),
        (b" <?xml version='1.0'?>", "text/xml"),
        (b"%PDF-1.7\0", "application/pdf"),
        (b"%!PS-Adobe-3.0", "application/postscript"),
        (b"GIF89a\0", "image/gif"),
        (b"\x89PNG\r\n\x1a\n\0", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\n\n\n\nWAVE", "audio/wave"),
        (b"ID3\x03", "audio/mpeg"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "video/mp4"),
        (b"\x1f\x8b\x08\0", "application/x-gzip"),
        (b"PK\x03\x04", "application/zip"),
        (b"", "text/plain"),
        (b"plain\x1b[1m text \xff", "text/plain"),  # ESC is text, and so is any high byte
        (b"bin\x01ary", "application/octet-stream"),
        (b"x" * HEADER + b"\0", "text/plain"),
    ],
)
def test_sniff(body: bytes, found: str) -> None:
    """Patterns go before the look for control bytes, and only the first bytes count (7.1, 5.2)."""
    assert sniff(body) == found


@pytest.mark.parametrize(
    ("content_type", "html"),
    [
        ("text/html", True),
        ("application/xhtml+xml; charset=utf-8", True),
        ("text/html charset=utf-8", True),
        ("", True),
        ("unknown/unknown", True),
        ("*/*", True),
        ("application/octet-stream", True),
        ("garbage", True),
        ("text/plain", False),
        ("text/html, image/png", False),
        ("image/png", False),
    ],
)
def test_what_goes_for_a_page(content_type: str, *, html: bool) -> None:
    """A type that is named counts; where none can be parsed the body does (node-crawler#193)."""
    assert is_html(content_type, b"<!doctype html><title>x</title>") is html


@pytest.mark.parametrize(
    ("body", "html"),
    [
        (b'<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">', True),
        (b'<?xml version="1.0"?><rss><title>html</title></rss>', False),
        (b'<?xml version="1.0"?>' + b" " * HEADER + b"<html >", False),
    ],
)
def test_xml_is_a_page_if_its_root_is(body: bytes, *, html: bool) -> None:
    """XHTML without a type is read, a feed is not."""
    assert is_html("", body) is html
    assert not is_html("text/xml", body)


@given(st.binary(max_size=300))
def test_any_body_is_something(body: bytes) -> None:
    """No body raises, and only what has control bytes, or a pattern, is no text."""
    found = sniff(body)
    assert "/" in found
    if found == "text/plain" and not body.startswith((b"\xfe\xff", b"\xff\xfe")):
        assert not is_binary(body)
