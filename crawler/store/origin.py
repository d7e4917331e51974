"""The position of an entry in its list, and the columns that are copied to its record.

This is kept as JSON, which is spliced into the record unchanged, and costs one string per waiting
URL; their number is bounded by the window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.output import dumps
from crawler.model.url import Seed
from crawler.store.entry import Told

MOST = 16_384
"""Bytes of JSON that the columns of an entry may take; above that they are null."""

ALL = "all"


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
        if len(dumps(columns)) > MOST:
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
        return dumps({"file": self._file, "line": line, "columns": columns})
