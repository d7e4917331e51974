"""Records as an Arrow table, by pyarrow: the schema of Parquet files and of `to_arrow`.

The schema is that of the records, with its descriptions as metadata of the fields, and follows from
the options alone: objects are structures, lists of links are lists, times are timestamps. What the
schema of records leaves open (`parsed`, `headers`) is JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from crawler.model.version import VERSION
from crawler.store.columns import is_open

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_schema(spec: Mapping[str, Any]) -> pa.Schema:
    """Return the Arrow schema of records; spec: their fields, as `chosen_schema` returns them."""
    import pyarrow as pa

    fields = [_field(*each) for each in spec.items()]
    return pa.schema(fields, metadata={"crawler": VERSION})


def arrow_table(records: Iterable[Mapping[str, Any]], spec: Mapping[str, Any]) -> pa.Table:
    """Return a table with a row for each record, in the schema of `arrow_schema`."""
    import pyarrow as pa

    rows = [_closed(record, spec) for record in records]
    return pa.Table.from_pylist(rows, schema=arrow_schema(spec))


def _field(name: str, spec: Mapping[str, Any]) -> pa.Field:
    import pyarrow as pa

    described = {"description": spec["description"]} if "description" in spec else None
    return pa.field(name, _arrow_type(spec), metadata=described)


def _arrow_type(spec: Mapping[str, Any]) -> pa.DataType:
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


def _closed(record: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
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
