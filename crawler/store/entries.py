"""Lines of text to entries of a URL list: plain lines, CSV (RFC 4180), JSON lines.

An entry is the text of a URL, or at once a `Seed` with an `InvalidUrl` where the line has none:
nothing of a list is lost. Each reader takes the list of lines of a block and yields the list of
their entries, so that what a slow pipe has sent is handed on before more is asked for.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import orjson

from crawler.model.config import CrawlConfig, InputFormat
from crawler.model.errors import ConfigurationError
from crawler.model.url import MAX_LENGTH, InvalidUrl, Seed, parse
from crawler.store.archive import SUFFIXES
from crawler.store.text import SHOWN, Overlong, lines

Entry = str | Seed

_FORMATS: dict[str, InputFormat] = {
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
    **dict.fromkeys((".xml", ".rss", ".atom"), "sitemap"),
}
_LINE = MAX_LENGTH  # bytes of a plain line
_RECORD = 8_388_608  # bytes of a CSV or JSON line, whose other fields may be long (whole pages)
_SURROGATE = re.compile("[\ud800-\udfff]")


def seed(entry: Entry) -> Seed:
    """Read one entry; what cannot be a URL becomes one with an `InvalidUrl`, never an error."""
    if type(entry) is str and entry.isascii() and entry.isprintable() and len(entry) <= MAX_LENGTH:
        return Seed(entry, parse(entry))  # nearly all of them
    return entry if isinstance(entry, Seed) else _doubtful(entry)


def entries(blocks: Iterator[bytes], name: str, config: CrawlConfig) -> Iterator[list[Entry]]:
    """The entries of an input's UTF-8 text, in the form that `config` or its name says.

    A sitemap's are read elsewhere (`crawler.store.sitemaps`), as XML says itself what it is in.

    Raises `ConfigurationError` if a CSV text has no column `config.url_column`.
    """
    form = form_of(name, config)
    if form == "csv":
        delimiter = "\t" if _stem(name).endswith(".tsv") else ","
        return _Csv(lines(blocks, _RECORD), name, config.url_column, delimiter).entries()
    if form == "jsonl":
        return _json_lines(lines(blocks, _RECORD), config.url_field)
    return _plain(lines(blocks, _LINE))


def form_of(name: str, config: CrawlConfig) -> InputFormat:
    """The form of an input, from what `config` or else its name says; never `auto`."""
    if config.input_format != "auto":
        return config.input_format
    stem = _stem(name)
    return next((form for suffix, form in _FORMATS.items() if stem.endswith(suffix)), "lines")


def _stem(name: str) -> str:
    name = name.lower()
    return next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name)


def _doubtful(text: str) -> Seed:
    if isinstance(text, Overlong) or len(text) > MAX_LENGTH:
        return refused(str(text), f"longer than {MAX_LENGTH} characters")
    if _SURROGATE.search(text):
        return refused(text, "not UTF-8")
    if "\0" in text:
        return refused(text, "contains a NUL character")
    return Seed(text, parse(text.removeprefix("\ufeff")))  # a mark inside: files put together


def refused(text: str, reason: str) -> Seed:
    """A seed for text that holds no URL."""
    if len(text) > MAX_LENGTH:
        text = text[:SHOWN]
    return Seed(text, InvalidUrl(text, reason))


def _plain(blocks: Iterator[list[str]]) -> Iterator[list[Entry]]:
    for block in blocks:
        yield [line for line in block if (text := line.strip()) and text[0] != "#"]


def _json_lines(blocks: Iterator[list[str]], field: str) -> Iterator[list[Entry]]:
    for block in blocks:
        yield [_json_line(line, field) for line in block if line and not line.isspace()]


def _json_line(line: str, field: str) -> Entry:
    if isinstance(line, Overlong):
        return refused(str(line), f"a line longer than {_RECORD} bytes")
    if _SURROGATE.search(line):
        return _from_damaged(line, field)
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return refused(line, f"not JSON: {error.msg}")
    return _json_url(value, line, field)


def _from_damaged(line: str, field: str) -> Entry:
    """A byte that is no UTF-8 spoils its line only if it stands in the URL itself."""
    try:
        value = orjson.loads(_SURROGATE.sub("\ufffd", line))
    except orjson.JSONDecodeError:
        return refused(line, "not UTF-8")
    found = _json_url(value, line, field)
    return refused(line, "not UTF-8") if isinstance(found, str) and "\ufffd" in found else found


def _json_url(value: Any, line: str, field: str) -> Entry:
    if isinstance(value, dict):
        if field not in value:
            value = _inside(value, field)
        else:
            value = value[field]
        if value is None:
            return refused(line, f"no field {field!r}")
        return value if isinstance(value, str) else refused(line, f"field {field!r} is no text")
    return value if isinstance(value, str) else refused(line, "neither a JSON object nor text")


def _inside(value: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


class _Csv:
    """Rows to entries. Quoted fields may hold line ends, so a row may need lines of later blocks.

    `csv.reader` pulls its lines from here, and what it took for the row at hand is remembered: a
    quote that is never closed would swallow all that follows. When that shows (at the csv module's
    limit of 131,072 characters a field, or at the end) the row's first line alone is refused and
    the others are read again.
    """

    __slots__ = ("_blocks", "_column", "_delimiter", "_ended", "_name", "_pending", "_taken")

    def __init__(self, blocks: Iterator[list[str]], name: str, column: str, delimiter: str) -> None:
        self._blocks = blocks
        self._name = name
        self._column = column
        self._delimiter = delimiter
        self._pending: deque[str] = deque()
        self._taken: list[str] = []
        self._ended = False

    def entries(self) -> Iterator[list[Entry]]:
        index = self._index()
        rows = self._reader()
        while self._more():
            found: list[Entry] = []
            while self._pending:
                row = self._row(rows)
                if isinstance(row, Seed):
                    rows = self._reader()  # its state is unknown after an error
                    found.append(row)
                elif any(not cell.isspace() for cell in row if cell):
                    found.append(self._cell(row, index))
            yield found

    def __iter__(self) -> _Csv:
        return self

    def __next__(self) -> str:
        if not self._pending and not self._more():
            self._ended = True
            raise StopIteration
        line = self._pending.popleft()
        self._taken.append(line)
        return line + "\n"

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self, delimiter=self._delimiter)

    def _more(self) -> bool:
        while not self._pending:
            block = next(self._blocks, None)
            if block is None:
                return False
            self._pending.extend(block)
        return True

    def _row(self, rows: Iterator[list[str]]) -> list[str] | Seed:
        if isinstance(self._pending[0], Overlong):
            return refused(str(self._pending.popleft()), f"a line longer than {_RECORD} bytes")
        self._taken.clear()
        try:
            row = next(rows)
        except csv.Error as error:
            return self._give_back(f"broken CSV: {error}")
        return self._give_back("a quote that is never closed") if self._ended else row

    def _give_back(self, reason: str) -> Seed:
        self._pending.extendleft(reversed(self._taken[1:]))
        self._ended = False
        return refused(self._taken[0], reason)

    def _cell(self, row: list[str], index: int) -> Entry:
        if index < len(row) and row[index] and not row[index].isspace():
            return row[index]
        return refused("\n".join(self._taken), f"no URL in column {self._column}")

    def _index(self) -> int:
        """Where the URL stands in a row; reads the header if the column goes by its name."""
        if self._column.isdecimal() and int(self._column) > 0:
            return int(self._column) - 1
        while self._more() and not self._pending[0].strip():
            self._pending.popleft()
        if not self._pending:
            return 0  # an empty text has no columns and no rows
        index = self._named(self._pending[0])
        self._row(self._reader())
        return index

    def _named(self, header: str) -> int:
        """Find the column, trying the delimiters in use: the one with which it is there."""
        for delimiter in (self._delimiter, ",", ";", "\t"):
            names = [_folded(name) for name in next(csv.reader([header], delimiter=delimiter))]
            if _folded(self._column) in names:
                self._delimiter = delimiter
                return names.index(_folded(self._column))
        raise ConfigurationError(
            f"{self._name}: no column {self._column!r} in {header[:SHOWN]!r}; "
            "name one with --url-column, or count it from 1"
        )


def _folded(name: str) -> str:
    return name.strip().casefold()
