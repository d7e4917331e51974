"""Parquet: records with nested fields as columns, by pyarrow (the extra `parquet`).

The schema is that of the records, with its descriptions, and the same in every file: it follows
from the options alone. What the schema of records leaves open (`parsed`) is JSON text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from crawler.model.errors import ConfigurationError
from crawler.model.version import VERSION
from crawler.store.columns import chosen_schema, is_open
from crawler.store.gathering import CommittedPart
from crawler.store.packed_file import groups_of

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

    def _table(self, lines: Sequence[bytes]) -> pa.Table:
        import pyarrow as pa

        records = [_closed(orjson.loads(line), self._spec) for line in lines]
        return pa.Table.from_pylist(records, schema=self._schema)


def arrow_schema(spec: dict[str, Any]) -> pa.Schema:
    """Return the Arrow schema of records, with descriptions as metadata of the fields."""
    import pyarrow as pa

    fields = [_field(*each) for each in spec.items()]
    return pa.schema(fields, metadata={"crawler": VERSION})


def _field(name: str, spec: dict[str, Any]) -> pa.Field:
    import pyarrow as pa

    described = {"description": spec["description"]} if "description" in spec else None
    return pa.field(name, _arrow_type(spec), metadata=described)


def _arrow_type(spec: dict[str, Any]) -> pa.DataType:
    import pyarrow as pa

    kinds = spec.get("type", "string")
    kind = next(k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null")
    if kind == "array":
        return pa.list_(_arrow_type(spec.get("items", {})))
    if kind == "object" and "properties" in spec:
        return pa.struct([_field(*each) for each in spec["properties"].items()])
    if spec.get("format") == "date-time":
        return pa.timestamp("ms", "UTC")
    plain = {"integer": pa.int64, "number": pa.float64, "boolean": pa.bool_}
    return plain.get(kind, pa.string)()


def _closed(record: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Return a record with JSON text for what the schema leaves open, and times as such."""
    found: dict[str, Any] = {}
    for name, field in spec.items():
        value = record.get(name)
        if value is not None and is_open(field):
            value = orjson.dumps(value).decode()
        elif isinstance(value, dict):
            value = _closed(value, field["properties"])
        elif value is not None and field.get("format") == "date-time":
            value = datetime.fromisoformat(value)
        found[name] = value
    return found
