"""CSV (RFC 4180) and similar formats: a URL in a column of each row."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crawler.model.errors import ConfigurationError
from crawler.model.url import Seed
from crawler.store.entry import Entry, SeedOrigin, refused
from crawler.store.text import LONGEST, SHOWN, Overlong

_DELIMITERS = (",", ";", "\t")


@dataclass(eq=False)
class Rows:
    """Reads entries from rows, which may continue in later blocks as quoted fields have line ends.

    `csv.reader` pulls its lines from here, and the lines of the current row are remembered: a quote
    that is never closed would swallow everything after it. When that is detected (at the csv
    module's limit of 131,072 characters per field, or at the end), only the row's first line is
    refused and the others are read again.

    column: the URL's, by its name in the header or by its number from 1, then without a header.
    """

    blocks: Iterator[list[str]]
    name: str
    column: str
    delimiter: str
    origin: SeedOrigin | None = None
    _url: int = 0  # where the URL stands in a row
    _names: list[str] = field(default_factory=list)  # the header
    _kept: list[tuple[str, int]] = field(default_factory=list)  # columns to keep, and their places
    _number: int = 0  # lines taken
    _pending: deque[str] = field(default_factory=deque)
    _taken: list[str] = field(default_factory=list)
    _ended: bool = False

    def entries(self) -> Iterator[list[Entry]]:
        """Yield the entries of all rows that are not blank."""
        self._begin()
        rows = self._reader()
        while self._more():
            found: list[Entry] = []
            while self._pending:
                number = self._number + 1
                row = self._row(rows)
                if isinstance(row, Seed):
                    rows = self._reader()  # its state is unknown after an error
                    found.append(self._told(row, number, ()))
                elif any(not cell.isspace() for cell in row if cell):
                    found.append(self._told(self._cell(row), number, row))
            yield found

    def __iter__(self) -> Rows:
        return self

    def __next__(self) -> str:
        if not self._pending and not self._more():
            self._ended = True
            raise StopIteration
        line = self._next_line()
        self._taken.append(line)
        return line + "\n"

    def _next_line(self) -> str:
        self._number += 1
        return self._pending.popleft()

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self, delimiter=self.delimiter)

    def _more(self) -> bool:
        while not self._pending:
            block = next(self.blocks, None)
            if block is None:
                return False
            self._pending.extend(block)
        return True

    def _row(self, rows: Iterator[list[str]]) -> list[str] | Seed:
        if isinstance(self._pending[0], Overlong):
            return refused(str(self._next_line()), f"a line longer than {LONGEST} bytes")
        self._taken.clear()
        try:
            row = next(rows)
        except csv.Error as error:
            return self._give_back(f"broken CSV: {error}")
        return self._give_back("a quote that is never closed") if self._ended else row

    def _give_back(self, reason: str) -> Seed:
        self._pending.extendleft(reversed(self._taken[1:]))
        self._number -= len(self._taken) - 1
        self._ended = False
        return refused(self._taken[0], reason)

    def _cell(self, row: list[str]) -> str | Seed:
        if self._url < len(row) and row[self._url] and not row[self._url].isspace():
            return row[self._url]
        return refused("\n".join(self._taken), f"no URL in column {self.column}")

    def _told(self, entry: str | Seed, number: int, row: Sequence[str]) -> Entry:
        if self.origin is None:
            return entry
        if not self._names:
            return self.origin.told(entry, number, self.origin.numbered(row, self._url))
        kept = {name: row[place] for name, place in self._kept if place < len(row)}
        if self.origin.everything:  # cells that the header has no name for
            for place in range(len(self._names), len(row)):
                kept[str(place + 1)] = row[place]
        return self.origin.told(entry, number, kept)

    # -- the header

    def _begin(self) -> None:
        """Find the columns; read the header if the URL's column is given by name."""
        while self._more() and not self._pending[0].strip():
            self._next_line()
        if not self._pending:
            return  # an empty text has no columns and no rows
        if self.column.isdecimal() and int(self.column) > 0:
            self._url = int(self.column) - 1
            self._counted(self._pending[0])
            return
        self._named(self._pending[0])
        self._row(self._reader())
        if self.origin is not None:
            self._kept = list(self._columns(self.origin))

    def _counted(self, first: str) -> None:
        """Choose the first delimiter that gives the first row enough columns."""
        for delimiter in (self.delimiter, *_DELIMITERS):
            if len(_cells(first, delimiter)) > self._url:
                self.delimiter = delimiter
                break
        if self.origin is not None:
            self.origin.numbers()

    def _named(self, header: str) -> None:
        for delimiter in (self.delimiter, *_DELIMITERS):
            names = [name.strip() for name in _cells(header, delimiter)]
            place = _place(names, self.column)
            if place is not None:
                self.delimiter, self._url, self._names = delimiter, place, names
                return
        raise self._lacking(self.column, header, "--url-column")

    def _columns(self, origin: SeedOrigin) -> Iterator[tuple[str, int]]:
        if origin.everything:
            for at, name in enumerate(self._names):
                known = not name or name in self._names[:at]  # then its number is its name
                if at != self._url:
                    yield (str(at + 1) if known else name), at
            return
        for name in origin.names:
            place = _place(self._names, name)
            if place is None:
                raise self._lacking(name, self.delimiter.join(self._names), "--keep")
            yield self._names[place], place

    def _lacking(self, column: str, header: str, flag: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.name}: no column {column!r} in {header[:SHOWN]!r}; "
            f"name one with {flag}, or count it from 1"
        )


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _place(names: Sequence[str], name: str) -> int | None:
    """Return the index of a column by its name, in any case, or by its number from 1."""
    folded = [found.casefold() for found in names]
    if name.strip().casefold() in folded:
        return folded.index(name.strip().casefold())
    if name.isdecimal() and 0 < int(name) <= len(names):
        return int(name) - 1
    return None
