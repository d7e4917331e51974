"""One entry of a URL list: the text of a URL, and what it is read as.

An entry is a text, or at once a `Seed` with an `InvalidUrl` where the list has none there: nothing
of a list is lost. With `--keep` or `--repeats` it comes as `Told`, with its place in the list and
the columns that are copied to its record. These are JSON, which is spliced into the record
unchanged, and cost one string per waiting URL; their number is bounded by the window.

What a crawl fetches is what somebody meant. A line end, tab or other control inside of an entry
glues two things together, so such an entry is refused, where browsers would leave it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast
from zlib import crc32

from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.output import dumps
from crawler.model.url import MAX_LENGTH, InvalidUrl, Seed, parse
from crawler.store.text import SHOWN, Overlong

MOST = 16_384
"""Bytes of JSON that the columns of an entry may take; above that they are null."""

ALL = "all"

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_MARKS = "\ufeff\u200b"  # byte order mark, of files put together; zero-width space


class Told(NamedTuple):
    """An entry, and where it stands, as JSON: `{"file":...,"line":...,"columns":...}`."""

    entry: str | Seed
    source: bytes


Entry = str | Seed | Told


class SeedOrigin:
    """Adds positions to one input's entries. `names` are the columns to keep."""

    def __init__(self, file: str, names: Sequence[str]) -> None:
        self._file = file
        self.everything = ALL in names
        self.names = [name for name in names if name != ALL]

    @classmethod
    def wanted(cls, file: str, config: CommandConfig) -> SeedOrigin | None:
        """Return an origin if records or the list of repeats need positions, else None."""
        return cls(file, config.keep) if config.keep or config.repeats else None

    def told(self, entry: str | Seed, line: int | None, columns: Mapping[str, Any]) -> Told:
        """Return `entry` with its position: the line number, from 1, and its columns."""
        if len(dumps(columns, default=str)) > MOST:
            return Told(entry, self._json(line, None))
        return Told(entry, self._json(line, columns))

    def numbers(self) -> None:
        """Refuse column names for a list whose columns have none."""
        for name in self.names:
            if not (name.isdecimal() and int(name) > 0):
                raise ConfigurationError(
                    f"{self._file}: its columns have no names, so there is no {name!r}; "
                    "count them from 1 with --keep, or say --input-format csv"
                )

    def numbered(self, cells: Sequence[str], url: int) -> dict[str, str]:
        """Return the columns to keep of a row without names; column `url`, from 0, has the URL."""
        row = {str(number): cell for number, cell in enumerate(cells, 1)}
        if self.everything:
            row.pop(str(url + 1), None)
            return row
        return {name: row[name] for name in self.names if name in row}

    def _json(self, line: int | None, columns: Mapping[str, Any] | None) -> bytes:
        return dumps({"file": self._file, "line": line, "columns": columns}, default=str)


def seed(entry: Entry) -> Seed:
    """Read one entry; what cannot be a URL becomes one with an `InvalidUrl`, never an error."""
    if type(entry) is str and entry.isascii() and entry.isprintable() and len(entry) <= MAX_LENGTH:
        return Seed(entry, parse(entry))  # nearly all of them
    if isinstance(entry, Told):
        return seed(entry.entry)._replace(source=entry.source)
    return entry if isinstance(entry, Seed) else _doubtful(entry)


def text_of(entry: Entry) -> str:
    """Return the `input` of an entry's seed."""
    return entry if type(entry) is str and entry.isascii() else seed(entry).input


def checksum(texts: Iterable[str], before: int = 0) -> int:
    """Return the CRC-32 of texts, each with a line end, after others whose CRC is `before`."""
    joined = "".join(f"{text}\n" for text in texts)
    return crc32(joined.encode("utf-8", "surrogatepass"), before)


def checksum_of(entries: Sequence[Entry], before: int = 0) -> int:
    """Return the `checksum` of the inputs of entries."""
    if set(map(type, entries)) == {str}:  # nearly all of them
        joined = "\n".join(cast("Sequence[str]", entries))
        if joined.isascii():
            return crc32(f"{joined}\n".encode(), before)
    return checksum(map(text_of, entries), before)


def refused(text: str, reason: str) -> Seed:
    """Return a seed for text without a valid URL."""
    if len(text) > MAX_LENGTH:
        text = text[:SHOWN]
    return Seed(text, InvalidUrl(text, reason))


def trimmed(text: str) -> str:
    """Return `text` without surrounding blanks, line ends and invisible marks."""
    return text.strip().strip(_MARKS).strip()


def _doubtful(text: str) -> Seed:
    if isinstance(text, Overlong) or len(text) > MAX_LENGTH:
        return refused(str(text), f"longer than {MAX_LENGTH} characters")
    if _SURROGATE.search(text):
        return refused(text, "not UTF-8")
    inner = trimmed(text)
    if (control := _CONTROL.search(inner)) is not None:
        return refused(text, f"contains a {_name(control[0])}")
    return Seed(text, parse(inner))


def _name(control: str) -> str:
    names = {"\t": "tab", "\n": "line end", "\r": "line end", "\0": "NUL character"}
    return names.get(control, f"control character (U+{ord(control):04X})")
