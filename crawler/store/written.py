"""The records of an output, read back: line by line, in bounded memory, packed or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime

import msgspec
import orjson

from crawler.core.collector import Snapshot
from crawler.core.durations import DurationHistogram
from crawler.core.end_causes import CauseTally
from crawler.model.errors import EnvironmentFailure
from crawler.model.outcome import Kind
from crawler.store.archive import unpacked
from crawler.store.blocks import BLOCK, Input
from crawler.store.naming import LINES, check_name
from crawler.store.object_store import ObjectFolder, check_library, is_object, opened_object

_LONGEST = 67_108_864
"""Bytes of a line: a page of ten million bytes of links has a record that is longer than itself."""

_FETCHED = ("page", "unchanged", "redirect", "sitemap")
_KINDS = frozenset(kind.value for kind in Kind)


class WrittenHop(msgspec.Struct):
    """A redirect."""

    url: str
    status: int | None = None


class WrittenBytes(msgspec.Struct):
    """Sizes of the body."""

    wire: int | None = None
    decoded: int | None = None


class WrittenTimes(msgspec.Struct):
    """Seconds."""

    total: float | None = None


class WrittenRecord(msgspec.Struct):
    """The fields of a record that are read back; all may be missing (`--fields`)."""

    url: str | None = None
    input: str | None = None
    source: msgspec.Raw = msgspec.Raw(b"")
    final_url: str | None = None
    redirects: list[WrittenHop] = msgspec.field(default_factory=list)
    outcome: str | None = None
    method: str | None = None
    sent_hash: str | None = None
    kind: str | msgspec.UnsetType | None = msgspec.UNSET
    reason: str | None = None
    depth: int = 0
    found_on: str | None = None
    status: int | None = None
    bytes: WrittenBytes = msgspec.field(default_factory=WrittenBytes)
    truncated: bool = False
    timings: WrittenTimes = msgspec.field(default_factory=WrittenTimes)
    attempts: int = 0
    fetched_at: str | None = None
    title: str | None = None
    body_hash: str | None = None
    text_hash: str | None = None
    etag: str | None = None
    last_modified: str | None = None

    @property
    def word(self) -> str:
        """Its place among the outcomes: `page`, `unchanged`, `redirect`, `sitemap`, or a kind."""
        return self.kind or self.outcome or "unknown"


_decode = msgspec.json.Decoder(WrittenRecord).decode


def parts_of(output: str) -> list[str]:
    """Return the files of an output: itself, or those of a directory, by name.

    Raises `EnvironmentFailure` for a directory without parts, `ConfigurationError` for another
    format than JSON lines.
    """
    if is_object(output) and output.endswith("/"):
        check_library(output)
        there = ObjectFolder(output).names()
    elif os.path.isdir(output):
        there = os.listdir(output)
    else:
        return [_checked(output)]
    names = sorted(name for name in there if name.startswith("part-"))
    if not names:
        raise EnvironmentFailure(f"{output}: has no parts (part-*); name the output of a crawl")
    return [_checked(os.path.join(output, name)) for name in names]


def _checked(name: str) -> str:
    check_name(name, LINES, packed=True)
    return name


def written_lines(name: str) -> Iterator[bytes]:
    """Yield the lines of a file (`-`: standard input), each with its line end.

    Raises `EnvironmentFailure` for an archive that is damaged, and for a file that ends in the
    middle of a record, after all whole ones; a last record that lacks its line end alone gets one.
    """
    label = "standard input" if name == "-" else name
    rest: list[bytes] = []  # of a line that has not come to its end
    held = 0
    for block in unpacked(_blocks(name), label):
        first, *more = block.split(b"\n")
        rest.append(first)
        held += len(first)
        if held > _LONGEST:
            raise EnvironmentFailure(f"{label}: a line is longer than {_LONGEST:,} bytes")
        if more:
            yield b"".join((*rest, b"\n"))
            *lines, last = more
            yield from (b"%b\n" % line for line in lines)
            rest, held = [last], len(last)
    if last := b"".join(rest):
        try:
            orjson.loads(last)
        except orjson.JSONDecodeError:
            raise EnvironmentFailure(
                f"{label}: ends in the middle of a record; those before it are whole"
            ) from None
        yield last + b"\n"


def _blocks(name: str) -> Iterator[bytes]:
    if not is_object(name):
        yield from Input(name).blocks(_uncounted, _never)
        return
    with opened_object(name) as file:
        while block := file.read(BLOCK):
            yield block


def written_record(name: str, line: bytes) -> WrittenRecord:
    """Return the record in a line of `name`. Raises `EnvironmentFailure` for what is not one."""
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        shown = line[:60].decode("utf-8", "replace").rstrip()
        raise EnvironmentFailure(f"{name}: is not a record: {shown!r}: {error}") from None


class RecordTally:
    """Counts records, for the summary of a crawl that has ended."""

    def __init__(self) -> None:
        self.listed = 0
        self._found = 0
        self._outcomes: dict[str, int] = {}
        self._causes: dict[str, CauseTally] = {}
        self._failed = self._skipped = self._truncated = self._redirects = self._retries = 0
        self._wire = self._body = 0
        self._latency = DurationHistogram()
        self._first, self._last = "~", ""  # RFC 3339 in UTC sorts as text

    def add(self, record: WrittenRecord) -> None:
        """Count a record."""
        outcome, key = record.outcome, record.word
        self._outcomes[key] = self._outcomes.get(key, 0) + 1
        if outcome not in _FETCHED and key in _KINDS:
            self._causes.setdefault(key, CauseTally()).add(record.url or "", record.reason or "")
        self._failed += outcome == "failed"
        self._skipped += outcome == "skipped"
        self._truncated += record.truncated
        hops = len(record.redirects) + (outcome == "redirect")
        self._redirects += hops
        self._retries += max(record.attempts - 1 - len(record.redirects), 0)
        self._wire += record.bytes.wire or 0
        self._body += record.bytes.decoded or 0
        self._found += record.found_on is not None
        self.listed += record.found_on is None
        if record.status is not None and record.timings.total is not None:
            self._latency.add(record.timings.total)
        if record.fetched_at:
            self._first = min(self._first, record.fetched_at)
            self._last = max(self._last, record.fetched_at)

    def snapshot(self) -> Snapshot:
        """Return what a crawl's own statistics would say, as far as records tell.

        `elapsed` is the time from the first to the last fetch.
        """
        return Snapshot(
            elapsed=self._elapsed(),
            read=self.listed,
            found=self._found,
            records=sum(self._outcomes.values()),
            outcomes=dict(self._outcomes),
            causes={kind: tally.cause() for kind, tally in self._causes.items()},
            failed=self._failed,
            skipped=self._skipped,
            truncated=self._truncated,
            redirects=self._redirects,
            retries=self._retries,
            wire_bytes=self._wire,
            body_bytes=self._body,
            latency=self._latency.freeze(),
        )

    def _elapsed(self) -> float:
        try:
            first, last = map(datetime.fromisoformat, (self._first, self._last))
        except ValueError:  # nothing was fetched, or somebody else's form
            return 0.0
        return (last - first).total_seconds()


def _uncounted(_size: int) -> None:
    """Ignore the number of bytes read."""


def _never() -> bool:
    return False
