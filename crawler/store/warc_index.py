"""The CDXJ index of WARC files: where the answer to a URL lies, as replay tools look it up.

    com,example)/page 20261130120000 {"url": ..., "mime": ..., "status": ..., "offset": ...}

A line stands for a response or revisit; lines are sorted by byte. The key is the URL in SURT form,
canonicalised as the `surt` library does it: host reversed, without `www.`, all in lower case, the
query sorted. The index is made from files that are whole, and can be made again at any time.
"""

from __future__ import annotations

import os
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

import orjson
import zstandard

from crawler.formats.unpacking import PackedPart, Unpacker
from crawler.model.errors import EnvironmentFailure
from crawler.store.archive import starter
from crawler.store.blocks import BLOCK
from crawler.store.claim import is_directory
from crawler.store.gathering import explained
from crawler.store.journal import disk
from crawler.store.volumes import volumes_of
from crawler.store.warc_input import fields_of

_START = (
    65_536  # bytes of a record that are looked at: its header and what the server's begins with
)
_SAFE = "".join(map(chr, {*range(0x21, 0x7F)} - {*b"#%"}))
_WWW = re.compile(r"www\d*\.")
_PORTS = {"http": 80, "https": 443}
_SESSIONS = re.compile(
    r"(?:(?:jsessionid|phpsessid|sid)=[0-9a-z]{32}|aspsessionid[a-z]{8}=[a-z]{24}"
    r"|cfid=[^&]+&cftoken=[^&]+)(?:&|$)"
)
_PART = re.compile(r"part-\d{5,}(?:-\d{5,})?\.warc(?:\.gz|\.zst)?")
_CONTENT_TYPE = re.compile(rb"^content-type[ \t]*:[ \t]*([^;\s]+)", re.IGNORECASE | re.MULTILINE)


class _Record(NamedTuple):
    """The place of a record in its file, its size unpacked, and its first bytes."""

    offset: int
    length: int
    size: int
    start: bytes


def index_of(path: str) -> Path:
    """Return the place of the index of an archive, or of a directory of archives."""
    return Path(path, "index.cdxj") if is_directory(path) else Path(f"{path}.cdxj")


def up_to_date(path: str) -> bool:
    """Return whether an archive has an index that was written after it."""
    try:
        written = index_of(path).stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return all(file.stat().st_mtime_ns <= written for file in _files(path))


def write_index(path: str) -> None:
    """Write the index of an archive, or of all parts in a directory; a reader sees it whole.

    Raises `EnvironmentFailure` for what is not a WARC packed record by record, and for an index
    that cannot be written. Then nothing is left of it.
    """
    place = Path(os.path.realpath(index_of(path)))
    try:
        with closing(sqlite3.connect("")) as sorter, explained(str(place)):
            _write(path, place, sorter)
    except sqlite3.Error as error:  # it sorts in memory, and on disk when that grows
        raise EnvironmentFailure(f"{place}: cannot be sorted: {error}; make room") from None


def _write(path: str, place: Path, sorter: sqlite3.Connection) -> None:
    sorter.execute("CREATE TABLE lines (line BLOB PRIMARY KEY) WITHOUT ROWID")
    for file in _files(path):
        sorter.executemany("INSERT INTO lines VALUES (?)", ((line,) for line in _lines(file)))
    draft = place.with_name(f".{place.name}.new")
    with disk.drafted(draft, place), draft.open("wb") as output:
        output.writelines(line for (line,) in sorter.execute("SELECT * FROM lines ORDER BY 1"))


def urlkey(url: str) -> str:
    """Return the SURT form of an http or https URL."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    host = host[found.end() :] if (found := _WWW.match(host)) else host
    host = host if ":" in host else ",".join(reversed(host.split(".")))
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    path = re.sub("/{2,}", "/", _plain(parts.path)).rstrip("/") or "/"
    query = _SESSIONS.sub("", _plain(parts.query))
    query = "&".join(sorted(query.split("&")))
    return f"{host}{port}){path}{'?' if query else ''}{query}"


def _plain(text: str) -> str:
    """Return a part of a URL in lower case, without escapes that it does not need."""
    data = text.encode()
    while (once := unquote_to_bytes(data)) != data:
        data = once
    return quote_from_bytes(data, _SAFE).lower()


def _files(path: str) -> Sequence[Path]:
    if not is_directory(path):
        return [Path(each) for each in volumes_of(path)]
    return sorted(each for each in Path(path).iterdir() if _PART.fullmatch(each.name))


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of an archive, in its own order."""
    with path.open("rb") as file:
        start = starter(file.read(4))
        file.seek(0)
        try:
            for record in _packed(file, start) if start is not None else _apart(file):
                yield from _line(path.name, record)
        except (ValueError, KeyError, zlib.error, zstandard.ZstdError):
            raise EnvironmentFailure(
                f"{path}: is not a WARC packed record by record, so it gets no index"
            ) from None


def _packed(file: BinaryIO, start: Callable[[], PackedPart]) -> Iterator[_Record]:
    """Yield the record of each gzip member or Zstandard frame."""
    offsets: list[int] = []
    read = size = 0
    text = b""

    def begin(data: bytes) -> PackedPart:
        offsets.append(read - len(data))
        return start()

    unpacker = Unpacker(begin, BLOCK)
    while block := file.read(BLOCK):
        read += len(block)
        for piece in unpacker.feed(block):
            if len(offsets) > 1:
                yield _Record(offsets[0], offsets[1] - offsets[0], size, text)
                del offsets[0]
                text, size = b"", 0
            size += len(piece)
            text += piece[: _START - len(text)]
    if unpacker.inside:
        raise ValueError
    if offsets:
        yield _Record(offsets[0], read - offsets[0], size, text)


def _apart(file: BinaryIO) -> Iterator[_Record]:
    """Yield the records of an archive that is not packed."""
    at, end = 0, os.fstat(file.fileno()).st_size
    while at < end:
        file.seek(at)
        text = file.read(_START)
        size = _size(text)
        yield _Record(at, size, size, text[:size])
        at += size
    if at > end:
        raise ValueError


def _size(text: bytes) -> int:
    """Return the size of the record that begins so, with the line ends behind it."""
    header, _, _ = text.partition(b"\r\n\r\n")
    return len(header) + 4 + int(fields_of(header)[b"content-length"]) + 4


def _line(name: str, record: _Record) -> Iterator[bytes]:
    """Yield the line of a record if it has one. Raises `ValueError` if it is not just one."""
    header, _, block = record.start.partition(b"\r\n\r\n")
    fields = fields_of(header)
    if not header.startswith(b"WARC/1.") or _size(record.start) != record.size:
        raise ValueError
    kind, url = fields[b"warc-type"], fields.get(b"warc-target-uri", b"").decode()
    if kind not in (b"response", b"revisit") or not url.startswith(("http:", "https:")):
        return
    head = block.partition(b"\r\n\r\n")[0]
    media = _CONTENT_TYPE.search(head)
    mime = media[1].decode("latin-1").lower() if media is not None else "unk"
    told = {
        "url": url,
        "mime": "warc/revisit" if kind == b"revisit" else mime,
        "status": head[9:12].decode("latin-1"),
        "digest": fields.get(b"warc-payload-digest", b"-").decode(),
        "length": str(record.length),
        "offset": str(record.offset),
        "filename": name,
    }
    moment = re.sub(rb"\D", b"", fields[b"warc-date"])[:14]
    yield b"%b %b %b\n" % (urlkey(url).encode(), moment, orjson.dumps(told))
