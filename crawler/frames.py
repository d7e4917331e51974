"""Outcomes as a table of another library: one row for each record."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import orjson

from crawler.model.errors import EnvironmentFailure
from crawler.model.extras import install
from crawler.model.outcome import Outcome
from crawler.store.record import schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_AS_JSON = ("source", "selected", "parsed", "extracted")
"""Fields whose form is not known; to Arrow they are JSON."""


def to_pandas(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Return a data frame, a row for each record; nested fields have columns: `timings.total`."""
    pandas = _library("pandas", "to_pandas")
    records = [outcome.record() for outcome in outcomes]
    names = [name for name in schema()["properties"] if name not in _AS_JSON]
    frame: pd.DataFrame = pandas.json_normalize(records)
    return frame if records else pandas.DataFrame(columns=names)


def to_arrow(outcomes: Iterable[Outcome]) -> pa.Table:
    """Return an Arrow table with a row for each record; what a parser found is JSON text."""
    arrow = _library("pyarrow", "to_arrow")
    fields = {name: _type(arrow, spec) for name, spec in schema()["properties"].items()}
    fields |= dict.fromkeys(_AS_JSON, arrow.string())
    table: pa.Table = arrow.Table.from_pylist(
        [_flat(outcome.record()) for outcome in outcomes], schema=arrow.schema(fields.items())
    )
    return table


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    texts = {name: orjson.dumps(record[name]).decode() for name in _AS_JSON if name in record}
    return record | texts


def _type(arrow: Any, spec: dict[str, Any]) -> Any:
    """The Arrow type of a field of the schema."""
    kinds = spec.get("type", "string")
    kind = next(k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null")
    if kind == "array":
        return arrow.list_(_type(arrow, spec["items"]))
    if kind == "object":
        if isinstance(values := spec.get("additionalProperties"), dict):
            return arrow.map_(arrow.string(), _type(arrow, values))
        parts = spec.get("properties", {})
        return arrow.struct([(name, _type(arrow, part)) for name, part in parts.items()])
    plain = {"integer": arrow.int64, "number": arrow.float64, "boolean": arrow.bool_}
    return plain.get(kind, arrow.string)()


def _library(name: str, function: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise EnvironmentFailure(
            f"{function} needs {name}, which is not installed; {install('frames')}"
        ) from error
