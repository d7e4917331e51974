"""Records as an Arrow table, by pyarrow: the schema of Parquet files and of `to_arrow`.

The schema is that of the records, with its descriptions as metadata of the fields, and follows from
the options alone: objects are structures, lists of links are lists, times are timestamps. What the
schema of records leaves open (`parsed`, `headers`) is JSON text.

Lines become columns in Arrow's own JSON reader, without a Python object for any value. What is open
has to be made text before that, so lines with such a field take a detour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from crawler.model.version import VERSION
from crawler.store.columns import is_open

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 4 * 2**20  # bytes that a thread reads


def arrow_schema(spec: Mapping[str, Any]) -> pa.Schema:
    """Return the Arrow schema of records; spec: their fields, as `chosen_schema` returns them."""
    import pyarrow as pa

    fields = [_field(*each) for each in spec.items()]
    return pa.schema(fields, metadata={"crawler": VERSION})


def arrow_table(lines: bytes, spec: Mapping[str, Any]) -> pa.Table:
    """Return a table with a row for each line of JSON, in the schema of `arrow_schema`.

    Fields that are not in `spec` are left out.
    """
    import pyarrow as pa

    schema = arrow_schema(spec)
    if not lines:
        return schema.empty_table()
    if names := sorted(set(_open_names(spec))):
        # A quote within a text is escaped, so this is a name wherever it stands.
        marks = re.compile(rb'"(?:%b)":' % b"|".join(names))
        if marks.search(lines):
            lines = b"".join(_closed_line(line, spec) for line in lines.splitlines())
    try:
        table = _read(lines, schema, _BLOCK)
    except pa.ArrowInvalid:  # a line is longer than a block
        table = _read(lines, schema, len(lines))
    return table.cast(schema)  # with the descriptions


def _read(lines: bytes, schema: pa.Schema, block: int) -> pa.Table:
    """Return the rows of lines; Arrow's threads read a block of so many bytes each."""
    import pyarrow as pa
    from pyarrow import json

    return json.read_json(
        pa.py_buffer(lines),
        json.ReadOptions(block_size=block),
        json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )


def _open_names(spec: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the names of the fields that are open, at any depth."""
    for name, field in spec.items():
        if is_open(field):
            yield re.escape(name.encode())
        else:
            yield from _open_names(field.get("properties", {}))


def _closed_line(line: bytes, spec: Mapping[str, Any]) -> bytes:
    return orjson.dumps(_closed(orjson.loads(line), spec)) + b"\n"


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
    """Return a record with JSON text for what the schema leaves open."""
    found: dict[str, Any] = {}
    for name, field in spec.items():
        value = record.get(name)
        if value is not None and is_open(field):
            value = orjson.dumps(value).decode()
        elif isinstance(value, dict):
            value = _closed(value, field["properties"])
        found[name] = value
    return found
