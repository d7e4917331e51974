"""What is packed is read by the standard library, whichever compressor is installed."""

from __future__ import annotations

import gzip
import zlib

import pytest

from crawler.store import compression

DATA = b'{"url":"http://a.test/"}\n' * 400
RECORDS = b"".join(
    b"WARC/1.1\r\nContent-Length: %d\r\n\r\n%b\r\n\r\n" % (len(body), body)
    for body in (b"", b"a", DATA)
)


@pytest.fixture(params=["zlib", "isal"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack by zlib although isal may be there, or by isal if it is."""
    if request.param == "zlib":
        monkeypatch.setattr(compression, "isal_zlib", None)
    else:
        pytest.importorskip("isal")


@pytest.mark.usefixtures("library")
def test_every_group_of_lines_can_be_read_at_once() -> None:
    """Without waiting for the end of the archive, and the whole is one member."""
    pack, unpacker = compression.packing("x.jsonl.gz"), zlib.decompressobj(31)
    packed = pack.pack(DATA)
    assert unpacker.decompress(packed) == DATA and len(packed) < len(DATA) / 20
    assert unpacker.decompress(pack.pack(DATA)) == DATA and not unpacker.eof
    unpacker.decompress(pack.end())
    assert unpacker.eof


@pytest.mark.usefixtures("library")
def test_every_record_of_an_archive_is_a_member() -> None:
    """Each begins with a header of gzip without a time, and all together are the records."""
    packed = compression.packing("x.warc.gz").pack(RECORDS)
    assert gzip.decompress(packed) == RECORDS
    members = []
    while packed:
        assert packed[:8] == b"\x1f\x8b\x08" + b"\0" * 5
        unpacker = zlib.decompressobj(31)
        members.append(unpacker.decompress(packed))
        packed = unpacker.unused_data
    assert len(members) == 3 and b"".join(members) == RECORDS
