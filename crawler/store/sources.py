"""Sources of a crawl's URLs: files, pipes, the command line, or any iterable.

A source is read by one thread, which may wait for a slow pipe, while others ask for its `progress`
or close it. An input goes through a chain of generators, each of which holds one block at most:

    bytes (blocks) -> unpacked (archive) -> UTF-8 -> lines (text) -> entries (entries) -> seeds

Entries are parsed as URLs only when they are requested.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from crawler.model.command_config import CommandConfig
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.url import Seed
from crawler.model.value import value
from crawler.store.archive import unpacked
from crawler.store.blocks import Input
from crawler.store.entries import entries, form_of, located, with_some
from crawler.store.entry import Entry, SeedOrigin, checksum_of, seed
from crawler.store.input_copy import InputCopy
from crawler.store.parquet_input import parquet_entries
from crawler.store.remote_input import check, copied, is_remote
from crawler.store.text import utf8
from crawler.store.warc_input import warc_entries

_END = object()
_PATIENCE = 0.005  # seconds that `IterableSource.read` goes on collecting


@value(frozen=True, slots=True, kw_only=True)
class InputProgress:
    """The progress of reading a source.

    `lines` counts entries found so far, of which `handed` were handed out; `bytes_read` and
    `bytes_total` are bytes of the inputs on disk (compressed, for an archive), and `bytes_total` is
    None if an input's size is unknown. Seeds of the command line count with their own length.
    `known` is the number of entries if it is known beforehand; `limit` is the number after which
    reading ends, 0 for none.
    """

    lines: int
    handed: int
    bytes_read: int
    bytes_total: int | None
    known: int | None = None
    limit: int = 0

    @property
    def expected(self) -> int | None:
        """Expected number of entries, estimated from the bytes read so far; None if unknown."""
        expected = self.known
        if expected is None and self.bytes_total is not None and self.bytes_read:
            expected = round(self.lines * max(1.0, self.bytes_total / self.bytes_read))
        if expected is None or not self.limit:
            return expected
        return min(expected, self.limit)

    @property
    def share(self) -> float | None:
        """Share of the expected entries that was handed out, 0 to 1; None if unknown."""
        expected = self.expected
        if expected is None:
            return None
        return min(1.0, self.handed / expected) if expected else 1.0


class UrlSource:
    """The seeds of the command line, then those of the inputs, one after the other.

    `inputs` are file names, `-` is standard input; queries and objects
    (`crawler.store.remote_input`) are copied when they are read. All are checked before anything
    is read; files (not pipes) are also opened, and their first block is read as a trial.

    Raises `EnvironmentFailure` for an input that is missing, a directory, unreadable, binary, or
    not the archive that its name promises, `ConfigurationError` for a missing CSV column or `-`
    given twice.
    """

    def __init__(self, seeds: Sequence[str], inputs: Sequence[str], config: CrawlConfig) -> None:
        if list(inputs).count("-") > 1:
            raise ConfigurationError("input: standard input can be read only once; give one '-'")
        self._config = CommandConfig.over(config)
        self._given = tuple(seeds), tuple(inputs)
        self._copy: InputCopy | None = None
        self._copies: Path | None = None
        self._piped = 0
        self._closed = False
        self.rewind()

    def rewind(self) -> None:
        """Start again with the first entry; not for pipes. Raises what the constructor raises."""
        seeds, inputs = self._given
        self._inputs: deque[Input | str] = deque()  # and names of queries and objects
        for name in inputs:
            if is_remote(name):
                check(name, self._config.url_column)
            else:
                self._try(Input(name))
            self._inputs.append(name if is_remote(name) else Input(name))
        self._current: Iterator[list[Entry]] | None = iter([list[Entry](seeds)])
        self._block: list[Entry] = []
        self._at = 0
        self._handed = 0
        self._lines = 0
        self._bytes_read = sum(map(len, seeds))
        sizes = [found.size if isinstance(found, Input) else None for found in self._inputs]
        known = [size for size in sizes if size is not None]
        self._bytes_total = self._bytes_read + sum(known) if len(known) == len(sizes) else None

    def keep_copies(self, folder: Path) -> None:
        """Keep copies of queries and objects in the directory of a state."""
        self._copies = folder

    def copied_to(self, copy: InputCopy) -> None:
        """Read standard input by its copy, before anything is read."""
        self._copy = copy

    @property
    def piped(self) -> bool:
        """True if standard input is among the inputs."""
        return "-" in self._given[1]

    @property
    def silent(self) -> bool:
        """True if standard input is among the inputs, and nothing has come from it."""
        return self.piped and not self._piped

    def inputs(self) -> list[dict[str, Any]]:
        """Return name, size in bytes, time and a hash of the first bytes of each file."""
        files = (name for name in self._given[1] if not is_remote(name))
        return [found.described() for found in map(Input, files) if found.regular]

    def read(self, most: int) -> list[Seed]:
        """Return the next seeds, as `take` returns their entries."""
        return [seed(entry) for entry in self.take(most)]

    def take(self, most: int) -> list[Entry]:
        """Return the next entries, at least one and at most `most`, once available; [] at the end.

        Raises `EnvironmentFailure` or `ConfigurationError` for an invalid input, after all whole
        lines before the damage; reading may continue with the next input.
        """
        if self._config.limit:
            most = min(most, self._config.limit - self._handed)
        while most > 0 and not self._closed:
            part = self._block[self._at : self._at + most]
            if part:
                self._at += len(part)
                self._handed += len(part)
                return part
            if not self._advance():
                break
        return []

    def skip(self, number: int) -> int:
        """Skip `number` entries; return the checksum of those that there were.

        Raises what `read` raises.
        """
        found, until = 0, self._handed + number
        while self._handed < until and not self._closed:
            part = self._block[self._at : self._at + until - self._handed]
            self._at += len(part)
            self._handed += len(part)
            found = checksum_of(part, found)
            if not part and not self._advance():
                break
        return found

    def progress(self) -> InputProgress:
        """Return the progress; callable from any thread."""
        return InputProgress(
            lines=self._lines,
            handed=self._handed,
            bytes_read=self._bytes_read,
            bytes_total=self._bytes_total,
            limit=self._config.limit,
        )

    def close(self) -> None:
        """Close the source; a `read` that waits for a pipe returns [] within 0.1 s."""
        self._closed = True
        try:
            _end(self._current)
        except ValueError:
            return  # the reader is inside; it sees the flag, and leaving closes the file

    def _advance(self) -> bool:
        """Fetch the next block of entries, maybe an empty one; return False at the end."""
        try:
            return self._fetch()
        except EnvironmentFailure:
            if self._closed:  # an archive that was left half read looks like a truncated one
                return False
            raise

    def _fetch(self) -> bool:
        current = self._current
        if current is None:
            if not self._inputs:
                return False
            found = self._inputs.popleft()
            current = (
                self._open(found, self._count) if isinstance(found, Input) else self._copied(found)
            )
        self._current = None  # a generator that has raised is at its end
        block = next(current, None)
        if block is not None:
            self._current, self._block, self._at = current, block, 0
            self._lines += len(block)
        return True

    def _count(self, size: int) -> None:
        self._bytes_read += size

    def _copied(self, name: str) -> Iterator[list[Entry]]:
        """Yield the entries of a query or an object, from its copy."""
        kept = (
            nullcontext(self._copies)
            if self._copies
            else TemporaryDirectory(prefix="crawler-list-")
        )
        with kept as folder:
            place = copied(name, self._config.url_column, Path(folder))
            yield from self._open(Input(name, str(place)), self._count)

    def _open(self, found: Input, tally: Callable[[int], None]) -> Iterator[list[Entry]]:
        form, origin = (
            form_of(found.name, self._config),
            SeedOrigin.wanted(found.name, self._config),
        )
        if form == "parquet":
            rows = parquet_entries(found, self._config, tally, origin)
            return with_some(rows, found.label, "name its column with --url-column")
        text = unpacked(self._blocks(found, tally), found.label)
        if form == "sitemap":
            return located(text, found.label, origin)
        if form == "warc":
            return warc_entries(text, found.label, origin)
        return entries(utf8(text, found.label), found.name, self._config)

    def _blocks(self, found: Input, tally: Callable[[int], None]) -> Iterator[bytes]:
        def stopped() -> bool:
            return self._closed

        if found.name != "-":
            return found.blocks(tally, stopped)

        def counted(size: int) -> None:
            self._piped += size
            tally(size)

        if self._copy is None:
            return found.blocks(counted, stopped)
        return self._copy.blocks(found.blocks(_uncounted, stopped), counted, stopped)

    def _try(self, found: Input) -> None:
        if found.regular and found.name != "-":
            trial = self._open(found, lambda size: None)
            next(trial, None)
            _end(trial)


class IterableSource:
    """A source over any iterable of strings; every item counts, including blank ones and comments.

    An iterator is read ahead of need; `read` collects from it for a few milliseconds.
    """

    def __init__(self, urls: Iterable[str], config: CrawlConfig) -> None:
        if isinstance(urls, str | bytes):
            raise ConfigurationError(f"urls: {urls!r} is one text; give a list of them")
        self._known = len(urls) if isinstance(urls, Sized) else None
        self._urls = iter(urls)
        self._failure: Exception | None = None
        self._limit = config.limit
        self._lines = 0
        self._closed = False

    def read(self, most: int) -> list[Seed]:
        """Return the next seeds, at least one and at most `most`; [] at the end.

        Raises `TypeError` for an item that is not a string, and whatever the iterable raises.
        """
        if self._limit:
            most = min(most, self._limit - self._lines)
        found: list[Seed] = []
        until = 0.0
        while len(found) < most and not self._closed:
            item = self._next(found)
            if item is _END:
                break
            if not isinstance(item, str):
                raise TypeError(f"a URL must be a str, not {type(item).__name__}: {item!r}")
            found.append(seed(item))
            until = until or monotonic() + _PATIENCE
            if monotonic() >= until:
                break
        self._lines += len(found)
        return found

    def _next(self, found: list[Seed]) -> object:
        """Return the next item; delay an exception until the items before it are out."""
        if self._failure is not None:
            raise self._failure
        try:
            return next(self._urls, _END)
        except Exception as error:
            if not found:
                raise
            self._failure = error
            return _END

    def progress(self) -> InputProgress:
        """Return the progress; callable from any thread."""
        return InputProgress(
            lines=self._lines,
            handed=self._lines,
            bytes_read=0,
            bytes_total=None,
            known=self._known,
            limit=self._limit,
        )

    def close(self) -> None:
        """Close the source; the next `read` returns []."""
        self._closed = True


def _uncounted(_size: int) -> None:
    """Ignore the size of a block that is counted when it is read from its copy."""


def _end(entries: Iterator[list[Entry]] | None) -> None:
    """Close the file that a chain of generators reads from."""
    if isinstance(entries, Generator):
        entries.close()


def refuse_overwrite(inputs: Sequence[str], output: str, name: str = "output") -> None:
    """Raise `ConfigurationError` if the output is one of the inputs: opening it would empty it."""
    for given in inputs:
        if "-" in (given, output) or not (os.path.exists(given) and os.path.exists(output)):
            continue
        if os.path.isfile(given) and os.path.samefile(given, output):
            raise ConfigurationError(f"{name}: {output} is also an input; name another file")
