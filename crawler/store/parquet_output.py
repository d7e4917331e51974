"""Parquet: records with nested fields as columns, by pyarrow (the extra `parquet`).

The schema is the same in every file (`crawler.store.parquet_schema`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.model.errors import ConfigurationError
from crawler.store.columns import chosen_schema
from crawler.store.gathering import CommittedPart
from crawler.store.packed_file import groups_of
from crawler.store.parquet_schema import arrow_schema, arrow_table

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetPacker:
    """Writes Parquet files with the fields in `names`, or all. `output` is the file added to."""

    in_place = False

    def __init__(self, output: Path | None = None, names: Sequence[str] = ()) -> None:
        self._output = output
        self._spec = chosen_schema(names)
        self._schema = arrow_schema(self._spec)

    def __repr__(self) -> str:
        return f"ParquetPacker({self._output})"

    def rows(self, place: Path) -> int:
        """Return the number of rows of a file.

        Raises `ConfigurationError` if it has another schema, or is not Parquet.
        """
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(place) as file:
                if not file.schema_arrow.equals(self._schema):
                    raise ConfigurationError(f"{place}: has other columns; name another file")
                return int(file.metadata.num_rows)
        except pa.ArrowInvalid:
            raise ConfigurationError(f"{place}: is not Parquet; name another file") from None

    def pack(self, place: Path, parts: Sequence[CommittedPart], kept: int) -> None:
        """Write the records of the parts, after the first rows of the output."""
        from pyarrow import parquet

        repeating = [name for name in self._schema.names if name != "links"]
        with parquet.ParquetWriter(
            place, self._schema, compression="zstd", use_dictionary=repeating
        ) as writer:
            for table in chain(self._kept(kept), map(self._table, groups_of(parts))):
                writer.write_table(table)

    def _kept(self, rows: int) -> Iterator[pa.Table]:
        from pyarrow import parquet

        if not rows or self._output is None:
            return
        with parquet.ParquetFile(self._output) as file:
            for number in range(file.num_row_groups):
                if rows <= 0:
                    return
                table = file.read_row_group(number).slice(0, rows)
                rows -= table.num_rows
                yield table

    def _table(self, lines: bytes) -> pa.Table:
        return arrow_table(lines, self._spec)
