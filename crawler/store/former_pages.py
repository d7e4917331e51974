"""The pages of an earlier output by their URLs, in a file: `--since`.

Memory is bounded whatever the output's size: looking a page up reads two places of the mapped file.

    lines of JSON, one a page | padding | starts | keys | places | number of pages, of buckets

Keys are fingerprints of URLs, `places` where their lines begin. The highest bits of a key give its
bucket, and `starts` where each bucket begins and the last one ends. A URL's last record counts.
"""

from __future__ import annotations

import mmap
import os
from array import array
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from crawler.model.errors import EnvironmentFailure
from crawler.model.former_page import FormerPage
from crawler.model.url import fingerprint
from crawler.store.journal import disk

if TYPE_CHECKING:
    from crawler.store.written import WrittenRecord

NAME = "since"

_INDEXED = frozenset({"page", "unchanged", "failed"})
_PORTION = 8_192  # pairs of key and place read at once
_WORD = 8
_IN_BUCKET = 16
_NOT_MODIFIED = 304


class FormerPages:
    """The pages in a file that `indexed` has written; `get` may be called from any thread."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        words = memoryview(self._map).cast("Q")
        self._number, buckets = words[-2], words[-1]
        keys = len(words) - 2 - 2 * self._number
        self._starts = words[keys - buckets - 1 : keys]
        self._keys = words[keys : keys + self._number]
        self._places = words[keys + self._number : -2]
        self._buckets = buckets
        self._words = words

    def __len__(self) -> int:
        return self._number

    def __repr__(self) -> str:
        return f"FormerPages({self._number:,} pages)"

    def get(self, url: str) -> FormerPage | None:
        """Return what the output says of a URL in its WHATWG form, if it has a record of it."""
        key = fingerprint(url)
        bucket = _bucket(key, self._buckets)
        first, last = self._starts[bucket], self._starts[bucket + 1]
        for at in range(last - 1, first - 1, -1):
            if self._keys[at] == key:
                place = self._places[at]
                line = self._map[place : self._map.find(b"\n", place)]
                found, *values = orjson.loads(line)
                if found == url:
                    return FormerPage(*values)
        return None

    def close(self) -> None:
        """Close the file."""
        for view in (self._starts, self._keys, self._places, self._words):
            view.release()
        self._map.close()


@contextmanager
def former_pages(since: str, folder: Path | None, *, resumed: bool) -> Iterator[FormerPages | None]:
    """Yield the pages of the output `since`, None for "".

    Their file lies in the directory of a state, where a crawl that continues (`resumed`) finds it,
    or in a temporary one. Raises what `indexed` raises.
    """
    if not since:
        yield None
        return
    with nullcontext(folder) if folder else TemporaryDirectory(prefix="crawler-since-") as place:
        path = Path(place) / NAME
        if not (resumed and path.exists()):
            indexed(since, path)
        with closing(FormerPages(path)) as found:
            yield found


def indexed(output: str, path: Path) -> None:
    """Write the pages of an output to `path`, as a whole and durably.

    Raises `EnvironmentFailure` for what is not an output, and where there is no room.
    """
    draft, pairs = path.with_name(f"{path.name}.new"), path.with_name(f"{path.name}.keys.new")
    try:
        disk.make_folder(path.parent)
        with draft.open("w+b") as file, pairs.open("w+b") as keys:
            length = _copied(output, file, keys)
            _sorted(file, length, keys)
            os.fsync(file.fileno())
        disk.rename(draft, path)
        disk.settle(path.parent)
    except OSError as error:
        raise EnvironmentFailure(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        disk.remove(draft)
        disk.remove(pairs)
        with suppress(OSError):  # it was made for nothing else, if it is empty
            path.parent.rmdir()


def _copied(output: str, file: BinaryIO, keys: BinaryIO) -> int:
    """Copy what has to be known of each page, and its key and place; return the length."""
    from crawler.store.written import parts_of, written_lines, written_record

    at = 0
    for part in parts_of(output):
        for line in written_lines(part):
            record = written_record(part, line)
            if record.url is None:
                raise EnvironmentFailure(f"{part}: has records without `url`; name another output")
            indexed = record.outcome in _INDEXED and record.method is None
            if not indexed or record.status is None:
                continue
            data = orjson.dumps([record.url, *_page(record)]) + b"\n"
            keys.write(array("Q", (fingerprint(record.url), at)).tobytes())
            file.write(data)
            at += len(data)
    return at


def _page(record: WrittenRecord) -> FormerPage:
    fresh = record.status != _NOT_MODIFIED  # else status and size are those of no page
    return FormerPage(
        final_url=record.final_url or record.url or "",
        status=record.status if fresh else None,
        size=record.bytes.decoded if fresh else None,
        title=record.title,
        body_hash=record.body_hash,
        etag=record.etag or "",
        last_modified=record.last_modified or "",
        text_hash=record.text_hash,
        fetched_at=(record.fetched_at or "") if fresh else "",
    )


def _sorted(file: BinaryIO, length: int, keys: BinaryIO) -> None:
    """Write the index behind `length` bytes of lines: by buckets, in the order of the records."""
    number = keys.tell() // (2 * _WORD)
    buckets = 1 << max(0, (number // _IN_BUCKET).bit_length())
    counts = [0] * buckets
    for key, _ in _pairs(keys):
        counts[_bucket(key, buckets)] += 1
    ends = list(accumulate(counts, initial=0))
    begin = -(-length // _WORD)
    total = begin + len(ends) + 2 * number + 2
    file.flush()
    file.truncate(total * _WORD)
    with mmap.mmap(file.fileno(), 0) as mapped, memoryview(mapped).cast("Q") as words:
        at = begin + len(ends)
        words[begin:at] = array("Q", ends)
        words[-2], words[-1] = number, buckets
        for key, place in _pairs(keys):
            bucket = _bucket(key, buckets)
            words[at + ends[bucket]] = key
            words[at + number + ends[bucket]] = place
            ends[bucket] += 1
        mapped.flush()


def _pairs(keys: BinaryIO) -> Iterator[Any]:
    keys.seek(0)
    while data := keys.read(_PORTION * 2 * _WORD):
        pairs = array("Q", data)
        yield from zip(pairs[::2], pairs[1::2], strict=True)


def _bucket(key: int, buckets: int) -> int:
    """Return the bucket of a key; their number is a power of two."""
    return key >> (64 - buckets.bit_length() + 1) if buckets > 1 else 0
